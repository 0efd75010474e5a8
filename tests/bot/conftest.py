"""Fixtures: the unmodified bot in this process, on a migrated SQLite file, against a Playground."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import pytest
from pydantic import SecretStr

from bot.application import Register, register_handlers, serve
from bot.context import FeelbackApplication, Services
from bot.playground import ADMIN_ID, TOKEN, Playground
from bot.serving import ModelWatcher
from bot.settings import Settings
from bot.stopping import Stopping
from bot.texts import Catalogue
from fer_model import Blend, Box, Face, Reading
from fer_model.recognizer import Recognizer
from store import versions
from store.engine import Database, open_database

VERSION = "f" * 64
LANDMARKS = ((40.0, 50.0), (60.0, 50.0), (50.0, 60.0), (42.0, 70.0), (58.0, 70.0))
# "Of ten people, about 6 would say happy, 3 neutral, 1 surprised."
HAPPY = (0.0, 0.0, 0.0, 0.6, 0.0, 0.1, 0.3)


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


def face(number: int, crowd: Sequence[float] = HAPPY) -> Face:
    """A face as `fer_model` reads it; the number also says where in the image it is."""
    left = 100 * (number - 1) + 20
    return Face(
        number=number,
        box=Box(left, 20, left + 60, 90),
        landmarks=tuple((x + left - 20, y) for x, y in LANDMARKS),
        score=0.95,
        blend=Blend(tuple(crowd), tuple(crowd)),
    )


def reading(*crowds: Sequence[float], version: str = VERSION) -> Reading:
    """A photo's reading with a face per blend; one happy face if none is given."""
    faces = tuple(face(number, crowd) for number, crowd in enumerate(crowds or (HAPPY,), start=1))
    return Reading(faces, (), width=100 * len(faces) + 40, height=120, version=version)


@dataclass
class FakeRecognizer:
    """A recognizer that answers what it was told to, and remembers what it was asked.

    Attributes:
        answer: A reading, an error to raise, or a function of the photo's bytes that gives either.
        photos: The photos that were read.
        seconds: How long a reading takes.
        engines: What was swapped in.
    """

    answer: Reading | Exception | Callable[[bytes], Reading | Exception] = field(
        default_factory=reading
    )
    version: str = VERSION
    seconds: float = 0.0
    photos: list[bytes] = field(default_factory=list)
    engines: list[Any] = field(default_factory=list)

    async def read(self, photo: bytes) -> Reading:
        self.photos.append(photo)
        await asyncio.sleep(self.seconds)
        answer = self.answer(photo) if callable(self.answer) else self.answer
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def swap(self, engine: Any) -> None:
        self.engines.append(engine)
        self.version = engine.version.digest


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
        recognizer: Recognizer | None = None,
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
            "models_folder": tmp_path / "models",
            "heartbeat": tmp_path / "heartbeat",
            "lease_seconds": 2.0,
            "put_deadline_seconds": 2.0,
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
        recognizer: Recognizer | None = None,
        *,
        register: Register = register_handlers,
        watcher: Callable[[Services], ModelWatcher] | None = None,
        **settings: Any,
    ) -> AsyncIterator[RunningBot]:
        chosen = make_settings(playground, **settings)
        database = open_database(chosen.database_url)
        reader = recognizer if recognizer is not None else FakeRecognizer()
        async with database.sessions.begin() as session:
            await versions.register_base(
                session, reader.version, f"shipped:{reader.version}", figures={}
            )
        services = Services(chosen, database, reader, Catalogue.load())
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
