"""How a claimed update is worked on, and what becomes of its row in the inbox.

python-telegram-bot's `process_update` hands what handlers raise to the error handler and returns
as if nothing had happened; so the error handler notes it on the update's `Work`, and the row is
closed or put back here, when everything about the update is over.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Coroutine
from enum import Enum
from typing import Any, cast

import structlog
from sqlalchemy.exc import SQLAlchemyError
from telegram import Update
from telegram.error import BadRequest, ChatMigrated, Forbidden, NetworkError, RetryAfter
from telegram.ext import BaseUpdateProcessor

from bot.errors import InboxUnavailable
from bot.inbox import ClaimedUpdate, InboxQueue, Work
from store.errors import LeaseLost

# While Telegram itself is away an update waits without being counted as failed: 2, 4, 8… seconds
# and then every minute, half an hour in all. After that it is a failure like any other.
MOST_WAITS = 34
LONGEST_WAIT_S = 60.0

Apologise = Callable[[Update], Awaitable[None]]

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


class Fate(Enum):
    """What becomes of an update on which work failed."""

    RETRY = "retry"
    """It is tried again later, and parked after too many attempts."""
    WAIT = "wait"
    """Telegram is away or asks for patience: tried again without being counted."""
    PARK = "park"
    """Trying again would fail again."""
    DROP = "drop"
    """Nobody is there any more who could be answered."""


def fate_of(error: Exception) -> Fate:
    """Return what becomes of an update that failed with this error."""
    match error:
        case Forbidden():
            return Fate.DROP
        case BadRequest() | ChatMigrated():  # BadRequest is a NetworkError, so it comes first
            return Fate.PARK
        case RetryAfter() | NetworkError():
            return Fate.WAIT
        case _:
            return Fate.RETRY


class InboxProcessor(BaseUpdateProcessor):
    """Works on as many chats at a time as the inbox hands out, and closes each update's row.

    Args:
        inbox: Where the updates come from.
        capacity: How many updates the inbox hands out at a time.
        apologise: Called once for every update that is given up.
    """

    def __init__(self, inbox: InboxQueue, *, capacity: int, apologise: Apologise) -> None:
        # Of one update at a time python-telegram-bot makes no task that could be interrupted; that
        # there are no more than `capacity` is the inbox's doing.
        super().__init__(max(2, capacity))
        self._inbox = inbox
        self._apologise = apologise
        self._running: set[asyncio.Task[Any]] = set()
        self._waits: dict[int, int] = {}

    async def initialize(self) -> None:
        """Do nothing: there is nothing to open."""

    async def shutdown(self) -> None:
        """Do nothing: there is nothing to close."""

    async def drain(self, seconds: float) -> int:
        """Wait for what is being worked on, then interrupt it; return how many were interrupted."""
        self._inbox.stop_claiming()
        try:
            async with asyncio.timeout(seconds):
                await self._inbox.join()
        except TimeoutError:
            interrupted = set(self._running)
            for task in interrupted:
                task.cancel()
            if interrupted:
                await asyncio.wait(interrupted)
            return len(interrupted)
        return 0

    async def do_process_update(self, update: object, coroutine: Awaitable[Any]) -> None:
        """Let the handlers work on the update, then close its row or put it back."""
        if not isinstance(update, ClaimedUpdate):
            await coroutine
            return
        task = cast("asyncio.Task[Any]", asyncio.current_task())
        self._running.add(task)
        over = asyncio.Event()
        renewal = asyncio.create_task(self._renew(update.work, over), name="inbox lease")
        try:
            await self._work_on(update, coroutine)
        except InboxUnavailable as error:
            log.warning("update left to its lease", inbox_id=_id(update), reason=error.reason)
        finally:
            self._running.discard(task)
            # Not cancelled: in a transaction it would leave a connection behind.
            over.set()
            await renewal

    async def _work_on(self, update: ClaimedUpdate, coroutine: Awaitable[Any]) -> None:
        work = update.work
        if work.claim.attempt > self._inbox.max_attempts:
            # Every attempt ended with the process, without a word: another would end this one.
            if isinstance(coroutine, Coroutine):
                coroutine.close()
            await self._give_up(update, "the process died in every attempt")
            return
        try:
            try:
                await coroutine
            except Exception as error:  # noqa: BLE001  # the row is put back for any reason
                work.failed(error)
            await self._close(update)
        except asyncio.CancelledError:
            await self._inbox.release(work)
            raise

    async def _close(self, update: ClaimedUpdate) -> None:
        work = update.work
        if work.error is None:
            self._waits.pop(work.claim.inbox_id, None)
            await self._inbox.finish(work)
            return
        fate = fate_of(work.error)
        # The name alone: an error's text may hold what the person sent.
        name = type(work.error).__name__
        if fate is Fate.WAIT and (seconds := self._wait_for(work)) is not None:
            log.info("update waits", inbox_id=_id(update), error=name, seconds=seconds)
            await asyncio.sleep(seconds)
            await self._inbox.release(work)
            return
        self._waits.pop(work.claim.inbox_id, None)
        if fate is Fate.DROP:
            log.info("update dropped", inbox_id=_id(update), error=name)
            await self._inbox.finish(work)
        elif fate is Fate.PARK:
            await self._give_up(update, name)
        elif await self._inbox.fail(work, name):
            await self._tell(update, name)
        else:
            log.info("update put back", inbox_id=_id(update), error=name)

    def _wait_for(self, work: Work) -> float | None:
        waits = self._waits.get(work.claim.inbox_id, 0) + 1
        if waits > MOST_WAITS:
            return None
        self._waits[work.claim.inbox_id] = waits
        return min(2.0**waits, LONGEST_WAIT_S)

    async def _give_up(self, update: ClaimedUpdate, error: str) -> None:
        if await self._inbox.fail(update.work, error, park=True):
            await self._tell(update, error)

    async def _tell(self, update: ClaimedUpdate, error: str) -> None:
        log.error("update parked", inbox_id=_id(update), error=error)
        try:
            await self._apologise(update)
        except Exception as failure:  # noqa: BLE001  # nobody is left to be told
            log.warning("no apology", inbox_id=_id(update), error=type(failure).__name__)

    async def _renew(self, work: Work, over: asyncio.Event) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._inbox.lease.total_seconds() / 3):
                    await over.wait()
            if over.is_set():
                return
            try:
                await self._inbox.renew(work)
            except LeaseLost:
                # That does not stop the handler: what it does is harmless to repeat, and who
                # erases everything also erases the update in which they asked for it.
                return
            except (SQLAlchemyError, OSError) as error:
                log.warning("lease not renewed", error=type(error).__name__)


def _id(update: ClaimedUpdate) -> int:
    return update.work.claim.inbox_id
