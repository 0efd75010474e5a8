"""Options that several commands share, the consoles they print on, and how they fail."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import torch
import typer
from rich.console import Console
from sqlalchemy.exc import SQLAlchemyError

from fer_model.errors import FerModelError, RuntimeUnavailable
from fer_model.runtimes import Runtime, chosen_runtime
from store.errors import StoreError
from train_cli.errors import EndedElsewhere, TrainingError, in_one_line

Json = Annotated[bool, typer.Option("--json", help="One JSON document on stdout, nothing else.")]
Seed = Annotated[int, typer.Option(help="Seed of every random draw.")]
Device = Annotated[
    str, typer.Option(help="cpu, cuda, cuda:1, or auto for a GPU where there is one.")
]
RuntimeName = Annotated[
    Runtime,
    typer.Option(
        "--runtime",
        envvar="FEELBACK_RUNTIME",
        help="What runs a version's networks. Give what the bot is given: what is judged is then "
        "what serves.",
    ),
]
ReportFolder = Annotated[
    Path | None,
    typer.Option(help="Folder for the report: words, figures, pictures.", file_okay=False),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be done; write nothing.")]

_REPORT_WIDTH = 120
"""Columns of a report that is not printed on a terminal, in a log or a file."""


def messages() -> Console:
    """The console for people: stderr, so that stdout stays clean for `--json`."""
    return Console(stderr=True)


def results() -> Console:
    """The console for what was asked for: stdout, wide enough for the tables in a log."""
    console = Console()
    return console if console.is_terminal else Console(width=_REPORT_WIDTH)


def print_line(console: Console, line: str) -> None:
    """Prints the line as it is: neither wrapped nor coloured, and brackets are no markup."""
    console.print(line, markup=False, highlight=False, soft_wrap=True)


@contextmanager
def expected_failures() -> Iterator[None]:
    """Turns a failure that its user can act on into one line on stderr and exit code 1."""
    try:
        yield
    except EndedElsewhere as error:
        raise typer.Exit(1) from error
    except (TrainingError, FerModelError, StoreError, SQLAlchemyError, OSError) as error:
        typer.echo(f"error: {in_one_line(error)}", err=True)
        raise typer.Exit(1) from error


def runtime_named(name: Runtime, device: torch.device) -> Runtime:
    """What runs a model version's networks on that device, as the bot would choose.

    Raises:
        typer.BadParameter: There is no such runtime here.
    """
    try:
        return chosen_runtime(name, device)
    except RuntimeUnavailable as error:
        raise typer.BadParameter(str(error), param_hint="--runtime") from error


def torch_device(name: str) -> torch.device:
    """The device of that name.

    Raises:
        typer.BadParameter: There is no such device here.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise typer.BadParameter(f"{name}: no such device here", param_hint="--device") from error
    return device
