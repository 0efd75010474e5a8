"""Several schedulers on one database, each a process of its own; see `scheduler_process`."""

import asyncio
import itertools
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from fer_model import networks
from store import runs, schedules, versions
from store.engine import Database
from store.records import Run
from tests.train_cli import scheduler_process
from tests.train_cli.feedback_rows import say, serve, write_small_version, write_split
from train_cli.registry import held_lease, promote

pytestmark = pytest.mark.slow

PATIENCE_S = 300
"""Far more than anything here takes on a machine that has other things to do."""


@dataclass
class Scheduler:
    """A process at work, and what it has said so far."""

    process: asyncio.subprocess.Process
    lines: list[str]

    async def hears(self, wanted: Callable[[str], bool]) -> str:
        """The next line of this kind."""
        stream = self.process.stdout
        assert stream is not None
        async with asyncio.timeout(PATIENCE_S):
            while line := (await stream.readline()).decode():
                self.lines.append(line.rstrip())
                if wanted(line.rstrip()):
                    return line.rstrip()
        raise AssertionError(f"ended before it said so: {self.lines}")

    async def ended(self) -> list[str]:
        """The outcomes it said, once it has ended well."""
        stream = self.process.stdout
        assert stream is not None
        async with asyncio.timeout(PATIENCE_S):
            rest = (await stream.read()).decode().splitlines()
            assert await self.process.wait() == 0, self.lines + rest
        self.lines += rest
        return [line for line in self.lines if not line.startswith("#") and line != "ready"]

    async def begins(self, at: datetime | None = None) -> None:
        """Has it fire first then, or at once."""
        if "ready" not in self.lines:
            await self.hears(lambda line: line == "ready")
        assert self.process.stdin is not None
        self.process.stdin.write(f"{(at or datetime.now(UTC)).isoformat()}\n".encode())
        await self.process.stdin.drain()

    def tell(self, number: signal.Signals) -> None:
        """Send a signal."""
        self.process.send_signal(number)


@asynccontextmanager
async def scheduler(
    database: Database, folder: Path, every: float, firings: int, *more: str
) -> AsyncIterator[Scheduler]:
    """A scheduler that is about to begin, gone at the end."""
    url = database.url.render_as_string(hide_password=False)
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.train_cli.scheduler_process",
        url,
        str(folder / "models"),
        str(every),
        str(firings),
        *more,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    begun = Scheduler(process, [])
    try:
        yield begun
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGCONT)
            process.kill()
            await process.wait()


@pytest.fixture
async def serving(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[Database, str]:
    """A tiny version that serves, a base split, and feedback of fourteen people."""
    monkeypatch.setitem(networks._BACKBONES, "resnet50", scheduler_process.small_resnet)
    base = write_small_version(tmp_path / "versions")
    write_split(tmp_path / "split")
    await serve(database, base.path)
    for person in range(14):
        await say(database, base.digest, person)
    return database, base.digest


async def all_runs(database: Database) -> list[Run]:
    async with database.readers() as session:
        return list(reversed(await runs.runs(session, limit=100)))


async def at_most_one_runs(database: Database) -> None:
    """Looks at the runs again and again, until cancelled."""
    while True:
        running = [run for run in await all_runs(database) if run.state == "running"]
        assert len(running) <= 1, running
        await asyncio.sleep(0.05)


async def test_several_schedulers_never_run_two_retrains(
    serving: tuple[Database, str], tmp_path: Path
) -> None:
    database, base = serving
    processes = 3 if database.url.get_backend_name() == "postgresql" else 2
    firings = 3
    watch = asyncio.create_task(at_most_one_runs(database))
    async with AsyncExitStack() as stack:
        started = [
            await stack.enter_async_context(scheduler(database, tmp_path, 3, firings))
            for _ in range(processes)
        ]
        for each in started:
            await each.hears(lambda line: line == "ready")
        together = datetime.now(UTC) + timedelta(seconds=1)
        for each in started:
            await each.begins(together)
        told = await asyncio.gather(*(each.ended() for each in started))
    assert not watch.done(), watch.exception()
    watch.cancel()

    for said in told:
        assert len(said) == firings
        assert {line.split()[0] for line in said} <= {
            "promoted",
            "refused",
            "rested",
            "busy",
            "left-out",
        }
    did = await all_runs(database)
    assert did
    assert {run.state for run in did} == {"finished"}
    for before, after in itertools.pairwise(did):
        assert before.finished_at is not None
        assert before.finished_at <= after.started_at
    done = [line for said in told for line in said if line.split()[0] in ("promoted", "refused")]
    assert len(done) == len(did)
    async with database.readers() as session:
        known = await schedules.schedules(session, schedules.RETRAIN)
        current = await versions.current_version(session)
    assert len(known) == processes
    assert not any(schedule.alive for schedule in known)
    assert (current.digest == base) == (not any(line.startswith("promoted") for line in done))


@pytest.mark.parametrize("step", ["commit", "promote"])
async def test_scheduler_that_was_paused_past_its_lease_changes_nothing(
    serving: tuple[Database, str], tmp_path: Path, step: str
) -> None:
    database, base = serving
    async with (
        scheduler(database, tmp_path, 3600, 1, "6", step) as paused,
        scheduler(database, tmp_path, 2, 60, "60") as successor,
    ):
        await paused.begins()
        await paused.hears(lambda line: line == "pausing")
        if step == "promote":  # its candidate is registered; there must be something new to do
            await say(database, base, 77)
        await successor.begins()
        await successor.hears(lambda line: line.startswith(("promoted", "refused")))
        successor.tell(signal.SIGTERM)
        await successor.ended()
        before = await everything(database)
        paused.tell(signal.SIGCONT)
        said = await paused.ended()
    assert said[-1] == "failed lease lost: this retrain was away for too long"
    assert await everything(database) == before
    did = before[0]
    assert [run.state for run in did] == (
        ["failed", "finished"] if step == "commit" else ["finished", "finished"]
    )


async def test_candidate_is_registered_or_the_run_failed_whoever_promotes_meanwhile(
    serving: tuple[Database, str], tmp_path: Path
) -> None:
    database, base = serving
    async with scheduler(database, tmp_path, 3600, 1, "120", "promote") as paused:
        await paused.begins()
        await paused.hears(lambda line: line == "pausing")
        (run,) = await all_runs(database)
        assert run.report is not None
        candidate = str(run.report["candidate"])
        by_hand = await promote(database, candidate, actor="ana")
        paused.tell(signal.SIGCONT)
        (said,) = [line for line in await paused.ended() if line != "pausing"]
    assert said.startswith("failed")
    assert "is current" in said
    async with database.readers() as session:
        assert (await versions.current_version(session)).digest == by_hand.digest
        promoted = [e for e in await versions.events(session) if e.event == "promoted"]
    assert [(e.previous_digest, e.actor) for e in promoted] == [(base, "ana")]


async def test_scheduler_that_is_stopped_at_work_says_so_and_lets_go_at_once(
    serving: tuple[Database, str], tmp_path: Path
) -> None:
    database, base = serving
    async with scheduler(database, tmp_path, 3600, 1, "600") as stopped:
        await stopped.begins()
        await stopped.hears(lambda line: line == "# learning")
        stopped.tell(signal.SIGTERM)
        await stopped.ended()
    (run,) = await all_runs(database)
    assert (run.state, run.error) == ("failed", "It was interrupted.")
    async with held_lease(database):
        pass
    async with database.readers() as session:
        assert (await versions.current_version(session)).digest == base


async def everything(
    database: Database,
) -> tuple[list[Run], list[tuple[str, str]], int]:
    """What a retrain may change."""
    async with database.readers() as session:
        known = sorted((v.digest, v.state) for v in await versions.versions(session))
        happened = len(await versions.events(session))
    return await all_runs(database), known, happened
