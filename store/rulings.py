"""What admins make of feedback; append-only, and the newest ruling on a piece counts."""

from datetime import datetime
from typing import cast

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from store.clock import moment
from store.feedback import feedback, trainable
from store.records import Ruling, RulingOutcome, RulingVerdict
from store.tables import FeedbackRow, RulingRow


async def rule(
    session: AsyncSession,
    feedback_id: int,
    verdict: RulingVerdict,
    *,
    admin_id: int,
    now: datetime | None = None,
) -> None:
    """Write down an admin's ruling on a piece of feedback.

    Raises:
        FeedbackUnknown: there is none, or it was erased.
    """
    about = await feedback(session, feedback_id)
    row = RulingRow(
        feedback_id=feedback_id,
        person_id=about.person_id,
        verdict=verdict,
        admin_id=admin_id,
        at=moment(now),
    )
    session.add(row)
    await session.flush()


async def ruling_of(session: AsyncSession, feedback_id: int) -> Ruling | None:
    """Return the ruling on a piece of feedback that counts; None where nobody ruled on it."""
    row = await session.scalar(
        select(RulingRow)
        .where(RulingRow.feedback_id == feedback_id)
        .order_by(RulingRow.id.desc())
        .limit(1)
    )
    if row is None:
        return None
    return Ruling(feedback_id, cast(RulingVerdict, row.verdict), row.admin_id, row.at)


async def rule_in_review(
    session: AsyncSession,
    feedback_id: int,
    verdict: RulingVerdict,
    *,
    admin_id: int,
    now: datetime | None = None,
) -> RulingOutcome:
    """Write an admin's ruling down, unless there is one; of two admins at once, one is first.

    Only "ruled" wrote: "repeated" is this admin's own ruling heard again, "already_ruled" another,
    "own" the admin's own feedback; "gone" was undone, revised or erased, or consent withdrawn.
    """
    giver = await _reviewable_giver(session, feedback_id)
    if giver is None:
        return "gone"
    if giver == admin_id:
        return "own"
    standing = await ruling_of(session, feedback_id)
    if standing is not None:
        if (standing.verdict, standing.admin_id) == (verdict, admin_id):
            return "repeated"
        if standing.verdict != "skipped":
            return "already_ruled"
    await rule(session, feedback_id, verdict, admin_id=admin_id, now=now)
    return "ruled"


async def take_back(
    session: AsyncSession, feedback_id: int, *, admin_id: int, now: datetime | None = None
) -> RulingOutcome:
    """Take an admin's own ruling back: the feedback is as if skipped, and may be ruled on again.

    Only "ruled" wrote; see `rule_in_review` for the others.
    """
    if await _reviewable_giver(session, feedback_id) is None:
        return "gone"
    standing = await ruling_of(session, feedback_id)
    if standing is None or standing.verdict == "skipped":
        return "repeated"
    if standing.admin_id != admin_id:
        return "already_ruled"
    await rule(session, feedback_id, "skipped", admin_id=admin_id, now=now)
    return "ruled"


def is_newest_ruling() -> ColumnElement[bool]:
    """Whether a row of rulings is the newest on its piece of feedback."""
    return RulingRow.id.in_(select(func.max(RulingRow.id)).group_by(RulingRow.feedback_id))


def is_settled() -> ColumnElement[bool]:
    """Whether the newest ruling on a row of feedback accepts or rejects it."""
    return FeedbackRow.id.in_(
        select(RulingRow.feedback_id).where(is_newest_ruling(), RulingRow.verdict != "skipped")
    )


def was_skipped_by(admin_id: int) -> ColumnElement[bool]:
    """Whether this admin ever skipped a row of feedback."""
    return FeedbackRow.id.in_(
        select(RulingRow.feedback_id).where(
            RulingRow.admin_id == admin_id, RulingRow.verdict == "skipped"
        )
    )


async def _reviewable_giver(session: AsyncSession, feedback_id: int) -> int | None:
    """Lock a piece of feedback; return who gave it, None where it is not to be learnt from."""
    # Locked by itself and first: who waits for another admin's ruling then sees that ruling.
    await session.execute(
        select(FeedbackRow.id).where(FeedbackRow.id == feedback_id).with_for_update()
    )
    return await session.scalar(
        trainable(select(FeedbackRow.person_id)).where(FeedbackRow.id == feedback_id)
    )
