"""What a text about a reading may mean."""

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
class Mixture:
    """The face shows several emotions: "60% sad 40% fear".

    `shares` sum to 1; they are empty where only the order was told, the largest first: "mostly
    sad, a bit scared".
    """

    emotions: tuple[str, ...]
    shares: tuple[float, ...] = ()
    face: int | None = None


@dataclass(frozen=True)
class FaceNamed:
    """Nothing but a face: "2", "the second one"; the answer to "which face?"."""

    face: int


@dataclass(frozen=True)
class FacesNamed:
    """Nothing but several faces: "1 and 2", "both"."""

    faces: tuple[int, ...]


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


Part: TypeAlias = Correction | Confirmation | Rejection | Mixture
Meaning: TypeAlias = (
    Part | Several | FaceNamed | FacesNamed | UnknownEmotion | Unclear | NotFeedback
)


def has_vote(meaning: Meaning) -> bool:
    """Whether there is something to record in it."""
    parts = meaning.parts if isinstance(meaning, Several) else (meaning,)
    return any(isinstance(part, Correction | Confirmation | Mixture) for part in parts)


def emotions_of(meaning: Meaning) -> tuple[str, ...]:
    """The emotions that a meaning names."""
    match meaning:
        case Correction(emotion):
            return (emotion,)
        case Mixture(emotions) | Unclear(emotions):
            return emotions
        case _:
            return ()
