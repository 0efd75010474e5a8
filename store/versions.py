"""Model versions: what serves, what could, and what happened; exactly one is current."""

from collections.abc import Iterable
from datetime import datetime
from typing import Final, cast

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from store.batches import batches
from store.clock import moment
from store.errors import (
    GateRefused,
    NoCurrentVersion,
    NothingToRollBackTo,
    VersionDeleted,
    VersionNotPromotable,
    VersionUnknown,
    VersionVoid,
)
from store.forgetting import erased_meanwhile
from store.leases import check_lease
from store.readings import face_name
from store.records import (
    JsonObject,
    Lease,
    ModelEvent,
    ModelVersion,
    Verdict,
    VersionEvent,
    VersionState,
)
from store.tables import (
    FaceRow,
    FeedbackRow,
    ModelEventRow,
    ModelVersionFeedbackRow,
    ModelVersionRow,
    ReadingRow,
)
from store.upsert import insert_if_absent

PERSON_ERASED: Final = "somebody whom the version before was trained on was erased"


async def register_base(
    session: AsyncSession,
    digest: str,
    uri: str,
    *,
    figures: JsonObject,
    actor: str = "bot",
    now: datetime | None = None,
) -> ModelVersion:
    """Make the shipped base known; may be called at every start.

    It becomes current where nothing is, and where another release's base is: that one left with its
    release. A version that was retrained from a base stays current. The stored URI follows the
    installation: an update moves the files of the same digest.
    """
    at = moment(now)
    values = {
        "digest": digest,
        "uri": uri,
        "state": "retired",
        "created_at": at,
        "figures": dict(figures),
        "report": {},
    }
    inserted = await insert_if_absent(session, ModelVersionRow, values)
    row = await _row(session, digest)
    row.uri = uri
    if inserted:
        session.add(
            ModelEventRow(digest=digest, event="registered", actor=actor, override=False, at=at)
        )
        await session.flush()
    current = await _current_row(session)
    if current is None:
        row.state = "current"
    elif current.digest != digest and current.parent_digest is None:
        replaced = ModelEventRow(
            digest=digest,
            event="promoted",
            actor=actor,
            reason="the installed release ships another base",
            override=False,
            at=at,
        )
        await _make_current(session, row, replaced)
    await session.flush()
    return _record(row)


async def current_version(session: AsyncSession) -> ModelVersion:
    """Return the version that serves.

    Raises:
        NoCurrentVersion: `register_base` was not called yet.
    """
    row = await _current_row(session)
    if row is None:
        raise NoCurrentVersion("No model version is current. Start the bot once.")
    return _record(row)


async def version(session: AsyncSession, digest: str) -> ModelVersion:
    """Return one version; a prefix of the digest will do where it is unique.

    Raises:
        VersionUnknown: none has this digest, or several begin like this.
    """
    return _record(await _row(session, digest))


async def versions(session: AsyncSession) -> tuple[ModelVersion, ...]:
    """Return every version, newest first."""
    rows = await session.scalars(
        select(ModelVersionRow)
        .order_by(ModelVersionRow.created_at.desc(), ModelVersionRow.digest)
        .execution_options(populate_existing=True)
    )
    return tuple(_record(row) for row in rows)


async def events(session: AsyncSession, *, digest: str | None = None) -> tuple[ModelEvent, ...]:
    """Return what happened to one version or to all, oldest first."""
    query = select(ModelEventRow).order_by(ModelEventRow.id)
    if digest is not None:
        query = query.where(ModelEventRow.digest == (await _row(session, digest)).digest)
    return tuple(_event_record(row) for row in await session.scalars(query))


async def feedback_of_version(session: AsyncSession, digest: str) -> tuple[int, ...]:
    """Return the ids of the feedback that the version was trained on and that still exists."""
    rows = await session.scalars(
        select(ModelVersionFeedbackRow.feedback_id)
        .where(ModelVersionFeedbackRow.digest == digest)
        .order_by(ModelVersionFeedbackRow.feedback_id)
    )
    return tuple(rows)


async def people_of_version(session: AsyncSession, digest: str) -> tuple[int, ...]:
    """Return whose feedback the version was trained on, as far as they were not erased."""
    rows = await session.scalars(
        select(ModelVersionFeedbackRow.person_id)
        .where(ModelVersionFeedbackRow.digest == digest)
        .distinct()
        .order_by(ModelVersionFeedbackRow.person_id)
    )
    return tuple(rows)


async def faces_of_version(session: AsyncSession, digest: str) -> tuple[str, ...]:
    """Return the names of the faces that the version was trained on and that still exist.

    Also where what was said of them was undone or revised since.
    """
    rows = await session.execute(
        select(ReadingRow.file_unique_id, FaceRow.number)
        .join(FaceRow, FaceRow.reading_id == ReadingRow.id)
        .join(FeedbackRow, FeedbackRow.face_id == FaceRow.id)
        .join(ModelVersionFeedbackRow, ModelVersionFeedbackRow.feedback_id == FeedbackRow.id)
        .where(ModelVersionFeedbackRow.digest == digest)
        .distinct()
    )
    return tuple(sorted(face_name(photo, number) for photo, number in rows))


async def add_candidate(
    session: AsyncSession,
    digest: str,
    uri: str,
    *,
    parent_digest: str,
    figures: JsonObject,
    report: JsonObject,
    feedback_ids: Iterable[int],
    lease: Lease,
    actor: str,
    now: datetime | None = None,
) -> ModelVersion:
    """Make a finished version known; its directory must be complete and on disk already.

    Feedback that was erased while the version was trained is left out of the list, and the version
    is void from its start, as is one whose parent is. The same digest again changes nothing: the
    same weights came out.

    Raises:
        LeaseLost: somebody else may be at work; nothing was written.
        VersionUnknown: there is no such parent.
    """
    at = moment(now)
    await check_lease(session, lease, now=now)
    learnt = set(feedback_ids)
    erased = await erased_meanwhile(session, learnt)
    parent = await _row(session, parent_digest)
    # Shared until the end: whoever makes the parent void does so before, or finds its child.
    await session.refresh(parent, with_for_update={"read": True})
    values = {
        "digest": digest,
        "uri": uri,
        "state": "candidate",
        "parent_digest": parent.digest,
        "created_at": at,
        "figures": dict(figures),
        "report": dict(report),
        "person_erased_at": at if erased else parent.person_erased_at,
    }
    if not await insert_if_absent(session, ModelVersionRow, values):
        return await version(session, digest)
    session.add(
        ModelEventRow(digest=digest, event="registered", actor=actor, override=False, at=at)
    )
    for ids in batches(learnt):
        trained_on = await session.execute(
            select(FeedbackRow.id, FeedbackRow.person_id).where(FeedbackRow.id.in_(ids))
        )
        session.add_all(
            ModelVersionFeedbackRow(digest=digest, feedback_id=feedback_id, person_id=person_id)
            for feedback_id, person_id in trained_on
        )
    await session.flush()
    return await version(session, digest)


async def promote(
    session: AsyncSession,
    digest: str,
    *,
    verdict: Verdict,
    lease: Lease,
    actor: str,
    override_reason: str | None = None,
    now: datetime | None = None,
) -> ModelVersion:
    """Make a version current and retire the one before it; the verdict is recorded with it.

    Raises:
        GateRefused: the verdict is no, and no reason to override it was given.
        LeaseLost: nothing was changed.
        VersionUnknown: none has this digest.
        VersionNotPromotable: it is current already, was rejected, is void or was deleted.
    """
    await check_lease(session, lease, now=now)
    row = _servable(await _row(session, digest))
    reason = (override_reason or "").strip() or None
    if not verdict.passed and reason is None:
        raise GateRefused("The promotion gate refused; overriding it needs a reason.")
    overrides = not verdict.passed
    await _make_current(
        session,
        row,
        ModelEventRow(
            digest=row.digest,
            event="promoted",
            actor=actor,
            reason=reason,
            override=overrides,
            verdict={"passed": verdict.passed, **verdict.report},
            at=moment(now),
        ),
    )
    return _record(row)


async def rollback(
    session: AsyncSession,
    *,
    lease: Lease,
    actor: str,
    reason: str,
    now: datetime | None = None,
) -> ModelVersion:
    """Make the version current that the current one replaced when it was promoted.

    Raises:
        LeaseLost: nothing was changed.
        NothingToRollBackTo: the current version replaced none.
        VersionNotPromotable: the version that it replaced was rejected since, is void or was
            deleted.
    """
    await check_lease(session, lease, now=now)
    current = await current_version(session)
    replaced = await session.scalar(
        select(ModelEventRow.previous_digest)
        .where(ModelEventRow.digest == current.digest, ModelEventRow.event == "promoted")
        .order_by(ModelEventRow.id.desc())
        .limit(1)
    )
    if replaced is None:
        raise NothingToRollBackTo(f"Version {current.digest} replaced no other.")
    row = _servable(await _row(session, replaced))
    return await _rolled_back(session, row, actor, reason, now)


async def clean_starts(session: AsyncSession) -> tuple[ModelVersion, ...]:
    """Return what may serve and be trained from where the current version is void, best first.

    The nearest ancestors that were not trained on anybody who was erased since, down to the base,
    and after them bases of other releases.
    """
    by_digest = {found.digest: found for found in await versions(session)}
    ancestors = []
    digest = (await current_version(session)).parent_digest
    while digest is not None:
        ancestors.append(by_digest[digest])
        digest = by_digest[digest].parent_digest
    others = [
        one for one in by_digest.values() if one.parent_digest is None and one not in ancestors
    ]
    return tuple(
        one
        for one in (*ancestors, *others)
        if not one.void and one.deleted_at is None and one.state == "retired"
    )


async def replace_void(
    session: AsyncSession,
    digest: str,
    *,
    lease: Lease,
    actor: str,
    now: datetime | None = None,
) -> ModelVersion:
    """Make a version of `clean_starts` current in the place of a void one; no verdict is needed.

    Raises:
        LeaseLost: nothing was changed.
        VersionNotPromotable: the current version is not void, or this one is no clean start.
    """
    await check_lease(session, lease, now=now)
    current = await current_version(session)
    if not current.void or digest not in {one.digest for one in await clean_starts(session)}:
        raise VersionNotPromotable(f"Version {digest} does not stand in for {current.digest}.")
    row = await _row(session, digest)
    return await _rolled_back(session, row, actor, PERSON_ERASED, now)


async def mark_deleted(
    session: AsyncSession, digest: str, *, lease: Lease, now: datetime | None = None
) -> None:
    """Note that the version's files go now; from here on it can never be made current.

    Raises:
        LeaseLost: nothing was changed.
        VersionUnknown: none has this digest.
        VersionNotPromotable: it is current.
    """
    await check_lease(session, lease, now=now)
    row = await _row(session, digest)
    if row.state == "current":
        raise VersionNotPromotable(f"Version {row.digest} is current.")
    row.deleted_at = row.deleted_at or moment(now)
    await session.flush()


async def reject(
    session: AsyncSession,
    digest: str,
    *,
    verdict: Verdict | None,
    lease: Lease,
    actor: str,
    reason: str | None = None,
    now: datetime | None = None,
) -> ModelVersion:
    """Mark a candidate or retired version as one that will never serve.

    Raises:
        LeaseLost: nothing was changed.
        VersionUnknown: none has this digest.
        VersionNotPromotable: it is current: roll back first; or it was rejected before.
    """
    await check_lease(session, lease, now=now)
    row = _in_reserve(await _row(session, digest))
    row.state = "rejected"
    session.add(
        ModelEventRow(
            digest=row.digest,
            event="rejected",
            actor=actor,
            reason=reason,
            override=False,
            verdict=None if verdict is None else {"passed": verdict.passed, **verdict.report},
            at=moment(now),
        )
    )
    await session.flush()
    return _record(row)


def _in_reserve(row: ModelVersionRow) -> ModelVersionRow:
    if row.state not in ("candidate", "retired"):
        raise VersionNotPromotable(f"Version {row.digest} is {row.state}.")
    return row


def _servable(row: ModelVersionRow) -> ModelVersionRow:
    _in_reserve(row)
    if row.person_erased_at is not None:
        raise VersionVoid(row.digest)
    if row.deleted_at is not None:
        raise VersionDeleted(row.digest)
    return row


async def _rolled_back(
    session: AsyncSession, row: ModelVersionRow, actor: str, reason: str, now: datetime | None
) -> ModelVersion:
    event = ModelEventRow(
        digest=row.digest,
        event="rolled_back",
        actor=actor,
        reason=reason,
        override=False,
        at=moment(now),
    )
    await _make_current(session, row, event)
    return _record(row)


async def _make_current(session: AsyncSession, row: ModelVersionRow, event: ModelEventRow) -> None:
    before = await _current_row(session)
    if before is not None:
        before.state = "retired"
        event.previous_digest = before.digest
        await session.flush()  # before the new one, or the unique index would see two
    row.state = "current"
    session.add(event)
    await session.flush()


async def _current_row(session: AsyncSession) -> ModelVersionRow | None:
    return await session.scalar(
        select(ModelVersionRow)
        .where(ModelVersionRow.state == "current")
        .execution_options(populate_existing=True)
    )


async def _row(session: AsyncSession, digest: str) -> ModelVersionRow:
    rows = await session.scalars(
        select(ModelVersionRow)
        .where(ModelVersionRow.digest.startswith(digest, autoescape=True))
        .execution_options(populate_existing=True)
    )
    found = list(rows)
    exact = [row for row in found if row.digest == digest]
    if exact:
        return exact[0]
    if len(found) != 1 or not digest:
        how_many = "No version has" if not found else f"{len(found)} versions have"
        raise VersionUnknown(f"{how_many} a digest that begins with {digest!r}.")
    return found[0]


def _record(row: ModelVersionRow) -> ModelVersion:
    return ModelVersion(
        digest=row.digest,
        uri=row.uri,
        state=cast(VersionState, row.state),
        parent_digest=row.parent_digest,
        created_at=row.created_at,
        figures=row.figures,
        report=row.report,
        person_erased_at=row.person_erased_at,
        deleted_at=row.deleted_at,
    )


def _event_record(row: ModelEventRow) -> ModelEvent:
    return ModelEvent(
        digest=row.digest,
        previous_digest=row.previous_digest,
        event=cast(VersionEvent, row.event),
        actor=row.actor,
        reason=row.reason,
        override=row.override,
        verdict=row.verdict,
        at=row.at,
    )
