"""How right the answers are: against labels, and against the people who voted.

Pure: arrays in, figures out. Knows no files, networks or splits.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from fer_model.blend import Array, negative_log_likelihood
from fer_model.emotions import EMOTION_COUNT, EMOTIONS
from train_cli.votes import crowd_majority, emotion_shares, ferplus_majority, has_majority

CONFIDENCE_BINS: Final = 15
"""Source: Guo et al. 2017, On Calibration of Modern Neural Networks."""

SHARE_BINS: Final = 10
"""As many as the people who voted on a face."""

VALID_VOTES: Final = 10
"""Votes that a face needs for the distance to people: everybody who was asked."""

DRAWS: Final = 20
"""Random halvings of the ten voters that the distance to people is averaged over."""


@dataclass(frozen=True)
class ClassFigures:
    """One emotion's figures; a share without anything to divide by is None.

    Attributes:
        emotion: Its name.
        faces: Faces with this label.
        precision: Share of the faces named so that are labelled so.
        recall: Share of the faces labelled so that are named so.
        f1: Harmonic mean of the two.
    """

    emotion: str
    faces: int
    precision: float | None
    recall: float | None
    f1: float | None


@dataclass(frozen=True)
class LabelFigures:
    """The label head against the labels.

    Attributes:
        faces: How many were judged.
        accuracy: Share of faces whose most probable emotion is their label.
        nll: Mean negative log-likelihood of the label, nats.
        calibration_gap: Expected calibration error of the confidence, 0 to 1.
        classes: Per emotion.
        confusion: Faces, row: label, column: named.
    """

    faces: int
    accuracy: float
    nll: float
    calibration_gap: float
    classes: tuple[ClassFigures, ...]
    confusion: tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class CrowdFigures:
    """The crowd head against the votes; a figure without any face to judge is None.

    Attributes:
        faces: Faces with at least one vote for one of the seven emotions.
        nll: Mean cross-entropy with the shares of votes, nats.
        share_gap: See `vote_share_gap`.
        majority_faces: Faces with a strict majority answer, see `has_majority`.
        majority_accuracy: Share of those that are named like it; contempt is always missed.
        ferplus_faces: Faces that the FER+ protocol keeps, see `ferplus_majority`.
        ferplus_accuracy: Share of those named like it; contempt is always missed.
        distance_faces: Faces with ten valid votes.
        distance_to_people: See `distance_to_people`.
        classes: Per emotion, against the strict majority.
        confusion: Faces with one, row: what most people said, contempt last; column: named.
    """

    faces: int
    nll: float
    share_gap: float
    majority_faces: int
    majority_accuracy: float | None
    ferplus_faces: int
    ferplus_accuracy: float | None
    distance_faces: int
    distance_to_people: float | None
    classes: tuple[ClassFigures, ...]
    confusion: tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class Bin:
    """Answers that said about the same; both means are shares, 0 to 1.

    Attributes:
        answers: How many.
        said: Mean of what they said.
        happened: Mean of what was so.
    """

    answers: int
    said: float
    happened: float


@dataclass(frozen=True)
class Figures:
    """Everything about one set of faces; `crowd` is None where nobody voted."""

    label: LabelFigures
    crowd: CrowdFigures | None

    def flat(self, prefix: str) -> dict[str, float]:
        """The headline figures by dotted name, as a model version carries them."""
        named: dict[str, float | None] = {
            "label_accuracy": self.label.accuracy,
            "label_nll": self.label.nll,
            "label_calibration_gap": self.label.calibration_gap,
        }
        if self.crowd:
            named |= {
                "crowd_majority": self.crowd.majority_accuracy,
                "crowd_nll": self.crowd.nll,
                "vote_share_gap": self.crowd.share_gap,
                "distance_to_people": self.crowd.distance_to_people,
            }
        return {f"{prefix}.{name}": value for name, value in named.items() if value is not None}


def judge(
    crowd: Array,
    label: Array,
    labels: NDArray[np.int64],
    votes: NDArray[np.float32],
    seed: int = 0,
) -> Figures:
    """Both heads' probabilities, each (N, 7), against labels (N,) and votes (N, 10).

    Raises:
        ValueError: There are no faces.
    """
    return Figures(label_figures(label, labels), crowd_figures(crowd, votes, seed))


def label_figures(probabilities: Array, labels: NDArray[np.int64]) -> LabelFigures:
    """Figures of probabilities (N, 7) against labels (N,)."""
    if len(labels) == 0:
        raise ValueError("no faces to judge")
    named = probabilities.argmax(1)
    table = confusion(labels, named)
    return LabelFigures(
        faces=len(labels),
        accuracy=float((named == labels).mean()),
        nll=negative_log_likelihood(probabilities, labels),
        calibration_gap=expected_calibration_error(probabilities, labels),
        classes=class_figures(table),
        confusion=_plain(table),
    )


def crowd_figures(
    probabilities: Array, votes: NDArray[np.float32], seed: int = 0
) -> CrowdFigures | None:
    """Figures of probabilities (N, 7) against votes (N, 10); None where nobody voted."""
    shares = emotion_shares(votes)
    voted = shares.sum(1) > 0
    if not voted.any():
        return None
    named = probabilities.argmax(1)
    clear, majority = has_majority(votes), crowd_majority(votes)
    winner, kept = ferplus_majority(votes)
    # contempt's -1 is the last row
    table = confusion(majority[clear], named[clear], EMOTION_COUNT + 1)
    distance, distance_faces = distance_to_people(probabilities, votes, seed)
    return CrowdFigures(
        faces=int(voted.sum()),
        nll=negative_log_likelihood(probabilities[voted], shares[voted]),
        share_gap=vote_share_gap(probabilities[voted], shares[voted]),
        majority_faces=int(clear.sum()),
        majority_accuracy=_share(named == majority, clear),
        ferplus_faces=int(kept.sum()),
        ferplus_accuracy=_share(named == winner, kept),
        distance_faces=distance_faces,
        distance_to_people=distance,
        classes=class_figures(table),
        confusion=_plain(table),
    )


def confusion(
    right: NDArray[np.int64], named: NDArray[np.int64], rows: int = EMOTION_COUNT
) -> NDArray[np.int64]:
    """Counts (rows, 7): row the right answer, column the emotion named."""
    table = np.zeros((rows, EMOTION_COUNT), dtype=np.int64)
    np.add.at(table, (right, named), 1)
    return table


def class_figures(table: NDArray[np.int64]) -> tuple[ClassFigures, ...]:
    """Precision, recall and F1 per emotion of a confusion table (7 or more, 7).

    Rows past the seven are answers that are never given: faces named wrongly, whatever the name.
    """
    figures = []
    for place, emotion in enumerate(EMOTIONS):
        right, labelled, named = (
            int(table[place, place]),
            int(table[place].sum()),
            int(table[:, place].sum()),
        )
        figures.append(
            ClassFigures(
                emotion,
                labelled,
                precision=right / named if named else None,
                recall=right / labelled if labelled else None,
                f1=2 * right / (labelled + named) if labelled + named else None,
            )
        )
    return tuple(figures)


def expected_calibration_error(
    probabilities: Array, labels: NDArray[np.int64], bins: int = CONFIDENCE_BINS
) -> float:
    """Mean gap between confidence and accuracy over equal-width bins, weighted by faces.

    Source: Guo et al. 2017, equation 3.
    """
    right = (probabilities.argmax(1) == labels).astype(np.float64)
    return _binned_gap(probabilities.max(1), right, bins)


def vote_share_gap(probabilities: Array, shares: Array, bins: int = SHARE_BINS) -> float:
    """How far predicted shares (N, 7) are from the shares (N, 7) that people gave.

    Per emotion, faces are put into equal-width bins of the predicted share; a bin's gap is that
    between its mean predicted and mean given share. The mean over bins, weighted by faces, then
    over the emotions.
    """
    columns = zip(probabilities.T, shares.T, strict=True)
    return float(np.mean([_binned_gap(said, given, bins) for said, given in columns]))


def distance_to_people(
    probabilities: Array, votes: NDArray[np.float32], seed: int = 0, draws: int = DRAWS
) -> tuple[float | None, int]:
    """How much farther the blend is from five people than five other people are, and of n faces.

    Total variation of the blend from five random voters of a face, minus that of its other five
    voters from the same five. Below 0 the blend is nearer to people than people are to each
    other. Faces whose ten votes all name one of the seven emotions or contempt; the shares are
    of the seven, renormalised, and a half that named nothing but contempt leaves its face out
    of that draw. None where no face has ten valid votes.
    """
    valid = (votes[:, : EMOTION_COUNT + 1].sum(1) == VALID_VOTES) & (votes.sum(1) == VALID_VOTES)
    blend, chosen = probabilities[valid], votes[valid, : EMOTION_COUNT + 1].astype(np.int64)
    if not len(chosen):
        return None, 0
    voters = np.stack([np.repeat(np.arange(EMOTION_COUNT + 1), row) for row in chosen])
    random = np.random.default_rng(seed)
    total, count = 0.0, 0
    for _ in range(draws):
        shuffled = random.permuted(voters, axis=1)
        five = _seven_counts(shuffled[:, : VALID_VOTES // 2])
        others = _seven_counts(shuffled[:, VALID_VOTES // 2 :])
        usable = (five.sum(1) > 0) & (others.sum(1) > 0)
        five, others = _normalised(five[usable]), _normalised(others[usable])
        gaps = total_variation(blend[usable], five) - total_variation(others, five)
        total, count = total + float(gaps.sum()), count + len(gaps)
    return (total / count if count else None), len(chosen)


def reliability(said: Array, happened: Array, bins: int) -> tuple[Bin, ...]:
    """What was said (N,) in equal-width bins, against what happened (N,); empty bins are left out.

    Source: Guo et al. 2017.
    """
    place = np.minimum((said * bins).astype(np.int64), bins - 1)
    return tuple(
        Bin(int(inside.sum()), float(said[inside].mean()), float(happened[inside].mean()))
        for inside in (place == b for b in range(bins))
        if inside.any()
    )


def total_variation(one: Array, other: Array) -> Array:
    """Half the summed absolute differences per row (N,), 0 to 1."""
    return np.asarray(np.abs(one - other).sum(1) / 2)


def _binned_gap(said: Array, happened: Array, bins: int) -> float:
    gaps = (b.answers * abs(b.said - b.happened) for b in reliability(said, happened, bins))
    return sum(gaps) / len(said)


def _plain(table: NDArray[np.int64]) -> tuple[tuple[int, ...], ...]:
    return tuple(tuple(int(n) for n in row) for row in table)


def _share(right: NDArray[np.bool_], of: NDArray[np.bool_]) -> float | None:
    return float(right[of].mean()) if of.any() else None


def _seven_counts(voters: NDArray[np.int64]) -> Array:
    return np.stack([(voters == place).sum(1) for place in range(EMOTION_COUNT)], 1).astype(float)


def _normalised(counts: Array) -> Array:
    return np.asarray(counts / counts.sum(1, keepdims=True))
