"""What people write about a reading, and what they make of it by editing."""

from telegram import Message, Update, User
from telegram.constants import ChatType

from bot import conversation
from bot.buttons import decode
from bot.context import Context
from bot.conversation import Heard, RepliedTo, Speaker
from bot.handlers.addressed import words_for_bot
from bot.handlers.consent import after_feedback
from bot.handlers.deletion import empty_log
from bot.handlers.downloads import SentPhoto, sent_photo
from bot.handlers.people import meet, texts_for
from bot.handlers.photos import answer_photo
from bot.handlers.sending import say
from bot.texts import Texts
from store import readings
from store.records import Person


async def hear_text(update: Update, context: Context) -> None:
    """Says what was understood, with Undo; asks where it was not, and hints where it could not."""
    message, user = update.message, update.effective_user
    if message is None or user is None:
        return
    unread = await _unread_photo(context, message, user)
    if unread is not None:
        await answer_photo(context, user, message.chat_id, unread)
        return
    speaker = Speaker(user.id, message.chat_id, "text", message.message_id)
    async with context.services.database.sessions.begin() as session:
        person = await meet(session, user)
        texts = texts_for(context, person)
        heard = await conversation.listen(
            session, texts, speaker, words_for_bot(message), replied_to(message)
        )
    await tell(context, person, texts, heard, message.chat_id, message.message_id)


async def hear_edit(update: Update, context: Context) -> None:
    """Says what the edited message is noted as now; nothing if it was no feedback and is none."""
    message, user = update.edited_message, update.effective_user
    if message is None or user is None:
        return
    speaker = Speaker(user.id, message.chat_id, "edit", message.message_id)
    async with context.services.database.sessions.begin() as session:
        person = await meet(session, user)
        texts = texts_for(context, person)
        heard = await conversation.listen_again(
            session, texts, speaker, words_for_bot(message), replied_to(message)
        )
    if heard is not None:
        await tell(context, person, texts, heard, message.chat_id, message.message_id)


async def tell(
    context: Context,
    person: Person,
    texts: Texts,
    heard: Heard,
    chat_id: int,
    to: int | None,
) -> None:
    """Say everything that was decided, then see to consent."""
    if person.consent == "given":
        await empty_log(context)  # "no" and edits take feedback back, and its face with it
    for reply in heard.replies:
        await say(context.bot, chat_id, reply, to)
    await after_feedback(context, person, texts, chat_id, heard)


def replied_to(message: Message) -> RepliedTo | None:
    """Return the message that this one replies to, if there is one."""
    replied = message.reply_to_message
    if replied is None:
        return None
    rows = () if replied.reply_markup is None else replied.reply_markup.inline_keyboard
    data = [one.callback_data for row in rows for one in row if isinstance(one.callback_data, str)]
    buttons = (decode(one) for one in data)
    return RepliedTo(replied.message_id, tuple(one for one in buttons if one is not None))


async def _unread_photo(context: Context, message: Message, user: User) -> SentPhoto | None:
    """Return the person's own photo that they name the bot under, in a group, if it is unread."""
    replied = message.reply_to_message
    if message.chat.type == ChatType.PRIVATE or replied is None or replied.from_user != user:
        return None
    photo = sent_photo(replied)
    if photo is None:
        return None
    async with context.services.database.readers() as session:
        known = await readings.reading_of_reply(session, message.chat_id, replied.message_id)
    return photo if known is None else None
