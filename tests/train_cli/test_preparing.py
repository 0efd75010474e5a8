import csv
import hashlib
import json
import zipfile
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fer_model.emotions import EMOTIONS
from tests.train_cli.generated import as_folder, as_zip, face, files_of, official, png, votes_csv
from train_cli.decisions import Reviewed
from train_cli.errors import DataSetRefused
from train_cli.preparing import SPLITS, ReviewApplied, prepare


def rows_of(out: Path, split: str) -> list[dict[str, str]]:
    with (out / f"{split}.csv").open(encoding="utf-8") as handle:
        return list(csv.DictReader(handle))


def pixels_by_split(out: Path) -> dict[str, set[str]]:
    found: dict[str, set[str]] = defaultdict(set)
    for split in SPLITS:
        for row in rows_of(out, split):
            pixels = np.asarray(Image.open(out / row["file"]))
            found[split].add(hashlib.sha256(pixels.tobytes()).hexdigest())
    return found


def everything_below(folder: Path) -> dict[str, bytes]:
    return {
        p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()
    }


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "prepared"


def test_a_folder_and_a_zip_of_it_prepare_to_the_same_files(tmp_path: Path) -> None:
    files = official(train=10, test=2)
    prepare(as_folder(tmp_path / "raw", files), tmp_path / "one")
    prepare(as_zip(tmp_path / "raw.zip", files), tmp_path / "two")
    assert everything_below(tmp_path / "one") == everything_below(tmp_path / "two")


def test_files_are_renamed_to_emotion_and_number(tmp_path: Path, out: Path) -> None:
    prepare(as_folder(tmp_path / "raw", official(train=10, test=2)), out)
    names = [row["file"] for split in SPLITS for row in rows_of(out, split)]
    assert "train/angry/angry_00001.png" in names
    assert len(names) == len(set(names)) == 7 * 12
    assert all((out / name).is_file() for name in names)


def test_the_official_split_keeps_test_and_carves_a_stratified_tenth(
    tmp_path: Path, out: Path
) -> None:
    report, _ = prepare(as_folder(tmp_path / "raw", official(train=20, test=3)), out)
    assert report.splits["train"] == dict.fromkeys(EMOTIONS, 18)
    assert report.splits["validation"] == dict.fromkeys(EMOTIONS, 2)
    assert report.splits["test"] == dict.fromkeys(EMOTIONS, 3)


def test_eight_one_one_is_stratified(tmp_path: Path, out: Path) -> None:
    counts = dict.fromkeys(EMOTIONS, 20) | {"disgust": 10, "happy": 50}
    report, _ = prepare(as_folder(tmp_path / "raw", files_of(counts)), out, "8:1:1")
    for emotion, count in counts.items():
        shares = [report.splits[split][emotion] / count for split in SPLITS]
        assert shares == pytest.approx([0.8, 0.1, 0.1])


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_identical_images_stay_on_one_side_of_eight_one_one(
    tmp_path: Path, out: Path, seed: int
) -> None:
    files = files_of(dict.fromkeys(EMOTIONS, 20))
    copies = {f"copies/{path.replace('.', '_copy.')}": content for path, content in files.items()}
    report, _ = prepare(as_folder(tmp_path / "raw", files | copies), out, "8:1:1", seed=seed)
    sides = pixels_by_split(out)
    assert sides["train"].isdisjoint(sides["test"])
    assert sides["train"].isdisjoint(sides["validation"])
    assert sides["validation"].isdisjoint(sides["test"])
    assert report.dropped == {"duplicate": 140}


def test_identical_images_stay_out_of_official_validation(tmp_path: Path, out: Path) -> None:
    files = official(train=20, test=2)
    files |= {k.replace(".", "_copy."): v for k, v in files.items() if k.startswith("train/")}
    prepare(as_folder(tmp_path / "raw", files), out)
    sides = pixels_by_split(out)
    assert sides["train"].isdisjoint(sides["validation"])


def test_identical_means_pixels_and_not_bytes(tmp_path: Path, out: Path) -> None:
    files = files_of(dict.fromkeys(EMOTIONS, 10))
    bitmap = tmp_path / "again.bmp"
    Image.fromarray(face("sad", 3)).save(bitmap)
    files["sad/again.bmp"] = bitmap.read_bytes()
    _, dropped = prepare(as_folder(tmp_path / "raw", files), out, "8:1:1")
    assert [(d.source, d.reason) for d in dropped] == [
        ("sad/sad3.png", "duplicate: of sad/again.bmp")
    ]


def test_copies_go_by_the_majority_of_their_labels(tmp_path: Path, out: Path) -> None:
    files = files_of(dict.fromkeys(EMOTIONS, 10))
    twice_sad = png(face("happy", 500))
    files |= {"sad/a.png": twice_sad, "sad/b.png": twice_sad, "fear/c.png": twice_sad}
    _, dropped = prepare(as_folder(tmp_path / "raw", files), out, "8:1:1")
    assert {d.source for d in dropped} == {"sad/b.png", "fear/c.png"}


def test_copies_whose_labels_contradict_each_other_are_dropped(tmp_path: Path, out: Path) -> None:
    files = files_of(dict.fromkeys(EMOTIONS, 10))
    files["happy/again.png"] = files["sad/sad1.png"]
    report, dropped = prepare(as_folder(tmp_path / "raw", files), out, "8:1:1")
    assert report.dropped == {"identical images of different labels": 2}
    assert {d.source for d in dropped} == {"happy/again.png", "sad/sad1.png"}


def test_test_images_that_are_training_images_are_kept_and_marked(
    tmp_path: Path, out: Path
) -> None:
    files = official(train=10, test=2)
    files["test/sad/leaked.png"] = files["train/sad/sad4.png"]
    report, _ = prepare(as_folder(tmp_path / "raw", files), out)
    marked = [r["source"] for r in rows_of(out, "test") if r["identical_to_training"] == "1"]
    assert marked == ["test/sad/leaked.png"]
    assert report.test_identical_to_training == 1


def test_blank_images_are_dropped_but_kept_in_the_published_test(tmp_path: Path, out: Path) -> None:
    files = official(train=10, test=2)
    blank = png(np.full((48, 48), 7, np.uint8))
    files |= {"train/sad/blank.png": blank, "test/sad/blank.png": blank}
    report, dropped = prepare(as_folder(tmp_path / "raw", files), out)
    assert [(d.source, d.reason) for d in dropped] == [("train/sad/blank.png", "blank")]
    assert report.splits["test"]["sad"] == 3


def test_images_outside_train_and_test_are_named_and_those_of_val_are_used(
    tmp_path: Path, out: Path
) -> None:
    files = official(train=10, test=2)
    files |= {
        "PrivateTest/sad/other.png": png(face("sad", 900)),
        "val/sad/more.png": png(face("sad", 901)),
    }
    report, dropped = prepare(as_folder(tmp_path / "raw", files), out)
    assert [(d.source, d.reason) for d in dropped] == [
        ("PrivateTest/sad/other.png", "in neither train nor test")
    ]
    assert report.splits["train"]["sad"] + report.splits["validation"]["sad"] == 11


def test_every_file_is_either_written_or_named_with_a_reason(tmp_path: Path, out: Path) -> None:
    files = official(train=10, test=2)
    whole = files["train/sad/sad0.png"]
    files |= {
        "train/sad/cut.png": whole[: len(whole) // 2],
        "train/sad/empty.png": b"",
        "train/sad/text.jpg": b"not a picture at all",
        "train/README.txt": b"notes",
        "__MACOSX/train/sad/._sad0.png": b"litter",
    }
    report, dropped = prepare(as_zip(tmp_path / "raw.zip", files), out)
    assert report.dropped == {"unreadable": 3, "not an image": 2}
    assert report.found == len(files)
    written = {row["source"] for split in SPLITS for row in rows_of(out, split)}
    assert written | {d.source for d in dropped} == set(files)
    with (out / "dropped.csv").open(encoding="utf-8") as handle:
        assert {row["source"] for row in csv.DictReader(handle)} == {d.source for d in dropped}


def test_an_enormous_picture_is_no_face_crop(tmp_path: Path, out: Path) -> None:
    files = official(train=10, test=2)
    files["train/sad/huge.png"] = png(np.zeros((1, 5000), np.uint8))
    _, dropped = prepare(as_folder(tmp_path / "raw", files), out)
    assert [d.reason for d in dropped] == ["unreadable: 5000x1 px is no face crop"]


def test_a_damaged_entry_of_a_zip_is_named(tmp_path: Path, out: Path) -> None:
    path = as_zip(tmp_path / "raw.zip", official(train=10, test=2))
    with zipfile.ZipFile(path) as archive:
        entry = archive.getinfo("train/fear/fear2.png")
    content = bytearray(path.read_bytes())
    content[entry.header_offset + 30 + len(entry.filename) + 40] ^= 0xFF
    path.write_bytes(content)
    _, dropped = prepare(path, out)
    assert [d.source for d in dropped] == ["train/fear/fear2.png"]
    assert dropped[0].reason.startswith("unreadable")


def test_unknown_classes_are_refused_with_names_and_counts(tmp_path: Path, out: Path) -> None:
    files = official(train=4, test=2)
    files |= {f"train/contempt/{n}.png": png(face("sad", 100 + n)) for n in range(3)}
    files["train/boredom/1.png"] = png(face("sad", 200))
    with pytest.raises(DataSetRefused, match=r"boredom \(1\), contempt \(3\); known are angry"):
        prepare(as_folder(tmp_path / "raw", files), out)
    assert not out.exists()


def test_other_words_for_the_emotions_are_understood(tmp_path: Path, out: Path) -> None:
    files = {
        path.replace("angry", "Anger").replace("happy", "HAPPINESS"): content
        for path, content in files_of(dict.fromkeys(EMOTIONS, 10)).items()
    }
    report, _ = prepare(as_folder(tmp_path / "raw", files), out, "8:1:1")
    assert report.splits["train"] == dict.fromkeys(EMOTIONS, 8)


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ({}, "no labelled face image in it .empty."),
        ({"notes.txt": b"hello"}, "no labelled face image in it .1 not an image."),
        ({"train/sad/a.png": b"broken"}, "no labelled face image in it .1 unreadable."),
    ],
)
def test_a_data_set_with_nothing_in_it_is_refused(
    tmp_path: Path, out: Path, files: dict[str, bytes], reason: str
) -> None:
    with pytest.raises(DataSetRefused, match=reason):
        prepare(as_zip(tmp_path / "raw.zip", files), out)
    assert not out.exists()


def test_what_is_neither_folder_nor_zip_is_refused(tmp_path: Path, out: Path) -> None:
    source = tmp_path / "raw.zip"
    source.write_bytes(b"PK but no zip")
    with pytest.raises(DataSetRefused, match="neither a folder nor a readable zip"):
        prepare(source, out)


@pytest.mark.parametrize(
    "name", ["../sad/1.png", "/etc/sad/1.png", "..\\sad\\1.png", "C:/sad/1.png"]
)
def test_a_zip_that_reaches_outside_itself_is_refused(tmp_path: Path, out: Path, name: str) -> None:
    files = official(train=4, test=2) | {name: png(face("sad", 9))}
    with pytest.raises(DataSetRefused, match="reaches outside"):
        prepare(as_zip(tmp_path / "raw.zip", files), out)
    assert not out.exists()


def test_the_official_split_needs_both_its_folders(tmp_path: Path, out: Path) -> None:
    with pytest.raises(DataSetRefused, match="needs a train/ and a test/ folder"):
        prepare(as_folder(tmp_path / "raw", files_of(dict.fromkeys(EMOTIONS, 4))), out)


def test_an_emotion_without_images_is_reported(tmp_path: Path) -> None:
    files = {k: v for k, v in official(train=4, test=2).items() if "/disgust/" not in k}
    report, _ = prepare(as_folder(tmp_path / "raw", files), None)
    assert report.missing == ("disgust",)


def test_a_folder_in_use_is_refused_and_left_as_it_was(tmp_path: Path, out: Path) -> None:
    out.mkdir()
    (out / "precious.txt").write_text("mine")
    with pytest.raises(DataSetRefused, match="is not empty"):
        prepare(as_folder(tmp_path / "raw", official(train=4, test=2)), out)
    assert everything_below(out) == {"precious.txt": b"mine"}


def test_an_empty_folder_is_filled(tmp_path: Path, out: Path) -> None:
    out.mkdir()
    prepare(as_folder(tmp_path / "raw", official(train=4, test=2)), out)
    assert (out / "train.csv").is_file()


def test_a_place_inside_the_data_set_is_refused(tmp_path: Path) -> None:
    source = as_folder(tmp_path / "raw", official(train=4, test=2))
    with pytest.raises(DataSetRefused, match="inside the data set"):
        prepare(source, source / "prepared")


def test_a_failure_while_writing_leaves_nothing_behind(
    tmp_path: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = as_folder(tmp_path / "raw", official(train=4, test=2))
    written = 0
    real_write = Path.write_bytes

    def full_disk(path: Path, content: bytes) -> int:
        nonlocal written
        written += 1
        if written > 20:
            raise OSError(28, "No space left on device")
        return real_write(path, content)

    monkeypatch.setattr(Path, "write_bytes", full_disk)
    with pytest.raises(DataSetRefused, match="No space left"):
        prepare(source, out)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["raw"]


def test_a_dry_run_reports_the_same_and_writes_nothing(tmp_path: Path, out: Path) -> None:
    source = as_folder(tmp_path / "raw", official(train=10, test=2))
    planned, _ = prepare(source, None)
    assert [p.name for p in tmp_path.iterdir()] == ["raw"]
    assert prepare(source, out)[0] == planned


def test_the_seed_chooses_the_split(tmp_path: Path) -> None:
    source = as_folder(tmp_path / "raw", official(train=20, test=2))
    for name, seed in (("one", 1), ("again", 1), ("two", 2)):
        prepare(source, tmp_path / name, seed=seed)
    one, again, two = (
        {row["source"] for row in rows_of(tmp_path / name, "validation")}
        for name in ("one", "again", "two")
    )
    assert one == again
    assert one != two


def test_votes_reach_the_csv(tmp_path: Path, out: Path) -> None:
    files = official(train=10, test=2)
    votes = votes_csv(tmp_path / "votes.csv", [path for path in files if "sad1." not in path])
    report, _ = prepare(as_folder(tmp_path / "raw", files), out, votes=votes)
    rows = {row["source"]: row for split in SPLITS for row in rows_of(out, split)}
    assert (rows["train/fear/fear3.png"]["fear"], rows["train/fear/fear3.png"]["neutral"]) == (
        "8",
        "2",
    )
    assert rows["train/sad/sad1.png"]["sad"] == ""
    assert report.with_votes == len(files) - 1


def test_votes_on_other_images_are_refused(tmp_path: Path, out: Path) -> None:
    votes = votes_csv(tmp_path / "votes.csv", ["train/sad/elsewhere.png"])
    with pytest.raises(DataSetRefused, match="names none of these images"):
        prepare(as_folder(tmp_path / "raw", official(train=4, test=2)), out, votes=votes)


def test_the_report_is_written_beside_the_faces(tmp_path: Path, out: Path) -> None:
    report, _ = prepare(as_folder(tmp_path / "raw", official(train=10, test=2)), out)
    document = json.loads((out / "report.json").read_text(encoding="utf-8"))
    assert document["splits"] == report.splits
    assert document["found"] == 84


@pytest.mark.dataset
def test_fer2013_keeps_its_published_test_and_no_image_on_two_sides(fer2013: Path) -> None:
    sides = pixels_by_split(fer2013)
    assert len(rows_of(fer2013, "test")) == 3589
    assert sides["train"].isdisjoint(sides["validation"])


def decided(**decisions: str) -> dict[str, Reviewed]:
    """Decisions on training images, by `<emotion><number>`."""
    rows = {}
    for name, decision in decisions.items():
        emotion = name.rstrip("0123456789")
        source = f"train/{emotion}/{name}.png"
        rows[source] = Reviewed("", "train", "", source, emotion, "label", "", "seen", decision)
    return rows


def test_decisions_drop_and_relabel_training_faces_only(tmp_path: Path, out: Path) -> None:
    source = as_folder(tmp_path / "raw", official(train=20, test=2))
    prepare(source, tmp_path / "plain")
    sad = [row["source"] for row in rows_of(tmp_path / "plain", "train") if row["label"] == "sad"]
    names = [Path(s).stem for s in sad[:3]]
    decisions = decided(**dict(zip(names, ("drop", "happy", "keep"), strict=True)))
    report, dropped = prepare(source, out, decisions=decisions)
    assert report.review == ReviewApplied(kept=1, dropped=1, relabelled=1, held_out=0)
    assert report.dropped == {"review": 1}
    assert [(d.source, d.reason) for d in dropped] == [(sad[0], "review: seen")]
    labels = {row["source"]: row["label"] for row in rows_of(out, "train")}
    assert sad[0] not in labels
    assert (labels[sad[1]], labels[sad[2]]) == ("happy", "sad")
    assert report.splits["train"] == dict.fromkeys(EMOTIONS, 18) | {"sad": 16, "happy": 19}


def test_decisions_leave_validation_and_test_as_they_are_byte_for_byte(
    tmp_path: Path, out: Path
) -> None:
    source = as_folder(tmp_path / "raw", official(train=20, test=2))
    prepare(source, tmp_path / "plain")
    decisions = decided(**{f"sad{n}": "drop" if n % 2 else "happy" for n in range(20)})
    report, _ = prepare(source, out, decisions=decisions)
    plain, cleaned = everything_below(tmp_path / "plain"), everything_below(out)
    for split in ("validation", "test"):
        kept = {name: content for name, content in plain.items() if name.startswith(split)}
        assert kept == {n: content for n, content in cleaned.items() if n.startswith(split)}
    assert report.review is not None
    assert report.review.held_out == 2


def test_a_relabelled_face_keeps_its_name_and_moves_to_its_emotion(
    tmp_path: Path, out: Path
) -> None:
    source = as_folder(tmp_path / "raw", official(train=20, test=2))
    prepare(source, tmp_path / "plain")
    row = next(row for row in rows_of(tmp_path / "plain", "train") if row["label"] == "sad")
    name = Path(row["source"]).stem
    prepare(source, out, decisions=decided(**{name: "happy"}))
    moved = next(r for r in rows_of(out, "train") if r["source"] == row["source"])
    assert moved["file"] == row["file"].replace("train/sad/", "train/happy/")
    assert (out / moved["file"]).read_bytes() == (tmp_path / "plain" / row["file"]).read_bytes()


@pytest.mark.parametrize(
    ("source", "label", "reason"),
    [
        ("train/sad/nobody.png", "sad", "nobody.png is not in this data set"),
        ("test/sad/sad1000.png", "sad", "the published test is never altered"),
        ("train/sad/sad1.png", "fear", "sad1.png is labelled sad here, not 'fear'"),
        ("train/sad/blank.png", "sad", "blank.png is left out anyway .blank."),
    ],
)
@pytest.mark.parametrize("decision", ["drop", "keep"])
def test_decisions_on_other_data_are_refused_and_nothing_is_written(
    tmp_path: Path, out: Path, source: str, label: str, reason: str, decision: str
) -> None:
    files = official(train=10, test=2)
    files["train/sad/blank.png"] = png(np.full((48, 48), 7, np.uint8))
    raw = as_folder(tmp_path / "raw", files)
    row = Reviewed("", "train", "", source, label, "", "", "", decision)
    with pytest.raises(DataSetRefused, match=reason):
        prepare(raw, out, decisions={source: row})
    assert [p.name for p in tmp_path.iterdir()] == ["raw"]


def test_test_faces_of_a_new_split_are_held_out_too(tmp_path: Path, out: Path) -> None:
    source = as_folder(tmp_path / "raw", files_of(dict.fromkeys(EMOTIONS, 20)))
    rows = {
        f"sad/sad{n}.png": Reviewed("", "", "", f"sad/sad{n}.png", "sad", "", "", "", "drop")
        for n in range(20)
    }
    report, _ = prepare(source, out, "8:1:1", decisions=rows)
    assert report.review == ReviewApplied(kept=0, dropped=16, relabelled=0, held_out=4)
