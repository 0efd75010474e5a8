"""Confirmations and corrections: append-only, at most one active per face and person."""

import math
from collections.abc import Sequence
from datetime import datetime
from typing import TypeVarTuple, cast

from sqlalchemy import ColumnElement, Select, exists, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from store.clock import moment
from store.emotions import EMOTIONS, top_emotion
from store.errors import EmotionUnknown, FeedbackUnknown, NotYourFeedback, NotYourReading
from store.policy import Refused, may_speak
from store.readings import face_name, face_of, landmarks_record, reading
from store.records import (
    Face,
    Feedback,
    FeedbackCounts,
    FeedbackKind,
    FeedbackSource,
    MessageRef,
    Probabilities,
    Recorded,
    TrainingFace,
    Undone,
)
from store.tables import FaceRow, FeedbackRow, PersonRow, QuestionRow, ReadingRow

Columns = TypeVarTuple("Columns")


async def record_feedback(
    session: AsyncSession,
    *,
    person_id: int,
    reading_id: str,
    face_number: int,
    emotion: str | None,
    shares: Sequence[float] | None = None,
    source: FeedbackSource,
    message: MessageRef | None = None,
    now: datetime | None = None,
) -> Recorded:
    """Write what a person says about a face, in place of what they said about it before.

    `emotion` None agrees with the blend; naming the blend's own top emotion agrees as well. A
    mixture is given by its seven `shares`, which sum to 1, and no `emotion`: that is then the
    largest, of equal ones the blend's favourite. Saying the same again writes nothing, so a handler
    that is run twice records once.

    Raises:
        ValueError: `shares` are no shares, or an emotion was given beside them.
        ReadingUnknown, FaceUnknown, EmotionUnknown: nothing to speak about.
        NotYourReading: the policy refused.
    """
    if emotion is not None and emotion not in EMOTIONS:
        raise EmotionUnknown(emotion)
    mixture = None if shares is None else _checked_shares(shares, emotion)
    about = await reading(session, reading_id)
    if isinstance(may_speak(person_id, about), Refused):
        raise NotYourReading("This reading is somebody else's.")
    face = face_of(about, face_number)
    await lock_face(session, face.face_id)
    top = top_emotion(face.crowd)
    said = emotion or (top if mixture is None else _largest(mixture, top))
    kind: FeedbackKind = "confirmation" if said == top else "correction"
    first = not await _has_spoken(session, person_id)
    standing = await _active_row(session, face.face_id, person_id)
    previous = None if standing is None else _record(standing, face)
    if standing is not None and _says(standing, kind, said, mixture):
        return Recorded(_record(standing, face), face, previous=None, repeated=True, first=False)
    if standing is not None:
        standing.active = False
        await session.flush()  # before the new row, or the unique index would see two
    row = FeedbackRow(
        face_id=face.face_id,
        person_id=person_id,
        kind=kind,
        emotion=said,
        shares=None if mixture is None else list(mixture),
        source=source,
        chat_id=None if message is None else message.chat_id,
        message_id=None if message is None else message.message_id,
        supersedes_id=None if standing is None else standing.id,
        active=True,
        created_at=moment(now),
    )
    session.add(row)
    await session.flush()
    return Recorded(_record(row, face), face, previous=previous, repeated=False, first=first)


async def undo_feedback(
    session: AsyncSession,
    feedback_id: int,
    person_id: int,
    *,
    source: FeedbackSource = "button",
    now: datetime | None = None,
) -> Undone:
    """Take feedback back: the face then has none of this person, not what was said before it.

    A second undo is `already_undone`, one of feedback that was revised since is `superseded`;
    neither changes anything. A face that nobody speaks about any more loses its crop.

    Raises:
        FeedbackUnknown: there is none, or it was erased.
        NotYourFeedback: somebody else gave it.
    """
    found = await feedback(session, feedback_id)
    if found.person_id != person_id:
        raise NotYourFeedback("Somebody else gave this feedback.")
    await lock_face(session, found.face_id)
    row = await session.get_one(FeedbackRow, feedback_id, populate_existing=True)
    if not row.active:
        successor = await session.scalar(
            select(FeedbackRow.kind).where(FeedbackRow.supersedes_id == feedback_id)
        )
        current = await feedback(session, feedback_id)
        return Undone(current, "already_undone" if successor == "retraction" else "superseded")
    row.active = False
    session.add(
        FeedbackRow(
            face_id=row.face_id,
            person_id=person_id,
            kind="retraction",
            emotion=None,
            source=source,
            chat_id=row.chat_id,
            message_id=row.message_id,
            supersedes_id=row.id,
            active=False,
            created_at=moment(now),
        )
    )
    await session.flush()
    await _drop_unneeded_crop(session, row.face_id)
    return Undone(await feedback(session, feedback_id), "undone")


async def feedback(session: AsyncSession, feedback_id: int) -> Feedback:
    """Return one piece of feedback, active or not.

    Raises:
        FeedbackUnknown: there is none, or it was erased.
    """
    found = await _records(session, _joined(FeedbackRow.id == feedback_id))
    if not found:
        raise FeedbackUnknown("There is no such feedback.")
    return found[0]


async def feedback_of_message(
    session: AsyncSession, chat_id: int, message_id: int, person_id: int
) -> tuple[Feedback, ...]:
    """Return what a person's message said, one per face, each the newest; undone ones included.

    An edited message revises these: record feedback for the same reading and face again.
    """
    rows = await _records(
        session,
        _joined(
            FeedbackRow.chat_id == chat_id,
            FeedbackRow.message_id == message_id,
            FeedbackRow.person_id == person_id,
            FeedbackRow.kind != "retraction",
        ),
    )
    newest = {row.face_id: row for row in rows}
    return tuple(sorted(newest.values(), key=lambda row: row.face_number))


async def feedback_of_reading(
    session: AsyncSession, reading_id: str, person_id: int
) -> tuple[Feedback, ...]:
    """Return what stands of what a person said about a reading, by face number."""
    rows = await _records(
        session,
        _joined(
            FaceRow.reading_id == reading_id,
            FeedbackRow.person_id == person_id,
            FeedbackRow.active.is_(True),
        ),
    )
    return tuple(sorted(rows, key=lambda row: row.face_number))


async def count_feedback(session: AsyncSession, *, since: datetime | None = None) -> FeedbackCounts:
    """Return how much feedback stands, of what was given at or after `since`.

    `trainable` is what `active_feedback_for_training` would return of it.
    """
    recent: list[ColumnElement[bool]] = [FeedbackRow.active.is_(True)]
    if since is not None:
        recent.append(FeedbackRow.created_at >= since)
    by_kind = await session.execute(
        select(FeedbackRow.kind, func.count()).where(*recent).group_by(FeedbackRow.kind)
    )
    counts = dict(by_kind.all())
    people = await session.scalar(
        select(func.count(FeedbackRow.person_id.distinct())).where(*recent)
    )
    may_be_learnt_from = await session.scalar(
        select(func.count()).select_from(
            trainable(select(FeedbackRow.id)).where(*recent).subquery()
        )
    )
    return FeedbackCounts(
        confirmations=counts.get("confirmation", 0),
        corrections=counts.get("correction", 0),
        people=people or 0,
        trainable=may_be_learnt_from or 0,
    )


async def active_feedback_for_training(session: AsyncSession) -> tuple[TrainingFace, ...]:
    """Return all feedback that stands, has a crop, and is from somebody who consents; by id."""
    rows = await session.execute(
        trainable(
            select(
                FeedbackRow,
                FaceRow,
                FaceRow.crop,
                ReadingRow.model_version,
                ReadingRow.file_unique_id,
                _was_asked(),
            )
        )
        .order_by(FeedbackRow.id)
        .execution_options(populate_existing=True)
    )
    return tuple(
        _training_face(
            said, face, crop, model_version, face_name(file_unique_id, face.number), asked
        )
        for said, face, crop, model_version, file_unique_id, asked in rows
    )


async def trainable_ids(session: AsyncSession) -> tuple[int, ...]:
    """Return the ids of what `active_feedback_for_training` would return, without any crop."""
    return tuple(await session.scalars(trainable(select(FeedbackRow.id)).order_by(FeedbackRow.id)))


def _checked_shares(shares: Sequence[float], emotion: str | None) -> Probabilities:
    """The shares as they are kept.

    Raises:
        ValueError: they are no shares, or an emotion was given beside them.
    """
    if emotion is not None:
        raise ValueError("give an emotion or shares, not both")
    if len(shares) != len(EMOTIONS) or min(shares) < 0 or not math.isclose(sum(shares), 1):
        raise ValueError(f"no shares of {len(EMOTIONS)} emotions: {list(shares)}")
    return tuple(shares)


def _largest(shares: Probabilities, top: str) -> str:
    most = max(shares)
    if math.isclose(shares[EMOTIONS.index(top)], most):
        return top
    return EMOTIONS[shares.index(most)]


def _says(row: FeedbackRow, kind: str, emotion: str, shares: Probabilities | None) -> bool:
    kept = None if row.shares is None else tuple(row.shares)
    return (row.kind, row.emotion, kept) == (kind, emotion, shares)


def _was_asked() -> ColumnElement[bool]:
    """Whether a question of two about the face was put to the giver before they spoke."""
    return exists().where(
        QuestionRow.kind == "which_of_two",
        QuestionRow.person_id == FeedbackRow.person_id,
        QuestionRow.reading_id == FaceRow.reading_id,
        QuestionRow.face_number == FaceRow.number,
        QuestionRow.created_at <= FeedbackRow.created_at,
    )


def _training_face(
    said: FeedbackRow,
    face: FaceRow,
    crop: bytes | None,
    model_version: str,
    name: str,
    asked: bool,
) -> TrainingFace:
    points = face.crop_landmarks
    return TrainingFace(
        feedback_id=said.id,
        face_id=face.id,
        face=name,
        reading_id=face.reading_id,
        person_id=said.person_id,
        kind=cast(FeedbackKind, said.kind),
        emotion=cast(str, said.emotion),
        crowd=tuple(face.crowd),
        label=tuple(face.label),
        model_version=model_version,
        crop=cast(bytes, crop),
        crop_landmarks=None if points is None else landmarks_record(points),
        created_at=said.created_at,
        shares=None if said.shares is None else tuple(said.shares),
        asked=asked,
    )


def trainable(columns: Select[*Columns]) -> Select[*Columns]:
    """Narrow to active feedback with a crop whose giver and whose face's owner both consent."""
    consenting = select(PersonRow.person_id).where(PersonRow.consent == "given")
    return (
        columns.select_from(FeedbackRow)
        .join(FaceRow, FaceRow.id == FeedbackRow.face_id)
        .join(ReadingRow, ReadingRow.id == FaceRow.reading_id)
        .where(
            FeedbackRow.active.is_(True),
            FaceRow.crop.is_not(None),
            FeedbackRow.person_id.in_(consenting),
            FaceRow.person_id.in_(consenting),
        )
    )


def is_spoken_about() -> ColumnElement[bool]:
    """Whether anything stands of what was said about a row of faces."""
    return exists().where(FeedbackRow.face_id == FaceRow.id, FeedbackRow.active)


async def lock_face(session: AsyncSession, face_id: int) -> None:
    """Let nobody else speak about the face, or keep its crop, before the transaction ends."""
    # SQLite transactions are alone anyway.
    await session.execute(select(FaceRow.id).where(FaceRow.id == face_id).with_for_update())


def _joined(*conditions: ColumnElement[bool]) -> Select[FeedbackRow, str, int]:
    return (
        select(FeedbackRow, FaceRow.reading_id, FaceRow.number)
        .join(FaceRow, FaceRow.id == FeedbackRow.face_id)
        .where(*conditions)
        .order_by(FeedbackRow.id)
    )


async def _records(
    session: AsyncSession, query: Select[FeedbackRow, str, int]
) -> Sequence[Feedback]:
    rows = await session.execute(query.execution_options(populate_existing=True))
    return [_feedback(row, reading_id, number) for row, reading_id, number in rows]


async def _has_spoken(session: AsyncSession, person_id: int) -> bool:
    earlier = select(FeedbackRow.id).where(FeedbackRow.person_id == person_id).limit(1)
    return await session.scalar(earlier) is not None


async def _active_row(session: AsyncSession, face_id: int, person_id: int) -> FeedbackRow | None:
    return await session.scalar(
        select(FeedbackRow)
        .where(FeedbackRow.face_id == face_id, FeedbackRow.person_id == person_id)
        .where(FeedbackRow.active)
        .execution_options(populate_existing=True)
    )


async def _drop_unneeded_crop(session: AsyncSession, face_id: int) -> None:
    unneeded = select(FaceRow).where(FaceRow.id == face_id, ~is_spoken_about())
    face = await session.scalar(unneeded)
    if face is not None:
        face.crop = None
        face.crop_landmarks = None
        face.crop_consented_at = None
        await session.flush()


def _record(row: FeedbackRow, face: Face) -> Feedback:
    return _feedback(row, face.reading_id, face.number)


def _feedback(row: FeedbackRow, reading_id: str, face_number: int) -> Feedback:
    message = None
    if row.chat_id is not None and row.message_id is not None:
        message = MessageRef(row.chat_id, row.message_id)
    return Feedback(
        feedback_id=row.id,
        face_id=row.face_id,
        reading_id=reading_id,
        face_number=face_number,
        person_id=row.person_id,
        kind=cast(FeedbackKind, row.kind),
        emotion=row.emotion,
        source=cast(FeedbackSource, row.source),
        message=message,
        supersedes_id=row.supersedes_id,
        active=row.active,
        created_at=row.created_at,
        shares=None if row.shares is None else tuple(row.shares),
    )
