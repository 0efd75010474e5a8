"""What a scheduler writes into the database about itself, for `/stats` and `schedule --status`.

Never in the way of retraining: where the database does not answer, it is logged and tried again at
the next beat.
"""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession

from store import schedules
from store.engine import Database
from store.records import FiringOutcome
from train_cli.errors import in_one_line

log = logging.getLogger(__name__)


@dataclass
class Heartbeat:
    """One scheduler's row; see `store.schedules`.

    Attributes:
        database: Where it is written.
        holder: This process.
        expression: When it fires, as in crontab(5).
        timezone: Of that.
        minimum_feedback: New pieces without which it does nothing.
        next_at: When it fires next, as of the last beat.
    """

    database: Database
    holder: str
    expression: str
    timezone: str | None
    minimum_feedback: int
    next_at: datetime | None = None

    async def beat(self, next_at: datetime | None) -> None:
        """Alive, and fires next at `next_at`; None: it will not."""
        self.next_at = next_at
        await self._write(self._beat)

    async def fired(self) -> None:
        """At work from now on."""

        async def write(session: AsyncSession) -> None:
            await self._beat(session)
            await schedules.fired(session, schedules.RETRAIN, self.holder)

        await self._write(write)

    async def ended(
        self, outcome: FiringOutcome, *, candidate: str | None = None, detail: str | None = None
    ) -> None:
        """No longer at work."""

        async def write(session: AsyncSession) -> None:
            await schedules.ended(
                session, schedules.RETRAIN, self.holder, outcome, candidate=candidate, detail=detail
            )

        await self._write(write)

    async def _beat(self, session: AsyncSession) -> None:
        await schedules.beat(
            session,
            schedules.RETRAIN,
            self.holder,
            expression=self.expression,
            timezone=self.timezone,
            minimum_feedback=self.minimum_feedback,
            next_at=self.next_at,
        )

    async def _write(self, change: Callable[[AsyncSession], Awaitable[None]]) -> None:
        try:
            async with self.database.sessions.begin() as session:
                await change(session)
        except (SQLAlchemyError, OSError) as error:
            log.warning("no heartbeat: %s", in_one_line(error))
