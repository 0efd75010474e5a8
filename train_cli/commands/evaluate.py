"""`train_cli evaluate`: how right a model version, or a member in training, is."""

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from fer_model.emotions import EMOTIONS
from fer_model.versions import read_version, shipped_version
from train_cli.commands.options import (
    Device,
    DryRun,
    Json,
    RuntimeName,
    Seed,
    expected_failures,
    messages,
    print_line,
    results,
    runtime_named,
    torch_device,
)
from train_cli.ensembles import (
    BLEND,
    Answers,
    answers_of,
    ensemble_logits,
    ensemble_of_checkpoints,
    ensemble_of_version,
    judged,
    judged_leak_free,
)
from train_cli.errors import RunRefused, SplitUnusable
from train_cli.evaluating import Figures
from train_cli.pictures import confusion_picture
from train_cli.preparing import SplitName
from train_cli.progress import face_progress
from train_cli.reports import classes_table, confusion_table, documents, figures_table
from train_cli.retrain_report import counted
from train_cli.served import served_logits
from train_cli.splits import FaceSet, load_folder, load_split
from train_cli.votes import read_votes

REPORT: Final = "report.json"
CONFUSION: Final = "confusion.png"


def evaluate_command(
    faces: Annotated[
        Path | None,
        typer.Argument(help="Folder of faces, one folder per emotion in it.", file_okay=False),
    ] = None,
    split: Annotated[Path | None, typer.Option(help="Or: folder that `prepare` wrote.")] = None,
    name: Annotated[SplitName, typer.Option(help="Which part of --split.")] = "test",
    version: Annotated[
        Path | None, typer.Option(help="Model version's folder; the shipped one by default.")
    ] = None,
    member: Annotated[
        list[Path] | None,
        typer.Option(help="Instead of a version: a run's `best` folder; several are averaged."),
    ] = None,
    votes: Annotated[
        Path | None, typer.Option(help="CSV of votes for FACES; a prepared split has its own.")
    ] = None,
    flip: Annotated[
        bool | None,
        typer.Option("--flip/--no-flip", help="Average with the mirror image."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder for report.json and confusion.png.", file_okay=False),
    ] = None,
    predictions: Annotated[
        Path | None,
        typer.Option(help="CSV with a row per face: its 7 + 7 probabilities.", dir_okay=False),
    ] = None,
    limit: Annotated[int | None, typer.Option(help="Only N faces, evenly spread.", min=1)] = None,
    seed: Seed = 0,
    device: Device = "auto",
    runtime: RuntimeName = "auto",
    as_json: Json = False,
    dry_run: DryRun = False,
) -> None:
    """Measure accuracy, calibration and the distance to people on labelled faces.

    Label figures judge the label head against the folder's emotion. Crowd figures judge the
    crowd head against people's votes: the majority's emotion (contempt, which is never answered,
    is an error; ties are left out), FER+'s own protocol, and how near the blend is to people.
    The test split is measured as published and, beside it, without the images that are
    identical to training ones. A model version answers through the engine that serves it.

    Example: `train_cli evaluate --split datasets/fer2013 --name test --out reports/test`
    """
    if (faces is None) == (split is None):
        raise typer.BadParameter("name either a folder of faces or --split", param_hint="FACES")
    if split is not None and votes is not None:
        raise typer.BadParameter("a prepared split has its own votes", param_hint="--votes")
    if version is not None and member:
        raise typer.BadParameter("name either --version or --member", param_hint="--member")
    on_device = torch_device(device)
    run_by = runtime_named(runtime, on_device)
    console = messages()
    with expected_failures():
        served = None if member else read_version(version or shipped_version())
        ensemble = (
            ensemble_of_version(served.path) if served else ensemble_of_checkpoints(member or [])
        )
        judged_faces = _load(faces, split, name, votes, limit)
        averaged = ensemble.flip if flip is None else flip
        where = f"{split} {name}" if split else f"{faces}"
        described = {
            "model": ensemble.title,
            "faces": where,
            "flip": averaged,
            "runtime": run_by if served else None,
        }
        if dry_run:
            _print_plan(described, len(judged_faces), out, predictions, as_json)
            return
        total = len(judged_faces) * len(ensemble.members)
        with face_progress(console, "reading faces", total) as on_faces:
            crops = judged_faces.crops
            logits = (
                served_logits(served, crops, on_device, averaged, run_by, on_faces)
                if served
                else ensemble_logits(ensemble.members, crops, on_device, averaged, on_faces)
            )
        answers = answers_of(logits, ensemble.names, ensemble.calibrations)
        figures = judged(answers, judged_faces, seed)
        leak_free = judged_leak_free(answers, judged_faces, seed)
        document = described | {
            "figures": documents(figures),
            "leak_free": documents(leak_free),
        }
        if predictions is not None:
            _write_predictions(predictions, judged_faces, answers[BLEND])
        if out is not None:
            _write_report(out, document, figures[BLEND], f"{ensemble.title}, {where}")
    if as_json:
        typer.echo(json.dumps(document))
        return
    page = results()
    print_line(page, f"{ensemble.title} on {where}")
    page.print(figures_table("as published" if leak_free else "figures", figures))
    if leak_free:
        page.print(figures_table("leak-free: no image identical to a training one", leak_free))
    page.print(classes_table("label", figures[BLEND].label.classes))
    page.print(confusion_table(figures[BLEND].label))


def _load(
    faces: Path | None, split: Path | None, name: SplitName, votes: Path | None, limit: int | None
) -> FaceSet:
    if faces is not None:
        return load_folder(faces, read_votes(votes) if votes is not None else None, limit)
    if split is None:
        raise SplitUnusable("name either a folder of faces or --split")
    return load_split(split, name, limit)


def _print_plan(
    described: dict[str, Any],
    count: int,
    out: Path | None,
    predictions: Path | None,
    as_json: bool,
) -> None:
    report = [] if out is None else [out / REPORT, out / CONFUSION]
    writes = [str(path) for path in (*report, predictions) if path is not None]
    if as_json:
        typer.echo(json.dumps(described | {"count": count, "writes": writes}))
        return
    typer.echo(
        f"dry run: {described['model']} would be asked about {counted(count, 'face')} of "
        f"{described['faces']} and {', '.join(writes) or 'nothing'} written"
    )


def _write_predictions(path: Path, faces: FaceSet, blend: Answers) -> None:
    heads = [f"{head}_{emotion}" for head in ("crowd", "label") for emotion in EMOTIONS]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w", newline="", encoding="utf-8") as handle:
            table = csv.writer(handle)
            table.writerow(("file", "label", *heads))
            for file, label, crowd_row, label_row in zip(
                faces.files, faces.labels.tolist(), blend.crowd, blend.label, strict=True
            ):
                table.writerow((file, EMOTIONS[label], *_rounded(crowd_row), *_rounded(label_row)))
    except OSError as error:
        raise RunRefused(f"{path} cannot be written: {error}") from error


def _rounded(row: Sequence[float]) -> list[str]:
    return [f"{value:.6f}" for value in row]


def _write_report(out: Path, document: dict[str, Any], blend: Figures, title: str) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
        (out / REPORT).write_text(json.dumps(document, indent=1), encoding="utf-8")
        (out / CONFUSION).write_bytes(confusion_picture(blend, title))
    except OSError as error:
        raise RunRefused(f"{out} cannot be written: {error}") from error
