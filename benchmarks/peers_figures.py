"""Figures of the systems that are compared, and the table that shows them.

Pure: answers, times and labelled faces in, numbers and text out.
"""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np

from benchmarks.peers_worker import Answers
from benchmarks.record import Timing
from train_cli.evaluating import judge
from train_cli.splits import FaceSet
from train_cli.votes import has_majority

OURS: Final = "ours"


@dataclass(frozen=True)
class PeerFigures:
    """How right one system is; None where there is nobody to judge by.

    Attributes:
        faces: How many it was asked about.
        unanswered: Those that its network did not answer.
        label_accuracy: Share of the faces whose most probable emotion is their label; a face
            without an answer is missed.
        label_calibration_gap: Expected calibration error, of the faces with an answer.
        majority_faces: Faces whose voters have a strict majority answer.
        crowd_majority: Share of those that are named like it; contempt, and a face without an
            answer, is missed.
        vote_share_gap: See `train_cli.evaluating`, of the faces with an answer.
        distance_to_people: Likewise.
    """

    faces: int
    unanswered: int
    label_accuracy: float
    label_calibration_gap: float | None
    majority_faces: int
    crowd_majority: float | None
    vote_share_gap: float | None
    distance_to_people: float | None


@dataclass(frozen=True)
class Speed:
    """How long one face takes.

    Attributes:
        one_face_ms: Of all its blocks together.
        times_ours: Median over its blocks of their median time, by that of our two blocks around
            it; below 1 it is faster than ours. None for ours.
    """

    one_face_ms: Timing
    times_ours: float | None


def figures_of(answers: Answers, faces: FaceSet, seed: int = 0) -> PeerFigures:
    """How right `answers` to `faces` are."""
    answered = np.flatnonzero(answers.answered)
    clear = has_majority(faces.votes.numpy())
    count, clear_count = len(faces), int(clear.sum())
    if not len(answered):
        none = 0.0 if clear_count else None
        return PeerFigures(count, count, 0.0, None, clear_count, none, None, None)
    seen = faces.subset(answered)
    figures = judge(
        answers.crowd[answered],
        answers.label[answered],
        seen.labels.numpy(),
        seen.votes.numpy(),
        seed,
    )
    crowd = figures.crowd
    majority = crowd.majority_accuracy if crowd else None
    if majority is not None and crowd is not None:
        majority *= crowd.majority_faces / clear_count
    return PeerFigures(
        faces=count,
        unanswered=count - len(answered),
        label_accuracy=figures.label.accuracy * len(answered) / count,
        label_calibration_gap=figures.label.calibration_gap,
        majority_faces=clear_count,
        crowd_majority=majority,
        vote_share_gap=crowd.share_gap if crowd else None,
        distance_to_people=crowd.distance_to_people if crowd else None,
    )


def leak_free(answers: Answers, faces: FaceSet) -> PeerFigures | None:
    """Without faces identical to training ones of the official split; None without any other."""
    clean = np.flatnonzero(~faces.identical_to_training)
    if not len(clean):
        return None
    return figures_of(Answers(answers.label[clean], answers.crowd[clean]), faces.subset(clean))


def alternation(peers: Sequence[str], rounds: int) -> list[str]:
    """Whose turn it is, block by block: ours before and after every peer's."""
    around = [name for peer in peers for name in (OURS, peer)]
    return [*(around or [OURS]) * rounds, *([OURS] if peers and rounds else [])]


def speeds(blocks: Sequence[tuple[str, Sequence[float]]]) -> dict[str, Speed]:
    """How fast everybody is, of the blocks' times in ms, in the order in which they were run."""
    middles = [statistics.median(times) for _, times in blocks]
    ratios: dict[str, list[float]] = {}
    for place in range(1, len(blocks) - 1):
        name = blocks[place][0]
        if name != OURS and blocks[place - 1][0] == OURS == blocks[place + 1][0]:
            around = (middles[place - 1] + middles[place + 1]) / 2
            ratios.setdefault(name, []).append(middles[place] / around)
    return {
        name: Speed(
            Timing.of([one / 1000 for who, times in blocks if who == name for one in times]),
            round(statistics.median(ratios[name]), 4) if name in ratios else None,
        )
        for name in dict.fromkeys(name for name, _ in blocks)
    }


def document_of(figures: PeerFigures) -> dict[str, Any]:
    """The figures for JSON, shares to five places."""
    return {
        name: round(value, 5) if isinstance(value, float) else value
        for name, value in asdict(figures).items()
    }


def table(document: Mapping[str, Any]) -> str:
    """The comparison as a Markdown table, of a recorded document."""
    heads = (
        "system",
        "label, as published",
        "label, leak-free",
        "crowd majority, leak-free",
        "distance to people",
        "share gap",
        "no answer",
        "one face, p50",
        "× ours",
        "load",
        "memory",
    )
    lines = [_row(heads), _row(["---", *["---:"] * (len(heads) - 1)])]
    for name, system in document["systems"].items():
        lines.append(_row([_title(name, system), *_cells(system)]))
    for name, why in document["missing"].items():
        lines.append(_row([f"{name}: not measured, {why}", *[""] * (len(heads) - 1)]))
    return "\n".join(lines) + "\n"


def _title(name: str, system: Mapping[str, Any]) -> str:
    own = next(iter(system["versions"].values()), "")  # every worker names itself first
    return f"**{name}** {own}".strip() if name == OURS else f"{name} {own}".strip()


def _cells(system: Mapping[str, Any]) -> list[str]:
    published, clean = system["as_published"], system["leak_free"]
    judged = clean or published
    return [
        _percent(published["label_accuracy"]),
        _percent(clean["label_accuracy"]) if clean else "",
        _percent(judged["crowd_majority"]),
        _number(judged["distance_to_people"], "+.3f"),
        _number(judged["vote_share_gap"], ".3f"),
        str(published["unanswered"]),
        *_speed_cells(system),
    ]


def _speed_cells(system: Mapping[str, Any]) -> list[str]:
    speed = system["speed"]
    if speed is None:
        return [""] * 4
    return [
        f"{speed['one_face_ms']['p50']:.1f} ms",
        _number(speed["times_ours"], ".3f"),
        f"{system['load_seconds']:.1f} s",
        f"{system['memory_mib_loaded']:.0f} MiB",
    ]


def _percent(share: float | None) -> str:
    return "" if share is None else f"{share * 100:.2f} %"


def _number(value: float | None, form: str) -> str:
    return "" if value is None else format(value, form)


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
