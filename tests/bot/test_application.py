import asyncio
import io
import logging
from collections.abc import Iterator

import pytest
import structlog
from telegram import Update
from telegram.ext import MessageHandler, filters

from bot.application import ALLOWED_UPDATES, check_token
from bot.connection import build_bot
from bot.context import Context, FeelbackApplication
from bot.errors import (
    AnotherInstance,
    BotError,
    InboxUnavailable,
    TelegramUnreachable,
    TokenRefused,
)
from bot.health import check_alive
from bot.logs import configure
from bot.playground import Fault, Playground
from bot.serving import ModelWatcher
from bot.stopping import Stopping
from bot.texts import Catalogue
from tests.bot.conftest import MakeSettings, RunBot, eventually


@pytest.fixture
def lines(playground: Playground) -> Iterator[io.StringIO]:
    """What the bot logs, as it would be on standard error."""
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    stream = io.StringIO()
    configure(log_format="console", level="debug", secrets=[playground.token], stream=stream)
    yield stream
    root.handlers[:] = before
    root.setLevel(level)
    logging.captureWarnings(False)
    structlog.reset_defaults()


async def echo(update: Update, _context: Context) -> None:
    assert update.effective_message is not None
    await update.effective_message.reply_text(f"heard {update.effective_message.text}")


def echoing(application: FeelbackApplication) -> None:
    application.add_handler(MessageHandler(filters.TEXT, echo))


async def test_a_message_is_answered_over_http(playground: Playground, running_bot: RunBot) -> None:
    ada = playground.person("Ada")
    async with running_bot(playground, register=echoing) as bot:
        await ada.send_text("hello")
        answer = await ada.next_message()
        check_alive(bot.services.settings.heartbeat)
    assert answer.text == "heard hello"


async def test_what_arrived_before_the_start_is_answered(
    playground: Playground, running_bot: RunBot
) -> None:
    ada = playground.person("Ada")
    await ada.send_text("early")
    async with running_bot(playground, register=echoing):
        assert (await ada.next_message()).text == "heard early"


async def test_only_what_is_handled_is_asked_for(
    playground: Playground, running_bot: RunBot
) -> None:
    async with running_bot(playground):
        await eventually(lambda: playground.world.updates.polled)
        assert playground.world.updates.allowed == sorted(ALLOWED_UPDATES)


async def test_commands_are_offered_in_each_language_and_more_to_an_admin(
    playground: Playground, running_bot: RunBot
) -> None:
    await playground.person("Admin").start()
    async with running_bot(playground):
        ada = await playground.person("Ada").commands()
        minji = await playground.person("Minji").commands()
        admin = await playground.person("Admin").commands()
    assert not {"stats", "review"} & set(dict(ada))
    assert {"stats", "review"} <= set(dict(admin))
    assert dict(ada)["help"] == Catalogue.load().texts("en").plain("command_help")
    assert dict(minji)["help"] == Catalogue.load().texts("ko").plain("command_help")


async def test_an_admin_who_comes_later_is_offered_more_too(
    playground: Playground, running_bot: RunBot
) -> None:
    admin = playground.person("Admin")
    async with running_bot(playground):
        assert "stats" not in dict(await admin.commands())
        await admin.start()
        await eventually(lambda: len(playground.requests_to("setMyCommands")) >= 5)
        assert "stats" in dict(await admin.commands())


async def test_a_menu_that_telegram_refuses_does_not_keep_the_bot_from_starting(
    playground: Playground, running_bot: RunBot
) -> None:
    playground.inject(Fault("server_error", "setMyCommands", times=9))
    ada = playground.person("Ada")
    async with running_bot(playground, register=echoing):
        await ada.send_text("hello")
        assert (await ada.next_message()).text == "heard hello"


async def test_a_wrong_token_is_one_line(playground: Playground, running_bot: RunBot) -> None:
    with pytest.raises(TokenRefused, match="@BotFather"):
        async with running_bot(playground, token="123:WRONG"):
            pass


async def test_a_telegram_that_stumbles_at_the_start_is_asked_again(
    playground: Playground, running_bot: RunBot
) -> None:
    playground.inject(Fault("server_error", "getMe"))
    async with running_bot(playground):
        pass


async def test_the_token_is_checked_without_starting(
    playground: Playground, make_settings: MakeSettings
) -> None:
    assert await check_token(make_settings(playground)) == "feelback_playground_bot"
    with pytest.raises(TokenRefused):
        await check_token(make_settings(playground, token="123:WRONG"))
    with pytest.raises(TelegramUnreachable):
        await check_token(make_settings(playground, base_url="http://127.0.0.1:9/bot"))


async def test_a_second_instance_stops_the_first_with_an_explanation(
    playground: Playground, running_bot: RunBot, make_settings: MakeSettings
) -> None:
    with pytest.raises(AnotherInstance, match="only one"):  # noqa: PT012
        async with running_bot(playground) as bot:
            await eventually(lambda: playground.world.updates.polled)
            async with build_bot(make_settings(playground), Stopping()) as second:
                await second.get_updates(timeout=0)
            async with asyncio.timeout(10):
                await bot.stopping.wait()


async def test_a_token_that_is_revoked_while_the_bot_runs_stops_it(
    playground: Playground, running_bot: RunBot
) -> None:
    with pytest.raises(TokenRefused):  # noqa: PT012
        async with running_bot(playground) as bot:
            playground.inject(Fault("server_error", "getUpdates", times=2, status=401))
            await playground.person("Ada").send_text("wake up")
            async with asyncio.timeout(15):
                await bot.stopping.wait()


async def test_a_database_that_goes_away_stops_the_bot_and_telegram_keeps_the_update(
    playground: Playground, running_bot: RunBot
) -> None:
    with pytest.raises(InboxUnavailable, match="start again"):  # noqa: PT012
        async with running_bot(playground, register=echoing, put_deadline_seconds=0.5) as bot:
            async with bot.database.engine.begin() as connection:
                await connection.exec_driver_sql("ALTER TABLE inbox RENAME TO gone")
            await playground.person("Ada").send_text("hello")
            async with asyncio.timeout(10):
                await bot.stopping.wait()
    assert playground.pending_updates == 1


async def test_chores_that_break_stop_the_bot(playground: Playground, running_bot: RunBot) -> None:
    class Broken(ModelWatcher):
        async def run(self, stopping: Stopping) -> None:
            raise RuntimeError("oh")

    def broken(_services: object) -> ModelWatcher:
        return Broken.__new__(Broken)

    with pytest.raises(BotError, match="Background work broke: RuntimeError"):  # noqa: PT012
        async with running_bot(playground, watcher=broken) as bot:
            async with asyncio.timeout(10):
                await bot.stopping.wait()


async def test_neither_the_token_nor_anybodys_words_are_logged(
    playground: Playground, running_bot: RunBot, lines: io.StringIO
) -> None:
    async def fail(update: Update, context: Context) -> None:
        await context.bot.send_message(1, "nobody there")

    def failing(application: FeelbackApplication) -> None:
        application.add_handler(MessageHandler(filters.TEXT, fail))

    playground.inject(Fault("drop_before", "getUpdates"))
    ada = playground.person("Ada")
    async with running_bot(playground, register=failing):
        await ada.send_text("my secret words")
        await ada.next_message()
    logged = lines.getvalue()
    assert "handler failed" in logged
    assert "ready" in logged
    assert playground.token not in logged
    assert playground.token.partition(":")[2] not in logged
    assert "secret words" not in logged
