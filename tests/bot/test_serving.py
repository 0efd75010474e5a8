import asyncio
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import structlog
from structlog.testing import capture_logs

from bot.errors import ModelUnavailable
from bot.serving import ModelWatcher, engine_loader, load_current
from bot.stopping import Stopping
from fer_model.engine import Engine
from fer_model.errors import VersionMissing
from fer_model.recognizer import InProcessRecognizer
from fer_model.uris import version_uri
from store import leases, versions
from store.engine import Database
from store.records import Verdict
from tests.bot.conftest import VERSION, FakeRecognizer, MakeSettings, eventually, take_away
from tests.versions import write_random_version

OTHER = "e" * 64


@dataclass
class FakeShelf:
    """Loads engines that are nothing but a digest; some are missing."""

    missing: set[str] = field(default_factory=set)
    asked: list[str] = field(default_factory=list)

    def load(self, uri: str) -> Any:
        self.asked.append(uri)
        if uri in self.missing:
            raise VersionMissing(Path(uri))
        digest = uri.removeprefix("file:///")
        return SimpleNamespace(version=SimpleNamespace(digest=digest), close=lambda: None)


@pytest.fixture(autouse=True)
def structlog_as_it_comes() -> None:
    structlog.reset_defaults()


@pytest.fixture
async def database(sqlite_database: Database) -> Database:
    """A database in which the base version is current."""
    async with sqlite_database.sessions.begin() as session:
        await versions.register_base(session, VERSION, f"file:///{VERSION}", figures={})
    return sqlite_database


async def promote(database: Database, digest: str, uri: str, parent: str = VERSION) -> None:
    async with database.sessions.begin() as session:
        lease = await leases.acquire_lease(
            session, leases.MODEL_LEASE, digest, timedelta(seconds=60)
        )
        await versions.add_candidate(
            session,
            digest,
            uri,
            parent_digest=parent,
            figures={},
            report={},
            feedback_ids=(),
            lease=lease,
            actor="test",
        )
        await versions.promote(session, digest, verdict=Verdict(True, {}), lease=lease, actor="t")
        await leases.release_lease(session, lease)


def watching(database: Database, recognizer: Any, shelf: FakeShelf) -> ModelWatcher:
    return ModelWatcher(database, recognizer, shelf.load, timedelta(seconds=0.05))


async def test_the_version_that_serves_is_not_loaded_again(database: Database) -> None:
    recognizer, shelf = FakeRecognizer(), FakeShelf()
    assert not await watching(database, recognizer, shelf).look()
    assert shelf.asked == []


async def test_a_promoted_version_is_swapped_in_while_the_bot_runs(database: Database) -> None:
    recognizer, shelf = FakeRecognizer(), FakeShelf()
    stopping = Stopping()
    running = asyncio.create_task(watching(database, recognizer, shelf).run(stopping))
    await promote(database, OTHER, f"file:///{OTHER}")
    await eventually(lambda: recognizer.version == OTHER)
    stopping.request()
    await running
    assert len(recognizer.engines) == 1


async def test_a_version_that_cannot_serve_is_logged_once_and_the_old_one_serves_on(
    database: Database,
) -> None:
    uri = f"file:///{OTHER}"
    recognizer, shelf = FakeRecognizer(), FakeShelf(missing={uri})
    watcher = watching(database, recognizer, shelf)
    await promote(database, OTHER, uri)
    with capture_logs() as logs:
        for _ in range(3):
            assert not await watcher.look()
    assert recognizer.version == VERSION
    assert [entry["log_level"] for entry in logs] == ["error"]
    assert shelf.asked == [uri]


async def test_running_out_of_memory_for_a_version_leaves_the_old_one_serving(
    database: Database,
) -> None:
    def load(uri: str) -> Any:
        raise RuntimeError("can't allocate memory")

    recognizer = FakeRecognizer()
    watcher = ModelWatcher(database, recognizer, load, timedelta(seconds=1))
    await promote(database, OTHER, f"file:///{OTHER}")
    with capture_logs() as logs:
        assert not await watcher.look()
    assert recognizer.version == VERSION
    assert [entry["log_level"] for entry in logs] == ["error"]


async def test_a_directory_that_holds_another_version_is_not_served(database: Database) -> None:
    recognizer, shelf = FakeRecognizer(), FakeShelf()
    await promote(database, OTHER, f"file:///{'a' * 64}")
    assert not await watching(database, recognizer, shelf).look()
    assert recognizer.version == VERSION


async def test_a_database_that_is_away_does_not_end_the_watching(database: Database) -> None:
    recognizer, shelf = FakeRecognizer(), FakeShelf()
    await promote(database, OTHER, f"file:///{OTHER}")
    await database.close()
    bring_back = take_away(database)
    stopping = Stopping()
    running = asyncio.create_task(watching(database, recognizer, shelf).run(stopping))
    await asyncio.sleep(0.3)
    await database.close()
    bring_back()
    await eventually(lambda: recognizer.version == OTHER)
    stopping.request()
    await running


async def test_a_missing_current_version_is_one_line(
    database: Database, make_settings: MakeSettings
) -> None:
    with pytest.raises(ModelUnavailable) as refused:
        await load_current(database, engine_loader(make_settings()))
    assert str(refused.value).startswith(f"Model version {VERSION[:12]} cannot serve: ")


async def test_real_versions_are_loaded_warmed_and_swapped(
    sqlite_database: Database, make_settings: MakeSettings, tmp_path: Path
) -> None:
    old = await asyncio.to_thread(write_random_version, tmp_path, 0)
    new = await asyncio.to_thread(write_random_version, tmp_path, 1)
    async with sqlite_database.sessions.begin() as session:
        await versions.register_base(session, old.digest, version_uri(old.path), figures={})
    load = engine_loader(make_settings(threads=1, runtime="torch"))
    first = await load_current(sqlite_database, load)
    assert first.runtime == "torch"
    recognizer = InProcessRecognizer(first)
    try:
        watcher = ModelWatcher(sqlite_database, recognizer, load, timedelta(seconds=5))
        await promote(sqlite_database, new.digest, version_uri(new.path), parent=old.digest)
        assert await watcher.look()
        assert recognizer.version == new.digest
        assert isinstance(recognizer.engine, Engine)
        assert recognizer.engine is not first
    finally:
        await recognizer.close()
