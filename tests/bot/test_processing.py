"""The road of an update, with handlers of our own, through the real inbox and over HTTP."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

import pytest
from sqlalchemy import select
from telegram import Update
from telegram.error import (
    BadRequest,
    ChatMigrated,
    Forbidden,
    InvalidToken,
    NetworkError,
    RetryAfter,
    TimedOut,
)
from telegram.ext import MessageHandler, filters

from bot import processing
from bot.application import Register
from bot.context import Context, FeelbackApplication
from bot.playground import Fault, Playground
from bot.processing import Fate, fate_of
from bot.texts import Catalogue
from store.engine import Database
from store.tables import InboxRow
from tests.bot.conftest import RunBot, RunningBot, eventually

APOLOGY = "apology"


def answering(handle: Callable[[str, Context], Awaitable[None]]) -> Register:
    """Registers one handler, which gets a message's text."""

    async def handler(update: Update, context: Context) -> None:
        assert update.effective_message is not None
        await handle(update.effective_message.text or "", context)

    def register(application: FeelbackApplication) -> None:
        application.add_handler(MessageHandler(filters.TEXT, handler))

    return register


async def rows(database: Database) -> list[InboxRow]:
    async with database.readers() as session:
        return list(await session.scalars(select(InboxRow).order_by(InboxRow.id)))


async def settled(bot: RunningBot, count: int = 1, seconds: float = 10.0) -> list[InboxRow]:
    """The inbox, when this many updates in it are done or parked."""

    async def all_closed() -> bool:
        found = await rows(bot.database)
        return sum(row.state in ("done", "parked") for row in found) >= count

    await eventually(all_closed, seconds)
    return await rows(bot.database)


@pytest.mark.parametrize(
    ("fail", "fate"),
    [
        (lambda: Forbidden("bot was blocked by the user"), Fate.DROP),
        (lambda: BadRequest("chat not found"), Fate.PARK),
        (lambda: ChatMigrated(5), Fate.PARK),
        (lambda: NetworkError("gone"), Fate.WAIT),
        (lambda: TimedOut(), Fate.WAIT),
        (lambda: RetryAfter(3), Fate.WAIT),
        (lambda: InvalidToken("Not Found"), Fate.RETRY),  # a file that is gone answers like this
        (lambda: ValueError("oh"), Fate.RETRY),
    ],
)
def test_each_kind_of_failure_has_its_fate(fail: Callable[[], Exception], fate: Fate) -> None:
    assert fate_of(fail()) is fate


async def test_a_handler_knows_the_claim_it_works_under(
    playground: Playground, running_bot: RunBot
) -> None:
    claims: list[int] = []

    async def note(_text: str, context: Context) -> None:
        claims.append(context.claim.inbox_id)

    async with running_bot(playground, register=answering(note)) as bot:
        await playground.person("Ada").send_text("hello")
        (row,) = await settled(bot)
    assert claims == [row.id]
    assert (row.state, row.payload, row.attempts) == ("done", None, 1)


@pytest.mark.parametrize("kind", ["double", "redeliver"])
async def test_an_update_that_telegram_repeats_is_worked_on_once(
    kind: str, playground: Playground, running_bot: RunBot
) -> None:
    heard: list[str] = []

    async def hear(text: str, _context: Context) -> None:
        heard.append(text)

    ada = playground.person("Ada")
    playground.repeat_updates(kind)  # type: ignore[arg-type]  # one of its two literals
    async with running_bot(playground, register=answering(hear)) as bot:
        await ada.send_text("once")
        await settled(bot)
        await ada.send_text("then")
        await settled(bot, 2)
    assert heard == ["once", "then"]


async def test_the_messages_of_one_chat_are_worked_on_in_order(
    playground: Playground, running_bot: RunBot
) -> None:
    log: list[str] = []

    async def slowly(text: str, _context: Context) -> None:
        log.append(f"begin {text}")
        await asyncio.sleep(0.3 if text == "1" else 0)
        log.append(f"end {text}")

    ada = playground.person("Ada")
    async with running_bot(playground, register=answering(slowly)) as bot:
        for number in ("1", "2", "3"):
            await ada.send_text(number)
        await settled(bot, 3)
    assert log == ["begin 1", "end 1", "begin 2", "end 2", "begin 3", "end 3"]


async def test_chats_are_worked_on_side_by_side(
    playground: Playground, running_bot: RunBot
) -> None:
    everyone_there = asyncio.Barrier(3)

    async def meet(_text: str, _context: Context) -> None:
        async with asyncio.timeout(5):
            await everyone_there.wait()

    async with running_bot(playground, register=answering(meet)) as bot:
        for name in ("Ada", "Grace", "Minji"):
            await playground.person(name).send_text("here")
        found = await settled(bot, 3)
    assert [(row.state, row.attempts) for row in found] == [("done", 1)] * 3


async def test_a_handler_that_fails_once_is_asked_again(
    playground: Playground, running_bot: RunBot
) -> None:
    failures = [ValueError("oh")]

    async def fail_once(_text: str, _context: Context) -> None:
        if failures:
            raise failures.pop()

    ada = playground.person("Ada")
    async with running_bot(playground, register=answering(fail_once)) as bot:
        await ada.send_text("hello")
        (row,) = await settled(bot)
        assert (row.state, row.attempts, row.error) == ("done", 2, None)
        assert await ada.messages() == [m for m in await ada.messages() if not m.from_bot]


async def test_an_update_that_always_fails_is_parked_with_one_apology(
    playground: Playground, running_bot: RunBot
) -> None:
    tries: list[str] = []

    async def fail(text: str, _context: Context) -> None:
        tries.append(text)
        raise ValueError("my words")

    minji = playground.person("Minji")
    async with running_bot(playground, register=answering(fail), max_attempts=2) as bot:
        await minji.send_text("one")
        answer = await minji.next_message()
        await minji.expect_silence(0.5)
        (row,) = await settled(bot)
    assert tries == ["one", "one"]
    assert (row.state, row.payload, row.error) == ("parked", None, "ValueError")
    assert answer.text == Catalogue.load().texts("ko").plain(APOLOGY)


async def test_a_parked_update_does_not_hold_up_its_chat(
    playground: Playground, running_bot: RunBot
) -> None:
    async def fail_on_one(text: str, context: Context) -> None:
        if text == "one":
            raise BadRequest("no such thing")

    ada = playground.person("Ada")
    async with running_bot(playground, register=answering(fail_on_one)) as bot:
        await ada.send_text("one")
        await ada.send_text("two")
        found = await settled(bot, 2)
    assert [row.state for row in found] == ["parked", "done"]
    assert found[0].attempts == 1


async def test_somebody_who_blocked_the_bot_costs_no_retry(
    playground: Playground, running_bot: RunBot
) -> None:
    ada = playground.person("Ada")

    async def answer(text: str, context: Context) -> None:
        await ada.block()
        await context.bot.send_message(ada.id, text)

    async with running_bot(playground, register=answering(answer)) as bot:
        await ada.send_text("bye")
        found = await settled(bot)
    assert (found[0].state, found[0].attempts) == ("done", 1)


async def test_an_answer_that_telegram_fails_to_take_is_sent_later(
    playground: Playground, running_bot: RunBot
) -> None:
    async def answer(text: str, context: Context) -> None:
        await context.bot.send_message(1001, f"heard {text}")

    ada = playground.person("Ada")
    playground.inject(Fault("server_error", "sendMessage"))
    async with running_bot(playground, register=answering(answer)) as bot:
        await ada.send_text("hello")
        assert (await ada.next_message()).text == "heard hello"
        (row,) = await settled(bot)
    assert (row.state, row.attempts) == ("done", 1)


async def test_waiting_for_telegram_ends_after_a_while(
    playground: Playground, running_bot: RunBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processing, "MOST_WAITS", 0)

    async def fail(_text: str, _context: Context) -> None:
        raise NetworkError("gone")

    async with running_bot(playground, register=answering(fail), max_attempts=1) as bot:
        await playground.person("Ada").send_text("hello")
        (row,) = await settled(bot)
    assert (row.state, row.error) == ("parked", "NetworkError")


async def test_a_flood_halt_is_waited_out(playground: Playground, running_bot: RunBot) -> None:
    async def answer(text: str, context: Context) -> None:
        await context.bot.send_message(1001, f"heard {text}")

    ada = playground.person("Ada")
    async with running_bot(playground, register=answering(answer)) as bot:
        playground.inject(Fault("flood", "sendMessage", retry_after=1))
        await ada.send_text("hello")
        assert (await ada.next_message()).text == "heard hello"
        await settled(bot)
    first, second = playground.requests_to("sendMessage")
    assert (first.status, second.status) == (429, 200)
    assert second.at - first.at >= 1


async def test_a_slow_handler_keeps_its_claim(playground: Playground, running_bot: RunBot) -> None:
    begun: list[int] = []

    async def slowly(_text: str, context: Context) -> None:
        begun.append(context.claim.attempt)
        await asyncio.sleep(2.5)

    async with running_bot(playground, register=answering(slowly), lease_seconds=1.0) as bot:
        await playground.person("Ada").send_text("hello")
        (row,) = await settled(bot)
    assert begun == [1]
    assert (row.state, row.attempts) == ("done", 1)


async def test_an_update_in_which_the_process_died_too_often_is_not_tried_again(
    playground: Playground, running_bot: RunBot, sqlite_database: Database
) -> None:
    tried: list[str] = []

    async def note(text: str, _context: Context) -> None:
        tried.append(text)

    ada = playground.person("Ada")
    sent = await ada.send_text("deadly")
    async with sqlite_database.sessions.begin() as session:
        row = InboxRow(
            bot_id=int(playground.token.partition(":")[0]),
            update_id=1,
            person_id=ada.id,
            ordering_key=str(ada.id),
            payload={"update_id": 1, "message": dict(sent.raw)},
            state="claimed",
            attempts=2,
            leased_by="somebody dead",
            lease_until=datetime.now(UTC),
            received_at=datetime.now(UTC),
            available_at=datetime.now(UTC),
        )
        session.add(row)
    async with running_bot(playground, register=answering(note), max_attempts=2) as bot:
        answer = await ada.next_message()
        found = await settled(bot, 2)
    assert [row.state for row in found] == ["parked", "done"]
    assert found[0].error == "the process died in every attempt"
    assert tried == ["deadly"]  # as Telegram sent it under its own number, not the row above
    assert answer.text == Catalogue.load().texts("en").plain(APOLOGY)


async def test_shutdown_lets_a_handler_finish(playground: Playground, running_bot: RunBot) -> None:
    begun = asyncio.Event()

    async def slowly(_text: str, _context: Context) -> None:
        begun.set()
        await asyncio.sleep(0.5)

    async with running_bot(playground, register=answering(slowly)) as bot:
        await playground.person("Ada").send_text("hello")
        await begun.wait()
        await playground.person("Ada").send_text("later")
        await bot.stop()
        found = await rows(bot.database)
    assert found[0].state == "done"
    assert [(row.state, row.attempts) for row in found[1:]] in ([], [("waiting", 0)])


async def test_shutdown_puts_back_what_takes_too_long(
    playground: Playground, running_bot: RunBot
) -> None:
    begun = asyncio.Event()

    async def endless(_text: str, _context: Context) -> None:
        begun.set()
        await asyncio.sleep(600)

    async with running_bot(playground, register=answering(endless), drain_seconds=0.2) as bot:
        await playground.person("Ada").send_text("hello")
        await begun.wait()
        await bot.stop()
        (row,) = await rows(bot.database)
    assert (row.state, row.attempts) == ("waiting", 0)
    assert row.payload is not None
