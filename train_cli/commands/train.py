"""`train_cli train`: one ensemble member from a prepared split."""

import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import torch
import typer

from fer_model.networks import ARCHITECTURES, Architecture
from train_cli.commands.options import Device, DryRun, Json, Seed, messages, torch_device
from train_cli.progress import step_progress
from train_cli.splits import load_split
from train_cli.training import EpochResult, Precision, TrainingSettings, train

# What served each member best on validation; docs/log.md has the numbers.
_DEFAULT_SIDE: dict[Architecture, int] = {"vgg19": 48, "resnet50": 64}
_DEFAULT_RATE: dict[Architecture, float] = {"vgg19": 0.01, "resnet50": 0.02}


def train_command(
    architecture: Annotated[str, typer.Argument(help="vgg19 or resnet50.")],
    split: Annotated[Path, typer.Option(help="Folder that `prepare` wrote.")],
    run: Annotated[Path, typer.Option(help="Folder for checkpoints and history.")],
    backbone: Annotated[
        Path | None,
        typer.Option(help="ImageNet weights (safetensors, torchvision's names); none: from noise."),
    ] = None,
    side: Annotated[int | None, typer.Option(help="Input side, px.", min=32, max=224)] = None,
    epochs: Annotated[int, typer.Option(min=1)] = 10,
    batch_size: Annotated[int, typer.Option(min=2)] = 64,
    learning_rate: Annotated[float | None, typer.Option(help="Peak rate.", min=1e-6)] = None,
    patience: Annotated[int, typer.Option(help="Epochs without progress; 0: all epochs.")] = 0,
    precision: Annotated[str, typer.Option(help="bf16 or fp32.")] = "bf16",
    threads: Annotated[int | None, typer.Option(help="CPU threads; all by default.")] = None,
    limit: Annotated[
        int | None, typer.Option(help="Only the first N faces, to try things.")
    ] = None,
    seed: Seed = 0,
    device: Device = "auto",
    resume: Annotated[bool, typer.Option("--resume", help="Go on from RUN's last epoch.")] = False,
    as_json: Json = False,
    dry_run: DryRun = False,
) -> None:
    """Train one member; checkpoints after every epoch, --resume goes on after a kill."""
    if architecture not in ARCHITECTURES:
        raise typer.BadParameter(f"choose one of {', '.join(ARCHITECTURES)}")
    if precision not in ("bf16", "fp32"):
        raise typer.BadParameter("choose bf16 or fp32", param_hint="--precision")
    if threads:
        torch.set_num_threads(threads)
    chosen: Architecture = architecture
    arithmetic: Precision = precision
    settings = TrainingSettings(
        architecture=chosen,
        side=side or _DEFAULT_SIDE[chosen],
        epochs=epochs,
        batch_size=batch_size,
        learning_rate=learning_rate or _DEFAULT_RATE[chosen],
        patience=patience,
        precision=arithmetic,
        seed=seed,
    )
    on_device = torch_device(device)
    faces, validation = load_split(split, "train", limit), load_split(split, "validation", limit)
    console = messages()
    console.print(
        f"{chosen} at {settings.side} px, {len(faces)} faces, {len(validation)} to validate on, "
        f"{on_device}, {os.cpu_count()} cores, torch {torch.__version__}"
    )
    if dry_run:
        typer.echo(json.dumps(asdict(settings)) if as_json else "dry run: nothing trained")
        return

    def on_epoch(result: EpochResult) -> None:
        console.print(
            f"epoch {result.epoch}/{epochs}: train loss {result.train_loss:.3f}, validation loss "
            f"{result.loss:.3f}, label {result.label_accuracy:.2%}, crowd majority "
            f"{result.crowd_accuracy:.2%}, {result.seconds:.0f} s",
            soft_wrap=True,
        )

    with step_progress(console, chosen) as on_step:
        history = train(
            settings,
            faces,
            validation,
            run,
            backbone,
            on_device,
            resume=resume,
            on_step=on_step,
            on_epoch=on_epoch,
        )
    best = min(history, key=lambda result: result.loss)
    if as_json:
        typer.echo(json.dumps({"best": asdict(best), "epochs": [asdict(r) for r in history]}))
    else:
        typer.echo(f"best epoch {best.epoch}: {run / 'best'}")
