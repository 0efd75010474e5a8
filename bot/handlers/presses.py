"""Pressed buttons: every press is answered, also one of a button that means nothing any more."""

import asyncio
from dataclasses import dataclass, field
from typing import TypeAlias

import structlog
from telegram import CallbackQuery, InlineKeyboardMarkup, Message, Update
from telegram.constants import ChatType
from telegram.error import BadRequest, NetworkError

from bot import conversation, pictures, replies
from bot.buttons import (
    AskCorrection,
    Button,
    ChooseFace,
    Confirm,
    Correct,
    DeclineConsent,
    EndReview,
    ForgetMe,
    GiveConsent,
    KeepMe,
    Page,
    PickFace,
    Rule,
    StatisticsRange,
    Undo,
    Unrule,
    decode,
)
from bot.context import Context
from bot.conversation import Heard, Speaker
from bot.handlers.consent import after_feedback, keep_faces
from bot.handlers.deletion import empty_log
from bot.handlers.downloads import DownloadRefused, fetch
from bot.handlers.people import greet
from bot.handlers.review import Card, next_review, review_again, review_closed, show_card
from bot.handlers.sending import (
    change_keyboard,
    change_picture,
    change_text,
    say,
    show,
    toast,
)
from bot.handlers.statistics import chart_of, is_admin
from bot.meanings import Confirmation, Correction
from bot.pages import page_count, page_of_face
from bot.replies import Reply
from bot.texts import Texts
from store import feedback, people, questions, readings, rulings
from store.errors import (
    FeedbackUnknown,
    NotYourFeedback,
    QuestionUnknown,
    ReadingUnknown,
)
from store.records import Person, Reading, RulingVerdict, Undone

# A reader of another chat ends within moments; until then the log cannot be emptied.
LAST_WORD_PAUSES_S = (0.5, 2.0, 5.0)

Toast: TypeAlias = Reply | None
"""The words over the pressed button, if any."""

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


@dataclass
class Press:
    """One pressed button: who pressed it, under which message, and whether it was answered."""

    context: Context
    query: CallbackQuery
    person: Person
    texts: Texts
    answered: bool = field(default=False, init=False)

    @property
    def chat_id(self) -> int:
        """Where the button is."""
        message = self.query.message
        return self.person.person_id if message is None else message.chat.id

    @property
    def message_id(self) -> int | None:
        """The message under which it is, also where the bot can no longer see that one."""
        return None if self.query.message is None else self.query.message.message_id

    @property
    def message(self) -> Message | None:
        """The same message, as far as the bot can see it."""
        message = self.query.message
        return message if isinstance(message, Message) else None

    @property
    def speaker(self) -> Speaker:
        """Who speaks by pressing."""
        return Speaker(self.person.person_id, self.chat_id, "button")

    async def answer(self, words: Toast = None) -> None:
        """End the wait over the button; one that waited too long stays as it is."""
        if self.answered:
            return
        self.answered = True
        try:
            await self.query.answer(None if words is None else toast(words))
        except BadRequest as error:
            log.info("press not answered", reason=error.message)

    async def replace_message(self, reply: Reply) -> None:
        """Put a reply in the place of the message, or below it where it cannot be edited."""
        bot = self.context.bot
        if self.message is None or not await change_text(
            bot, self.chat_id, self.message.message_id, reply
        ):
            await say(bot, self.chat_id, reply, self.message_id)

    async def replace_keyboard(self, keyboard: InlineKeyboardMarkup | None) -> bool:
        """Put other buttons under the message; False where that cannot be done."""
        if self.message is None:
            return False
        bot = self.context.bot
        return await change_keyboard(bot, self.chat_id, self.message.message_id, keyboard)


async def press(update: Update, context: Context) -> None:
    """Does what the button says; what cannot be done is explained over the button."""
    query = update.callback_query
    if query is None:
        return
    person, texts = await greet(context, query.from_user)
    pressed = Press(context, query, person, texts)
    words: Toast = None
    try:
        words = await _do(pressed, decode(query.data or ""))
    except (ReadingUnknown, FeedbackUnknown):
        words = replies.reading_gone(texts)
    except QuestionUnknown:
        words = replies.stale_button(texts)
    except NotYourFeedback:
        words = replies.not_your_reading(texts)
    finally:
        await pressed.answer(words)


async def _do(pressed: Press, button: Button | None) -> Toast:
    match button:
        case Confirm(reading_id, face):
            return await _say_about(pressed, reading_id, Confirmation(face))
        case Correct(reading_id, face, emotion):
            return await _say_about(pressed, reading_id, Correction(emotion, face))
        case AskCorrection(reading_id, face):
            return await _ask_correction(pressed, reading_id, face)
        case PickFace(reading_id, face):
            return await _pick_face(pressed, reading_id, face)
        case ChooseFace(question_id, face):
            return await _choose_face(pressed, question_id, face)
        case Page(reading_id, page):
            return await _turn_page(pressed, reading_id, page)
        case Undo(feedback_id):
            return await _undo(pressed, feedback_id)
        case StatisticsRange(days):
            return await _change_range(pressed, days)
        case Rule() | Unrule() | EndReview():
            return await _review(pressed, button)
        case GiveConsent() | DeclineConsent() | ForgetMe() | KeepMe():
            return await _decide(pressed, button)
        case None:
            return replies.stale_button(pressed.texts)


# About a reading


async def _say_about(pressed: Press, reading_id: str, meaning: Confirmation | Correction) -> Toast:
    """Says what was noted, with Undo: below the reading, or in the place of the bot's question."""
    async with pressed.context.services.database.sessions.begin() as session:
        about = await readings.reading(session, reading_id)
        asked = await questions.question_of_two(session, reading_id)
        heard = await conversation.hear(session, pressed.texts, pressed.speaker, about, meaning)
    if not heard.recorded:
        return heard.replies[0]
    if _shows(pressed, about):
        page = page_of_face(about, heard.recorded[0].feedback.face_number)
        await pressed.answer()
        keyboard = replies.reading_keyboard(pressed.texts, about, page, asked)
        await pressed.replace_keyboard(keyboard)
        await _tell(pressed, heard, about.reply_message_id)
    else:
        await _tell_instead(pressed, heard)
    return None


async def _ask_correction(pressed: Press, reading_id: str, face: int) -> Toast:
    """Shows the emotions to choose from under the reading; a typed one counts, too."""
    async with pressed.context.services.database.sessions.begin() as session:
        about = await readings.reading(session, reading_id)
        refusal = _refusal(pressed, about, face)
        if refusal is not None:
            return refusal
        await conversation.await_emotion(session, pressed.speaker, about, face)
    keyboard = replies.emotion_keyboard(pressed.texts, about, face)
    if not await pressed.replace_keyboard(keyboard):
        question = replies.which_emotion(pressed.texts, about, face)
        await say(pressed.context.bot, pressed.chat_id, question, pressed.message_id)
    return None


async def _pick_face(pressed: Press, reading_id: str, face: int) -> Toast:
    """Shows Yes and No for one face of several."""
    about = await _reading(pressed, reading_id)
    refusal = _refusal(pressed, about, face)
    if refusal is not None:
        return refusal
    keyboard = replies.face_keyboard(pressed.texts, about, face)
    if not await pressed.replace_keyboard(keyboard):
        return replies.message_gone(pressed.texts)
    return None


async def _turn_page(pressed: Press, reading_id: str, page: int) -> Toast:
    """Shows a page of the reading; of a reading of one page its first buttons again."""
    about = await _reading(pressed, reading_id)
    refusal = _refusal(pressed, about)
    if refusal is not None:
        return refusal
    pages = page_count(about)
    if not 0 <= page < pages:
        return replies.stale_button(pressed.texts)
    if pages == 1:
        async with pressed.context.services.database.readers() as session:
            asked = await questions.question_of_two(session, reading_id)
        keyboard = replies.reading_keyboard(pressed.texts, about, asked=asked)
        changed = await pressed.replace_keyboard(keyboard)
        return None if changed else replies.message_gone(pressed.texts)
    await pressed.answer()
    try:
        photo = await fetch(pressed.context.bot, about.file_id)
    except DownloadRefused:
        reply = replies.download_failed(pressed.texts)
        await say(pressed.context.bot, pressed.chat_id, reply, pressed.message_id)
        return None
    picture = await asyncio.to_thread(pictures.reading_picture, photo, about, pressed.texts, page)
    caption = replies.reading_reply(pressed.texts, about, page)
    await _replace_picture(pressed, picture, caption)
    return None


async def _choose_face(pressed: Press, question_id: int, face: int) -> Toast:
    """Says what was noted for the chosen face, or asks on, in the place of the question."""
    async with pressed.context.services.database.sessions.begin() as session:
        person_id = pressed.person.person_id
        question = await questions.question(session, question_id, person_id)
        heard = await conversation.choose_faces(
            session, pressed.texts, person_id, question, (face,)
        )
    if heard is None:
        await pressed.replace_keyboard(None)
        return replies.stale_button(pressed.texts)
    await _tell_instead(pressed, heard)
    return None


async def _undo(pressed: Press, feedback_id: int) -> Toast:
    """Says that it was undone, in the place of the acknowledgement; a second time over the button.

    Where the message acknowledges several faces, only this one's button goes.
    """
    async with pressed.context.services.database.sessions.begin() as session:
        done = await feedback.undo_feedback(session, feedback_id, pressed.person.person_id)
        about = await readings.reading(session, done.feedback.reading_id)
    await empty_log(pressed.context)  # a face may have been deleted with it
    reply = replies.undone(pressed.texts, done, about)
    if done.outcome == "superseded" or not _is_offered(pressed.message, pressed.query.data, done):
        return reply
    await pressed.answer()
    others = _buttons_but(pressed.message, pressed.query.data)
    if others is None:
        await pressed.replace_message(reply)
    else:
        await pressed.replace_keyboard(others)
        await say(pressed.context.bot, pressed.chat_id, reply, pressed.message_id)
    return None


async def _reading(pressed: Press, reading_id: str) -> Reading:
    async with pressed.context.services.database.readers() as session:
        return await readings.reading(session, reading_id)


def _refusal(pressed: Press, about: Reading, face: int | None = None) -> Toast:
    if not conversation.may_speak(pressed.person.person_id, about):
        return replies.not_your_reading(pressed.texts)
    if face is not None and all(known.number != face for known in about.faces):
        return replies.stale_button(pressed.texts)
    return None


def _shows(pressed: Press, about: Reading) -> bool:
    """Return whether the button is under the reading itself, not under one of the questions."""
    message = pressed.message
    if message is None:
        return False
    return bool(message.photo) or message.message_id == about.reply_message_id


def _is_offered(message: Message | None, pressed_data: str | None, done: Undone) -> bool:
    """Return whether the undo is still to be shown: it is new, or showing it had failed."""
    if done.outcome == "undone":
        return True
    if message is None or message.reply_markup is None:
        return False
    rows = message.reply_markup.inline_keyboard
    return any(one.callback_data == pressed_data for row in rows for one in row)


def _buttons_but(message: Message | None, pressed_data: str | None) -> InlineKeyboardMarkup | None:
    """Return the message's buttons without the pressed one; None where no other is left."""
    if message is None or message.reply_markup is None:
        return None
    rows = [
        [one for one in row if one.callback_data != pressed_data]
        for row in message.reply_markup.inline_keyboard
    ]
    left = [row for row in rows if row]
    return InlineKeyboardMarkup(left) if left else None


async def _tell(pressed: Press, heard: Heard, to: int | None) -> None:
    for reply in heard.replies:
        await say(pressed.context.bot, pressed.chat_id, reply, to)
    await after_feedback(pressed.context, pressed.person, pressed.texts, pressed.chat_id, heard)


async def _tell_instead(pressed: Press, heard: Heard) -> None:
    """Say the first thing in the place of the message, and what else there is below it."""
    first, *others = heard.replies
    await pressed.answer()
    await pressed.replace_message(first)
    rest = Heard(tuple(others), heard.recorded, heard.reading)
    await _tell(pressed, rest, pressed.message_id)


# About the person


async def _decide(
    pressed: Press, button: GiveConsent | DeclineConsent | ForgetMe | KeepMe
) -> Toast:
    """Does what the person decided about themselves; in a group nobody decides for another."""
    if _asked_of_another(pressed):
        return replies.stale_button(pressed.texts)
    match button:
        case GiveConsent():
            await _give_consent(pressed)
        case DeclineConsent():
            await _decline_consent(pressed)
        case ForgetMe():
            await _forget(pressed)
        case KeepMe():
            async with pressed.context.services.database.sessions.begin() as session:
                await people.keep_after_all(session, pressed.person.person_id)
            await pressed.replace_message(replies.not_forgotten(pressed.texts))
    return None


async def _give_consent(pressed: Press) -> None:
    """Thanks, and says how many faces were kept."""
    person_id = pressed.person.person_id
    async with pressed.context.services.database.sessions.begin() as session:
        await people.set_consent(session, person_id, "given")
    await pressed.answer()
    kept = await keep_faces(pressed.context, person_id)
    await pressed.replace_message(replies.consent_given(pressed.texts, kept))


async def _decline_consent(pressed: Press) -> None:
    """Says that nothing is kept, or that what was kept is deleted."""
    database = pressed.context.services.database
    async with database.sessions.begin() as session:
        await people.set_consent(session, pressed.person.person_id, "withdrawn")
    await empty_log(pressed.context)
    if pressed.person.consent == "given":
        reply = replies.consent_withdrawn(pressed.texts)
    else:
        reply = replies.consent_declined(pressed.texts)
    await pressed.replace_message(reply)


async def _forget(pressed: Press) -> None:
    """Says how much was erased."""
    async with pressed.context.services.database.sessions.begin() as session:
        erased = await people.erase_person(
            session, pressed.person.person_id, up_to=pressed.context.claim.inbox_id
        )
    await empty_log(pressed.context)
    reply = replies.forgotten(pressed.texts, erased)
    # The update that asked for it was erased, too, so nobody will work on it again.
    for pause in LAST_WORD_PAUSES_S:
        try:
            await pressed.replace_message(reply)
        except NetworkError as error:
            log.info("not yet told", error=type(error).__name__)
            await asyncio.sleep(pause)
        else:
            return
    await pressed.replace_message(reply)


def _asked_of_another(pressed: Press) -> bool:
    message = pressed.message
    if message is None or message.chat.type == ChatType.PRIVATE:
        return False
    asked = message.reply_to_message
    return (
        asked is None or asked.from_user is None or asked.from_user.id != pressed.query.from_user.id
    )


# Administration


async def _change_range(pressed: Press, days: int | None) -> Toast:
    """Shows an administrator the chart of another range."""
    if not is_admin(pressed.context, pressed.query.from_user):
        return replies.not_admin(pressed.texts)
    await pressed.answer()
    chart, caption = await chart_of(pressed.context, pressed.texts, pressed.person.person_id, days)
    await _replace_picture(pressed, chart, caption)
    return None


async def _review(pressed: Press, button: Rule | Unrule | EndReview) -> Toast:
    """Writes the ruling down and puts the next piece of feedback in the place of this one.

    Whatever was ruled on or erased meanwhile is said over the button; then comes the next.
    """
    if not is_admin(pressed.context, pressed.query.from_user):
        return replies.not_admin(pressed.texts)
    if pressed.chat_id != pressed.person.person_id:
        return replies.review_in_private(pressed.texts)
    match button:
        case Rule(feedback_id, verdict):
            await _rule(pressed, feedback_id, verdict)
        case Unrule(feedback_id):
            await _unrule(pressed, feedback_id)
        case EndReview():
            await pressed.answer()
            admin_id = pressed.person.person_id
            end = await review_closed(pressed.context, pressed.texts, admin_id)
            await _replace_card(pressed, end)
    return None


async def _rule(pressed: Press, feedback_id: int, verdict: RulingVerdict) -> None:
    admin_id = pressed.person.person_id
    async with pressed.context.services.database.sessions.begin() as session:
        outcome = await rulings.rule_in_review(session, feedback_id, verdict, admin_id=admin_id)
    await pressed.answer(replies.ruled(pressed.texts, outcome, verdict))
    undoable = feedback_id if outcome in ("ruled", "repeated") else None
    shown = await next_review(pressed.context, pressed.texts, admin_id, undoable)
    await _replace_card(pressed, shown)


async def _unrule(pressed: Press, feedback_id: int) -> None:
    admin_id = pressed.person.person_id
    async with pressed.context.services.database.sessions.begin() as session:
        outcome = await rulings.take_back(session, feedback_id, admin_id=admin_id)
    if outcome in ("ruled", "repeated"):
        await pressed.answer(replies.ruling_taken_back(pressed.texts))
        shown = await review_again(pressed.context, pressed.texts, admin_id, feedback_id)
    else:
        await pressed.answer(replies.ruled(pressed.texts, outcome, "skipped"))
        shown = await next_review(pressed.context, pressed.texts, admin_id, None)
    await _replace_card(pressed, shown)


async def _replace_card(pressed: Press, card: Card) -> None:
    seen = None if pressed.message is None else pressed.message.message_id
    await show_card(
        pressed.context, pressed.texts, pressed.chat_id, card, seen, to=pressed.message_id
    )


async def _replace_picture(pressed: Press, picture: bytes, caption: Reply) -> None:
    bot, message = pressed.context.bot, pressed.message
    if message is None or not await change_picture(
        bot, pressed.chat_id, message.message_id, picture, caption
    ):
        await show(bot, pressed.chat_id, picture, caption, pressed.message_id)
