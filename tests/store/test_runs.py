"""Training runs: what was asked, what came out."""

from datetime import datetime

import pytest

from store import leases, runs
from store.engine import Database
from store.errors import LeaseLost, RunEnded, RunUnknown
from store.records import Lease, Run
from tests.store.rows import MINUTE, NOON, SECOND


@pytest.fixture
async def lease(database: Database) -> Lease:
    """The right to retrain, from noon on for two minutes."""
    return await acquire(database, "test")


async def acquire(database: Database, holder: str, now: datetime = NOON) -> Lease:
    """Take the right to retrain."""
    async with database.sessions.begin() as session:
        return await leases.acquire_lease(session, "retrain", holder, 2 * MINUTE, now=now)


async def start(database: Database, lease: Lease, kind: str = "retrain") -> Run:
    """Begin a run at noon."""
    async with database.sessions.begin() as session:
        return await runs.start_run(session, kind, {"epochs": 2}, lease=lease, now=NOON)


async def found(database: Database, run_id: int) -> Run:
    """Return a run, read by a session of its own."""
    async with database.readers() as session:
        return await runs.run(session, run_id)


async def test_run_is_running_until_it_is_finished(database: Database, lease: Lease) -> None:
    begun = await start(database, lease)
    assert (await found(database, begun.run_id)).state == "running"
    async with database.sessions.begin() as session:
        await runs.finish_run(
            session, begun.run_id, {"accuracy": 0.7}, lease=lease, log="epoch 1", now=NOON + MINUTE
        )
    done = await found(database, begun.run_id)
    assert (done.state, done.report, done.log) == ("finished", {"accuracy": 0.7}, "epoch 1")
    assert (done.arguments, done.started_at) == ({"epochs": 2}, NOON)
    assert done.finished_at == NOON + MINUTE


async def test_failed_run_says_why(database: Database, lease: Lease) -> None:
    begun = await start(database, lease)
    async with database.sessions.begin() as session:
        await runs.fail_run(session, begun.run_id, "out of memory", now=NOON)
    done = await found(database, begun.run_id)
    assert (done.state, done.error, done.report) == ("failed", "out of memory", None)


async def test_abandoned_runs_of_a_kind_are_failed(database: Database, lease: Lease) -> None:
    dead, other = await start(database, lease), await start(database, lease, "train")
    async with database.sessions.begin() as session:
        assert await runs.fail_abandoned_runs(session, "retrain", lease=lease, now=NOON) == 1
    assert (await found(database, dead.run_id)).state == "failed"
    assert (await found(database, other.run_id)).state == "running"


async def test_runs_come_newest_first(database: Database, lease: Lease) -> None:
    ids = [(await start(database, lease)).run_id for _ in range(3)]
    async with database.readers() as session:
        latest = await runs.runs(session, limit=2)
    assert [run.run_id for run in latest] == [ids[2], ids[1]]


async def test_unknown_run_is_named(database: Database, lease: Lease) -> None:
    async with database.sessions.begin() as session:
        for change in (
            runs.run(session, 99),
            runs.finish_run(session, 99, {}, lease=lease, now=NOON),
            runs.fail_run(session, 99, "gone"),
        ):
            with pytest.raises(RunUnknown):
                await change


async def test_run_that_was_paused_past_its_lease_changes_nothing(
    database: Database, lease: Lease
) -> None:
    paused = await start(database, lease)
    later = NOON + 2 * MINUTE
    successor = await acquire(database, "successor", later)
    async with database.sessions.begin() as session:
        await runs.fail_abandoned_runs(session, "retrain", lease=successor, now=later)
        its_run = await runs.start_run(session, "retrain", {}, lease=successor, now=later)

    for change in (
        lambda session: runs.finish_run(session, paused.run_id, {}, lease=lease, now=later),
        lambda session: runs.fail_abandoned_runs(session, "retrain", lease=lease, now=later),
        lambda session: runs.start_run(session, "retrain", {}, lease=lease, now=later),
    ):
        with pytest.raises(LeaseLost):
            async with database.sessions.begin() as session:
                await change(session)
    async with database.sessions.begin() as session:
        said = await runs.fail_run(session, paused.run_id, "it lost its lease", now=later + SECOND)
    assert (said.error, said.finished_at) == ("The process ended without a word.", later)
    assert (await found(database, paused.run_id)) == said
    assert (await found(database, its_run.run_id)).state == "running"


async def test_run_ends_once(database: Database, lease: Lease) -> None:
    failed = await start(database, lease)
    async with database.sessions.begin() as session:
        await runs.fail_run(session, failed.run_id, "too slow", now=NOON)
    with pytest.raises(RunEnded, match="is failed already"):
        async with database.sessions.begin() as session:
            await runs.finish_run(session, failed.run_id, {}, lease=lease, now=NOON)
    assert (await found(database, failed.run_id)).error == "too slow"
