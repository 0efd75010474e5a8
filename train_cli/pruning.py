"""Which versions' files go, and deleting them: void ones always, old ones beyond a number.

The row stays, with its digest and its figures. A crash leaves nothing that could be loaded: the row
says first that the files go, the directory loses its name next, and only then it is emptied.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final, Literal

from sqlalchemy.ext.asyncio import AsyncSession

from fer_model.errors import VersionMissing
from fer_model.uris import version_path
from fer_model.versions import delete_version, remove_unfinished
from store import versions
from store.clock import moment
from store.engine import Database
from store.errors import LeaseTaken, NoCurrentVersion, VersionNotPromotable
from store.records import ModelVersion
from train_cli.registry import HeldLease, model_lease, short

KEPT: Final = 10
"""Versions beside the current one whose files are kept: 87 MB each as they are shipped."""

GRACE: Final = timedelta(minutes=10)
"""Since a version stopped serving: a bot looks every few seconds and loads within a minute."""

Why = Literal["void", "old", "deleted before"]


@dataclass(frozen=True)
class Doomed:
    """A version whose files are to go: where they are, why, and how much they take."""

    digest: str
    path: Path
    why: Why
    size: int

    def __str__(self) -> str:
        return f"{short(self.digest)} ({self.why}, {self.size / 1e6:.0f} MB)"


async def prune(
    database: Database, folder: Path, under: HeldLease, say: Callable[[str], None]
) -> None:
    """Deletes what may be deleted now, and says what, or why not; for a scheduler.

    Raises:
        LeaseLost: Whatever was not deleted by then is still there.
    """
    try:
        doomed = await doomed_versions(database, folder)
        await delete_doomed(database, doomed, folder, under=under)
    except (LeaseTaken, VersionNotPromotable, OSError) as error:
        say(f"old versions were not deleted: {error}")
        return
    for one in doomed:
        say(f"deleted {one}")


async def doomed_versions(
    database: Database, folder: Path, *, kept: int = KEPT, now: datetime | None = None
) -> tuple[Doomed, ...]:
    """The versions whose files may be deleted now, newest first; only reads.

    Void ones, what is older than the newest `kept`, and what a crash left of a deletion. Never the
    current one nor the one before it, no base, none that served within `GRACE`, and nothing that is
    not in `folder`.
    """
    async with database.readers() as session:
        rows = await versions.versions(session)
        used = await _last_used(session, rows)
        spared = await _spared(session)
    found: list[Doomed] = []
    beside = 0
    for row in rows:
        path = _in_folder(row, folder)
        if row.state == "current" or row.parent_digest is None or path is None:
            continue
        counts = not row.void and row.deleted_at is None
        beside += counts
        why: Why = "deleted before" if row.deleted_at else "void" if row.void else "old"
        if counts and (beside <= kept or row.digest in spared):
            continue
        if moment(now) - used[row.digest] >= GRACE and path.is_dir():
            found.append(Doomed(row.digest, path, why, _size(path)))
    return tuple(found)


async def delete_doomed(
    database: Database, doomed: Sequence[Doomed], folder: Path, *, under: HeldLease | None = None
) -> int:
    """Deletes these versions' files, and what crashes left in the folder; returns how many of both.

    Args:
        database: Which says from then on that they cannot serve.
        doomed: From `doomed_versions`.
        folder: Where they are.
        under: A lease that must be held as well.

    Raises:
        LeaseTaken, LeaseLost: Whatever was not deleted by then is still there.
        VersionNotPromotable: One was made current meanwhile; likewise.
    """
    for one in doomed:
        async with database.sessions.begin() as session, model_lease(session, under) as lease:
            await versions.mark_deleted(session, one.digest, lease=lease)
        await asyncio.to_thread(delete_version, one.path)
    return len(doomed) + await asyncio.to_thread(remove_unfinished, folder)


async def _last_used(session: AsyncSession, rows: Sequence[ModelVersion]) -> dict[str, datetime]:
    """When each version was made, or last gave its place to another."""
    used = {row.digest: row.created_at for row in rows}
    for event in await versions.events(session):
        if event.previous_digest is not None:
            used[event.previous_digest] = event.at
    return used


async def _spared(session: AsyncSession) -> frozenset[str | None]:
    """The current version's parent, and what a rollback would restore."""
    try:
        current = await versions.current_version(session)
    except NoCurrentVersion:
        return frozenset()
    replaced = [
        event.previous_digest
        for event in await versions.events(session, digest=current.digest)
        if event.event == "promoted"
    ]
    return frozenset((current.parent_digest, *replaced[-1:]))


def _in_folder(row: ModelVersion, folder: Path) -> Path | None:
    try:
        path = version_path(row.uri)
    except VersionMissing:
        return None
    return path if path.parent.resolve() == folder.resolve() and path.name == row.digest else None


def _size(path: Path) -> int:
    return sum(file.stat().st_size for file in path.iterdir())
