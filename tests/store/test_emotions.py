"""The seven emotions are those of the model, in its order."""

from fer_model.emotions import EMOTIONS as MODEL_EMOTIONS
from store.emotions import EMOTIONS, top_emotion


def test_emotions_are_the_models_in_its_order() -> None:
    assert tuple(MODEL_EMOTIONS) == EMOTIONS


def test_top_emotion_is_the_largest_and_the_first_of_equal_ones() -> None:
    assert top_emotion((0.1, 0.0, 0.2, 0.3, 0.1, 0.2, 0.1)) == "happy"
    assert top_emotion((1 / 7,) * 7) == "angry"
