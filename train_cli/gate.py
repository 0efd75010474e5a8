"""The promotion gate: paired results of two versions in, a verdict with its reasons out.

Pure: no files, no database, no torch, and the same evidence always gets the same verdict. Every
check must pass. Evidence that is missing fails the check that needed it: a version is promoted
because it was shown to be better, never because nothing was known against it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from fer_model.emotions import EMOTION_COUNT, EMOTIONS

Array = NDArray[np.float64]

_Z95: Final = 1.6449
"""One-sided 95 % quantile of the normal distribution."""

_SMALLEST: Final = 1e-6
"""A share is not taken as smaller than this, so that no single face decides by an infinity."""

_DRAWS: Final = 4096
"""Sign patterns tried: all of them up to 12 people, this many random ones beyond."""

_BINS: Final = 10
"""Bins of confidence, as in of ten people."""


@dataclass(frozen=True)
class PairedFaces:
    """Two versions' crowd answers on the same faces.

    Attributes:
        said: (N, 7), the share of people who named each emotion.
        before: (N, 7), what the current version says.
        after: (N, 7), what the candidate says.
        people: int (N,), whose face it is; faces of one person are not independent.
        weights: (N,), how much what was said of each face counts; None: all the same.
    """

    said: Array
    before: Array
    after: Array
    people: NDArray[np.int64]
    weights: Array | None = None

    def __post_init__(self) -> None:
        shape = (len(self.people), EMOTION_COUNT)
        for name, rows in (("said", self.said), ("before", self.before), ("after", self.after)):
            if rows.shape != shape:
                raise ValueError(f"{name} is {rows.shape}, not {shape}")
            if not np.isfinite(rows).all() or (rows < 0).any():
                raise ValueError(f"{name} holds what is no share")
        if self.weights is not None and self.weights.shape != self.people.shape:
            raise ValueError(f"weights are {self.weights.shape}, not {self.people.shape}")

    def __len__(self) -> int:
        return len(self.people)

    @property
    def person_count(self) -> int:
        """How many different people the faces belong to."""
        return len(np.unique(self.people))


@dataclass(frozen=True)
class PairedResults:
    """All evidence there is.

    Attributes:
        holdout: Feedback of people whom neither version was trained on; None: there is none.
        base: The base validation split; None: none is configured.
        first: The same faces, where `before` is what the first version of the line says; None: the
            current version is the first. Without any face, what the first one says is not known.
    """

    holdout: PairedFaces | None
    base: PairedFaces | None
    first: PairedFaces | None = None


@dataclass(frozen=True)
class GatePolicy:
    """How much evidence is asked for, and how much worse counts as no worse.

    Attributes:
        holdout_faces: At least this many faces in the feedback holdout.
        holdout_people: From at least this many people. Five is the fewest with which the sign-flip
            test can reach 5 %: 1 in 2^5 patterns.
        level: Largest chance of calling a candidate better that is not.
        base_faces: At least this many faces of the base split.
        accuracy_margin: Share of base faces that may be lost, at the 95 % bound.
        loss_margin: Rise of the base crowd log-loss that is tolerated, nats, at the 95 % bound.
        rare_share: Emotions that fewer base faces than this share show are pooled as rare.
        rare_faces: At least this many rare faces.
        rare_margin: As `accuracy_margin`, for the rare faces; wider, for there are fewer.
        calibration_margin: Rise of the base calibration error that is tolerated.
        first_accuracy_margin: As `accuracy_margin`, since the first version of the line; wider, for
            the farther two versions are apart, the wider is the bound where nothing was lost.
        first_loss_margin: As `loss_margin`, likewise.
    """

    holdout_faces: int = 30
    holdout_people: int = 5
    level: float = 0.05
    base_faces: int = 500
    accuracy_margin: float = 0.01
    loss_margin: float = 0.02
    rare_share: float = 0.1
    rare_faces: int = 50
    rare_margin: float = 0.04
    calibration_margin: float = 0.01
    first_accuracy_margin: float = 0.02
    first_loss_margin: float = 0.04


GUARD: Final = GatePolicy(loss_margin=0.01)
"""What a retrain asks of itself before it is judged, on base training faces: of the loss half of
what the gate tolerates, for what hardly passes here would often be refused there."""


@dataclass(frozen=True)
class Check:
    """One test of the gate: its name, whether it passed, and why in words."""

    name: str
    passed: bool
    reason: str


@dataclass(frozen=True)
class Verdict:
    """Every check; passed if all of them did."""

    checks: tuple[Check, ...]

    @property
    def passed(self) -> bool:
        """Whether the candidate may serve."""
        return all(check.passed for check in self.checks)

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why not, each reason once, though several checks may share it; empty where it passed."""
        return tuple(dict.fromkeys(check.reason for check in self.checks if not check.passed))


def judge(evidence: PairedResults, policy: GatePolicy = GatePolicy()) -> Verdict:
    """Whether the candidate may take the current version's place.

    On the feedback holdout: enough faces, of enough people, and a smaller crowd log-loss by a
    one-sided sign-flip test over people. On the base split: enough faces; accuracy, log-loss and
    the rare emotions no worse than by their margins at the one-sided 95 % bound of the paired
    difference; calibration no worse than by its margin. Accuracy and log-loss also hold against the
    first version of the line, so that small losses, promoted one after the other, do not add up.
    """
    return Verdict(
        (
            *_on_holdout(evidence.holdout, policy),
            *_on_base(evidence.base, policy),
            *_since_first(evidence.first, policy),
        )
    )


def base_holds(faces: PairedFaces, policy: GatePolicy) -> bool:
    """Whether the candidate passes all that the gate asks on base faces."""
    return all(check.passed for check in _on_base(faces, policy))


def log_loss(said: Array, answer: Array) -> Array:
    """Crowd log-loss per face (N,), nats, of answers (N, 7)."""
    return np.asarray(-(said * np.log(np.maximum(answer, _SMALLEST))).sum(axis=1))


def matches(said: Array, answer: Array) -> NDArray[np.bool_]:
    """Whether each answer's top emotion is one that most people named, (N,)."""
    top = answer.argmax(axis=1)
    return np.asarray(said[np.arange(len(said)), top] >= said.max(axis=1))


def calibration_error(said: Array, answer: Array) -> float:
    """Mean distance between the share announced for the top emotion and the share who named it.

    Source: the expected calibration error (Guo et al. 2017), ten bins, with the share of people in
    the place of being right.
    """
    top = answer.argmax(axis=1)
    places = np.arange(len(answer))
    announced, named = answer[places, top], said[places, top]
    bins = np.minimum((announced * _BINS).astype(np.int64), _BINS - 1)
    gaps = np.bincount(bins, announced - named, minlength=_BINS)
    return float(np.abs(gaps).sum() / len(answer))


def sign_flip_p(differences: Array, people: NDArray[np.int64], seed: int = 0) -> float:
    """Chance of a sum as large as this if each person's sum could as well have the other sign.

    Source: Fisher's randomisation test on paired differences, one-sided; faces of one person flip
    together. All sign patterns up to 12 people, 4096 random ones beyond (and the observed one).
    """
    _, person = np.unique(people, return_inverse=True)
    sums = np.bincount(person, differences)
    observed = sums.sum()
    count = len(sums)
    if 2**count <= _DRAWS:
        patterns = (np.arange(2**count)[:, None] >> np.arange(count)) & 1
        extra = 0
    else:
        patterns = np.random.default_rng(seed).integers(0, 2, (_DRAWS, count))
        extra = 1
    flipped = (1 - 2 * patterns) @ sums
    # Sums that differ by rounding alone are equal.
    reached = int((flipped >= observed - 1e-9 * np.abs(sums).sum()).sum())
    return (reached + extra) / (len(patterns) + extra)


def _on_holdout(faces: PairedFaces | None, policy: GatePolicy) -> Iterator[Check]:
    count = 0 if faces is None else len(faces)
    people = 0 if faces is None else faces.person_count
    yield Check(
        "enough_holdout_faces",
        count >= policy.holdout_faces,
        f"{count} faces of feedback were held out; {policy.holdout_faces} are needed",
    )
    yield Check(
        "enough_holdout_people",
        people >= policy.holdout_people,
        f"held-out feedback is from {people} people; {policy.holdout_people} are needed",
    )
    if faces is None or count == 0:
        yield Check("better_on_holdout", False, "without held-out feedback nothing shows progress")
        return
    gain = log_loss(faces.said, faces.before) - log_loss(faces.said, faces.after)
    if faces.weights is not None:
        gain = gain * faces.weights / faces.weights.mean()
    p = sign_flip_p(gain, faces.people)
    mean = float(gain.mean())
    direction = "fell" if mean >= 0 else "rose"
    yield Check(
        "better_on_holdout",
        mean > 0 and p <= policy.level,
        f"log-loss on held-out feedback {direction} by {abs(mean):.4f} nats "
        f"(sign-flip p = {p:.3f}; at most {policy.level:g} is asked for)",
    )


def _on_base(faces: PairedFaces | None, policy: GatePolicy) -> Iterator[Check]:
    count = 0 if faces is None else len(faces)
    yield Check(
        "enough_base_faces",
        count >= policy.base_faces,
        f"{count} base faces were compared; {policy.base_faces} are needed"
        + ("" if faces is not None else " (no base split is configured)"),
    )
    if faces is None or count == 0:
        for name in ("base_accuracy_holds", "base_log_loss_holds", "rare_emotions_hold"):
            yield Check(name, False, "without a base split nobody knows what was forgotten")
        yield Check("calibration_holds", False, "without a base split calibration is unknown")
        return
    lost = _lost(faces)
    yield _no_worse("base_accuracy_holds", "base accuracy", lost, policy.accuracy_margin, 100)
    loss = "base_log_loss_holds"
    yield _no_worse(loss, "base log-loss", _rise(faces), policy.loss_margin, 1)
    yield _rare(faces, lost, policy)
    before = calibration_error(faces.said, faces.before)
    after = calibration_error(faces.said, faces.after)
    yield Check(
        "calibration_holds",
        after <= before + policy.calibration_margin,
        f"base calibration error went from {before:.4f} to {after:.4f}; "
        f"a rise of {policy.calibration_margin:g} is tolerated",
    )


def _since_first(faces: PairedFaces | None, policy: GatePolicy) -> Iterator[Check]:
    accuracy, loss = "base_accuracy_holds_since_first", "base_log_loss_holds_since_first"
    if faces is None:
        return
    if not len(faces):
        reason = "no first version is on disk: nobody knows what was forgotten since"
        yield Check(accuracy, False, reason)
        yield Check(loss, False, reason)
        return
    title = "since the first version"
    lost, rise = _lost(faces), _rise(faces)
    yield _no_worse(accuracy, f"{title}, base accuracy", lost, policy.first_accuracy_margin, 100)
    yield _no_worse(loss, f"{title}, base log-loss", rise, policy.first_loss_margin, 1)


def _rise(faces: PairedFaces) -> Array:
    """Per face: by how much the crowd log-loss rose, nats."""
    return log_loss(faces.said, faces.after) - log_loss(faces.said, faces.before)


def _lost(faces: PairedFaces) -> Array:
    """Per face: 1 where only the version before matched, -1 where only the one after did."""
    before = matches(faces.said, faces.before).astype(np.float64)
    return before - matches(faces.said, faces.after)


def _rare(faces: PairedFaces, lost: Array, policy: GatePolicy) -> Check:
    shown = faces.said.argmax(axis=1)
    shares = np.bincount(shown, minlength=EMOTION_COUNT) / len(faces)
    rare = np.flatnonzero(shares < policy.rare_share)
    name = "rare_emotions_hold"
    if not len(rare):
        return Check(name, True, "no emotion is rare in the base split")
    named = ", ".join(EMOTIONS[i] for i in rare)
    chosen = np.isin(shown, rare)
    if chosen.sum() < policy.rare_faces:
        return Check(
            name,
            False,
            f"{int(chosen.sum())} base faces show rare emotions ({named}); "
            f"{policy.rare_faces} are needed",
        )
    title = f"accuracy on rare emotions ({named})"
    return _no_worse(name, title, lost[chosen], policy.rare_margin, 100)


def _no_worse(name: str, title: str, worse: Array, margin: float, scale: int) -> Check:
    """Non-inferiority: the one-sided 95 % upper bound of the mean worsening is within `margin`."""
    mean = float(worse.mean())
    deviation = float(worse.std(ddof=1)) if len(worse) > 1 else float("inf")
    bound = mean + _Z95 * deviation / np.sqrt(len(worse))
    unit = "points" if scale == 100 else "nats"
    direction = "worse" if mean > 0 else "better"
    return Check(
        name,
        bool(bound <= margin),
        f"{title} got {direction} by {abs(mean) * scale:.2f} {unit}; by the one-sided 95 % bound "
        f"({len(worse)} faces) it may be {bound * scale:.2f} worse, and {margin * scale:g} is "
        "tolerated",
    )
