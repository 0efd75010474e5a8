"""What waits for an admin's ruling: the most informative and the most suspicious first.

Feedback is ranked without its crops; those alone are loaded that are shown.
"""

import asyncio
from collections.abc import Sequence
from typing import Final, cast

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from store.emotions import EMOTIONS, top_emotion
from store.feedback import trainable
from store.records import FeedbackKind, ReviewCounts, ReviewItem, ReviewReason
from store.rulings import is_newest_ruling, is_settled, was_skipped_by
from store.tables import FaceRow, FeedbackRow, RulingRow
from store.trust import DEFAULT_TRUST, Trusted, Voice, review_order, voices, weigh

UNSURE: Final = 0.4
"""A reading whose favourite has no more of the shares: of ten people, four."""


async def reviewable(
    session: AsyncSession, *, admin_id: int, limit: int = 1
) -> tuple[ReviewItem, ...]:
    """Return what this admin may rule on, most worth a look first.

    That is feedback that may be learnt from and that nobody ruled on, but not the admin's own, nor
    what they skipped.
    """
    said, trusted = await _weighed(session)
    mine = set(await session.scalars(trainable(select(FeedbackRow.id)).where(_open_to(admin_id))))
    chosen = [one for one in review_order(said, trusted) if one in mine][:limit]
    return await _items(session, chosen, said, trusted)


async def review_item(session: AsyncSession, feedback_id: int) -> ReviewItem | None:
    """Return one piece of feedback as it is shown to admins; None where it is no more."""
    said, trusted = await _weighed(session)
    found = await _items(session, [feedback_id], said, trusted)
    return found[0] if found else None


async def review_counts(session: AsyncSession, *, admin_id: int | None = None) -> ReviewCounts:
    """Return how much of what may be learnt from waits for a ruling, and how much has one.

    With `admin_id`, what waits is what `reviewable` would show this admin.
    """
    waits = ~is_settled() if admin_id is None else _open_to(admin_id)
    waiting = await session.scalar(
        select(func.count()).select_from(trainable(select(FeedbackRow.id)).where(waits).subquery())
    )
    rows = await session.execute(
        trainable(select(RulingRow.verdict, func.count()))
        .join(RulingRow, RulingRow.feedback_id == FeedbackRow.id)
        .where(is_newest_ruling())
        .group_by(RulingRow.verdict)
    )
    counts: dict[str, int] = dict(rows.all())
    return ReviewCounts(waiting or 0, counts.get("accepted", 0), counts.get("rejected", 0))


def _open_to(admin_id: int) -> ColumnElement[bool]:
    return ~is_settled() & (FeedbackRow.person_id != admin_id) & ~was_skipped_by(admin_id)


async def _weighed(session: AsyncSession) -> tuple[tuple[Voice, ...], Trusted]:
    said = await voices(session)
    # Long enough with thousands of pieces to hold up everybody else.
    return said, await asyncio.to_thread(weigh, said)


async def _items(
    session: AsyncSession, chosen: Sequence[int], said: Sequence[Voice], trusted: Trusted
) -> tuple[ReviewItem, ...]:
    rows = await session.execute(
        trainable(select(FeedbackRow, FaceRow.crop)).where(FeedbackRow.id.in_(chosen))
    )
    found = {row.id: (row, crop) for row, crop in rows}
    heard = {voice.feedback_id: voice for voice in said}
    return tuple(
        _item(*found[one], heard[one], said, trusted)
        for one in chosen
        if one in found and one in heard
    )


def _item(
    row: FeedbackRow, crop: bytes | None, voice: Voice, said: Sequence[Voice], trusted: Trusted
) -> ReviewItem:
    others = tuple(
        top_emotion(other.shares)
        for other in said
        if other.face == voice.face and other.person_id != voice.person_id
    )
    shares = row.shares
    return ReviewItem(
        feedback_id=row.id,
        crop=cast(bytes, crop),
        crowd=voice.crowd,
        kind=cast(FeedbackKind, row.kind),
        emotion=cast(str, row.emotion),
        shares=None if shares is None else tuple(shares),
        others=others,
        reasons=_reasons(voice, others, trusted),
        created_at=row.created_at,
    )


def _reasons(voice: Voice, others: Sequence[str], trusted: Trusted) -> tuple[ReviewReason, ...]:
    """Why a piece is worth a look, what is suspicious about it first."""
    said, read = top_emotion(voice.shares), top_emotion(voice.crowd)
    confidence = voice.crowd[EMOTIONS.index(read)]
    reasons: list[ReviewReason] = []
    waits_for = trusted.quarantined.get(voice.feedback_id)
    if waits_for is not None:
        reasons.append(waits_for)
    if said != read and confidence >= DEFAULT_TRUST.confident:
        reasons.append("against_confident")
    if confidence <= UNSURE:
        reasons.append("unsure")
    if not others:
        reasons.append("alone")
    elif any(other != said for other in others):
        reasons.append("disagree")
    return tuple(reasons)
