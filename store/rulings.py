"""What admins make of feedback; append-only, and the newest ruling on a piece counts."""

from datetime import datetime
from typing import Literal, TypeAlias

from sqlalchemy.ext.asyncio import AsyncSession

from store.clock import moment
from store.feedback import feedback
from store.tables import RulingRow

RulingVerdict: TypeAlias = Literal["accepted", "rejected", "skipped"]


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
