"""The command tree; every command's module is imported here and nowhere else."""

import typer

from train_cli.commands.evaluate import evaluate_command
from train_cli.commands.models import models_app
from train_cli.commands.pack import pack_command
from train_cli.commands.prepare import prepare_command
from train_cli.commands.report import report_command
from train_cli.commands.retrain import retrain_command
from train_cli.commands.review import review_command
from train_cli.commands.runs import runs_command
from train_cli.commands.schedule import schedule_command
from train_cli.commands.sweep import sweep_command
from train_cli.commands.train import train_command

app = typer.Typer(
    name="train_cli",
    help="Prepare data, train, evaluate, retrain on feedback, and promote model versions.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
)
app.command("prepare")(prepare_command)
app.command("review")(review_command)
app.command("train")(train_command)
app.command("report")(report_command)
app.command("sweep")(sweep_command)
app.command("evaluate")(evaluate_command)
app.command("pack")(pack_command)
app.command("retrain")(retrain_command)
app.add_typer(models_app, name="models")
app.command("runs")(runs_command)
app.command("schedule")(schedule_command)


@app.callback()
def root() -> None:
    """Keeps the commands named even while there is only one."""
