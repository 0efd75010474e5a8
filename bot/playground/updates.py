"""The queue behind getUpdates: offsets confirm, a newer poll ends the older one."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from bot.playground.errors import Refused

MOST_UPDATES = 100
MOST_SECONDS = 50
CONFLICT = (
    "Conflict: terminated by other getUpdates request;"
    " make sure that only one bot instance is running"
)
# Bot API, getUpdates: every kind but these is sent unless the bot asks otherwise.
LEFT_OUT_BY_DEFAULT = frozenset({"chat_member", "message_reaction", "message_reaction_count"})
KINDS = frozenset(
    {
        "message",
        "edited_message",
        "callback_query",
        "my_chat_member",
        "message_reaction",
    }
)


@dataclass(frozen=True)
class Update:
    """One update as the bot will get it."""

    update_id: int
    kind: str
    payload: dict[str, Any]

    def as_json(self) -> dict[str, Any]:
        """The Bot API's Update object."""
        return {"update_id": self.update_id, self.kind: self.payload}


class UpdateQueue:
    """Updates wait here until an offset confirms them."""

    def __init__(self, first_update_id: int, on_confirmed: Callable[[Update], None]) -> None:
        self._next_id = first_update_id
        self._on_confirmed = on_confirmed
        self._waiting: list[Update] = []
        self._again: list[Update] = []
        self._to_redeliver = 0
        self._to_double = 0
        self._allowed: frozenset[str] | None = None
        self._poll = 0
        self._changed = asyncio.Event()

    @property
    def pending(self) -> int:
        """How many updates are not yet confirmed."""
        return len(self._waiting)

    @property
    def polled(self) -> bool:
        """Whether a bot has ever asked for updates."""
        return self._poll > 0

    @property
    def allowed(self) -> Sequence[str] | None:
        """The kinds that the bot asked for; None is Telegram's default."""
        return None if self._allowed is None else sorted(self._allowed)

    def double(self, times: int) -> None:
        """The next updates stand twice in the same answer."""
        self._to_double += times

    def redeliver(self, times: int) -> None:
        """The next updates come once more in a later answer, although they were confirmed."""
        self._to_redeliver += times

    def allow(self, kinds: Sequence[str]) -> None:
        """Remembers which kinds the bot wants; an empty list is Telegram's default."""
        self._allowed = frozenset(kinds) or None

    def put(self, kind: str, payload: dict[str, Any]) -> Update | None:
        """Queues an update; None when the bot did not ask for this kind."""
        wanted = kind not in LEFT_OUT_BY_DEFAULT if self._allowed is None else kind in self._allowed
        if not wanted:
            return None
        update = Update(self._next_id, kind, payload)
        self._next_id += 1
        self._waiting.append(update)
        self._wake()
        return update

    def drop_all(self) -> None:
        """Forgets every update that is waiting."""
        for update in self._waiting:
            self._on_confirmed(update)
        self._waiting.clear()

    async def poll(self, offset: int, limit: int, timeout: float) -> list[Update]:
        """The updates from ``offset`` on, waiting up to ``timeout`` seconds for the first.

        Raises:
            Refused: another poll began (409).
        """
        self._poll += 1
        mine = self._poll
        self._wake()
        self._confirm(offset)
        deadline = time.monotonic() + min(max(timeout, 0), MOST_SECONDS)
        while True:
            changed = self._changed
            batch = self._batch(min(max(limit, 1), MOST_UPDATES))
            left = deadline - time.monotonic()
            if batch or left <= 0:
                return batch
            try:
                await asyncio.wait_for(changed.wait(), left)
            except TimeoutError:
                continue
            if self._poll != mine:
                raise Refused(409, CONFLICT)

    def _confirm(self, offset: int) -> None:
        if offset < 0:
            confirmed = self._waiting[:offset]
        else:
            confirmed = [update for update in self._waiting if update.update_id < offset]
        for update in confirmed:
            self._waiting.remove(update)
            self._on_confirmed(update)
            if self._to_redeliver:
                self._to_redeliver -= 1
                self._again.append(update)

    def _batch(self, limit: int) -> list[Update]:
        batch, self._again = self._again, []
        for update in self._waiting[:limit]:
            batch.append(update)
            if self._to_double:
                self._to_double -= 1
                batch.append(update)
        return batch

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()
