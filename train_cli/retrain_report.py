"""What a retrain reports: both versions side by side, what changed, and the verdict, in words.

Pure: arrays and dataclasses in, dataclasses and lines of text out.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter, ValidationError

from fer_model.emotions import EMOTIONS
from fer_model.versions import SHORT_DIGEST
from store.trust import Trusted, Voice
from train_cli.errors import RunRefused
from train_cli.evaluating import SHARE_BINS, Bin, reliability
from train_cli.gate import Verdict, calibration_error, log_loss, matches

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Figures:
    """One version's answers on some faces; shares 0 to 1, losses in nats.

    Attributes:
        log_loss: Of the crowd blend against what people said.
        accuracy: Share of faces whose top emotion is one that most people named.
        calibration_error: See `train_cli.gate.calibration_error`.
        recall: As `accuracy`, of the faces that most people named each emotion for.
        label_accuracy: Of the label head, where there are labels.
        reliability: The crowd blend's shares of all emotions against those that people gave.
    """

    log_loss: float
    accuracy: float
    calibration_error: float
    recall: dict[str, float]
    label_accuracy: float | None = None
    reliability: tuple[Bin, ...] = ()


@dataclass(frozen=True)
class Comparison:
    """Both versions on the same faces; `named`: how many most people named each emotion for."""

    faces: int
    before: Figures
    after: Figures
    named: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Change:
    """How many feedback faces are now read as another emotion."""

    before: str
    after: str
    faces: int


@dataclass(frozen=True)
class Weighing:
    """How many pieces of feedback count how much, by trust.

    Attributes:
        full: They count 1.
        lowered: They count less.
        over_cap: They do not, for their giver has said enough, or has said something newer.
        rejected: They do not, by an admin's ruling.
        quarantined: They do not until an admin has ruled, by reason.
    """

    full: int
    lowered: int
    over_cap: int
    rejected: int
    quarantined: dict[str, int]


@dataclass(frozen=True)
class RetrainReport:
    """What a retrain did, and what the gate says; nothing in it is about a person.

    Attributes:
        parent: Digest of the version that it started from.
        candidate: Digest of the one that came out.
        kept_by: What held the rest in place.
        trained_faces: Feedback faces learnt from.
        holdout_faces: Feedback faces kept apart.
        weighing: What trust made of the pieces; None: every piece counted 1.
        trained: Both versions on the faces that were learnt from.
        holdout: Both on the faces that were kept apart.
        base: Both on the base validation split.
        changes: Feedback faces whose answer changed.
        verdict: The gate's.
        seconds: How long each part took.
        looked_at: Ids of the feedback that was looked at.
        share: How far the candidate went towards what was learnt, 0 to 1.
    """

    parent: str
    candidate: str
    seed: int
    device: str
    pieces: int
    confirmations: int
    corrections: int
    people: int
    unreadable: int
    kept_by: Literal["distillation", "replay"]
    trained_faces: int
    holdout_faces: int
    weighing: Weighing | None
    trained: Comparison
    holdout: Comparison | None
    base: Comparison | None
    changes: tuple[Change, ...]
    verdict: Verdict
    seconds: dict[str, float]
    looked_at: tuple[int, ...]
    share: float = 1.0

    def to_json(self) -> dict[str, Any]:
        """The report as JSON, the verdict with `passed` and `reasons` beside its checks."""
        verdict = {
            "passed": self.verdict.passed,
            "reasons": list(self.verdict.reasons),
            **asdict(self.verdict),
        }
        return asdict(self) | {"verdict": verdict}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> "RetrainReport":
        """The report that `to_json` gave.

        Raises:
            RunRefused: It is none, or was made before there were all these figures.
        """
        try:
            return TypeAdapter(cls).validate_python(document)
        except ValidationError as error:
            first = ".".join(map(str, error.errors()[0]["loc"]))
            raise RunRefused(f"the run has no report that can be read: {first}") from error


@dataclass(frozen=True)
class Answers:
    """One version's shares on some faces, each (N, 7)."""

    crowd: Array
    label: Array


def compare(
    said: Array, before: Answers, after: Answers, labels: NDArray[np.int64] | None
) -> Comparison:
    """Both versions against the shares (N, 7) that people said, and the labels where given."""
    most = np.bincount(said.argmax(axis=1), minlength=len(EMOTIONS)).tolist()
    named = {name: count for name, count in zip(EMOTIONS, most, strict=True) if count}
    return Comparison(
        len(said), _measured(said, before, labels), _measured(said, after, labels), named
    )


def _measured(said: Array, answers: Answers, labels: NDArray[np.int64] | None) -> Figures:
    right = matches(said, answers.crowd)
    most = said.argmax(axis=1)
    return Figures(
        log_loss=float(log_loss(said, answers.crowd).mean()),
        accuracy=float(right.mean()),
        calibration_error=calibration_error(said, answers.crowd),
        recall={
            name: float(right[most == place].mean())
            for place, name in enumerate(EMOTIONS)
            if (most == place).any()
        },
        label_accuracy=None
        if labels is None
        else float((answers.label.argmax(axis=1) == labels).mean()),
        reliability=reliability(answers.crowd.ravel(), said.ravel(), SHARE_BINS),
    )


def changed_answers(pairs: Iterable[tuple[Array, Array]]) -> tuple[Change, ...]:
    """The faces whose top emotion is another, of shares (N, 7) before and after, most first."""
    moved: Counter[tuple[str, str]] = Counter()
    for before, after in pairs:
        old, new = before.argmax(axis=1), after.argmax(axis=1)
        moved.update((EMOTIONS[a], EMOTIONS[b]) for a, b in zip(old, new, strict=True) if a != b)
    return tuple(Change(a, b, count) for (a, b), count in moved.most_common())


def headline_figures(report: RetrainReport) -> dict[str, object]:
    """The candidate's figures by name, as `models list` shows them."""
    figures: dict[str, object] = {"gate.passed": report.verdict.passed}
    for name in ("holdout", "base"):
        comparison: Comparison | None = getattr(report, name)
        if comparison is not None:
            figures[f"{name}.crowd_log_loss"] = comparison.after.log_loss
            figures[f"{name}.crowd_accuracy"] = comparison.after.accuracy
    return figures


def in_words(report: RetrainReport) -> list[str]:
    """The report as lines that a person reads, the verdict last."""
    lines = [
        _what_was_given(report),
        weighed_in_words(report.weighing),
        _what_was_done(report),
        *_side_by_side("faces learnt from", report.trained),
        *_side_by_side("held-out feedback", report.holdout),
        *_side_by_side("base validation", report.base),
    ]
    changes = [f"{c.before} → {c.after}: {c.faces}" for c in report.changes]
    lines.append("feedback faces read as another emotion: " + (", ".join(changes) or "none"))
    judged = (f"{'✓' if c.passed else '✗'} {c.reason}" for c in report.verdict.checks)
    lines += dict.fromkeys(judged)  # several checks may share what they lack
    short = report.candidate[:SHORT_DIGEST]
    if report.verdict.passed:
        lines.append(f"The gate passes candidate {short}: train_cli models promote {short}")
    else:
        lines.append(
            f"The gate refuses candidate {short}; {report.parent[:SHORT_DIGEST]} goes on serving."
        )
    if report.pieces == 1:
        lines.append("One piece of feedback proves nothing, so this was to be expected.")
    return lines


def _what_was_given(report: RetrainReport) -> str:
    line = (
        f"{counted(report.pieces, 'piece')} of feedback from "
        f"{counted(report.people, 'person', 'people')}: "
        f"{counted(report.confirmations, 'confirmation')}, "
        f"{counted(report.corrections, 'correction')}"
    )
    if report.unreadable:
        line += f"; {counted(report.unreadable, 'unreadable crop')} left out"
    return line


def weighed(said: Sequence[Voice], trusted: Trusted) -> Weighing:
    """How many pieces count how much."""
    weights = trusted.weights.values()
    rejected = sum(voice.ruling == "rejected" for voice in said)
    without = sum(weight == 0 for weight in weights)
    return Weighing(
        full=sum(weight == 1 for weight in weights),
        lowered=sum(0 < weight < 1 for weight in weights),
        over_cap=without - rejected - len(trusted.quarantined),
        rejected=rejected,
        quarantined=dict(Counter(trusted.quarantined.values()).most_common()),
    )


def weighed_in_words(weighing: Weighing | None) -> str:
    """What trust made of the pieces, as one line."""
    if weighing is None:
        return "trust: not asked, every piece counts 1"
    parts = [f"{counted(weighing.full, 'piece')} in full", f"{weighing.lowered} for less"]
    if weighing.quarantined:
        reasons = ", ".join(f"{count} {name}" for name, count in weighing.quarantined.items())
        waiting = sum(weighing.quarantined.values())
        parts.append(f"{waiting} not until an admin has ruled ({reasons})")
    if weighing.rejected:
        parts.append(f"{weighing.rejected} rejected by an admin")
    if weighing.over_cap:
        parts.append(f"{weighing.over_cap} over a cap or said anew")
    return "trust: counting " + ", ".join(parts)


def _what_was_done(report: RetrainReport) -> str:
    learnt = counted(report.trained_faces, "face")
    line = f"learnt from {learnt}, held out {report.holdout_faces}; kept by {report.kept_by}"
    if report.share < 1:
        line += f"; went {report.share:.0%} of the way, never all, as far as base faces bear"
    return line


def _side_by_side(title: str, faces: Comparison | None) -> list[str]:
    if faces is None:
        return [f"{title}: none"]
    old, new = faces.before, faces.after
    line = (
        f"{title} ({faces.faces}): log-loss {old.log_loss:.3f} → {new.log_loss:.3f}, "
        f"named as most people did {old.accuracy:.1%} → {new.accuracy:.1%}, "
        f"calibration error {old.calibration_error:.3f} → {new.calibration_error:.3f}"
    )
    if old.label_accuracy is not None and new.label_accuracy is not None:
        line += f", label {old.label_accuracy:.1%} → {new.label_accuracy:.1%}"
    return [line]


def counted(count: int, one: str, many: str | None = None) -> str:
    """The number with its noun, "1 piece" or "2 pieces"."""
    return f"{count} {one if count == 1 else many or one + 's'}"
