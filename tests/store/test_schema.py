"""A missing, older or newer schema is refused with one line that says what to do."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import text

from migrations import commands
from store import schema
from store.engine import Database, open_database
from store.errors import DatabaseUnreachable, SchemaMissing, SchemaNewer, SchemaOlder


@pytest.fixture
async def empty(empty_database_url: str) -> AsyncIterator[Database]:
    """An opened database without any schema."""
    opened = open_database(empty_database_url)
    yield opened
    await opened.close()


async def test_migrated_database_is_accepted(database: Database) -> None:
    await schema.check_schema(database)


async def test_empty_database_is_missing_its_schema(empty: Database) -> None:
    with pytest.raises(SchemaMissing, match="python -m bot db upgrade"):
        await schema.check_schema(empty)


async def test_database_taken_back_to_the_start_is_missing_its_schema(
    database: Database, database_url: str
) -> None:
    await asyncio.to_thread(commands.downgrade, database_url, "base")
    with pytest.raises(SchemaMissing):
        await schema.check_schema(database)


async def test_older_database_is_told_to_upgrade(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schema, "REVISIONS", (*schema.REVISIONS, "9999"))
    with pytest.raises(SchemaOlder, match="python -m bot db upgrade") as refusal:
        await schema.check_schema(database)
    assert (refusal.value.found, refusal.value.expected) == (commands.head(), "9999")


async def test_newer_database_needs_a_newer_program(database: Database) -> None:
    async with database.sessions.begin() as session:
        await session.execute(text("UPDATE alembic_version SET version_num = 'later'"))
    with pytest.raises(SchemaNewer, match="newer program") as refusal:
        await schema.check_schema(database)
    assert refusal.value.found == "later"


async def test_unreachable_database_is_named_in_one_line_without_its_password() -> None:
    opened = open_database("postgresql://someone:secret@127.0.0.1:1/name")
    with pytest.raises(DatabaseUnreachable, match=r"127\.0\.0\.1") as refusal:
        await schema.check_schema(opened)
    await opened.close()
    assert "\n" not in str(refusal.value)
    assert "secret" not in str(refusal.value)


async def test_missing_file_is_a_missing_schema_and_is_not_created(tmp_path: Path) -> None:
    opened = open_database(f"sqlite:///{tmp_path / 'none' / 'feelback.db'}")
    with pytest.raises(SchemaMissing):
        await schema.check_schema(opened)
    assert list(tmp_path.iterdir()) == []  # noqa: ASYNC240 - nobody else is on this loop


async def test_folder_in_place_of_the_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatabaseUnreachable, match="Cannot open"):
        await schema.check_schema(open_database(f"sqlite:///{tmp_path}"))


async def test_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "feelback.db"
    path.write_bytes(b"this is a letter, not a database" * 100)
    opened = open_database(f"sqlite:///{path}")
    with pytest.raises(DatabaseUnreachable, match="not a database"):
        await schema.check_schema(opened)
    await opened.close()
