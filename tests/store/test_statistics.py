"""The numbers behind /stats, counted by hand."""

from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import text

from store import feedback, inbox
from store.engine import Database
from store.records import Day, Statistics
from store.statistics import percentile, statistics
from tests.store.rows import BASE, BOT, JUN, MINA, NOON, read, say, see

DAY = timedelta(days=1)


async def count(database: Database, since: datetime | None = None) -> Statistics:
    """Return the statistics, read by a session of its own."""
    async with database.readers() as session:
        return await statistics(session, since=since)


async def test_empty_database_has_no_agreement_rather_than_a_wrong_one(
    database: Database,
) -> None:
    numbers = await count(database)
    assert (numbers.readings, numbers.faces, numbers.people) == (0, 0, 0)
    assert (numbers.agreement, numbers.latency_p50_ms, numbers.model_version) == (None, None, None)
    assert numbers.days == ()


async def test_agreement_is_of_readings_that_got_feedback(database: Database) -> None:
    await see(database, MINA, JUN)
    confirmed = await read(database, MINA)
    corrected = await read(database, MINA)
    mixed = await read(database, JUN, tops=("happy", "sad"))
    await read(database, JUN)
    await say(database, confirmed, None)
    await say(database, corrected, "fear")
    await say(database, mixed, None, face=1)
    await say(database, mixed, "angry", face=2)
    numbers = await count(database)
    assert (numbers.readings, numbers.faces, numbers.people) == (4, 5, 2)
    assert (numbers.confirmations, numbers.corrections) == (2, 2)
    assert (numbers.readings_with_feedback, numbers.readings_without_feedback) == (3, 1)
    assert numbers.agreement == pytest.approx(1 / 3)
    assert numbers.model_version == BASE


async def test_revised_and_undone_feedback_counts_no_more(database: Database) -> None:
    await see(database, MINA)
    first, second = await read(database, MINA), await read(database, MINA)
    await say(database, first, "sad")
    await say(database, first, None)
    undone = (await say(database, second)).feedback.feedback_id
    async with database.sessions.begin() as session:
        await feedback.undo_feedback(session, undone, MINA)
    numbers = await count(database)
    assert (numbers.confirmations, numbers.corrections, numbers.agreement) == (1, 0, 1.0)
    assert numbers.readings_without_feedback == 1


async def test_photos_without_a_face_are_no_readings_here(database: Database) -> None:
    await see(database, MINA)
    await read(database, MINA, tops=(), status="no_face")
    numbers = await count(database)
    assert (numbers.readings, numbers.readings_without_feedback) == (0, 0)


async def test_days_are_utc_days_and_empty_ones_are_left_out(database: Database) -> None:
    await see(database, MINA)
    last_second = datetime(2026, 3, 14, 23, 59, 59, tzinfo=UTC)
    about = await read(database, MINA, now=last_second)
    await read(database, MINA, now=last_second + 2 * DAY)
    await say(database, about, "fear", now=last_second + timedelta(seconds=1))
    async with database.readers() as session:
        if database.url.get_backend_name() == "postgresql":
            await session.execute(text("SET TIME ZONE 'Asia/Seoul'"))
        days = (await statistics(session)).days
    assert days == (
        Day(date(2026, 3, 14), readings=1, confirmations=0, corrections=0),
        Day(date(2026, 3, 15), readings=0, confirmations=0, corrections=1),
        Day(date(2026, 3, 16), readings=1, confirmations=0, corrections=0),
    )


async def test_since_leaves_out_what_was_before(database: Database) -> None:
    await see(database, MINA, JUN)
    old = await read(database, MINA, now=NOON)
    new = await read(database, JUN, now=NOON + DAY)
    await say(database, old, "sad", now=NOON)
    await say(database, new, None, now=NOON + DAY)
    numbers = await count(database, since=NOON + DAY)
    assert (numbers.readings, numbers.people, numbers.agreement) == (1, 1, 1.0)
    assert (numbers.confirmations, numbers.corrections) == (1, 0)
    assert [day.day for day in numbers.days] == [date(2026, 3, 15)]


async def test_latency_is_of_timed_readings(database: Database) -> None:
    await see(database, MINA)
    for latency in (None, *range(1, 21)):
        await read(database, MINA, latency_ms=latency)
    numbers = await count(database)
    assert (numbers.latency_p50_ms, numbers.latency_p95_ms) == (10.0, 19.0)


async def test_inbox_is_counted_as_it_is_now(database: Database) -> None:
    for update_id in range(3):
        async with database.sessions.begin() as session:
            await inbox.put_update(
                session,
                bot_id=BOT,
                update_id=update_id,
                person_id=None,
                ordering_key=str(update_id),
                payload={},
                now=NOON,
            )
    async with database.sessions.begin() as session:
        claim = await inbox.claim_next(session, bot_id=BOT, worker="one", lease=DAY, now=NOON)
        assert claim is not None
        await inbox.fail(session, claim, "TimedOut", max_attempts=1)
    numbers = await count(database)
    assert (numbers.inbox_waiting, numbers.inbox_parked) == (2, 1)


@pytest.mark.parametrize(
    ("values", "share", "expected"),
    [([], 0.5, None), ([7.0], 0.95, 7.0), ([3.0, 1.0, 2.0], 0.5, 2.0), ([1.0, 2.0], 1.0, 2.0)],
)
def test_percentile_is_by_nearest_rank(
    values: list[float], share: float, expected: float | None
) -> None:
    assert percentile(values, share) == expected
