"""The one parser of feedback: what somebody wrote -> what they mean. Pure.

It knows neither which reading is meant nor who speaks. The worse mistake is to record what was not
meant, so a sentence counts only where every word of it is known to the vocabulary; asking back is
always allowed. The words are in `bot/vocabulary/`, one TOML file per language.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True)
class Correction:
    """The face shows this emotion; `face` is None where no face was named.

    Naming what the blend's top is anyway is a correction here, and a confirmation to the store.
    """

    emotion: str
    face: int | None = None


@dataclass(frozen=True)
class Confirmation:
    """The blend is right."""

    face: int | None = None


@dataclass(frozen=True)
class Rejection:
    """The blend is wrong, and the right emotion is still to be asked for.

    `denied` is the emotion that it is not: "not angry".
    """

    face: int | None = None
    denied: str | None = None


@dataclass(frozen=True)
class FaceNamed:
    """Nothing but a face: "2", "the second one"; the answer to "which face?"."""

    face: int


@dataclass(frozen=True)
class UnknownEmotion:
    """A correction to something that is none of the seven: "wrong, she is bored"."""

    word: str
    face: int | None = None


@dataclass(frozen=True)
class Unclear:
    """Feedback, or nearly, but which cannot be told: "sad or angry", "I am sad". Ask.

    `emotions` are those that were named, in that order, if any.
    """

    emotions: tuple[str, ...] = ()
    face: int | None = None


@dataclass(frozen=True)
class Several:
    """One meaning per face, each with a different face, in the order they were written."""

    parts: "tuple[Part, ...]"


@dataclass(frozen=True)
class NotFeedback:
    """Anything else."""


Part: TypeAlias = Correction | Confirmation | Rejection
Meaning: TypeAlias = Part | Several | FaceNamed | UnknownEmotion | Unclear | NotFeedback


def understand(
    text: str, face_count: int | None = None, languages: Sequence[str] = ()
) -> Meaning:
    """What the text says about a reading's faces.

    Args:
        text: As it was written.
        face_count: How many faces the reading has, if it is known: "the last one", "both" need it.
            Whether a number is one of them is judged later.
        languages: Codes to try first, the person's own; then the others.
    """
    raise NotImplementedError
