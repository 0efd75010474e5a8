import json
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

from train_cli.cli import app
from train_cli.commands import train as train_module

runner = CliRunner()
pytestmark = pytest.mark.usefixtures("small_networks")


def arguments(prepared: Path, out: Path, *more: str) -> list[str]:
    fixed = (
        "sweep resnet50 --side 32 --epochs 2 --precision fp32 --device cpu --baselines 2 "
        "--knob learning_rate --knob label_disturbance"
    )
    return [*fixed.split(), "--split", str(prepared), "--out", str(out), *more]


def test_a_sweep_is_told_and_reported(prepared: Path, tmp_path: Path) -> None:
    more = ("--trials", "3", "--pruner", "none")
    result = runner.invoke(app, arguments(prepared, tmp_path / "out", *more))
    assert result.exit_code == 0, result.stderr
    assert "252 faces, 28 to validate on, cpu" in result.stderr
    assert "trial 0 of 3: default" in result.stderr
    assert "trial 2: complete" in result.stderr
    assert "default recipe, 2 seeds" in result.stdout
    assert "best: trial" in result.stdout
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {
        "study.db",
        "lock",
        "trials",
        "trials.csv",
        "report.json",
        "history.png",
        "knobs.png",
    }


def test_the_best_trials_command_trains_it_again(
    prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    swept = runner.invoke(app, arguments(prepared, tmp_path / "out", "--trials", "4"))
    command = shlex.split(swept.stdout.strip().splitlines()[-1])
    assert command[:3] == ["train_cli", "train", "resnet50"]
    report = json.loads((tmp_path / "out/report.json").read_text())
    assert command == report["command"]
    monkeypatch.chdir(tmp_path)
    again = runner.invoke(app, [*command[1:], "--device", "cpu", "--json"])
    assert again.exit_code == 0, again.stderr
    best = report["trials"][report["best"]]["best"]
    assert json.loads(again.stdout)["best"] | {"seconds": 0} == best | {"seconds": 0}


def test_json_is_all_there_is_on_stdout(prepared: Path, tmp_path: Path) -> None:
    more = ("--trials", "2", "--limit", "100", "--json")
    result = runner.invoke(app, arguments(prepared, tmp_path / "out", *more))
    content = json.loads(result.stdout)
    assert [trial["number"] for trial in content["trials"]] == [0, 1]
    assert content["command"][content["command"].index("--limit") + 1] == "100"
    assert content == json.loads((tmp_path / "out/report.json").read_text())


def test_a_dry_run_tells_space_and_first_trials_and_writes_nothing(
    prepared: Path, tmp_path: Path
) -> None:
    more = ("--trials", "20", "--one-by-one", "--dry-run")
    told = runner.invoke(app, arguments(prepared, tmp_path / "out", *more))
    assert told.exit_code == 0
    assert "0.002 to 0.1 (log)" in told.stdout
    assert "trial 0, default, seed 0: default" in told.stdout
    assert "trial 2, alone, seed 0: learning_rate 0.005" in told.stdout
    assert "trials 10 to 19: as results suggest" in told.stdout
    plan = json.loads(
        runner.invoke(app, arguments(prepared, tmp_path / "out", *more, "--json")).stdout
    )
    assert plan["first"][2] == {
        "what": "alone",
        "seed": 0,
        "learning_rate": 0.005,
        "label_disturbance": 0.0,
    }
    assert list(tmp_path.iterdir()) == []


def test_a_sweep_is_resumed_but_not_overwritten(prepared: Path, tmp_path: Path) -> None:
    first = arguments(prepared, tmp_path / "out", "--trials", "1")
    assert runner.invoke(app, first).exit_code == 0
    again = runner.invoke(app, first)
    assert again.exit_code == 1
    assert "go on with --resume" in again.stderr
    more = arguments(prepared, tmp_path / "out", "--trials", "2", "--resume")
    assert runner.invoke(app, more).exit_code == 0
    report = json.loads((tmp_path / "out/report.json").read_text())
    assert len(report["trials"]) == 2


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        (("--knob", "patience"), "patience: no such knob"),
        (("--from", "a", "--backbone", "b"), "either --from or --backbone"),
        (("--pruner", "random"), "random"),
    ],
)
def test_what_is_not_there_to_choose_is_a_bad_parameter(
    prepared: Path, tmp_path: Path, more: tuple[str, ...], reason: str
) -> None:
    result = runner.invoke(app, arguments(prepared, tmp_path / "out", *more))
    assert result.exit_code == 2
    assert reason in result.stderr


def test_a_missing_split_is_one_line_that_says_what_to_run(tmp_path: Path) -> None:
    result = runner.invoke(app, arguments(tmp_path, tmp_path / "out"))
    assert result.exit_code == 1
    assert "run `train_cli prepare` first" in result.stderr


def test_the_test_split_is_not_read(prepared: Path, tmp_path: Path) -> None:
    for name in ("train.csv", "validation.csv", "train", "validation"):
        (tmp_path / name).symlink_to(prepared / name)
    assert not (tmp_path / "test.csv").exists()
    result = runner.invoke(app, arguments(tmp_path, tmp_path / "out", "--trials", "1"))
    assert result.exit_code == 0, result.stderr


def test_help_has_an_example() -> None:
    told = runner.invoke(app, ["sweep", "--help"])
    assert told.exit_code == 0
    assert "Example:" in told.stdout
    assert train_module.DEFAULT_RATE.keys() == train_module.DEFAULT_SIDE.keys()
