"""`train_cli.scheduling`."""

import asyncio
import os
import signal
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from apscheduler.triggers.interval import IntervalTrigger
from sqlalchemy.exc import IntegrityError

from fer_model.uris import version_uri
from fer_model.versions import ModelVersion
from store import feedback, people, runs, versions
from store.engine import Database
from store.records import ModelVersion as ModelVersionRecord
from tests.store.rows import loads_of_crops
from tests.train_cli.feedback_rows import (
    BRIEF,
    LENIENT,
    say,
    serve,
    write_small_version,
    write_split,
)
from train_cli import retraining, scheduling
from train_cli.errors import RunStuck
from train_cli.registry import held_lease, promote
from train_cli.retraining import RetrainSettings
from train_cli.scheduling import FiringRules, cron_trigger, fire, keep_schedule, new_feedback

RULES = FiringRules()
YEARLY = cron_trigger("0 3 1 1 *", "UTC")


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
        ("0 5 * * tue-sat/2", "2026-11-24 05:00"),
        ("0 5 * * MON-fri/3", "2026-11-23 05:00"),
        ("0 5 * * sat-sun", "2026-11-22 05:00"),
        ("0 5 1 sep-dec/2 *", "2027-09-01 05:00"),
        ("0 5 1 Dec *", "2026-12-01 05:00"),
    ],
)
def test_cron_fires_as_crontab_would(expression: str, expected: str) -> None:
    trigger = cron_trigger(expression, "UTC")
    first = trigger.get_next_fire_time(None, datetime(2026, 11, 22, 0, 0, 1, tzinfo=UTC))
    assert f"{first:%Y-%m-%d %H:%M}" == expected


def test_steps_after_a_range_of_weekdays_are_heeded() -> None:
    fired = datetime(2026, 11, 23, 5, tzinfo=UTC)  # a Monday
    again = cron_trigger("0 5 * * mon-fri/2", "UTC").get_next_fire_time(fired, fired)
    assert f"{again:%a}" == "Wed"


@pytest.mark.parametrize(
    "expression",
    [
        *("", "daily", "0 3 * *", "61 3 * * *", "0 3 * * 8", "0 3 * * 5-2", "a b c d e"),
        *("0 3 1 * 1", "0 3 * * mon-fri/x", "0 3 * * 1/0", "0 3 * * monday", "0 3 * * sat-mon"),
        *("0 3 1 january *", "0 3 31 2 *"),
    ],
)
def test_what_is_no_cron_expression_is_refused(expression: str) -> None:
    with pytest.raises(ValueError):
        cron_trigger(expression, "UTC")


@pytest.mark.parametrize("name", ["Mars/Olympus", "Europe", "../UTC", "/etc/localtime"])
def test_what_is_no_time_zone_is_refused_in_words(name: str) -> None:
    with pytest.raises(ValueError, match="is no time zone"):
        cron_trigger("0 3 * * *", name)


async def test_firing_without_enough_new_feedback_does_nothing(
    serving: Database, base: ModelVersion, settings: RetrainSettings
) -> None:
    said: list[str] = []
    await say(serving, base.digest, 1)
    await fire(serving, settings, FiringRules(minimum_feedback=2), said.append)
    assert said == ["1 new piece of feedback, 2 are needed: not now"]
    assert not settings.models.exists()


async def test_firing_leaves_the_current_version_when_the_gate_refuses_and_rests_until_more_comes(
    serving: Database, base: ModelVersion, settings: RetrainSettings
) -> None:
    said: list[str] = []
    await say(serving, base.digest, 1)
    assert await new_feedback(serving) == 1
    await fire(serving, settings, RULES, said.append)
    assert "the gate refuses" in said[-1]
    assert await current_digest(serving) == base.digest
    assert await new_feedback(serving) == 0
    await fire(serving, settings, RULES, said.append)
    assert said[-1].endswith("not now")
    await say(serving, base.digest, 1)
    assert await new_feedback(serving) == 1


async def test_new_feedback_is_counted_without_its_faces(
    serving: Database, base: ModelVersion
) -> None:
    await say(serving, base.digest, 1)
    with loads_of_crops(serving) as loads:
        assert await new_feedback(serving) == 1
    assert loads == []


async def test_firing_promotes_what_the_gate_passes(
    serving: Database, base: ModelVersion, settings: RetrainSettings, tmp_path: Path
) -> None:
    for person in range(14):
        await say(serving, base.digest, person)
    lenient = RetrainSettings(
        settings.models, write_split(tmp_path / "split"), learning=BRIEF, policy=LENIENT
    )
    said: list[str] = []
    await fire(serving, lenient, RULES, said.append)
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
        await fire(serving, settings, RULES, said.append)
    assert "another retrain is running" in said[-1]


async def test_failure_is_said_and_does_not_end_the_schedule(
    serving: Database, base: ModelVersion, settings: RetrainSettings, tmp_path: Path
) -> None:
    await say(serving, base.digest, 1)
    said: list[str] = []
    without_split = RetrainSettings(settings.models, tmp_path / "nowhere", learning=BRIEF)
    await fire(serving, without_split, RULES, said.append)
    assert "is missing" in said[-1]


async def test_candidate_is_not_promoted_over_a_version_that_somebody_promoted_meanwhile(
    database: Database, base: ModelVersion, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await serve(database, base.path)
    for person in range(14):
        await say(database, base.digest, person)
    by_hand = write_small_version(tmp_path / "by hand", seed=1)
    lenient = RetrainSettings(
        tmp_path / "models", write_split(tmp_path / "split"), learning=BRIEF, policy=LENIENT
    )

    async def promote_both(*arguments: Any, **named: Any) -> ModelVersionRecord:
        """As the scheduler promotes, somebody else does so by hand, just before it commits."""
        reason = "a look at another one"
        hand = promote(database, by_hand.digest, actor="ana", override_reason=reason)
        done = await asyncio.gather(hand, promote(*arguments, **named), return_exceptions=True)
        assert not isinstance(done[0], BaseException), done[0]
        if isinstance(done[1], BaseException):
            raise done[1]
        return done[1]

    await add_candidate(database, by_hand.path, base.digest)
    monkeypatch.setattr(scheduling, "promote", promote_both)
    said: list[str] = []
    firing = await fire(database, lenient, RULES, said.append)
    # Whoever came second found the other: by hand nothing is asked for but a reason.
    async with database.readers() as session:
        promoted = [e for e in await versions.events(session) if e.event == "promoted"]
        known = await versions.versions(session)
    assert sum(version.state == "current" for version in known) == 1
    assert await current_digest(database) == by_hand.digest
    if firing.outcome == "refused":
        assert "was judged against" in firing.said
        assert [(e.previous_digest, e.digest) for e in promoted] == [(base.digest, by_hand.digest)]
    else:
        assert [(e.previous_digest, e.digest) for e in promoted] == [
            (base.digest, firing.candidate),
            (firing.candidate, by_hand.digest),
        ]


async def test_retrain_that_takes_too_long_is_stopped_and_the_next_one_may_begin(
    serving: Database, base: ModelVersion, settings: RetrainSettings
) -> None:
    await say(serving, base.digest, 1)
    said: list[str] = []
    firing = await fire(serving, settings, FiringRules(maximum=timedelta(0)), said.append)
    assert (firing.outcome, firing.said) == ("failed", "stopped: It took longer than 0:00:00.")
    assert await last_run(serving) == ("failed", "It took longer than 0:00:00.")
    assert await current_digest(serving) == base.digest
    assert await new_feedback(serving) == 1
    async with held_lease(serving):
        pass


async def test_retrain_that_does_not_even_stop_is_cut_off(
    serving: Database,
    base: ModelVersion,
    settings: RetrainSettings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    await say(serving, base.digest, 1)
    stuck, released = threading.Event(), threading.Event()

    def hang(*_arguments: object) -> None:
        stuck.set()
        released.wait()

    monkeypatch.setattr(retraining._Retrain, "done", hang)
    at_once = FiringRules(maximum=timedelta(seconds=0.5), grace=timedelta(seconds=0.5))
    before = asyncio.all_tasks()
    with pytest.raises(RunStuck, match="did not stop"):
        await fire(serving, settings, at_once, [].append)
    assert stuck.is_set()
    state, error = await last_run(serving)
    assert state == "failed"
    assert "took longer than 0:00:00.5" in (error or "")
    async with held_lease(serving):  # free, and what comes of the stuck one is refused
        released.set()
        await asyncio.wait(asyncio.all_tasks() - before, timeout=10)
        assert await last_run(serving) == (state, error)


@pytest.mark.parametrize(("kind", "error"), [("database", "nobody"), ("disk", "no space left")])
async def test_what_went_wrong_is_one_line_without_rows(
    serving: Database,
    base: ModelVersion,
    settings: RetrainSettings,
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
    error: str,
) -> None:
    def fail(*_arguments: object) -> None:
        if kind == "disk":
            raise OSError("no space left\non the disk")
        raise IntegrityError("INSERT", {}, Exception("Key (person_id)=(5000000001)"))

    await say(serving, base.digest, 1)
    monkeypatch.setattr(retraining._Retrain, "done", fail)
    firing = await fire(serving, settings, RULES, [].append)
    state, recorded = await last_run(serving)
    assert (firing.outcome, state) == ("failed", "failed")
    for line in (firing.said, recorded or ""):
        assert "\n" not in line
        assert "5000000001" not in line
    assert error in firing.said or kind == "database"


async def test_undone_and_erased_feedback_is_not_new_and_consent_makes_older_feedback_new(
    serving: Database, base: ModelVersion
) -> None:
    undone = await say(serving, base.digest, 1)
    await say(serving, base.digest, 2)
    await say(serving, base.digest, 3, consent=False)
    assert await new_feedback(serving) == 2
    async with serving.sessions.begin() as session:
        await feedback.undo_feedback(session, person_id=1, feedback_id=undone)
    assert await new_feedback(serving) == 1
    async with serving.sessions.begin() as session:
        await people.erase_person(session, 2)
    assert await new_feedback(serving) == 0


async def test_schedule_fires_at_once_when_asked_and_cancels_what_runs_when_stopped() -> None:
    stop, ended = asyncio.Event(), asyncio.Event()

    async def job() -> None:
        stop.set()
        try:
            await asyncio.sleep(60)
        finally:
            ended.set()

    async with asyncio.timeout(10):
        await keep_schedule(YEARLY, job, stop, [].append, first=datetime.now(UTC))
    assert ended.is_set()


async def test_firings_that_were_missed_become_one() -> None:
    stop, fired, said = asyncio.Event(), [0], []

    async def job() -> None:
        fired[0] += 1
        stop.set()

    minutely = cron_trigger("* * * * *", "UTC")
    hours_ago = datetime.now(UTC) - timedelta(hours=3)  # as after a night's sleep of the machine
    async with asyncio.timeout(10):
        await keep_schedule(minutely, job, stop, said.append, first=hours_ago)
    assert (fired, said) == ([1], [])


async def test_firing_that_is_too_late_is_left_out_and_said() -> None:
    stop, fired, said = asyncio.Event(), [0], []

    async def job() -> None:
        fired[0] += 1

    def heard(line: str) -> None:
        said.append(line)
        stop.set()

    late = datetime.now(UTC) - timedelta(minutes=10)
    async with asyncio.timeout(10):
        await keep_schedule(
            YEARLY, job, stop, heard, first=late, misfire_grace=timedelta(minutes=5)
        )
    assert fired == [0]
    (line,) = said
    assert line == f"the firing of {late:%Y-%m-%d %H:%M} UTC is left out: it is too late"


async def test_firing_while_the_one_before_is_at_work_is_left_out_and_said() -> None:
    stop, fired = asyncio.Event(), [0]
    said: list[str] = []

    async def job() -> None:
        fired[0] += 1
        await stop.wait()

    def heard(line: str) -> None:
        said.append(line)
        stop.set()

    often = IntervalTrigger(seconds=0.05)
    async with asyncio.timeout(10):
        await keep_schedule(often, job, stop, heard, first=datetime.now(UTC))
    assert fired == [1]
    assert said[0].endswith("is left out: the one before is still at work")


async def test_schedule_says_that_it_is_alive_and_when_it_was_stopped() -> None:
    stop = asyncio.Event()
    beats: list[datetime | None] = []

    async def beat(next_at: datetime | None) -> None:
        beats.append(next_at)

    async def job() -> None:
        stop.set()

    async with asyncio.timeout(10):
        await keep_schedule(YEARLY, job, stop, [].append, first=datetime.now(UTC), beat=beat)
    *alive, last = beats
    assert last is None
    assert alive[-1] is not None
    assert (alive[-1].month, alive[-1].day, alive[-1].hour) == (1, 1, 3)


def test_jitter_comes_later_and_never_earlier() -> None:
    trigger = cron_trigger("0 3 * * *", "UTC", jitter=600)
    midnight = datetime(2026, 11, 22, tzinfo=UTC)
    times = {trigger.get_next_fire_time(None, midnight) for _ in range(50)}
    planned = datetime(2026, 11, 22, 3, tzinfo=UTC)
    assert len(times) > 1
    assert planned <= min(times)
    assert max(times) <= planned + timedelta(minutes=10)
    for at in times:  # and the same night has no second firing
        assert trigger.get_next_fire_time(at, at).day == 23


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
        assert process.stderr.readline() == "scheduled: 0 3 * * *\n"
        assert "without --replay" in process.stderr.readline()
        process.send_signal(signal.SIGTERM)
        _, rest = process.communicate(timeout=120)
    assert process.returncode == 0
    assert rest.strip() == "stopped"


async def add_candidate(database: Database, path: Path, parent: str) -> None:
    async with held_lease(database) as held, database.sessions.begin() as session:
        await versions.add_candidate(
            session,
            path.name,
            version_uri(path),
            parent_digest=parent,
            figures={},
            report={},
            feedback_ids=(),
            lease=held.lease,
            actor="test",
        )


async def last_run(database: Database) -> tuple[str, str | None]:
    async with database.readers() as session:
        run = (await runs.runs(session, limit=1))[0]
    return run.state, run.error


async def current_digest(database: Database) -> str:
    async with database.readers() as session:
        return (await versions.current_version(session)).digest
