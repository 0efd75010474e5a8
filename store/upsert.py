"""INSERT … ON CONFLICT DO NOTHING, which SQLAlchemy spells per dialect."""

from collections.abc import Mapping
from typing import cast

from sqlalchemy import CursorResult, Table
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncSession

from store.tables import Base


async def insert_if_absent(
    session: AsyncSession, row_class: type[Base], values: Mapping[str, object]
) -> bool:
    """Insert the row and return True, or return False where a unique key is already taken.

    On PostgreSQL this waits for a concurrent transaction that is inserting the same key.
    """
    table = cast(Table, row_class.__table__)
    if session.get_bind().dialect.name == "sqlite":
        statement = sqlite.insert(table).values(**values).on_conflict_do_nothing()
        result = await session.execute(statement)
    else:
        result = await session.execute(
            postgresql.insert(table).values(**values).on_conflict_do_nothing()
        )
    return cast(CursorResult[object], result).rowcount == 1
