"""Faults to order: what goes wrong, for which method, and how often."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

from bot.playground.errors import PersonMistake

FaultKind = Literal["flood", "server_error", "drop_before", "drop_after", "slow"]
UpdateFault = Literal["double", "redeliver"]


@dataclass(frozen=True)
class Fault:
    """One thing that goes wrong with the next requests.

    Attributes:
        kind: ``flood`` is a 429 with ``retry_after``; ``server_error`` a 5xx without effect;
            ``drop_before`` and ``drop_after`` cut the connection before or after the request
            took effect; ``slow`` waits ``seconds`` before the request is looked at.
        method: the Bot API method it hits, ``download`` for a file's bytes, ``*`` for any of them
            but getUpdates.
        times: how many requests it hits.
        retry_after: seconds, for ``flood``.
        status: the HTTP status, for ``server_error``.
        seconds: the wait, for ``slow``.
    """

    kind: FaultKind
    method: str = "*"
    times: int = 1
    retry_after: int = 1
    status: int = 502
    seconds: float = 1.0

    def as_json(self) -> dict[str, Any]:
        """The fault as a JSON object."""
        return asdict(self)


def fault_from_json(value: dict[str, Any]) -> Fault:
    """A fault as a client sent it.

    Raises:
        PersonMistake: it is of no known kind or has an unknown field.
    """
    if value.get("kind") not in get_args(FaultKind):
        raise PersonMistake(f"a fault is one of {', '.join(get_args(FaultKind))}")
    try:
        return Fault(**value)
    except TypeError as error:
        raise PersonMistake(str(error)) from error


class FaultPlan:
    """The faults that are still to happen."""

    def __init__(self) -> None:
        self._waiting: list[tuple[Fault, int]] = []

    def add(self, fault: Fault) -> None:
        """Orders a fault."""
        self._waiting.append((fault, fault.times))

    def clear(self) -> None:
        """Takes back every fault that has not happened yet."""
        self._waiting.clear()

    def waiting(self) -> list[Fault]:
        """The faults that have not happened as often as ordered."""
        return [fault for fault, _ in self._waiting]

    def next_for(self, method: str) -> Fault | None:
        """The oldest fault for this method; it counts as having happened once more."""
        for place, (fault, left) in enumerate(self._waiting):
            anyhow = fault.method == "*" and method.lower() != "getupdates"
            if anyhow or fault.method.lower() == method.lower():
                if left > 1:
                    self._waiting[place] = (fault, left - 1)
                else:
                    del self._waiting[place]
                return fault
        return None
