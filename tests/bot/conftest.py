"""Fixtures: the unmodified bot in this process, on a migrated SQLite file, against a Playground."""

import asyncio
import contextlib
import io
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import pytest
from PIL import Image
from pydantic import SecretStr

from bot.application import Register, serve
from bot.context import FeelbackApplication, Services
from bot.handlers import register as register_handlers
from bot.playground import ADMIN_ID, TOKEN, Playground
from bot.serving import ModelWatcher
from bot.settings import Settings
from bot.stopping import Stopping
from bot.texts import Catalogue
from store import versions
from store.engine import Database, open_database
from tests.bot.fakes import HAPPY as HAPPY
from tests.bot.fakes import VERSION as VERSION
from tests.bot.fakes import FakeRecognizer as FakeRecognizer
from tests.bot.fakes import face as face
from tests.bot.fakes import reading as reading

if TYPE_CHECKING:
    from fer_model.recognizer import Recognizer  # it needs torch, which few of these tests do


@pytest.fixture(scope="session", autouse=True)
def durations_as_timedelta() -> Iterator[None]:
    """What `bot.cli.main` sets: python-telegram-bot warns otherwise."""
    before = os.environ.get("PTB_TIMEDELTA")
    os.environ["PTB_TIMEDELTA"] = "1"
    yield
    if before is None:
        del os.environ["PTB_TIMEDELTA"]
    else:
        os.environ["PTB_TIMEDELTA"] = before


@dataclass(frozen=True)
class RunningBot:
    """A bot at work, and what a test looks at or reaches for."""

    application: FeelbackApplication
    services: Services
    stopping: Stopping
    task: asyncio.Task[None]

    @property
    def database(self) -> Database:
        """The bot's database, to read back what became of a conversation."""
        return self.services.database

    async def stop(self) -> None:
        """Stop as on SIGTERM; raises what the bot stopped for."""
        self.stopping.request()
        await self.task


class RunBot(Protocol):
    """The type of the fixture `running_bot`."""

    def __call__(
        self,
        playground: Playground,
        recognizer: "Recognizer | None" = None,
        *,
        register: Register = register_handlers,
        watcher: Callable[[Services], ModelWatcher] | None = None,
        **settings: Any,
    ) -> AbstractAsyncContextManager[RunningBot]: ...


class MakeSettings(Protocol):
    """The type of the fixture `make_settings`."""

    def __call__(self, playground: Playground | None = None, **settings: Any) -> Settings: ...


@pytest.fixture
def make_settings(sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MakeSettings:
    """Makes settings of a bot on a migrated SQLite file of its own, from nothing else around."""
    for name in [name for name in os.environ if name.startswith("FEELBACK_")]:
        monkeypatch.delenv(name)

    def make(playground: Playground | None = None, **settings: Any) -> Settings:
        values: dict[str, Any] = {
            "_env_file": None,
            "token": SecretStr(TOKEN),
            "database_url": sqlite_url,
            "admin_ids": (ADMIN_ID,),
            "models": tmp_path / "models",
            "heartbeat": tmp_path / "heartbeat",
            "lease_seconds": 30.0,
            "put_deadline_seconds": 30.0,
            "drain_seconds": 2.0,
        }
        if playground is not None:
            values |= {
                "token": SecretStr(playground.token),
                "base_url": playground.base_url,
                "base_file_url": playground.base_file_url,
            }
        return Settings(**(values | settings))

    return make


@pytest.fixture
def photo() -> bytes:
    """A JPEG photo in which there is nothing to see."""
    out = io.BytesIO()
    Image.new("RGB", (320, 240), (90, 120, 150)).save(out, "JPEG")
    return out.getvalue()


@pytest.fixture
async def playground() -> AsyncIterator[Playground]:
    """An open Playground."""
    async with Playground() as opened:
        yield opened


@pytest.fixture
def running_bot(make_settings: MakeSettings) -> RunBot:
    """Runs the unmodified bot against a Playground: `async with running_bot(playground) as bot`.

    The recognizer is a `FakeRecognizer` unless another is given; settings are those of
    `bot.settings.Settings`. What ends the bot before its time fails the test.
    """

    @contextlib.asynccontextmanager
    async def run(
        playground: Playground,
        recognizer: "Recognizer | None" = None,
        *,
        register: Register = register_handlers,
        watcher: Callable[[Services], ModelWatcher] | None = None,
        **settings: Any,
    ) -> AsyncIterator[RunningBot]:
        chosen = make_settings(playground, **settings)
        catalogue = Catalogue.load()
        database = open_database(chosen.database_url)
        reader = recognizer if recognizer is not None else FakeRecognizer()
        async with database.sessions.begin() as session:
            await versions.register_base(
                session, reader.version, f"shipped:{reader.version}", figures={}
            )
        services = Services(chosen, database, reader, catalogue)
        stopping = Stopping()
        started: asyncio.Future[FeelbackApplication] = asyncio.get_running_loop().create_future()
        task = asyncio.create_task(
            serve(
                services,
                stopping,
                register=register,
                watcher=None if watcher is None else watcher(services),
                started=started.set_result,
            )
        )
        try:
            await asyncio.wait((task, started), return_when=asyncio.FIRST_COMPLETED)
            if task.done():
                task.result()
            yield RunningBot(started.result(), services, stopping, task)
        finally:
            stopping.request()
            try:
                await task
            finally:
                await database.close()

    return run


async def eventually(
    condition: Callable[[], Awaitable[bool]] | Callable[[], bool], seconds: float = 10.0
) -> None:
    """Return when the condition holds; fail where it does not in time."""
    async with asyncio.timeout(seconds):
        while True:
            found = condition()
            if found if isinstance(found, bool) else await found:
                return
            await asyncio.sleep(0.02)


def take_away(database: Database) -> Callable[[], None]:
    """Put the SQLite file of a closed database elsewhere; return what brings it back."""
    path = Path(str(database.url.database))
    aside = path.with_suffix(".aside")
    path.rename(aside)

    def bring_back() -> None:
        for made_meanwhile in path.parent.glob(f"{path.name}*"):
            made_meanwhile.unlink()
        aside.rename(path)

    return bring_back
