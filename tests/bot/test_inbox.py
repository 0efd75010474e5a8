import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select
from telegram import Bot, Update

from bot.errors import InboxUnavailable
from bot.inbox import ClaimedUpdate, InboxQueue
from bot.stopping import Stopping
from store.engine import Database
from store.tables import InboxRow
from tests.bot.conftest import eventually, take_away

TOKEN = "42:TEST"
ADA, GRACE = 1001, 1002


@pytest.fixture
def bot() -> Bot:
    """A bot that is never connected; the inbox asks it for its id alone."""
    return KnownBot(TOKEN)


class KnownBot(Bot):
    @property
    def id(self) -> int:
        return 42


@pytest.fixture
def stopping() -> Stopping:
    return Stopping()


MakeQueue = Callable[..., InboxQueue]


@pytest.fixture
def make_queue(sqlite_database: Database, bot: Bot, stopping: Stopping) -> MakeQueue:
    def make(**changes: Any) -> InboxQueue:
        arguments: dict[str, Any] = {
            "capacity": 4,
            "lease": timedelta(seconds=30),
            "max_attempts": 3,
            "deadline": timedelta(seconds=10),
        }
        return InboxQueue(sqlite_database, bot, stopping, **(arguments | changes))

    return make


def message(update_id: int, text: str = "hello", person: int = ADA) -> Update:
    user = {"id": person, "is_bot": False, "first_name": "Somebody"}
    body = {
        "message_id": update_id,
        "date": 1_800_000_000,
        "chat": {"id": person, "type": "private"},
        "from": user,
        "text": text,
    }
    return Update.de_json({"update_id": update_id, "message": body}, None)


async def rows(database: Database) -> list[InboxRow]:
    async with database.readers() as session:
        return list(await session.scalars(select(InboxRow).order_by(InboxRow.id)))


async def taken(queue: InboxQueue) -> ClaimedUpdate:
    async with asyncio.timeout(5):
        update = await queue.get()
    assert isinstance(update, ClaimedUpdate)
    return update


async def nothing_comes(queue: InboxQueue) -> bool:
    try:
        async with asyncio.timeout(0.2):
            await queue.get()
    except TimeoutError:
        return True
    return False


async def test_put_returns_when_the_update_is_committed(
    make_queue: MakeQueue, sqlite_database: Database
) -> None:
    await make_queue().put(message(7))
    (row,) = await rows(sqlite_database)
    assert (row.bot_id, row.update_id, row.person_id) == (42, 7, ADA)
    assert (row.ordering_key, row.state) == (str(ADA), "waiting")


async def test_what_comes_out_is_what_went_in(make_queue: MakeQueue, bot: Bot) -> None:
    queue = make_queue()
    sent = message(7, "wrong, it's sad 😢")
    await queue.put(sent)
    update = await taken(queue)
    assert update.to_dict() == sent.to_dict()
    assert update.get_bot() is bot
    assert update.message is not None
    assert update.message.get_bot() is bot
    assert update.work.claim.update_id == 7


async def test_every_kind_of_update_survives(make_queue: MakeQueue) -> None:
    user = {"id": ADA, "is_bot": False, "first_name": "Ada"}
    chat = {"id": ADA, "type": "private"}
    kinds: dict[str, dict[str, Any]] = {
        "message_reaction": {
            "chat": chat,
            "message_id": 5,
            "user": user,
            "date": 1_800_000_000,
            "old_reaction": [],
            "new_reaction": [{"type": "emoji", "emoji": "👍"}],
        },
        "callback_query": {
            "id": "9",
            "from": user,
            "chat_instance": "1",
            "data": "c:1",
            "message": {"message_id": 5, "date": 0, "chat": chat},
        },
        "my_chat_member": {
            "chat": chat,
            "from": user,
            "date": 1_800_000_000,
            "old_chat_member": {"status": "member", "user": user},
            "new_chat_member": {"status": "kicked", "user": user, "until_date": 0},
        },
    }
    queue = make_queue()
    for update_id, (kind, body) in enumerate(kinds.items(), start=1):
        sent = Update.de_json({"update_id": update_id, kind: body}, None)
        await queue.put(sent)
        update = await taken(queue)
        assert update.to_dict() == sent.to_dict()
        assert update.work.claim.ordering_key == str(ADA)
        await queue.finish(update.work)
        queue.task_done()


async def test_an_update_that_comes_twice_is_handed_out_once(
    make_queue: MakeQueue, sqlite_database: Database
) -> None:
    queue = make_queue()
    await queue.put(message(7))
    await queue.put(message(7))
    await queue.finish((await taken(queue)).work)
    queue.task_done()
    await queue.put(message(7))
    assert await nothing_comes(queue)
    assert len(await rows(sqlite_database)) == 1


async def test_a_finished_update_keeps_no_payload(
    make_queue: MakeQueue, sqlite_database: Database
) -> None:
    queue = make_queue()
    await queue.put(message(7, "my words"))
    await queue.finish((await taken(queue)).work)
    (row,) = await rows(sqlite_database)
    assert (row.state, row.payload) == ("done", None)


async def test_put_wakes_a_reader(make_queue: MakeQueue) -> None:
    queue = make_queue()
    reader = asyncio.create_task(queue.get())
    await asyncio.sleep(0.1)
    await queue.put(message(7))
    async with asyncio.timeout(0.5):  # before it would have looked by itself
        assert isinstance(await reader, ClaimedUpdate)


async def test_updates_of_one_chat_come_one_after_the_other(make_queue: MakeQueue) -> None:
    queue = make_queue()
    await queue.put(message(1))
    await queue.put(message(2))
    await queue.put(message(3, person=GRACE))
    first = await taken(queue)
    other = await taken(queue)
    assert [first.update_id, other.update_id] == [1, 3]
    assert await nothing_comes(queue)
    await queue.finish(first.work)
    queue.task_done()
    assert (await taken(queue)).update_id == 2


async def test_no_more_is_claimed_than_can_be_worked_on(
    make_queue: MakeQueue, sqlite_database: Database
) -> None:
    queue = make_queue(capacity=2)
    for person in range(4):
        await queue.put(message(person + 1, person=person + 1))
    await taken(queue)
    await taken(queue)
    assert queue.in_hand == 2
    assert await nothing_comes(queue)
    states = [row.state for row in await rows(sqlite_database)]
    assert states == ["claimed", "claimed", "waiting", "waiting"]
    queue.task_done()
    assert (await taken(queue)).update_id == 3


async def test_what_a_dead_process_had_claimed_comes_again_after_its_lease(
    make_queue: MakeQueue,
) -> None:
    dead = make_queue(lease=timedelta(seconds=0.5))
    await dead.put(message(7))
    await taken(dead)
    heir = make_queue()
    assert await nothing_comes(heir)
    update = await taken(heir)
    assert (update.update_id, update.work.claim.attempt) == (7, 2)


async def test_a_renewed_claim_outlives_its_lease(make_queue: MakeQueue) -> None:
    holder = make_queue(lease=timedelta(seconds=0.5))
    await holder.put(message(7))
    work = (await taken(holder)).work
    for _ in range(4):
        await asyncio.sleep(0.2)
        await holder.renew(work)
    assert await nothing_comes(make_queue())


async def test_a_failed_update_comes_again_and_is_parked_at_last(
    make_queue: MakeQueue, sqlite_database: Database
) -> None:
    queue = make_queue(max_attempts=2)
    await queue.put(message(7))
    assert not await queue.fail((await taken(queue)).work, "ValueError")
    queue.task_done()
    update = await taken(queue)  # two seconds later
    assert await queue.fail(update.work, "ValueError")
    (row,) = await rows(sqlite_database)
    assert (row.state, row.payload, row.error) == ("parked", None, "ValueError")


async def test_a_signal_goes_first_and_ends_the_claiming(
    make_queue: MakeQueue, sqlite_database: Database
) -> None:
    queue = make_queue()
    await queue.put(message(7))
    signal = object()
    await queue.put(signal)
    assert await queue.get() is signal
    queue.task_done()
    assert await nothing_comes(queue)
    (row,) = await rows(sqlite_database)
    assert (row.state, row.attempts) == ("waiting", 0)


async def test_what_is_dropped_at_shutdown_was_not_claimed(
    make_queue: MakeQueue, sqlite_database: Database
) -> None:
    queue = make_queue()
    await queue.put(message(7))
    assert queue.empty()
    with pytest.raises(asyncio.QueueEmpty):
        queue.get_nowait()
    (row,) = await rows(sqlite_database)
    assert row.state == "waiting"


async def test_join_waits_for_what_is_in_hand_and_for_nothing_else(
    make_queue: MakeQueue,
) -> None:
    queue = make_queue()
    await queue.put(message(1))
    await queue.put(message(2, person=GRACE))
    await taken(queue)
    joined = asyncio.create_task(queue.join())
    await asyncio.sleep(0.05)
    assert not joined.done()
    queue.task_done()
    async with asyncio.timeout(1):
        await joined
    with pytest.raises(ValueError, match="too many times"):
        queue.task_done()


async def test_words_that_postgresql_cannot_store_are_replaced_unit_by_unit(
    make_queue: MakeQueue,
) -> None:
    queue = make_queue()
    await queue.put(message(7, "a\x00b\ud83dc"))
    update = await taken(queue)
    assert update.message is not None
    assert update.message.text == "a\ufffdb\ufffdc"


async def test_an_unreadable_row_is_parked_and_the_next_one_comes(
    make_queue: MakeQueue, sqlite_database: Database
) -> None:
    queue = make_queue()
    await queue.put(message(1))
    await queue.put(message(2, person=GRACE))
    async with sqlite_database.sessions.begin() as session:
        (row,) = await session.scalars(select(InboxRow).where(InboxRow.update_id == 1))
        row.payload = {"message": "?"}
    assert (await taken(queue)).update_id == 2
    assert [row.state for row in await rows(sqlite_database)] == ["parked", "claimed"]


async def test_a_database_that_stays_away_stops_the_process(
    make_queue: MakeQueue, sqlite_database: Database, stopping: Stopping
) -> None:
    queue = make_queue(deadline=timedelta(seconds=0.5))
    await sqlite_database.close()
    take_away(sqlite_database)
    with pytest.raises(InboxUnavailable) as raised:
        await queue.put(message(7, "my words"))
    assert stopping.reason is raised.value
    assert "no such table" in str(raised.value)
    assert "my words" not in str(raised.value)


async def test_a_database_that_comes_back_in_time_is_enough(
    make_queue: MakeQueue, sqlite_database: Database, stopping: Stopping
) -> None:
    queue = make_queue()
    await sqlite_database.close()
    bring_back = take_away(sqlite_database)
    putting = asyncio.create_task(queue.put(message(7)))
    await asyncio.sleep(0.3)
    assert not putting.done()
    await sqlite_database.close()
    bring_back()
    await putting
    assert not stopping.requested
    assert [row.update_id for row in await rows(sqlite_database)] == [7]


async def test_a_parked_update_wakes_the_next_of_its_chat(make_queue: MakeQueue) -> None:
    queue = make_queue()
    await queue.put(message(1))
    await queue.put(message(2))
    work = (await taken(queue)).work
    reader = asyncio.create_task(queue.get())
    await queue.fail(work, "ValueError", park=True)
    queue.task_done()
    await eventually(reader.done, seconds=0.5)
    assert isinstance(reader.result(), ClaimedUpdate)
