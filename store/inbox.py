"""The durable inbox: an update is committed here before Telegram is told that it arrived.

Updates of one ordering key (the chat) are worked through in the order in which they came; those of
different chats by as many workers as there are. A claim is a lease with an attempt count: whoever
lost it can no longer finish the row.
"""

from datetime import datetime, timedelta
from typing import Any, cast

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    CursorResult,
    Update,
    and_,
    bindparam,
    delete,
    func,
    or_,
    select,
    update,
)
from sqlalchemy.ext.asyncio import AsyncSession

from store.clock import moment
from store.errors import LeaseLost
from store.records import Claim, JsonObject
from store.tables import InboxRow, PersonRow
from store.upsert import insert_if_absent

MAX_ATTEMPTS = 5
LONGEST_BACKOFF = timedelta(minutes=1)
UNFINISHED = ("waiting", "claimed")


async def put_update(
    session: AsyncSession,
    *,
    bot_id: int,
    update_id: int,
    person_id: int | None,
    ordering_key: str,
    payload: JsonObject,
    now: datetime | None = None,
) -> bool:
    """Write an update down; return False where it was here already, also if it is finished."""
    at = moment(now)
    return await insert_if_absent(
        session,
        InboxRow,
        {
            "bot_id": bot_id,
            "update_id": update_id,
            "person_id": person_id,
            "ordering_key": ordering_key,
            "payload": dict(payload),
            "state": "waiting",
            "attempts": 0,
            "received_at": at,
            "available_at": at,
        },
    )


async def claim_next(
    session: AsyncSession,
    *,
    bot_id: int,
    worker: str,
    lease: timedelta,
    now: datetime | None = None,
) -> Claim | None:
    """Claim the oldest update whose chat has no earlier unfinished one; None where there is none.

    Rows whose lease ran out can be claimed again. Commit before working on the claim.
    """
    at = moment(now)
    claimable = (
        select(InboxRow)
        .where(
            _is_first_of_chat(bot_id),
            or_(
                and_(InboxRow.state == "waiting", InboxRow.available_at <= at),
                and_(InboxRow.state == "claimed", InboxRow.lease_until <= at),
            ),
        )
        .order_by(InboxRow.id)
        .limit(1)
        .with_for_update(skip_locked=True, of=InboxRow)
        .execution_options(populate_existing=True)
    )
    row = await session.scalar(claimable)
    if row is None:
        return None
    row.state = "claimed"
    row.attempts += 1
    row.leased_by = worker
    row.lease_until = at + lease
    await session.flush()
    return Claim(
        inbox_id=row.id,
        bot_id=row.bot_id,
        update_id=row.update_id,
        person_id=row.person_id,
        ordering_key=row.ordering_key,
        payload=row.payload or {},
        attempt=row.attempts,
        worker=worker,
    )


async def finish(session: AsyncSession, claim: Claim, *, now: datetime | None = None) -> bool:
    """Close the update and scrub its payload; False where the claim was lost or the row erased."""
    return await _changed(
        session,
        _claimed(claim).values(
            state="done",
            payload=None,
            error=None,
            leased_by=None,
            lease_until=None,
            finished_at=moment(now),
        ),
    )


async def fail(
    session: AsyncSession,
    claim: Claim,
    error: str,
    *,
    max_attempts: int = MAX_ATTEMPTS,
    now: datetime | None = None,
) -> bool:
    """Put the update back to wait 2, 4, 8… seconds; return True where it is parked instead.

    Parked after `max_attempts`, with its payload scrubbed: apologise. `error` stays with a row, so
    it must hold nothing that a person sent. A claim that was lost changes nothing.
    """
    at = moment(now)
    if claim.attempt >= max_attempts:
        return await _changed(
            session,
            _claimed(claim).values(
                state="parked",
                payload=None,
                error=error,
                leased_by=None,
                lease_until=None,
                finished_at=at,
            ),
        )
    backoff = min(timedelta(seconds=2**claim.attempt), LONGEST_BACKOFF)
    await _changed(
        session,
        _claimed(claim).values(
            state="waiting",
            error=error,
            leased_by=None,
            lease_until=None,
            available_at=at + backoff,
        ),
    )
    return False


async def check_claim(session: AsyncSession, claim: Claim) -> None:
    """Return if the claim is held; its person is then not erased before the transaction ends.

    Raises:
        LeaseLost: somebody else claimed the update, or it was finished or erased.
    """
    # Erasing locks the person first and scrubs the row then: it comes wholly before or after.
    await session.execute(
        select(PersonRow.person_id)
        .where(PersonRow.person_id == claim.person_id)
        .with_for_update(read=True, key_share=True)
    )
    held = select(InboxRow.id).where(*_of_claim(claim))
    if await session.scalar(held) is None:
        raise LeaseLost(f"The claim on inbox row {claim.inbox_id} was lost.")


async def release(session: AsyncSession, claim: Claim) -> bool:
    """Give an update back unworked, as on shutdown; the attempt does not count."""
    return await _changed(
        session,
        _claimed(claim).values(
            state="waiting", attempts=claim.attempt - 1, leased_by=None, lease_until=None
        ),
    )


async def renew_lease(
    session: AsyncSession, claim: Claim, lease: timedelta, *, now: datetime | None = None
) -> None:
    """Extend the claim to `lease` from now.

    Raises:
        LeaseLost: somebody else claimed the update, or it was finished or erased.
    """
    if not await _changed(session, _claimed(claim).values(lease_until=moment(now) + lease)):
        raise LeaseLost(f"The claim on inbox row {claim.inbox_id} was lost.")


async def pending_count(session: AsyncSession, *, bot_id: int | None = None) -> int:
    """Return how many updates are not finished: waiting or being worked on."""
    count = select(func.count()).select_from(InboxRow).where(_is_unfinished())
    if bot_id is not None:
        count = count.where(InboxRow.bot_id == bot_id)
    return (await session.scalar(count)) or 0


async def next_due(session: AsyncSession, *, bot_id: int) -> datetime | None:
    """Return when the next unfinished update can be claimed at the earliest; None without any.

    What waits for an earlier one of its chat does not count.
    For a reader that sleeps until then unless it is woken by `put_update`.
    """
    due = func.min(
        func.coalesce(InboxRow.lease_until, InboxRow.available_at, type_=InboxRow.available_at.type)
    )
    return await session.scalar(select(due).where(_is_first_of_chat(bot_id)))


async def purge_finished(session: AsyncSession, *, before: datetime) -> int:
    """Delete rows finished or parked before then; return how many.

    Telegram repeats an update for at most 24 hours, so rows older than that guard against nothing.
    """
    result = await session.execute(
        delete(InboxRow).where(
            InboxRow.state.in_(("done", "parked")), InboxRow.finished_at < before
        )
    )
    return cast(CursorResult[Any], result).rowcount


def _is_unfinished() -> ColumnElement[bool]:
    # Word for word the condition of the index of unfinished rows, and without parameters: else
    # SQLite passes the index over, and reads whatever was finished and not purged yet.
    states: BindParameter[str] = bindparam(None, UNFINISHED, expanding=True, literal_execute=True)
    return InboxRow.state.in_(states)


def _is_first_of_chat(bot_id: int) -> ColumnElement[bool]:
    first = (
        select(func.min(InboxRow.id))
        .where(InboxRow.bot_id == bot_id, _is_unfinished())
        .group_by(InboxRow.ordering_key)
    )
    return InboxRow.id.in_(first)


def _claimed(claim: Claim) -> Update:
    return update(InboxRow).where(*_of_claim(claim))


def _of_claim(claim: Claim) -> tuple[ColumnElement[bool], ...]:
    # The attempt count fences: it differs as soon as anybody else claimed the row.
    return (
        InboxRow.id == claim.inbox_id,
        InboxRow.state == "claimed",
        InboxRow.leased_by == claim.worker,
        InboxRow.attempts == claim.attempt,
    )


async def _changed(session: AsyncSession, statement: Update) -> bool:
    result = await session.execute(statement)
    return cast(CursorResult[Any], result).rowcount == 1
