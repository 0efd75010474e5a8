"""Training runs: what was asked, what came out, and the log.

What changes the course of runs is given the lease that they work under and checks it within the
same transaction: a process that was paused past its lease's end finds out before it writes.
"""

from datetime import datetime
from typing import cast

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from store.clock import moment
from store.errors import RunEnded, RunUnknown
from store.leases import check_lease
from store.records import JsonObject, Lease, Run, RunState
from store.tables import TrainingRunRow


async def start_run(
    session: AsyncSession,
    kind: str,
    arguments: JsonObject,
    *,
    lease: Lease,
    now: datetime | None = None,
) -> Run:
    """Write down that a run began; `arguments` must be JSON and hold nothing about people.

    Raises:
        LeaseLost: nothing was written.
    """
    await check_lease(session, lease, now=now)
    row = TrainingRunRow(
        kind=kind, state="running", arguments=dict(arguments), started_at=moment(now)
    )
    session.add(row)
    await session.flush()
    return _record(row)


async def finish_run(
    session: AsyncSession,
    run_id: int,
    report: JsonObject,
    *,
    lease: Lease,
    log: str | None = None,
    now: datetime | None = None,
) -> Run:
    """Write down what came out; the report must be JSON and hold nothing about people.

    Raises:
        LeaseLost: nothing was written.
        RunUnknown: there is no such run.
        RunEnded: it was failed or finished before.
    """
    await check_lease(session, lease, now=now)
    row = await _row(session, run_id, lock=True)
    if row.state != "running":
        raise RunEnded(f"Run {run_id} is {row.state} already.")
    row.state = "finished"
    row.report = dict(report)
    row.log = log
    row.finished_at = moment(now)
    await session.flush()
    return _record(row)


async def fail_run(
    session: AsyncSession,
    run_id: int,
    error: str,
    *,
    log: str | None = None,
    now: datetime | None = None,
) -> Run:
    """Write down why the run came to nothing; one that ended before stays as it was.

    Without a lease: whoever lost it must be able to say so, and a run that a successor has failed
    is not touched.

    Raises:
        RunUnknown: there is no such run.
    """
    row = await _row(session, run_id, lock=True)
    if row.state != "running":
        return _record(row)
    row.state = "failed"
    row.error = error
    row.log = log
    row.finished_at = moment(now)
    await session.flush()
    return _record(row)


async def fail_abandoned_runs(
    session: AsyncSession,
    kind: str,
    *,
    lease: Lease,
    error: str = "The process ended without a word.",
    now: datetime | None = None,
) -> int:
    """Fail the runs of this kind that are still running, and return how many.

    For whoever holds the lease that such runs work under: the processes of those before are dead,
    or paused and fenced off.

    Raises:
        LeaseLost: nothing was written; one of them may be the new holder's.
    """
    await check_lease(session, lease, now=now)
    rows = await session.scalars(
        select(TrainingRunRow)
        .where(TrainingRunRow.kind == kind, TrainingRunRow.state == "running")
        .with_for_update()
    )
    abandoned = list(rows)
    for row in abandoned:
        row.state = "failed"
        row.error = error
        row.finished_at = moment(now)
    await session.flush()
    return len(abandoned)


async def run(session: AsyncSession, run_id: int) -> Run:
    """Return one run.

    Raises:
        RunUnknown: there is no such run.
    """
    return _record(await _row(session, run_id))


async def runs(session: AsyncSession, *, limit: int = 20) -> tuple[Run, ...]:
    """Return the latest runs, newest first."""
    rows = await session.scalars(
        select(TrainingRunRow)
        .order_by(TrainingRunRow.id.desc())
        .limit(limit)
        .execution_options(populate_existing=True)
    )
    return tuple(_record(row) for row in rows)


async def _row(session: AsyncSession, run_id: int, *, lock: bool = False) -> TrainingRunRow:
    row = await session.get(TrainingRunRow, run_id, populate_existing=True, with_for_update=lock)
    if row is None:
        raise RunUnknown(f"There is no run {run_id}.")
    return row


def _record(row: TrainingRunRow) -> Run:
    return Run(
        run_id=row.id,
        kind=row.kind,
        state=cast(RunState, row.state),
        started_at=row.started_at,
        finished_at=row.finished_at,
        arguments=row.arguments,
        report=row.report,
        error=row.error,
        log=row.log,
    )
