"""How `train` shows itself: a live page on a terminal, plain lines in a log."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final, Protocol

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.text import Text

from train_cli.progress import OnStep, StepLines
from train_cli.reports import epochs_table, percent
from train_cli.training import EpochResult, TrainingSettings, learning_rate_factor

_PACE_SECONDS: Final = 300.0
"""Span that speed and time left are estimated over: long enough to hold a validation or two."""
_LINES_BESIDE: Final = 10
"""Lines of the live page, and of the terminal, that are not a row of an epoch."""


class TrainingDisplay(Protocol):
    """Told how a run goes on."""

    @property
    def on_step(self) -> OnStep:
        """Of the whole run's steps."""

    def on_epoch(self, result: EpochResult) -> None:
        """An epoch is done and validated."""


@contextmanager
def training_display(
    console: Console,
    settings: TrainingSettings,
    earlier: Sequence[EpochResult] = (),
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[TrainingDisplay]:
    """Shows a run on `console`: live where it is a terminal, in lines where it is not.

    The live page goes when the run has ended, for the report to follow, and stays when it is
    broken off. `earlier` are the epochs that a resumed run has behind it.
    """
    if not console.is_terminal:
        yield _Log(console, settings)
        return
    page = _Page(console, settings, earlier, clock)
    with Live(page, console=console, transient=True) as live:
        try:
            yield page
        except BaseException:
            live.transient = False
            raise


class _Log:
    def __init__(self, console: Console, settings: TrainingSettings) -> None:
        self._console, self._epochs = console, settings.epochs
        self.on_step = StepLines(console, settings.architecture)

    def on_epoch(self, result: EpochResult) -> None:
        self._console.print(
            f"epoch {result.epoch}/{self._epochs}: train loss {result.train_loss:.3f}, "
            f"validation loss {result.loss:.3f}, label {percent(result.label_accuracy)}, "
            f"crowd majority {percent(result.crowd_accuracy)}, {result.seconds:.0f} s",
            soft_wrap=True,
        )


class _Page:
    """The epochs so far, a bar for the epoch and one for the run, and the current figures."""

    def __init__(
        self,
        console: Console,
        settings: TrainingSettings,
        earlier: Sequence[EpochResult],
        clock: Callable[[], float],
    ) -> None:
        self._console, self._settings = console, settings
        self._history = list(earlier)
        self._figures = "starting"
        self._bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("left"),
            console=console,
            get_time=clock,
            speed_estimate_period=_PACE_SECONDS,
        )
        self._epoch = self._bars.add_task("epoch", total=None)
        self._run = self._bars.add_task(settings.architecture, total=None)

    def on_step(self, step: int, steps: int, loss: float) -> None:
        settings, an_epoch = self._settings, steps // self._settings.epochs
        epoch, place = divmod(step - 1, an_epoch)
        if place == 0:
            self._bars.reset(self._epoch, total=an_epoch)
        ending = ", validating" if place + 1 == an_epoch else ""
        self._bars.update(
            self._epoch,
            total=an_epoch,
            completed=place + 1,
            description=f"epoch {epoch + 1}/{settings.epochs}{ending}",
        )
        self._bars.update(self._run, total=steps, completed=step)
        factor = learning_rate_factor(step - 1, steps, settings.warmup)
        pace = self._bars.tasks[self._epoch].speed
        self._figures = f"loss {loss:.3f}, learning rate {settings.learning_rate * factor:.3g}" + (
            f", {pace * settings.batch_size:.0f} faces/s" if pace else ""
        )

    def on_epoch(self, result: EpochResult) -> None:
        self._history.append(result)

    def __rich__(self) -> RenderableType:
        below = (self._bars, Text(self._figures))
        if not self._history:
            return Group(*below)
        best = min(self._history, key=lambda result: result.loss)
        return Group(epochs_table(self._fitting(best), best), *below)

    def _fitting(self, best: EpochResult) -> list[EpochResult]:
        """As many of the last epochs as the terminal has room for, and always the best one."""
        rows = max(1, self._console.height - _LINES_BESIDE)
        last = self._history[-rows:]
        return last if best in last else [best, *last[1:]]
