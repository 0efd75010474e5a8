"""The update queue in the database: no update is lost once Telegram has let go of it.

python-telegram-bot puts what arrives, by long polling or webhook, into an `asyncio.Queue` and works
through it. This queue's `put` returns when the update is committed, and its `get` claims a row with
a lease; whoever worked on it closes the row (see `bot.processing`). Telegram's copy is confirmed
after `put` only, so that a crash at any point leads to the update being worked on again.
"""

import asyncio
import os
import secrets
import socket
from asyncio import Queue
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar, cast

import structlog
from sqlalchemy.exc import SQLAlchemyError
from telegram import Bot, Update

from bot.errors import InboxUnavailable
from bot.stopping import Stopping
from store import inbox
from store.engine import Database
from store.records import Claim

# How long a reader sleeps that nobody wakes: rows of another replica become due without a word.
LONGEST_SLEEP_S = 1.0
FIRST_PAUSE_S = 0.1
LONGEST_PAUSE_S = 5.0

# PostgreSQL's JSON takes neither; entities count UTF-16 units, so that each is replaced by one.
UNSTORABLE = {0: "\ufffd"} | dict.fromkeys(range(0xD800, 0xE000), "\ufffd")

Result = TypeVar("Result")

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


@dataclass
class Work:
    """What became of a claimed update so far."""

    claim: Claim
    error: Exception | None = None

    def failed(self, error: Exception) -> None:
        """Note that working on the update failed; the first error decides what happens to it."""
        if self.error is None:
            self.error = error


class ClaimedUpdate(Update):
    """An update that was claimed from the inbox."""

    __slots__ = ("_work",)

    _work: Work

    @property
    def work(self) -> Work:
        """The claim, and what became of it."""
        return self._work


class InboxQueue(Queue[object]):
    """The update queue of python-telegram-bot, in the database.

    Anything but an update is a signal of python-telegram-bot to itself: it stays in memory, goes
    first, and ends the claiming, because the only one is the signal to stop.

    Args:
        database: Where the inbox is.
        bot: Gives its id to the rows, and is what claimed updates answer through.
        stopping: Asked to stop the process when the database stays away.
        capacity: How many updates may be claimed at a time.
        lease: How long a claim holds unless it is renewed.
        max_attempts: After how many failures an update is parked.
        deadline: How long to go on trying while the database is away.
    """

    def __init__(
        self,
        database: Database,
        bot: Bot,
        stopping: Stopping,
        *,
        capacity: int,
        lease: timedelta,
        max_attempts: int,
        deadline: timedelta,
    ) -> None:
        super().__init__()
        self._database = database
        self._bot = bot
        self._stopping = stopping
        self._capacity = capacity
        self._lease = lease
        self._max_attempts = max_attempts
        self._deadline = deadline
        self._worker = f"{socket.gethostname()[:64]}:{os.getpid()}:{secrets.token_hex(4)}"
        self._signals: deque[object] = deque()
        self._signals_open = 0
        self._in_hand = 0
        self._claiming = True
        self._actions: set[asyncio.Future[Any]] = set()
        self._changed = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()

    @property
    def lease(self) -> timedelta:
        """How long a claim holds unless it is renewed."""
        return self._lease

    @property
    def max_attempts(self) -> int:
        """After how many failures an update is parked."""
        return self._max_attempts

    @property
    def in_hand(self) -> int:
        """How many updates are claimed and not closed yet."""
        return self._in_hand

    # What python-telegram-bot calls

    async def put(self, item: object) -> None:
        """Commit an update, or pass a signal on.

        Raises:
            InboxUnavailable: the database stayed away; the process was asked to stop.
        """
        if not isinstance(item, Update):
            self.put_nowait(item)
            return
        chat, person = item.effective_chat, item.effective_user
        payload = _storable(item.to_dict())
        person_id = None if person is None else person.id
        if chat is not None:
            ordering_key = str(chat.id)
        else:
            ordering_key = f"update {item.update_id}" if person is None else f"person {person.id}"

        async def write_down() -> bool:
            async with self._database.sessions.begin() as session:
                return await inbox.put_update(
                    session,
                    bot_id=self._bot.id,
                    update_id=item.update_id,
                    person_id=person_id,
                    ordering_key=ordering_key,
                    payload=payload,
                )

        if not await self._insist(write_down):
            log.info("update repeated", update_id=item.update_id)
        self._changed.set()

    def put_nowait(self, item: object) -> None:
        """Pass a signal on; an update has to be committed, which takes `put`."""
        if isinstance(item, Update):
            raise TypeError("an update cannot be committed without waiting: use put")
        self._signals.append(item)
        self._signals_open += 1
        self._idle.clear()
        self.stop_claiming()

    async def get(self) -> object:
        """Return a signal, or else the next update, claimed.

        Raises:
            InboxUnavailable: the database stayed away; the process was asked to stop.
        """
        while not self._signals:
            self._changed.clear()
            sleep: float | None = None
            if self._claiming and self._in_hand < self._capacity:
                claimed = await self._claim()
                if claimed is not None:
                    return claimed
                sleep = await self._until_due()
            try:
                async with asyncio.timeout(sleep):
                    await self._changed.wait()
            except TimeoutError:
                continue
        return self._signals.popleft()

    def get_nowait(self) -> object:
        """Return a signal; claim nothing, because python-telegram-bot drops what it gets here.

        Raises:
            asyncio.QueueEmpty: there is none.
        """
        if not self._signals:
            raise asyncio.QueueEmpty
        return self._signals.popleft()

    def task_done(self) -> None:
        """Count one thing that `get` or `get_nowait` returned as done."""
        # Signals end the work: when one is done, no update is taken any more, so the order in
        # which both kinds are counted off does not matter.
        if self._in_hand:
            self._in_hand -= 1
        elif self._signals_open:
            self._signals_open -= 1
        else:
            raise ValueError("task_done() called too many times")
        if not self._in_hand and not self._signals_open:
            self._idle.set()
        self._changed.set()

    async def join(self) -> None:
        """Return when everything that was taken is done; what waits in the database waits on."""
        await self._idle.wait()

    def empty(self) -> bool:
        """Whether no signal waits."""
        return not self._signals

    def qsize(self) -> int:
        """How many signals wait."""
        return len(self._signals)

    def full(self) -> bool:
        """False: the database takes any number of updates."""
        return False

    # What whoever works on a claimed update calls

    def stop_claiming(self) -> None:
        """Hand out signals only from now on."""
        self._claiming = False
        self._changed.set()

    async def settle(self) -> None:
        """Return when nothing is being written or read any more: the database may be closed."""
        while self._actions:
            await asyncio.wait(set(self._actions))

    async def finish(self, work: Work) -> None:
        """Close the update as done.

        Raises:
            InboxUnavailable: the database stayed away; the process was asked to stop.
        """

        async def close() -> bool:
            async with self._database.sessions.begin() as session:
                return await inbox.finish(session, work.claim)

        if not await self._insist(close):
            # Erasing a person erases the very update in which it was asked for.
            log.info("claim gone", inbox_id=work.claim.inbox_id)

    async def fail(self, work: Work, error: str, *, park: bool = False) -> bool:
        """Put the update back for later; return True where it is parked instead.

        Raises:
            InboxUnavailable: the database stayed away; the process was asked to stop.
        """
        limit = work.claim.attempt if park else self._max_attempts

        async def put_back() -> bool:
            async with self._database.sessions.begin() as session:
                return await inbox.fail(session, work.claim, error, max_attempts=limit)

        return await self._insist(put_back)

    async def release(self, work: Work) -> None:
        """Put the update back as if it had never been claimed.

        Raises:
            InboxUnavailable: the database stayed away; the process was asked to stop.
        """

        async def give_back() -> bool:
            async with self._database.sessions.begin() as session:
                return await inbox.release(session, work.claim)

        await self._insist(give_back)

    async def renew(self, work: Work) -> None:
        """Hold the claim for another lease.

        Raises:
            LeaseLost: somebody else claimed the update, or it was closed or erased.
        """
        async with self._database.sessions.begin() as session:
            await inbox.renew_lease(session, work.claim, self._lease)

    async def _claim(self) -> ClaimedUpdate | None:
        async def claim_next() -> Claim | None:
            async with self._database.sessions.begin() as session:
                return await inbox.claim_next(
                    session, bot_id=self._bot.id, worker=self._worker, lease=self._lease
                )

        while (claim := await self._insist(claim_next)) is not None:
            work = Work(claim)
            if not self._claiming:
                await self.release(work)
                return None
            try:
                update = cast(ClaimedUpdate, ClaimedUpdate.de_json(dict(claim.payload), self._bot))
            except Exception as error:  # noqa: BLE001  # no row may stand in the way of all others
                # Written by another version of this program; nobody can be told.
                name = type(error).__name__  # its text and its traceback may show the payload
                log.warning("update unreadable", inbox_id=claim.inbox_id, error=name)
                await self.fail(work, f"unreadable: {name}", park=True)
                continue
            update._work = work
            self._in_hand += 1
            self._idle.clear()
            return update
        return None

    async def _until_due(self) -> float:
        async def next_due() -> datetime | None:
            async with self._database.readers() as session:
                return await inbox.next_due(session, bot_id=self._bot.id)

        due = await self._insist(next_due)
        if due is None:
            return LONGEST_SLEEP_S
        left = (due - datetime.now(UTC)).total_seconds()
        # What is due already is in another worker's hands: no use in asking at once.
        return min(left, LONGEST_SLEEP_S) if left > 0 else LONGEST_SLEEP_S

    async def _insist(self, action: Callable[[], Awaitable[Result]]) -> Result:
        """Try until it works; give the process up where the database stays away too long.

        Who awaits this may be cancelled, the action goes on: python-telegram-bot cancels a `put`
        on stopping, and a transaction that is cancelled leaves its connection behind.
        """
        task = asyncio.ensure_future(self._try(action))
        self._actions.add(task)
        task.add_done_callback(self._actions.discard)
        return await asyncio.shield(task)

    async def _try(self, action: Callable[[], Awaitable[Result]]) -> Result:
        clock = asyncio.get_running_loop()
        end = clock.time() + self._deadline.total_seconds()
        pause = FIRST_PAUSE_S
        while True:
            try:
                async with asyncio.timeout_at(end):
                    return await action()
            except (SQLAlchemyError, OSError) as error:
                reason = _reason(error)
                if clock.time() + pause > end or self._stopping.requested:
                    unavailable = InboxUnavailable(self._database.name, reason)
                    self._stopping.request(unavailable)
                    raise unavailable from None  # the cause shows the payload
                log.warning("database away", reason=reason, again_in_s=pause)
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE_S)


def _reason(error: Exception) -> str:
    """What the driver says: the rest of SQLAlchemy's text shows what was to be written."""
    text = str(getattr(error, "orig", None) or type(error).__name__)
    return text.splitlines()[0] if text else type(error).__name__


def _storable(value: Any) -> Any:
    if isinstance(value, str):
        return value.translate(UNSTORABLE)
    if isinstance(value, dict):
        return {_storable(key): _storable(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_storable(item) for item in value]
    return value
