"""`/stats`, for administrators."""

import asyncio
from datetime import UTC, datetime, timedelta

from telegram import Update, User

from bot import pictures, replies
from bot.context import Context
from bot.handlers.people import greet
from bot.handlers.sending import say, show, typing
from bot.replies import Reply
from bot.texts import Texts
from store.reviews import review_counts
from store.statistics import statistics

FIRST_RANGE_DAYS = 30


async def stats(update: Update, context: Context) -> None:
    """Shows an administrator the chart and its numbers; tells others kindly that it is not theirs.

    The range can be changed with the buttons.
    """
    message, user = update.message, update.effective_user
    if message is None or user is None:
        return
    _, texts = await greet(context, user)
    if not is_admin(context, user):
        await say(context.bot, message.chat_id, replies.not_admin(texts), message.message_id)
        return
    async with typing(context.bot, message.chat_id):
        chart, caption = await chart_of(context, texts, user.id, FIRST_RANGE_DAYS)
        await show(context.bot, message.chat_id, chart, caption, message.message_id)


def is_admin(context: Context, user: User) -> bool:
    """Return whether the person is one of the configured administrators."""
    return user.id in context.services.settings.admin_ids


async def chart_of(
    context: Context, texts: Texts, admin_id: int, days: int | None
) -> tuple[bytes, Reply]:
    """Return the chart of the last days, or of all time, and its caption."""
    since = None if days is None else datetime.now(UTC) - timedelta(days=days)
    async with context.services.database.readers() as session:
        numbers = await statistics(session, since=since)
        reviews = await review_counts(session, admin_id=admin_id)
    chart = await asyncio.to_thread(pictures.statistics_chart, numbers, texts)
    return chart, replies.statistics_reply(texts, numbers, days, reviews.waiting)
