from pathlib import Path

import numpy as np
import pytest
import torch

from fer_model.blend import Calibrations, disagreement
from fer_model.versions import read_version
from tests.train_cli.generated import face_set
from tests.versions import random_members
from train_cli.ensembles import BLEND, Answers, EnsembleLogits, ensemble_logits
from train_cli.errors import CheckpointUnusable, SplitUnusable
from train_cli.packing import Doubt, doubt_of, fitted, out_of_fold, pack
from train_cli.served import served_logits
from train_cli.splits import FaceSet
from train_cli.votes import crowd_majority, has_majority

CPU = torch.device("cpu")

pytestmark = pytest.mark.usefixtures("small_networks")


@pytest.fixture(scope="module")
def validation() -> FaceSet:
    return face_set(4)


def separable(faces: FaceSet, seed: int = 0) -> EnsembleLogits:
    """Two members that are right most of the time, and far too sure."""
    random = np.random.default_rng(seed)
    logits = random.normal(0, 6, (2, len(faces), 7)).astype(np.float32)
    logits[:, np.arange(len(faces)), faces.labels.numpy()] += 12
    return EnsembleLogits(logits, logits[::-1].copy())


def test_what_is_written_is_calibrated_on_what_will_serve(
    tmp_path: Path, validation: FaceSet
) -> None:
    report = pack(random_members(), validation, tmp_path, "int8", False, CPU)
    assert report.version is not None
    version = read_version(report.version.path)
    served = served_logits(version, validation.crops, CPU)
    assert version.metadata.calibrations == fitted(served, validation)
    trained = ensemble_logits(random_members(), validation.crops, CPU, False)
    assert not np.array_equal(served.crowd, trained.crowd)
    assert version.metadata.flip_average is False
    assert [record.precision for record in version.members] == ["int8", "int8"]


def test_the_version_carries_its_figures_per_member_and_blend(
    tmp_path: Path, validation: FaceSet
) -> None:
    test = face_set(3, first=50)
    test.identical_to_training[:2] = True
    report = pack(random_members(), validation, tmp_path, "fp16", False, CPU, test=test)
    assert report.version is not None
    figures = report.version.metadata.figures
    assert figures["validation.label_accuracy"] == report.served[BLEND].label.accuracy
    assert figures["test.resnet50.label_nll"] == report.test["resnet50"].label.nll
    assert report.test_leak_free[BLEND].label.faces == len(test) - 2
    assert "test.leak_free.vgg19.crowd_nll" in figures
    assert figures["validation.differing.said"] == report.doubt.said
    assert report.bytes == sum(f.stat().st_size for f in report.version.path.iterdir())


def test_full_precision_loses_nothing_and_int8_something(
    tmp_path: Path, validation: FaceSet
) -> None:
    exact = pack(random_members(), validation, None, "fp32", False, CPU, runtime="torch")
    assert exact.served[BLEND].label.nll == pytest.approx(exact.full[BLEND].label.nll, rel=1e-4)
    rounded = pack(random_members(), validation, None, "int8", False, CPU, runtime="torch")
    assert rounded.full == exact.full
    assert rounded.served[BLEND].label.nll != pytest.approx(rounded.full[BLEND].label.nll, rel=1e-4)
    assert list(tmp_path.iterdir()) == []


def test_flip_averaging_is_recorded_and_judged(tmp_path: Path, validation: FaceSet) -> None:
    report = pack(random_members()[1:], validation, tmp_path, "fp32", True, CPU)
    assert report.version is not None
    assert report.version.metadata.flip_average is True
    plain = pack(random_members()[1:], validation, None, "fp32", False, CPU)
    assert report.calibrations != plain.calibrations


def test_two_members_of_one_architecture_are_refused(validation: FaceSet) -> None:
    twice = [random_members()[1]] * 2
    with pytest.raises(CheckpointUnusable, match="one member of each architecture"):
        pack(twice, validation, None, "fp16", False, CPU)


def test_validation_without_votes_is_refused() -> None:
    with pytest.raises(SplitUnusable, match="--votes"):
        pack(random_members()[:1], face_set(2, votes=False), None, "fp16", False, CPU)


def test_faces_without_votes_do_not_weigh_on_the_crowd_head() -> None:
    faces = face_set(12)
    logits = separable(faces)
    whole = fitted(
        logits,
        faces.subset(range(42)).__class__(
            faces.crops,
            faces.labels,
            faces.votes.clone().index_fill_(0, torch.arange(42, 84), 0),
            faces.files,
            faces.identical_to_training,
        ),
    )
    half = fitted(
        EnsembleLogits(logits.crowd[:, :42], logits.label[:, :42]), faces.subset(range(42))
    )
    assert whole.crowd == half.crowd
    assert whole.label != half.label


def test_no_face_is_judged_by_calibrations_that_saw_it() -> None:
    faces = face_set(12)
    logits = separable(faces)
    answers = out_of_fold(logits, ("a", "b"), faces, seed=0)
    changed = faces.labels.clone()
    changed[5] = (changed[5] + 3) % 7
    other = FaceSet(faces.crops, changed, faces.votes, faces.files, faces.identical_to_training)
    again = out_of_fold(logits, ("a", "b"), other, seed=0)
    assert again[BLEND].label[5].tolist() == answers[BLEND].label[5].tolist()
    assert not np.array_equal(again[BLEND].label, answers[BLEND].label)


def test_the_label_head_alone_exchanges() -> None:
    faces = face_set(12)
    calibrations = fitted(separable(faces), faces)
    assert np.abs(np.asarray(calibrations.label.exchange)).max() > 0
    assert calibrations.crowd.exchange == ()


def test_a_fifth_of_validation_is_at_the_disagreement_to_differ_from() -> None:
    faces = face_set(12)
    logits = separable(faces)
    calibrations = fitted(logits, faces)
    above = disagreement(logits.crowd, calibrations.crowd) >= calibrations.differ_from
    assert above.mean() == pytest.approx(0.2, abs=0.02)


def test_saying_that_members_differ_is_judged_where_it_is_said_and_elsewhere() -> None:
    faces = face_set(2)
    majority = crowd_majority(faces.votes.numpy())
    clear = has_majority(faces.votes.numpy())
    crowd = np.eye(7)[(majority + 1) % 7]
    crowd[1:] = np.eye(7)[majority[1:] % 7]
    said: list[tuple[str, ...]] = [("happy", "sad"), *[()] * (len(faces) - 1)]
    doubt = doubt_of(Answers(crowd, crowd), said, faces)
    assert clear[0]
    assert doubt == Doubt(1 / len(faces), 0.0, 1.0)
    assert doubt_of(Answers(crowd, crowd), [()] * len(faces), faces).majority_where_said is None


def test_fitting_makes_overconfident_members_less_sure() -> None:
    faces = face_set(12)
    logits = separable(faces)
    calibrations = fitted(logits, faces)
    assert min(calibrations.label.temperatures) > 1.5
    assert calibrations != Calibrations.neutral(2)
