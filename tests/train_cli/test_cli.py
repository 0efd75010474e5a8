from typer.testing import CliRunner

from train_cli.cli import app


def test_every_command_is_there_and_explains_itself() -> None:
    runner = CliRunner()
    listed = runner.invoke(app, ["--help"])
    assert listed.exit_code == 0
    for command in ("prepare", "train", "report", "evaluate", "pack"):
        assert command in listed.stdout
        told = runner.invoke(app, [command, "--help"])
        assert told.exit_code == 0
        assert "Example:" in told.stdout
        assert "--json" in told.stdout
