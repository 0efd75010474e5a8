"""The durable inbox: once each, in order per chat, by one worker at a time, across crashes."""

import asyncio
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import event, select

from store import inbox
from store.engine import Database
from store.errors import LeaseLost
from store.records import Claim
from store.tables import InboxRow
from tests.store.rows import BOT, MINA, MINUTE, NOON, SECOND

LEASE = timedelta(seconds=30)


async def put(database: Database, update_id: int, chat: str = "a", bot_id: int = BOT) -> bool:
    """Write an update down."""
    async with database.sessions.begin() as session:
        return await inbox.put_update(
            session,
            bot_id=bot_id,
            update_id=update_id,
            person_id=MINA,
            ordering_key=chat,
            payload={"update_id": update_id, "text": "hello"},
            now=NOON,
        )


async def claim(database: Database, worker: str = "one", now: datetime = NOON) -> Claim | None:
    """Claim the next update."""
    async with database.sessions.begin() as session:
        return await inbox.claim_next(session, bot_id=BOT, worker=worker, lease=LEASE, now=now)


async def claimed(database: Database, worker: str = "one", now: datetime = NOON) -> Claim:
    """Claim the next update, which must be there."""
    found = await claim(database, worker, now)
    assert found is not None
    return found


async def finish(database: Database, done: Claim) -> bool:
    """Close an update."""
    async with database.sessions.begin() as session:
        return await inbox.finish(session, done, now=NOON)


async def fail(database: Database, failed: Claim, now: datetime = NOON) -> bool:
    """Fail an update that may be tried twice."""
    async with database.sessions.begin() as session:
        return await inbox.fail(session, failed, "TimedOut", max_attempts=2, now=now)


async def row(database: Database, update_id: int) -> InboxRow:
    """Return an update's row, read by a session of its own."""
    async with database.readers() as session:
        found = await session.scalar(select(InboxRow).where(InboxRow.update_id == update_id))
    assert found is not None
    return found


async def test_same_update_twice_is_one_row(database: Database) -> None:
    assert await put(database, 1)
    assert not await put(database, 1)
    async with database.readers() as session:
        assert await inbox.pending_count(session) == 1


async def test_same_update_after_it_was_finished_is_a_duplicate_still(database: Database) -> None:
    await put(database, 1)
    await finish(database, await claimed(database))
    assert not await put(database, 1)
    assert await claim(database) is None


async def test_same_update_id_of_another_bot_is_another_update(database: Database) -> None:
    await put(database, 1)
    assert await put(database, 1, bot_id=BOT + 1)
    await claimed(database)
    assert await claim(database) is None
    async with database.readers() as session:
        assert await inbox.pending_count(session) == 2
        assert await inbox.pending_count(session, bot_id=BOT) == 1


async def test_same_update_put_by_many_at_once_is_one_row(database: Database) -> None:
    results = await asyncio.gather(*(put(database, 1) for _ in range(8)))
    assert sorted(results) == [False] * 7 + [True]


async def test_claim_carries_what_was_put(database: Database) -> None:
    await put(database, 1, chat="chat-9")
    found = await claimed(database)
    assert found.payload == {"update_id": 1, "text": "hello"}
    assert (found.ordering_key, found.person_id, found.attempt) == ("chat-9", MINA, 1)


async def test_empty_inbox_gives_no_claim(database: Database) -> None:
    assert await claim(database) is None


async def test_updates_of_one_chat_wait_for_each_other(database: Database) -> None:
    await put(database, 1)
    await put(database, 2)
    first = await claimed(database, "one")
    assert await claim(database, "two") is None
    await finish(database, first)
    assert (await claimed(database, "two")).update_id == 2


async def test_another_chat_does_not_wait(database: Database) -> None:
    await put(database, 1, chat="a")
    await put(database, 2, chat="a")
    await put(database, 3, chat="b")
    await claimed(database, "one")
    assert (await claimed(database, "two")).update_id == 3


async def test_updates_of_a_chat_wait_while_an_earlier_one_backs_off(database: Database) -> None:
    await put(database, 1)
    await put(database, 2)
    await fail(database, await claimed(database))
    assert await claim(database) is None
    assert (await claimed(database, now=NOON + MINUTE)).update_id == 1


async def test_many_workers_never_get_the_same_row(database: Database) -> None:
    for update_id in range(24):
        await put(database, update_id, chat=f"chat-{update_id % 8}")
    order: dict[str, list[int]] = {}

    async def work(worker: str) -> list[int]:
        done: list[int] = []
        while True:
            found = await claim(database, worker)
            if found is None:
                async with database.readers() as session:
                    if await inbox.pending_count(session) == 0:
                        return done
                await asyncio.sleep(0.005)
                continue
            order.setdefault(found.ordering_key, []).append(found.update_id)
            await asyncio.sleep(0.001)
            assert await finish(database, found)
            done.append(found.update_id)

    done = await asyncio.wait_for(asyncio.gather(*(work(f"w{n}") for n in range(4))), 60)
    assert sorted(update_id for part in done for update_id in part) == list(range(24))
    for chat, updates in order.items():
        assert updates == sorted(updates), chat


async def test_open_claim_is_passed_over_or_waited_for(database: Database) -> None:
    """PostgreSQL passes over the locked row; SQLite lets the second writer wait."""
    await put(database, 1, chat="a")
    await put(database, 2, chat="b")
    async with database.sessions.begin() as session:
        await inbox.claim_next(session, bot_id=BOT, worker="one", lease=LEASE, now=NOON)
        second = asyncio.ensure_future(claimed(database, "two"))
        if database.url.get_backend_name() == "postgresql":
            assert (await asyncio.wait_for(second, 20)).update_id == 2
        else:
            await asyncio.sleep(0.05)
            assert not second.done()
    assert (await second).update_id == 2


async def test_finished_row_has_lost_its_payload(database: Database) -> None:
    await put(database, 1)
    assert await finish(database, await claimed(database))
    found = await row(database, 1)
    assert (found.state, found.payload, found.finished_at) == ("done", None, NOON)


async def test_dead_worker_loses_its_row_when_the_lease_ends(database: Database) -> None:
    await put(database, 1)
    lost = await claimed(database, "dead")
    assert await claim(database, "alive", NOON + LEASE - SECOND) is None
    taken = await claimed(database, "alive", NOON + LEASE)
    assert (taken.update_id, taken.attempt) == (1, 2)
    assert not await finish(database, lost)
    assert (await row(database, 1)).state == "claimed"
    assert await finish(database, taken)


async def test_worker_that_restarts_under_its_name_cannot_finish_its_old_claim(
    database: Database,
) -> None:
    await put(database, 1)
    lost = await claimed(database, "same")
    await claimed(database, "same", NOON + LEASE)
    assert not await finish(database, lost)


async def test_later_update_of_a_dead_worker_still_waits_for_the_earlier(
    database: Database,
) -> None:
    await put(database, 1)
    await put(database, 2)
    await claimed(database, "dead")
    assert (await claimed(database, "alive", NOON + LEASE)).update_id == 1
    assert await claim(database, "alive", NOON + LEASE) is None


async def test_renewed_lease_keeps_the_row(database: Database) -> None:
    await put(database, 1)
    mine = await claimed(database)
    async with database.sessions.begin() as session:
        await inbox.renew_lease(session, mine, LEASE, now=NOON + LEASE - SECOND)
    assert await claim(database, "other", NOON + LEASE) is None


async def test_lost_lease_cannot_be_renewed(database: Database) -> None:
    await put(database, 1)
    lost = await claimed(database, "dead")
    await claimed(database, "alive", NOON + LEASE)
    with pytest.raises(LeaseLost):
        async with database.sessions.begin() as session:
            await inbox.renew_lease(session, lost, LEASE, now=NOON + LEASE)


async def test_failed_update_waits_before_its_next_attempt(database: Database) -> None:
    await put(database, 1)
    assert not await fail(database, await claimed(database))
    assert await claim(database, now=NOON + SECOND) is None
    async with database.readers() as session:
        assert await inbox.next_due(session, bot_id=BOT) == NOON + 2 * SECOND
    again = await claimed(database, now=NOON + 2 * SECOND)
    assert (again.attempt, (await row(database, 1)).error) == (2, "TimedOut")


async def test_update_that_fails_too_often_is_parked_without_payload(database: Database) -> None:
    await put(database, 1)
    await put(database, 2)
    await fail(database, await claimed(database))
    assert await fail(database, await claimed(database, now=NOON + MINUTE))
    found = await row(database, 1)
    assert (found.state, found.payload, found.error) == ("parked", None, "TimedOut")
    assert (await claimed(database, now=NOON + MINUTE)).update_id == 2


async def test_released_update_can_be_claimed_at_once_and_lost_no_attempt(
    database: Database,
) -> None:
    await put(database, 1)
    mine = await claimed(database, "one")
    async with database.sessions.begin() as session:
        assert await inbox.release(session, mine)
    assert (await claimed(database, "two")).attempt == 1


async def test_next_due_is_the_end_of_the_lease_while_a_row_is_worked_on(
    database: Database,
) -> None:
    await put(database, 1)
    async with database.readers() as session:
        assert await inbox.next_due(session, bot_id=BOT) == NOON
    mine = await claimed(database)
    async with database.readers() as session:
        assert await inbox.next_due(session, bot_id=BOT) == NOON + LEASE
    await finish(database, mine)
    async with database.readers() as session:
        assert await inbox.next_due(session, bot_id=BOT) is None


async def test_what_waits_for_an_earlier_update_of_its_chat_is_not_due(database: Database) -> None:
    await put(database, 1)
    await put(database, 2)
    await fail(database, await claimed(database))
    async with database.readers() as session:
        assert await inbox.next_due(session, bot_id=BOT) == NOON + 2 * SECOND


async def test_what_was_finished_is_not_read_again(sqlite_database: Database) -> None:
    statements: list[tuple[str, Any]] = []

    def note(_: object, __: object, statement: str, parameters: object, *rest: object) -> None:
        if statement.startswith("SELECT"):
            statements.append((statement, parameters))

    event.listen(sqlite_database.engine.sync_engine, "before_cursor_execute", note)
    await claim(sqlite_database)
    async with sqlite_database.readers() as session:
        await inbox.next_due(session, bot_id=BOT)
        await inbox.pending_count(session)
    assert len(statements) == 3
    for statement, parameters in statements:
        async with sqlite_database.engine.connect() as connection:
            rows = await connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
            plan = [row.detail for row in rows if " inbox" in row.detail]
        assert any("ix_inbox_unfinished" in step for step in plan)
        assert all("ix_inbox_unfinished" in step or "(rowid=?)" in step for step in plan)


async def test_purge_deletes_old_finished_rows_alone(database: Database) -> None:
    await put(database, 1)
    await finish(database, await claimed(database))
    await put(database, 2)
    async with database.sessions.begin() as session:
        assert await inbox.purge_finished(session, before=NOON) == 0
        assert await inbox.purge_finished(session, before=NOON + SECOND) == 1
    async with database.readers() as session:
        assert list(await session.scalars(select(InboxRow.update_id))) == [2]
