"""Readings and their faces: written once per photo, found again by id, chat or message."""

import secrets
from collections.abc import Sequence
from datetime import datetime
from typing import cast

from sqlalchemy import Select, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from store.clock import moment
from store.errors import FaceUnknown, ReadingUnknown
from store.records import Box, Face, Landmarks, NewFace, NewReading, Reading, ReadingStatus
from store.tables import FaceRow, ReadingRow
from store.upsert import insert_if_absent

# 9 random bytes are 12 URL-safe characters: they fit into a button's 64 bytes, and cannot be
# guessed.
ID_BYTES = 9


async def add_reading(
    session: AsyncSession, new: NewReading, *, now: datetime | None = None
) -> Reading:
    """Write a reading and its faces; return the one that is there where the photo was read before.

    The same photo is the same `inbox_id` and `photo_index`. The person must have been seen and the
    model version registered.
    """
    reading_id = secrets.token_urlsafe(ID_BYTES)
    inserted = await insert_if_absent(
        session,
        ReadingRow,
        {
            "id": reading_id,
            "person_id": new.person_id,
            "chat_id": new.chat_id,
            "inbox_id": new.inbox_id,
            "photo_index": new.photo_index,
            "file_id": new.file_id,
            "file_unique_id": new.file_unique_id,
            "photo_message_id": new.photo_message_id,
            "model_version": new.model_version,
            "status": new.status,
            "width": new.width,
            "height": new.height,
            "latency_ms": new.latency_ms,
            "created_at": moment(now),
        },
    )
    if not inserted:
        existing = await reading_of_inbox(session, cast(int, new.inbox_id), new.photo_index)
        return cast(Reading, existing)
    for number, face in enumerate(new.faces, start=1):
        session.add(_face_row(reading_id, new.person_id, number, face))
    await session.flush()
    return await reading(session, reading_id)


async def reading(session: AsyncSession, reading_id: str) -> Reading:
    """Return the reading with this id.

    Raises:
        ReadingUnknown: there is none, or it was erased.
    """
    found = await _one(session, select(ReadingRow).where(ReadingRow.id == reading_id))
    if found is None:
        raise ReadingUnknown("There is no such reading.")
    return found


async def reading_of_inbox(
    session: AsyncSession, inbox_id: int, photo_index: int = 0
) -> Reading | None:
    """Return what a photo of this update was read as, if it was: nothing need be computed again."""
    return await _one(
        session,
        select(ReadingRow).where(
            ReadingRow.inbox_id == inbox_id, ReadingRow.photo_index == photo_index
        ),
    )


async def latest_reading(session: AsyncSession, chat_id: int, person_id: int) -> Reading | None:
    """Return the person's newest reading in the chat, whatever its status."""
    return await _one(
        session,
        select(ReadingRow).where(ReadingRow.chat_id == chat_id, ReadingRow.person_id == person_id),
    )


async def reading_of_reply(session: AsyncSession, chat_id: int, message_id: int) -> Reading | None:
    """Return the reading that a message belongs to: the person's photo, or the bot's answer."""
    return await _one(
        session,
        select(ReadingRow).where(
            ReadingRow.chat_id == chat_id,
            or_(
                ReadingRow.photo_message_id == message_id,
                ReadingRow.reply_message_id == message_id,
            ),
        ),
    )


async def set_reply_message(session: AsyncSession, reading_id: str, message_id: int) -> None:
    """Remember which message answered; nothing happens where the reading was erased meanwhile."""
    await session.execute(
        update(ReadingRow).where(ReadingRow.id == reading_id).values(reply_message_id=message_id)
    )


def face_name(file_unique_id: str, number: int) -> str:
    """Return what a face is called, whoever sent its photo; `file_unique_id` is Telegram's."""
    return f"{file_unique_id}#{number}"


def face_of(about: Reading, number: int) -> Face:
    """Return the reading's face of this number.

    Raises:
        FaceUnknown: with the numbers that there are.
    """
    for face in about.faces:
        if face.number == number:
            return face
    raise FaceUnknown(number, tuple(face.number for face in about.faces))


def face_record(row: FaceRow) -> Face:
    """Return the row as a record; the crop itself stays in the database."""
    return Face(
        face_id=row.id,
        reading_id=row.reading_id,
        person_id=row.person_id,
        number=row.number,
        box=_box(row),
        landmarks=landmarks_record(row.landmarks),
        crowd=tuple(row.crowd),
        label=tuple(row.label),
        has_crop=row.crop_consented_at is not None,
        differing=tuple(row.differing or ()),
    )


def landmarks_record(points: Sequence[Sequence[float]]) -> Landmarks:
    """Return JSON's lists of x and y as tuples."""
    return tuple((point[0], point[1]) for point in points)


def _box(row: FaceRow) -> Box:
    return (row.box_left, row.box_top, row.box_right, row.box_bottom)


def _face_row(reading_id: str, person_id: int, number: int, face: NewFace) -> FaceRow:
    left, top, right, bottom = face.box
    return FaceRow(
        reading_id=reading_id,
        person_id=person_id,
        number=number,
        box_left=left,
        box_top=top,
        box_right=right,
        box_bottom=bottom,
        landmarks=[list(point) for point in face.landmarks],
        crowd=list(face.crowd),
        label=list(face.label),
        differing=list(face.differing) or None,
    )


async def _one(session: AsyncSession, query: Select[ReadingRow]) -> Reading | None:
    newest_first = query.order_by(ReadingRow.created_at.desc(), ReadingRow.photo_index).limit(1)
    row = await session.scalar(newest_first.execution_options(populate_existing=True))
    if row is None:
        return None
    faces = await session.scalars(
        select(FaceRow)
        .where(FaceRow.reading_id == row.id)
        .order_by(FaceRow.number)
        .execution_options(populate_existing=True)
    )
    return Reading(
        reading_id=row.id,
        person_id=row.person_id,
        chat_id=row.chat_id,
        inbox_id=row.inbox_id,
        photo_index=row.photo_index,
        file_id=row.file_id,
        file_unique_id=row.file_unique_id,
        photo_message_id=row.photo_message_id,
        reply_message_id=row.reply_message_id,
        model_version=row.model_version,
        status=cast(ReadingStatus, row.status),
        width=row.width,
        height=row.height,
        latency_ms=row.latency_ms,
        created_at=row.created_at,
        faces=tuple(face_record(face) for face in faces),
    )
