"""Leases: one holder at a time, also when the one before died or comes back late."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from store import clock, leases
from store.engine import Database
from store.errors import LeaseLost, LeaseTaken
from store.records import Lease
from tests.store.rows import MINUTE, NOON, SECOND


async def acquire(database: Database, holder: str, now: datetime = NOON) -> Lease:
    """Take the lease for a minute."""
    async with database.sessions.begin() as session:
        return await leases.acquire_lease(session, "model", holder, MINUTE, now=now)


async def check(database: Database, lease: Lease, now: datetime = NOON) -> None:
    """Check the lease."""
    async with database.sessions.begin() as session:
        await leases.check_lease(session, lease, now=now)


async def test_lease_is_held_until_it_expires(database: Database) -> None:
    lease = await acquire(database, "one")
    await check(database, lease, NOON + MINUTE - SECOND)
    with pytest.raises(LeaseLost):
        await check(database, lease, NOON + MINUTE)


async def test_second_holder_is_told_who_holds_it_and_until_when(database: Database) -> None:
    await acquire(database, "one")
    with pytest.raises(LeaseTaken) as refusal:
        await acquire(database, "two", NOON + MINUTE - SECOND)
    assert (refusal.value.holder, refusal.value.expires_at) == ("one", NOON + MINUTE)


async def test_expired_lease_can_be_taken_over_and_its_old_holder_lost_it(
    database: Database,
) -> None:
    old = await acquire(database, "same name")
    new = await acquire(database, "same name", NOON + MINUTE)
    assert new.token > old.token
    await check(database, new, NOON + MINUTE)
    with pytest.raises(LeaseLost):
        await check(database, old, NOON + MINUTE)


async def test_renewed_lease_lasts_longer(database: Database) -> None:
    lease = await acquire(database, "one")
    async with database.sessions.begin() as session:
        renewed = await leases.renew_lease(session, lease, MINUTE, now=NOON + 30 * SECOND)
    assert renewed.expires_at == NOON + 90 * SECOND
    await check(database, renewed, NOON + 80 * SECOND)
    await check(database, lease, NOON + 80 * SECOND)


async def test_lost_lease_cannot_be_renewed(database: Database) -> None:
    lease = await acquire(database, "one")
    with pytest.raises(LeaseLost):
        async with database.sessions.begin() as session:
            await leases.renew_lease(session, lease, MINUTE, now=NOON + MINUTE)


async def test_released_lease_is_free_at_once(database: Database) -> None:
    lease = await acquire(database, "one")
    async with database.sessions.begin() as session:
        assert await leases.release_lease(session, lease, now=NOON)
    await acquire(database, "two")
    async with database.sessions.begin() as session:
        assert not await leases.release_lease(session, lease, now=NOON)


async def test_one_of_many_who_ask_at_once_gets_it(database: Database) -> None:
    tried = await asyncio.gather(
        *(acquire(database, f"holder-{number}") for number in range(6)), return_exceptions=True
    )
    assert sum(isinstance(result, Lease) for result in tried) == 1
    assert sum(isinstance(result, LeaseTaken) for result in tried) == 5


async def test_one_of_many_who_take_over_at_once_gets_it(database: Database) -> None:
    await acquire(database, "dead")
    tried = await asyncio.gather(
        *(acquire(database, f"holder-{number}", NOON + MINUTE) for number in range(6)),
        return_exceptions=True,
    )
    assert sum(isinstance(result, Lease) for result in tried) == 1


async def test_time_spent_waiting_for_a_lock_counts(database: Database) -> None:
    async with database.sessions.begin() as session:
        first = await leases.acquire_lease(session, "model", "first", MINUTE)
    async with database.sessions.begin() as session:
        await leases.check_lease(session, first)
        waiting = asyncio.ensure_future(acquire_now(database, "second"))
        await asyncio.sleep(0.1)
        await leases.release_lease(session, first)
    assert (await waiting).holder == "second"


async def test_lease_ends_by_the_clock_of_the_database(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    if database.url.get_backend_name() == "sqlite":
        return  # one host, one clock
    monkeypatch.setattr(clock, "moment", lambda now: now or datetime.now(UTC) + timedelta(days=1))
    await acquire_now(database, "one")
    with pytest.raises(LeaseTaken):
        await acquire_now(database, "a host whose clock is a day ahead")
    monkeypatch.undo()
    with pytest.raises(LeaseTaken) as refusal:
        await acquire_now(database, "two")
    assert abs(refusal.value.expires_at - datetime.now(UTC)) < timedelta(hours=1)


async def acquire_now(database: Database, holder: str) -> Lease:
    """Take the lease for a minute from now."""
    async with database.sessions.begin() as session:
        return await leases.acquire_lease(session, "model", holder, MINUTE)


async def test_checked_lease_is_not_taken_over_before_the_transaction_ends(
    database: Database,
) -> None:
    lease = await acquire(database, "one")
    async with database.sessions.begin() as session:
        await leases.check_lease(session, lease, now=NOON)
        other = asyncio.ensure_future(acquire(database, "two", NOON + MINUTE))
        await asyncio.sleep(0.1)
        assert not other.done()
    assert (await other).holder == "two"
