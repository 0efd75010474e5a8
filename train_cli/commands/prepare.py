"""`train_cli prepare`: a downloaded data set, checked, cleaned and split."""

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console

from train_cli.commands.options import (
    DryRun,
    Json,
    Seed,
    expected_failures,
    messages,
    print_line,
    results,
)
from train_cli.decisions import read_decisions
from train_cli.preparing import Dropped, PreparationReport, SplitScheme, prepare
from train_cli.progress import face_progress
from train_cli.reports import splits_table

_NAMED: Final = 5
"""Files named per reason on the terminal; `dropped.csv` and --json name them all."""


def prepare_command(
    source: Annotated[
        Path,
        typer.Argument(help="The data set as downloaded: a folder or a zip.", exists=True),
    ],
    out: Annotated[Path, typer.Option(help="New folder for the prepared data set.")],
    scheme: Annotated[
        SplitScheme,
        typer.Option(help="The published split with validation out of training, or 8:1:1 anew."),
    ] = "official",
    votes: Annotated[
        Path | None,
        typer.Option(help="CSV of FER+ votes: `file`, then a count per answer.", exists=True),
    ] = None,
    decisions: Annotated[
        Path | None,
        typer.Option(
            help="Edited CSV of `review`: training faces to drop or relabel.", exists=True
        ),
    ] = None,
    seed: Seed = 0,
    as_json: Json = False,
    dry_run: DryRun = False,
) -> None:
    """Check, clean and split a data set; every file left out is counted and gets a reason.

    Expects a folder per emotion, below `train/` and `test/` for the official split. Blank,
    unreadable and duplicate images are dropped, and so are identical images whose labels
    contradict each other. Folders that are no emotion are refused. An existing OUT is never
    overwritten, and OUT appears only when everything in it is written.

    Decisions are followed for training faces alone: validation and test stay as they are without
    them, so that figures stay comparable.

    Example: `train_cli prepare fer2013.zip --votes ferplus.csv --out datasets/fer2013`

    Example: `train_cli prepare fer2013.zip --votes ferplus.csv --decisions var/review/decisions.csv
    --out datasets/fer2013-clean`
    """
    console = messages()
    with expected_failures(), face_progress(console, "reading images", None) as on_files:
        reviewed = read_decisions(decisions) if decisions is not None else None
        report, dropped = prepare(
            source, None if dry_run else out, scheme, votes, seed, on_files, reviewed
        )
    if as_json:
        rows = [asdict(item) for item in dropped]
        written = None if dry_run else str(out)
        typer.echo(json.dumps({"out": written, **asdict(report), "dropped_files": rows}))
        return
    _print(results(), report, dropped)
    typer.echo("dry run: nothing written" if dry_run else f"written to {out}")


def _print(page: Console, report: PreparationReport, dropped: Sequence[Dropped]) -> None:
    page.print(splits_table(report.splits))
    total = sum(report.dropped.values())
    page.print(f"{report.found} files found, {total} left out, {report.with_votes} with votes")
    by_reason: dict[str, list[Dropped]] = defaultdict(list)
    for item in dropped:
        by_reason[item.reason.split(":")[0]].append(item)
    for reason, items in by_reason.items():
        page.print(f"  {reason}: {len(items)}", highlight=False)
        for item in items[:_NAMED]:
            detail = item.reason.partition(": ")[2]
            named = f"{item.source} ({detail})" if detail else item.source
            print_line(page, f"    {named}")
        if len(items) > _NAMED:
            page.print(f"    and {len(items) - _NAMED} more")
    if report.review is not None:
        review = report.review
        page.print(
            f"review: {review.dropped} training faces dropped, {review.relabelled} relabelled, "
            f"{review.kept} kept",
            soft_wrap=True,
        )
        if review.held_out:
            page.print(
                f"  {review.held_out} decisions on validation or test faces were not followed: "
                "these splits stay comparable",
                soft_wrap=True,
            )
    if report.test_identical_to_training:
        page.print(
            f"{report.test_identical_to_training} test images are identical to training images; "
            "they are kept and marked, so that `evaluate` can report both ways",
            soft_wrap=True,
        )
    if report.missing:
        page.print(f"[bold]no image at all of: {', '.join(report.missing)}[/]")
