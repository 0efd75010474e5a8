"""`python -m fer_model`."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from fer_model.__main__ import main
from fer_model.emotions import EMOTIONS
from fer_model.versions import ModelVersion

Run = Callable[..., int]


@pytest.fixture
def run(version: ModelVersion) -> Run:
    return lambda *arguments: main(["--model", str(version.path), *map(str, arguments)])


@pytest.fixture
def photo(astronaut: NDArray[np.uint8], tmp_path: Path) -> Path:
    path = tmp_path / "astronaut.jpg"
    Image.fromarray(astronaut).save(path, quality=95)
    return path


@pytest.fixture
def bad(tmp_path: Path) -> Path:
    path = tmp_path / "bad.jpg"
    path.write_bytes(b"no photo")
    return path


def test_photo_is_told_in_people(run: Run, photo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(photo) == 0
    out, err = capsys.readouterr()
    assert "512x512" in out
    assert "face 1 at" in out
    assert "of 10 people, " in out
    assert any(emotion in out for emotion in EMOTIONS)
    assert err == ""


def test_json_is_all_that_is_printed(
    run: Run, photo: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("--json", photo) == 0
    (document,) = json.loads(capsys.readouterr().out)
    (face,) = document["faces"]
    assert document["photo"] == str(photo)
    assert list(face["crowd"]) == list(EMOTIONS)
    assert sum(face["crowd"].values()) == pytest.approx(1)
    assert sum(face["of_ten"].values()) == 10


def test_bad_photo_is_one_line_and_the_others_are_still_read(
    run: Run, photo: Path, bad: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(bad, photo, bad.with_name("nowhere.png")) == 1
    out, err = capsys.readouterr()
    assert "face 1" in out
    assert err.count("\n") == 2
    assert "bad.jpg: not a photo" in err
    assert "nowhere.png" in err


def test_bad_photo_is_named_in_json_too(
    run: Run, photo: Path, bad: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("--json", bad, photo) == 1
    first, second = json.loads(capsys.readouterr().out)
    assert first == {"photo": str(bad), "error": "NotAnImage"}
    assert len(second["faces"]) == 1


def test_photo_without_faces_says_so(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "wall.png"
    Image.new("RGB", (300, 200), "beige").save(path)
    assert run(path) == 0
    assert "no face found" in capsys.readouterr().out


def test_annotated_copy_is_written(run: Run, photo: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.png"
    assert run(photo, "--annotate", out) == 0
    with Image.open(out) as copy:
        assert copy.size == (512, 512)


def test_annotated_copies_of_several_photos_go_into_a_folder(
    run: Run, photo: Path, bad: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "copies"
    folder.mkdir()
    assert run(photo, bad, "--annotate", folder) == 1
    assert [path.name for path in folder.iterdir()] == ["astronaut.faces.png"]


def test_several_photos_and_one_output_file_are_refused(
    run: Run, photo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(photo, photo, "--annotate", tmp_path / "one.png") == 1
    assert "folder" in capsys.readouterr().err


def test_output_that_cannot_be_written_is_one_line(
    run: Run, photo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(photo, "--annotate", tmp_path / "copy.unknown") == 1
    out, err = capsys.readouterr()
    assert "face 1" in out
    assert err.count("\n") == 1


def test_missing_version_is_one_line(
    photo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--model", str(tmp_path / "nowhere"), str(photo)]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert "nowhere" in err
