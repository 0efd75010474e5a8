"""Processes that retrain by the clock, as each of them says and as all of them look."""

from datetime import datetime, timedelta

import pytest
from sqlalchemy.exc import IntegrityError

from store import schedules
from store.engine import Database
from store.records import FiringOutcome, Schedule
from tests.store.rows import MINUTE, NOON, SECOND

NAME = "retrain"
NIGHT = NOON + timedelta(hours=15)
DAY = timedelta(days=1)


async def beat(
    database: Database, holder: str, now: datetime = NOON, next_at: datetime | None = NIGHT
) -> None:
    """Say that a process is alive."""
    async with database.sessions.begin() as session:
        await schedules.beat(
            session,
            NAME,
            holder,
            expression="0 3 * * *",
            timezone="Asia/Seoul",
            minimum_feedback=20,
            next_at=next_at,
            now=now,
        )


async def fire(
    database: Database, holder: str, now: datetime, outcome: FiringOutcome | None
) -> None:
    """Fire, and say what came of it."""
    await beat(database, holder, now)
    async with database.sessions.begin() as session:
        await schedules.fired(session, NAME, holder, now=now)
        if outcome is not None:
            await schedules.ended(
                session, NAME, holder, outcome, candidate="abc", detail="why", now=now
            )


async def known(database: Database, now: datetime = NOON) -> tuple[Schedule, ...]:
    """Return what is known, read by a session of its own."""
    async with database.readers() as session:
        return await schedules.schedules(session, NAME, now=now)


async def test_nothing_is_known_where_no_process_ever_was(database: Database) -> None:
    assert await known(database) == ()
    assert schedules.next_firing(()) is None
    assert schedules.working_since(()) is None
    assert schedules.last_firing(()) is None


async def test_process_that_beats_is_alive_and_one_that_stops_beating_is_not(
    database: Database,
) -> None:
    await beat(database, "one")
    await beat(database, "one", NOON + MINUTE)
    (alive,) = await known(database, NOON + MINUTE + schedules.ALIVE_FOR)
    assert (alive.holder, alive.expression, alive.timezone) == ("one", "0 3 * * *", "Asia/Seoul")
    assert (alive.minimum_feedback, alive.seen_at, alive.alive) == (20, NOON + MINUTE, True)
    assert schedules.next_firing([alive]) == NIGHT
    (gone,) = await known(database, NOON + MINUTE + schedules.ALIVE_FOR + SECOND)
    assert not gone.alive
    assert schedules.next_firing([gone]) is None


async def test_process_that_was_stopped_is_not_alive_at_once(database: Database) -> None:
    await beat(database, "one")
    await beat(database, "one", NOON + SECOND, next_at=None)
    (stopped,) = await known(database, NOON + SECOND)
    assert not stopped.alive


async def test_first_of_several_firings_is_the_next(database: Database) -> None:
    await beat(database, "late", next_at=NIGHT + MINUTE)
    await beat(database, "soon")
    await beat(database, "stopped", next_at=None)
    assert schedules.next_firing(await known(database)) == NIGHT


async def test_firing_is_at_work_until_it_ends(database: Database) -> None:
    await fire(database, "one", NOON, "refused")
    await fire(database, "one", NOON + MINUTE, None)
    at_work = await known(database, NOON + MINUTE)
    assert schedules.working_since(at_work) == NOON + MINUTE
    assert schedules.last_firing(at_work) is None
    await fire(database, "one", NOON + MINUTE, "promoted")
    over = await known(database, NOON + MINUTE)
    assert schedules.working_since(over) is None
    last = schedules.last_firing(over)
    assert last is not None
    assert (last.outcome, last.candidate, last.detail) == ("promoted", "abc", "why")
    assert last.fired_at == NOON + MINUTE


async def test_one_that_died_at_work_is_not_at_work(database: Database) -> None:
    await fire(database, "one", NOON, None)
    assert schedules.working_since(await known(database, NOON + DAY)) is None


async def test_last_firing_is_rather_one_that_did_something(database: Database) -> None:
    await fire(database, "one", NOON, "busy")
    busy = schedules.last_firing(await known(database))
    assert busy is not None
    assert busy.outcome == "busy"
    await fire(database, "two", NOON - SECOND, "promoted")
    last = schedules.last_firing(await known(database))
    assert last is not None
    assert last.holder == "two"


async def test_gone_processes_leave_their_last_word_for_a_month_or_nothing(
    database: Database,
) -> None:
    await beat(database, "never fired")
    await fire(database, "fired", NOON, "rested")
    await beat(database, "living", NOON + DAY)
    assert [one.holder for one in await known(database)] == ["living", "fired"]
    await beat(database, "living", NOON + 31 * DAY)
    assert [one.holder for one in await known(database)] == ["living"]


async def test_database_refuses_an_outcome_that_is_none(database: Database) -> None:
    with pytest.raises(IntegrityError):
        await fire(database, "one", NOON, "whatever")  # type: ignore[arg-type]
