"""The numbers behind `/stats`, computed from rows alone."""

import math
from datetime import date, datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, case, func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from store.records import Day, Statistics
from store.schedules import RETRAIN, schedules
from store.tables import (
    FaceRow,
    FeedbackRow,
    InboxRow,
    ModelVersionRow,
    ReadingRow,
)

# Percentiles are taken of the newest readings; more would not move them, and have to be fetched.
MOST_LATENCIES = 10_000


async def statistics(session: AsyncSession, *, since: datetime | None = None) -> Statistics:
    """Return the numbers of what happened at or after `since`, or ever.

    Readings are those of photos with a face. Whether one got feedback is looked at as it stands
    now, by anybody. `people` counts those who sent such a photo. Days without anything are left
    out; the inbox and the model version are those of now.
    """
    recent: list[ColumnElement[bool]] = [ReadingRow.status == "read"]
    if since is not None:
        recent.append(ReadingRow.created_at >= since)
    readings = await _count(session, select(func.count(ReadingRow.id)).where(*recent))
    faces = await _count(
        session, select(func.count(FaceRow.id)).join(ReadingRow, _of_reading()).where(*recent)
    )
    people = await _count(
        session, select(func.count(ReadingRow.person_id.distinct())).where(*recent)
    )
    confirmations, corrections = await _kinds(session, since)
    with_feedback, confirmed = await _agreement(session, recent)
    latencies = await _latencies(session, recent)
    return Statistics(
        since=since,
        readings=readings,
        faces=faces,
        people=people,
        confirmations=confirmations,
        corrections=corrections,
        readings_with_feedback=with_feedback,
        readings_without_feedback=readings - with_feedback,
        agreement=confirmed / with_feedback if with_feedback else None,
        latency_p50_ms=percentile(latencies, 0.5),
        latency_p95_ms=percentile(latencies, 0.95),
        inbox_waiting=await _inbox(session, ("waiting", "claimed")),
        inbox_parked=await _inbox(session, ("parked",)),
        model_version=await session.scalar(
            select(ModelVersionRow.digest).where(ModelVersionRow.state == "current")
        ),
        schedules=await schedules(session, RETRAIN),
        days=await _days(session, recent, since),
    )


def percentile(values: list[float], share: float) -> float | None:
    """Return the smallest value that at least this share of the values does not exceed.

    None of no values. Source: nearest-rank definition.
    """
    if not values:
        return None
    ordered = sorted(values)
    rank = max(math.ceil(len(ordered) * share), 1)
    return ordered[rank - 1]


def _of_reading() -> ColumnElement[bool]:
    return FaceRow.reading_id == ReadingRow.id


def _standing(since: datetime | None) -> list[ColumnElement[bool]]:
    standing: list[ColumnElement[bool]] = [FeedbackRow.active.is_(True)]
    if since is not None:
        standing.append(FeedbackRow.created_at >= since)
    return standing


async def _count(session: AsyncSession, query: Select[int]) -> int:
    return (await session.scalar(query)) or 0


async def _inbox(session: AsyncSession, states: tuple[str, ...]) -> int:
    return await _count(session, select(func.count(InboxRow.id)).where(InboxRow.state.in_(states)))


async def _kinds(session: AsyncSession, since: datetime | None) -> tuple[int, int]:
    rows = await session.execute(
        select(FeedbackRow.kind, func.count(FeedbackRow.id))
        .where(*_standing(since))
        .group_by(FeedbackRow.kind)
    )
    counts = dict(rows.all())
    return counts.get("confirmation", 0), counts.get("correction", 0)


async def _agreement(session: AsyncSession, recent: list[ColumnElement[bool]]) -> tuple[int, int]:
    """Return how many of the readings have feedback, and how many of those only confirmations."""
    corrections = func.sum(case((FeedbackRow.kind == "correction", 1), else_=0))
    per_reading = (
        select(ReadingRow.id, corrections.label("corrections"))
        .join(FaceRow, _of_reading())
        .join(FeedbackRow, FeedbackRow.face_id == FaceRow.id)
        .where(FeedbackRow.active.is_(True), *recent)
        .group_by(ReadingRow.id)
        .subquery()
    )
    spoken_about = await _count(session, select(func.count()).select_from(per_reading))
    confirmed = await _count(
        session,
        select(func.count()).select_from(per_reading).where(per_reading.c.corrections == 0),
    )
    return spoken_about, confirmed


async def _latencies(session: AsyncSession, recent: list[ColumnElement[bool]]) -> list[float]:
    rows = await session.scalars(
        select(ReadingRow.latency_ms)
        .where(ReadingRow.latency_ms.is_not(None), *recent)
        .order_by(ReadingRow.created_at.desc())
        .limit(MOST_LATENCIES)
    )
    return [latency for latency in rows if latency is not None]


async def _days(
    session: AsyncSession, recent: list[ColumnElement[bool]], since: datetime | None
) -> tuple[Day, ...]:
    read_day = _day(session, ReadingRow.created_at)
    readings = await session.execute(
        select(read_day, func.count(ReadingRow.id)).where(*recent).group_by(read_day)
    )
    said_day = _day(session, FeedbackRow.created_at)
    said = await session.execute(
        select(said_day, FeedbackRow.kind, func.count(FeedbackRow.id))
        .where(*_standing(since))
        .group_by(said_day, FeedbackRow.kind)
    )
    per_day = {_date(day): count for day, count in readings}
    per_kind = {(_date(day), kind): count for day, kind, count in said}
    days = sorted({*per_day, *(day for day, _ in per_kind)})
    return tuple(
        Day(
            day=day,
            readings=per_day.get(day, 0),
            confirmations=per_kind.get((day, "confirmation"), 0),
            corrections=per_kind.get((day, "correction"), 0),
        )
        for day in days
    )


def _day(session: AsyncSession, column: InstrumentedAttribute[datetime]) -> ColumnElement[Any]:
    # SQLite holds UTC without saying so; PostgreSQL would cut days in the connection's time zone.
    if session.get_bind().dialect.name == "sqlite":
        return func.date(column)
    return func.date(func.timezone("UTC", column))


def _date(value: str | date) -> date:
    return date.fromisoformat(value) if isinstance(value, str) else value
