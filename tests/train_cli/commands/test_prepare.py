import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from fer_model.emotions import EMOTIONS
from tests.train_cli.generated import as_folder, as_zip, face, official, png, votes_csv
from train_cli.cli import app

runner = CliRunner()


@pytest.fixture
def source(tmp_path: Path) -> Path:
    files = official(train=10, test=2) | {"train/sad/broken.png": b"", "train/notes.txt": b"x"}
    return as_zip(tmp_path / "raw.zip", files)


def test_the_report_names_counts_and_reasons(source: Path, tmp_path: Path) -> None:
    result = runner.invoke(app, ["prepare", str(source), "--out", str(tmp_path / "out")])
    assert result.exit_code == 0
    assert "86 files found, 2 left out, 0 with votes" in result.stdout
    assert "unreadable: 1" in result.stdout
    assert "train/sad/broken.png" in result.stdout
    assert (tmp_path / "out" / "validation.csv").is_file()


def test_json_is_all_there_is_on_stdout(source: Path, tmp_path: Path) -> None:
    votes = votes_csv(tmp_path / "votes.csv", list(official(train=10, test=2)))
    result = runner.invoke(
        app,
        ["prepare", str(source), "--out", str(tmp_path / "out"), "--votes", str(votes), "--json"],
    )
    document = json.loads(result.stdout)
    assert document["splits"]["train"] == dict.fromkeys(EMOTIONS, 9)
    assert document["with_votes"] == 84
    assert {row["source"] for row in document["dropped_files"]} == {
        "train/sad/broken.png",
        "train/notes.txt",
    }


def test_a_dry_run_writes_nothing(source: Path, tmp_path: Path) -> None:
    result = runner.invoke(
        app, ["prepare", str(source), "--out", str(tmp_path / "out"), "--dry-run"]
    )
    assert result.exit_code == 0
    assert "dry run: nothing written" in result.stdout
    assert [p.name for p in tmp_path.iterdir()] == ["raw.zip"]


def test_a_refusal_is_one_line_and_exit_code_one(tmp_path: Path) -> None:
    source = as_folder(tmp_path / "raw", {"boredom/1.png": png(face("sad", 1))})
    result = runner.invoke(app, ["prepare", str(source), "--out", str(tmp_path / "out")])
    assert result.exit_code == 1
    errors = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1
    assert "boredom (1)" in errors[0]
    assert result.stdout == ""


def test_a_source_that_is_not_there_is_a_bad_parameter(tmp_path: Path) -> None:
    result = runner.invoke(app, ["prepare", str(tmp_path / "none"), "--out", str(tmp_path / "o")])
    assert result.exit_code == 2
    assert "does not exist" in " ".join(result.stderr.replace("│", " ").split())
