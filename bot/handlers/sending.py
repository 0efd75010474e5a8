"""How the bot speaks: messages, pictures and edits, each as a reply where there is one to reply to.

A message that was deleted meanwhile is no reason to stay silent: whatever refers to it is sent
without it.
"""

import asyncio
import contextlib
import html
import re
from collections.abc import AsyncIterator

import structlog
from telegram import InlineKeyboardMarkup, InputMediaPhoto, Message, ReplyParameters
from telegram.constants import ChatAction
from telegram.error import BadRequest, TelegramError

from bot.context import FeelbackBot
from bot.replies import PARSE_MODE, Reply

# Telegram shows "typing" for five seconds.
TYPING_AGAIN_S = 4.0
LONGEST_TOAST = 200  # characters; Bot API, answerCallbackQuery

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


async def say(bot: FeelbackBot, chat_id: int, reply: Reply, to: int | None = None) -> Message:
    """Send a message, as a reply to the message `to` if that is still there."""
    return await bot.send_message(
        chat_id,
        reply.text,
        parse_mode=PARSE_MODE,
        reply_markup=reply.keyboard,
        reply_parameters=_reply_to(to),
    )


async def show(
    bot: FeelbackBot,
    chat_id: int,
    picture: bytes,
    caption: Reply,
    to: int | None = None,
    *,
    protected: bool = False,
) -> Message:
    """Send a picture with its caption; the words alone where Telegram will not take the picture.

    A `protected` one cannot be forwarded or saved, nor can what later takes its place.
    """
    try:
        return await bot.send_photo(
            chat_id,
            picture,
            caption=caption.text,
            parse_mode=PARSE_MODE,
            reply_markup=caption.keyboard,
            reply_parameters=_reply_to(to),
            protect_content=protected or None,
        )
    except BadRequest as error:
        log.warning("picture refused", reason=error.message)
        return await say(bot, chat_id, caption, to)


async def change_text(bot: FeelbackBot, chat_id: int, message_id: int, reply: Reply) -> bool:
    """Put a reply in the place of a message; False where that message cannot be edited."""
    try:
        await bot.edit_message_text(
            reply.text,
            chat_id,
            message_id,
            parse_mode=PARSE_MODE,
            reply_markup=reply.keyboard,
        )
    except BadRequest as error:
        return _is_unmodified(error)
    return True


async def change_keyboard(
    bot: FeelbackBot, chat_id: int, message_id: int, keyboard: InlineKeyboardMarkup | None
) -> bool:
    """Put other buttons under a message; False where it cannot be edited."""
    try:
        await bot.edit_message_reply_markup(chat_id, message_id, reply_markup=keyboard)
    except BadRequest as error:
        return _is_unmodified(error)
    return True


async def change_picture(
    bot: FeelbackBot, chat_id: int, message_id: int, picture: bytes, caption: Reply
) -> bool:
    """Put another picture and caption in the place of a message; False where it cannot be."""
    media = InputMediaPhoto(picture, caption=caption.text, parse_mode=PARSE_MODE)
    try:
        await bot.edit_message_media(media, chat_id, message_id, reply_markup=caption.keyboard)
    except BadRequest as error:
        return _is_unmodified(error)
    return True


def toast(reply: Reply) -> str:
    """Return a reply as the plain words that fit over a pressed button."""
    plain = html.unescape(re.sub(r"<[^>]+>", "", reply.text))
    return plain if len(plain) <= LONGEST_TOAST else f"{plain[: LONGEST_TOAST - 1]}…"


@contextlib.asynccontextmanager
async def typing(bot: FeelbackBot, chat_id: int) -> AsyncIterator[None]:
    """Show "typing" for as long as this is open; that it cannot be shown stops nothing."""
    over = asyncio.Event()
    shown = asyncio.create_task(_type_until(over, bot, chat_id), name="typing")
    try:
        yield
    finally:
        over.set()
        await shown


async def _type_until(over: asyncio.Event, bot: FeelbackBot, chat_id: int) -> None:
    while not over.is_set():
        try:
            await bot.send_chat_action(chat_id, ChatAction.TYPING)
        except TelegramError as error:
            log.debug("not shown typing", error=type(error).__name__)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(over.wait(), TYPING_AGAIN_S)


def _reply_to(message_id: int | None) -> ReplyParameters | None:
    if message_id is None:
        return None
    return ReplyParameters(message_id, allow_sending_without_reply=True)


def _is_unmodified(error: BadRequest) -> bool:
    if "not modified" in error.message:
        return True
    log.info("message not edited", reason=error.message)
    return False
