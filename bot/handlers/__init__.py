"""What the bot does with an update. Handlers parse; `bot.conversation` and `store` decide."""

from telegram.ext import (
    CallbackQueryHandler,
    CommandHandler,
    MessageHandler,
    MessageReactionHandler,
    filters,
)

from bot.context import FeelbackApplication
from bot.handlers import commands, feedback, others, photos, presses, reactions, review, statistics
from bot.handlers.addressed import ADDRESSED
from bot.handlers.downloads import IMAGE_DOCUMENT

SENT = filters.UpdateType.MESSAGE & ADDRESSED
# What somebody forwards are somebody else's words, and no feedback.
EDITED = filters.UpdateType.EDITED_MESSAGE & ADDRESSED
PHOTO = filters.PHOTO | IMAGE_DOCUMENT


def register(application: FeelbackApplication) -> None:
    """Add every handler, in the order in which they are asked; the first that fits answers.

    What nobody asks for gets no answer: edited commands, and people joining, leaving and blocking.
    """
    add = application.add_handler
    add(CommandHandler("start", commands.start, SENT))
    add(CommandHandler("help", commands.help_, SENT))
    add(CommandHandler("privacy", commands.privacy, SENT))
    add(CommandHandler("consent", commands.consent, SENT))
    add(CommandHandler("forgetme", commands.forget_me, SENT))
    add(CommandHandler("model", commands.model, SENT))
    add(CommandHandler("stats", statistics.stats, SENT))
    add(CommandHandler("review", review.review, SENT))
    add(MessageHandler(SENT & filters.COMMAND, commands.unknown))
    add(MessageHandler((SENT | EDITED) & PHOTO, photos.read_photo))
    add(MessageHandler(SENT & filters.TEXT & ~filters.FORWARDED, feedback.hear_text))
    add(MessageHandler(EDITED & filters.TEXT, feedback.hear_edit))
    add(MessageHandler(SENT & ~filters.StatusUpdate.ALL, others.explain))
    add(CallbackQueryHandler(presses.press))
    add(MessageReactionHandler(reactions.hear_reaction))


__all__ = ["register"]
