"""`train_cli.scheduling`."""

import asyncio
import os
import signal
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from fer_model.versions import ModelVersion
from store import versions
from store.engine import Database
from tests.train_cli.feedback_rows import (
    BRIEF,
    LENIENT,
    say,
    serve,
    write_small_version,
    write_split,
)
from train_cli.registry import held_lease
from train_cli.retraining import RetrainSettings
from train_cli.scheduling import cron_trigger, fire, keep_schedule, new_feedback


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> ModelVersion:
    return write_small_version(tmp_path_factory.mktemp("versions"))


@pytest.fixture
async def serving(sqlite_database: Database, base: ModelVersion) -> Database:
    await serve(sqlite_database, base.path)
    return sqlite_database


@pytest.fixture
def settings(tmp_path: Path) -> RetrainSettings:
    return RetrainSettings(models=tmp_path / "models", learning=BRIEF)


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("0 3 * * *", "2026-11-22 03:00"),  # a Sunday
        ("30 4 * * 0", "2026-11-22 04:30"),
        ("30 4 * * 7", "2026-11-22 04:30"),
        ("0 0 * * 1-5", "2026-11-23 00:00"),
        ("0 5 * * 2,4", "2026-11-24 05:00"),
        ("0 5 * * 3-6/2", "2026-11-25 05:00"),
        ("0 5 * * fri", "2026-11-27 05:00"),
        ("*/15 * * * *", "2026-11-22 00:15"),
        ("0 5 * * */2", "2026-11-22 05:00"),  # Sunday, Tuesday, Thursday, Saturday
        ("0 5 * 12 */2", "2026-12-01 05:00"),  # a Tuesday
    ],
)
def test_cron_fires_as_crontab_would(expression: str, expected: str) -> None:
    trigger = cron_trigger(expression, "UTC")
    first = trigger.get_next_fire_time(None, datetime(2026, 11, 22, 0, 0, 1, tzinfo=UTC))
    assert f"{first:%Y-%m-%d %H:%M}" == expected


@pytest.mark.parametrize(
    "expression",
    ["", "daily", "0 3 * *", "61 3 * * *", "0 3 * * 8", "0 3 * * 5-2", "a b c d e", "0 3 1 * 1"],
)
def test_what_is_no_cron_expression_is_refused(expression: str) -> None:
    with pytest.raises(ValueError):
        cron_trigger(expression, "UTC")


async def test_firing_without_enough_new_feedback_does_nothing(
    serving: Database, base: ModelVersion, settings: RetrainSettings
) -> None:
    said: list[str] = []
    await say(serving, base.digest, 1)
    await fire(serving, settings, 2, said.append)
    assert said == ["1 new pieces of feedback, 2 are needed: not now"]
    assert not settings.models.exists()


async def test_firing_leaves_the_current_version_when_the_gate_refuses_and_rests_until_more_comes(
    serving: Database, base: ModelVersion, settings: RetrainSettings
) -> None:
    said: list[str] = []
    await say(serving, base.digest, 1)
    assert await new_feedback(serving) == 1
    await fire(serving, settings, 1, said.append)
    assert "the gate refuses" in said[-1]
    assert await current_digest(serving) == base.digest
    assert await new_feedback(serving) == 0
    await fire(serving, settings, 1, said.append)
    assert said[-1].endswith("not now")
    await say(serving, base.digest, 1)
    assert await new_feedback(serving) == 1


async def test_firing_promotes_what_the_gate_passes(
    serving: Database, base: ModelVersion, settings: RetrainSettings, tmp_path: Path
) -> None:
    for person in range(14):
        await say(serving, base.digest, person)
    lenient = RetrainSettings(
        settings.models, write_split(tmp_path / "split"), learning=BRIEF, policy=LENIENT
    )
    said: list[str] = []
    await fire(serving, lenient, 1, said.append)
    assert said[-1].endswith("passed the gate and is current")
    assert await current_digest(serving) != base.digest
    async with serving.readers() as session:
        event = (await versions.events(session))[-1]
    assert (event.event, event.actor, event.override) == ("promoted", "scheduler", False)


async def test_firing_while_another_retrains_waits_for_its_next_time(
    serving: Database, settings: RetrainSettings
) -> None:
    said: list[str] = []
    async with held_lease(serving):
        await fire(serving, settings, 1, said.append)
    assert "another retrain is running" in said[-1]


async def test_failure_is_said_and_does_not_end_the_schedule(
    serving: Database, base: ModelVersion, settings: RetrainSettings, tmp_path: Path
) -> None:
    await say(serving, base.digest, 1)
    said: list[str] = []
    without_split = RetrainSettings(settings.models, tmp_path / "nowhere", learning=BRIEF)
    await fire(serving, without_split, 1, said.append)
    assert "is missing" in said[-1]


async def test_schedule_fires_at_once_when_asked_and_cancels_what_runs_when_stopped() -> None:
    stop, ended = asyncio.Event(), asyncio.Event()

    async def job() -> None:
        stop.set()
        try:
            await asyncio.sleep(60)
        finally:
            ended.set()

    trigger = cron_trigger("0 3 1 1 *", "UTC")
    async with asyncio.timeout(10):
        await keep_schedule(trigger, job, stop, now=True)
    assert ended.is_set()


@pytest.mark.slow
def test_scheduler_ends_cleanly_on_sigterm(sqlite_url: str) -> None:
    command = [sys.executable, "-m", "train_cli", "schedule", "--cron", "0 3 * * *"]
    with subprocess.Popen(
        [*command, "--database", sqlite_url],
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    ) as process:
        assert process.stderr is not None
        assert "scheduled" in process.stderr.readline()
        process.send_signal(signal.SIGTERM)
        _, rest = process.communicate(timeout=30)
    assert process.returncode == 0
    assert rest.strip() == "stopped"


async def current_digest(database: Database) -> str:
    async with database.readers() as session:
        return (await versions.current_version(session)).digest
