"""`train_cli retrain`: what people said, into a judged candidate."""

import json
from dataclasses import asdict
from typing import Annotated, Any

import typer

from store.engine import Database
from train_cli.commands.database import (
    DEFAULT_DATABASE,
    DEFAULT_MODELS,
    DatabaseUrl,
    ModelsFolder,
    ReplayFolder,
    Threads,
    actor,
    run_to_end,
    use_threads,
)
from train_cli.commands.options import (
    Device,
    DryRun,
    Json,
    ReportFolder,
    RuntimeName,
    Seed,
    expected_failures,
    messages,
    print_line,
    results,
    runtime_named,
    torch_device,
)
from train_cli.progress import step_progress
from train_cli.registry import current_version, held_lease, opened, short, start_of_retrain
from train_cli.retrain_page import write_page
from train_cli.retrain_report import counted, in_words, weighed_in_words
from train_cli.retraining import Outcome, Plan, RetrainSettings, Watcher, plan_retrain, retrain
from train_cli.voting import PSEUDO_VOTES

NOTHING = (
    "no feedback that may be learnt from: it needs consent, a kept face and trust; no candidate"
)


def retrain_command(
    database: DatabaseUrl = DEFAULT_DATABASE,
    models: ModelsFolder = DEFAULT_MODELS,
    replay: ReplayFolder = None,
    pseudo_votes: Annotated[
        float,
        typer.Option(
            help="How many people's votes the current version's answer counts as.", min=0.1
        ),
    ] = PSEUDO_VOTES,
    threads: Threads = None,
    seed: Seed = 0,
    device: Device = "cpu",
    runtime: RuntimeName = "auto",
    report: ReportFolder = None,
    as_json: Json = False,
    dry_run: DryRun = False,
) -> None:
    """Learn from all consented feedback; write, judge and register a candidate.

    Nothing is promoted: the report ends with the gate's verdict, and `models promote` decides.
    Without feedback there is no candidate, which is no failure.

    Example: `train_cli retrain --replay datasets/fer2013 --report var/reports/tonight`
    """
    used = use_threads(threads)
    on_device = torch_device(device)
    settings = RetrainSettings(
        models=models,
        base=replay,
        seed=seed,
        device=on_device,
        runtime=runtime_named(runtime, on_device),
        pseudo_votes=pseudo_votes,
    )
    if dry_run:
        _print_plan(run_to_end(_planned(database)), used, replay is not None, as_json)
        return
    outcome, advice = run_to_end(_retrained(database, settings))
    _print_outcome(outcome, advice, as_json)
    if report is not None and outcome.report is not None:
        with expected_failures():
            write_page(report, outcome.report, None)
        print_line(messages(), f"report: {report}")


async def _planned(url: str) -> Plan:
    async with opened(url) as database:
        return await plan_retrain(database)


async def _retrained(url: str, settings: RetrainSettings) -> tuple[Outcome, str | None]:
    console = messages()
    async with opened(url) as database, held_lease(database) as lease:
        with step_progress(console, "learning") as on_step:
            watcher = Watcher(lambda phase: console.print(f"{phase} …"), on_step)
            outcome = await retrain(database, lease, settings, actor=actor(), watcher=watcher)
        return outcome, await _advice(database, outcome)


async def _advice(database: Database, outcome: Outcome) -> str | None:
    """What is to be done about a void version that serves; None where none does."""
    start = await start_of_retrain(database)
    serving = await current_version(database)
    if not serving.void:
        return None
    clean = short(start.digest)
    instead = f"{clean} serve in its place"
    if outcome.report is not None:
        instead = f"the candidate serve in its place, or {clean}, from which it was made"
    return (
        f"{short(serving.digest)} still serves, and was trained on somebody who was erased since. "
        f"Let {instead}: train_cli models promote {clean}"
    )


def _print_outcome(outcome: Outcome, advice: str | None, as_json: bool) -> None:
    if as_json:
        told = None if outcome.report is None else outcome.report.to_json()
        candidate = None if outcome.report is None else outcome.report.candidate
        document = {"run": outcome.run_id, "candidate": candidate, "report": told, "void": advice}
        typer.echo(json.dumps(document))
        return
    lines = [NOTHING] if outcome.report is None else in_words(outcome.report)
    if advice is not None:
        lines.append(advice)
    console = results()
    for line in lines:
        print_line(console, line)


def _print_plan(plan: Plan, threads: int, replayed: bool, as_json: bool) -> None:
    document: dict[str, Any] = {
        "parent": plan.current.digest,
        "pieces": plan.pieces,
        "confirmations": plan.confirmations,
        "corrections": plan.corrections,
        "people": plan.people,
        "unreadable": plan.unreadable,
        "trained_faces": len(plan.division.training),
        "holdout_faces": len(plan.division.holdout),
        "weighing": None if plan.weighing is None else asdict(plan.weighing),
        "kept_by": "replay" if replayed else "distillation",
        "threads": threads,
    }
    if as_json:
        typer.echo(json.dumps(document))
        return
    typer.echo(
        f"dry run: {short(plan.current.digest)} would learn from "
        f"{counted(document['trained_faces'], 'face')} and be judged on "
        f"{document['holdout_faces']} ({counted(plan.pieces, 'piece')} of feedback from "
        f"{counted(plan.people, 'person', 'people')}, "
        f"{counted(plan.unreadable, 'crop')} unreadable), the rest kept by "
        f"{document['kept_by']}, on {counted(threads, 'thread')}"
    )
    typer.echo(weighed_in_words(plan.weighing))
