import typer
from typer.testing import CliRunner

from train_cli.cli import app


def test_every_command_is_there_and_explains_itself() -> None:
    runner = CliRunner()
    listed = runner.invoke(app, ["--help"])
    assert listed.exit_code == 0
    tree = typer.main.get_command(app)
    commands = [(name,) for name in tree.commands if name != "models"]  # type: ignore[attr-defined]
    commands += [("models", name) for name in tree.commands["models"].commands]  # type: ignore[attr-defined]
    assert {("prepare",), ("schedule",), ("models", "rollback")} <= set(commands)
    for command in commands:
        assert command[0] in listed.stdout
        told = runner.invoke(app, [*command, "--help"])
        assert told.exit_code == 0
        assert "Example:" in told.stdout
        assert "--json" in told.stdout


def test_what_writes_has_a_dry_run() -> None:
    for name in ("prepare", "review", "train", "report", "sweep", "evaluate", "pack", "retrain"):
        assert "--dry-run" in CliRunner().invoke(app, [name, "--help"]).stdout
    for name in ("promote", "rollback", "prune"):
        assert "--dry-run" in CliRunner().invoke(app, ["models", name, "--help"]).stdout
