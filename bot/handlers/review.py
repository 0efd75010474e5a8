"""`/review`, for administrators: one piece of feedback after the other, in one message."""

import asyncio
from dataclasses import dataclass

import structlog
from telegram import Update
from telegram.constants import ChatType

from bot import pictures, replies
from bot.context import Context
from bot.handlers.people import greet
from bot.handlers.sending import change_picture, say, show, typing
from bot.handlers.statistics import is_admin
from bot.replies import Reply
from bot.texts import Texts
from store import review_cards, reviews
from store.emotions import EMOTIONS
from store.records import ReviewItem, ReviewMessage

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Card:
    """What a message of a review shows; `feedback_id` is None where that is no face."""

    picture: bytes
    caption: Reply
    feedback_id: int | None = None


async def review(update: Update, context: Context) -> None:
    """Shows an administrator, in private, the feedback most worth a look, with the rulings below.

    What an earlier `/review` showed is taken away. In a group no face is shown; others are told
    kindly that it is not theirs.
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
                async with context.services.database.sessions.begin() as session:
                    await review_cards.take_back_cards(session, user.id)
                await say(bot, chat_id, replies.review_nothing(texts), message.message_id)
            else:
                await show_card(context, texts, user.id, found, to=message.message_id)


async def show_card(
    context: Context,
    texts: Texts,
    admin_id: int,
    card: Card,
    message_id: int | None = None,
    *,
    to: int | None,
) -> None:
    """Put a card in the place of a message, or below where there is none that can be edited.

    A face is never sent but put into a message that is noted: by the answer to sending it, which a
    crash may swallow, the number of the message would be known too late to take it away again.
    """
    if message_id is not None and await _put(context, texts, admin_id, message_id, card):
        return
    if card.feedback_id is None:
        await show(context.bot, admin_id, card.picture, card.caption, to, protected=True)
        return
    title = texts.plain("picture_review_opening")
    blank = await asyncio.to_thread(pictures.review_blank_picture, title)
    caption = replies.review_opening(texts)
    sent = await show(context.bot, admin_id, blank, caption, to, protected=True)
    if not await _put(context, texts, admin_id, sent.message_id, card):
        log.warning("review not shown")


async def next_review(context: Context, texts: Texts, admin_id: int, undoable: int | None) -> Card:
    """Return what to show after a ruling: the next piece, or that nothing is left."""
    found = await _next(context, texts, admin_id, undoable)
    if found is not None:
        return found
    title = texts.plain("picture_review_done")
    picture = await asyncio.to_thread(pictures.review_end_picture, title)
    return Card(picture, replies.review_done(texts, undoable))


async def review_again(context: Context, texts: Texts, admin_id: int, feedback_id: int) -> Card:
    """Return a piece of feedback to be ruled on once more; the next one where it is no more."""
    async with context.services.database.readers() as session:
        item = await reviews.review_item(session, feedback_id)
        counts = await reviews.review_counts(session, admin_id=admin_id)
    if item is None:
        return await next_review(context, texts, admin_id, None)
    # It was skipped by being taken back, and so is none of those that wait for this admin.
    return await _shown(texts, item, counts.waiting + 1, None)


async def review_closed(context: Context, texts: Texts, admin_id: int) -> Card:
    """Return what takes the place of a face when the administrator has seen enough."""
    async with context.services.database.readers() as session:
        counts = await reviews.review_counts(session, admin_id=admin_id)
    title = texts.plain("picture_review_closed")
    picture = await asyncio.to_thread(pictures.review_end_picture, title)
    return Card(picture, replies.review_closed(texts, counts.waiting))


async def _put(context: Context, texts: Texts, admin_id: int, message_id: int, card: Card) -> bool:
    """Let a message show a card; False where it cannot be edited, and then it is taken away."""
    database = context.services.database
    message = ReviewMessage(context.bot.id, admin_id, message_id)
    card_id: int | None = None
    while card.feedback_id is not None:
        async with database.sessions.begin() as session:
            card_id = await review_cards.note_card(session, message, card.feedback_id)
        if card_id is not None:
            break
        card = await next_review(context, texts, admin_id, None)
    changed = await change_picture(context.bot, admin_id, message_id, card.picture, card.caption)
    async with database.sessions.begin() as session:
        if not changed:
            await review_cards.take_back_card(session, message)
        elif card_id is None:
            await review_cards.forget_card(session, message)
        else:
            await review_cards.card_shown(session, message, card_id)
    return changed


async def _next(context: Context, texts: Texts, admin_id: int, undoable: int | None) -> Card | None:
    async with context.services.database.readers() as session:
        found = await reviews.reviewable(session, admin_id=admin_id)
        counts = await reviews.review_counts(session, admin_id=admin_id)
    return await _shown(texts, found[0], counts.waiting, undoable) if found else None


async def _shown(texts: Texts, item: ReviewItem, waiting: int, undoable: int | None) -> Card:
    picture = await asyncio.to_thread(
        pictures.review_picture, item.crop, item.crowd, _named(item), texts
    )
    return Card(picture, replies.review_reply(texts, item, waiting, undoable), item.feedback_id)


def _named(item: ReviewItem) -> tuple[str, ...]:
    """Return every emotion that was said of the face."""
    if item.shares is None:
        return (item.emotion,)
    return tuple(name for name, share in zip(EMOTIONS, item.shares, strict=True) if share > 0)
