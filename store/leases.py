"""Rights that one process holds at a time, such as the right to retrain and promote."""

from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from store.clock import moment
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
    at = moment(now)
    expires_at = at + duration
    values = {"name": name, "holder": holder, "token": 1, "expires_at": expires_at}
    if await insert_if_absent(session, LeaseRow, values):
        return Lease(name, holder, 1, expires_at)
    row = await _locked_row(session, name)
    if row is None or row.expires_at > at:
        other = (holder, at) if row is None else (row.holder, row.expires_at)
        raise LeaseTaken(name, *other)
    row.holder = holder
    row.token += 1
    row.expires_at = expires_at
    await session.flush()
    return Lease(name, holder, row.token, expires_at)


async def renew_lease(
    session: AsyncSession, lease: Lease, duration: timedelta, *, now: datetime | None = None
) -> Lease:
    """Return the lease, held until `duration` from now.

    Raises:
        LeaseLost: it ran out, was released or was taken over.
    """
    at = moment(now)
    row = await _held_row(session, lease, at)
    row.expires_at = at + duration
    await session.flush()
    return Lease(lease.name, lease.holder, lease.token, row.expires_at)


async def check_lease(session: AsyncSession, lease: Lease, *, now: datetime | None = None) -> None:
    """Return if the lease is held, and keep it from being taken over before the transaction ends.

    Raises:
        LeaseLost: it ran out, was released or was taken over.
    """
    await _held_row(session, lease, moment(now))


async def release_lease(
    session: AsyncSession, lease: Lease, *, now: datetime | None = None
) -> bool:
    """Let go of the lease; False where it was lost already, which is no harm at the end."""
    at = moment(now)
    try:
        row = await _held_row(session, lease, at)
    except LeaseLost:
        return False
    row.expires_at = at
    await session.flush()
    return True


async def _held_row(session: AsyncSession, lease: Lease, at: datetime) -> LeaseRow:
    row = await _locked_row(session, lease.name)
    if row is None or row.token != lease.token or row.expires_at <= at:
        raise LeaseLost(f"The lease {lease.name!r} of {lease.holder} was lost.")
    return row


async def _locked_row(session: AsyncSession, name: str) -> LeaseRow | None:
    return await session.scalar(
        select(LeaseRow)
        .where(LeaseRow.name == name)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
