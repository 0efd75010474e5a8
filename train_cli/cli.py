"""The command tree; every command's module is imported here and nowhere else."""

import typer

from train_cli.commands.pack import pack_command
from train_cli.commands.train import train_command

app = typer.Typer(
    name="train_cli",
    help="Prepare data, train, evaluate, retrain on feedback, and promote model versions.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
)
app.command("train")(train_command)
app.command("pack")(pack_command)


@app.callback()
def root() -> None:
    """Keeps the commands named even while there is only one."""
