"""`train_cli sweep`: which knobs of the recipe are worth turning."""

import json
import shlex
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Final

import optuna
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
    print_line,
    results,
    torch_device,
)
from train_cli.commands.train import DEFAULT_RATE, DEFAULT_SIDE
from train_cli.distillation import read_teacher
from train_cli.progress import step_progress
from train_cli.reports import number, percent
from train_cli.search_space import BY_HAND, KNOBS, Knob, Value, differing
from train_cli.splits import load_split
from train_cli.sweep_report import (
    document,
    history_picture,
    importance_picture,
    knobs_picture,
    noise_in_words,
    noise_of,
    space_rows,
    space_table,
    trials_csv,
    trials_table,
    values_in_words,
    verdict,
)
from train_cli.sweeping import (
    Material,
    Outcome,
    Pruner,
    SweepSettings,
    TrialResult,
    Watcher,
    best_of,
    first_trials,
    sweep,
)
from train_cli.training import EpochResult, Precision, TrainingSettings

_NAMED: Final = (
    f"{', '.join(BY_HAND)} (these by default), {', '.join(k for k in KNOBS if k not in BY_HAND)}"
)


def sweep_command(
    architecture: Annotated[Architecture, typer.Argument(help="Which member.")],
    split: Annotated[Path, typer.Option(help="Folder that `prepare` wrote.")],
    out: Annotated[Path, typer.Option(help="Folder for the study, its trials and the report.")],
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
    trials: Annotated[
        int, typer.Option(help="How many in all, of all processes and resumes.", min=1)
    ] = 30,
    knob: Annotated[
        list[str] | None,
        typer.Option(help=f"One to turn, repeatable: {_NAMED}."),
    ] = None,
    baselines: Annotated[
        int, typer.Option(help="First trials: the default recipe, each of another seed.", min=1)
    ] = 3,
    one_by_one: Annotated[
        bool, typer.Option("--one-by-one", help="Then every idea alone, before any are combined.")
    ] = False,
    pruner: Annotated[Pruner, typer.Option(help="Who ends hopeless trials early.")] = "median",
    side: Annotated[
        int | None,
        typer.Option(help="Input side, px; vgg19: 48, resnet50: 64.", min=32, max=224),
    ] = None,
    stem: Annotated[
        Stem, typer.Option(help="finer skips the first halving: finer maps, 4 times the work.")
    ] = "original",
    epochs: Annotated[int, typer.Option(help="Of every trial.", min=1)] = 10,
    precision: Annotated[
        Precision, typer.Option(help="Arithmetic of the backbone; bf16 is twice as fast.")
    ] = "bf16",
    threads: Annotated[int | None, typer.Option(help="CPU threads; all by default.", min=1)] = None,
    limit: Annotated[
        int | None, typer.Option(help="Only N faces, evenly spread, to try things.", min=2)
    ] = None,
    seed: Seed = 0,
    device: Device = "auto",
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with OUT's sweep, or join it from here.")
    ] = False,
    compiled: Annotated[
        bool, typer.Option("--compile", help="torch.compile: faster on a GPU, slower on a CPU.")
    ] = False,
    as_json: Json = False,
    dry_run: DryRun = False,
) -> None:
    """Search the recipe's knobs by many short runs (Optuna: TPE, pruning).

    The objective is the least validation loss of both heads; the test split is not read. The first
    trials are the default recipe with several seeds: what exceeds their spread is a gain.

    OUT/study.db holds every trial. --resume goes on after a kill, and takes up the trial that was
    cut short; several processes work on one OUT when all but the first are started with --resume.
    OUT receives trials.csv, report.json, history.png, knobs.png and, from ten sampled trials
    on, importance.png; of the checkpoints only the best trial's averaged weights are kept.

    Example: `train_cli sweep resnet50 --split datasets/fer2013 --out runs/sweep
    --backbone resnet50_imagenet.safetensors --trials 40 --epochs 8 --one-by-one`
    """
    if start is not None and backbone is not None:
        raise typer.BadParameter("name either --from or --backbone", param_hint="--from")
    if threads:
        torch.set_num_threads(threads)
    base = TrainingSettings(
        architecture=architecture,
        side=side or DEFAULT_SIDE[architecture],
        stem=stem,
        epochs=epochs,
        learning_rate=DEFAULT_RATE[architecture],
        precision=precision,
        seed=seed,
    )
    settings = SweepSettings(base, _knobs(knob), baselines, one_by_one, pruner)
    optuna.logging.set_verbosity(optuna.logging.WARNING)  # it reports every trial itself
    if dry_run:
        _print_plan(settings, trials, as_json)
        return
    console = messages()
    with expected_failures():
        faces = load_split(split, "train", limit)
        material = Material(
            training=faces,
            validation=load_split(split, "validation", limit),
            device=torch_device(device),
            backbone=backbone,
            start=start,
            teacher=read_teacher(teacher, faces) if teacher is not None else None,
            compiled=compiled,
        )
        console.print(
            f"{len(material.training)} faces, {len(material.validation)} to validate on, "
            f"{material.device}, {torch.get_num_threads()} threads, torch {torch.__version__}",
            soft_wrap=True,
        )
        with _watching(console, settings) as watcher:
            outcome = sweep(settings, material, out, trials, resume=resume, watcher=watcher)
        shared = {
            "split": split,
            "backbone": backbone,
            "from": start,
            "teacher": teacher,
            "limit": limit,
        }
        command = _command_of_best(settings, outcome, shared)
        report = document(settings, outcome, command)
        _write(settings, outcome, report, out)
    _report(settings, outcome, command, report, out, as_json)


def _knobs(named: list[str] | None) -> tuple[Knob, ...]:
    """The knobs of those names, in the space's order."""
    unknown = ", ".join(name for name in named or () if name not in KNOBS)
    if unknown:
        raise typer.BadParameter(f"{unknown}: no such knob", param_hint="--knob")
    return tuple(name for name in KNOBS if name in (named or BY_HAND))


@contextmanager
def _watching(console: Console, settings: SweepSettings) -> Iterator[Watcher]:
    """Tells of every trial of this process as it starts, after every epoch, and as it ends."""

    def on_start(trial: int, trials: int, turned: Mapping[Knob, Value]) -> None:
        console.print(f"trial {trial} of {trials}: {values_in_words(turned)}", soft_wrap=True)

    def on_epoch(result: EpochResult) -> None:
        console.print(
            f"epoch {result.epoch}/{settings.base.epochs}: validation loss "
            f"{number(result.loss)}, label {percent(result.label_accuracy)}, crowd majority "
            f"{percent(result.crowd_accuracy)}, {result.seconds:.0f} s",
            soft_wrap=True,
        )

    def on_end(trial: TrialResult) -> None:
        why = f" ({trial.reason})" if trial.reason else ""
        reached = "no epoch" if trial.loss is None else f"loss {number(trial.loss)}"
        console.print(f"trial {trial.number}: {trial.state}{why}, {reached}", soft_wrap=True)

    with step_progress(console, settings.base.architecture) as on_step:
        yield Watcher(on_start, on_step, on_epoch, on_end)


def _command_of_best(
    settings: SweepSettings, outcome: Outcome, shared: Mapping[str, Path | int | None]
) -> list[str]:
    """What trains the best trial again, to the same result; empty where none is complete."""
    best = best_of(outcome.trials)
    if best is None:
        return []
    base = settings.base
    options: dict[str, Any] = {
        **shared,
        "run": f"runs/{base.architecture}-swept",
        "side": base.side,
        "stem": None if base.stem == "original" else base.stem,
        "epochs": base.epochs,
        "precision": base.precision,
        "seed": best.seed,
    } | {str(knob): value for knob, value in best.knobs.items()}
    given = {name: value for name, value in options.items() if value is not None}
    flags = [[f"--{name.replace('_', '-')}", str(value)] for name, value in given.items()]
    return ["train_cli", "train", base.architecture, *(word for flag in flags for word in flag)]


def _write(settings: SweepSettings, outcome: Outcome, report: dict[str, Any], out: Path) -> None:
    (out / "trials.csv").write_text(trials_csv(settings, outcome), encoding="utf-8")
    (out / "report.json").write_text(json.dumps(report, indent=1, default=str), encoding="utf-8")
    (out / "history.png").write_bytes(history_picture(outcome))
    (out / "knobs.png").write_bytes(knobs_picture(settings, outcome))
    if outcome.importances:
        (out / "importance.png").write_bytes(importance_picture(outcome.importances))


def _report(
    settings: SweepSettings,
    outcome: Outcome,
    command: list[str],
    report: dict[str, Any],
    out: Path,
    as_json: bool,
) -> None:
    if as_json:
        typer.echo(json.dumps(report, default=str))
        return
    page = results()
    noise = noise_of(outcome.trials)
    page.print(trials_table(settings, outcome))
    page.print(noise_in_words(noise), soft_wrap=True)
    best = best_of(outcome.trials)
    if best is None:
        page.print("no trial ran to its end")
        return
    found = verdict(best, noise) or "the default recipe itself"
    print_line(page, f"best: trial {best.number} ({found}); weights: {best.folder / 'best'}")
    print_line(page, f"figures and pictures: {out}")
    page.print("its command:", soft_wrap=True)
    typer.echo(shlex.join(command))


def _print_plan(settings: SweepSettings, trials: int, as_json: bool) -> None:
    first = first_trials(settings, trials)
    if as_json:
        space = {k: {"sgd": sgd, "adamw": adamw} for k, sgd, adamw in space_rows(settings)}
        plan = {
            "space": space,
            "base": asdict(settings.base),
            "first": [
                {"what": kind, "seed": chosen.seed}
                | {name: getattr(chosen, name) for name in settings.knobs}
                for kind, chosen in first
            ],
        }
        typer.echo(json.dumps(plan))
        return
    page = results()
    page.print(space_table(settings))
    for place, (kind, chosen) in enumerate(first):
        turned = values_in_words(differing(chosen, settings.base))
        page.print(f"trial {place}, {kind}, seed {chosen.seed}: {turned}", soft_wrap=True)
    if trials > len(first):
        page.print(f"trials {len(first)} to {trials - 1}: as results suggest")
    page.print("dry run: nothing trained")
