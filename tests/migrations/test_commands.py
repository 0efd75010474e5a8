"""Migrations, walked up and down on both databases and compared with the tables."""

import asyncio
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import TypeVar, cast

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, inspect, text

from migrations import commands
from store import schema
from store.engine import open_database
from store.errors import DatabaseUnreachable, DatabaseUrlInvalid, SchemaNewer
from store.tables import Base
from tests.store.rows import MINA, read, say, see

Result = TypeVar("Result")


def on_connection(url: str, action: Callable[[Connection], Result]) -> Result:
    """Return what the action makes of a connection of its own."""

    async def run() -> Result:
        database = open_database(url)
        try:
            async with database.engine.begin() as connection:
                return await connection.run_sync(action)
        finally:
            await database.close()

    return asyncio.run(run())


def tables_in(url: str) -> set[str]:
    """Return the names of the database's tables, without Alembic's own."""
    names = on_connection(url, lambda connection: inspect(connection).get_table_names())
    return set(names) - {"alembic_version"}


def test_empty_database_has_no_revision(empty_database_url: str) -> None:
    assert commands.current(empty_database_url) is None


def test_upgrade_creates_every_table(empty_database_url: str) -> None:
    commands.upgrade(empty_database_url)
    assert commands.current(empty_database_url) == commands.head()
    assert tables_in(empty_database_url) == set(Base.metadata.tables)


def test_upgrade_twice_changes_nothing(empty_database_url: str) -> None:
    commands.upgrade(empty_database_url)
    commands.upgrade(empty_database_url)
    assert commands.current(empty_database_url) == commands.head()


def test_every_revision_can_be_walked_up_down_and_up_again(empty_database_url: str) -> None:
    steps = (None, *commands.revisions())
    for before, after in pairwise(steps):
        assert after is not None
        commands.upgrade(empty_database_url, after)
        assert commands.current(empty_database_url) == after
        commands.downgrade(empty_database_url, before or "base")
        assert commands.current(empty_database_url) == before
        commands.upgrade(empty_database_url, after)
    commands.downgrade(empty_database_url, "base")
    assert tables_in(empty_database_url) == set()


def test_migrated_schema_is_what_the_tables_say(empty_database_url: str) -> None:
    commands.upgrade(empty_database_url)

    def differences(connection: Connection) -> list[object]:
        context = MigrationContext.configure(
            connection, opts={"compare_type": True, "compare_server_default": True}
        )
        return list(compare_metadata(context, Base.metadata))

    assert on_connection(empty_database_url, differences) == []


def test_migrated_constraints_are_those_of_the_tables(empty_database_url: str) -> None:
    """Alembic compares neither checks nor the conditions of partial indexes: we do."""
    commands.upgrade(empty_database_url)
    migrated = on_connection(empty_database_url, constraints)
    on_connection(empty_database_url, recreate)
    assert migrated == on_connection(empty_database_url, constraints)


def recreate(connection: Connection) -> None:
    """Put the tables as the models have them in place of the migrated ones."""
    Base.metadata.drop_all(connection)
    Base.metadata.create_all(connection)


def constraints(connection: Connection) -> set[str]:
    """Return a text for every check, index, key and foreign key in the database."""
    inspector = inspect(connection)
    found: set[str] = set()
    for table in Base.metadata.tables:
        for kind, rows in (
            ("check", inspector.get_check_constraints(table)),
            ("index", inspector.get_indexes(table)),
            ("unique", inspector.get_unique_constraints(table)),
            ("foreign key", inspector.get_foreign_keys(table)),
            ("primary key", [inspector.get_pk_constraint(table)]),
        ):
            for row in rows:
                options = {name: str(value) for name, value in row.items()}
                conditions = cast(dict[str, object], row.get("dialect_options", {}))
                options["dialect_options"] = str({key: str(conditions[key]) for key in conditions})
                found.add(f"{table} {kind} {sorted(options.items())}")
    return found


def test_going_back_before_the_members_opinions_keeps_faces_and_their_feedback(
    empty_database_url: str,
) -> None:
    commands.upgrade(empty_database_url)

    async def speak() -> None:
        database = open_database(empty_database_url)
        try:
            await see(database, MINA)
            about = await read(database, MINA, tops=("happy", "sad"))
            await say(database, about)
        finally:
            await database.close()

    asyncio.run(speak())
    commands.downgrade(empty_database_url, "0001")

    def kept(connection: Connection) -> list[int]:
        tables = ("faces", "feedback")
        return [connection.scalar(text(f"SELECT count(*) FROM {name}")) or 0 for name in tables]

    assert on_connection(empty_database_url, kept) == [2, 1]


def test_store_knows_the_revisions() -> None:
    assert commands.revisions() == schema.REVISIONS


def test_newer_database_is_refused_by_name(empty_database_url: str) -> None:
    commands.upgrade(empty_database_url)
    on_connection(
        empty_database_url,
        lambda connection: connection.execute(text("UPDATE alembic_version SET version_num='99'")),
    )
    with pytest.raises(SchemaNewer) as refusal:
        commands.upgrade(empty_database_url)
    assert refusal.value.found == "99"
    assert commands.current(empty_database_url) == "99"


def test_looking_at_a_missing_file_does_not_create_it(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'feelback.db'}"
    assert commands.current(url) is None
    with pytest.raises(DatabaseUnreachable):
        commands.downgrade(url, "base")
    assert list(tmp_path.iterdir()) == []


def test_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "feelback.db"
    path.write_bytes(b"this is a letter, not a database" * 100)
    with pytest.raises(DatabaseUnreachable, match="not a database"):
        commands.upgrade(f"sqlite:///{path}")


def test_sqlite_file_is_created_with_its_folders_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "feelback.db"
    commands.upgrade(f"sqlite:///{path}")
    assert path.stat().st_mode & 0o777 == 0o600


def test_unreachable_database_is_named_without_its_password() -> None:
    with pytest.raises(DatabaseUnreachable) as refusal:
        commands.upgrade("postgresql://someone:secret@127.0.0.1:1/feelback")
    assert "127.0.0.1" in str(refusal.value)
    assert "secret" not in str(refusal.value)


def test_other_kinds_of_database_are_refused() -> None:
    with pytest.raises(DatabaseUrlInvalid):
        commands.upgrade("mysql://localhost/feelback")


def test_failed_migration_leaves_nothing_behind(empty_database_url: str) -> None:
    commands.upgrade(empty_database_url)
    commands.downgrade(empty_database_url, "base")
    in_the_way = text("CREATE TABLE training_runs (id INTEGER)")
    on_connection(empty_database_url, lambda connection: connection.execute(in_the_way))
    before = tables_in(empty_database_url)
    with pytest.raises(DatabaseUnreachable, match="training_runs"):
        commands.upgrade(empty_database_url)
    assert tables_in(empty_database_url) == before
    assert commands.current(empty_database_url) is None
