"""What erasing somebody means for the model versions that were trained on them.

Such a version is void, and so is whatever descends from it: it never becomes current again, and
nothing is trained from it. Withdrawn consent counts like erasing: a face was learnt from on that
promise. Feedback that was merely undone does not; the next retrain goes without it.
"""

from collections import defaultdict
from datetime import datetime
from typing import cast

from sqlalchemy import func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from store.tables import (
    FaceRow,
    FeedbackRow,
    ModelVersionFeedbackRow,
    ModelVersionRow,
    PersonRow,
)


async def void_versions_of(session: AsyncSession, person_id: int, at: datetime) -> int:
    """Mark the versions trained on the person's feedback or faces, and all that descend from them.

    Return how many there are whose files were not deleted yet. Call it before the person's rows go:
    it locks the person, so that a version that is being registered comes wholly before or after.
    """
    await session.execute(
        select(PersonRow.person_id).where(PersonRow.person_id == person_id).with_for_update()
    )
    trained_on = await session.scalars(
        select(ModelVersionFeedbackRow.digest)
        .join(FeedbackRow, FeedbackRow.id == ModelVersionFeedbackRow.feedback_id)
        .join(FaceRow, FaceRow.id == FeedbackRow.face_id)
        .where(or_(FeedbackRow.person_id == person_id, FaceRow.person_id == person_id))
        .distinct()
    )
    void = await _with_descendants(session, set(trained_on))
    if not void:
        return 0
    await session.execute(
        update(ModelVersionRow)
        .where(ModelVersionRow.digest.in_(void), ModelVersionRow.person_erased_at.is_(None))
        .values(person_erased_at=at)
    )
    kept = select(func.count()).where(
        ModelVersionRow.digest.in_(void), ModelVersionRow.deleted_at.is_(None)
    )
    return (await session.scalar(kept)) or 0


async def erased_meanwhile(session: AsyncSession, feedback_ids: set[int]) -> bool:
    """Return whether any of this feedback is gone, or its giver or its face's owner withdrew.

    Their rows are locked until the transaction ends: nobody is erased in between.
    """
    query = (
        select(FeedbackRow.id, FeedbackRow.person_id, FaceRow.person_id)
        .join(FaceRow, FaceRow.id == FeedbackRow.face_id)
        .where(FeedbackRow.id.in_(feedback_ids))
    )
    found = (await session.execute(query)).all()
    people = {person for _, giver, owner in found for person in (giver, owner)}
    consents = await session.execute(
        select(PersonRow.person_id, PersonRow.consent)
        .where(PersonRow.person_id.in_(people))
        .order_by(PersonRow.person_id)
        .with_for_update(read=True)
        .execution_options(populate_existing=True)
    )
    if any(consent == "withdrawn" for _, consent in consents.all()):
        return True
    standing = await session.scalars(select(FeedbackRow.id).where(FeedbackRow.id.in_(feedback_ids)))
    return set(standing) != feedback_ids


async def _with_descendants(session: AsyncSession, digests: set[str]) -> set[str]:
    children: defaultdict[str, list[str]] = defaultdict(list)
    rows = await session.execute(
        select(ModelVersionRow.parent_digest, ModelVersionRow.digest).where(
            ModelVersionRow.parent_digest.is_not(None)
        )
    )
    for parent, child in rows.all():
        children[cast(str, parent)].append(child)
    found: set[str] = set()
    waiting = list(digests)
    while waiting:
        digest = waiting.pop()
        if digest not in found:
            found.add(digest)
            waiting += children[digest]
    return found
