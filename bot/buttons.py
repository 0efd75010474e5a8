"""What a button carries, typed: the one place that knows the format of callback data.

Data begins with the format's version, so that a button from an older program is known as stale
instead of being misread. Telegram allows 64 bytes.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from types import MappingProxyType
from typing import Final, TypeAlias, cast, get_args

from store.emotions import EMOTIONS
from store.records import RulingVerdict


@dataclass(frozen=True)
class Confirm:
    """The answer "Yes": the blend of this face is right."""

    reading_id: str
    face: int


@dataclass(frozen=True)
class AskCorrection:
    """The answer "No": show the emotions to choose from."""

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


@dataclass(frozen=True)
class Rule:
    """An administrator's ruling on a piece of feedback: accepted, rejected or skipped."""

    feedback_id: int
    verdict: RulingVerdict


@dataclass(frozen=True)
class Unrule:
    """Take the ruling on this feedback back, and show it again."""

    feedback_id: int


@dataclass(frozen=True)
class EndReview:
    """Enough of `/review` for now: no face stays in the chat."""


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
    | Rule
    | Unrule
    | EndReview
)


FORMAT: Final = "1"
LONGEST: Final = 64  # bytes; Bot API, InlineKeyboardButton.callback_data

_NAMES: Final[Mapping[type[Button], str]] = MappingProxyType(
    {
        Confirm: "yes",
        AskCorrection: "no",
        Correct: "is",
        PickFace: "face",
        ChooseFace: "pick",
        Page: "page",
        Undo: "undo",
        GiveConsent: "agree",
        DeclineConsent: "decline",
        ForgetMe: "forget",
        KeepMe: "keep",
        StatisticsRange: "stats",
        Rule: "rule",
        Unrule: "unrule",
        EndReview: "reviewed",
    }
)
_KINDS: Final = MappingProxyType({name: kind for kind, name in _NAMES.items()})

_READING_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,32}")
# At most what a database's BIGINT holds; faces, pages and days are bounded likewise.
_NUMBER: Final = re.compile(r"0|[1-9][0-9]{0,17}")
_EVER: Final = "ever"


def encode(button: Button) -> str:
    """The callback data of a button, at most 64 bytes."""
    values = (getattr(button, field.name) for field in fields(button))
    parts = (_EVER if value is None else str(value) for value in values)
    encoded = ":".join((FORMAT, _NAMES[type(button)], *parts))
    if len(encoded.encode()) > LONGEST:
        raise ValueError(f"longer than {LONGEST} bytes: {encoded}")
    return encoded


def decode(callback_data: str) -> Button | None:
    """The button of this callback data; None where it is of another version, or garbage."""
    version, _, rest = callback_data.partition(":")
    name, *parts = rest.split(":")
    kind = _KINDS.get(name)
    if version != FORMAT or kind is None or len(parts) != len(fields(kind)):
        return None
    values: dict[str, str | int | None] = {}
    for field, part in zip(fields(kind), parts, strict=True):
        if not _is_valid(field.name, part):
            return None
        values[field.name] = _value(field.name, part)
    # The fields are checked one by one above, which the type checker cannot see.
    return cast(Callable[..., Button], kind)(**values)


def _is_valid(field: str, part: str) -> bool:
    match field:
        case "reading_id":
            return _READING_ID.fullmatch(part) is not None
        case "emotion":
            return part in EMOTIONS
        case "verdict":
            return part in get_args(RulingVerdict)
        case "days":
            return part == _EVER or _is_positive(part)
        case "page":
            return _NUMBER.fullmatch(part) is not None
        case _:
            return _is_positive(part)


def _is_positive(part: str) -> bool:
    return part != "0" and _NUMBER.fullmatch(part) is not None


def _value(field: str, part: str) -> str | int | None:
    if field in ("reading_id", "emotion", "verdict"):
        return part
    return None if part == _EVER else int(part)
