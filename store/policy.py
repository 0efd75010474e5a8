"""Who may speak about which face. Pure: decides from what it is given and reads nothing."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

from store.records import Face, Reading


@dataclass(frozen=True)
class Allowed:
    """The person may give feedback."""


@dataclass(frozen=True)
class Refused:
    """The person may not, and why."""

    reason: Literal["not_your_reading"]


Permission: TypeAlias = Allowed | Refused


def may_speak(person_id: int, about: Reading | Face) -> Permission:
    """Return whether the person may give feedback: those who sent the photo may, nobody else."""
    if about.person_id != person_id:
        return Refused("not_your_reading")
    return Allowed()
