from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fer_model.emotions import EMOTIONS
from tests.train_cli.generated import as_folder, face, face_set, files_of, votes_csv
from train_cli.errors import SplitUnusable
from train_cli.splits import load_folder, load_split, read_crop
from train_cli.votes import read_votes


def test_a_prepared_split_loads_with_labels_and_votes(prepared: Path) -> None:
    faces = load_split(prepared, "train")
    assert faces.crops.shape == (7 * 36, 1, 48, 48)
    assert faces.labels.bincount().tolist() == [36] * 7
    assert bool((faces.votes.sum(1) == 10).all())
    assert faces.crowd.argmax(1).equal(faces.labels)


def test_a_limit_takes_faces_of_every_emotion(prepared: Path) -> None:
    faces = load_split(prepared, "train", limit=14)
    assert faces.labels.bincount().tolist() == [2] * 7


def test_crowd_shares_leave_out_faces_nobody_named_an_emotion_for() -> None:
    faces = face_set(1)
    faces.votes[0] = 0
    assert faces.has_crowd.tolist() == [False] + [True] * 6
    assert faces.crowd.sum(1).tolist() == pytest.approx([0.0] + [1.0] * 6)


def test_a_subset_keeps_everything_of_its_faces_together() -> None:
    faces = face_set(2)
    part = faces.subset([3, 10])
    assert part.files == (faces.files[3], faces.files[10])
    assert part.labels.tolist() == [3, 3]
    assert part.crops[1].equal(faces.crops[10])


def test_a_missing_split_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(SplitUnusable, match="run `train_cli prepare` first"):
        load_split(tmp_path, "train")


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        ([], "names no faces"),
        (["train/sad/gone.png,sad,0" + "," * 10], "gone.png"),
        (["train/sad/gone.png,contempt,0" + "," * 10], "no emotion we know: contempt"),
        (["train/sad/gone.png"], "no emotion we know: None"),
    ],
)
def test_a_split_that_does_not_match_its_csv_is_refused(
    tmp_path: Path, prepared: Path, rows: list[str], reason: str
) -> None:
    header = (prepared / "train.csv").read_text().splitlines()[0].replace("source,", "")
    (tmp_path / "train.csv").write_text("\n".join([header, *rows]))
    with pytest.raises(SplitUnusable, match=reason):
        load_split(tmp_path, "train")


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"\xff\xfe", "no readable CSV"), (b"file,label\nx.png,sad\n", "it lacks identical_to")],
)
def test_what_is_no_split_is_refused_in_words(tmp_path: Path, content: bytes, reason: str) -> None:
    (tmp_path / "train.csv").write_bytes(content)
    with pytest.raises(SplitUnusable, match=reason):
        load_split(tmp_path, "train")


def test_any_labelled_folder_loads(tmp_path: Path) -> None:
    files = files_of(dict.fromkeys(EMOTIONS, 2), prefix="deep/down/")
    faces = load_folder(as_folder(tmp_path, files))
    assert len(faces) == 14
    first = EMOTIONS[int(faces.labels[0])]
    assert faces.files[0] == f"deep/down/{first}/{first}0.png"
    assert np.array_equal(faces.crops[0, 0].numpy(), face(first, 0))
    assert not faces.has_crowd.any()


def test_a_folder_takes_votes_from_a_csv(tmp_path: Path) -> None:
    files = files_of({"sad": 2, "happy": 1}, prefix="test/")
    votes = read_votes(votes_csv(tmp_path / "votes.csv", ["test/sad/sad1.png"]))
    faces = load_folder(as_folder(tmp_path / "x", files) / "test", votes)
    assert faces.has_crowd.tolist() == [file == "sad/sad1.png" for file in faces.files]


def test_a_folder_of_unknown_classes_is_refused_with_counts(tmp_path: Path) -> None:
    files = files_of({"sad": 2}) | {"boredom/1.png": b"", "boredom/2.png": b""}
    with pytest.raises(SplitUnusable, match=r"boredom \(2\)"):
        load_folder(as_folder(tmp_path, files))


def test_a_folder_with_an_unreadable_image_is_refused_by_name(tmp_path: Path) -> None:
    files = files_of({"sad": 2}) | {"sad/cut.png": b"\x89PNG"}
    with pytest.raises(SplitUnusable, match=r"cut\.png: unreadable"):
        load_folder(as_folder(tmp_path, files))


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SplitUnusable, match="no images"):
        load_folder(tmp_path)


def test_a_crop_of_another_size_and_colour_becomes_grey_48(tmp_path: Path) -> None:
    Image.new("RGB", (100, 80), (255, 0, 0)).save(tmp_path / "red.png")
    crop = read_crop(tmp_path / "red.png")
    assert crop.shape == (48, 48)
    assert set(np.unique(crop).tolist()) == {76}  # BT.601's luma of red
