"""Consent: asked once, after the first feedback; with it faces are kept, without it none is."""

import asyncio
from collections.abc import Iterable, Sequence
from itertools import groupby

import structlog
from telegram.error import TelegramError

from bot import replies
from bot.context import Context
from bot.conversation import Heard
from bot.handlers.downloads import DownloadRefused, fetch
from bot.handlers.sending import say
from bot.texts import Texts
from fer_model import PhotoRefused, kept_crop
from store import people
from store.errors import ConsentMissing, FaceUnknown, FeedbackUnknown, ReadingUnknown
from store.records import Face, FaceToKeep, Person, Recorded

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


async def after_feedback(
    context: Context, person: Person, texts: Texts, chat_id: int, heard: Heard
) -> None:
    """Ask for consent after the first feedback; where it was given, keep the faces spoken about."""
    if not heard.recorded:
        return
    if person.consent == "unknown":
        # Sent first and noted then: rather asked twice by a crash than never.
        # In a group, under the person's own photo: only whom it replies to may press its buttons.
        photo = None if heard.reading is None else heard.reading.photo_message_id
        to = photo if chat_id != person.person_id else None
        await say(context.bot, chat_id, replies.consent_question(texts), to)
        async with context.services.database.sessions.begin() as session:
            await people.mark_consent_asked(session, person.person_id)
    elif person.consent == "given":
        try:
            await keep_faces(context, person.person_id, heard.recorded)
        except TelegramError as error:
            # The feedback stands and is acknowledged; `/consent` fetches what is missing.
            log.warning("face not kept", error=type(error).__name__)


async def keep_faces(
    context: Context, person_id: int, recorded: Sequence[Recorded] | None = None
) -> int:
    """Keep the crops of the person's faces with feedback, or of these; return how many it were.

    Photos are fetched again by their file ids; one that Telegram no longer has is passed over.
    """
    async with context.services.database.sessions.begin() as session:
        missing = await people.faces_without_crop(session, person_id)
    if recorded is not None:
        wanted = {said.face.face_id for said in recorded}
        missing = tuple(one for one in missing if one.face.face_id in wanted)
    kept = 0
    in_order = sorted(missing, key=lambda one: one.file_id)
    for file_id, faces in groupby(in_order, key=lambda one: one.file_id):
        kept += await _keep_faces_of(context, file_id, faces)
    return kept


async def _keep_faces_of(context: Context, file_id: str, faces: Iterable[FaceToKeep]) -> int:
    try:
        photo = await fetch(context.bot, file_id)
    except DownloadRefused as error:
        log.info("photo no longer available", error=type(error).__name__)
        return 0
    kept = 0
    for to_keep in faces:
        try:
            crop = await asyncio.to_thread(kept_crop, photo, to_keep.face.landmarks)
            await _keep(context, to_keep.face, crop)
        except (
            PhotoRefused,
            FaceUnknown,
            FeedbackUnknown,
            ReadingUnknown,
            ConsentMissing,
        ) as error:
            log.info("face passed over", error=type(error).__name__)
        else:
            kept += 1
    return kept


async def _keep(context: Context, face: Face, crop: bytes) -> None:
    async with context.services.database.sessions.begin() as session:
        await people.keep_crop(session, face.face_id, crop)
