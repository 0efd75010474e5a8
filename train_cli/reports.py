"""Reports as people read them: tables for the terminal, plain documents for JSON."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from itertools import zip_longest
from typing import Any

from rich import box
from rich.table import Table

from fer_model.blend import Calibration
from fer_model.emotions import EMOTIONS
from train_cli.ensembles import BLEND
from train_cli.evaluating import ClassFigures, Figures, LabelFigures
from train_cli.packing import PackReport
from train_cli.training import EpochResult, TrainingSettings


def figures_table(title: str, rows: Mapping[str, Figures]) -> Table:
    """A line per name, a column per headline figure."""
    table = _table(title, "", "faces", "label", "label NLL", "label gap")
    for heading in ("crowd majority", "of faces", "FER+", "crowd NLL", "share gap", "to people"):
        table.add_column(heading, justify="right")
    for name, figures in rows.items():
        label, crowd = figures.label, figures.crowd
        cells = [
            name,
            str(label.faces),
            percent(label.accuracy),
            number(label.nll),
            number(label.calibration_gap),
        ]
        if crowd is None:
            cells += ["no votes"]
        else:
            cells += [
                percent(crowd.majority_accuracy),
                str(crowd.majority_faces),
                percent(crowd.ferplus_accuracy),
                number(crowd.nll),
                number(crowd.share_gap, 4),
                signed(crowd.distance_to_people),
            ]
        table.add_row(*cells, style="bold" if name == BLEND else None)
    return table


def splits_table(splits: Mapping[str, Mapping[str, int]]) -> Table:
    """Images per emotion (rows) and split (columns)."""
    table = _table("images", "emotion", *splits, "all")
    for emotion in EMOTIONS:
        counts = [counted[emotion] for counted in splits.values()]
        table.add_row(emotion, *(str(count) for count in (*counts, sum(counts))))
    totals = [sum(counted.values()) for counted in splits.values()]
    table.add_row("all", *(str(total) for total in (*totals, sum(totals))), style="bold")
    return table


def classes_table(head: str, classes: Sequence[ClassFigures]) -> Table:
    """A line per emotion: precision, recall and F1 of that head."""
    table = _table(f"per emotion, {head} head", "emotion", "faces", "precision", "recall", "F1")
    for row in classes:
        table.add_row(
            row.emotion,
            str(row.faces),
            percent(row.precision),
            percent(row.recall),
            percent(row.f1),
        )
    return table


def confusion_table(label: LabelFigures) -> Table:
    """Rows are labels, columns what was named instead."""
    table = _table("faces by label (rows) and answer (columns)", "", *EMOTIONS)
    for emotion, row in zip(EMOTIONS, label.confusion, strict=True):
        cells = [f"[bold]{n}[/]" if EMOTIONS[i] == emotion else str(n) for i, n in enumerate(row)]
        table.add_row(emotion, *cells)
    return table


def precision_table(served: Mapping[str, Figures], full: Mapping[str, Figures]) -> Table:
    """What quantisation changed, in points of accuracy and in nats."""
    table = _table(
        "as shipped, minus float32", "", "label", "crowd majority", "label NLL", "crowd NLL"
    )
    for name, ours in served.items():
        theirs = full[name]
        crowd, crowd_full = ours.crowd, theirs.crowd
        table.add_row(
            name,
            points(ours.label.accuracy, theirs.label.accuracy),
            points(
                crowd.majority_accuracy if crowd else None,
                crowd_full.majority_accuracy if crowd_full else None,
            ),
            f"{ours.label.nll - theirs.label.nll:+.4f}",
            f"{crowd.nll - crowd_full.nll:+.4f}" if crowd and crowd_full else "",
        )
    return table


def calibration_table(heads: Mapping[str, Calibration], members: Sequence[str]) -> Table:
    """Each head's temperatures and weights per member, and its sharpness."""
    columns = [f"{name} {what}" for name in members for what in ("temperature", "weight")]
    table = _table("calibrations", "head", *columns, "sharpness")
    for head, fit in heads.items():
        pairs = zip(fit.temperatures, fit.weights, strict=True)
        cells = [f"{value:.3f}" for pair in pairs for value in pair]
        table.add_row(head, *cells, f"{fit.sharpness:.3f}")
    return table


def pack_document(report: PackReport) -> dict[str, Any]:
    """The report as one JSON document."""
    version = report.version
    return {
        "version": {"digest": version.digest, "path": str(version.path)} if version else None,
        "bytes": report.bytes,
        "calibrations": asdict(report.calibrations),
        "validation": documents(report.served),
        "validation_float32": documents(report.full),
        "test": documents(report.test),
        "test_leak_free": documents(report.test_leak_free),
        "doubt": asdict(report.doubt),
    }


def doubt_line(report: PackReport) -> str:
    """What saying that the members differ is worth, in one sentence."""
    doubt, threshold = report.doubt, report.calibrations.differ_from
    return (
        f"members differ (disagreement from {threshold:.3f}) on {percent(doubt.said)} of validation"
        f" faces: crowd majority {percent(doubt.majority_where_said)} there, "
        f"{percent(doubt.majority_elsewhere)} elsewhere"
    )


def settings_table(settings: TrainingSettings) -> Table:
    """A run's settings, two to a line."""
    flat = {k: v for k, v in asdict(settings).items() if k != "augmentation"}
    flat |= {f"augmentation {k}": v for k, v in asdict(settings.augmentation).items()}
    cells = [(name.replace("_", " "), str(value)) for name, value in flat.items()]
    half = (len(cells) + 1) // 2
    table = Table(title="settings", title_justify="left", box=None, show_header=False)
    for left, right in zip_longest(cells[:half], cells[half:], fillvalue=("", "")):
        table.add_row(*left, *right)
    return table


def epochs_table(history: Sequence[EpochResult], best: EpochResult) -> Table:
    """A line per epoch; the best one is marked."""
    table = _table(
        "epochs",
        "epoch",
        "training loss",
        "validation loss",
        "label",
        "crowd majority",
        "seconds",
        "",
    )
    for result in history:
        table.add_row(
            str(result.epoch),
            number(result.train_loss),
            number(result.loss),
            percent(result.label_accuracy),
            percent(result.crowd_accuracy),
            number(result.seconds, 0),
            "best" if result == best else "",
            style="bold" if result == best else None,
        )
    return table


def percent(share: float | None) -> str:
    """A share as a percentage with two decimals; a dash where there is none."""
    return "-" if share is None else f"{share:.2%}"


def number(value: float, digits: int = 3) -> str:
    """A number with `digits` decimals."""
    return f"{value:.{digits}f}"


def signed(value: float | None) -> str:
    """A number with its sign; a dash where there is none."""
    return "-" if value is None else f"{value:+.4f}"


def points(share: float | None, than: float | None) -> str:
    """The difference of two shares in percentage points."""
    return "-" if share is None or than is None else f"{(share - than) * 100:+.2f} pp"


def documents(figures: Mapping[str, Figures]) -> dict[str, Any]:
    """Figures by name as plain JSON values."""
    return {name: asdict(measured) for name, measured in figures.items()}


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD)
    for place, column in enumerate(columns):
        table.add_column(column, justify="right" if place else "left")
    return table
