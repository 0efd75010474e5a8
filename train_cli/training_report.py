"""What a finished or broken-off run was worth: figures and pictures of its best epoch.

The network judged is RUN/best, the averaged weights of the epoch with the least validation loss,
in float32 and untempered: `pack` fits temperatures later.
"""

import io
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
import torch
from rich import box
from rich.console import Console
from rich.table import Table

from fer_model.blend import Array
from fer_model.checkpoints import read_checkpoint
from fer_model.emotions import EMOTIONS
from train_cli.ensembles import member_of_checkpoint
from train_cli.errors import CheckpointUnusable
from train_cli.evaluating import CONFIDENCE_BINS, SHARE_BINS, Bin, Figures, judge, reliability
from train_cli.pictures import (
    Tile,
    calibration_picture,
    confusion_picture,
    contact_sheet,
    curves_picture,
)
from train_cli.progress import unheard
from train_cli.reports import classes_table, epochs_table, figures_table
from train_cli.splits import FaceSet
from train_cli.training import EpochResult, learning_rate_factor, predict
from train_cli.votes import VOTE_COLUMNS, crowd_majority, emotion_shares, has_majority

FOLDER: Final = "report"
"""Below a run's folder, where its report lies."""

PAGE: Final = 40
"""Faces on one sheet of mistakes."""

Side = Literal["label", "network", "neither"]
_MARKS: Final[dict[Side, tuple[str, str]]] = {
    "label": ("#c0392b", "most people say what the label says"),
    "neither": ("#8a94a3", "most people say something else, or have no majority"),
    "network": ("#e69f00", "most people say what the network says"),
}
_SHOWN_ANSWERS: Final = 3
_CURVE_POINTS: Final = 200


@dataclass(frozen=True)
class Mistake:
    """A validation face that the label head reads as another emotion than its label.

    Attributes:
        place: Of the face in its set.
        file: Its path.
        label: Its label.
        named: The most probable emotion.
        confidence: That emotion's probability.
        people: With whom a strict majority of the people sides.
    """

    place: int
    file: str
    label: str
    named: str
    confidence: float
    people: Side


@dataclass(frozen=True)
class Reliability:
    """How far both heads can be taken at their word; `share` is None where nobody voted.

    Attributes:
        confidence: The label head's confidence against how often it was right.
        share: The crowd head's shares, of all emotions, against those that people gave.
    """

    confidence: tuple[Bin, ...]
    share: tuple[Bin, ...] | None


@dataclass(frozen=True)
class TrainingReport:
    """A run as its best epoch left it.

    Attributes:
        run: Its folder.
        settings: As the checkpoint has them.
        epoch: The one that was kept.
        history: Every epoch so far.
        rates: (epoch, learning rate) along the run, as scheduled.
        probabilities: The label head's on validation (N, 7).
        figures: On validation.
        reliability: On validation.
        mistakes: All of them, the most confident first.
    """

    run: Path
    settings: Mapping[str, Any]
    epoch: int
    history: tuple[EpochResult, ...]
    rates: tuple[tuple[float, float], ...]
    probabilities: Array
    figures: Figures
    reliability: Reliability
    mistakes: tuple[Mistake, ...]

    @property
    def title(self) -> str:
        """The run in a few words."""
        which = f"{self.settings['architecture']} at {self.settings['side']} px"
        return f"{which}, epoch {self.epoch} of {len(self.history)}"

    def by_side(self) -> Counter[Side]:
        """How many mistakes people share, and how many they do not."""
        return Counter(mistake.people for mistake in self.mistakes)

    def to_json(self) -> dict[str, Any]:
        """The report as plain values; of the mistakes only how many there are."""
        return {
            "run": str(self.run),
            "settings": dict(self.settings),
            "epoch": self.epoch,
            "epochs": [asdict(result) for result in self.history],
            "validation": asdict(self.figures),
            "reliability": asdict(self.reliability),
            "mistakes": {"all": len(self.mistakes), "people_side_with": self.by_side()},
        }


def report_on(
    run: Path,
    validation: FaceSet,
    device: torch.device,
    on_faces: Callable[[int], None] = unheard,
) -> TrainingReport:
    """Judges RUN/best on the validation faces, whether the run has ended or not.

    `on_faces` is told after every batch how many faces it had.

    Raises:
        CheckpointUnusable: No epoch of that run has ended yet, or it is none of ours.
    """
    checkpoint = read_checkpoint(run / "best")
    if checkpoint is None:
        raise CheckpointUnusable(f"{run}: no run there, or none of its epochs has ended")
    member = member_of_checkpoint(run / "best")
    metadata = checkpoint.metadata
    so_far = tuple(EpochResult(**entry) for entry in metadata["history"])
    history = max(read_history(run), so_far, key=len)  # a kill may have come before the file
    answer = predict(
        member.network.to(device), validation.crops, member.side, device, on_faces=on_faces
    )
    crowd, label = (torch.softmax(logits.double(), 1).numpy() for logits in answer)
    labels, votes = validation.labels.numpy(), validation.votes.numpy()
    return TrainingReport(
        run=run,
        settings=metadata["settings"],
        epoch=metadata["epoch"],
        history=history,
        rates=scheduled_rates(
            metadata["settings"], metadata["step"] // metadata["epoch"], len(history)
        ),
        probabilities=label,
        figures=judge(crowd, label, labels, votes),
        reliability=_reliability(crowd, label, validation),
        mistakes=mistakes_of(label, validation),
    )


def read_history(run: Path) -> tuple[EpochResult, ...]:
    """Every epoch that has ended, none where there is no run.

    Raises:
        CheckpointUnusable: RUN/history.json is no history.
    """
    path = run / "history.json"
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))
        return tuple(EpochResult(**entry) for entry in entries)
    except FileNotFoundError:
        return ()
    except (OSError, ValueError, TypeError) as error:
        raise CheckpointUnusable(f"{path}: no history of a run ({error})") from error


def mistakes_of(probabilities: Array, faces: FaceSet) -> tuple[Mistake, ...]:
    """Where the label head's probabilities (N, 7) miss the label, the most confident first."""
    labels, votes = faces.labels.numpy(), faces.votes.numpy()
    named, confidence = probabilities.argmax(1), probabilities.max(1)
    majority, clear = crowd_majority(votes), has_majority(votes)
    wrong = np.flatnonzero(named != labels)

    def side(place: int) -> Side:
        if clear[place] and majority[place] == named[place]:
            return "network"
        return "label" if clear[place] and majority[place] == labels[place] else "neither"

    return tuple(
        Mistake(
            place,
            faces.files[place],
            EMOTIONS[labels[place]],
            EMOTIONS[named[place]],
            float(confidence[place]),
            side(place),
        )
        for place in wrong[np.argsort(-confidence[wrong], kind="stable")].tolist()
    )


def scheduled_rates(
    settings: Mapping[str, Any], steps_an_epoch: int, epochs: int
) -> tuple[tuple[float, float], ...]:
    """(epoch, learning rate) at even distances through the first `epochs` of a run."""
    steps = steps_an_epoch * settings["epochs"]
    return tuple(
        (
            float(epoch),
            settings["learning_rate"]
            * learning_rate_factor(round(epoch * steps_an_epoch), steps, settings["warmup"]),
        )
        for epoch in np.linspace(0, epochs, _CURVE_POINTS)
    )


def write_report(report: TrainingReport, faces: FaceSet, shown: int = PAGE) -> Path:
    """Writes `report.md`, `report.json` and the pictures to RUN/report, and returns that folder.

    `shown` is how many mistakes of each kind are drawn, `PAGE` on a sheet; `faces` are those that
    the report is on. Pictures of an earlier report are replaced.

    Raises:
        OSError: The folder cannot be written.
    """
    folder = report.run / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    for earlier in folder.glob("*.png"):
        earlier.unlink()
    names = []
    for name, picture in _pictures(report, faces, shown):
        (folder / name).write_bytes(picture)
        names.append(name)
    document = report.to_json() | {"pictures": names}
    document["mistakes"]["shown"] = [
        _in_detail(mistake, report.probabilities, faces)
        for mistake in (*_missed(report)[:shown], *_sided_with_network(report)[:shown])
    ]
    (folder / "report.json").write_text(json.dumps(document, indent=1), encoding="utf-8")
    (folder / "report.md").write_text(_markdown(report, names), encoding="utf-8")
    return folder


def report_tables(report: TrainingReport) -> Iterator[Table]:
    """The report for a screen: epochs, headline figures, both heads per emotion."""
    best = next((e for e in report.history if e.epoch == report.epoch), report.history[-1])
    yield epochs_table(report.history, best)
    yield figures_table("validation", {report.settings["architecture"]: report.figures})
    yield classes_table("label", report.figures.label.classes)
    if report.figures.crowd:
        yield classes_table("crowd", report.figures.crowd.classes)


def mistakes_in_words(report: TrainingReport) -> str:
    """How many validation faces are named otherwise than labelled, and what people say."""
    sides = report.by_side()
    return (
        f"{len(report.mistakes)} of {report.figures.label.faces} faces are named otherwise than "
        f"labelled: most people side with the label in {sides['label']}, with the network in "
        f"{sides['network']}, with neither in {sides['neither']}"
    )


def _reliability(crowd: Array, label: Array, faces: FaceSet) -> Reliability:
    right = (label.argmax(1) == faces.labels.numpy()).astype(np.float64)
    given = emotion_shares(faces.votes.numpy())
    voted = given.sum(1) > 0
    return Reliability(
        reliability(label.max(1), right, CONFIDENCE_BINS),
        reliability(crowd[voted].ravel(), given[voted].ravel(), SHARE_BINS)
        if voted.any()
        else None,
    )


def _pictures(report: TrainingReport, faces: FaceSet, shown: int) -> Iterator[tuple[str, bytes]]:
    yield "curves.png", curves_picture(report.history, report.rates, report.epoch, report.title)
    yield "confusion.png", confusion_picture(report.figures, f"{report.title}, validation")
    yield (
        "calibration.png",
        calibration_picture(
            report.reliability.confidence, report.reliability.share, f"{report.title}, validation"
        ),
    )
    groups = (
        ("mistakes", "mistakes that people do not share", _missed(report)),
        ("label_noise", "mistakes that people share", _sided_with_network(report)),
    )
    for name, meaning, mistakes in groups:
        kept = mistakes[:shown]
        legend = dict(_MARKS[side] for side in _MARKS if any(m.people == side for m in kept))
        for first in range(0, len(kept), PAGE):
            page = kept[first : first + PAGE]
            where = f"{first + 1} to {first + len(page)} of {len(mistakes)}"
            yield (
                f"{name}.png" if first == 0 else f"{name}-{first // PAGE + 1}.png",
                contact_sheet(
                    [_tile(m, report.probabilities, faces) for m in page],
                    f"{report.title}: {meaning}, by confidence, {where}",
                    legend,
                ),
            )


def _missed(report: TrainingReport) -> list[Mistake]:
    """The mistakes that people do not share."""
    return [mistake for mistake in report.mistakes if mistake.people != "network"]


def _sided_with_network(report: TrainingReport) -> list[Mistake]:
    """The mistakes that may be the label's."""
    return [mistake for mistake in report.mistakes if mistake.people == "network"]


def _tile(mistake: Mistake, probabilities: Array, faces: FaceSet) -> Tile:
    said = _largest(EMOTIONS, probabilities[mistake.place])
    given = _largest(VOTE_COLUMNS, faces.votes[mistake.place].numpy())
    network = [f"{name} {share:.0%}" for name, share in said if round(share, 2) > 0]
    people = [f"{name.replace('_', ' ')} {count:.0f}" for name, count in given if count]
    return Tile(
        faces.crops[mistake.place, 0].numpy(),
        (
            Path(mistake.file).stem,
            f"label: {mistake.label}",
            f"network: {network[0]}",
            f"    {', '.join(network[1:])}",
            f"people: {people[0] if people else 'nobody asked'}",
            f"    {', '.join(people[1:])}",
        ),
        _MARKS[mistake.people][0],
    )


def _largest(names: Sequence[str], values: Array) -> list[tuple[str, float]]:
    places = np.argsort(-values, kind="stable")[:_SHOWN_ANSWERS]
    return [(names[place], float(values[place])) for place in places]


def _in_detail(mistake: Mistake, probabilities: Array, faces: FaceSet) -> dict[str, Any]:
    """A mistake with what the network said, and how many people said what."""
    given = faces.votes[mistake.place].tolist()
    return {
        **{name: value for name, value in asdict(mistake).items() if name != "place"},
        "network": dict(zip(EMOTIONS, probabilities[mistake.place].round(4).tolist(), strict=True)),
        "votes": {name: int(count) for name, count in zip(VOTE_COLUMNS, given, strict=True)},
    }


def _markdown(report: TrainingReport, pictures: Sequence[str]) -> str:
    judged = (
        f"`{report.run}`, judged on {report.figures.label.faces} validation faces in float32, "
        "untempered. What the figures mean: docs/training.md."
    )
    lines = [f"# {report.title}", "", judged, ""]
    for table in report_tables(report):
        lines += [f"## {table.title}", "", _as_markdown(table), ""]
    lines += ["## pictures", "", mistakes_in_words(report), ""]
    lines += [f"![{Path(name).stem.replace('_', ' ')}]({name})\n" for name in pictures]
    return "\n".join(lines)


def _as_markdown(table: Table) -> str:
    table.title, table.box = None, box.MARKDOWN
    page = io.StringIO()
    Console(file=page, width=200, color_system=None).print(table)
    return "\n".join(line.strip() for line in page.getvalue().splitlines() if line.strip())
