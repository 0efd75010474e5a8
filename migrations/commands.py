"""Bring a database to a revision, and say at which it is.

Works from a checkout and from an installed wheel: no `alembic.ini`, the scripts are found beside
this file. These functions run an event loop of their own: call them from synchronous code.
"""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar, cast

import aiosqlite
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import Script, ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection

from store.engine import (
    Database,
    async_url,
    open_database,
    require_openable,
    sqlite_path,
)
from store.errors import DatabaseUnreachable, SchemaNewer, StoreError

SCRIPTS = Path(__file__).parent

# Any number will do, as long as nothing else on the server locks the same one.
UPGRADE_LOCK = 7_325_533

Result = TypeVar("Result")


class ForeignKeysBroken(StoreError):
    """A migration left rows that refer to nothing; it was rolled back."""


def upgrade(url: str, revision: str = "head") -> None:
    """Bring the database to a revision, in one transaction; a SQLite file is created if missing.

    Raises:
        DatabaseUrlInvalid, DatabaseUnreachable, SchemaNewer: nothing was changed.
    """
    _create_file(url)
    _run(url, lambda connection: command.upgrade(_config(connection), revision))


def downgrade(url: str, revision: str) -> None:
    """Take the database back to a revision; "base" empties it.

    Raises:
        DatabaseUrlInvalid, DatabaseUnreachable, SchemaNewer: nothing was changed.
    """
    _run(url, lambda connection: command.downgrade(_config(connection), revision))


def current(url: str) -> str | None:
    """Return the revision that the database is at; None for an empty one.

    Raises:
        DatabaseUrlInvalid, DatabaseUnreachable.
    """
    path = sqlite_path(async_url(url))
    if path is not None and not path.exists():
        return None
    return _run(url, lambda connection: _context(connection).get_current_revision())


def write_revision(message: str, revision: str, url: str) -> Path:
    """Write the migration from the database, which is at head, to what the tables say; read it!"""

    def generate(connection: Connection) -> Path:
        script = command.revision(_config(connection), message, autogenerate=True, rev_id=revision)
        return Path(cast(Script, script).path)  # a list only with `process_revision_directives`

    return _run(url, generate)


def head() -> str:
    """Return the revision that the tables in `store` are at."""
    return revisions()[-1]


def revisions() -> tuple[str, ...]:
    """Return every revision, oldest first."""
    newest_first = ScriptDirectory(str(SCRIPTS)).walk_revisions()
    return tuple(script.revision for script in newest_first)[::-1]


def _config(connection: Connection) -> Config:
    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(SCRIPTS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config


def _context(connection: Connection) -> MigrationContext:
    return MigrationContext.configure(connection)


def _run(url: str, action: Callable[[Connection], Result]) -> Result:
    return asyncio.run(_in_transaction(open_database(url, pool_size=1), action))


async def _in_transaction(database: Database, action: Callable[[Connection], Result]) -> Result:
    require_openable(database)
    try:
        async with database.engine.connect() as connection:
            if database.url.get_backend_name() == "sqlite":
                return await _on_sqlite(connection, action)
            return await _on_postgresql(connection, action)
    except CommandError as error:
        if "Can't locate revision" not in str(error):
            raise
        found = str(error).rpartition(" ")[2].strip("'")
        raise SchemaNewer(found, head()) from error
    except (SQLAlchemyError, OSError) as error:
        reason = str(getattr(error, "orig", None) or error).splitlines()[0]
        raise DatabaseUnreachable(f"Cannot migrate {database.name}: {reason}") from error
    finally:
        await database.close()


async def _on_sqlite(connection: AsyncConnection, action: Callable[[Connection], Result]) -> Result:
    # Altering a table on SQLite copies and drops it, and with foreign keys on the drop would delete
    # what refers to it. They can be switched only outside a transaction.
    raw = await connection.get_raw_connection()
    await cast(aiosqlite.Connection, raw.driver_connection).execute("PRAGMA foreign_keys = OFF")
    async with connection.begin():
        result = await connection.run_sync(action)
        broken = (await connection.exec_driver_sql("PRAGMA foreign_key_check")).all()
        if broken:
            raise ForeignKeysBroken(f"{len(broken)} rows refer to nothing: {broken[0]}")
    return result


async def _on_postgresql(
    connection: AsyncConnection, action: Callable[[Connection], Result]
) -> Result:
    async with connection.begin():
        # Two replicas that start at once migrate one after the other.
        await connection.execute(
            text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": UPGRADE_LOCK}
        )
        return await connection.run_sync(action)


def _create_file(url: str) -> None:
    path = sqlite_path(async_url(url))
    if path is None:
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)  # faces are in it; SQLite gives its log the same mode
    except OSError as error:
        raise DatabaseUnreachable(f"Cannot create {path}: {error.strerror}") from error
