"""The knobs that `train_cli sweep` turns and how far, all of them in `SPACE`.

Conditional where the scale is: AdamW's rates are about a hundredth of SGD's, and its decay is
decoupled from the gradient, so each optimizer has ranges, and parameters in the study, of its own.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Literal, get_args

from optuna.trial import BaseTrial

from train_cli.training import Optimizer, TrainingSettings

Knob = Literal[
    "optimizer",
    "learning_rate",
    "batch_size",
    "class_weighting",
    "oversampling",
    "weight_decay",
    "label_disturbance",
    "label_smoothing",
    "mixup",
    "cutmix",
    "dropout",
]
Value = str | int | float


@dataclass(frozen=True)
class Choice:
    """One of a few values.

    Attributes:
        alone: Those worth a trial in which nothing else is turned.
    """

    values: tuple[Value, ...]
    alone: tuple[Value, ...] = ()


@dataclass(frozen=True)
class Range:
    """Numbers from `low` to `high`, both included.

    Attributes:
        log: Drawn evenly in the logarithm.
        step: Only `low` plus multiples of it, so that 0, which turns an idea off, can be drawn.
        alone: Those worth a trial in which nothing else is turned.
    """

    low: float
    high: float
    log: bool = False
    step: float | None = None
    alone: tuple[float, ...] = ()


Domain = Choice | Range

SPACE: Final[Mapping[Knob, Domain | Mapping[Optimizer, Domain]]] = {
    "optimizer": Choice(("sgd", "adamw"), alone=("adamw",)),
    "learning_rate": {
        "sgd": Range(0.002, 0.1, log=True, alone=(0.005, 0.05)),
        "adamw": Range(3e-5, 3e-3, log=True),
    },
    "batch_size": Choice((16, 32, 64, 128, 256), alone=(32, 128)),
    "class_weighting": Range(0.0, 1.0, step=0.25, alone=(0.5,)),
    "oversampling": Range(0.0, 1.0, step=0.25, alone=(0.5,)),
    "weight_decay": {
        "sgd": Range(1e-5, 1e-2, log=True, alone=(5e-3,)),
        "adamw": Range(1e-3, 0.5, log=True),
    },
    "label_disturbance": Range(0.0, 0.2, step=0.05, alone=(0.1,)),
    "label_smoothing": Range(0.0, 0.2, step=0.05, alone=(0.0,)),
    "mixup": Range(0.0, 0.8, step=0.1, alone=(0.2,)),
    "cutmix": Range(0.0, 1.0, step=0.25, alone=(0.5,)),
    "dropout": Range(0.0, 0.6, step=0.1, alone=(0.0,)),
}

ADAMW: Final[Mapping[Knob, Value]] = {"learning_rate": 3e-4, "weight_decay": 0.05}
"""What changes with the optimizer, or AdamW would be tried at a rate that no one would give it."""

KNOBS: Final[tuple[Knob, ...]] = get_args(Knob)
BY_HAND: Final[tuple[Knob, ...]] = KNOBS[:7]
"""What the source project turned by hand, and what is swept unless others are named."""


def domain(knob: Knob, optimizer: Optimizer) -> Domain:
    """Where that knob may stand under that optimizer."""
    space = SPACE[knob]
    return space if isinstance(space, Choice | Range) else space[optimizer]


def parameter(knob: Knob, optimizer: Optimizer) -> str:
    """The knob's name in the study: `learning_rate` of SGD and of AdamW are two parameters."""
    return knob if isinstance(SPACE[knob], Choice | Range) else f"{optimizer}.{knob}"


def knob_of(name: str) -> Knob:
    """The knob that a study's parameter turns; the inverse of `parameter`."""
    return next(knob for knob in KNOBS if knob == name.rpartition(".")[2])


def suggested(trial: BaseTrial, knobs: Sequence[Knob], base: TrainingSettings) -> TrainingSettings:
    """`base` with the trial's values of `knobs`."""
    settings = base
    for knob in _optimizer_first(knobs):
        name, space = parameter(knob, settings.optimizer), domain(knob, settings.optimizer)
        value: Any
        if isinstance(space, Choice):
            value = trial.suggest_categorical(name, space.values)
        else:
            value = trial.suggest_float(name, space.low, space.high, log=space.log, step=space.step)
        settings = turned(settings, knob, value)
    return settings


def point(settings: TrainingSettings, knobs: Sequence[Knob]) -> dict[str, Value]:
    """Where `settings` lie in the study: a value for every parameter that they have."""
    return {parameter(knob, settings.optimizer): getattr(settings, knob) for knob in knobs}


def turned(settings: TrainingSettings, knob: Knob, value: Value) -> TrainingSettings:
    """`settings` with one knob turned; another optimizer brings its own rate and decay."""
    changes: dict[str, Any] = {knob: value}
    if knob == "optimizer" and value == "adamw" != settings.optimizer:
        changes |= {str(brought): standing for brought, standing in ADAMW.items()}
    return replace(settings, **changes)


def alone(base: TrainingSettings, knobs: Sequence[Knob]) -> list[TrainingSettings]:
    """`base` with every idea of `knobs` in turn and nothing else changed."""
    return [
        turned(base, knob, value)
        for knob in _optimizer_first(knobs)
        for value in domain(knob, base.optimizer).alone
        if value != getattr(base, knob)
    ]


def differing(settings: TrainingSettings, base: TrainingSettings) -> dict[Knob, Value]:
    """The knobs that stand elsewhere than in `base`."""
    return {
        knob: getattr(settings, knob)
        for knob in KNOBS
        if getattr(settings, knob) != getattr(base, knob)
    }


def in_words(space: Domain) -> str:
    """The domain in a few words."""
    if isinstance(space, Choice):
        return ", ".join(map(str, space.values))
    how = " (log)" if space.log else f", steps of {space.step:g}" if space.step else ""
    return f"{space.low:g} to {space.high:g}{how}"


def _optimizer_first(knobs: Sequence[Knob]) -> list[Knob]:
    """In the order of `SPACE`: what else is drawn depends on the optimizer."""
    return [knob for knob in SPACE if knob in knobs]
