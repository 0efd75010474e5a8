"""Which model version reads the photos: the current one in the database, at start and ever after.

Needs torch only when an engine is loaded.
"""

import asyncio
import time
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Protocol

import structlog
from sqlalchemy.exc import SQLAlchemyError

from bot.errors import ModelUnavailable
from bot.stopping import Stopping
from fer_model.errors import FerModelError
from store import versions
from store.engine import Database
from store.errors import StoreError

if TYPE_CHECKING:
    from bot.settings import Settings
    from fer_model.engine import Engine

# A version that could not be loaded is tried again: its files may have been restored.
AGAIN_AFTER = timedelta(minutes=1)

Load = Callable[[str], "Engine"]

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


class SwappableRecognizer(Protocol):
    """A recognizer that can be given another engine while it reads."""

    @property
    def version(self) -> str:
        """Digest of the version that new photos are read with."""
        ...

    async def swap(self, engine: "Engine") -> None:
        """Read new photos with `engine`; return when the old one is drained."""
        ...


class ModelWatcher:
    """Swaps the version that was promoted in, without a restart.

    Args:
        database: Where versions are promoted.
        recognizer: What reads the photos.
        load: From a version's URI to a loaded, warm engine; runs in a thread.
        every: How often to look.
    """

    def __init__(
        self,
        database: Database,
        recognizer: SwappableRecognizer,
        load: Load,
        every: timedelta,
    ) -> None:
        self._database = database
        self._recognizer = recognizer
        self._load = load
        self._every = every
        self._failed: dict[str, float] = {}

    async def run(self, stopping: Stopping) -> None:
        """Look again and again, until the process is to stop."""
        while not await stopping.within(self._every.total_seconds()):
            try:
                await self.look()
            except (SQLAlchemyError, StoreError, OSError) as error:
                log.warning("no look at the model versions", error=type(error).__name__)

    async def look(self) -> bool:
        """Swap the current version in if another one serves; return whether that was done."""
        async with self._database.readers() as session:
            current = await versions.current_version(session)
        if current.digest == self._recognizer.version:
            return False
        known = self._failed.get(current.digest)
        if known is not None and time.monotonic() - known < AGAIN_AFTER.total_seconds():
            return False
        began = time.monotonic()
        try:
            engine = await asyncio.to_thread(self._load, current.uri)
        except (FerModelError, RuntimeError, MemoryError) as error:  # torch's own are RuntimeErrors
            self._failed[current.digest] = time.monotonic()
            if known is None:
                log.error(  # noqa: TRY400  # the text says what to do; the old version serves on
                    "model version cannot serve", version=current.digest, reason=str(error)
                )
            return False
        if engine.version.digest != current.digest:
            await asyncio.to_thread(engine.close)
            self._failed[current.digest] = time.monotonic()
            if known is None:
                log.error("model version is another", version=current.digest, uri=current.uri)
            return False
        before = self._recognizer.version
        await self._recognizer.swap(engine)
        self._failed.clear()
        log.info(
            "model version swapped in",
            version=current.digest,
            before=before,
            seconds=round(time.monotonic() - began, 2),
        )
        return True


def engine_loader(settings: "Settings") -> Load:
    """Return what loads and warms the engine of a version's URI, where and as configured."""

    def load(uri: str) -> "Engine":
        from fer_model.engine import Engine
        from fer_model.uris import version_path

        engine = Engine.load(version_path(uri), settings.device, settings.threads, settings.runtime)
        try:
            engine.warm_up()
        except BaseException:
            engine.close()
            raise
        return engine

    return load


async def register_shipped(database: Database) -> None:
    """Make the shipped version known, and current where none is.

    Raises:
        ModelUnavailable: the package came without it, or it is damaged.
    """
    from fer_model.uris import version_uri
    from fer_model.versions import read_version, shipped_version

    try:
        path = shipped_version()
        version = await asyncio.to_thread(read_version, path)
    except FerModelError as error:
        raise ModelUnavailable("shipped", str(error)) from error
    async with database.sessions.begin() as session:
        await versions.register_base(
            session, version.digest, version_uri(path), figures=version.metadata.figures
        )


async def load_current(database: Database, load: Load) -> "Engine":
    """Return the engine of the current version, loaded off the event loop.

    Raises:
        ModelUnavailable: it is missing or damaged, or the device is not there.
    """
    async with database.readers() as session:
        current = await versions.current_version(session)
    try:
        engine = await asyncio.to_thread(load, current.uri)
    except (FerModelError, RuntimeError, MemoryError) as error:
        raise ModelUnavailable(current.digest, str(error)) from error
    if engine.version.digest != current.digest:
        await asyncio.to_thread(engine.close)
        raise ModelUnavailable(current.digest, f"{current.uri} holds another version")
    return engine
