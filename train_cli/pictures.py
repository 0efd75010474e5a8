"""Figures as pictures: a confusion matrix, the curves of a training run. PNG bytes out."""

import io
from collections.abc import Sequence
from typing import Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from fer_model.emotions import EMOTIONS
from train_cli.evaluating import LabelFigures
from train_cli.training import EpochResult

_DOTS_PER_INCH: Final = 150
_DARK_CELL: Final = 0.5
"""Share of a row above which its cell is too dark for black digits."""


def confusion_picture(figures: LabelFigures, title: str) -> bytes:
    """The confusion matrix: shades are shares of a row (a label), digits faces and shares."""
    counts = np.array(figures.confusion)
    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    figure = Figure(figsize=(7.6, 6.8), layout="constrained")
    axes = figure.add_subplot()
    image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for row, column in np.ndindex(*counts.shape):
        if not counts[row, column]:
            continue
        share = shares[row, column]
        axes.text(
            column,
            row,
            f"{share:.0%}\n{counts[row, column]}",
            ha="center",
            va="center",
            fontsize=8.5,
            color="white" if share > _DARK_CELL else "black",
        )
    places = range(len(EMOTIONS))
    axes.set_xticks(places, EMOTIONS, rotation=30, ha="right")
    axes.set_yticks(places, [f"{e} ({n})" for e, n in zip(EMOTIONS, counts.sum(1), strict=True)])
    axes.set_xlabel("answer")
    axes.set_ylabel("label (faces)")
    axes.set_title(f"{title}\n{figures.accuracy:.1%} of {figures.faces} faces", fontsize=11)
    bar = figure.colorbar(image, ax=axes, shrink=0.85, format=PercentFormatter(1, decimals=0))
    bar.set_label("share of the label's faces")
    return _png(figure)


def history_picture(history: Sequence[EpochResult], title: str) -> bytes:
    """A run's losses and accuracies per epoch; the epoch that was kept is marked."""
    figure = Figure(figsize=(9.5, 4.2), layout="constrained")
    losses, accuracies = figure.subplots(1, 2)
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
    best = min(history, key=lambda epoch: epoch.loss).epoch
    for axes in (losses, accuracies):
        axes.axvline(best, color="grey", linestyle=":", linewidth=1.2, label=f"kept: epoch {best}")
        axes.set_xlabel("epoch")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(alpha=0.25)
        axes.legend(fontsize=8)
    figure.suptitle(title, fontsize=11)
    return _png(figure)


def _line(axes: Axes, history: Sequence[EpochResult], values: list[float], name: str) -> None:
    axes.plot([e.epoch for e in history], values, marker="o", markersize=3, label=name)


def _png(figure: Figure) -> bytes:
    content = io.BytesIO()
    FigureCanvasAgg(figure)
    figure.savefig(content, format="png", dpi=_DOTS_PER_INCH)
    return content.getvalue()
