"""A bot on python-telegram-bot that says always the same, for the page and the client to meet."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from telegram import InlineKeyboardButton, InlineKeyboardMarkup, Update
from telegram.ext import (
    AIORateLimiter,
    Application,
    ApplicationBuilder,
    CallbackQueryHandler,
    CommandHandler,
    ContextTypes,
    MessageHandler,
    MessageReactionHandler,
    filters,
)

from bot.playground import Playground

Context = ContextTypes.DEFAULT_TYPE
READING = (
    "<b>Of ten people</b>, about 6 would say <b>happy</b>, 3 neutral, 1 surprised.\n"
    "<i>Wrong? Reply with the right word.</i>"
)
KEYBOARD = InlineKeyboardMarkup(
    [
        [
            InlineKeyboardButton("✅ That's right", callback_data="yes"),
            InlineKeyboardButton("✏️ Correct it", callback_data="no"),
        ],
        [InlineKeyboardButton("What is kept?", callback_data="alert")],
    ]
)
HOSTILE = '<img src=x onerror="document.title=1">'


async def greet(update: Update, _: Context) -> None:
    """Answers /start with a little markup."""
    assert update.message
    await update.message.reply_html(
        "Hi! Send me a photo of a face and I <b>read</b> it. See /help or"
        ' <a href="https://example.org/about">how it works</a>.'
    )


async def read_photo(update: Update, _: Context) -> None:
    """Answers a photo with itself and buttons."""
    assert update.message
    await update.message.reply_chat_action("upload_photo")
    source = update.message.photo[-1] if update.message.photo else update.message.document
    assert source
    file = await source.get_file()
    photo = bytes(await file.download_as_bytearray())
    await update.message.reply_photo(
        photo, READING, parse_mode="HTML", reply_markup=KEYBOARD, do_quote=True
    )


async def pressed(update: Update, _: Context) -> None:
    """Answers each button in its own way."""
    query = update.callback_query
    assert query
    if query.data == "alert":
        await query.answer("Only numbers, until you allow more.", show_alert=True)
    else:
        await query.answer("Thanks, noted")
        await query.edit_message_caption("Noted. <b>Thank you!</b>", parse_mode="HTML")


async def echo(update: Update, _: Context) -> None:
    """Says what was said, edits included; "hostile" gets HTML as plain text."""
    message = update.effective_message
    assert message
    said = HOSTILE if message.text == "hostile" else f"You said: {message.text}"
    if update.edited_message:
        said = f"You now say: {message.text}"
    await message.reply_text(said, do_quote=True)


async def reacted(update: Update, _: Context) -> None:
    """Reacts back."""
    change = update.message_reaction
    assert change
    emoji = [one.to_dict()["emoji"] for one in change.new_reaction]
    await change.chat.send_message(f"Your reaction: {''.join(emoji) or 'none'}")


def build(playground: Playground) -> Application[Any, Any, Any, Any, Any, Any]:
    """The application, pointed at the playground as the real bot is."""
    application = (
        ApplicationBuilder()
        .token(playground.token)
        .base_url(playground.base_url)
        .base_file_url(playground.base_file_url)
        .rate_limiter(AIORateLimiter())
        .build()
    )
    application.add_handler(CommandHandler("start", greet))
    application.add_handler(MessageHandler(filters.PHOTO | filters.Document.IMAGE, read_photo))
    application.add_handler(CallbackQueryHandler(pressed))
    application.add_handler(MessageHandler(filters.TEXT, echo))
    application.add_handler(MessageReactionHandler(reacted))
    return application


@asynccontextmanager
async def scripted_bot(
    playground: Playground,
) -> AsyncIterator[Application[Any, Any, Any, Any, Any, Any]]:
    """The bot, polling."""
    application = build(playground)
    async with application:
        await application.bot.set_my_commands([("start", "Begin"), ("help", "What I can do")])
        await application.bot.set_my_description("I read the emotions in a face.")
        await application.start()
        assert application.updater
        await application.updater.start_polling(
            allowed_updates=["message", "edited_message", "callback_query", "message_reaction"]
        )
        try:
            yield application
        finally:
            await application.updater.stop()
            await application.stop()
