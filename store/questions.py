"""What the bot asked and waits for; in the database, so that any replica hears the answer."""

from datetime import datetime, timedelta
from typing import cast

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from store.clock import moment
from store.errors import QuestionUnknown
from store.records import FeedbackSource, MessageRef, Probabilities, Question, QuestionKind
from store.tables import QuestionRow

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
    shares: Probabilities | None = None,
    message_id: int | None = None,
    now: datetime | None = None,
) -> Question:
    """Write down what is about to be asked; the person's earlier open questions are closed.

    `message_id` is the person's message that made the bot ask; the feedback will refer to it.
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
        shares=None if shares is None else list(shares),
        source=source,
        message_id=message_id,
        created_at=at,
    )
    session.add(row)
    await session.flush()
    return _record(row)


async def open_question(
    session: AsyncSession, chat_id: int, person_id: int, *, now: datetime | None = None
) -> Question | None:
    """Return the person's open question in this chat, unless it is older than half an hour."""
    rows = await _open_rows(session, chat_id, person_id)
    if not rows or rows[0].created_at < moment(now) - LONGEST_WAIT:
        return None
    return _record(rows[0])


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
        shares=None if row.shares is None else tuple(row.shares),
    )
