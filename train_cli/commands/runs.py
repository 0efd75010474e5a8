"""`train_cli runs`: what was retrained, when, and what came out."""

import json
from dataclasses import asdict
from typing import Annotated, Any

import typer
from rich.table import Table

from store import runs
from store.records import Run
from train_cli.commands.database import DEFAULT_DATABASE, DatabaseUrl, run_to_end
from train_cli.commands.options import Json, results
from train_cli.registry import opened, short


def runs_command(
    run_id: Annotated[
        int | None, typer.Argument(help="One run; all of the latest without.")
    ] = None,
    limit: Annotated[int, typer.Option(help="How many.", min=1)] = 20,
    database: DatabaseUrl = DEFAULT_DATABASE,
    as_json: Json = False,
) -> None:
    """List the latest runs, or show one with its arguments and report."""
    found = run_to_end(_found(database, run_id, limit))
    if as_json:
        documents = [_json(run) for run in found]
        typer.echo(json.dumps(documents if run_id is None else documents[0]))
    elif run_id is None:
        _print_table(found)
    else:
        results().print_json(json.dumps(_json(found[0])))


async def _found(url: str, run_id: int | None, limit: int) -> tuple[Run, ...]:
    async with opened(url) as database, database.readers() as session:
        if run_id is not None:
            return (await runs.run(session, run_id),)
        return await runs.runs(session, limit=limit)


def _print_table(found: tuple[Run, ...]) -> None:
    table = Table("run", "kind", "state", "started", "took", "outcome")
    for run in found:
        table.add_row(
            str(run.run_id),
            run.kind,
            run.state,
            f"{run.started_at:%Y-%m-%d %H:%M:%S}",
            "" if run.finished_at is None else _duration(run),
            _outcome(run),
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
