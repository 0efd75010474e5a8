import csv
from pathlib import Path

import pytest
import torch

from fer_model.emotions import EMOTIONS
from tests.train_cli.generated import face_set
from train_cli.distillation import Teacher, hard_targets, label_given, read_teacher, soft_targets
from train_cli.errors import SplitUnusable
from train_cli.splits import FaceSet


@pytest.fixture
def faces() -> FaceSet:
    return face_set(8)


def taught(label: torch.Tensor, crowd: torch.Tensor) -> Teacher:
    return Teacher(label, crowd, "0" * 64)


def even(faces: FaceSet) -> torch.Tensor:
    return torch.full((len(faces), len(EMOTIONS)), 1 / len(EMOTIONS))


def write(path: Path, files: tuple[str, ...], **heads: torch.Tensor) -> Path:
    names = [f"{head}_{emotion}" for head in heads for emotion in EMOTIONS]
    with path.open("w", newline="") as handle:
        table = csv.writer(handle)
        table.writerow(["file", *names])
        for place, file in enumerate(files):
            table.writerow([file, *(float(x) for rows in heads.values() for x in rows[place])])
    return path


def test_predictions_are_found_by_file_in_any_order(tmp_path: Path, faces: FaceSet) -> None:
    label = torch.rand(len(faces), len(EMOTIONS))
    crowd = torch.rand(len(faces), len(EMOTIONS))
    backwards = write(
        tmp_path / "p.csv", faces.files[::-1], label=label.flip(0), crowd=crowd.flip(0)
    )
    teacher = read_teacher(backwards, faces)
    torch.testing.assert_close(teacher.label, label)
    torch.testing.assert_close(teacher.crowd, crowd)
    assert len(teacher.digest) == 64


def test_a_face_that_the_teacher_has_not_read_is_named(tmp_path: Path, faces: FaceSet) -> None:
    rows = even(faces)[1:]
    path = write(tmp_path / "p.csv", faces.files[1:], label=rows, crowd=rows)
    with pytest.raises(SplitUnusable, match=faces.files[0]):
        read_teacher(path, faces)


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00", b"file,label_angry\nx,not a number\n"])
def test_a_file_that_holds_no_predictions_is_refused(
    tmp_path: Path, faces: FaceSet, content: bytes
) -> None:
    (tmp_path / "p.csv").write_bytes(content)
    with pytest.raises(SplitUnusable):
        read_teacher(tmp_path / "p.csv", faces)


def test_without_a_teacher_the_label_and_the_votes_are_the_targets(faces: FaceSet) -> None:
    hard = hard_targets(faces)
    assert torch.equal(hard.label.argmax(1), faces.labels)
    assert torch.equal(hard.label.sum(1), torch.ones(len(faces)))
    assert torch.equal(hard.crowd, faces.crowd)


def test_a_teacher_counts_as_so_many_people(faces: FaceSet) -> None:
    faces.votes[0] = 0
    faces.votes[0, 0] = 6
    teacher = taught(even(faces), even(faces))
    crowd = soft_targets(faces, teacher, weight=0.5, teacher_votes=7).crowd
    assert float(crowd[0, 0]) == pytest.approx((6 + 1) / 13)
    assert float(crowd[0, 1]) == pytest.approx(1 / 13)


def test_a_face_without_votes_gets_no_crowd_target(faces: FaceSet) -> None:
    faces.votes[0] = 0
    soft = soft_targets(faces, taught(even(faces), even(faces)), weight=0.5, teacher_votes=7)
    assert torch.equal(soft.crowd[0], torch.zeros(len(EMOTIONS)))


@pytest.mark.parametrize("weight", [0.0, 0.25, 1.0])
def test_the_weight_is_how_far_the_label_is_softened(faces: FaceSet, weight: float) -> None:
    teacher = taught(even(faces), even(faces))
    soft = soft_targets(faces, teacher, weight, teacher_votes=1).label
    torch.testing.assert_close(soft.sum(1), torch.ones(len(faces)))
    given = label_given(faces, teacher)
    expected = (1 - weight) * hard_targets(faces).label + weight * given
    torch.testing.assert_close(soft, expected)


def test_votes_tell_of_the_label_where_the_teacher_is_blind() -> None:
    faces = face_set(30)
    faces.votes.zero_()
    faces.votes[torch.arange(len(faces)), faces.labels] = 10
    given = label_given(faces, taught(even(faces), even(faces)))
    assert torch.equal(given.argmax(1), faces.labels)


def test_a_misplaced_label_is_drawn_towards_what_teacher_and_votes_say() -> None:
    faces = face_set(30)
    truth = faces.labels.clone()
    faces.votes.zero_()
    faces.votes[torch.arange(len(faces)), truth] = 10
    faces.labels[0] = (truth[0] + 1) % len(EMOTIONS)
    label = torch.full((len(faces), len(EMOTIONS)), 0.05)
    label[torch.arange(len(faces)), truth] = 0.7
    soft = soft_targets(faces, taught(label, label), weight=0.5, teacher_votes=1)
    assert float(soft.label[0, truth[0]]) > 0.4
    assert float(soft.label[0, faces.labels[0]]) < 0.6
