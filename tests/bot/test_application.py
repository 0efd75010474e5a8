from telegram import Update
from telegram.ext import MessageHandler, filters

from bot.context import Context, FeelbackApplication
from bot.playground import Playground
from tests.bot.conftest import RunBot


async def echo(update: Update, context: Context) -> None:
    assert update.effective_message is not None
    await update.effective_message.reply_text(f"heard {update.effective_message.text}")


def echoing(application: FeelbackApplication) -> None:
    application.add_handler(MessageHandler(filters.TEXT, echo))


async def test_a_message_is_answered_over_http(
    playground: Playground, running_bot: RunBot
) -> None:
    ada = playground.person("Ada")
    async with running_bot(playground, register=echoing):
        await ada.send_text("hello")
        answer = await ada.next_message()
    assert answer.text == "heard hello"
