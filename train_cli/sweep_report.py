"""A sweep as people read it: a table, a CSV, a JSON document, pictures, the best trial's command.

Gains are counted against the default recipe and held against its noise: how far one more run of it,
with yet another seed, would stray.
"""

import csv
import io
import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final, get_args

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator
from rich import box
from rich.table import Table

from train_cli.reports import number, percent, signed
from train_cli.search_space import SPACE, Choice, Domain, Knob, Range, Value, domain, in_words
from train_cli.sweeping import Kind, Outcome, State, SweepSettings, TrialResult, best_of
from train_cli.training import EpochResult, Optimizer, TrainingSettings

_STUDENT: Final = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262)
"""97.5 % quantiles of Student's t with 1, 2, … degrees of freedom."""
_DOTS_PER_INCH: Final = 150
_COLOURS: Final[Mapping[Kind, str]] = {
    "default": "#222222",
    "alone": "#1f77b4",
    "sampled": "#ff7f0e",
}
_MARKS: Final[Mapping[State, str]] = {"complete": "o", "pruned": "x"}


@dataclass(frozen=True)
class Noise:
    """The default recipe over several seeds.

    Attributes:
        runs: How many.
        mean: Of the loss, nats.
        band: Half the width of the interval that holds the loss of one more such run 19 times of
            20, nats: Student's t · s · √(1 + 1/n); None of a single run.
        label_accuracy: Mean, 0 to 1.
        label_band: Likewise of the label accuracy.
        crowd_accuracy: Mean; None where nobody voted.
    """

    runs: int
    mean: float
    band: float | None
    label_accuracy: float
    label_band: float | None
    crowd_accuracy: float | None


def noise_of(trials: Sequence[TrialResult]) -> Noise | None:
    """What the complete runs of the default recipe say; None where there is none."""
    bests = [t.best for t in trials if t.kind == "default" and t.state == "complete" and t.best]
    if not bests:
        return None
    crowd = [best.crowd_accuracy for best in bests if best.crowd_accuracy is not None]
    losses = [best.loss for best in bests]
    accuracies = [best.label_accuracy for best in bests]
    return Noise(
        runs=len(bests),
        mean=statistics.fmean(losses),
        band=_band(losses),
        label_accuracy=statistics.fmean(accuracies),
        label_band=_band(accuracies),
        crowd_accuracy=statistics.fmean(crowd) if crowd else None,
    )


def verdict(trial: TrialResult, noise: Noise | None) -> str:
    """Its loss against the default recipe: better, worse, or no telling."""
    if trial.state != "complete" or trial.kind == "default" or noise is None or not trial.best:
        return ""
    if noise.band is None:
        return "noise unknown"
    gap = trial.best.loss - noise.mean
    if abs(gap) <= noise.band:
        return "within noise"
    return "better" if gap < 0 else "worse"


def trials_table(settings: SweepSettings, outcome: Outcome) -> Table:
    """A line per trial, with its loss minus the default's mean, and what to make of it."""
    best, noise = best_of(outcome.trials), noise_of(outcome.trials)
    columns = ("trial", "what", "knobs", "epochs", "loss", "difference")
    table = Table(title="trials", title_justify="left", box=box.SIMPLE_HEAD)
    for name in (*columns, "label", "crowd", ""):
        left = name in ("what", "knobs", "")
        table.add_column(name, justify="left" if left else "right", overflow="fold")
    for trial in outcome.trials:
        loss = trial.loss
        gap = None if loss is None or noise is None else loss - noise.mean
        table.add_row(
            str(trial.number),
            trial.kind,
            knobs_in_words(trial, settings.base),
            str(len(trial.losses)),
            "-" if loss is None else number(loss),
            signed(gap),
            percent(trial.best.label_accuracy if trial.best else None),
            percent(trial.best.crowd_accuracy if trial.best else None),
            _remark(trial, best, noise),
            style="bold" if trial is best else "dim" if trial.state != "complete" else None,
        )
    return table


def _remark(trial: TrialResult, best: TrialResult | None, noise: Noise | None) -> str:
    state = "best" if trial is best else "" if trial.state == "complete" else trial.state
    return ", ".join(filter(None, (state, verdict(trial, noise), trial.reason)))


def noise_in_words(noise: Noise | None) -> str:
    """What the default recipe reaches, and how sure that is."""
    if noise is None:
        return "the default recipe was not trained to its end: there is nothing to count against"
    reached = (
        f"default recipe, {noise.runs} seed{'s' * (noise.runs > 1)}: loss {number(noise.mean)}, "
        f"label {percent(noise.label_accuracy)}, crowd majority {percent(noise.crowd_accuracy)}"
    )
    if noise.band is None or noise.label_band is None:
        return f"{reached}; one seed says nothing of the noise"
    return (
        f"{reached}; one more seed would stray up to ±{number(noise.band)} nats and "
        f"±{noise.label_band * 100:.2f} points of label accuracy, 19 times of 20: less is noise"
    )


def knobs_in_words(trial: TrialResult, base: TrainingSettings) -> str:
    """The knobs that were turned away from `base`, and the seed of a repeated default."""
    if trial.kind == "default":
        return f"seed {trial.seed}"
    return values_in_words({k: v for k, v in trial.knobs.items() if v != getattr(base, k)})


def values_in_words(turned: Mapping[Knob, Value]) -> str:
    """Knobs with their values; `default` where none is turned."""
    return ", ".join(f"{knob} {_short(value)}" for knob, value in turned.items()) or "default"


def space_table(settings: SweepSettings) -> Table:
    """Where every turned knob may stand, per optimizer where that differs."""
    table = Table(title="search space", title_justify="left", box=box.SIMPLE_HEAD)
    for name in ("knob", "default", "values", "of adamw"):
        table.add_column(name)
    for knob, of_sgd, of_adamw in space_rows(settings):
        default = _short(getattr(settings.base, knob))
        table.add_row(knob, default, of_sgd, of_adamw if of_adamw != of_sgd else "")
    return table


def space_rows(settings: SweepSettings) -> list[tuple[Knob, str, str]]:
    """Knob, domain under SGD, domain under AdamW."""
    return [
        (knob, in_words(domain(knob, "sgd")), in_words(domain(knob, "adamw")))
        for knob in settings.knobs
    ]


def trials_csv(settings: SweepSettings, outcome: Outcome) -> str:
    """A row per trial."""
    best, noise = best_of(outcome.trials), noise_of(outcome.trials)
    file = io.StringIO()
    writer = csv.DictWriter(file, list(_row_of(None, None, noise, settings)), lineterminator="\n")
    writer.writeheader()
    writer.writerows(_row_of(trial, best, noise, settings) for trial in outcome.trials)
    return file.getvalue()


def document(settings: SweepSettings, outcome: Outcome, command: Sequence[str]) -> dict[str, Any]:
    """The sweep as one JSON document."""
    best, noise = best_of(outcome.trials), noise_of(outcome.trials)
    return {
        "objective": "least validation loss over the epochs, label head plus crowd head, nats",
        "base": asdict(settings.base),
        "space": {k: {"sgd": sgd, "adamw": adamw} for k, sgd, adamw in space_rows(settings)},
        "pruner": settings.pruner,
        "default": asdict(noise) if noise else None,
        "best": best.number if best else None,
        "command": list(command),
        "importances": outcome.importances,
        "trials": [
            asdict(trial) | {"folder": str(trial.folder), "verdict": verdict(trial, noise)}
            for trial in outcome.trials
        ],
    }


def history_picture(outcome: Outcome) -> bytes:
    """Every trial's loss in turn with the best so far, and every trial's loss per epoch."""
    noise = noise_of(outcome.trials)
    figure = Figure(figsize=(10, 4.4), layout="constrained")
    turns, epochs = figure.subplots(1, 2, sharey=True)
    _shade(turns, noise)
    scored = [trial for trial in outcome.trials if trial.loss is not None]
    ceiling = _ceiling(outcome)
    _scatter(turns, scored, [trial.number for trial in scored], ceiling)
    best_so_far, least = [], math.inf
    for trial in outcome.trials:
        least = min(least, trial.loss or math.inf) if trial.state == "complete" else least
        best_so_far.append(least if least < math.inf else math.nan)
    numbers = [trial.number for trial in outcome.trials]
    turns.step(numbers, best_so_far, where="post", color="grey", linewidth=1, label="best so far")
    turns.set_xlabel("trial")
    turns.set_ylabel("validation loss of both heads, nats")
    turns.legend(fontsize=8)
    best = best_of(outcome.trials)
    for trial in scored:
        epochs.plot(
            range(1, len(trial.losses) + 1),
            trial.losses,
            color=_COLOURS[trial.kind],
            alpha=1 if trial is best else 0.35,
            linewidth=2.2 if trial is best else 1,
            marker=_MARKS.get(trial.state, "x"),
            markersize=4,
            label=f"best: trial {trial.number}" if trial is best else None,
        )
    epochs.set_xlabel("epoch")
    if ceiling < math.inf:
        lowest = min(loss for trial in scored for loss in trial.losses)
        floor = min(lowest, noise.mean - (noise.band or 0)) if noise else lowest
        turns.set_ylim(0.99 * floor, 1.01 * ceiling)
    for axes in (turns, epochs):
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(alpha=0.25)
    if best:
        epochs.legend(fontsize=8)
    figure.legend(*_legend(outcome), loc="outside lower center", ncols=6, fontsize=8)
    return _png(figure)


def knobs_picture(settings: SweepSettings, outcome: Outcome) -> bytes:
    """The loss against each knob's value, a panel per knob and, where that matters, optimizer."""
    wanted = _panels(settings)
    columns = min(4, len(wanted))
    rows = -(-len(wanted) // columns)
    figure = Figure(figsize=(3.1 * columns + 0.6, 2.6 * rows + 0.7), layout="constrained")
    panels = list(figure.subplots(rows, columns, sharey=True, squeeze=False).flat)
    noise = noise_of(outcome.trials)
    scored = [trial for trial in outcome.trials if trial.loss is not None]
    for axes, (knob, optimizer) in zip(panels, wanted, strict=False):
        _shade(axes, noise)
        of_optimizer = [
            trial
            for trial in scored
            if optimizer is None
            or trial.knobs.get("optimizer", settings.base.optimizer) == optimizer
        ]
        _against(axes, of_optimizer, knob, domain(knob, optimizer or "sgd"), _ceiling(outcome))
        title = knob.replace("_", " ")
        axes.set_title(f"{title} of {optimizer}" if optimizer else title, fontsize=10)
        axes.grid(alpha=0.25)
    for axes in panels[len(wanted) :]:
        axes.set_axis_off()
    figure.supylabel("validation loss of both heads, nats", fontsize=9)
    figure.legend(*_legend(outcome), loc="outside lower center", ncols=6, fontsize=8)
    return _png(figure)


def importance_picture(importances: Mapping[str, float]) -> bytes:
    """Each parameter's share."""
    figure = Figure(figsize=(6.4, 0.34 * len(importances) + 1.1), layout="constrained")
    axes = figure.subplots()
    ordered = sorted(importances.items(), key=lambda item: item[1])
    axes.barh([name for name, _ in ordered], [share for _, share in ordered], color="#1f77b4")
    axes.set_xlabel("share in what sets the better trials apart (PED-ANOVA)")
    return _png(figure)


def _band(values: Sequence[float]) -> float | None:
    count = len(values)
    if count < 2:
        return None
    quantile = _STUDENT[count - 2] if count - 2 < len(_STUDENT) else 1.96
    return quantile * statistics.stdev(values) * math.sqrt(1 + 1 / count)


def _row_of(
    trial: TrialResult | None,
    best: TrialResult | None,
    noise: Noise | None,
    settings: SweepSettings,
) -> dict[str, Any]:
    """One row; of no trial, the empty one, whose keys are the columns."""
    epoch: EpochResult | None = trial.best if trial else None
    gap = epoch.loss - noise.mean if epoch and noise else None
    return {
        "trial": trial.number if trial else None,
        "what": trial.kind if trial else None,
        "state": trial.state if trial else None,
        "best": int(trial is best) if trial else None,
        "seed": trial.seed if trial else None,
        **{knob: trial.knobs.get(knob) if trial else None for knob in settings.knobs},
        "epochs": len(trial.losses) if trial else None,
        "best_epoch": epoch.epoch if epoch else None,
        "loss": epoch.loss if epoch else None,
        "against_default": gap,
        "verdict": verdict(trial, noise) if trial else None,
        "label_loss": epoch.label_loss if epoch else None,
        "crowd_loss": epoch.crowd_loss if epoch else None,
        "label_accuracy": epoch.label_accuracy if epoch else None,
        "crowd_accuracy": epoch.crowd_accuracy if epoch else None,
        "reason": trial.reason if trial else None,
    }


def _panels(settings: SweepSettings) -> list[tuple[Knob, Optimizer | None]]:
    """What to draw: a knob with a range per optimizer has a panel per optimizer."""
    both: tuple[Optimizer, ...] = get_args(Optimizer)
    tried = both if "optimizer" in settings.knobs else (settings.base.optimizer,)
    return [
        (knob, optimizer)
        for knob in settings.knobs
        for optimizer in ((None,) if isinstance(SPACE[knob], Choice | Range) else tried)
    ]


def _against(
    axes: Axes, trials: Sequence[TrialResult], knob: Knob, space: Domain, ceiling: float
) -> None:
    """The trials' losses over the whole range of the knob."""
    if isinstance(space, Choice):
        _scatter(axes, trials, [space.values.index(trial.knobs[knob]) for trial in trials], ceiling)
        axes.set_xticks(range(len(space.values)), [str(value) for value in space.values])
        axes.set_xlim(-0.5, len(space.values) - 0.5)
        return
    _scatter(axes, trials, [float(trial.knobs[knob]) for trial in trials], ceiling)
    if space.log:
        axes.set_xscale("log")
        axes.set_xlim(space.low / 1.2, space.high * 1.2)
    else:
        margin = (space.high - space.low) / 20
        axes.set_xlim(space.low - margin, space.high + margin)


def _scatter(
    axes: Axes, trials: Sequence[TrialResult], places: Sequence[float], ceiling: float
) -> None:
    """A mark per trial; what lies above `ceiling` points out of the picture."""
    for trial, place in zip(trials, places, strict=True):
        loss = math.nan if trial.loss is None else trial.loss
        mark = "^" if loss > ceiling else _MARKS.get(trial.state, "x")
        colour, height = _COLOURS[trial.kind], min(loss, ceiling)
        axes.plot([place], [height], color=colour, marker=mark, markersize=5, linestyle="")


def _ceiling(outcome: Outcome) -> float:
    """Above whatever complete trials went through: one near divergence would flatten the rest."""
    losses = [t.losses for t in outcome.trials if t.state == "complete"]
    return 1.03 * max((max(epochs) for epochs in losses if epochs), default=math.inf)


def _shade(axes: Axes, noise: Noise | None) -> None:
    if noise and noise.band:
        low, high = noise.mean - noise.band, noise.mean + noise.band
        axes.axhspan(low, high, color="grey", alpha=0.15, label="noise of the default")


def _legend(outcome: Outcome) -> tuple[list[Any], list[str]]:
    kinds = [kind for kind in _COLOURS if any(trial.kind == kind for trial in outcome.trials)]
    marks = [Line2D([], [], color=_COLOURS[kind], marker="o", linestyle="") for kind in kinds]
    names: list[str] = [str(kind) for kind in kinds]
    if any(trial.state == "pruned" for trial in outcome.trials):
        marks.append(Line2D([], [], color="grey", marker="x", linestyle=""))
        names.append("ended early")
    if any((trial.loss or 0) > _ceiling(outcome) for trial in outcome.trials):
        marks.append(Line2D([], [], color="grey", marker="^", linestyle=""))
        names.append("above the picture")
    return marks, names


def _short(value: Value) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _png(figure: Figure) -> bytes:
    content = io.BytesIO()
    FigureCanvasAgg(figure)
    figure.savefig(content, format="png", dpi=_DOTS_PER_INCH)
    return content.getvalue()
