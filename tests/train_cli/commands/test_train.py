import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from train_cli.cli import app

runner = CliRunner()
pytestmark = pytest.mark.usefixtures("small_networks")


def arguments(prepared: Path, run: Path, *more: str) -> list[str]:
    fixed = "train resnet50 --side 32 --epochs 2 --batch-size 28 --precision fp32 --device cpu"
    return [*fixed.split(), "--split", str(prepared), "--run", str(run), *more]


def test_a_run_is_announced_trained_and_reported(prepared: Path, tmp_path: Path) -> None:
    result = runner.invoke(app, arguments(prepared, tmp_path / "run"))
    assert result.exit_code == 0
    assert "learning rate" in result.stderr
    assert "252 faces, 28 to validate on, cpu" in result.stderr
    assert "epoch 2/2: train loss" in result.stderr
    assert "best epoch" in result.stdout
    names = {p.name for p in (tmp_path / "run").iterdir()}
    assert names == {"best", "last", "history.json", "report"}
    assert (tmp_path / "run" / "report" / "report.md").is_file()


def test_json_is_all_there_is_on_stdout(prepared: Path, tmp_path: Path) -> None:
    result = runner.invoke(app, arguments(prepared, tmp_path / "run", "--json"))
    document = json.loads(result.stdout)
    assert [epoch["epoch"] for epoch in document["epochs"]] == [1, 2]
    assert document["best"] in document["epochs"]
    assert (Path(document["report"]) / "curves.png").is_file()


def test_a_dry_run_tells_the_settings_and_writes_nothing(prepared: Path, tmp_path: Path) -> None:
    result = runner.invoke(app, arguments(prepared, tmp_path / "run", "--dry-run", "--json"))
    assert json.loads(result.stdout)["learning_rate"] == 0.02
    assert list(tmp_path.iterdir()) == []


def test_a_run_is_resumed_but_not_overwritten(prepared: Path, tmp_path: Path) -> None:
    assert runner.invoke(app, arguments(prepared, tmp_path / "run")).exit_code == 0
    again = runner.invoke(app, arguments(prepared, tmp_path / "run"))
    assert again.exit_code == 1
    assert "go on with --resume" in again.stderr
    (tmp_path / "run" / "report" / "report.md").unlink()
    assert runner.invoke(app, arguments(prepared, tmp_path / "run", "--resume")).exit_code == 0
    assert (tmp_path / "run" / "report" / "report.md").is_file()


def test_a_missing_split_is_one_line_that_says_what_to_run(tmp_path: Path) -> None:
    result = runner.invoke(app, arguments(tmp_path, tmp_path / "run"))
    assert result.exit_code == 1
    assert "run `train_cli prepare` first" in result.stderr


@pytest.mark.parametrize(
    ("more", "reason"),
    [(("--device", "cuda:99"), "no such device here"), (("--precision", "int3"), "int3")],
)
def test_what_is_not_there_to_choose_is_a_bad_parameter(
    prepared: Path, tmp_path: Path, more: tuple[str, ...], reason: str
) -> None:
    result = runner.invoke(app, arguments(prepared, tmp_path / "run", *more))
    assert result.exit_code == 2
    assert reason in result.stderr


def test_a_backbone_that_is_no_weights_file_is_refused(prepared: Path, tmp_path: Path) -> None:
    weights = tmp_path / "weights.safetensors"
    weights.write_bytes(b"nothing")
    result = runner.invoke(app, arguments(prepared, tmp_path / "run", "--backbone", str(weights)))
    assert result.exit_code == 1
    assert "no ImageNet weights" in result.stderr
