"""From the members' logits to one blend: temper, average, calibrate.

Knows no networks, photos or files: arrays in, arrays out.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from fer_model.emotions import EMOTION_COUNT, EMOTIONS
from fer_model.readings import Blend

Array = NDArray[np.float64]

_SMALLEST: Final = 1e-12
"""Keeps logarithms finite; a share this small is never shown."""

DIFFER_FROM: Final = 0.03
"""The disagreement from which on members differ, for a version that does not say. Source: four
fifths of validation are below it, with the first shipped weights."""

_EXCHANGE_RIDGE: Final = 1e-2
"""Per squared coefficient of the exchange, of log-shares in units of their spread over validation.
Source: the best of 0.001 to 0.1 out of fold on validation; a third or three times as much costs
less than its standard error."""

_RIDGE: Final = 1e-4
"""Keeps an emotion that validation lacks, or a member that adds nothing, from running to infinity;
far below what a face in validation weighs."""

_STEPS: Final = 100
"""LBFGS iterations per fit; convergence takes 10 to 30 with eight parameters, 30 to 60 with 56."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """How one head's members become one row of probabilities.

    Attributes:
        temperatures: Per member, above 0; logits are divided by it.
        weights: Per member, at least 0, sum to 1.
        sharpness: Exponent of the weighted mean.
        biases: Added to the seven log-probabilities before the last normalisation.
        exchange: What a log-probability (row) of the weighted mean adds to each emotion (column),
            such as neutral to sad where faces that look neutral were labelled sad. Empty: nothing.
    """

    temperatures: tuple[float, ...]
    weights: tuple[float, ...]
    sharpness: float = 1.0
    biases: tuple[float, ...] = (0.0,) * EMOTION_COUNT
    exchange: tuple[tuple[float, ...], ...] = ()

    def __post_init__(self) -> None:
        exchanged = tuple(number for row in self.exchange for number in row)
        numbers = (*self.temperatures, *self.weights, self.sharpness, *self.biases, *exchanged)
        if not np.isfinite(numbers).all():
            raise ValueError("a calibration has finite numbers only")
        if not self.temperatures or len(self.temperatures) != len(self.weights):
            raise ValueError("a calibration has a temperature and a weight per member")
        if min(self.temperatures) <= 0 or min(self.weights) < 0:
            raise ValueError("temperatures are above 0 and weights at least 0")
        if abs(sum(self.weights) - 1) > 1e-6:
            raise ValueError("weights sum to 1")
        if len(self.biases) != EMOTION_COUNT:
            raise ValueError(f"a calibration has {EMOTION_COUNT} biases")
        widths = [len(row) for row in self.exchange]
        if widths not in ([], [EMOTION_COUNT] * EMOTION_COUNT):
            raise ValueError(f"an exchange is {EMOTION_COUNT} rows of {EMOTION_COUNT}, or empty")

    @classmethod
    def neutral(cls, members: int) -> "Calibration":
        """The plain mean of `members` softmaxes."""
        return cls((1.0,) * members, (1 / members,) * members)


@dataclass(frozen=True, slots=True)
class Calibrations:
    """Both heads' calibrations.

    Attributes:
        crowd: The crowd head's.
        label: The label head's.
        differ_from: The disagreement, 0 to 1, from which on members that name different emotions
            are said to differ.
    """

    crowd: Calibration
    label: Calibration
    differ_from: float = DIFFER_FROM

    def __post_init__(self) -> None:
        if not 0 <= self.differ_from <= 1:
            raise ValueError(f"a disagreement is 0 to 1, not {self.differ_from}")

    @classmethod
    def neutral(cls, members: int) -> "Calibrations":
        """The plain mean of `members` softmaxes, for both heads."""
        return cls(Calibration.neutral(members), Calibration.neutral(members))


def tempered(logits: NDArray[np.floating], calibration: Calibration) -> Array:
    """Members' probabilities (M, N, 7) of their logits (M, N, 7)."""
    scaled = np.asarray(logits, np.float64) / np.reshape(calibration.temperatures, (-1, 1, 1))
    return _softmax(scaled)


def blended(logits: NDArray[np.floating], calibration: Calibration) -> Array:
    """The ensemble's probabilities (N, 7) of its members' logits (M, N, 7); rows sum to one."""
    log = _log_mean(logits, calibration)
    last = calibration.sharpness * log + np.asarray(calibration.biases)
    if calibration.exchange:
        last += log @ np.asarray(calibration.exchange)
    return _softmax(last)


def disagreement(logits: NDArray[np.floating], calibration: Calibration) -> Array:
    """How far apart the members are per face (N,), 0 to 1, of their logits (M, N, 7).

    Source: the weighted Jensen-Shannon divergence (Lin 1991) over its largest possible value,
    the entropy of the weights.
    """
    probabilities = tempered(logits, calibration)
    weights = np.asarray(calibration.weights)
    ceiling = _entropy(weights[weights > 0])
    if ceiling == 0:  # one member cannot disagree
        return np.zeros(probabilities.shape[1])
    mean = np.tensordot(weights, probabilities, axes=1)
    divergence = _entropy(mean) - np.tensordot(weights, _entropy(probabilities), axes=1)
    return np.clip(divergence / ceiling, 0, 1)


def differing(crowd: NDArray[np.floating], calibrations: Calibrations) -> list[tuple[str, ...]]:
    """Per face what each member would say, where they differ; of the crowd logits (M, N, 7).

    Two conditions, since either alone says something else: members that name different emotions at
    a small disagreement both see a tie, and a large one under the same name is about the rest.
    """
    apart = disagreement(crowd, calibrations.crowd) >= calibrations.differ_from
    counted = np.asarray(calibrations.crowd.weights) > 0
    tops = np.argmax(crowd, axis=2)[counted]
    different = (tops != tops[:1]).any(axis=0)
    return [
        tuple(EMOTIONS[top] for top in row) if told else ()
        for row, told in zip(tops.T, apart & different, strict=True)
    ]


def blends(
    crowd: NDArray[np.floating], label: NDArray[np.floating], calibrations: Calibrations
) -> list[Blend]:
    """A blend per face, of both heads' logits, each (M, N, 7)."""
    rows = zip(
        blended(crowd, calibrations.crowd).tolist(),
        blended(label, calibrations.label).tolist(),
        disagreement(crowd, calibrations.crowd).tolist(),
        differing(crowd, calibrations),
        strict=True,
    )
    return [Blend(tuple(c), tuple(ell), d, said) for c, ell, d, said in rows]


def fit_calibration(
    logits: NDArray[np.floating], targets: NDArray[np.floating] | NDArray[np.integer]
) -> Calibration:
    """The calibration with the least negative log-likelihood on validation faces.

    Fitted in the order in which it is applied: each member's temperature, then the weights, then
    the sharpness and biases.

    Args:
        logits: One head's logits of every member, (M, N, 7).
        targets: Shares of votes (N, 7), or labels (N,).

    Raises:
        ValueError: The shapes do not fit together, or there are no faces.
    """
    if logits.ndim != 3 or logits.shape[1] == 0 or logits.shape[2] != EMOTION_COUNT:
        raise ValueError(f"logits are (members, faces, {EMOTION_COUNT}), not {logits.shape}")
    wanted = _shares(targets)
    if wanted.shape != logits.shape[1:]:
        raise ValueError(f"{wanted.shape[0]} targets for {logits.shape[1]} faces")
    members = torch.tensor(np.asarray(logits, np.float64))
    goal = torch.tensor(wanted)

    temperatures = torch.stack([_fit_temperature(member, goal) for member in members])
    probabilities = functional.softmax(members / temperatures[:, None, None], dim=-1)
    weights = _fit_weights(probabilities, goal)
    mean = torch.tensordot(weights, probabilities, dims=1).clamp_min(_SMALLEST).log()
    sharpness, biases = _fit_last(mean, goal)
    return Calibration(
        tuple(temperatures.tolist()), _normalised(weights), sharpness, tuple(biases.tolist())
    )


def fit_exchange(
    calibration: Calibration,
    logits: NDArray[np.floating],
    targets: NDArray[np.floating] | NDArray[np.integer],
) -> Calibration:
    """The calibration with an exchange and with biases that go with it; the rest stays.

    Source: Dirichlet calibration (Kull et al. 2019) with a ridge towards the calibration as given.

    Args:
        calibration: As `fit_calibration` found it on the same faces.
        logits: One head's logits of every member, (M, N, 7).
        targets: Shares of votes (N, 7), or labels (N,).
    """
    log = _log_mean(logits, calibration)
    centre, spread = log.mean(axis=0), np.maximum(log.std(axis=0), _SMALLEST)
    start = torch.tensor(calibration.sharpness * log + np.asarray(calibration.biases))
    features = torch.tensor((log - centre) / spread)
    goal = torch.tensor(_shares(targets))

    def loss(x: Tensor) -> Tensor:
        fitted = start + features @ x[EMOTION_COUNT:].view(-1, EMOTION_COUNT) + x[:EMOTION_COUNT]
        return _loss(functional.log_softmax(fitted, dim=-1), goal) + (
            _EXCHANGE_RIDGE * x.square().sum()
        )

    best = _minimised(loss, [0.0] * (EMOTION_COUNT * (1 + EMOTION_COUNT))).numpy()
    exchange = best[EMOTION_COUNT:].reshape(-1, EMOTION_COUNT) / spread[:, None]
    biases = np.asarray(calibration.biases) + best[:EMOTION_COUNT] - centre @ exchange
    return replace(
        calibration,
        biases=tuple((biases - biases.mean()).tolist()),
        exchange=tuple(tuple(row) for row in exchange.tolist()),
    )


def negative_log_likelihood(
    probabilities: NDArray[np.floating], targets: NDArray[np.floating] | NDArray[np.integer]
) -> float:
    """Mean cross-entropy in nats of probabilities (N, 7) against shares (N, 7) or labels (N,)."""
    return float(-(_shares(targets) * np.log(np.maximum(probabilities, _SMALLEST))).sum(1).mean())


def _log_mean(logits: NDArray[np.floating], calibration: Calibration) -> Array:
    """Logarithm (N, 7) of the members' weighted mean."""
    mean = np.tensordot(calibration.weights, tempered(logits, calibration), axes=1)
    return np.asarray(np.log(np.maximum(mean, _SMALLEST)))


def _shares(targets: NDArray[np.floating] | NDArray[np.integer]) -> Array:
    values = np.asarray(targets)
    if values.ndim == 1:
        return np.eye(EMOTION_COUNT)[values.astype(np.int64)]
    totals = values.sum(axis=1, keepdims=True)
    if values.shape[1] != EMOTION_COUNT or not (totals > 0).all():
        raise ValueError("every row of votes has seven numbers and at least one vote")
    return np.asarray(values / totals, np.float64)


def _softmax(values: Array) -> Array:
    raised = np.exp(values - values.max(axis=-1, keepdims=True))
    return np.asarray(raised / raised.sum(axis=-1, keepdims=True))


def _entropy(probabilities: Array) -> Array:
    return np.asarray(-(probabilities * np.log(np.maximum(probabilities, _SMALLEST))).sum(axis=-1))


def _loss(log_probabilities: Tensor, goal: Tensor) -> Tensor:
    return -(goal * log_probabilities).sum(dim=-1).mean()


def _fit_temperature(logits: Tensor, goal: Tensor) -> Tensor:
    log = _minimised(lambda x: _loss(functional.log_softmax(logits / x.exp(), dim=-1), goal), [0.0])
    return log.exp()[0]


def _fit_weights(probabilities: Tensor, goal: Tensor) -> Tensor:
    def loss(raw: Tensor) -> Tensor:
        mean = torch.tensordot(functional.softmax(raw, dim=0), probabilities, dims=1)
        return _loss(mean.clamp_min(_SMALLEST).log(), goal) + _RIDGE * raw.square().sum()

    return functional.softmax(_minimised(loss, [0.0] * len(probabilities)), dim=0)


def _fit_last(log_mean: Tensor, goal: Tensor) -> tuple[float, Tensor]:
    def loss(x: Tensor) -> Tensor:
        fitted = functional.log_softmax(x[0].exp() * log_mean + x[1:], dim=-1)
        return _loss(fitted, goal) + _RIDGE * x[1:].square().sum()

    best = _minimised(loss, [0.0] * (1 + EMOTION_COUNT))
    return float(best[0].exp()), best[1:] - best[1:].mean()


def _minimised(loss: Callable[[Tensor], Tensor], start: Sequence[float]) -> Tensor:
    x = torch.tensor(start, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([x], max_iter=_STEPS, line_search_fn="strong_wolfe")

    def closure() -> float:
        optimizer.zero_grad()
        value = loss(x)
        value.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        return float(value.detach())

    optimizer.step(closure)  # type: ignore[no-untyped-call]  # likewise
    return x.detach()


def _normalised(weights: Tensor) -> tuple[float, ...]:
    return tuple((weights / weights.sum()).tolist())
