"""The seven emotions, in the order that every array, file and column of this project follows."""

from typing import Final

EMOTIONS: Final = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
"""Label order. Source: FER2013 (Goodfellow et al. 2013), classes 0 to 6."""

EMOTION_COUNT: Final = len(EMOTIONS)
