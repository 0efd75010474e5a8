"""The one place that asks for the time; every function can be given another `now`."""

from datetime import UTC, datetime

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession


def moment(now: datetime | None) -> datetime:
    """Return `now`, or the present moment in UTC where none is given."""
    return datetime.now(UTC) if now is None else now


async def shared_moment(session: AsyncSession, now: datetime | None) -> datetime:
    """Return `now`, or the present moment by the one clock that all users of the database share.

    That is PostgreSQL's: hosts whose clocks differ must agree on when a lease ends. It is the
    moment of the call, not of the transaction's start. A SQLite file is used on one host, whose
    clock it is.
    """
    if now is None and session.get_bind().dialect.name == "postgresql":
        at: datetime = (await session.execute(select(func.clock_timestamp()))).scalar_one()
        return at
    return moment(now)
