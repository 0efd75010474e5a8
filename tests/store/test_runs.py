"""Training runs: what was asked, what came out."""

import pytest

from store import runs
from store.engine import Database
from store.errors import RunUnknown
from store.records import Run
from tests.store.rows import MINUTE, NOON


async def start(database: Database, kind: str = "retrain") -> Run:
    """Begin a run at noon."""
    async with database.sessions.begin() as session:
        return await runs.start_run(session, kind, {"epochs": 2}, now=NOON)


async def found(database: Database, run_id: int) -> Run:
    """Return a run, read by a session of its own."""
    async with database.readers() as session:
        return await runs.run(session, run_id)


async def test_run_is_running_until_it_is_finished(database: Database) -> None:
    begun = await start(database)
    assert (await found(database, begun.run_id)).state == "running"
    async with database.sessions.begin() as session:
        await runs.finish_run(
            session, begun.run_id, {"accuracy": 0.7}, log="epoch 1", now=NOON + MINUTE
        )
    done = await found(database, begun.run_id)
    assert (done.state, done.report, done.log) == ("finished", {"accuracy": 0.7}, "epoch 1")
    assert (done.arguments, done.started_at) == ({"epochs": 2}, NOON)
    assert done.finished_at == NOON + MINUTE


async def test_failed_run_says_why(database: Database) -> None:
    begun = await start(database)
    async with database.sessions.begin() as session:
        await runs.fail_run(session, begun.run_id, "out of memory", now=NOON)
    done = await found(database, begun.run_id)
    assert (done.state, done.error, done.report) == ("failed", "out of memory", None)


async def test_abandoned_runs_of_a_kind_are_failed(database: Database) -> None:
    dead, other = await start(database), await start(database, "train")
    async with database.sessions.begin() as session:
        assert await runs.fail_abandoned_runs(session, "retrain", now=NOON) == 1
    assert (await found(database, dead.run_id)).state == "failed"
    assert (await found(database, other.run_id)).state == "running"


async def test_runs_come_newest_first(database: Database) -> None:
    ids = [(await start(database)).run_id for _ in range(3)]
    async with database.readers() as session:
        latest = await runs.runs(session, limit=2)
    assert [run.run_id for run in latest] == [ids[2], ids[1]]


async def test_unknown_run_is_named(database: Database) -> None:
    async with database.sessions.begin() as session:
        for change in (
            runs.run(session, 99),
            runs.finish_run(session, 99, {}),
            runs.fail_run(session, 99, "gone"),
        ):
            with pytest.raises(RunUnknown):
                await change
