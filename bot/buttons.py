"""What a button carries, typed: the one place that knows the format of callback data.

Data begins with the format's version, so that a button from an older program is known as stale
instead of being misread. Telegram allows 64 bytes.
"""

from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True)
class Confirm:
    """ "Yes": the blend of this face is right."""

    reading_id: str
    face: int


@dataclass(frozen=True)
class AskCorrection:
    """ "No, it's...": show the emotions to choose from."""

    reading_id: str
    face: int


@dataclass(frozen=True)
class Correct:
    """One emotion of that choice."""

    reading_id: str
    face: int
    emotion: str


@dataclass(frozen=True)
class PickFace:
    """A face's number under the reading of several: show that face's Yes and No."""

    reading_id: str
    face: int


@dataclass(frozen=True)
class ChooseFace:
    """A face's number under "which face?": the answer to the stored question."""

    question_id: int
    face: int


@dataclass(frozen=True)
class Page:
    """A page of a reading; also the way back to it from one of its faces. 0 is the first."""

    reading_id: str
    page: int


@dataclass(frozen=True)
class Undo:
    """Take this feedback back."""

    feedback_id: int


@dataclass(frozen=True)
class GiveConsent:
    """Keep my faces."""


@dataclass(frozen=True)
class DeclineConsent:
    """Don't keep them."""


@dataclass(frozen=True)
class ForgetMe:
    """Yes, erase everything."""


@dataclass(frozen=True)
class KeepMe:
    """No, leave it."""


@dataclass(frozen=True)
class StatisticsRange:
    """`/stats` of the last days; of all time where None."""

    days: int | None


Button: TypeAlias = (
    Confirm
    | AskCorrection
    | Correct
    | PickFace
    | ChooseFace
    | Page
    | Undo
    | GiveConsent
    | DeclineConsent
    | ForgetMe
    | KeepMe
    | StatisticsRange
)


def encode(button: Button) -> str:
    """The callback data of a button, at most 64 bytes."""
    raise NotImplementedError


def decode(callback_data: str) -> Button | None:
    """The button of this callback data; None where it is of another version, or garbage."""
    raise NotImplementedError
