"""How a database is opened: SQLite from a file, PostgreSQL by URL."""

import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from urllib.parse import quote

from sqlalchemy import URL, Connection, event, make_url
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import ArgumentError
from sqlalchemy.ext.asyncio import (
    AsyncEngine,
    AsyncSession,
    async_sessionmaker,
    create_async_engine,
)
from sqlalchemy.pool import ConnectionPoolEntry

from store.errors import DatabaseUnreachable, DatabaseUrlInvalid

# How long a connection waits for another one's write to end. A write takes milliseconds; a minute
# also outlasts a slow disk and a retrain that records its result.
BUSY_TIMEOUT_S = 60

SQLITE_BEGIN = "sqlite_begin"


@dataclass(frozen=True)
class Database:
    """An opened database.

    `sessions` is for transactions that may write: on SQLite they take the write lock when they
    begin (BEGIN IMMEDIATE), because one that first reads and then writes can be refused with
    "database is locked" without any waiting. `readers` is for those that only read: on either
    database all that one of them reads is of one moment.
    """

    url: URL
    engine: AsyncEngine
    read_engine: AsyncEngine
    sessions: async_sessionmaker[AsyncSession]
    readers: async_sessionmaker[AsyncSession]

    @property
    def name(self) -> str:
        """The URL without its password, for messages."""
        return self.url.render_as_string(hide_password=True)

    async def close(self) -> None:
        """Close every connection."""
        await self.engine.dispose()


def async_url(url: str) -> URL:
    """Return the URL with the driver that we use: aiosqlite or asyncpg.

    Raises:
        DatabaseUrlInvalid: not a URL, another kind of database, or SQLite without a file.
    """
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise DatabaseUrlInvalid(
            "The database URL is not one. Examples: sqlite:///feelback.db, "
            "postgresql://user:password@host/feelback"
        ) from error
    backend = parsed.drivername.partition("+")[0]
    if backend == "sqlite":
        if not parsed.database or parsed.database == ":memory:":
            raise DatabaseUrlInvalid("A SQLite URL must name a file: sqlite:///feelback.db")
        return parsed.set(drivername="sqlite+aiosqlite")
    if backend in ("postgresql", "postgres"):
        return parsed.set(drivername="postgresql+asyncpg")
    raise DatabaseUrlInvalid(f"{backend} databases are not supported; use SQLite or PostgreSQL.")


def open_database(url: str, *, pool_size: int = 5) -> Database:
    """Return the database, without connecting to it yet.

    Raises:
        DatabaseUrlInvalid: see `async_url`.
    """
    parsed = async_url(url)
    if parsed.get_backend_name() == "sqlite":
        engine = create_async_engine(
            parsed,
            pool_size=pool_size,
            connect_args={"timeout": BUSY_TIMEOUT_S},
            hide_parameters=True,  # an error's text must not quote what people wrote
        )
        event.listen(engine.sync_engine, "connect", _prepare_sqlite)
        event.listen(engine.sync_engine, "begin", _begin_sqlite)
        reading = {SQLITE_BEGIN: "BEGIN DEFERRED"}
    else:
        try:
            engine = create_async_engine(
                parsed, pool_size=pool_size, pool_pre_ping=True, hide_parameters=True
            )
        except ModuleNotFoundError as error:
            raise DatabaseUrlInvalid(
                "PostgreSQL needs a package that is not installed: pip install asyncpg"
            ) from error
        reading = {"isolation_level": "REPEATABLE READ"}
    read_engine = engine.execution_options(**reading)
    return Database(
        url=parsed,
        engine=engine,
        read_engine=read_engine,
        sessions=async_sessionmaker(engine, expire_on_commit=False),
        readers=async_sessionmaker(read_engine, expire_on_commit=False),
    )


def sqlite_path(url: URL) -> Path | None:
    """Return the file of a SQLite database; None for PostgreSQL."""
    if url.get_backend_name() != "sqlite" or url.database is None:
        return None
    return Path(url.database)


def require_openable(database: Database) -> None:
    """Return if a SQLite file can be opened for writing, or the database is PostgreSQL.

    Asked before the first connection, because a failed one of aiosqlite leaves a thread that
    prints a traceback when the event loop ends; and because opening would create the file.

    Raises:
        DatabaseUnreachable: no such file, a folder, or no permission.
    """
    path = sqlite_path(database.url)
    if path is None:
        return
    try:
        sqlite3.connect(f"file:{quote(str(path))}?mode=rw", uri=True).close()
    except sqlite3.Error as error:
        raise DatabaseUnreachable(f"Cannot open {path}: {error}") from error


async def truncate_log(database: Database) -> bool:
    """Empty SQLite's write-ahead log, so that erased rows are on no page of it.

    Returns False where a reader kept it from being emptied: try again later. True on PostgreSQL,
    which has no such file of ours.
    """
    if database.url.get_backend_name() != "sqlite":
        return True
    outside_transaction = database.engine.execution_options(
        isolation_level="AUTOCOMMIT", **{SQLITE_BEGIN: ""}
    )
    async with outside_transaction.connect() as connection:
        result = await connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
        busy = result.one()[0]
    return not busy


class _SqliteConnection(Protocol):
    isolation_level: str | None


def _prepare_sqlite(connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
    # None keeps Python's sqlite3 from opening transactions by itself: `_begin_sqlite` does.
    sqlite: _SqliteConnection = connection  # type: ignore[assignment]  # the DBAPI base lacks it
    sqlite.isolation_level = None
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_S * 1000}")
    cursor.execute("PRAGMA journal_mode = WAL")
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.execute("PRAGMA secure_delete = ON")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    statement = connection.get_execution_options().get(SQLITE_BEGIN, "BEGIN IMMEDIATE")
    if statement:
        connection.exec_driver_sql(statement)
