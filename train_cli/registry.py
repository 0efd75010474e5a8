"""Model versions between disk and database: what serves, who may change it, and changing it.

A retrain works under the lease `retrain` for as long as it takes; promoting, rolling back and
deleting take the lease `model` within one transaction each, so that going back is possible at any
time.
"""

import asyncio
import contextlib
import math
import os
import secrets
import socket
import threading
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final, cast

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession

from fer_model.errors import FerModelError
from fer_model.uris import version_path, version_uri
from fer_model.versions import SHORT_DIGEST, read_version, shipped_version
from fer_model.versions import ModelVersion as VersionOnDisk
from store import versions
from store.engine import Database, open_database
from store.errors import GateRefused, LeaseLost, NoCurrentVersion
from store.leases import MODEL_LEASE, acquire_lease, check_lease, release_lease, renew_lease
from store.records import Lease, ModelVersion, Verdict
from store.schema import check_schema
from train_cli.errors import PromotionRefused, RunRefused

RETRAIN_LEASE: Final = "retrain"

LEASE_DURATION: Final = timedelta(minutes=2)
"""After a crash the next run waits at most this long."""

_RENEWALS: Final = 4
"""Renewals in the time of one lease: three may fail."""

_MOMENT: Final = timedelta(minutes=1)
"""More than one transaction takes."""


@dataclass
class HeldLease:
    """A lease that is renewed in the background.

    Attributes:
        lease: As it was last renewed.
        lost: Set when somebody may have taken it.
        good_until: Seconds of `time.monotonic` until which nobody can have: whatever the clocks of
            this host and of the database say, and also where this process was paused.
    """

    lease: Lease
    lost: threading.Event = field(default_factory=threading.Event)
    good_until: float = math.inf

    def check(self) -> None:
        """Returns while the lease is held; callable from any thread.

        Raises:
            LeaseLost: It ran out or was taken over.
        """
        if self.lost.is_set() or time.monotonic() >= self.good_until:
            raise LeaseLost(f"The lease {self.lease.name!r} was lost; nothing was changed.")


@dataclass(frozen=True)
class TrainedOn:
    """Who gave the feedback that a version has seen, and the names of the faces it is about."""

    people: frozenset[int] = frozenset()
    faces: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Succession:
    """One version taking the place of another.

    Attributes:
        version: The one that serves from then on.
        replaced: The one that served until then.
        verdict: The gate's; None where it is not asked.
    """

    version: ModelVersion
    replaced: ModelVersion
    verdict: Verdict | None


@contextlib.asynccontextmanager
async def opened(url: str) -> AsyncIterator[Database]:
    """The database at `url`, at this program's schema; closed at the end.

    Raises:
        DatabaseUrlInvalid, DatabaseUnreachable, SchemaMismatch: One line that says what to do.
    """
    database = open_database(url)
    try:
        await check_schema(database)
        yield database
    finally:
        await database.close()


@contextlib.asynccontextmanager
async def held_lease(
    database: Database, name: str = RETRAIN_LEASE, duration: timedelta = LEASE_DURATION
) -> AsyncIterator[HeldLease]:
    """The lease, renewed until the end and then let go of.

    Raises:
        LeaseTaken: Somebody else holds it, and until when.
    """
    asked_at = time.monotonic()
    async with database.sessions.begin() as session:
        lease = await acquire_lease(session, name, this_process(), duration)
    held = HeldLease(lease, good_until=asked_at + duration.total_seconds())
    renewing = asyncio.create_task(_renew(database, held, duration))
    try:
        yield held
    finally:
        renewing.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await renewing
        with contextlib.suppress(SQLAlchemyError, OSError):  # it runs out by itself
            async with database.sessions.begin() as session:
                await release_lease(session, held.lease)


@contextlib.asynccontextmanager
async def model_lease(
    session: AsyncSession, under: HeldLease | None = None
) -> AsyncIterator[Lease]:
    """The right to change which version serves, within the session's transaction.

    Args:
        session: Its transaction ends, by commit or rollback, what is not let go of at the end.
        under: A lease that must be held as well.

    Raises:
        LeaseTaken, LeaseLost: Nothing was changed.
    """
    if under is not None:
        await check_lease(session, under.lease)
    lease = await acquire_lease(session, MODEL_LEASE, this_process(), _MOMENT)
    yield lease
    await release_lease(session, lease)  # after an error the rollback does


def this_process() -> str:
    """A name that no other process has, on any host."""
    return f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"


async def current_version(database: Database) -> ModelVersion:
    """The version that serves; the shipped one is registered first where none is.

    Raises:
        VersionRefused: None is registered, and the shipped one is missing or damaged.
    """
    async with database.readers() as session:
        with contextlib.suppress(NoCurrentVersion):
            return await versions.current_version(session)
    shipped = await asyncio.to_thread(read_version, shipped_version())
    async with database.sessions.begin() as session:
        await versions.register_base(
            session,
            shipped.digest,
            version_uri(shipped.path),
            figures=dict(shipped.metadata.figures),
            actor="train_cli",
        )
        return await versions.current_version(session)


def version_on_disk(version: ModelVersion) -> VersionOnDisk:
    """The version's directory, checked to hold what its row promises.

    Raises:
        VersionRefused: It is missing, damaged, or cannot serve.
        RunRefused: It holds another version.
    """
    found = read_version(version_path(version.uri))
    if found.digest != version.digest:
        raise RunRefused(f"{version.uri} holds {found.short}, not {short(version.digest)}")
    return found


async def trained_on(session: AsyncSession, version: ModelVersion) -> TrainedOn:
    """What the version or any of its ancestors was trained on."""
    people: set[int] = set()
    faces: set[str] = set()
    for one in await _line(session, version):
        people.update(await versions.people_of_version(session, one.digest))
        faces.update(await versions.faces_of_version(session, one.digest))
    return TrainedOn(frozenset(people), frozenset(faces))


async def first_of_line(session: AsyncSession, version: ModelVersion) -> tuple[ModelVersion, ...]:
    """The base that the version descends from, and after it other releases' bases, newest first.

    Nothing where the version is a base itself.
    """
    if version.parent_digest is None:
        return ()
    first = (await _line(session, version))[-1]
    everything = await versions.versions(session)
    others = (one for one in everything if one.parent_digest is None and one != first)
    return (first, *others)


async def _line(session: AsyncSession, version: ModelVersion) -> list[ModelVersion]:
    """The version and its ancestors, the base last."""
    line = [version]
    while line[-1].parent_digest is not None:
        line.append(await versions.version(session, line[-1].parent_digest))
    return line


async def start_of_retrain(database: Database) -> ModelVersion:
    """The version that a retrain starts from, and that its candidate is judged against.

    The current one; where that is void, what may stand in for it and can be read: its nearest
    ancestor that was not trained on anybody who was erased since, in the end the base.

    Raises:
        NoCurrentVersion: None is registered yet.
        RunRefused: The current version is void, and nothing that may stand in for it is there.
    """
    async with database.readers() as session:
        current = await versions.current_version(session)
        if not current.void:
            return current
        starts = await versions.clean_starts(session)
    for start in starts:
        with contextlib.suppress(FerModelError, RunRefused):
            await asyncio.to_thread(version_on_disk, start)
            return start
    raise RunRefused(
        f"{short(current.digest)} was trained on somebody who was erased since, and no version "
        "that was not is on disk: start the bot once, which registers the shipped one"
    )


async def replace_void(
    database: Database, *, actor: str, under: HeldLease | None = None
) -> ModelVersion | None:
    """Makes current what may stand in for a void current version; None where it is not void.

    Args:
        database: Where it is registered.
        actor: Who does this.
        under: A lease that must be held as well.

    Raises:
        LeaseTaken, LeaseLost, VersionNotPromotable, RunRefused: Nothing was changed.
    """
    try:
        start = await start_of_retrain(database)
    except NoCurrentVersion:
        return None
    async with database.sessions.begin() as session:
        if under is not None:
            await check_lease(session, under.lease)
        if not (await versions.current_version(session)).void:
            return None
        async with model_lease(session) as lease:
            return await versions.replace_void(session, start.digest, lease=lease, actor=actor)


async def promote(
    database: Database,
    prefix: str,
    *,
    actor: str,
    override_reason: str | None = None,
    under: HeldLease | None = None,
) -> ModelVersion:
    """Makes the version current whose digest begins with `prefix`.

    The gate's verdict counts only against the version that it was judged against: if another
    serves by now, the evidence is about something else. Where the version that serves is void, the
    one counts that may stand in for it, and that one needs no verdict itself.

    Args:
        database: Where it is registered.
        prefix: Of its digest.
        actor: Who does this.
        override_reason: Why it shall serve although the gate refuses.
        under: A lease that must be held as well.

    Raises:
        VersionUnknown, VersionNotPromotable, LeaseTaken, LeaseLost: Nothing was changed.
        VersionRefused: Its directory cannot serve.
        PromotionRefused: The gate refuses, and there is no reason to override it.
        RunRefused: Its directory holds another version, or nothing may stand in for a void one.
    """
    chosen, start = await _chosen(database, prefix)
    async with database.sessions.begin() as session, model_lease(session, under) as lease:
        return (await _promoted(session, lease, chosen, start, actor, override_reason)).version


async def rehearse_promotion(
    database: Database, prefix: str, *, actor: str, override_reason: str | None = None
) -> Succession:
    """What `promote` would do now: it is done, and undone again unseen.

    Raises:
        What `promote` raises.
    """
    chosen, start = await _chosen(database, prefix)
    async with database.sessions() as session, model_lease(session) as lease:  # never committed
        return await _promoted(session, lease, chosen, start, actor, override_reason)


async def roll_back(database: Database, *, actor: str, reason: str) -> ModelVersion:
    """Makes the version current that the current one replaced.

    Raises:
        NothingToRollBackTo, VersionVoid, VersionDeleted, LeaseTaken: Nothing was changed.
        VersionRefused, RunRefused: That version's directory cannot serve.
    """
    async with database.sessions.begin() as session, model_lease(session) as lease:
        return (await _rolled_back(session, lease, actor, reason)).version


async def rehearse_rollback(database: Database, *, actor: str, reason: str) -> Succession:
    """What `roll_back` would do now: it is done, and undone again unseen.

    Raises:
        What `roll_back` raises.
    """
    async with database.sessions() as session, model_lease(session) as lease:  # never committed
        return await _rolled_back(session, lease, actor, reason)


def short(digest: str) -> str:
    """The digest as people are shown it."""
    return digest[:SHORT_DIGEST]


async def _renew(database: Database, held: HeldLease, duration: timedelta) -> None:
    while True:
        await asyncio.sleep(duration.total_seconds() / _RENEWALS)
        asked_at = time.monotonic()
        try:
            async with database.sessions.begin() as session:
                held.lease = await renew_lease(session, held.lease, duration)
        except LeaseLost:
            held.lost.set()
            return
        except (SQLAlchemyError, OSError):  # asyncpg's connection refused is the latter
            if asked_at >= held.good_until:
                held.lost.set()
                return
        else:
            held.good_until = asked_at + duration.total_seconds()


async def _chosen(database: Database, prefix: str) -> tuple[ModelVersion, ModelVersion]:
    """The version that is to be promoted, checked on disk, and what a retrain would start from."""
    async with database.readers() as session:
        chosen = await versions.version(session, prefix)
    await asyncio.to_thread(version_on_disk, chosen)
    return chosen, await start_of_retrain(database)


async def _promoted(
    session: AsyncSession,
    lease: Lease,
    chosen: ModelVersion,
    start: ModelVersion,
    actor: str,
    override_reason: str | None,
) -> Succession:
    serving = await versions.current_version(session)
    if serving.void and chosen.digest == start.digest:
        clean = await versions.replace_void(session, chosen.digest, lease=lease, actor=actor)
        return Succession(clean, serving, None)
    verdict = _verdict(chosen, start if serving.void else serving)
    try:
        promoted = await versions.promote(
            session,
            chosen.digest,
            verdict=verdict,
            lease=lease,
            actor=actor,
            override_reason=override_reason,
        )
    except GateRefused as error:
        raise PromotionRefused(chosen.digest, verdict) from error
    return Succession(promoted, serving, verdict)


async def _rolled_back(session: AsyncSession, lease: Lease, actor: str, reason: str) -> Succession:
    serving = await versions.current_version(session)
    restored = await versions.rollback(session, lease=lease, actor=actor, reason=reason)
    version_on_disk(restored)  # before the transaction ends, which a refusal undoes
    return Succession(restored, serving, None)


def _verdict(version: ModelVersion, serving: ModelVersion) -> Verdict:
    recorded = cast("dict[str, Any] | None", version.report.get("verdict"))
    if recorded is None:
        return Verdict(False, {"reasons": ["the gate never judged this version"]})
    if version.parent_digest != serving.digest:
        stale = (
            f"it was judged against {short(version.parent_digest or '')}, "
            f"but {short(serving.digest)} serves now"
        )
        return Verdict(False, {**recorded, "passed": False, "reasons": [stale]})
    return Verdict(bool(recorded["passed"]), recorded)
