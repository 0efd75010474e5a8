"""What is neither a photo nor words."""

from collections.abc import Sequence

from telegram import Message, Update

from bot import replies
from bot.context import Context
from bot.handlers.people import greet
from bot.handlers.sending import say
from bot.replies import OtherKind

# In this order: Telegram names an animation as a document, too.
KINDS: Sequence[OtherKind] = (
    "animation",
    "sticker",
    "video",
    "video_note",
    "voice",
    "audio",
    "document",
)


async def explain(update: Update, context: Context) -> None:
    """Says that the bot reads photos, and asks for one."""
    message, user = update.message, update.effective_user
    if message is None or user is None:
        return
    _, texts = await greet(context, user)
    reply = replies.photos_only(texts, kind_of(message))
    await say(context.bot, message.chat_id, reply, message.message_id)


def kind_of(message: Message) -> OtherKind:
    """Return what a message brings instead of a photo."""
    for kind in KINDS:
        if getattr(message, kind) is not None:
            return kind
    return "other"
