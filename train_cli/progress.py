"""How a long job shows itself: a live bar on a terminal, a plain line now and then in a log."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

LOG_EVERY: Final = 60.0
"""Seconds between two lines where there is no terminal."""


def unheard(*progress: object) -> None:
    """A callback for whoever does not want to be told."""


class OnStep(Protocol):
    """Told after every training step."""

    def __call__(self, step: int, steps: int, loss: float, /) -> None:
        """`step` of `steps` is done; `loss` is the epoch's mean so far."""


@contextmanager
def step_progress(console: Console, title: str) -> Iterator[OnStep]:
    """A callback that shows steps, loss and the time left on `console`."""
    if not console.is_terminal:
        yield StepLines(console, title)
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("loss {task.fields[loss]:.3f}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as progress:
        task = progress.add_task(title, total=None, loss=float("nan"))

        def on_step(step: int, steps: int, loss: float) -> None:
            progress.update(task, completed=step, total=steps, loss=loss)

        yield on_step


@contextmanager
def face_progress(
    console: Console, title: str, total: int | None
) -> Iterator[Callable[[int], None]]:
    """A callback that is told how many more faces are done, and shows how many of `total` are.

    A `total` of None is not known yet.
    """
    if not console.is_terminal:
        console.print(f"{title}: {total} faces" if total else title, soft_wrap=True)
        yield unheard
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task(title, total=total)
        yield lambda count: progress.advance(task, count)


class StepLines:
    """A callback that prints steps and loss once a minute, and when the last step is done."""

    def __init__(self, console: Console, title: str) -> None:
        self._console, self._title, self._next = console, title, 0.0

    def __call__(self, step: int, steps: int, loss: float, /) -> None:
        """As `OnStep`."""
        now = time.monotonic()
        if now < self._next and step < steps:
            return
        self._next = now + LOG_EVERY
        self._console.print(f"{self._title}: step {step}/{steps}, loss {loss:.3f}", soft_wrap=True)
