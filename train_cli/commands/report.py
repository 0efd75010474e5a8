"""`train_cli report`: figures and pictures of a run's best epoch."""

import json
from pathlib import Path
from typing import Annotated

import torch
import typer
from rich.console import Console

from train_cli.commands.options import (
    Device,
    DryRun,
    Json,
    expected_failures,
    messages,
    print_line,
    results,
    torch_device,
)
from train_cli.progress import face_progress
from train_cli.splits import FaceSet, load_split
from train_cli.training_report import (
    FOLDER,
    PAGE,
    TrainingReport,
    mistakes_in_words,
    report_on,
    report_tables,
    write_report,
)


def report_command(
    run: Annotated[Path, typer.Argument(help="Folder that `train` wrote.", file_okay=False)],
    split: Annotated[Path, typer.Option(help="Folder that `prepare` wrote.")],
    mistakes: Annotated[
        int, typer.Option(help=f"Faces drawn of each kind of mistake, {PAGE} on a sheet.", min=1)
    ] = PAGE,
    limit: Annotated[int | None, typer.Option(help="Only N faces, evenly spread.", min=1)] = None,
    device: Device = "auto",
    as_json: Json = False,
    dry_run: DryRun = False,
) -> None:
    """Judge a run's best epoch on the validation faces and draw what it gets wrong.

    RUN/report receives report.md, report.json, curves, both heads' confusion and calibration,
    and the most confident mistakes as sheets of faces: mistakes.png, and label_noise.png where
    most people say what the network says rather than what the label says. `train` ends with
    this; a run that was broken off, or still goes on, can be looked at with it.

    Example: `train_cli report runs/resnet50 --split datasets/fer2013`
    """
    on_device = torch_device(device)
    with expected_failures():
        validation = load_split(split, "validation", limit)
        if dry_run:
            where = run / FOLDER
            plan = {"faces": len(validation), "report": str(where)}
            said = f"dry run: {len(validation)} faces would be read and {where} written"
            typer.echo(json.dumps(plan) if as_json else said)
            return
        report = made_report(messages(), run, validation, on_device, mistakes)
    if as_json:
        typer.echo(json.dumps(report.to_json() | {"report": str(run / FOLDER)}))
        return
    print_report(report)


def made_report(
    console: Console, run: Path, validation: FaceSet, device: torch.device, mistakes: int = PAGE
) -> TrainingReport:
    """The report on RUN/best, written to RUN/report.

    Raises:
        CheckpointUnusable: No epoch of that run has ended yet, or it is none of ours.
        OSError: RUN cannot be written.
    """
    with face_progress(console, "judging the best epoch", len(validation)) as on_faces:
        report = report_on(run, validation, device, on_faces)
    write_report(report, validation, mistakes)
    return report


def print_report(report: TrainingReport) -> None:
    """What was asked for, on stdout."""
    page = results()
    for table in report_tables(report):
        page.print(table)
    page.print(mistakes_in_words(report), soft_wrap=True)
    where = report.run / FOLDER
    print_line(page, f"best epoch {report.epoch}: {report.run / 'best'}; report: {where}")
