"""Photos: read once per update, answered with the annotated photo."""

import asyncio
import time
from dataclasses import dataclass

import structlog
from telegram import Message, Update, User

from bot import pictures, replies
from bot.context import Context
from bot.handlers.downloads import (
    FileGone,
    FileTooLarge,
    SentPhoto,
    fetch,
    sent_photo,
)
from bot.handlers.people import greet, meet, texts_for
from bot.handlers.sending import say, show, typing
from bot.replies import Reply
from bot.texts import Texts
from fer_model import PhotoRefused
from fer_model import Reading as FreshReading
from store import inbox, questions, readings
from store.errors import LeaseLost
from store.records import NewFace, NewReading, Question, Reading, ReadingStatus

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


async def read_photo(update: Update, context: Context) -> None:
    """Shows the photo with its faces boxed and charted, says the same in words, and may ask."""
    message, user = update.effective_message, update.effective_user
    if message is None or user is None:
        return
    photo = sent_photo(message)
    if photo is None:
        return
    if update.edited_message is not None and await _is_known(context, message, photo):
        return  # only the caption was edited
    await answer_photo(context, user, message.chat_id, photo)


async def answer_photo(context: Context, user: User, chat_id: int, photo: SentPhoto) -> None:
    """Read a photo, unless this update's was read before, and answer it."""
    async with typing(context.bot, chat_id):
        async with context.services.database.readers() as session:
            known = await readings.reading_of_inbox(session, context.claim.inbox_id)
        if known is not None and known.reply_message_id is not None:
            return  # the process died after it had answered
        try:
            seen = await _look(context, user, chat_id, photo, known)
        except FileGone:
            _, texts = await greet(context, user)
            await say(context.bot, chat_id, replies.download_failed(texts), photo.message_id)
            return
        except LeaseLost:
            log.info("photo not answered: its claim is gone")
            return
        answer = await _answer(context, chat_id, seen)
        async with context.services.database.sessions.begin() as session:
            await readings.set_reply_message(session, seen.reading.reading_id, answer.message_id)


@dataclass(frozen=True)
class _Seen:
    """A reading as it was written down, with what answering it takes."""

    reading: Reading
    texts: Texts
    photo: bytes = b""
    refused: PhotoRefused | None = None
    asked: Question | None = None


async def _is_known(context: Context, message: Message, photo: SentPhoto) -> bool:
    async with context.services.database.readers() as session:
        known = await readings.reading_of_reply(session, message.chat_id, message.message_id)
    return known is not None and known.file_unique_id == photo.file_unique_id


async def _look(
    context: Context, user: User, chat_id: int, photo: SentPhoto, known: Reading | None
) -> _Seen:
    """Fetch and read the photo and write the reading down; what is known is not read again.

    Raises:
        FileGone: Telegram no longer has the photo.
        LeaseLost: the sender was erased meanwhile, or another worker reads the photo.
    """
    began = time.perf_counter()
    content, refused = b"", None
    fresh: FreshReading | None = None
    status: ReadingStatus = "too_large"
    try:
        content = await fetch(context.bot, photo.file_id, photo.size)
        if known is None or known.status == "unreadable":
            fresh = await context.services.recognizer.read(content)
            status = _status_of(fresh)
    except FileTooLarge:
        pass
    except PhotoRefused as error:
        refused, status = error, "unreadable"
    latency_ms = (time.perf_counter() - began) * 1000
    async with context.services.database.sessions.begin() as session:
        # They may have asked to be forgotten in another chat while the photo was read here.
        await inbox.check_claim(session, context.claim)
        person = await meet(session, user)
        reading = known or await readings.add_reading(
            session,
            NewReading(
                person_id=user.id,
                chat_id=chat_id,
                inbox_id=context.claim.inbox_id,
                file_id=photo.file_id,
                file_unique_id=photo.file_unique_id,
                photo_message_id=photo.message_id,
                model_version=fresh.version if fresh else context.services.recognizer.version,
                faces=_faces_of(fresh),
                status=status,
                width=fresh.width if fresh else None,
                height=fresh.height if fresh else None,
                latency_ms=latency_ms if fresh else None,
            ),
        )
        asked = await questions.question_of_two(session, reading.reading_id)
        if known is None and asked is None and context.services.settings.asking:
            asked = await questions.ask_about_doubt(session, reading)
    return _Seen(reading, texts_for(context, person), content, refused, asked)


def _status_of(fresh: FreshReading) -> ReadingStatus:
    if fresh.faces:
        return "read"
    return "face_too_small" if fresh.too_small else "no_face"


def _faces_of(fresh: FreshReading | None) -> tuple[NewFace, ...]:
    if fresh is None:
        return ()
    return tuple(
        NewFace(face.box, face.landmarks, face.blend.crowd, face.blend.label, face.blend.differing)
        for face in fresh.faces
    )


async def _answer(context: Context, chat_id: int, seen: _Seen) -> Message:
    reading = seen.reading
    if reading.status != "read":
        return await say(context.bot, chat_id, _excuse(seen), reading.photo_message_id)
    picture = await asyncio.to_thread(pictures.reading_picture, seen.photo, reading, seen.texts)
    caption = replies.reading_reply(seen.texts, reading, asked=seen.asked)
    return await show(context.bot, chat_id, picture, caption, reading.photo_message_id)


def _excuse(seen: _Seen) -> Reply:
    match seen.reading.status:
        case "no_face":
            return replies.no_face(seen.texts)
        case "face_too_small":
            return replies.face_too_small(seen.texts)
        case "too_large":
            return replies.file_too_large(seen.texts)
        case _:
            return replies.photo_refused(seen.texts, seen.refused or PhotoRefused())
