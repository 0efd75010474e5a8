"""Killed without warning at every point of a photo's road: it is read once, and answered."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from bot.playground import Playground
from store import versions
from store.engine import Database
from store.tables import InboxRow, ReadingRow
from tests.bot.conftest import VERSION, MakeSettings, eventually

ROOT = Path(__file__).parents[2]

StartBot = Callable[[str], Any]

pytestmark = pytest.mark.slow


@pytest.fixture
async def start_bot(
    playground: Playground,
    make_settings: MakeSettings,
    sqlite_database: Database,
    tmp_path: Path,
) -> AsyncIterator[StartBot]:
    """Starts a bot in a process of its own, which kills itself where the argument says."""
    settings = make_settings(playground)
    async with sqlite_database.sessions.begin() as session:
        await versions.register_base(session, VERSION, f"shipped:{VERSION}", figures={})
    environment = os.environ | {
        "FEELBACK_TOKEN": playground.token,
        "FEELBACK_BASE_URL": playground.base_url,
        "FEELBACK_BASE_FILE_URL": playground.base_file_url,
        "FEELBACK_DATABASE_URL": settings.database_url,
        "FEELBACK_HEARTBEAT": str(tmp_path / "heartbeat"),
        "FEELBACK_LEASE_SECONDS": "1",
        "PYTHONPATH": str(ROOT),
    }
    started: list[asyncio.subprocess.Process] = []

    async def start(when: str) -> asyncio.subprocess.Process:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "tests.bot.bot_process",
            when,
            cwd=tmp_path,
            env=environment,
            stderr=asyncio.subprocess.PIPE,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def count(database: Database, table: type[Any]) -> int:
    async with database.readers() as session:
        return (await session.scalar(select(func.count()).select_from(table))) or 0


@pytest.mark.parametrize("when", ["put", "read", "send", "end"])
async def test_a_killed_bot_reads_the_photo_once_and_answers(
    when: str,
    playground: Playground,
    start_bot: StartBot,
    sqlite_database: Database,
    photo: bytes,
) -> None:
    ada = playground.person("Ada")
    await ada.send_photo(photo)
    async with asyncio.timeout(60):
        killed = await start_bot(when)
        await killed.wait()
    assert killed.returncode == -signal.SIGKILL

    heir = await start_bot("never")
    answer = await ada.next_message(timeout=60)
    assert answer.has_photo

    async def closed() -> bool:
        async with sqlite_database.readers() as session:
            states = list(await session.scalars(select(InboxRow.state)))
        return states == ["done"]

    await eventually(closed, seconds=60)
    assert await count(sqlite_database, ReadingRow) == 1
    heir.send_signal(signal.SIGTERM)
    async with asyncio.timeout(60):
        await heir.wait()
    assert heir.returncode == 0
