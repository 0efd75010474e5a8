import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.train_cli.test_training_report import broken_off_run
from train_cli.cli import app

runner = CliRunner()
pytestmark = pytest.mark.usefixtures("small_networks")


def arguments(prepared: Path, run: Path, *more: str) -> list[str]:
    return ["report", str(run), "--split", str(prepared), "--device", "cpu", *more]


def test_a_broken_off_run_is_judged_and_told(prepared: Path, tmp_path: Path) -> None:
    run = broken_off_run(tmp_path / "run")
    result = runner.invoke(app, arguments(prepared, run))
    assert result.exit_code == 0
    for told in ("per emotion, label head", "per emotion, crowd head", "label gap", "best epoch 2"):
        assert told in result.stdout
    assert "of 28 faces are named otherwise than labelled" in result.stdout
    assert (run / "report" / "mistakes.png").is_file()


def test_json_is_the_report_and_all_there_is_on_stdout(prepared: Path, tmp_path: Path) -> None:
    run = broken_off_run(tmp_path / "run")
    result = runner.invoke(app, arguments(prepared, run, "--json"))
    document = json.loads(result.stdout)
    assert document["epoch"] == 2
    assert len(document["validation"]["label"]["classes"]) == 7
    assert len(document["validation"]["crowd"]["confusion"]) == 8
    assert document["report"] == str(run / "report")


def test_a_dry_run_writes_nothing(prepared: Path, tmp_path: Path) -> None:
    run = broken_off_run(tmp_path / "run")
    result = runner.invoke(app, arguments(prepared, run, "--dry-run"))
    assert "28 faces would be read" in result.stdout
    assert not (run / "report").exists()


def test_a_folder_without_a_run_is_one_line(prepared: Path, tmp_path: Path) -> None:
    result = runner.invoke(app, arguments(prepared, tmp_path / "none"))
    assert result.exit_code == 1
    assert "no run there" in result.stderr
    assert not (tmp_path / "none").exists()
