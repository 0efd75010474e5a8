"""`train_cli.registry`, on both databases where leases and transactions matter."""

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select, update

from fer_model import uris
from fer_model.errors import VersionDamaged, VersionMissing
from fer_model.uris import version_uri
from fer_model.versions import ModelVersion
from store import versions
from store.engine import Database
from store.errors import (
    LeaseLost,
    LeaseTaken,
    NothingToRollBackTo,
    SchemaMissing,
    SchemaNewer,
    VersionNotPromotable,
    VersionUnknown,
)
from store.records import Lease
from store.tables import LeaseRow, ModelVersionRow
from tests.train_cli.feedback_rows import copied_version, serve, write_small_version
from train_cli import registry
from train_cli.errors import PromotionRefused, RunRefused
from train_cli.registry import (
    HeldLease,
    current_version,
    held_lease,
    model_lease,
    opened,
    promote,
    rehearse_promotion,
    rehearse_rollback,
    replace_void,
    roll_back,
    short,
    version_on_disk,
)

PASSED = {"verdict": {"passed": True, "reasons": [], "checks": []}}
REFUSED = {"verdict": {"passed": False, "reasons": ["too few faces"], "checks": []}}


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> ModelVersion:
    return write_small_version(tmp_path_factory.mktemp("versions"))


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> ModelVersion:
    return write_small_version(tmp_path_factory.mktemp("versions"), seed=1)


async def add(
    database: Database, path: Path, parent: str, report: dict[str, object] = PASSED
) -> None:
    async with held_lease(database) as held, database.sessions.begin() as session:
        await versions.add_candidate(
            session,
            path.name,
            version_uri(path),
            parent_digest=parent,
            figures={},
            report=report,
            feedback_ids=(),
            lease=held.lease,
            actor="test",
        )


async def current_digest(database: Database) -> str:
    async with database.readers() as session:
        return (await versions.current_version(session)).digest


async def test_candidate_that_passed_becomes_current_and_rollback_restores_the_one_before(
    database: Database, base: ModelVersion, other: ModelVersion
) -> None:
    await serve(database, base.path)
    await add(database, other.path, base.digest)
    promoted = await promote(database, short(other.digest), actor="ana")
    assert (promoted.digest, promoted.state) == (other.digest, "current")
    restored = await roll_back(database, actor="ana", reason="it reads worse")
    assert restored.digest == await current_digest(database) == base.digest
    async with database.readers() as session:
        events = await versions.events(session)
    told = [(event.event, event.actor, event.reason, event.override) for event in events]
    assert told[-2:] == [
        ("promoted", "ana", None, False),
        ("rolled_back", "ana", "it reads worse", False),
    ]


async def test_rehearsals_tell_what_would_be_and_change_nothing(
    database: Database, base: ModelVersion, other: ModelVersion
) -> None:
    await serve(database, base.path)
    await add(database, other.path, base.digest)
    before = await everything(database)
    for _ in range(2):  # the lease is free again
        would_be = await rehearse_promotion(database, short(other.digest), actor="ana")
        assert would_be.replaced.digest == base.digest
        assert (would_be.version.digest, would_be.version.state) == (other.digest, "current")
        assert would_be.verdict is not None
        assert would_be.verdict.passed
    assert await everything(database) == before

    await promote(database, other.digest, actor="ana")
    before = await everything(database)
    would_be = await rehearse_rollback(database, actor="ana", reason="it reads worse")
    assert (would_be.version.digest, would_be.replaced.digest) == (base.digest, other.digest)
    assert await everything(database) == before
    assert await current_digest(database) == other.digest


async def everything(database: Database) -> object:
    """All that a promotion or a rollback writes."""
    async with database.readers() as session:
        leases = (await session.scalars(select(LeaseRow))).all()
        held = {(row.name, row.holder, row.token, row.expires_at) for row in leases}
        return await versions.versions(session), await versions.events(session), held


async def test_rehearsals_are_refused_as_what_they_rehearse(
    sqlite_database: Database, base: ModelVersion, other: ModelVersion, tmp_path: Path
) -> None:
    path = copied_version(other, tmp_path)
    await serve(sqlite_database, base.path)
    await add(sqlite_database, path, base.digest, REFUSED)
    with pytest.raises(PromotionRefused, match="too few faces") as refused:
        await rehearse_promotion(sqlite_database, other.digest, actor="ana")
    assert not refused.value.verdict.passed
    with pytest.raises(VersionNotPromotable):
        await rehearse_promotion(sqlite_database, base.digest, actor="ana", override_reason="why")
    with pytest.raises(NothingToRollBackTo):
        await rehearse_rollback(sqlite_database, actor="ana", reason="back")
    would_be = await rehearse_promotion(
        sqlite_database, other.digest, actor="ana", override_reason="a demonstration"
    )
    assert would_be.verdict == refused.value.verdict
    (path / "resnet50.safetensors").write_bytes(b"")
    with pytest.raises(VersionDamaged):
        await rehearse_promotion(sqlite_database, other.digest, actor="ana", override_reason="why")


async def test_model_lease_is_let_go_of_at_the_end_and_with_the_rollback_after_an_error(
    database: Database,
) -> None:
    for _ in range(2):
        async with database.sessions.begin() as session, model_lease(session):
            pass
    with pytest.raises(RunRefused):
        async with database.sessions.begin() as session, model_lease(session):
            raise RunRefused("no")
    async with database.sessions.begin() as session, model_lease(session) as lease:
        assert lease.token == 3


async def test_nobody_takes_the_model_lease_where_the_current_version_is_not_void(
    sqlite_database: Database, base: ModelVersion
) -> None:
    await serve(sqlite_database, base.path)
    assert await replace_void(sqlite_database, actor="ana") is None
    async with sqlite_database.readers() as session:
        assert (await session.scalars(select(LeaseRow))).all() == []


async def test_lease_is_held_by_one_at_a_time_and_free_again_afterwards(
    database: Database,
) -> None:
    async with held_lease(database):
        with pytest.raises(LeaseTaken):
            async with held_lease(database):
                pass
    async with held_lease(database) as again:
        again.check()


async def test_lease_outlives_its_first_duration_because_it_is_renewed(
    sqlite_database: Database,
) -> None:
    async with held_lease(sqlite_database, duration=timedelta(seconds=1)) as held:
        await asyncio.sleep(1.6)
        held.check()
        with pytest.raises(LeaseTaken):
            async with held_lease(sqlite_database):
                pass


async def test_lease_that_was_taken_over_is_noticed(sqlite_database: Database) -> None:
    async with held_lease(sqlite_database, duration=timedelta(seconds=0.4)) as held:
        await take_over(sqlite_database, held.lease)
        for _ in range(50):
            await asyncio.sleep(0.02)
            if held.lost.is_set():
                break
        with pytest.raises(LeaseLost):
            held.check()


async def take_over(database: Database, lease: Lease) -> None:
    async with database.sessions.begin() as session:
        await session.execute(
            update(LeaseRow).where(LeaseRow.name == lease.name).values(token=lease.token + 1)
        )


async def test_refused_candidate_needs_a_reason_which_is_recorded(
    sqlite_database: Database, base: ModelVersion, other: ModelVersion
) -> None:
    await serve(sqlite_database, base.path)
    await add(sqlite_database, other.path, base.digest, REFUSED)
    with pytest.raises(RunRefused, match=r"too few faces.*--override --reason"):
        await promote(sqlite_database, other.digest, actor="ana")
    assert await current_digest(sqlite_database) == base.digest
    await promote(sqlite_database, other.digest, actor="ana", override_reason="a demonstration")
    async with sqlite_database.readers() as session:
        event = (await versions.events(session))[-1]
    assert (event.override, event.reason, event.actor) == (True, "a demonstration", "ana")
    assert event.verdict is not None
    assert event.verdict["passed"] is False


async def test_verdict_against_a_version_that_no_longer_serves_does_not_count(
    sqlite_database: Database, base: ModelVersion, other: ModelVersion, tmp_path: Path
) -> None:
    third = write_small_version(tmp_path, seed=2)
    await serve(sqlite_database, base.path)
    await add(sqlite_database, other.path, base.digest)
    await add(sqlite_database, third.path, base.digest)
    await promote(sqlite_database, other.digest, actor="ana")
    with pytest.raises(RunRefused, match="judged against"):
        await promote(sqlite_database, third.digest, actor="ana")
    assert await current_digest(sqlite_database) == other.digest


async def test_version_that_was_never_judged_is_refused(
    sqlite_database: Database, base: ModelVersion, other: ModelVersion
) -> None:
    await serve(sqlite_database, base.path)
    await serve(sqlite_database, other.path)  # another release's base takes its place
    with pytest.raises(RunRefused, match="never judged"):
        await promote(sqlite_database, base.digest, actor="ana")
    assert await current_digest(sqlite_database) == other.digest


async def test_damaged_directory_is_not_promoted(
    sqlite_database: Database, base: ModelVersion, other: ModelVersion, tmp_path: Path
) -> None:
    path = copied_version(other, tmp_path)
    await serve(sqlite_database, base.path)
    await add(sqlite_database, path, base.digest)
    (path / "resnet50.safetensors").write_bytes(b"")
    with pytest.raises(VersionDamaged):
        await promote(sqlite_database, other.digest, actor="ana", override_reason="whatever")
    assert await current_digest(sqlite_database) == base.digest


async def test_rollback_to_a_version_whose_directory_is_gone_changes_nothing(
    sqlite_database: Database, base: ModelVersion, other: ModelVersion, tmp_path: Path
) -> None:
    path = copied_version(base, tmp_path)
    await serve(sqlite_database, path)
    await add(sqlite_database, other.path, base.digest)
    await promote(sqlite_database, other.digest, actor="ana")
    path.rename(tmp_path / "elsewhere")
    with pytest.raises(VersionMissing):
        await roll_back(sqlite_database, actor="ana", reason="back")
    assert await current_digest(sqlite_database) == other.digest


async def test_unknown_current_and_first_versions_cannot_be_promoted_or_rolled_back(
    sqlite_database: Database, base: ModelVersion
) -> None:
    await serve(sqlite_database, base.path)
    with pytest.raises(VersionUnknown):
        await promote(sqlite_database, "ffff", actor="ana")
    with pytest.raises(VersionNotPromotable):
        await promote(sqlite_database, base.digest, actor="ana", override_reason="again")
    with pytest.raises(NothingToRollBackTo):
        await roll_back(sqlite_database, actor="ana", reason="back")


async def test_promotion_under_a_lost_lease_changes_nothing(
    sqlite_database: Database, base: ModelVersion, other: ModelVersion
) -> None:
    await serve(sqlite_database, base.path)
    await add(sqlite_database, other.path, base.digest)
    async with held_lease(sqlite_database) as held:
        await take_over(sqlite_database, held.lease)
        stale = HeldLease(held.lease)
        with pytest.raises(LeaseLost):
            await promote(sqlite_database, other.digest, actor="ana", under=stale)
    assert await current_digest(sqlite_database) == base.digest


async def test_shipped_version_is_registered_where_none_serves(
    sqlite_database: Database, base: ModelVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry, "shipped_version", lambda: base.path)
    monkeypatch.setattr(uris, "shipped_version", lambda: base.path)
    first = await current_version(sqlite_database)
    assert (first.digest, first.uri, first.state) == (
        base.digest,
        f"shipped:{base.digest}",
        "current",
    )
    assert first.figures == base.metadata.figures
    assert await current_version(sqlite_database) == first


async def test_row_that_leads_to_another_version_is_refused(
    sqlite_database: Database, base: ModelVersion, other: ModelVersion
) -> None:
    await serve(sqlite_database, base.path)
    async with sqlite_database.sessions.begin() as session:
        await session.execute(update(ModelVersionRow).values(uri=version_uri(other.path)))
    current = await current_version(sqlite_database)
    with pytest.raises(RunRefused, match="holds"):
        version_on_disk(current)


async def test_database_without_this_programs_schema_is_refused(
    tmp_path: Path, sqlite_url: str, sqlite_database: Database
) -> None:
    with pytest.raises(SchemaMissing):
        async with opened(f"sqlite:///{tmp_path / 'empty.db'}"):
            pass
    async with sqlite_database.engine.begin() as connection:
        await connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(SchemaNewer):
        async with opened(sqlite_url):
            pass
