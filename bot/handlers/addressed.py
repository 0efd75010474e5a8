"""Whether a message is for the bot: in a private chat always, in a group if it names the bot."""

from collections.abc import Mapping

from telegram import Message, MessageEntity
from telegram.constants import ChatType
from telegram.ext import filters


class _Addressed(filters.MessageFilter):
    """A person's message that the bot should answer."""

    def filter(self, message: Message) -> bool:
        if message.from_user is None or message.from_user.is_bot:
            return False
        return (
            message.chat.type == ChatType.PRIVATE or _is_reply_to_bot(message) or is_named(message)
        )


ADDRESSED = _Addressed(name="ADDRESSED")


def is_named(message: Message) -> bool:
    """Return whether the words of a message mention the bot, or give a command to it by name."""
    return any(_names_bot(message, *found) for found in _entities(message).items())


def words_for_bot(message: Message) -> str:
    """Return the text or caption without the mentions of the bot."""
    words = message.text or message.caption or ""
    for entity, part in _entities(message).items():
        if entity.type != MessageEntity.BOT_COMMAND and _names_bot(message, entity, part):
            words = words.replace(part, " ")
    return words.strip()


def _is_reply_to_bot(message: Message) -> bool:
    replied = message.reply_to_message
    author = None if replied is None else replied.from_user
    return author is not None and author.id == message.get_bot().id


def _names_bot(message: Message, entity: MessageEntity, part: str) -> bool:
    bot = message.get_bot()
    name = f"@{bot.username}".lower()
    match entity.type:
        case MessageEntity.MENTION:
            return part.lower() == name
        case MessageEntity.BOT_COMMAND:
            return part.lower().endswith(name)
        case MessageEntity.TEXT_MENTION:
            return entity.user is not None and entity.user.id == bot.id
        case _:
            return False


def _entities(message: Message) -> Mapping[MessageEntity, str]:
    return message.parse_entities() if message.text else message.parse_caption_entities()
