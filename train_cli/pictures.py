"""Figures as pictures: a confusion matrix, the curves of a training run, sheets of faces.

PNG bytes out.
"""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final, Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont
from matplotlib.image import AxesImage
from matplotlib.ticker import MaxNLocator, PercentFormatter
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from fer_model.emotions import EMOTIONS
from train_cli.evaluating import Bin, Figures
from train_cli.training import EpochResult
from train_cli.votes import VOTE_COLUMNS

_DOTS_PER_INCH: Final = 150
_DARK_CELL: Final = 0.5
"""Share of a row above which its cell is too dark for black digits."""

_FACE: Final = 144
"""Side of a face on a contact sheet, px: three times FER2013's."""
_TILE: Final = 196
"""Width of a tile on a contact sheet, px: room for what three answers got."""
_LINE, _MARGIN, _FRAME = 17, 14, 4


def confusion_picture(figures: Figures, title: str) -> bytes:
    """Both heads' confusion matrices: shades are shares of a row, digits shares and faces.

    The crowd head's, against what most people said, is left out where nobody voted.
    """
    heads = [(figures.label.confusion, "label", f"label head: {figures.label.accuracy:.1%}")]
    if figures.crowd and figures.crowd.majority_accuracy is not None:
        right = f"crowd head: {figures.crowd.majority_accuracy:.1%}"
        heads.append((figures.crowd.confusion, "what most people said", right))
    figure = Figure(figsize=(6.9 * len(heads) + 0.7, 6.6), layout="constrained")
    panels = figure.subplots(1, len(heads), squeeze=False)[0]
    for axes, (confusion, rows, accuracy) in zip(panels, heads, strict=True):
        counts = np.array(confusion)
        image = _matrix(axes, counts, rows)
        axes.set_title(f"{accuracy} of {counts.sum()} faces", fontsize=11)
    bar = figure.colorbar(image, ax=panels, shrink=0.8, format=PercentFormatter(1, decimals=0))
    bar.set_label("share of the row's faces")
    figure.suptitle(title, fontsize=12)
    return _png(figure)


def _matrix(axes: Axes, counts: NDArray[np.int64], rows: str) -> AxesImage:
    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    for (row, column), share in np.ndenumerate(shares):
        if counts[row, column]:
            axes.text(
                column,
                row,
                f"{share:.0%}\n{counts[row, column]}",
                ha="center",
                va="center",
                fontsize=8.5,
                color="white" if share > _DARK_CELL else "black",
            )
    names = VOTE_COLUMNS[: len(counts)]
    axes.set_xticks(range(len(EMOTIONS)), EMOTIONS, rotation=30, ha="right")
    axes.set_yticks(
        range(len(names)), [f"{name} ({n})" for name, n in zip(names, counts.sum(1), strict=True)]
    )
    axes.set_xlabel("answer")
    axes.set_ylabel(f"{rows} (faces)")
    return axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)


def curves_picture(
    history: Sequence[EpochResult],
    rates: Sequence[tuple[float, float]],
    kept: int,
    title: str,
) -> bytes:
    """A run's losses, accuracies and learning rate per epoch; the epoch `kept` is marked.

    `rates` are (epoch, learning rate).
    """
    figure = Figure(figsize=(13, 4.2), layout="constrained")
    losses, accuracies, rate = figure.subplots(1, 3, width_ratios=(4, 4, 3))
    _line(losses, history, [e.train_loss for e in history], "training, smoothed and augmented")
    _line(losses, history, [e.loss for e in history], "validation, both heads")
    _line(losses, history, [e.label_loss for e in history], "validation, label head")
    losses.set_ylabel("loss, nats")
    _line(accuracies, history, [e.label_accuracy for e in history], "label")
    crowd = [e.crowd_accuracy for e in history if e.crowd_accuracy is not None]
    if len(crowd) == len(history):
        _line(accuracies, history, crowd, "crowd majority")
    accuracies.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    accuracies.set_ylabel("validation accuracy")
    rate.plot(*zip(*rates, strict=True), color="C4")
    rate.set_ylabel("learning rate")
    rate.set_ylim(bottom=0)
    for axes in (losses, accuracies, rate):
        axes.axvline(kept, color="grey", linestyle=":", linewidth=1.2, label=f"kept: epoch {kept}")
        axes.set_xlim(0, len(history) + 0.5)
        axes.set_xlabel("epochs done")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(alpha=0.25)
    losses.legend(fontsize=8)
    accuracies.legend(fontsize=8)
    figure.suptitle(title, fontsize=12)
    return _png(figure)


def calibration_picture(
    confidence: Sequence[Bin], share: Sequence[Bin] | None, title: str
) -> bytes:
    """What a head said against what was so, above how often it said it, for each head.

    `share`, the crowd head's, is left out where nobody voted.
    """
    heads = [(confidence, "label head: confidence", "share that was right")]
    if share is not None:
        heads.append((share, "crowd head: predicted share", "share of the votes"))
    figure = Figure(figsize=(5.4 * len(heads), 5.6), layout="constrained")
    grid = figure.subplots(2, len(heads), squeeze=False, sharex="col", height_ratios=(4, 1))
    for (above, below), (bins, said, happened) in zip(grid.T, heads, strict=True):
        places = [b.said for b in bins]
        above.plot((0, 1), (0, 1), color="grey", linestyle=":", label="taken at its word")
        above.plot(places, [b.happened for b in bins], marker="o", markersize=4, label="measured")
        above.set(xlim=(0, 1), ylim=(0, 1), ylabel=happened)
        below.bar(places, [b.answers for b in bins], width=0.7 / len(bins))
        below.set(xlabel=said, ylabel="answers")
        below.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
        above.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
        above.legend(fontsize=8)
        above.grid(alpha=0.25)
    figure.suptitle(title, fontsize=12)
    return _png(figure)


def before_and_after_picture(
    sets: Mapping[str, tuple[Sequence[Bin], Sequence[Bin]]], title: str
) -> bytes:
    """The shares that two versions predict against those that people gave, for each set of faces.

    Each set has the bins before and after.
    """
    figure = Figure(figsize=(5.4 * max(1, len(sets)), 5.6), layout="constrained")
    grid = figure.subplots(2, max(1, len(sets)), squeeze=False, height_ratios=(4, 1))
    for (above, below), (name, versions) in zip(grid.T, sets.items(), strict=True):
        above.plot((0, 1), (0, 1), color="grey", linestyle=":", label="taken at its word")
        for bins, when, style in zip(versions, ("before", "after"), ("--", "-"), strict=True):
            places = [b.said for b in bins]
            above.plot(places, [b.happened for b in bins], style, marker="o", ms=4, label=when)
            shift = -0.015 if when == "before" else 0.015
            below.bar([p + shift for p in places], [b.answers for b in bins], width=0.03)
        above.set(xlim=(0, 1), ylim=(0, 1), ylabel="share of people", title=name)
        below.set(xlim=(0, 1), yscale="log", xlabel="predicted share", ylabel="answers")
        below.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
        above.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
        above.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
        above.legend(fontsize=8)
        above.grid(alpha=0.25)
    figure.suptitle(title, fontsize=12)
    return _png(figure)


def _line(axes: Axes, history: Sequence[EpochResult], values: list[float], name: str) -> None:
    axes.plot([e.epoch for e in history], values, marker="o", markersize=3, label=name)


def _png(figure: Figure) -> bytes:
    content = io.BytesIO()
    FigureCanvasAgg(figure)
    figure.savefig(content, format="png", dpi=_DOTS_PER_INCH)
    return content.getvalue()


@dataclass(frozen=True)
class Tile:
    """One face on a contact sheet.

    Attributes:
        crop: uint8 (H, W) or (H, W, 3), shown in a square.
        lines: What stands below it, the first line in bold; what is too long is cut.
        mark: Colour of the frame, as `#rrggbb`.
    """

    crop: NDArray[np.uint8]
    lines: tuple[str, ...]
    mark: str = "#c9ced6"


def contact_sheet(
    tiles: Sequence[Tile], title: str, legend: Mapping[str, str] | None = None, columns: int = 8
) -> bytes:
    """The tiles in reading order under the title; `legend` says what a mark's colour means."""
    columns = max(1, min(columns, len(tiles)))
    texts = max((len(tile.lines) for tile in tiles), default=0)
    tall = _FACE + 2 * _FRAME + texts * _LINE + _MARGIN
    top = 2 * _MARGIN + 22 + (_LINE + _MARGIN if legend else 0)
    wide = _wide_enough(title, legend or {}, columns * _TILE + 2 * _MARGIN)
    sheet = Image.new("RGB", (wide, top + -(-len(tiles) // columns) * tall), "white")
    draw = ImageDraw.Draw(sheet)
    draw.text((_MARGIN, _MARGIN), title, "black", _font("bold", 17))
    left = _MARGIN
    for colour, meaning in (legend or {}).items():
        draw.rectangle((left, top - _MARGIN - _LINE, left + 12, top - _MARGIN - _LINE + 12), colour)
        draw.text((left + 18, top - _MARGIN - _LINE - 1), meaning, "#333333", _font("normal", 13))
        left += _legend_width(meaning)
    for place, tile in enumerate(tiles):
        row, column = divmod(place, columns)
        _draw_tile(sheet, draw, tile, _MARGIN + column * _TILE, top + row * tall)
    content = io.BytesIO()
    sheet.save(content, "png")
    return content.getvalue()


def _draw_tile(
    sheet: Image.Image, draw: ImageDraw.ImageDraw, tile: Tile, left: int, top: int
) -> None:
    side = _FACE + 2 * _FRAME
    draw.rectangle((left, top, left + side - 1, top + side - 1), tile.mark)
    face = Image.fromarray(tile.crop).resize((_FACE, _FACE), Image.Resampling.BICUBIC)
    sheet.paste(face.convert("RGB"), (left + _FRAME, top + _FRAME))
    for place, line in enumerate(tile.lines):
        font = _font("normal" if place else "bold", 12)
        at = (left, top + side + 3 + place * _LINE)
        draw.text(at, _cut(line, font, _TILE - 8), "black", font)


def _wide_enough(title: str, legend: Mapping[str, str], least: int) -> int:
    """The sheet's width, px: a title or a legend may be wider than a few faces."""
    titled = _font("bold", 17).getlength(title) + 2 * _MARGIN
    explained = sum(map(_legend_width, legend.values())) + 2 * _MARGIN
    return max(least, round(titled), explained)


def _legend_width(meaning: str) -> int:
    return round(_font("normal", 13).getlength(meaning)) + 42


def _cut(line: str, font: ImageFont.FreeTypeFont, width: int) -> str:
    if font.getlength(line) <= width:
        return line
    while line and font.getlength(f"{line}…") > width:
        line = line[:-1]
    return f"{line}…"


@cache
def _font(weight: Literal["normal", "bold"], size: int) -> ImageFont.FreeTypeFont:
    """The typeface that matplotlib ships."""
    return ImageFont.truetype(findfont(FontProperties(family="DejaVu Sans", weight=weight)), size)
