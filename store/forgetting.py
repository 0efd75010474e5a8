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

from store.batches import batches
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
    it locks the person and the versions, so that one that is being registered, trained on the
    person or descending from what was, comes wholly before or after.
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
    void: set[str] = set()
    found = await _with_descendants(session, set(trained_on))
    while found != void:  # a child may have been registered while this waited for its parent
        void = found
        await session.execute(
            update(ModelVersionRow)
            .where(ModelVersionRow.digest.in_(void), ModelVersionRow.person_erased_at.is_(None))
            .values(person_erased_at=at)
        )
        found = await _with_descendants(session, void)
    kept = select(func.count()).where(
        ModelVersionRow.digest.in_(void), ModelVersionRow.deleted_at.is_(None)
    )
    return (await session.scalar(kept)) or 0


async def erased_meanwhile(session: AsyncSession, feedback_ids: set[int]) -> bool:
    """Return whether any of this feedback is gone, or its giver or its face's owner withdrew.

    Their rows are locked until the transaction ends: nobody is erased in between.
    """
    people: set[int] = set()
    for ids in batches(feedback_ids):
        concerned = await session.execute(
            select(FeedbackRow.person_id, FaceRow.person_id)
            .join(FaceRow, FaceRow.id == FeedbackRow.face_id)
            .where(FeedbackRow.id.in_(ids))
        )
        people.update(person for giver, owner in concerned for person in (giver, owner))
    consents: set[str] = set()
    for ids in batches(people):
        consents.update(
            await session.scalars(
                select(PersonRow.consent)
                .where(PersonRow.person_id.in_(ids))
                .order_by(PersonRow.person_id)
                .with_for_update(read=True)
            )
        )
    standing = 0
    for ids in batches(feedback_ids):
        count = select(func.count()).where(FeedbackRow.id.in_(ids))
        standing += (await session.scalar(count)) or 0
    return "withdrawn" in consents or standing != len(feedback_ids)


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
