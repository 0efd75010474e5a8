"""Rights that one process holds at a time, such as the right to retrain and promote.

When a lease ends is told by the database's clock (`clock.shared_moment`), asked for after the row
is locked: whoever waited for the lock may have lost the lease while waiting.
"""

from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from store.clock import shared_moment
from store.errors import LeaseLost, LeaseTaken
from store.records import Lease
from store.tables import LeaseRow
from store.upsert import insert_if_absent

# Under this one, versions are added, promoted and rolled back.
MODEL_LEASE = "model"


async def acquire_lease(
    session: AsyncSession,
    name: str,
    holder: str,
    duration: timedelta,
    *,
    now: datetime | None = None,
) -> Lease:
    """Take a lease that nobody holds, or whose time ran out. Holder names one process, not a host.

    Raises:
        LeaseTaken: somebody holds it, and until when.
    """
    expires_at = await shared_moment(session, now) + duration
    values = {"name": name, "holder": holder, "token": 1, "expires_at": expires_at}
    if await insert_if_absent(session, LeaseRow, values):
        return Lease(name, holder, 1, expires_at)
    row = await _locked_row(session, name)
    at = await shared_moment(session, now)
    if row is None or row.expires_at > at:
        other = (holder, at) if row is None else (row.holder, row.expires_at)
        raise LeaseTaken(name, *other)
    row.holder = holder
    row.token += 1
    row.expires_at = at + duration
    await session.flush()
    return Lease(name, holder, row.token, row.expires_at)


async def renew_lease(
    session: AsyncSession, lease: Lease, duration: timedelta, *, now: datetime | None = None
) -> Lease:
    """Return the lease, held until `duration` from now.

    Raises:
        LeaseLost: it ran out, was released or was taken over.
    """
    row, at = await _held_row(session, lease, now)
    row.expires_at = at + duration
    await session.flush()
    return Lease(lease.name, lease.holder, lease.token, row.expires_at)


async def check_lease(session: AsyncSession, lease: Lease, *, now: datetime | None = None) -> None:
    """Return if the lease is held, and keep it from being taken over before the transaction ends.

    Raises:
        LeaseLost: it ran out, was released or was taken over.
    """
    await _held_row(session, lease, now)


async def release_lease(
    session: AsyncSession, lease: Lease, *, now: datetime | None = None
) -> bool:
    """Let go of the lease; False where it was lost already, which is no harm at the end."""
    try:
        row, at = await _held_row(session, lease, now)
    except LeaseLost:
        return False
    row.expires_at = at
    await session.flush()
    return True


async def _held_row(
    session: AsyncSession, lease: Lease, now: datetime | None
) -> tuple[LeaseRow, datetime]:
    row = await _locked_row(session, lease.name)
    at = await shared_moment(session, now)
    if row is None or row.token != lease.token or row.expires_at <= at:
        raise LeaseLost(f"The lease {lease.name!r} of {lease.holder} was lost.")
    return row, at


async def _locked_row(session: AsyncSession, name: str) -> LeaseRow | None:
    return await session.scalar(
        select(LeaseRow)
        .where(LeaseRow.name == name)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
