"""Messages that show an admin a kept face, noted so that they can be taken away again.

A card is noted before the face is put into its message, and forgotten after the face has left it:
no crash leaves a face in a message that nobody knows of. Which cards must go is nowhere written
down but follows from what they show, so that every way of erasing, withdrawing, undoing or ruling
takes them along.
"""

from datetime import datetime

from sqlalchemy import ColumnElement, delete, exists, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from store.clock import moment
from store.feedback import trainable
from store.records import ReviewCard, ReviewMessage
from store.tables import FeedbackRow, ReviewCardRow, RulingRow


async def note_card(session: AsyncSession, message: ReviewMessage, feedback_id: int) -> int | None:
    """Note that a message is about to show the face of a piece of feedback; return the card's id.

    None where it may not be shown any more. What the message showed before stays noted, too, until
    `card_shown`.
    """
    # Locked, so that erasing comes wholly before or after: it then finds this card.
    await session.execute(
        select(FeedbackRow.id)
        .where(FeedbackRow.id == feedback_id)
        .with_for_update(read=True, key_share=True)
    )
    standing = trainable(select(FeedbackRow.id)).where(FeedbackRow.id == feedback_id)
    if await session.scalar(standing) is None:
        return None
    row = _row(message, feedback_id)
    session.add(row)
    await session.flush()
    return row.id


async def card_shown(
    session: AsyncSession,
    message: ReviewMessage,
    card_id: int,
    *,
    now: datetime | None = None,
) -> None:
    """Note that the message shows the card's face now, and nothing that it showed before.

    Every other card of the admin is to be taken away; this one, too, where somebody thought
    meanwhile that they had done so.
    """
    await session.execute(delete(ReviewCardRow).where(*_of(message), ReviewCardRow.id != card_id))
    found = await session.scalar(
        update(ReviewCardRow)
        .where(ReviewCardRow.id == card_id)
        .values(shown_at=moment(now))
        .returning(ReviewCardRow.id)
    )
    if found is None:
        row = _row(message, None)
        row.shown_at = moment(now)
        session.add(row)
        await session.flush()
    await session.execute(
        update(ReviewCardRow)
        .where(
            ReviewCardRow.bot_id == message.bot_id,
            ReviewCardRow.admin_id == message.admin_id,
            ReviewCardRow.message_id != message.message_id,
        )
        .values(feedback_id=None)
    )


async def forget_card(session: AsyncSession, message: ReviewMessage) -> None:
    """Note that the message shows no face any more; one that never did is no error."""
    await session.execute(delete(ReviewCardRow).where(*_of(message)))


async def take_back_card(session: AsyncSession, message: ReviewMessage) -> None:
    """Let the message be taken away, whatever it shows."""
    await session.execute(update(ReviewCardRow).where(*_of(message)).values(feedback_id=None))


async def take_back_cards(session: AsyncSession, admin_id: int) -> None:
    """Let every card of an admin be taken away."""
    await session.execute(
        update(ReviewCardRow).where(ReviewCardRow.admin_id == admin_id).values(feedback_id=None)
    )


async def cards_to_take_away(session: AsyncSession, *, bot_id: int) -> tuple[ReviewCard, ...]:
    """Return the cards that must go: their feedback may not be shown any more, or was ruled on.

    That is what was erased, undone or revised, and what another admin accepted or rejected; what
    the admin ruled on themselves is about to be replaced.
    """
    standing = trainable(select(FeedbackRow.id)).where(FeedbackRow.id == ReviewCardRow.feedback_id)
    rows = await session.scalars(
        select(ReviewCardRow)
        .where(ReviewCardRow.bot_id == bot_id, or_(~standing.exists(), _is_settled_by_another()))
        .order_by(ReviewCardRow.id)
    )
    return tuple(
        ReviewCard(row.id, ReviewMessage(row.bot_id, row.admin_id, row.message_id), row.shown_at)
        for row in rows
    )


async def card_taken_away(session: AsyncSession, card: ReviewCard) -> None:
    """Forget a card whose message is gone or shows nothing.

    One that was filled meanwhile stays noted, and is to be taken away again.
    """
    await session.execute(
        delete(ReviewCardRow).where(
            ReviewCardRow.id == card.card_id,
            ReviewCardRow.shown_at.is_not_distinct_from(card.shown_at),
        )
    )


def _row(message: ReviewMessage, feedback_id: int | None) -> ReviewCardRow:
    return ReviewCardRow(
        bot_id=message.bot_id,
        admin_id=message.admin_id,
        message_id=message.message_id,
        feedback_id=feedback_id,
    )


def _of(message: ReviewMessage) -> tuple[ColumnElement[bool], ...]:
    return (
        ReviewCardRow.bot_id == message.bot_id,
        ReviewCardRow.admin_id == message.admin_id,
        ReviewCardRow.message_id == message.message_id,
    )


def _is_settled_by_another() -> ColumnElement[bool]:
    # Asked every second of a few cards, so unlike `is_newest_ruling` it reads their rulings alone.
    newer = aliased(RulingRow)
    return exists().where(
        RulingRow.feedback_id == ReviewCardRow.feedback_id,
        RulingRow.verdict != "skipped",
        RulingRow.admin_id.is_distinct_from(ReviewCardRow.admin_id),
        ~exists().where(newer.feedback_id == RulingRow.feedback_id, newer.id > RulingRow.id),
    )
