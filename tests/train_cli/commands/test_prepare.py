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


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("train/sad/sad1.png,sad,bored", "line 2: unknown decision 'bored'"),
        ("train/sad/nobody.png,sad,drop", "nobody.png is not in this data set"),
        ("test/sad/sad1000.png,sad,drop", "the published test is never altered"),
    ],
)
def test_bad_decisions_are_one_line_and_nothing_is_written(
    source: Path, tmp_path: Path, row: str, reason: str
) -> None:
    decisions = tmp_path / "decisions.csv"
    decisions.write_text(f"source,label,decision\n{row}\n", encoding="utf-8")
    result = runner.invoke(
        app,
        ["prepare", str(source), "--out", str(tmp_path / "out"), "--decisions", str(decisions)],
    )
    assert result.exit_code == 1
    errors = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1
    assert reason in errors[0]
    assert not (tmp_path / "out").exists()


def test_the_review_s_part_is_in_the_json(source: Path, tmp_path: Path) -> None:
    decisions = tmp_path / "decisions.csv"
    rows = "\n".join(f"train/sad/sad{n}.png,sad,drop" for n in range(10))
    decisions.write_text(f"source,label,decision\n{rows}\n", encoding="utf-8")
    arguments = ["--out", str(tmp_path / "out"), "--decisions", str(decisions), "--json"]
    result = runner.invoke(app, ["prepare", str(source), *arguments])
    review = json.loads(result.stdout)["review"]
    assert review == {"kept": 0, "dropped": 9, "relabelled": 0, "held_out": 1}
