"""What the commands that need the database share: its options, and how they run and fail."""

import asyncio
import contextlib
import getpass
import os
import signal
from collections.abc import Coroutine
from pathlib import Path
from typing import Annotated, Any, TypeVar

import torch
import typer

from train_cli.commands.options import expected_failures

Result = TypeVar("Result")

DEFAULT_DATABASE = "sqlite:///var/feelback.db"
DEFAULT_MODELS = Path("var/models")

DatabaseUrl = Annotated[
    str,
    typer.Option(
        "--database",
        envvar="FEELBACK_DATABASE_URL",
        help="The bot's database: sqlite:///FILE or postgresql://USER:PASSWORD@HOST/NAME.",
    ),
]
ModelsFolder = Annotated[
    Path,
    typer.Option(
        "--models", envvar="FEELBACK_MODELS", help="Folder for candidates.", file_okay=False
    ),
]
ReplayFolder = Annotated[
    Path | None,
    typer.Option(
        "--replay",
        envvar="FEELBACK_REPLAY",
        help="Folder that `prepare` wrote: its training faces are replayed, and its validation "
        "faces show what was forgotten. Without it the gate lacks evidence and always refuses.",
        exists=True,
        file_okay=False,
    ),
]
Threads = Annotated[
    int | None, typer.Option(help="CPU threads; all but one by default, for the bot.", min=1)
]

_INTERRUPTED = 130
"""Exit code of what was stopped by a signal."""


def run_to_end(coroutine: Coroutine[Any, Any, Result]) -> Result:
    """What the coroutine returns; an expected failure or a signal ends the program in one line."""
    with expected_failures():
        try:
            return asyncio.run(_stoppable(coroutine))
        except (asyncio.CancelledError, KeyboardInterrupt) as error:
            typer.echo("interrupted; the current version goes on serving", err=True)
            raise typer.Exit(_INTERRUPTED) from error


def use_threads(threads: int | None) -> int:
    """Gives torch that many threads, or all cores but one; returns how many."""
    chosen = threads or max(1, len(os.sched_getaffinity(0)) - 1)
    torch.set_num_threads(chosen)
    return chosen


def actor() -> str:
    """Who runs this command, as the database remembers it."""
    try:
        return f"cli:{getpass.getuser()}"
    except (KeyError, OSError):  # a container's user may have no name
        return f"cli:{os.getuid()}"


async def _stoppable(coroutine: Coroutine[Any, Any, Result]) -> Result:
    task = asyncio.current_task()
    assert task is not None  # noqa: S101  a coroutine that runs is in one
    loop = asyncio.get_running_loop()
    with contextlib.suppress(ValueError, RuntimeError):  # only the main thread can
        loop.add_signal_handler(signal.SIGTERM, task.cancel)
    return await coroutine
