"""Which versions' files go, and that a crash in between leaves nothing that could be loaded."""

import os
import shutil
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import update

from fer_model import versions as fer_versions
from fer_model.uris import version_uri
from store import people, versions
from store.engine import Database
from store.records import Verdict
from store.tables import ModelVersionRow
from tests.train_cli.feedback_rows import say, write_small_version
from train_cli.pruning import GRACE, KEPT, delete_doomed, doomed_versions, prune
from train_cli.registry import held_lease

BASE = "0" * 64
PASSED = Verdict(passed=True, report={})


def digest(number: int) -> str:
    return f"{number:064x}"


def directory(folder: Path, name: str) -> Path:
    """A directory that stands for a version's; what is in it does not matter here."""
    path = folder / name
    path.mkdir(parents=True)
    (path / "version.json").write_text("{}")
    return path


@pytest.fixture
def models(tmp_path: Path) -> Path:
    folder = tmp_path / "models"
    folder.mkdir()
    return folder


@pytest.fixture
async def database(sqlite_database: Database, models: Path) -> Database:
    """The base is current; its directory is in the folder, too."""
    async with sqlite_database.sessions.begin() as session:
        await versions.register_base(
            session, BASE, version_uri(directory(models, BASE)), figures={}
        )
    return sqlite_database


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


async def make(
    database: Database, models: Path, number: int, parent: str = BASE, *feedback_ids: int
) -> str:
    """A candidate; a higher number is a newer one, all of them older than the grace."""
    path = directory(models, digest(number))
    async with held_lease(database) as held, database.sessions.begin() as session:
        await versions.add_candidate(
            session,
            path.name,
            version_uri(path),
            parent_digest=parent,
            figures={"kept": 1.0},
            report={},
            feedback_ids=feedback_ids,
            lease=held.lease,
            actor="test",
        )
        await session.execute(
            update(ModelVersionRow)
            .where(ModelVersionRow.digest == path.name)
            .values(created_at=datetime(2026, 1, 1 + number, tzinfo=UTC))
        )
    return path.name


async def promote(database: Database, name: str) -> None:
    async with held_lease(database) as held, database.sessions.begin() as session:
        await versions.promote(session, name, verdict=PASSED, lease=held.lease, actor="test")


async def doomed(database: Database, models: Path, kept: int = KEPT, *, later: bool = False):
    now = datetime.now(UTC) + (GRACE if later else 0 * GRACE)
    found = await doomed_versions(database, models, kept=kept, now=now)
    return [(one.digest, one.why) for one in found]


async def test_void_versions_go_and_their_figures_stay(database: Database, models: Path) -> None:
    said = await say(database, BASE, 1)
    void = await make(database, models, 1, BASE, said)
    clean = await make(database, models, 2)
    async with database.sessions.begin() as session:
        await people.erase_person(session, 1)
    found = await doomed_versions(database, models)
    assert [(one.digest, one.why) for one in found] == [(void, "void")]
    assert await delete_doomed(database, found, models) == 1
    assert names(models) == {BASE, clean}
    async with database.readers() as session:
        row = await versions.version(session, void)
    assert row.figures == {"kept": 1.0}
    assert row.deleted_at is not None
    assert await doomed(database, models) == []


async def test_a_void_version_stays_while_it_serves_and_while_a_bot_may_be_loading_it(
    database: Database, models: Path
) -> None:
    said = await say(database, BASE, 1)
    void = await make(database, models, 1, BASE, said)
    await promote(database, void)
    async with database.sessions.begin() as session:
        await people.erase_person(session, 1)
    assert await doomed(database, models, later=True) == []
    async with held_lease(database) as held, database.sessions.begin() as session:
        await versions.replace_void(session, BASE, lease=held.lease, actor="test")
    assert await doomed(database, models) == []
    assert await doomed(database, models, later=True) == [(void, "void")]


async def test_old_versions_go_but_never_the_current_one_the_one_before_it_or_a_base(
    database: Database, models: Path
) -> None:
    first = await make(database, models, 1)
    await promote(database, first)
    second = await make(database, models, 2, first)
    await promote(database, second)
    third, fourth = [await make(database, models, number, second) for number in (3, 4)]
    assert await doomed(database, models, 10) == []
    assert await doomed(database, models, 1) == [(third, "old")]
    assert await doomed(database, models, 0, later=True) == [(fourth, "old"), (third, "old")]


async def test_what_is_not_in_the_folder_is_left_alone(
    database: Database, models: Path, tmp_path: Path
) -> None:
    await make(database, tmp_path / "elsewhere", 1)
    assert await doomed(database, models, 0) == []


async def test_a_version_that_was_made_current_meanwhile_is_not_deleted(
    database: Database, models: Path
) -> None:
    name = await make(database, models, 1)
    found = await doomed_versions(database, models, kept=0)
    await promote(database, name)
    said: list[str] = []
    with pytest.raises(versions.VersionNotPromotable):
        await delete_doomed(database, found, models)
    async with held_lease(database) as held:
        await prune(database, models, held, said.append)
    assert name in names(models)
    assert said == []


async def test_a_crash_between_naming_and_deleting_is_made_up_for(
    database: Database, models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = await make(database, models, 1)
    found = await doomed_versions(database, models, kept=0)

    def die(path: Path) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("train_cli.pruning.delete_version", die)
    with pytest.raises(KeyboardInterrupt):
        await delete_doomed(database, found, models)
    monkeypatch.undo()
    async with database.readers() as session:
        assert (await versions.version(session, name)).deleted_at is not None
    again = await doomed_versions(database, models)
    assert [(one.digest, one.why) for one in again] == [(name, "deleted before")]
    await delete_doomed(database, again, models)
    assert name not in names(models)


def test_a_directory_loses_its_name_before_anything_in_it_goes(
    models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = directory(models, digest(1))

    def die(hidden: Path, **_: object) -> None:
        assert not path.exists()
        assert Path(hidden).name.startswith(".")
        raise KeyboardInterrupt

    monkeypatch.setattr(fer_versions.shutil, "rmtree", die)
    with pytest.raises(KeyboardInterrupt):
        fer_versions.delete_version(path)
    monkeypatch.undo()
    (left,) = models.iterdir()
    long_ago = time.time() - 7200
    os.utime(left, (long_ago, long_ago))
    assert fer_versions.remove_unfinished(models) == 1
    assert list(models.iterdir()) == []


def test_drafts_are_hidden_published_in_one_step_and_swept_after_a_day(
    tmp_path: Path, models: Path
) -> None:
    written = write_small_version(fer_versions.draft_folder(models))
    assert all(path.name.startswith(".") for path in models.iterdir())
    published = fer_versions.publish_version(written, models)
    assert fer_versions.read_version(published.path) == published
    assert [path.name for path in models.iterdir()] == [published.digest]
    left = fer_versions.draft_folder(models)
    shutil.copytree(published.path, left / published.digest)
    for hours, removed in ((23, 0), (25, 1)):
        then = time.time() - hours * 3600
        os.utime(left, (then, then))
        assert fer_versions.remove_unfinished(models) == removed
