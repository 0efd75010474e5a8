"""Reports as people read them: tables for the terminal, plain documents for JSON."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from rich import box
from rich.table import Table

from fer_model.blend import Calibration
from fer_model.emotions import EMOTIONS
from train_cli.evaluating import Figures, LabelFigures
from train_cli.packing import BLEND, PackReport


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


def classes_table(label: LabelFigures) -> Table:
    """A line per emotion: precision, recall and F1 of the label head."""
    table = _table("per emotion, label head", "emotion", "faces", "precision", "recall", "F1")
    for row in label.classes:
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
        "validation": _documents(report.served),
        "validation_float32": _documents(report.full),
        "test": _documents(report.test),
        "test_leak_free": _documents(report.test_leak_free),
    }


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


def _documents(figures: Mapping[str, Figures]) -> dict[str, Any]:
    return {name: asdict(measured) for name, measured in figures.items()}


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD)
    for place, column in enumerate(columns):
        table.add_column(column, justify="right" if place else "left")
    return table
