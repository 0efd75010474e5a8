"""`train_cli.retraining`: real networks with random weights, a real database."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
import torch
from sqlalchemy import update

from fer_model.errors import VersionDamaged, VersionMissing
from fer_model.uris import version_path
from fer_model.versions import ModelVersion, read_version
from store import feedback, rulings, runs, versions
from store.engine import Database, open_database
from store.errors import LeaseLost, NoCurrentVersion
from store.leases import acquire_lease
from store.records import ModelVersion as StoredVersion
from store.records import Run, Verdict
from store.tables import LeaseRow
from tests.train_cli.feedback_rows import (
    BRIEF,
    LENIENT,
    copied_version,
    say,
    serve,
    write_small_version,
    write_split,
)
from train_cli import retraining
from train_cli.errors import TookTooLong
from train_cli.gate import GatePolicy
from train_cli.learning import STEPS_BACK
from train_cli.registry import held_lease, promote
from train_cli.retrain_report import Answers, Weighing, in_words
from train_cli.retraining import Outcome, RetrainSettings, Watcher, plan_retrain, retrain
from train_cli.voting import sides


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


async def run_retrain(
    database: Database, settings: RetrainSettings, watcher: Watcher | None = None
) -> Outcome:
    async with held_lease(database) as lease:
        return await retrain(database, lease, settings, actor="test", watcher=watcher)


async def current_digest(database: Database) -> str:
    async with database.readers() as session:
        return (await versions.current_version(session)).digest


async def all_versions(database: Database) -> set[str]:
    async with database.readers() as session:
        return {version.digest for version in await versions.versions(session)}


async def last_run(database: Database) -> Run:
    async with database.readers() as session:
        return (await runs.runs(session, limit=1))[0]


async def test_one_correction_makes_a_whole_candidate_that_the_gate_refuses(
    serving: Database, base: ModelVersion, settings: RetrainSettings
) -> None:
    feedback_id = await say(serving, base.digest, 1)
    report = (await run_retrain(serving, settings)).report
    assert report is not None
    assert not report.verdict.passed
    assert "0 faces of feedback were held out; 30 are needed" in report.verdict.reasons
    assert await current_digest(serving) == base.digest

    async with serving.readers() as session:
        candidate = await versions.version(session, report.candidate)
        assert await versions.feedback_of_version(session, candidate.digest) == (feedback_id,)
    assert candidate.state == "candidate"
    assert candidate.parent_digest == base.digest
    on_disk = read_version(version_path(candidate.uri))
    assert on_disk.digest == candidate.digest
    assert on_disk.metadata.parent == base.digest
    assert on_disk.metadata.feedback == (feedback_id,)
    assert on_disk.metadata.calibrations == base.metadata.calibrations
    assert {member.precision for member in on_disk.members} == {"fp16"}

    run = await last_run(serving)
    assert run.state == "finished"
    assert run.report is not None
    assert run.report["candidate"] == candidate.digest
    assert candidate.report == json.loads(json.dumps(report.to_json()))
    words = "\n".join(in_words(report))
    assert "1 piece of feedback from 1 person: 0 confirmations, 1 correction" in words
    assert "One piece of feedback proves nothing" in words
    assert f"{base.short} goes on serving" in words


async def test_candidate_says_the_emotion_that_it_was_told_more_often(
    serving: Database, base: ModelVersion, settings: RetrainSettings
) -> None:
    for person in range(4):
        await say(serving, base.digest, person)
    report = (await run_retrain(serving, settings)).report
    assert report is not None
    assert report.trained.after.log_loss < report.trained.before.log_loss


async def test_without_feedback_there_is_no_candidate(
    serving: Database, base: ModelVersion, settings: RetrainSettings
) -> None:
    outcome = await run_retrain(serving, settings)
    assert outcome.report is None
    assert await all_versions(serving) == {base.digest}
    run = await last_run(serving)
    assert (run.state, run.report) == ("finished", {"candidate": None})


async def test_feedback_without_consent_or_crop_is_not_learnt_from(
    serving: Database, base: ModelVersion
) -> None:
    await say(serving, base.digest, 1, consent=False)
    await say(serving, base.digest, 2, crop=False)
    kept = await say(serving, base.digest, 3, emotion=None)
    plan = await plan_retrain(serving)
    assert [face.feedback_ids for face in plan.division.training] == [(kept,)]
    assert (plan.pieces, plan.confirmations, plan.corrections, plan.people) == (1, 1, 0, 1)


async def test_rejected_feedback_is_counted_and_not_learnt_from(
    serving: Database, base: ModelVersion
) -> None:
    kept = await say(serving, base.digest, 1)
    rejected = await say(serving, base.digest, 2, emotion="angry")
    async with serving.sessions.begin() as session:
        await rulings.rule(session, rejected, "rejected", admin_id=3)
    plan = await plan_retrain(serving)
    assert [face.feedback_ids for face in plan.division.training] == [(kept,)]
    assert plan.weighing == Weighing(0, 1, 0, 1, {})
    assert plan.looked_at == (kept, rejected)


async def test_without_trust_every_piece_counts_one(serving: Database, base: ModelVersion) -> None:
    rejected = await say(serving, base.digest, 2)
    async with serving.sessions.begin() as session:
        await rulings.rule(session, rejected, "rejected", admin_id=3)
    plan = await plan_retrain(serving, None)
    assert [face.votes.sum() for face in plan.division.training] == [1.0]
    assert plan.weighing is None


async def test_photo_that_two_people_sent_is_one_face(
    serving: Database, base: ModelVersion
) -> None:
    for person in (1, 2):
        await say(serving, base.digest, person, photo="same")
    (face,) = (await plan_retrain(serving)).division.training
    assert face.people == (1, 2)


async def test_candidate_that_is_better_on_others_passes_and_is_promoted(
    serving: Database, base: ModelVersion, settings: RetrainSettings, tmp_path: Path
) -> None:
    for person in range(14):
        await say(serving, base.digest, person)
    replayed = RetrainSettings(
        settings.models, write_split(tmp_path / "split"), learning=BRIEF, policy=LENIENT
    )
    report = (await run_retrain(serving, replayed)).report
    assert report is not None
    assert report.kept_by == "replay"
    assert report.holdout is not None
    assert report.base is not None
    assert report.base.faces == 9
    assert report.base.after.label_accuracy is not None
    assert report.trained_faces + report.holdout_faces == 14
    assert report.verdict.reasons == ()

    async with serving.readers() as session:
        learnt_from = await versions.people_of_version(session, report.candidate)
    assert len(learnt_from) == report.trained_faces
    await promote(serving, report.candidate, actor="test")
    assert await current_digest(serving) == report.candidate
    division = (await plan_retrain(serving)).division
    held_out = {person for face in division.holdout for person in face.people}
    assert held_out
    assert not held_out & set(learnt_from)


async def test_second_retrain_is_held_to_the_first_version_too(
    serving: Database,
    base: ModelVersion,
    settings: RetrainSettings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    phases: list[str] = []
    replayed = RetrainSettings(
        settings.models, write_split(tmp_path / "split"), learning=BRIEF, policy=LENIENT
    )

    async def retrained() -> dict[str, bool]:
        report = (await run_retrain(serving, replayed, Watcher(on_phase=phases.append))).report
        assert report is not None
        await promote(serving, report.candidate, actor="test", override_reason="a test")
        return {check.name: check.passed for check in report.verdict.checks}

    for person in range(14):
        await say(serving, base.digest, person)
    assert not [name for name in await retrained() if "since_first" in name]
    assert "asking the first version" not in phases
    names = "base_accuracy_holds_since_first", "base_log_loss_holds_since_first"
    await say(serving, base.digest, 50)
    checks = await retrained()
    assert [checks[name] for name in names] == [True, True]
    assert "asking the first version" in phases

    on_disk = retraining.version_on_disk

    def without_base(version: StoredVersion) -> ModelVersion:
        if version.digest == base.digest:
            raise VersionMissing(base.path)
        return on_disk(version)

    monkeypatch.setattr(retraining, "version_on_disk", without_base)
    await say(serving, base.digest, 51)
    checks = await retrained()
    assert [checks[name] for name in names] == [False, False]


async def test_first_version_whose_files_are_gone_is_stood_in_for_by_the_shipped_one(
    serving: Database, base: ModelVersion
) -> None:
    await register(serving, base, "child", [])
    async with serving.sessions.begin() as session:
        await versions.register_base(session, "shipped", "file:///nowhere", figures={})
    first = (await plan_retrain(serving)).first
    assert [one.digest for one in first] == [base.digest, "shipped"]
    found = retraining._readable(first[::-1])
    assert found is not None
    assert found.digest == base.digest
    assert retraining._readable(first[1:]) is None


def test_as_many_base_faces_are_compared_as_may_be_and_always_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    split = write_split(tmp_path / "split", 20)
    assert len(retraining.base_validation(split)) == 20
    monkeypatch.setattr(retraining, "_BASE_MOST", 7)
    one, other = (retraining.base_validation(split) for _ in range(2))
    assert len(one) == 7
    assert torch.equal(one.crops, other.crops)


async def test_voice_that_was_learnt_is_not_in_what_its_target_starts_from(
    serving: Database, base: ModelVersion
) -> None:
    first = await say(serving, base.digest, 1)
    await say(serving, base.digest, 2)
    await register(serving, base, "child", [first])
    plan = await plan_retrain(serving)
    faces = plan.division.training
    assert len(faces) == 2
    assert plan.learnt == {faces[0].name}
    says = np.full((2, 7), [0.4, *[0.1] * 6])
    priors = retraining._priors(faces, Answers(says, says), plan.learnt)
    assert np.allclose(priors.crowd, [faces[0].crowd, says[1]])
    assert np.allclose(priors.label, [faces[0].label, says[1]])
    assert not np.allclose(faces[0].crowd, says[0])


async def test_retrain_goes_no_farther_than_base_faces_that_it_keeps_apart_bear(
    serving: Database, base: ModelVersion, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await say(serving, base.digest, 100)
    monkeypatch.setattr(retraining, "_REPLAY_MOST", 9)
    monkeypatch.setattr(retraining, "GUARD", GatePolicy(base_faces=4, accuracy_margin=-2))
    settings = RetrainSettings(
        tmp_path / "models", write_split(tmp_path / "split", 20), learning=BRIEF
    )
    report = (await run_retrain(serving, settings)).report
    assert report is not None
    assert report.share == STEPS_BACK[-1]
    assert "went 12% of the way, never all, as far as base faces bear" in "\n".join(
        in_words(report)
    )


async def test_retrain_with_too_few_base_faces_to_step_back_by_goes_the_least_way(
    serving: Database, base: ModelVersion, tmp_path: Path
) -> None:
    await say(serving, base.digest, 100)
    settings = RetrainSettings(tmp_path / "models", write_split(tmp_path / "split"), learning=BRIEF)
    report = (await run_retrain(serving, settings)).report
    assert report is not None
    assert report.share == STEPS_BACK[-1]


async def test_face_that_the_version_was_trained_on_is_never_judged_on(
    serving: Database, base: ModelVersion
) -> None:
    pieces = [(person, person) for person in range(30)]
    held, learnt_from = (
        next(person for (person, _), its in zip(pieces, sides(pieces), strict=True) if its == side)
        for side in ("holdout", "training")
    )
    first = await say(serving, base.digest, learnt_from, photo="same")
    second = await say(serving, base.digest, held, photo="same")
    for person in range(100, 110):
        await say(serving, base.digest, person)
    await register(serving, base, "child", [first])
    async with serving.sessions.begin() as session:
        await feedback.undo_feedback(session, first, learnt_from)
    division = (await plan_retrain(serving)).division
    judged_on = {piece for face in division.holdout for piece in face.feedback_ids}
    assert judged_on
    assert second not in judged_on | {i for face in division.training for i in face.feedback_ids}


async def register(
    database: Database, base: ModelVersion, digest: str, feedback_ids: list[int]
) -> None:
    """A version trained on this feedback, made current."""
    async with database.sessions.begin() as session:
        lease = await acquire_lease(session, "retrain", "test", timedelta(minutes=1))
        await versions.add_candidate(
            session,
            digest,
            "file:///nowhere",
            parent_digest=base.digest,
            figures={},
            report={},
            feedback_ids=feedback_ids,
            lease=lease,
            actor="test",
        )
        await versions.promote(
            session, digest, verdict=Verdict(True, {}), lease=lease, actor="test"
        )


async def test_same_seed_learns_the_same(
    serving: Database, base: ModelVersion, settings: RetrainSettings
) -> None:
    await say(serving, base.digest, 1)
    first, second = [(await run_retrain(serving, settings)).report for _ in range(2)]
    assert first is not None
    assert second is not None
    assert first.trained == second.trained


async def test_run_that_loses_its_lease_registers_nothing(
    serving: Database, base: ModelVersion, settings: RetrainSettings
) -> None:
    await say(serving, base.digest, 1)
    async with held_lease(serving) as lease:
        watcher = Watcher(on_step=lambda *_progress: lease.lost.set())
        with pytest.raises(LeaseLost):
            await retrain(serving, lease, settings, actor="test", watcher=watcher)
    assert await all_versions(serving) == {base.digest}
    run = await last_run(serving)
    assert run.state == "failed"
    assert "lost" in (run.error or "")


async def test_candidate_of_a_lease_that_was_taken_over_is_not_registered(
    serving: Database, base: ModelVersion, settings: RetrainSettings
) -> None:
    await say(serving, base.digest, 1)
    async with held_lease(serving) as lease:
        await expire_leases(serving)
        async with held_lease(serving):
            with pytest.raises(LeaseLost):
                await retrain(serving, lease, settings, actor="test")
    assert await all_versions(serving) == {base.digest}


async def test_run_that_takes_too_long_stops_at_its_next_step(
    serving: Database, base: ModelVersion, settings: RetrainSettings
) -> None:
    await say(serving, base.digest, 1)
    async with held_lease(serving) as lease:
        with pytest.raises(TookTooLong):
            await retrain(serving, lease, settings, actor="test", maximum=timedelta(0))
    assert await all_versions(serving) == {base.digest}
    run = await last_run(serving)
    assert (run.state, run.error) == ("failed", "It took longer than 0:00:00.")


async def test_cancelled_run_is_marked_and_leaves_the_lease_free(
    serving: Database, base: ModelVersion, settings: RetrainSettings
) -> None:
    await say(serving, base.digest, 1)
    learning = asyncio.Event()
    loop = asyncio.get_running_loop()
    watcher = Watcher(on_step=lambda *_progress: loop.call_soon_threadsafe(learning.set))
    task = asyncio.create_task(run_retrain(serving, settings, watcher))
    await learning.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    run = await last_run(serving)
    assert (run.state, run.error) == ("failed", "It was interrupted.")
    async with held_lease(serving):
        pass


async def test_damaged_current_version_fails_the_run_with_its_reason(
    sqlite_database: Database, base: ModelVersion, settings: RetrainSettings, tmp_path: Path
) -> None:
    path = copied_version(base, tmp_path)
    await serve(sqlite_database, path)
    await say(sqlite_database, base.digest, 1)
    (path / "version.json").write_text("{}")
    with pytest.raises(VersionDamaged):
        await run_retrain(sqlite_database, settings)
    run = await last_run(sqlite_database)
    assert run.state == "failed"
    assert "damaged" in (run.error or "")


async def expire_leases(database: Database) -> None:
    """As if the time of every lease had passed."""
    async with database.sessions.begin() as session:
        await session.execute(
            update(LeaseRow).values(expires_at=datetime.now(UTC) - timedelta(hours=1))
        )


KILLED = """
import asyncio, os, signal, sys
from pathlib import Path
from store.engine import open_database
from tests.train_cli.feedback_rows import BRIEF
from train_cli import retraining
from train_cli.registry import held_lease

url, models, moment = sys.argv[1:]

def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)

async def main():
    if moment == "rename":
        Path.rename = die
    if moment == "commit":
        retraining.versions.add_candidate = die
    settings = retraining.RetrainSettings(Path(models), learning=BRIEF)
    database = open_database(url)
    async with held_lease(database) as lease:
        await retraining.retrain(database, lease, settings, actor="test")

asyncio.run(main())
"""


@pytest.mark.slow
@pytest.mark.parametrize("moment", ["rename", "commit"])
async def test_killed_run_leaves_the_current_version_serving_and_the_next_one_succeeds(
    serving: Database,
    base: ModelVersion,
    settings: RetrainSettings,
    sqlite_url: str,
    moment: str,
) -> None:
    await say(serving, base.digest, 1)
    killed = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-c", KILLED, sqlite_url, str(settings.models), moment],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert await current_digest(serving) == base.digest
    assert await all_versions(serving) == {base.digest}
    assert (await last_run(serving)).state == "running"
    for path in settings.models.glob("*"):
        if not path.name.startswith("."):
            assert read_version(path).digest == path.name

    await expire_leases(serving)
    again = open_database(sqlite_url)
    report = (await run_retrain(again, settings)).report
    assert report is not None
    async with again.readers() as session:
        first = (await runs.runs(session))[-1]
    await again.close()
    assert first.state == "failed"
    assert report.candidate in await all_versions(serving)


async def test_planning_on_a_database_without_a_version_writes_nothing(
    sqlite_database: Database,
) -> None:
    with pytest.raises(NoCurrentVersion):
        await plan_retrain(sqlite_database)
    assert await all_versions(sqlite_database) == set()
