"""What happened in the chats, in order, for pages and tests that look on."""

from __future__ import annotations

import asyncio
import time
from typing import Any


class EventLog:
    """A growing list of events; each has its number under ``event``."""

    def __init__(self) -> None:
        self._events: list[dict[str, Any]] = []
        self._changed = asyncio.Event()

    @property
    def last(self) -> int:
        """The number of the newest event; 0 before the first."""
        return len(self._events)

    def add(self, kind: str, person: int, **content: Any) -> None:
        """Appends an event that concerns a person's chat (0: everybody)."""
        self._events.append(
            {"event": len(self._events) + 1, "kind": kind, "person": person, **content}
        )
        self._changed.set()
        self._changed = asyncio.Event()

    def after(self, number: int, person: int | None = None) -> list[dict[str, Any]]:
        """Every later event, of one person's chat or of all."""
        return [
            event
            for event in self._events[max(number, 0) :]
            if person is None or event["person"] in (0, person)
        ]

    async def wait_after(
        self, number: int, timeout: float, person: int | None = None
    ) -> list[dict[str, Any]]:
        """Like ``after``, but waits up to ``timeout`` seconds for the first one."""
        deadline = time.monotonic() + timeout
        while True:
            changed = self._changed
            events = self.after(number, person)
            left = deadline - time.monotonic()
            if events or left <= 0:
                return events
            try:
                await asyncio.wait_for(changed.wait(), left)
            except TimeoutError:
                continue
