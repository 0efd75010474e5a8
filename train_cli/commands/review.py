"""`train_cli review`: which faces a person should look at again before training on them."""

import json
from pathlib import Path
from typing import Annotated

import typer
from rich import box
from rich.table import Table

from train_cli.commands.options import DryRun, Json, expected_failures, messages, results
from train_cli.preparing import SplitName
from train_cli.progress import face_progress
from train_cli.reviewing import (
    DECISIONS,
    ReviewedSplit,
    read_predictions,
    review,
    sources_of,
    write_review,
)
from train_cli.splits import load_split
from train_cli.suspects import KINDS


def review_command(
    split: Annotated[Path, typer.Option(help="Folder that `prepare` wrote.")],
    out: Annotated[Path, typer.Option(help="Folder for decisions.csv and the contact sheets.")],
    predictions: Annotated[
        list[Path] | None,
        typer.Option(
            help="CSV that `evaluate --predictions` wrote of these faces; several, if networks "
            "that have not seen a fold predicted it.",
            exists=True,
        ),
    ] = None,
    validation: Annotated[
        bool, typer.Option("--validation", help="Look at validation faces too.")
    ] = False,
    accept: Annotated[
        list[str] | None,
        typer.Option(
            help=f"Kind whose suggestions are the decisions: {', '.join(KINDS)}. Several times "
            "for several."
        ),
    ] = None,
    sheets: Annotated[int, typer.Option(help="At most N contact sheets per kind.", min=0)] = 20,
    as_json: Json = False,
    dry_run: DryRun = False,
) -> None:
    """Find faces that are none, drawings, and labels that people or a network contradict.

    Writes a row per suspect into OUT/decisions.csv, with a decision that stands unless you edit
    it: `keep`, `drop`, or an emotion. `prepare --decisions` follows it. The contact sheets show
    each suspect under its number. Suspects of the validation split are shown, but stay as they
    are, and the test split is never looked at. How good the rules are: docs/data_care.md.

    Example: `train_cli evaluate --split datasets/fer2013 --name train --predictions train.csv`

    Example: `train_cli review --split datasets/fer2013 --predictions train.csv --out var/review`
    """
    accepted = [kind for kind in KINDS if kind in (accept or ())]
    if len(accepted) < len(set(accept or ())):
        raise typer.BadParameter(f"known kinds are {', '.join(KINDS)}", param_hint="--accept")
    console = messages()
    with expected_failures():
        splits: list[ReviewedSplit] = []
        names: tuple[SplitName, ...] = ("train", "validation") if validation else ("train",)
        for name in names:
            faces = load_split(split, name)
            predicted = read_predictions(predictions, faces) if predictions else None
            splits.append(ReviewedSplit(name, faces, sources_of(split, name), predicted))
        found = review(splits, accepted)
        written: list[Path] = []
        if not dry_run:
            with face_progress(console, "drawing sheets", len(found.suspects)) as on_faces:
                written = write_review(found, out, sheets, on_faces)
    if as_json:
        document = {
            "out": None if dry_run else str(out),
            "faces": {part.name: len(part.faces) for part in splits},
            "suspects": found.counts,
            "decisions": found.decisions,
            "sheets": [str(path) for path in written],
        }
        typer.echo(json.dumps(document))
        return
    page = results()
    page.print(_table(found.counts, {part.name: len(part.faces) for part in splits}))
    unless = ", ".join(f"{count} {decision}" for decision, count in found.decisions.items())
    page.print(f"decided unless you edit it: {unless or 'nothing'}", soft_wrap=True)
    if dry_run:
        typer.echo("dry run: nothing written")
        return
    typer.echo(f"{len(written)} contact sheets; edit the last column of {out / DECISIONS}, then:")
    typer.echo(f"  train_cli prepare … --decisions {out / DECISIONS}")


def _table(counts: dict[str, dict[str, int]], faces: dict[str, int]) -> Table:
    """A line per kind, a column per split."""
    table = Table(title="suspects", title_justify="left", box=box.SIMPLE_HEAD)
    table.add_column("kind")
    for name in faces:
        table.add_column(name, justify="right")
        table.add_column("share", justify="right")
    for kind, by_split in counts.items():
        cells = [
            cell
            for name, total in faces.items()
            for cell in (str(by_split[name]), f"{by_split[name] / total:.2%}")
        ]
        table.add_row(kind, *cells)
    return table
