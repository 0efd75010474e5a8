"""Reactions to the bot's readings: 👍 confirms, 👎 asks, and taking 👍 back takes its word back."""

from telegram import MessageReactionUpdated, ReactionTypeEmoji, Update
from telegram.constants import ReactionEmoji

from bot import conversation, replies
from bot.context import Context
from bot.conversation import Heard, Speaker
from bot.handlers.feedback import tell
from bot.handlers.people import meet, texts_for
from bot.meanings import Rejection
from store import feedback, readings


async def hear_reaction(update: Update, context: Context) -> None:
    """Says what 👍 was noted as, or asks after 👎; other reactions are left alone.

    One 👍 agrees with every face of the reading that was not spoken about, except in a crowd, where
    the bot asks which face is meant.
    """
    reaction = update.message_reaction
    if reaction is None or reaction.user is None or reaction.user.is_bot:
        return
    added, removed = _changed(reaction)
    if not {ReactionEmoji.THUMBS_UP, ReactionEmoji.THUMBS_DOWN} & (added | removed):
        return
    chat_id, user = reaction.chat.id, reaction.user
    speaker = Speaker(user.id, chat_id, "reaction")
    async with context.services.database.sessions.begin() as session:
        about = await readings.reading_of_reply(session, chat_id, reaction.message_id)
        if (
            about is None
            or about.reply_message_id != reaction.message_id
            or not about.faces
            or not conversation.may_speak(user.id, about)
        ):
            return
        person = await meet(session, user)
        texts = texts_for(context, person)
        if ReactionEmoji.THUMBS_UP in added:
            heard = await conversation.hear_thumbs_up(session, texts, speaker, about)
        elif ReactionEmoji.THUMBS_DOWN in added:
            heard = await conversation.hear(session, texts, speaker, about, Rejection())
        elif ReactionEmoji.THUMBS_UP in removed:
            said = await feedback.feedback_of_reading(session, about.reading_id, user.id)
            undone = [
                await feedback.undo_feedback(session, one.feedback_id, user.id, source="reaction")
                for one in said
                if one.source == "reaction" and one.kind == "confirmation"
            ]
            heard = Heard(tuple(replies.undone(texts, done, about) for done in undone))
        else:
            return
    await tell(context, person, texts, heard, chat_id, reaction.message_id)


def _changed(reaction: MessageReactionUpdated) -> tuple[set[str], set[str]]:
    """Return the emoji that were added, and those that were taken back."""
    before = {one.emoji for one in reaction.old_reaction if isinstance(one, ReactionTypeEmoji)}
    after = {one.emoji for one in reaction.new_reaction if isinstance(one, ReactionTypeEmoji)}
    return after - before, before - after
