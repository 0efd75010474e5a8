"""Opening a database: which URLs, with which settings, and writers that wait for each other."""

import asyncio
import multiprocessing
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import IntegrityError, OperationalError, StatementError

from store import people
from store.engine import Database, async_url, open_database, truncate_log
from store.errors import DatabaseUrlInvalid
from store.tables import FaceRow, PersonRow
from tests.store.rows import MINA, NOON, see


@pytest.mark.parametrize(
    ("url", "driver"),
    [
        ("sqlite:///a.db", "sqlite+aiosqlite"),
        ("sqlite+pysqlite:///a.db", "sqlite+aiosqlite"),
        ("postgres://host/name", "postgresql+asyncpg"),
        ("postgresql://host/name", "postgresql+asyncpg"),
        ("postgresql+psycopg://host/name", "postgresql+asyncpg"),
    ],
)
def test_url_gets_our_driver(url: str, driver: str) -> None:
    assert async_url(url).drivername == driver


@pytest.mark.parametrize(
    "url", ["", "nonsense", "mysql://host/name", "sqlite://", "sqlite:///:memory:"]
)
def test_url_that_is_of_no_use_is_refused(url: str) -> None:
    with pytest.raises(DatabaseUrlInvalid):
        async_url(url)


def test_name_hides_the_password() -> None:
    opened = open_database("postgresql://someone:secret@host/name")
    assert "secret" not in opened.name
    assert "host" in opened.name


async def test_every_sqlite_connection_has_our_settings(sqlite_database: Database) -> None:
    expected = {"journal_mode": "wal", "foreign_keys": 1, "secure_delete": 1}
    async with (
        sqlite_database.engine.connect() as one,
        sqlite_database.read_engine.connect() as two,
    ):
        for connection in (two, one):
            for pragma, value in expected.items():
                assert await connection.scalar(text(f"PRAGMA {pragma}")) == value


async def test_writers_at_once_wait_for_each_other(database: Database) -> None:
    """Each reads before it writes: on SQLite, a deferred transaction would be refused here."""
    await see(database, MINA)

    async def add_a_letter() -> None:
        async with database.sessions.begin() as session:
            row = await session.get_one(PersonRow, MINA, with_for_update=True)
            read = row.language or ""
            await asyncio.sleep(0.002)
            row.language = read + "x"

    await asyncio.gather(*(add_a_letter() for _ in range(10)))
    async with database.readers() as session:
        mina = await people.person(session, MINA)
    assert mina is not None
    assert mina.language == "x" * 10


async def test_deferred_transactions_would_be_refused(sqlite_database: Database) -> None:
    """Why `sessions` begins immediately: this is what happens to those that do not."""
    await see(sqlite_database, MINA)
    async with sqlite_database.readers() as late:
        await late.get_one(PersonRow, MINA)
        async with sqlite_database.sessions.begin() as session:
            await people.set_language(session, MINA, "ko")
        with pytest.raises(OperationalError, match="locked"):
            await late.execute(text("UPDATE people SET language = 'en'"))


async def test_readers_do_not_wait_for_a_writer(database: Database) -> None:
    await see(database, MINA)
    async with database.sessions.begin() as writer:
        await people.set_language(writer, MINA, "ko")
        async with asyncio.timeout(5), database.readers() as reader:
            mina = await people.person(reader, MINA)
    assert mina is not None
    assert mina.language is None


async def test_a_reader_sees_one_moment(database: Database) -> None:
    await see(database, MINA)
    async with database.readers() as reader:
        before = await people.person(reader, MINA)
        async with database.sessions.begin() as writer:
            await people.set_language(writer, MINA, "ko")
        assert await people.person(reader, MINA) == before
    async with database.readers() as reader:
        assert await people.person(reader, MINA) != before


def write_many(url: str, letter: str) -> None:
    """Write a person's language 20 times, from a process of its own."""

    async def run() -> None:
        database = open_database(url)
        for _ in range(20):
            async with database.sessions.begin() as session:
                row = await session.get_one(PersonRow, MINA)
                row.language = ((row.language or "") + letter)[-15:]
        await database.close()

    asyncio.run(run())


async def test_writers_in_two_processes_wait_for_each_other(
    sqlite_database: Database, sqlite_url: str
) -> None:
    await see(sqlite_database, MINA)
    spawn = multiprocessing.get_context("spawn")
    processes = [spawn.Process(target=write_many, args=(sqlite_url, letter)) for letter in "ab"]
    for process in processes:
        process.start()
    for process in processes:
        await asyncio.to_thread(process.join, 60)
    assert [process.exitcode for process in processes] == [0, 0]


async def test_foreign_keys_are_enforced(database: Database) -> None:
    with pytest.raises(IntegrityError):
        async with database.sessions.begin() as session:
            session.add(
                FaceRow(
                    reading_id="none",
                    person_id=MINA,
                    number=1,
                    box_left=0,
                    box_top=0,
                    box_right=1,
                    box_bottom=1,
                    landmarks=[],
                    crowd=[],
                    label=[],
                )
            )


async def test_moments_come_back_aware_and_in_utc(database: Database) -> None:
    seoul = NOON.astimezone(timezone(timedelta(hours=9)))
    async with database.sessions.begin() as session:
        await people.see_person(session, MINA, now=seoul)
    async with database.readers() as session:
        found = await session.scalar(select(PersonRow.first_seen_at))
    assert found == NOON
    assert found is not None
    assert found.utcoffset() == timedelta(0)


async def test_naive_moments_are_refused(database: Database) -> None:
    naive = datetime(2026, 3, 14, 12, 0)  # noqa: DTZ001 - this is the point
    with pytest.raises(StatementError, match="naive"):
        async with database.sessions.begin() as session:
            await people.see_person(session, MINA, now=naive)


async def test_log_is_emptied(sqlite_database: Database, sqlite_url: str) -> None:
    await see(sqlite_database, MINA)
    log = Path(sqlite_url.removeprefix("sqlite:///") + "-wal")
    assert log.stat().st_size > 0  # noqa: ASYNC240 - nobody else is on this loop
    assert await truncate_log(sqlite_database)
    assert log.stat().st_size == 0  # noqa: ASYNC240


async def test_log_can_be_emptied_on_either_database(database: Database) -> None:
    assert await truncate_log(database)
