"""Training runs: what was asked, what came out, and the log."""

from datetime import datetime
from typing import cast

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from store.clock import moment
from store.errors import RunUnknown
from store.records import JsonObject, Run, RunState
from store.tables import TrainingRunRow


async def start_run(
    session: AsyncSession, kind: str, arguments: JsonObject, *, now: datetime | None = None
) -> Run:
    """Write down that a run began; `arguments` must be JSON and hold nothing about people."""
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
    log: str | None = None,
    now: datetime | None = None,
) -> Run:
    """Write down what came out; the report must be JSON and hold nothing about people.

    Raises:
        RunUnknown: there is no such run.
    """
    row = await _row(session, run_id)
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
    """Write down why the run came to nothing.

    Raises:
        RunUnknown: there is no such run.
    """
    row = await _row(session, run_id)
    row.state = "failed"
    row.error = error
    row.log = log
    row.finished_at = moment(now)
    await session.flush()
    return _record(row)


async def fail_abandoned_runs(
    session: AsyncSession, kind: str, *, now: datetime | None = None
) -> int:
    """Fail the runs of this kind that are still running, and return how many.

    For whoever has just acquired the lease that such runs work under: their processes are dead.
    """
    rows = await session.scalars(
        select(TrainingRunRow)
        .where(TrainingRunRow.kind == kind, TrainingRunRow.state == "running")
        .with_for_update()
    )
    abandoned = list(rows)
    for row in abandoned:
        row.state = "failed"
        row.error = "The process ended without a word."
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


async def _row(session: AsyncSession, run_id: int) -> TrainingRunRow:
    row = await session.get(TrainingRunRow, run_id, populate_existing=True)
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
