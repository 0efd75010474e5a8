import csv
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from fer_model.emotions import EMOTIONS
from tests.train_cli.generated import as_folder, official, votes_csv
from train_cli.cli import app
from train_cli.preparing import prepare

runner = CliRunner()


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """10 training and 2 test faces of every emotion."""
    return as_folder(tmp_path / "raw", official(train=10, test=2))


@pytest.fixture
def votes(tmp_path: Path) -> Path:
    """Everybody agrees with the labels but of sad faces, which nine of ten call happy."""
    path = votes_csv(tmp_path / "votes.csv", list(official(train=10, test=2)))
    lines = path.read_text(encoding="utf-8").splitlines()
    happier = [
        f"{line.split(',')[0]},0,0,0,9,1,0,0,0,0,0" if "/sad/" in line else line for line in lines
    ]
    path.write_text("\n".join(happier), encoding="utf-8")
    return path


@pytest.fixture
def split(source: Path, votes: Path, tmp_path: Path) -> Path:
    prepare(source, tmp_path / "split", votes=votes)
    return tmp_path / "split"


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8") as handle:
        return list(csv.DictReader(handle))


def predictions(path: Path, split: Path, name: str, doubtful: str = "") -> Path:
    """A classifier that agrees with the labels but for one file, which it calls happy."""
    heads = [f"label_{emotion}" for emotion in EMOTIONS]
    with path.open("w", newline="", encoding="utf-8") as handle:
        table = csv.writer(handle)
        table.writerow(("file", *heads))
        for row in rows_of(split / f"{name}.csv"):
            said = "happy" if row["file"] == doubtful else row["label"]
            table.writerow((row["file"], *(0.94 if e == said else 0.01 for e in EMOTIONS)))
    return path


def test_suspects_are_counted_written_and_pictured(split: Path, tmp_path: Path) -> None:
    out = tmp_path / "review"
    result = runner.invoke(app, ["review", "--split", str(split), "--out", str(out)])
    assert result.exit_code == 0
    assert "decided unless you edit it: 9 keep" in result.stdout
    rows = rows_of(out / "decisions.csv")
    assert [row["number"] for row in rows] == [str(n) for n in range(1, 10)]
    assert {(r["label"], r["suggestion"], r["kind"]) for r in rows} == {
        ("sad", "happy", "label (people)")
    }
    sheet = Image.open(out / "7-label-people-001.png")
    assert len(np.unique(np.asarray(sheet))) > 50


def test_a_network_s_predictions_are_weighed_too(split: Path, tmp_path: Path) -> None:
    doubtful = rows_of(split / "train.csv")[0]["file"]
    said = predictions(tmp_path / "train.csv", split, "train", doubtful)
    arguments = ["--split", str(split), "--predictions", str(said), "--out", str(tmp_path / "r")]
    result = runner.invoke(app, ["review", *arguments, "--json"])
    document = json.loads(result.stdout)
    assert document["suspects"]["label (network)"] == {"train": 1}
    assert document["faces"] == {"train": 63}
    assert all(Path(sheet).is_file() for sheet in document["sheets"])
    row = next(r for r in rows_of(tmp_path / "r" / "decisions.csv") if r["file"] == doubtful)
    assert (row["suggestion"], row["decision"]) == ("happy", "keep")


def test_edited_decisions_are_followed_by_prepare(
    split: Path, source: Path, votes: Path, tmp_path: Path
) -> None:
    accept = ["--accept", "label (people)"]
    runner.invoke(
        app, ["review", "--split", str(split), "--out", str(tmp_path / "review"), *accept]
    )
    decisions = tmp_path / "review" / "decisions.csv"
    text = decisions.read_text(encoding="utf-8").splitlines()
    text[1] = text[1].removesuffix(",happy") + ",drop"
    decisions.write_text("\n".join(text), encoding="utf-8")
    clean = tmp_path / "clean"
    arguments = ["--votes", str(votes), "--out", str(clean), "--decisions", str(decisions)]
    result = runner.invoke(app, ["prepare", str(source), *arguments])
    assert result.exit_code == 0
    assert "review: 1 training faces dropped, 8 relabelled, 0 kept" in result.stdout
    assert (clean / "validation.csv").read_bytes() == (split / "validation.csv").read_bytes()
    assert "sad" not in {row["label"] for row in rows_of(clean / "train.csv")}


def test_suspects_of_validation_are_shown_and_kept_whatever_is_accepted(
    split: Path, tmp_path: Path
) -> None:
    out = tmp_path / "review"
    arguments = ["--split", str(split), "--out", str(out), "--validation"]
    result = runner.invoke(app, ["review", *arguments, "--accept", "label (people)"])
    assert result.exit_code == 0
    decided = {(row["split"], row["decision"]) for row in rows_of(out / "decisions.csv")}
    assert decided == {("train", "happy"), ("validation", "keep")}


def test_a_dry_run_writes_nothing(split: Path, tmp_path: Path) -> None:
    out = tmp_path / "review"
    result = runner.invoke(app, ["review", "--split", str(split), "--out", str(out), "--dry-run"])
    assert "dry run: nothing written" in result.stdout
    assert not out.exists()


def test_decisions_that_somebody_may_have_edited_are_not_overwritten(
    split: Path, tmp_path: Path
) -> None:
    out = tmp_path / "review"
    out.mkdir()
    (out / "decisions.csv").write_text("mine", encoding="utf-8")
    result = runner.invoke(app, ["review", "--split", str(split), "--out", str(out)])
    assert result.exit_code == 1
    assert "is there already" in result.stderr
    assert [p.name for p in out.iterdir()] == ["decisions.csv"]
    assert (out / "decisions.csv").read_text(encoding="utf-8") == "mine"


def test_predictions_of_other_faces_are_refused_in_one_line(split: Path, tmp_path: Path) -> None:
    said = predictions(tmp_path / "validation.csv", split, "validation")
    arguments = ["--split", str(split), "--predictions", str(said), "--out", str(tmp_path / "r")]
    result = runner.invoke(app, ["review", *arguments])
    assert result.exit_code == 1
    errors = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1
    assert "no predictions of 63 faces" in errors[0]


def test_a_face_that_two_csvs_predict_is_refused(split: Path, tmp_path: Path) -> None:
    said = [str(predictions(tmp_path / f"{n}.csv", split, "train")) for n in (1, 2)]
    arguments = ["--split", str(split), "--out", str(tmp_path / "r")]
    for path in said:
        arguments += ["--predictions", path]
    result = runner.invoke(app, ["review", *arguments])
    assert result.exit_code == 1
    assert "is predicted twice" in result.stderr


def test_an_unknown_kind_is_a_bad_parameter(split: Path, tmp_path: Path) -> None:
    arguments = ["--split", str(split), "--out", str(tmp_path / "r"), "--accept", "labels"]
    result = runner.invoke(app, ["review", *arguments])
    assert result.exit_code == 2
    assert "known kinds are not a face" in " ".join(result.stderr.replace("│", " ").split())
