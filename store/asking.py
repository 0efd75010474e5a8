"""Whether to ask about a fresh reading, and which two emotions. Pure: reads nothing.

A question costs a person a moment. It is put where an answer is worth most, rarely, and never to
whom it would be a burden without use. What the numbers rest on stands in docs/asking.md.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from store.emotions import EMOTIONS
from store.records import PastQuestion, Person, Reading


@dataclass(frozen=True)
class AskingPolicy:
    """How often is asked, and about what.

    Attributes:
        closest: A face is asked about where the readers differ, or where the two leading emotions
            of its blend are at most this far apart. Source: `benchmarks.asking`; of one half of
            the validation faces this is every tenth.
        per_day: Questions to one person in 24 hours; more than one is an interview.
        per_week: In seven days; so that who sends photos daily is not asked daily.
        ignored: After so many in a row without an answer the person is left alone.
        rest: For so long.
        earlier_readings: With faces in them, before the first question: whoever is new should
            first see what the bot does.
        most_faces: In the photo; a larger group is paged through, and a question about one of
            its faces would be lost in it.
    """

    closest: float = 0.07
    per_day: int = 1
    per_week: int = 3
    ignored: int = 2
    rest: timedelta = timedelta(days=30)
    earlier_readings: int = 1
    most_faces: int = 4


POLICY: Final = AskingPolicy()
DAY: Final = timedelta(days=1)
WEEK: Final = timedelta(days=7)


@dataclass(frozen=True)
class Past:
    """What the bot and the person had to do with each other before this reading.

    Attributes:
        asked: Questions of two put to the person, newest first; `policy.rest` back at least, and
            the newest `policy.ignored` whenever they were put.
        is_waiting: Whether another question of the bot is open in the chat.
        earlier_readings: With faces in them, in any chat.
    """

    asked: Sequence[PastQuestion] = ()
    is_waiting: bool = False
    earlier_readings: int = 0


@dataclass(frozen=True)
class Doubt:
    """A face that is worth a question, and the two emotions that it is between."""

    face: int
    between: tuple[str, str]


def doubt_to_ask(
    about: Reading, person: Person, past: Past, now: datetime, policy: AskingPolicy = POLICY
) -> Doubt | None:
    """Return what to ask the person about a fresh reading of theirs; None where to keep quiet."""
    quiet = (
        is_shared(about)
        or not may_be_learnt_from(person)
        or past.is_waiting
        or past.earlier_readings < policy.earlier_readings
        or not has_budget(past.asked, now, policy)
    )
    return None if quiet else doubt_of(about, policy)


def doubt_of(about: Reading, policy: AskingPolicy = POLICY) -> Doubt | None:
    """Return the most doubtful face of a reading, if any is doubtful enough to ask."""
    if len(about.faces) > policy.most_faces:
        return None
    doubtful = [one for one in about.faces if is_doubtful(one.crowd, one.differing, policy)]
    if not doubtful:
        return None
    face = min(doubtful, key=lambda one: (not one.differing, lead(one.crowd)))
    return Doubt(face.number, between(face.crowd, face.differing))


def is_doubtful(
    crowd: Sequence[float], differing: Sequence[str], policy: AskingPolicy = POLICY
) -> bool:
    """Whether an answer about such a face is worth a question."""
    return bool(differing) or lead(crowd) <= policy.closest


def lead(crowd: Sequence[float]) -> float:
    """How much more of the people name the leading emotion than the next; 0 to 1."""
    most, next_most = sorted(crowd, reverse=True)[:2]
    return most - next_most


def between(crowd: Sequence[float], differing: Sequence[str]) -> tuple[str, str]:
    """The two emotions to choose from: the two that the readers differ in, else the two leading.

    In the order of `EMOTIONS`, which says nothing of what the bot itself would rather say.
    """
    by_share = sorted(EMOTIONS, key=lambda name: -crowd[EMOTIONS.index(name)])
    told = [name for name in by_share if name in differing]
    first, second = sorted((told if len(told) > 1 else by_share)[:2], key=EMOTIONS.index)
    return first, second


def is_shared(about: Reading) -> bool:
    """Whether others read along: a private chat has the person's own id, a group has not."""
    return about.chat_id != about.person_id


def may_be_learnt_from(person: Person) -> bool:
    """Whether an answer could become a lesson.

    It does with consent, and with the consent that is asked for after the first feedback. Whoever
    declined, or has left that question open, would answer for nothing.
    """
    return person.consent in ("given", "unknown")


def has_budget(asked: Sequence[PastQuestion], now: datetime, policy: AskingPolicy = POLICY) -> bool:
    """Whether the person may be asked once more.

    Args:
        asked: See `Past.asked`.
        now: When.
        policy: How often.
    """
    today = sum(one.asked_at > now - DAY for one in asked)
    this_week = sum(one.asked_at > now - WEEK for one in asked)
    if today >= policy.per_day or this_week >= policy.per_week:
        return False
    latest = asked[: policy.ignored]
    ignored = len(latest) == policy.ignored and not any(one.answered for one in latest)
    return not (ignored and latest[0].asked_at > now - policy.rest)
