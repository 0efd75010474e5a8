"""`train_cli train`: one ensemble member from a prepared split."""

import json
import os
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Final

import torch
import typer
from rich.console import Console

from fer_model.networks import Architecture, Stem
from train_cli.commands.options import (
    Device,
    DryRun,
    Json,
    Seed,
    expected_failures,
    messages,
    torch_device,
)
from train_cli.commands.report import made_report, print_report
from train_cli.distillation import Teacher, read_teacher
from train_cli.distributed import Workers, joined, own_device, workers_named
from train_cli.reports import settings_table
from train_cli.splits import FaceSet, load_split
from train_cli.training import EpochResult, Optimizer, Precision, TrainingSettings, train
from train_cli.training_display import training_display
from train_cli.training_report import FOLDER, TrainingReport, read_history

# What the shipped members were trained with; other values were not compared.
DEFAULT_SIDE: Final[dict[Architecture, int]] = {"vgg19": 48, "resnet50": 64}
DEFAULT_RATE: Final[dict[Architecture, float]] = {"vgg19": 0.01, "resnet50": 0.02}
_RECIPE: Final = "Recipe"


def train_command(
    architecture: Annotated[Architecture, typer.Argument(help="Which member.")],
    split: Annotated[Path, typer.Option(help="Folder that `prepare` wrote.")],
    run: Annotated[Path, typer.Option(help="Folder for checkpoints and history.")],
    backbone: Annotated[
        Path | None,
        typer.Option(help="ImageNet weights (safetensors, torchvision's names); none: from noise."),
    ] = None,
    start: Annotated[
        Path | None,
        typer.Option("--from", help="An earlier run's best/ to start from; no --backbone then."),
    ] = None,
    teacher: Annotated[
        Path | None,
        typer.Option(help="CSV of `evaluate --name train --predictions`: softens the targets."),
    ] = None,
    side: Annotated[
        int | None,
        typer.Option(help="Input side, px; vgg19: 48, resnet50: 64.", min=32, max=224),
    ] = None,
    stem: Annotated[
        Stem, typer.Option(help="finer skips the first halving: finer maps, 4 times the work.")
    ] = "original",
    epochs: Annotated[int, typer.Option(help="Passes over the training faces.", min=1)] = 10,
    batch_size: Annotated[int, typer.Option(help="Faces a step.", min=2)] = 64,
    learning_rate: Annotated[
        float | None, typer.Option(help="Its peak; vgg19: 0.01, resnet50: 0.02.", min=1e-6)
    ] = None,
    optimizer: Annotated[
        Optimizer, typer.Option(help="adamw wants rates near 0.0003.", rich_help_panel=_RECIPE)
    ] = "sgd",
    weight_decay: Annotated[
        float, typer.Option(help="L2 on convolutions and heads.", min=0, rich_help_panel=_RECIPE)
    ] = 5e-4,
    label_smoothing: Annotated[
        float, typer.Option(help="Of the labels.", min=0, max=0.9, rich_help_panel=_RECIPE)
    ] = 0.1,
    label_disturbance: Annotated[
        float,
        typer.Option(
            help="Share of labels replaced at random.", min=0, max=1, rich_help_panel=_RECIPE
        ),
    ] = 0.0,
    class_weighting: Annotated[
        float,
        typer.Option(
            help="Rare emotions weigh frequency^-x in the loss.",
            min=0,
            max=2,
            rich_help_panel=_RECIPE,
        ),
    ] = 0.0,
    oversampling: Annotated[
        float,
        typer.Option(
            help="Rare emotions are shown frequency^-x as often, augmented anew.",
            min=0,
            max=1,
            rich_help_panel=_RECIPE,
        ),
    ] = 0.0,
    mixup: Annotated[
        float, typer.Option(help="Beta of mixup; 0: off.", min=0, rich_help_panel=_RECIPE)
    ] = 0.0,
    cutmix: Annotated[
        float, typer.Option(help="Beta of CutMix; 0: off.", min=0, rich_help_panel=_RECIPE)
    ] = 0.0,
    dropout: Annotated[
        float, typer.Option(help="On pooled features.", min=0, max=0.9, rich_help_panel=_RECIPE)
    ] = 0.3,
    patience: Annotated[
        int, typer.Option(help="Stop after so many epochs without progress; 0: never.", min=0)
    ] = 0,
    precision: Annotated[
        Precision, typer.Option(help="Arithmetic of the backbone; bf16 is twice as fast.")
    ] = "bf16",
    threads: Annotated[int | None, typer.Option(help="CPU threads; all by default.", min=1)] = None,
    limit: Annotated[
        int | None, typer.Option(help="Only N faces, evenly spread, to try things.", min=2)
    ] = None,
    seed: Seed = 0,
    device: Device = "auto",
    resume: Annotated[bool, typer.Option("--resume", help="Go on from RUN's last epoch.")] = False,
    compiled: Annotated[
        bool, typer.Option("--compile", help="torch.compile: faster on a GPU, slower on a CPU.")
    ] = False,
    as_json: Json = False,
    dry_run: DryRun = False,
) -> None:
    """Train one ensemble member, both heads at once.

    Every epoch ends with a checkpoint: RUN/best holds the averaged weights of the epoch with the
    least validation loss, which `pack` takes; RUN/last is what --resume goes on from after a
    kill, with the same settings, to the same result. RUN/report is what `train_cli report` makes
    of it. A RUN that holds a run already is never overwritten.

    Several GPUs or hosts: `torchrun --nproc-per-node 2 -m -- train_cli train ...`, all else alike.

    Example: `train_cli train resnet50 --split datasets/fer2013 --run runs/resnet50
    --backbone resnet50_imagenet.safetensors --epochs 14`
    """
    if start is not None and backbone is not None:
        raise typer.BadParameter("name either --from or --backbone", param_hint="--from")
    if threads:
        torch.set_num_threads(threads)
    settings = TrainingSettings(
        architecture=architecture,
        side=side or DEFAULT_SIDE[architecture],
        stem=stem,
        epochs=epochs,
        batch_size=batch_size,
        learning_rate=learning_rate or DEFAULT_RATE[architecture],
        optimizer=optimizer,
        weight_decay=weight_decay,
        label_smoothing=label_smoothing,
        label_disturbance=label_disturbance,
        class_weighting=class_weighting,
        oversampling=oversampling,
        mixup=mixup,
        cutmix=cutmix,
        dropout=dropout,
        patience=patience,
        precision=precision,
        seed=seed,
    )
    workers = workers_named(os.environ)
    told_device = torch_device(device)
    console = messages() if workers.is_first else Console(quiet=True, force_terminal=False)
    with expected_failures():
        on_device = own_device(workers, told_device)
        with joined(workers, on_device):
            faces, validation, taught = workers.together(partial(_read, split, limit, teacher))
            _announce(console, settings, faces, validation, on_device, workers)
            if dry_run:
                if workers.is_first:
                    said = json.dumps(asdict(settings)) if as_json else "dry run: nothing trained"
                    typer.echo(said)
                return
            earlier = read_history(run) if resume else ()
            with training_display(console, settings, earlier) as display:
                history = train(
                    settings,
                    faces,
                    validation,
                    run,
                    backbone,
                    on_device,
                    start=start,
                    teacher=taught,
                    resume=resume,
                    compiled=compiled,
                    workers=workers,
                    on_step=display.on_step,
                    on_epoch=display.on_epoch,
                )
        if not workers.is_first:
            return
        report = made_report(console, run, validation, on_device)
    if as_json:
        typer.echo(json.dumps(_document(history, report)))
    else:
        print_report(report)


def _read(
    split: Path, limit: int | None, teacher: Path | None
) -> tuple[FaceSet, FaceSet, Teacher | None]:
    faces, validation = load_split(split, "train", limit), load_split(split, "validation", limit)
    return faces, validation, read_teacher(teacher, faces) if teacher is not None else None


def _announce(
    console: Console,
    settings: TrainingSettings,
    faces: FaceSet,
    validation: FaceSet,
    device: torch.device,
    workers: Workers,
) -> None:
    console.print(settings_table(settings))
    together = "" if workers.alone else f"{workers.world} workers, "
    console.print(
        f"{len(faces)} faces, {len(validation)} to validate on, {together}{device}, "
        f"{torch.get_num_threads()} threads, torch {torch.__version__}",
        soft_wrap=True,
    )
    if not faces.has_crowd.any():
        console.print("no votes: the crowd head stays untrained; prepare with --votes")


def _document(history: Sequence[EpochResult], report: TrainingReport) -> dict[str, Any]:
    return {
        "checkpoint": str(report.run / "best"),
        "best": asdict(min(history, key=lambda result: result.loss)),
        "epochs": [asdict(result) for result in history],
        "report": str(report.run / FOLDER),
    }
