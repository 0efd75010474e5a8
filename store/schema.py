"""Whether a database is at the revision that this code was written for."""

from sqlalchemy import Connection, inspect, text
from sqlalchemy.exc import SQLAlchemyError

from store.engine import Database, require_openable, sqlite_path
from store.errors import DatabaseUnreachable, SchemaMissing, SchemaNewer, SchemaOlder

# Oldest first; the last one is what this code needs. A test compares them with `migrations`, which
# this package may not import.
REVISIONS = ("0001", "0002", "0003")


async def check_schema(database: Database) -> None:
    """Return if the database is at this code's revision.

    Raises:
        SchemaMissing, SchemaOlder, SchemaNewer: with one line that says what to do.
        DatabaseUnreachable: the database cannot be opened.
    """
    path = sqlite_path(database.url)
    if path is not None and not path.exists():
        raise SchemaMissing
    require_openable(database)
    try:
        async with database.read_engine.connect() as connection:
            found = await connection.run_sync(_revision)
    except (SQLAlchemyError, OSError) as error:
        reason = str(getattr(error, "orig", None) or error).splitlines()[0]
        raise DatabaseUnreachable(f"Cannot open {database.name}: {reason}") from error
    expected = REVISIONS[-1]
    if found is None:
        raise SchemaMissing
    if found not in REVISIONS:
        raise SchemaNewer(found, expected)
    if found != expected:
        raise SchemaOlder(found, expected)


def _revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    revision: str | None = connection.scalar(text("SELECT version_num FROM alembic_version"))
    return revision
