"""What happens to versions that were trained on somebody who was erased since."""

from pathlib import Path

import pytest
from sqlalchemy import update

from fer_model.uris import version_uri
from fer_model.versions import ModelVersion, read_version
from store import people, versions
from store.engine import Database
from store.errors import VersionVoid
from store.tables import ModelVersionRow
from tests.train_cli.feedback_rows import (
    BRIEF,
    LENIENT,
    say,
    serve,
    write_small_version,
    write_split,
)
from train_cli.errors import RunRefused
from train_cli.registry import held_lease, promote, replace_void, roll_back, start_of_retrain
from train_cli.retraining import RetrainSettings, plan_retrain, retrain
from train_cli.scheduling import FiringRules, fire, new_feedback

PASSED = {"verdict": {"passed": True, "reasons": [], "checks": []}}
REFUSED = {"verdict": {"passed": False, "reasons": ["too few faces"], "checks": []}}

LEAVES, STAYS = 1, 2


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> ModelVersion:
    return write_small_version(tmp_path_factory.mktemp("versions"))


@pytest.fixture(scope="module")
def others(tmp_path_factory: pytest.TempPathFactory) -> tuple[ModelVersion, ...]:
    folder = tmp_path_factory.mktemp("versions")
    return tuple(write_small_version(folder, seed) for seed in (1, 2))


@pytest.fixture
def settings(tmp_path: Path) -> RetrainSettings:
    return RetrainSettings(models=tmp_path / "models", learning=BRIEF)


async def add(
    database: Database,
    version: ModelVersion,
    parent: ModelVersion,
    *feedback_ids: int,
    report: dict[str, object] = PASSED,
) -> None:
    async with held_lease(database) as held, database.sessions.begin() as session:
        await versions.add_candidate(
            session,
            version.digest,
            version_uri(version.path),
            parent_digest=parent.digest,
            figures={},
            report=report,
            feedback_ids=feedback_ids,
            lease=held.lease,
            actor="test",
        )


async def erase(database: Database, person_id: int) -> None:
    async with database.sessions.begin() as session:
        await people.erase_person(session, person_id)


async def current_digest(database: Database) -> str:
    async with database.readers() as session:
        return (await versions.current_version(session)).digest


@pytest.fixture
async def void_serves(
    sqlite_database: Database, base: ModelVersion, others: tuple[ModelVersion, ...]
) -> Database:
    """The base, a version trained on both people that serves, and one of them erased."""
    await serve(sqlite_database, base.path)
    said = [await say(sqlite_database, base.digest, person) for person in (LEAVES, STAYS)]
    await add(sqlite_database, others[0], base, *said)
    await promote(sqlite_database, others[0].digest, actor="ana")
    await erase(sqlite_database, LEAVES)
    return sqlite_database


async def test_a_retrain_starts_from_the_nearest_version_that_never_saw_the_erased_person(
    void_serves: Database, base: ModelVersion, settings: RetrainSettings
) -> None:
    plan = await plan_retrain(void_serves)
    assert plan.current.digest == base.digest
    assert plan.people == 1, "what still stands is learnt"
    async with held_lease(void_serves) as lease:
        report = (await retrain(void_serves, lease, settings, actor="test")).report
    assert report is not None
    assert report.parent == base.digest
    assert read_version(settings.models / report.candidate).metadata.parent == base.digest
    async with void_serves.readers() as session:
        assert not (await versions.version(session, report.candidate)).void


async def test_a_firing_replaces_a_void_version_even_when_nothing_is_new_and_nothing_passes(
    void_serves: Database, base: ModelVersion, settings: RetrainSettings
) -> None:
    said: list[str] = []
    await fire(void_serves, settings, FiringRules(1000), said.append)
    assert "was erased" in said[0]
    assert "the gate refuses" in said[-1]
    assert await current_digest(void_serves) == base.digest


async def test_a_firing_replaces_a_void_version_where_no_feedback_is_left(
    void_serves: Database, base: ModelVersion, settings: RetrainSettings
) -> None:
    await erase(void_serves, STAYS)
    said: list[str] = []
    await fire(void_serves, settings, FiringRules(), said.append)
    assert said[-1] == "no feedback that may be learnt from"
    assert await current_digest(void_serves) == base.digest


async def test_a_firing_promotes_what_it_trained_from_the_clean_start(
    void_serves: Database, base: ModelVersion, settings: RetrainSettings, tmp_path: Path
) -> None:
    for person in range(10, 24):
        await say(void_serves, base.digest, person)
    lenient = RetrainSettings(
        settings.models, write_split(tmp_path / "split"), learning=BRIEF, policy=LENIENT
    )
    said: list[str] = []
    await fire(void_serves, lenient, FiringRules(), said.append)
    assert said[-1].endswith("passed the gate and is current")
    async with void_serves.readers() as session:
        current = await versions.current_version(session)
    assert (current.parent_digest, current.void) == (base.digest, False)


async def test_what_a_void_version_learnt_is_new_again(
    sqlite_database: Database, base: ModelVersion, settings: RetrainSettings
) -> None:
    await serve(sqlite_database, base.path)
    for person in (LEAVES, STAYS):
        await say(sqlite_database, base.digest, person)
    async with held_lease(sqlite_database) as lease:
        await retrain(sqlite_database, lease, settings, actor="test")
    assert await new_feedback(sqlite_database) == 0
    await erase(sqlite_database, LEAVES)
    assert await new_feedback(sqlite_database) == 1


async def test_a_candidate_judged_against_the_clean_start_may_take_a_void_versions_place(
    void_serves: Database, base: ModelVersion, others: tuple[ModelVersion, ...]
) -> None:
    await add(void_serves, others[1], base)
    assert (await promote(void_serves, others[1].digest, actor="ana")).digest == others[1].digest


async def test_a_refused_candidate_does_not_take_a_void_versions_place(
    void_serves: Database, base: ModelVersion, others: tuple[ModelVersion, ...]
) -> None:
    await add(void_serves, others[1], base, report=REFUSED)
    with pytest.raises(RunRefused, match="too few faces"):
        await promote(void_serves, others[1].digest, actor="ana")


async def test_the_clean_start_needs_no_verdict_to_take_a_void_versions_place(
    void_serves: Database, base: ModelVersion
) -> None:
    await promote(void_serves, base.digest, actor="ana")
    assert await current_digest(void_serves) == base.digest
    async with void_serves.readers() as session:
        last = (await versions.events(session))[-1]
    assert (last.event, last.actor, last.reason) == ("rolled_back", "ana", versions.PERSON_ERASED)


async def test_a_rollback_never_brings_a_void_version_back(
    void_serves: Database, base: ModelVersion, others: tuple[ModelVersion, ...]
) -> None:
    await add(void_serves, others[1], base)
    await promote(void_serves, others[1].digest, actor="ana")
    with pytest.raises(VersionVoid):
        await roll_back(void_serves, actor="ana", reason="it was better")
    assert await current_digest(void_serves) == others[1].digest


async def test_a_void_version_is_not_promoted_with_any_reason(
    void_serves: Database, base: ModelVersion, others: tuple[ModelVersion, ...]
) -> None:
    await replace_void(void_serves, actor="ana")
    with pytest.raises(VersionVoid):
        await promote(void_serves, others[0].digest, actor="ana", override_reason="I want it back")
    assert await current_digest(void_serves) == base.digest


async def test_nothing_is_replaced_where_nobody_was_erased(
    sqlite_database: Database, base: ModelVersion
) -> None:
    assert await replace_void(sqlite_database, actor="ana") is None
    await serve(sqlite_database, base.path)
    assert await replace_void(sqlite_database, actor="ana") is None


async def test_a_clean_start_whose_files_are_gone_is_passed_over(
    void_serves: Database, base: ModelVersion, others: tuple[ModelVersion, ...], tmp_path: Path
) -> None:
    async with void_serves.sessions.begin() as session:
        await session.execute(
            update(ModelVersionRow)
            .where(ModelVersionRow.digest == base.digest)
            .values(uri="shipped:another")
        )
    with pytest.raises(RunRefused, match="start the bot once"):
        await start_of_retrain(void_serves)
    async with void_serves.sessions.begin() as session:  # another release's, as a start registers
        await versions.register_base(
            session, others[1].digest, version_uri(others[1].path), figures={}
        )
    assert (await start_of_retrain(void_serves)).digest == others[1].digest
