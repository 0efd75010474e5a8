"""What the bot asked and waits for; in the database, so that any replica hears the answer."""

from datetime import datetime, timedelta
from typing import cast

from sqlalchemy import and_, exists, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from store.asking import POLICY, AskingPolicy, Past, doubt_of, doubt_to_ask
from store.clock import moment
from store.errors import QuestionUnknown
from store.people import lock_person
from store.records import (
    FeedbackSource,
    MessageRef,
    PastQuestion,
    Probabilities,
    Question,
    QuestionKind,
    Reading,
)
from store.tables import FaceRow, FeedbackRow, QuestionRow, ReadingRow

# Half an hour later "2" is no answer any more, but a new thought.
LONGEST_WAIT = timedelta(minutes=30)


async def ask_question(
    session: AsyncSession,
    *,
    person_id: int,
    chat_id: int,
    reading_id: str,
    kind: QuestionKind,
    source: FeedbackSource,
    face_number: int | None = None,
    emotion: str | None = None,
    between: tuple[str, str] | None = None,
    shares: Probabilities | None = None,
    message_id: int | None = None,
    now: datetime | None = None,
) -> Question:
    """Write down what is about to be asked; the person's earlier open questions are closed.

    `message_id` is the person's message that made the bot ask; the feedback will refer to it.
    `between` are the two emotions of a question of two.
    """
    at = moment(now)
    for earlier in await _open_rows(session, chat_id, person_id):
        earlier.answered_at = at
    row = QuestionRow(
        person_id=person_id,
        chat_id=chat_id,
        reading_id=reading_id,
        kind=kind,
        face_number=face_number,
        emotion=emotion,
        between=None if between is None else list(between),
        shares=None if shares is None else list(shares),
        source=source,
        message_id=message_id,
        created_at=at,
    )
    session.add(row)
    await session.flush()
    return _record(row)


async def ask_about_doubt(
    session: AsyncSession,
    about: Reading,
    *,
    policy: AskingPolicy = POLICY,
    now: datetime | None = None,
) -> Question | None:
    """Write down the question of two that a fresh reading is worth; None where none may be put.

    Call it in the transaction that wrote the reading. The person stays locked until it ends, so
    that replicas which read two photos of theirs at once do not both spend the same budget.
    """
    if doubt_of(about, policy) is None:  # most readings; nobody is locked for them
        return None
    at = moment(now)
    person = await lock_person(session, about.person_id)
    past = Past(
        await asked_of(session, about.person_id, policy=policy, now=at),
        await open_question(session, about.chat_id, about.person_id, now=at) is not None,
        await _earlier_readings(session, about),
    )
    doubt = doubt_to_ask(about, person, past, at, policy)
    if doubt is None:
        return None
    return await ask_question(
        session,
        person_id=about.person_id,
        chat_id=about.chat_id,
        reading_id=about.reading_id,
        kind="which_of_two",
        source="text",
        face_number=doubt.face,
        between=doubt.between,
        now=at,
    )


async def asked_of(
    session: AsyncSession,
    person_id: int,
    *,
    policy: AskingPolicy = POLICY,
    now: datetime | None = None,
) -> tuple[PastQuestion, ...]:
    """Return the questions of two that count for the person's budget, newest first.

    Any word about the face since it was asked is an answer, also one that was taken back, and one
    that made the bot ask on, as "neither" does. That the question was closed is none, for a later
    photo's question closes it as well.
    """
    spoken = exists().where(
        FeedbackRow.person_id == QuestionRow.person_id,
        FeedbackRow.created_at >= QuestionRow.created_at,
        FeedbackRow.face_id == FaceRow.id,
    )
    later = aliased(QuestionRow)
    asked_on = exists().where(
        later.person_id == QuestionRow.person_id,
        later.reading_id == QuestionRow.reading_id,
        later.face_number == QuestionRow.face_number,
        later.id > QuestionRow.id,
    )
    of_person = (
        select(QuestionRow.id)
        .where(QuestionRow.person_id == person_id, QuestionRow.kind == "which_of_two")
        .order_by(QuestionRow.id.desc())
    )
    recent = QuestionRow.created_at > moment(now) - policy.rest
    rows = await session.execute(
        select(QuestionRow.created_at, or_(spoken, asked_on))
        .join(
            FaceRow,
            and_(
                FaceRow.reading_id == QuestionRow.reading_id,
                FaceRow.number == QuestionRow.face_number,
            ),
        )
        .where(QuestionRow.person_id == person_id, QuestionRow.kind == "which_of_two")
        .where(or_(recent, QuestionRow.id.in_(of_person.limit(policy.ignored))))
        .order_by(QuestionRow.id.desc())
    )
    return tuple(PastQuestion(asked_at, was_answered) for asked_at, was_answered in rows)


async def question_of_two(session: AsyncSession, reading_id: str) -> Question | None:
    """Return the question of two that was put with a reading, answered or not."""
    row = await session.scalar(
        select(QuestionRow)
        .where(QuestionRow.reading_id == reading_id, QuestionRow.kind == "which_of_two")
        .order_by(QuestionRow.id)
        .limit(1)
        .execution_options(populate_existing=True)
    )
    return None if row is None else _record(row)


async def open_question(
    session: AsyncSession, chat_id: int, person_id: int, *, now: datetime | None = None
) -> Question | None:
    """Return the person's open question in this chat, unless it is older than half an hour."""
    rows = await _open_rows(session, chat_id, person_id)
    if not rows or rows[0].created_at < moment(now) - LONGEST_WAIT:
        return None
    return _record(rows[0])


async def latest_question(session: AsyncSession, chat_id: int, person_id: int) -> Question | None:
    """Return what the person was asked last in this chat, answered or not."""
    row = await session.scalar(
        select(QuestionRow)
        .where(QuestionRow.chat_id == chat_id, QuestionRow.person_id == person_id)
        .order_by(QuestionRow.id.desc())
        .limit(1)
        .execution_options(populate_existing=True)
    )
    return None if row is None else _record(row)


async def question(session: AsyncSession, question_id: int, person_id: int) -> Question:
    """Return a question that was put to this person, answered or not.

    Raises:
        QuestionUnknown: there is none, it was erased, or it was put to somebody else.
    """
    return _record(await _row(session, question_id, person_id))


async def answer_question(
    session: AsyncSession, question_id: int, person_id: int, *, now: datetime | None = None
) -> bool:
    """Close a question; False where it was closed before, so that a button counts once.

    Raises:
        QuestionUnknown: see `question`.
    """
    row = await _row(session, question_id, person_id)
    if row.answered_at is not None:
        return False
    row.answered_at = moment(now)
    await session.flush()
    return True


async def close_questions_about(
    session: AsyncSession,
    chat_id: int,
    person_id: int,
    reading_id: str,
    face_number: int,
    *,
    now: datetime | None = None,
) -> None:
    """Close what waits for a word about this face: it was said, by whatever way."""
    for row in await _open_rows(session, chat_id, person_id):
        if (row.reading_id, row.face_number) == (reading_id, face_number):
            row.answered_at = moment(now)
    await session.flush()


async def _earlier_readings(session: AsyncSession, about: Reading) -> int:
    count = await session.scalar(
        select(func.count()).where(
            ReadingRow.person_id == about.person_id,
            ReadingRow.status == "read",
            ReadingRow.id != about.reading_id,
        )
    )
    return count or 0


async def _row(session: AsyncSession, question_id: int, person_id: int) -> QuestionRow:
    row = await session.scalar(
        select(QuestionRow)
        .where(QuestionRow.id == question_id, QuestionRow.person_id == person_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    if row is None:
        raise QuestionUnknown("There is no such question.")
    return row


async def _open_rows(session: AsyncSession, chat_id: int, person_id: int) -> list[QuestionRow]:
    rows = await session.scalars(
        select(QuestionRow)
        .where(
            QuestionRow.chat_id == chat_id,
            QuestionRow.person_id == person_id,
            QuestionRow.answered_at.is_(None),
        )
        .order_by(QuestionRow.id.desc())
        .execution_options(populate_existing=True)
    )
    return list(rows)


def _record(row: QuestionRow) -> Question:
    return Question(
        question_id=row.id,
        person_id=row.person_id,
        chat_id=row.chat_id,
        reading_id=row.reading_id,
        kind=cast(QuestionKind, row.kind),
        face_number=row.face_number,
        emotion=row.emotion,
        source=cast(FeedbackSource, row.source),
        message=None if row.message_id is None else MessageRef(row.chat_id, row.message_id),
        created_at=row.created_at,
        answered_at=row.answered_at,
        between=None if row.between is None else (row.between[0], row.between[1]),
        shares=None if row.shares is None else tuple(row.shares),
    )
