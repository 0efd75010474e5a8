"""`/review`, for administrators: one piece of feedback after the other, in one message."""

import asyncio

from telegram import Update
from telegram.constants import ChatType

from bot import pictures, replies
from bot.context import Context
from bot.handlers.people import greet
from bot.handlers.sending import say, show, typing
from bot.handlers.statistics import is_admin
from bot.replies import Reply
from bot.texts import Texts
from store import reviews
from store.emotions import EMOTIONS
from store.records import ReviewItem


async def review(update: Update, context: Context) -> None:
    """Shows an administrator, in private, the feedback most worth a look, with the rulings below.

    In a group no face is shown; others are told kindly that it is not theirs.
    """
    message, user = update.message, update.effective_user
    if message is None or user is None:
        return
    _, texts = await greet(context, user)
    chat_id, bot = message.chat_id, context.bot
    if not is_admin(context, user):
        await say(bot, chat_id, replies.not_admin(texts), message.message_id)
    elif message.chat.type != ChatType.PRIVATE:
        await say(bot, chat_id, replies.review_in_private(texts), message.message_id)
    else:
        async with typing(bot, chat_id):
            found = await _next(context, texts, user.id, None)
            if found is None:
                await say(bot, chat_id, replies.review_nothing(texts), message.message_id)
            else:
                await show(bot, chat_id, *found, message.message_id, protected=True)


async def next_review(
    context: Context, texts: Texts, admin_id: int, undoable: int | None
) -> tuple[bytes, Reply]:
    """Return what to show after a ruling: the next piece, or that nothing is left."""
    found = await _next(context, texts, admin_id, undoable)
    if found is not None:
        return found
    title = texts.plain("picture_review_done")
    picture = await asyncio.to_thread(pictures.review_end_picture, title)
    return picture, replies.review_done(texts, undoable)


async def review_again(
    context: Context, texts: Texts, admin_id: int, feedback_id: int
) -> tuple[bytes, Reply]:
    """Return a piece of feedback to be ruled on once more; the next one where it is no more."""
    async with context.services.database.readers() as session:
        item = await reviews.review_item(session, feedback_id)
        counts = await reviews.review_counts(session, admin_id=admin_id)
    if item is None:
        return await next_review(context, texts, admin_id, None)
    # It was skipped by being taken back, and so is none of those that wait for this admin.
    return await _shown(texts, item, counts.waiting + 1, None)


async def review_closed(context: Context, texts: Texts, admin_id: int) -> tuple[bytes, Reply]:
    """Return what takes the place of a face when the administrator has seen enough."""
    async with context.services.database.readers() as session:
        counts = await reviews.review_counts(session, admin_id=admin_id)
    title = texts.plain("picture_review_closed")
    picture = await asyncio.to_thread(pictures.review_end_picture, title)
    return picture, replies.review_closed(texts, counts.waiting)


async def _next(
    context: Context, texts: Texts, admin_id: int, undoable: int | None
) -> tuple[bytes, Reply] | None:
    async with context.services.database.readers() as session:
        found = await reviews.reviewable(session, admin_id=admin_id)
        counts = await reviews.review_counts(session, admin_id=admin_id)
    return await _shown(texts, found[0], counts.waiting, undoable) if found else None


async def _shown(
    texts: Texts, item: ReviewItem, waiting: int, undoable: int | None
) -> tuple[bytes, Reply]:
    picture = await asyncio.to_thread(
        pictures.review_picture, item.crop, item.crowd, _named(item), texts
    )
    return picture, replies.review_reply(texts, item, waiting, undoable)


def _named(item: ReviewItem) -> tuple[str, ...]:
    """Return every emotion that was said of the face."""
    if item.shares is None:
        return (item.emotion,)
    return tuple(name for name, share in zip(EMOTIONS, item.shares, strict=True) if share > 0)
