"""`train_cli runs`: what was retrained, when, and what came out."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from fer_model.runtimes import Runtime
from store import runs
from store.records import Run
from train_cli.changed_faces import changed_faces_sheet, finished_report
from train_cli.commands.database import DEFAULT_DATABASE, DatabaseUrl, run_to_end
from train_cli.commands.options import (
    Json,
    ReportFolder,
    RuntimeName,
    messages,
    print_line,
    results,
)
from train_cli.registry import opened, short
from train_cli.retrain_page import FACES, write_page


def runs_command(
    run_id: Annotated[
        int | None,
        typer.Argument(help="A run to show; without, the latest are listed."),
    ] = None,
    limit: Annotated[int, typer.Option(help="How many are listed.", min=1)] = 20,
    report: ReportFolder = None,
    faces: Annotated[
        bool, typer.Option("--faces", help="With --report: also draw the faces that changed.")
    ] = False,
    runtime: RuntimeName = "auto",
    database: DatabaseUrl = DEFAULT_DATABASE,
    as_json: Json = False,
) -> None:
    """List the latest runs, or show one with its arguments and report.

    --report writes one run's report as a folder. --faces asks both versions again about the crops
    that are still kept, and adds faces.png: it shows people, so delete it when you have looked.

    Example: `train_cli runs 12 --report var/reports/12 --faces`
    """
    if report is None and faces:
        raise typer.BadParameter("needs --report", param_hint="--faces")
    if report is not None:
        if run_id is None:
            raise typer.BadParameter("name the run that it is of", param_hint="--report")
        run_to_end(_reported(database, run_id, report, faces, runtime))
    found = run_to_end(_found(database, run_id, limit))
    if as_json:
        documents = [_json(run) for run in found]
        typer.echo(json.dumps(documents if run_id is None else documents[0]))
    elif run_id is None:
        _print_table(found)
    elif report is None:
        results().print_json(json.dumps(_json(found[0])))


async def _found(url: str, run_id: int | None, limit: int) -> tuple[Run, ...]:
    async with opened(url) as database, database.readers() as session:
        if run_id is not None:
            return (await runs.run(session, run_id),)
        return await runs.runs(session, limit=limit)


async def _reported(url: str, run_id: int, folder: Path, faces: bool, runtime: Runtime) -> None:
    async with opened(url) as database:
        async with database.readers() as session:
            run = await runs.run(session, run_id)
        report = finished_report(run)
        sheet = await changed_faces_sheet(database, run, runtime) if faces else None
    write_page(folder, report, sheet)
    told = f"report: {folder}"
    if sheet is not None:
        told += f"; {FACES} shows people: delete it when you have looked"
    print_line(messages(), told)


def _print_table(found: tuple[Run, ...]) -> None:
    if not found:
        typer.echo("nothing was retrained yet")
        return
    table = Table("run", "kind", "state", "started (UTC)", "took", "outcome")
    for run in found:
        table.add_row(
            str(run.run_id),
            run.kind,
            run.state,
            f"{run.started_at:%Y-%m-%d %H:%M:%S}",
            "" if run.finished_at is None else _duration(run),
            escape(_outcome(run)),
        )
    results().print(table)


def _duration(run: Run) -> str:
    assert run.finished_at is not None  # noqa: S101  the caller looked
    return f"{(run.finished_at - run.started_at).total_seconds():.0f} s"


def _outcome(run: Run) -> str:
    if run.error is not None:
        return run.error
    if run.report is None:
        return ""
    candidate = run.report.get("candidate")
    if not isinstance(candidate, str):
        return "nothing to learn from"
    verdict = run.report.get("verdict")
    passed = isinstance(verdict, dict) and verdict["passed"]
    return f"candidate {short(candidate)}, gate {'passed' if passed else 'refused'}"


def _json(run: Run) -> dict[str, Any]:
    finished = None if run.finished_at is None else run.finished_at.isoformat()
    return asdict(run) | {"started_at": run.started_at.isoformat(), "finished_at": finished}
