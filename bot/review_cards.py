"""Faces that may not be shown any more leave the administrators' chats.

The database says which messages these are (`store.review_cards`), also after a crash, and until
Telegram has said that they are gone.
"""

import asyncio
import time
from datetime import timedelta
from typing import Final

import structlog
from sqlalchemy.exc import SQLAlchemyError
from telegram.error import BadRequest, Forbidden, TelegramError

from bot import pictures, replies
from bot.context import FeelbackBot, Services
from bot.handlers.sending import change_picture
from bot.stopping import Stopping
from bot.texts import Texts
from store import people, review_cards
from store.records import ReviewMessage

LOOK_EVERY: Final = timedelta(seconds=1)
AFTER_FAILURE: Final = timedelta(seconds=5)
# Who blocked the bot may let it in again.
AFTER_BLOCK: Final = timedelta(hours=1)

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


class CardRemover:
    """Takes review's messages away once the face may not be shown any more.

    Args:
        bot: Whose messages they are.
        services: Where they are noted, and the words for what cannot be deleted.
    """

    def __init__(self, bot: FeelbackBot, services: Services) -> None:
        self._bot = bot
        self._services = services
        self._blocked_until: dict[int, float] = {}

    async def run(self, stopping: Stopping) -> None:
        """Look again and again, until the process is to stop."""
        pause = timedelta()
        while not await stopping.within(pause.total_seconds()):
            pause = LOOK_EVERY
            try:
                await self.look(stopping)
            except (SQLAlchemyError, OSError, TelegramError) as error:
                log.warning("review not taken away", error=type(error).__name__)
                pause = AFTER_FAILURE
            except RuntimeError:  # the connection was closed under it
                if not stopping.requested:
                    raise

    async def look(self, stopping: Stopping) -> None:
        """Take away what must go now.

        Raises:
            TelegramError: Telegram is away; what is left is still noted.
        """
        async with self._services.database.readers() as session:
            cards = await review_cards.cards_to_take_away(session, bot_id=self._bot.id)
        for card in cards:
            if stopping.requested:
                return
            admin_id = card.message.admin_id
            if self._blocked_until.get(admin_id, 0.0) > time.monotonic():
                continue
            try:
                await self._take_away(card.message)
            except Forbidden:
                log.warning("review not taken away: the chat is blocked")
                self._blocked_until[admin_id] = time.monotonic() + AFTER_BLOCK.total_seconds()
                continue
            async with self._services.database.sessions.begin() as session:
                await review_cards.card_taken_away(session, card)

    async def _take_away(self, message: ReviewMessage) -> None:
        try:
            await self._bot.delete_message(message.admin_id, message.message_id)
        except BadRequest:
            # It is gone, or older than the 48 hours in which a bot may delete.
            texts = await self._texts(message.admin_id)
            title = texts.plain("picture_review_gone")
            picture = await asyncio.to_thread(pictures.review_blank_picture, title)
            caption = replies.review_taken_away(texts)
            await change_picture(self._bot, message.admin_id, message.message_id, picture, caption)

    async def _texts(self, admin_id: int) -> Texts:
        async with self._services.database.readers() as session:
            admin = await people.person(session, admin_id)
        return self._services.catalogue.texts(None if admin is None else admin.language)
