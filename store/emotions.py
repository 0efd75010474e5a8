"""The seven emotions, in the order of every probability list in the database."""

from collections.abc import Sequence

EMOTIONS: tuple[str, ...] = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")


def top_emotion(probabilities: Sequence[float]) -> str:
    """Return the emotion with the largest of seven probabilities; the first of equal ones."""
    best = max(range(len(EMOTIONS)), key=lambda index: probabilities[index])
    return EMOTIONS[best]
