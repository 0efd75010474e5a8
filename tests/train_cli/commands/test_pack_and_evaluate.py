import csv
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from fer_model import networks
from fer_model.emotions import EMOTIONS
from fer_model.versions import read_version
from tests.train_cli.generated import backbones, votes_csv
from train_cli.cli import app

runner = CliRunner()
pytestmark = pytest.mark.usefixtures("small_networks")


@pytest.fixture(scope="module")
def best(prepared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Both members, trained a little on the generated faces."""
    runs = tmp_path_factory.mktemp("runs")
    with pytest.MonkeyPatch.context() as patch:
        for name, backbone in backbones():
            patch.setitem(networks._BACKBONES, name, backbone)
        for member in ("vgg19", "resnet50"):
            fixed = f"train {member} --side 32 --epochs 6 --batch-size 28 --learning-rate 0.05"
            options = ["--precision", "fp32", "--split", str(prepared), "--run", str(runs / member)]
            result = runner.invoke(app, [*fixed.split(), *options])
            assert result.exit_code == 0, result.stderr
    return runs


def members(best: Path) -> list[str]:
    return [
        "--member", str(best / "vgg19" / "best"), "--member", str(best / "resnet50" / "best"),
    ]  # fmt: skip


@pytest.fixture
def packed(best: Path, prepared: Path, tmp_path: Path) -> Path:
    result = runner.invoke(
        app,
        ["pack", *members(best), "--split", str(prepared), "--out", str(tmp_path / "v"), "--json"],
    )
    return Path(json.loads(result.stdout)["version"]["path"])


def test_packing_prints_its_report_and_writes_a_version(
    best: Path, prepared: Path, tmp_path: Path
) -> None:
    result = runner.invoke(
        app,
        ["pack", *members(best), "--split", str(prepared), "--out", str(tmp_path), "--with-test"],
    )
    assert result.exit_code == 0
    for title in ("validation, int8", "as shipped, minus float32", "test, as published"):
        assert title in result.stdout
    (path,) = tmp_path.iterdir()
    version = read_version(path)
    assert version.metadata.figures["test.label_accuracy"] > 0.7
    assert version.digest in result.stdout


def test_a_dry_run_of_packing_writes_nothing(best: Path, prepared: Path, tmp_path: Path) -> None:
    result = runner.invoke(
        app,
        ["pack", *members(best), "--split", str(prepared), "--out", str(tmp_path), "--dry-run"],
    )
    assert result.exit_code == 0
    assert "dry run: nothing written" in result.stdout
    assert list(tmp_path.iterdir()) == []


def test_packing_without_a_checkpoint_is_one_line(prepared: Path, tmp_path: Path) -> None:
    result = runner.invoke(
        app,
        ["pack", "--member", str(tmp_path), "--split", str(prepared), "--out", str(tmp_path)],
    )
    assert result.exit_code == 1
    assert "name a run's `best` folder" in result.stderr


def test_a_version_is_evaluated_on_a_prepared_split(
    packed: Path, prepared: Path, tmp_path: Path
) -> None:
    options = ["--version", str(packed), "--out", str(tmp_path / "report")]
    result = runner.invoke(app, ["evaluate", "--split", str(prepared), *options])
    assert result.exit_code == 0
    assert "blend" in result.stdout
    assert "precision" in result.stdout
    report = json.loads((tmp_path / "report" / "report.json").read_text())
    assert report["figures"]["blend"]["label"]["faces"] == 28
    assert report["figures"]["blend"]["crowd"]["majority_faces"] == 28
    assert report["figures"]["vgg19"]["label"]["accuracy"] > 0.5
    assert (tmp_path / "report" / "confusion.png").read_bytes().startswith(b"\x89PNG")


def test_a_dry_run_of_evaluation_says_what_it_would_read_and_write(
    packed: Path, prepared: Path, tmp_path: Path
) -> None:
    out, predictions = tmp_path / "report", tmp_path / "blends.csv"
    options = ["--version", str(packed), "--out", str(out), "--predictions", str(predictions)]
    evaluate = ["evaluate", "--split", str(prepared), *options, "--dry-run"]
    result = runner.invoke(app, evaluate)
    assert result.exit_code == 0, result.output
    assert f"would be asked about 28 faces of {prepared} test" in result.stdout
    document = json.loads(runner.invoke(app, [*evaluate, "--json"]).stdout)
    written = [str(out / "report.json"), str(out / "confusion.png"), str(predictions)]
    assert (document["count"], document["writes"]) == (28, written)
    assert not out.exists()
    assert not predictions.exists()
    nothing = runner.invoke(app, ["evaluate", "--split", str(prepared), "--dry-run", *options[:2]])
    assert nothing.stdout.endswith("and nothing written\n")
    missing = ["--version", str(tmp_path / "none"), "--dry-run"]
    assert runner.invoke(app, ["evaluate", "--split", str(prepared), *missing]).exit_code == 1


def test_what_cannot_be_written_is_refused_before_anything_is_read(
    prepared: Path, tmp_path: Path
) -> None:
    file = tmp_path / "file"
    file.touch()
    for options in (("--out", str(file)), ("--predictions", str(tmp_path))):
        result = runner.invoke(app, ["evaluate", "--split", str(prepared), *options])
        assert result.exit_code == 2
        assert options[0] in result.stderr


def test_evaluation_agrees_with_what_packing_measured(
    packed: Path, prepared: Path, best: Path, tmp_path: Path
) -> None:
    repacked = runner.invoke(
        app,
        ["pack", *members(best), "--split", str(prepared), "--out", str(tmp_path), "--with-test",
         "--json"],
    )  # fmt: skip
    evaluated = runner.invoke(
        app, ["evaluate", "--split", str(prepared), "--version", str(packed), "--json"]
    )
    assert json.loads(evaluated.stdout)["figures"] == json.loads(repacked.stdout)["test"]


def test_a_labelled_folder_is_evaluated_with_votes_of_its_own(
    best: Path, prepared: Path, tmp_path: Path
) -> None:
    faces = prepared / "test"
    files = sorted(p.relative_to(prepared).as_posix() for p in faces.rglob("*.png"))
    votes = votes_csv(tmp_path / "votes.csv", files)
    options = [*members(best), "--votes", str(votes), "--json"]
    result = runner.invoke(app, ["evaluate", str(faces), *options])
    document = json.loads(result.stdout)
    assert document["figures"]["blend"]["crowd"]["faces"] == 28
    assert document["leak_free"] == {}


def test_predictions_have_a_row_per_face_with_fourteen_probabilities(
    packed: Path, prepared: Path, tmp_path: Path
) -> None:
    path = tmp_path / "new" / "predictions.csv"
    options = ["--version", str(packed), "--predictions", str(path), "--name", "validation"]
    assert runner.invoke(app, ["evaluate", "--split", str(prepared), *options]).exit_code == 0
    with path.open(encoding="utf-8") as handle:
        rows = list(csv.DictReader(handle))
    assert len(rows) == 28
    for row in rows:
        for head in ("crowd", "label"):
            shares = [float(row[f"{head}_{emotion}"]) for emotion in EMOTIONS]
            assert sum(shares) == pytest.approx(1, abs=1e-5)
    named = [max(EMOTIONS, key=lambda e, r=row: float(r[f"label_{e}"])) for row in rows]
    right = sum(n == row["label"] for n, row in zip(named, rows, strict=True))
    assert right > 14


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ((), "either a folder of faces or --split"),
        (("FOLDER", "--split", "FOLDER"), "either a folder of faces or --split"),
        (("--split", "FOLDER", "--votes", "x.csv"), "has its own votes"),
        (("FOLDER", "--version", "FOLDER", "--member", "FOLDER"), "either --version or --member"),
        (("FOLDER", "--name", "holdout"), "holdout"),
    ],
)
def test_contradicting_options_are_bad_parameters(
    tmp_path: Path, options: tuple[str, ...], reason: str
) -> None:
    named = [str(tmp_path) if option == "FOLDER" else option for option in options]
    result = runner.invoke(app, ["evaluate", *named])
    assert result.exit_code == 2
    assert reason in " ".join(result.stderr.replace("│", " ").split())


def test_a_missing_version_is_one_line_and_exit_code_one(prepared: Path, tmp_path: Path) -> None:
    result = runner.invoke(
        app, ["evaluate", "--split", str(prepared), "--version", str(tmp_path / "none")]
    )
    assert result.exit_code == 1
    assert result.stderr.startswith("error: ")
    assert "no such model version" in result.stderr
