from pathlib import Path

import numpy as np
import pytest
import torch

from fer_model.blend import Calibration, Calibrations
from fer_model.checkpoints import Checkpoint, write_checkpoint
from fer_model.errors import CheckpointDamaged
from tests.train_cli.generated import face_set
from tests.versions import SIDE, random_members, random_network, write_random_version
from train_cli.ensembles import (
    BLEND,
    EnsembleLogits,
    answers_of,
    ensemble_logits,
    ensemble_of_checkpoints,
    ensemble_of_version,
    judged,
    judged_leak_free,
    member_of_checkpoint,
)
from train_cli.errors import CheckpointUnusable

CPU = torch.device("cpu")

pytestmark = pytest.mark.usefixtures("small_networks")


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    tensors = random_network("resnet50").state_dict()
    settings = {"architecture": "resnet50", "side": SIDE}
    write_checkpoint(tmp_path / "best", Checkpoint(tensors, {"settings": settings}), 1)
    return tmp_path / "best"


def test_a_member_comes_back_from_its_checkpoint(checkpoint: Path) -> None:
    member = member_of_checkpoint(checkpoint)
    assert (member.network.architecture, member.side) == ("resnet50", SIDE)
    assert not member.network.training
    expected = random_network("resnet50").state_dict()
    assert all(v.equal(expected[k]) for k, v in member.network.state_dict().items())


def test_a_folder_without_a_checkpoint_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointUnusable, match="name a run's `best` folder"):
        member_of_checkpoint(tmp_path)


@pytest.mark.parametrize(
    ("metadata", "reason"),
    [
        ({}, "settings"),
        ({"settings": {"architecture": "alexnet", "side": 48}}, "unknown architecture alexnet"),
        ({"settings": {"architecture": "vgg19", "side": 48}}, "no member of ours"),
    ],
)
def test_a_checkpoint_of_something_else_is_refused(
    tmp_path: Path, metadata: dict[str, object], reason: str
) -> None:
    write_checkpoint(tmp_path, Checkpoint({"x": torch.zeros(1)}, metadata), 1)
    with pytest.raises(CheckpointUnusable, match=reason):
        member_of_checkpoint(tmp_path)


def test_a_checkpoint_for_resuming_is_refused(tmp_path: Path) -> None:
    write_checkpoint(tmp_path, Checkpoint({"averaged.x": torch.zeros(1)}, {}), 1)
    with pytest.raises(CheckpointUnusable, match="is for resuming"):
        member_of_checkpoint(tmp_path)


def test_a_damaged_checkpoint_is_named(checkpoint: Path) -> None:
    (weights,) = checkpoint.glob("*.safetensors")
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(CheckpointDamaged):
        member_of_checkpoint(checkpoint)


def test_a_version_loads_as_it_serves(tmp_path: Path) -> None:
    version = write_random_version(tmp_path)
    ensemble = ensemble_of_version(version.path)
    assert ensemble.names == ("vgg19", "resnet50")
    assert ensemble.calibrations == version.metadata.calibrations
    assert ensemble.flip == version.metadata.flip_average
    assert version.short in ensemble.title


def test_checkpoints_are_averaged_as_they_are(checkpoint: Path) -> None:
    ensemble = ensemble_of_checkpoints([checkpoint])
    assert ensemble.calibrations == Calibrations.neutral(1)
    assert ensemble.flip is False


def test_every_member_answers_for_every_face_and_progress_is_told() -> None:
    told: list[int] = []
    faces = face_set(1)
    members = [random_members(seed=1)[0], random_members(seed=2)[1]]
    logits = ensemble_logits(members, faces.crops, CPU, False, told.append)
    assert logits.crowd.shape == logits.label.shape == (2, 7, 7)
    assert sum(told) == 14
    assert not np.allclose(logits.crowd[0], logits.crowd[1])


def test_members_answer_tempered_and_the_blend_calibrated() -> None:
    crowd = np.zeros((2, 1, 7), np.float32)
    crowd[0, 0, 3], crowd[1, 0, 4] = 4.0, 2.0
    fit = Calibration((2.0, 1.0), (0.25, 0.75))
    answers = answers_of(EnsembleLogits(crowd, crowd), ("a", "b"), Calibrations(fit, fit))
    a = np.exp(2) / (np.exp(2) + 6)
    b = np.exp(2) / (np.exp(2) + 6)
    assert answers["a"].crowd[0, 3] == pytest.approx(a)
    assert answers["b"].crowd[0, 4] == pytest.approx(b)
    assert answers[BLEND].label[0, 3] == pytest.approx(0.25 * a + 0.75 * (1 - b) / 6)


def test_leak_free_figures_leave_out_faces_that_were_trained_on() -> None:
    faces = face_set(2)
    logits = np.zeros((1, 14, 7), np.float32)
    logits[0, np.arange(14), faces.labels.numpy()] = 9
    logits[0, 0] = 0
    logits[0, 0, 6] = 9  # the first face is answered wrongly
    answers = answers_of(EnsembleLogits(logits, logits), ("a",), Calibrations.neutral(1))
    assert judged_leak_free(answers, faces) == {}
    faces.identical_to_training[0] = True
    assert judged(answers, faces)[BLEND].label.accuracy == pytest.approx(13 / 14)
    clean = judged_leak_free(answers, faces)[BLEND]
    assert (clean.label.faces, clean.label.accuracy) == (13, 1.0)
