"""The recorded figures of `benchmarks.robustness` as a picture and as Markdown tables."""

import io
from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any, Final

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

ROOT: Final = Path(__file__).parent.parent
PAGE: Final = ROOT / "docs" / "robustness.md"
PICTURE: Final = ROOT / "docs" / "pictures" / "robustness.png"

BEGIN: Final = "<!-- figures: written by `python -m benchmarks.robustness` -->"
END: Final = "<!-- end of figures -->"

Row = Mapping[str, Any]

_COLUMNS: Final = 4
_COLOURS: Final = {"crowd": "#0b6e99", "label": "#d9822b", "confidence": "#7a7a7a"}
_NAMES: Final = {"crowd": "crowd majority", "label": "label", "confidence": "confidence"}


def updated_page(page: str, figures: Row) -> str:
    """The page with the tables between its two marks replaced by those of `figures`.

    Raises:
        ValueError: The marks are not there.
    """
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the page has no {BEGIN!r} before a {END!r}")
    return f"{before}{BEGIN}\n{tables(figures)}\n{END}{after}"


def tables(figures: Row) -> str:
    """Both tables in Markdown, with the version and the number of faces above them."""
    date = f", {str(figures['measured_at'])[:10]}" if "measured_at" in figures else ""
    faces = figures["faces"]
    error = (0.7 * 0.3 / faces) ** 0.5 * 100
    header = (
        f"Version `{figures['version']}`, {faces} validation faces per row, "
        f"seed {figures['seed']}{date}. One standard error of an accuracy of 70 % is "
        f"{error:.1f} points; all rows share their faces. Corners: median, px of 48."
    )
    return "\n".join(
        (
            header,
            "",
            "### Faces given to the networks directly",
            "",
            *direct_table(figures["direct"]),
            "",
            "### Faces in photos, through the whole pipeline",
            "",
            *photo_table(figures["photos"]),
        )
    )


def direct_table(rows: Sequence[Row]) -> list[str]:
    """A line per condition."""
    lines = _head(
        *("condition", "strength", "label", "crowd majority", "crowd log-loss"),
        *("confidence", "people agree", "vote-share gap"),
    )
    for row in rows:
        strength = f"{row['strength']:g} ({row['unit']})" if row["family"] else ""
        cells = (
            row["family"] or "**none**",
            strength,
            _percent(row["label"]),
            _percent(row["crowd"]),
            _number(row["nll"]),
            _percent(row["confidence"]),
            _percent(row["people"]),
            _number(row["share_gap"]),
        )
        lines.append(_line(cells))
    return lines


def photo_table(rows: Sequence[Row]) -> list[str]:
    """A line per condition."""
    lines = _head(
        *("photo", "found", "label on found (directly)", "crowd majority on found (directly)"),
        *("end to end: label, crowd", "crowd log-loss (directly)", "confidence", "corners off by"),
    )
    for row in rows:
        answer: Row = row["answer"] or {}
        direct: Row = row["direct"] or {}
        cells = (
            row["condition"],
            _percent(row["found"]),
            f"{_percent(answer.get('label'))} ({_percent(direct.get('label'))})",
            f"{_percent(answer.get('crowd'))} ({_percent(direct.get('crowd'))})",
            f"{_percent(row['end_to_end_label'])}, {_percent(row['end_to_end_crowd'])}",
            f"{_number(answer.get('nll'))} ({_number(direct.get('nll'))})",
            _percent(answer.get("confidence")),
            "–" if row["corner_error"] is None else f"{row['corner_error']:.1f}",
        )
        lines.append(_line(cells))
    return lines


def picture(figures: Row) -> bytes:
    """PNG: per corruption, accuracies and confidence against strength; below, the pipeline."""
    content = io.BytesIO()
    figure = drawn(figures)
    FigureCanvasAgg(figure)
    figure.savefig(content, format="png", dpi=100)
    return content.getvalue()


def drawn(figures: Row) -> Figure:
    """What `picture` shows."""
    clean, *rest = figures["direct"]
    families = [(name, list(rows)) for name, rows in groupby(rest, key=lambda r: r["family"])]
    down = -(-len(families) // _COLUMNS)
    figure = Figure(figsize=(13, 2.6 * down + 5.2), layout="constrained")
    above, below = figure.subfigures(2, 1, height_ratios=(2.6 * down, 5.0))
    axes = list(above.subplots(down, _COLUMNS, sharey=True, squeeze=False).flat)
    for panel, (name, rows) in zip(axes, families, strict=False):
        _curves(panel, name, [clean, *rows])
    spare = axes[len(families) :]
    for panel in spare:
        panel.axis("off")
    (spare or axes)[0].legend(
        *axes[0].get_legend_handles_labels(), loc="center" if spare else "best", frameon=False
    )
    above.suptitle(
        f"Version {figures['version']}, {figures['faces']} validation faces: cut-out faces",
        fontsize=12,
    )
    _bars(below.subplots(), figures["photos"])
    below.suptitle("The same faces in photos, through the whole pipeline", fontsize=12)
    return figure


def _curves(axes: Axes, name: str, rows: Sequence[Row]) -> None:
    places = range(len(rows))
    for key, colour in _COLOURS.items():
        style = "--" if key == "confidence" else "-"
        values = [row[key] for row in rows]
        axes.plot(places, values, style, color=colour, marker="o", ms=3, label=_NAMES[key])
    axes.set_xticks(places, ["none", *(f"{row['strength']:g}" for row in rows[1:])])
    axes.set_ylim(0, 1)
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.set_title(name, fontsize=10)
    axes.set_xlabel(rows[1]["unit"], fontsize=8)
    axes.tick_params(labelsize=8)
    axes.grid(alpha=0.25)


def _bars(axes: Axes, rows: Sequence[Row]) -> None:
    width = 0.28
    series = (
        ("found", "#b9c4c9", [row["found"] for row in rows]),
        ("crowd majority, end to end", _COLOURS["crowd"], [r["end_to_end_crowd"] for r in rows]),
        ("label, end to end", _COLOURS["label"], [r["end_to_end_label"] for r in rows]),
    )
    for place, (name, colour, values) in enumerate(series):
        across = [number + (place - 1) * width for number in range(len(rows))]
        axes.bar(across, [value or 0 for value in values], width, color=colour, label=name)
    axes.set_xticks(range(len(rows)), [row["condition"] for row in rows], rotation=35, ha="right")
    axes.set_ylim(0, 1.02)
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.tick_params(labelsize=8)
    axes.grid(alpha=0.25, axis="y")
    axes.set_axisbelow(True)
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=3, fontsize=8, frameon=False)


def _head(*names: str) -> list[str]:
    return [_line(names), _line(["---"] * len(names))]


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{share * 100:.1f} %"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"
