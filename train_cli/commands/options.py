"""Options that several commands share, and the consoles they print on."""

from typing import Annotated

import torch
import typer
from rich.console import Console

Json = Annotated[bool, typer.Option("--json", help="One JSON document on stdout, nothing else.")]
Seed = Annotated[int, typer.Option(help="Seed of every random draw.")]
Device = Annotated[
    str, typer.Option(help="cpu, cuda, cuda:1, or auto for a GPU where there is one.")
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be done; write nothing.")]


def messages() -> Console:
    """The console for people: stderr, so that stdout stays clean for `--json`."""
    return Console(stderr=True)


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
