"""The commands that answer with words."""

from telegram import Update

from bot import replies
from bot.context import Context
from bot.handlers.consent import keep_faces
from bot.handlers.people import greet
from bot.handlers.sending import say
from bot.handlers.statistics import is_admin
from bot.replies import Reply
from store import people


async def start(update: Update, context: Context) -> None:
    """Says what this is and what to do first."""
    if update.effective_user is not None:
        _, texts = await greet(context, update.effective_user)
        await _answer(update, context, replies.start(texts))


async def help_(update: Update, context: Context) -> None:
    """Says what one can say and do; administrators are told of `/stats` and `/review`."""
    user = update.effective_user
    if user is not None:
        _, texts = await greet(context, user)
        asking = context.services.settings.asking
        reply = replies.help_(texts, admin=is_admin(context, user), asking=asking)
        await _answer(update, context, reply)


async def privacy(update: Update, context: Context) -> None:
    """Says what is kept, before and after consent."""
    if update.effective_user is not None:
        _, texts = await greet(context, update.effective_user)
        await _answer(update, context, replies.privacy(texts))


async def consent(update: Update, context: Context) -> None:
    """Says how consent stands, with a button to give or withdraw it."""
    if update.effective_user is not None:
        person, texts = await greet(context, update.effective_user)
        await _answer(update, context, replies.consent_status(texts, person.consent))
        if person.consent == "given":
            await keep_faces(context, person.person_id)  # what could not be fetched before


async def model(update: Update, context: Context) -> None:
    """Says which model version reads new photos."""
    if update.effective_user is not None:
        _, texts = await greet(context, update.effective_user)
        version = context.services.recognizer.version
        await _answer(update, context, replies.model_answering(texts, version))


async def forget_me(update: Update, context: Context) -> None:
    """Asks whether everything about the person shall be erased."""
    if update.effective_user is not None:
        person, texts = await greet(context, update.effective_user)
        async with context.services.database.sessions.begin() as session:
            await people.ask_to_forget(session, person.person_id)
        await _answer(update, context, replies.forget_question(texts))


async def unknown(update: Update, context: Context) -> None:
    """Says that there is no such command."""
    if update.effective_user is not None:
        _, texts = await greet(context, update.effective_user)
        await _answer(update, context, replies.unknown_command(texts))


async def _answer(update: Update, context: Context, reply: Reply) -> None:
    message = update.message
    if message is not None:
        await say(context.bot, message.chat_id, reply, message.message_id)
