"""Processes that retrain by the clock: that they are alive, when they fire, and what came of it.

Told by the clock that all users of the database share, so that hosts agree on who is alive.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final, cast

from sqlalchemy import and_, delete, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from store.clock import shared_moment
from store.records import FiringOutcome, Schedule
from store.tables import ScheduleRow
from store.upsert import insert_if_absent

RETRAIN: Final = "retrain"
"""What the processes of the table do so far."""

BEAT: Final = timedelta(minutes=1)
"""How often a process says that it is alive."""

ALIVE_FOR: Final = 5 * BEAT
"""How long it is believed: four beats may be late."""

KEPT_FOR: Final = timedelta(days=30)
"""How long the last word of a process that is gone is kept; one that never fired leaves none."""


async def beat(
    session: AsyncSession,
    name: str,
    holder: str,
    *,
    expression: str,
    timezone: str | None,
    minimum_feedback: int,
    next_at: datetime | None,
    now: datetime | None = None,
) -> None:
    """Write down that the process is alive and when it fires next; rows of the long gone go."""
    at = await shared_moment(session, now)
    values = {
        "name": name,
        "holder": holder,
        "expression": expression,
        "timezone": timezone,
        "minimum_feedback": minimum_feedback,
        "seen_at": at,
        "next_at": next_at,
    }
    if not await insert_if_absent(session, ScheduleRow, values):
        row = await _row(session, name, holder)
        row.seen_at, row.next_at = at, next_at
    await session.execute(
        delete(ScheduleRow).where(
            or_(
                ScheduleRow.seen_at < at - KEPT_FOR,
                and_(ScheduleRow.seen_at < at - ALIVE_FOR, ScheduleRow.fired_at.is_(None)),
            )
        )
    )
    await session.flush()


async def fired(
    session: AsyncSession, name: str, holder: str, *, now: datetime | None = None
) -> None:
    """Write down that the process, which has a row, is at work from now on."""
    row = await _row(session, name, holder)
    row.fired_at = row.seen_at = await shared_moment(session, now)
    row.outcome = row.candidate = row.detail = None
    await session.flush()


async def ended(
    session: AsyncSession,
    name: str,
    holder: str,
    outcome: FiringOutcome,
    *,
    candidate: str | None = None,
    detail: str | None = None,
    now: datetime | None = None,
) -> None:
    """Write down what came of it; `detail` is one line that holds nothing about people."""
    row = await _row(session, name, holder)
    row.outcome, row.candidate, row.detail = outcome, candidate, detail
    row.seen_at = await shared_moment(session, now)
    await session.flush()


async def schedules(
    session: AsyncSession, name: str, *, now: datetime | None = None
) -> tuple[Schedule, ...]:
    """Return every process that is known, the one that was seen last first."""
    at = await shared_moment(session, now)
    rows = await session.scalars(
        select(ScheduleRow)
        .where(ScheduleRow.name == name)
        .order_by(ScheduleRow.seen_at.desc(), ScheduleRow.holder)
        .execution_options(populate_existing=True)
    )
    return tuple(_record(row, at) for row in rows)


def next_firing(known: Sequence[Schedule]) -> datetime | None:
    """Return when the first of those that are alive fires."""
    return min((s.next_at for s in known if s.alive and s.next_at is not None), default=None)


def working_since(known: Sequence[Schedule]) -> datetime | None:
    """Return when the firing began that is at work; None where none is."""
    at_work = (s.fired_at for s in known if s.alive and s.outcome is None and s.fired_at)
    return max(at_work, default=None)


def last_firing(known: Sequence[Schedule]) -> Schedule | None:
    """Return whose firing ended last; of those that found another at work only where all did."""
    over = [s for s in known if s.outcome is not None and s.fired_at is not None]
    telling = [s for s in over if s.outcome != "busy"] or over
    return max(telling, key=lambda s: cast(datetime, s.fired_at), default=None)


async def _row(session: AsyncSession, name: str, holder: str) -> ScheduleRow:
    return await session.get_one(ScheduleRow, (name, holder), populate_existing=True)


def _record(row: ScheduleRow, at: datetime) -> Schedule:
    return Schedule(
        holder=row.holder,
        expression=row.expression,
        timezone=row.timezone,
        minimum_feedback=row.minimum_feedback,
        seen_at=row.seen_at,
        alive=row.next_at is not None and at - row.seen_at <= ALIVE_FOR,
        next_at=row.next_at,
        fired_at=row.fired_at,
        outcome=cast(FiringOutcome | None, row.outcome),
        candidate=row.candidate,
        detail=row.detail,
    )
