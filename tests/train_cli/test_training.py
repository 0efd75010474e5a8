import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch

from fer_model.checkpoints import read_checkpoint
from fer_model.networks import Logits
from tests.train_cli.generated import face_set
from train_cli.augmentation import Augmentation
from train_cli.distillation import Teacher
from train_cli.ensembles import member_of_checkpoint
from train_cli.errors import CheckpointUnusable, SplitUnusable, TrainingDiverged
from train_cli.splits import FaceSet
from train_cli.training import (
    EpochResult,
    TrainingSettings,
    both_heads_loss,
    ema_decay,
    learning_rate_factor,
    predict,
    train,
)

CPU = torch.device("cpu")
SETTINGS = TrainingSettings(
    "resnet50",
    side=32,
    epochs=3,
    batch_size=14,
    learning_rate=0.05,
    ema=0.9,
    precision="fp32",
    augmentation=Augmentation(rotation=3, shift=0.01, erasing=0),
)


class Killed(BaseException):
    """What a kill looks like from inside."""


@pytest.fixture
def training() -> FaceSet:
    return face_set(8)


@pytest.fixture
def validation() -> FaceSet:
    return face_set(3, first=100)


pytestmark = pytest.mark.usefixtures("small_networks")


def without_times(history: list[EpochResult]) -> list[EpochResult]:
    return [replace(result, seconds=0.0) for result in history]


def test_the_loss_falls_and_faces_are_told_apart(
    tmp_path: Path, training: FaceSet, validation: FaceSet
) -> None:
    history = train(replace(SETTINGS, epochs=12), training, validation, tmp_path, None, CPU)
    assert history[-1].train_loss < 0.75 * history[0].train_loss
    assert history[-1].label_accuracy > 0.8
    assert (history[-1].crowd_accuracy or 0) > 0.8


def test_the_same_seed_trains_the_same_member(
    tmp_path: Path, training: FaceSet, validation: FaceSet
) -> None:
    runs = [
        train(replace(SETTINGS, seed=seed), training, validation, tmp_path / name, None, CPU)
        for name, seed in (("one", 1), ("again", 1), ("two", 2))
    ]
    one, again, two = map(without_times, runs)
    assert one == again
    assert one != two


@pytest.mark.parametrize("killed_at", [1, 5, 11])
def test_a_run_resumed_after_a_kill_ends_like_an_unbroken_one(
    tmp_path: Path, training: FaceSet, validation: FaceSet, killed_at: int
) -> None:
    unbroken = train(SETTINGS, training, validation, tmp_path / "unbroken", None, CPU)

    def kill(step: int, steps: int, loss: float) -> None:
        if step == killed_at:
            raise Killed

    broken = tmp_path / "broken"
    with pytest.raises(Killed):
        train(SETTINGS, training, validation, broken, None, CPU, on_step=kill)
    torch.rand(7)  # another process would be elsewhere in the global sequence
    first_epoch_done = killed_at > 4
    resumed = train(SETTINGS, training, validation, broken, None, CPU, resume=first_epoch_done)

    assert without_times(resumed) == without_times(unbroken)
    for part in ("last", "best"):
        expected = read_checkpoint(tmp_path / "unbroken" / part)
        found = read_checkpoint(broken / part)
        assert expected is not None
        assert found is not None
        assert found.tensors.keys() == expected.tensors.keys()
        assert all(found.tensors[k].equal(v) for k, v in expected.tensors.items())


def test_resuming_a_finished_run_changes_nothing(
    tmp_path: Path, training: FaceSet, validation: FaceSet
) -> None:
    history = train(SETTINGS, training, validation, tmp_path, None, CPU)
    assert train(SETTINGS, training, validation, tmp_path, None, CPU, resume=True) == history


def test_resuming_nothing_is_refused(
    tmp_path: Path, training: FaceSet, validation: FaceSet
) -> None:
    with pytest.raises(CheckpointUnusable, match="nothing to resume"):
        train(SETTINGS, training, validation, tmp_path, None, CPU, resume=True)


def test_resuming_with_other_settings_is_refused_by_name(
    tmp_path: Path, training: FaceSet, validation: FaceSet
) -> None:
    train(SETTINGS, training, validation, tmp_path, None, CPU)
    other = replace(SETTINGS, learning_rate=0.1, augmentation=Augmentation())
    with pytest.raises(CheckpointUnusable, match="another augmentation, learning_rate"):
        train(other, training, validation, tmp_path, None, CPU, resume=True)


def test_resuming_on_another_split_is_refused(
    tmp_path: Path, training: FaceSet, validation: FaceSet
) -> None:
    train(SETTINGS, training, validation, tmp_path, None, CPU)
    swapped = training.subset([*range(1, len(training)), 0])
    with pytest.raises(CheckpointUnusable, match="another split"):
        train(SETTINGS, swapped, validation, tmp_path, None, CPU, resume=True)


def test_a_run_may_be_drawn_out_or_cut_short_when_it_is_resumed(
    tmp_path: Path, training: FaceSet, validation: FaceSet
) -> None:
    train(SETTINGS, training, validation, tmp_path, None, CPU)
    longer = replace(SETTINGS, epochs=SETTINGS.epochs + 1)
    history = train(longer, training, validation, tmp_path, None, CPU, resume=True)
    assert [result.epoch for result in history] == list(range(1, SETTINGS.epochs + 2))


def test_a_run_is_never_overwritten(tmp_path: Path, training: FaceSet, validation: FaceSet) -> None:
    train(SETTINGS, training, validation, tmp_path, None, CPU)
    before = (tmp_path / "best" / "checkpoint.json").read_bytes()
    with pytest.raises(CheckpointUnusable, match="holds a run"):
        train(SETTINGS, training, validation, tmp_path, None, CPU)
    assert (tmp_path / "best" / "checkpoint.json").read_bytes() == before


def test_patience_ends_a_run_that_does_not_get_better(
    tmp_path: Path, training: FaceSet, validation: FaceSet
) -> None:
    hopeless = replace(SETTINGS, epochs=30, learning_rate=1e-12, ema=0.0, patience=2)
    history = train(hopeless, training, validation, tmp_path, None, CPU)
    best = min(history, key=lambda result: result.loss)
    assert len(history) == best.epoch + 2 < 30


def test_the_best_epoch_is_what_is_kept(
    tmp_path: Path, training: FaceSet, validation: FaceSet
) -> None:
    settings = replace(SETTINGS, epochs=6)
    history = train(settings, training, validation, tmp_path, None, CPU)
    best = min(history, key=lambda result: result.loss)
    member = member_of_checkpoint(tmp_path / "best")
    logits = predict(member.network, validation.crops, member.side, CPU)
    right = float((logits.label.argmax(1) == validation.labels).float().mean())
    assert right == pytest.approx(best.label_accuracy)
    document = json.loads((tmp_path / "history.json").read_text())
    assert [EpochResult(**entry) for entry in document] == history


def test_a_data_set_without_votes_trains_the_label_head_alone(tmp_path: Path) -> None:
    history = train(
        SETTINGS, face_set(8, votes=False), face_set(2, votes=False), tmp_path, None, CPU
    )
    assert history[-1].crowd_accuracy is None
    assert history[-1].crowd_loss is None
    assert history[-1].loss == history[-1].label_loss


def test_fewer_faces_than_a_batch_are_refused(tmp_path: Path, validation: FaceSet) -> None:
    with pytest.raises(SplitUnusable, match="7 training"):
        train(SETTINGS, face_set(1), validation, tmp_path, None, CPU)


def test_a_loss_that_is_no_number_ends_the_run(
    tmp_path: Path, training: FaceSet, validation: FaceSet
) -> None:
    training.votes[0, 0] = float("nan")
    with pytest.raises(TrainingDiverged):
        train(SETTINGS, training, validation, tmp_path, None, CPU)


def test_faces_without_votes_count_for_the_label_head_only() -> None:
    logits = Logits(torch.tensor([[5.0] + [0.0] * 6] * 2), torch.zeros(2, 7))
    labels = torch.tensor([[1.0] + [0.0] * 6] * 2)
    voted = torch.tensor([[1.0] + [0.0] * 6, [0.0] * 7])
    plain = replace(SETTINGS, label_smoothing=0.0)
    both = both_heads_loss(logits, labels, voted, plain)
    first = both_heads_loss(
        Logits(logits.crowd[:1], logits.label[:1]), labels[:1], voted[:1], plain
    )
    assert float(both) == pytest.approx(float(first))
    nobody = both_heads_loss(logits, labels, torch.zeros(2, 7), plain)
    assert float(nobody) == pytest.approx(torch.tensor(7.0).log().item())


def test_flipped_prediction_is_the_mean_of_a_face_and_its_mirror_image(
    tmp_path: Path, training: FaceSet, validation: FaceSet
) -> None:
    train(SETTINGS, training, validation, tmp_path, None, CPU)
    network = member_of_checkpoint(tmp_path / "best").network
    crops = validation.crops
    both = predict(network, crops, 48, CPU, flip=True)
    mirrored = predict(network, crops.flip(3), 48, CPU)
    plain = predict(network, crops, 48, CPU)
    torch.testing.assert_close(both.crowd, (plain.crowd + mirrored.crowd) / 2)


def test_the_rate_rises_to_its_peak_and_falls_to_zero() -> None:
    factors = [learning_rate_factor(step, 100, 0.1) for step in range(101)]
    assert factors[0] == pytest.approx(0.1)
    assert max(factors) == factors[9] == factors[10] == 1
    assert factors[100] == pytest.approx(0)
    assert all(a >= b for a, b in pairwise(factors[10:]))


def test_the_average_forgets_its_start_quickly() -> None:
    assert ema_decay(0, 0.998) == pytest.approx(0.1)
    assert ema_decay(10_000, 0.998) == 0.998


def test_a_run_starts_from_another_runs_averaged_weights(
    tmp_path: Path, training: FaceSet, validation: FaceSet
) -> None:
    train(SETTINGS, training, validation, tmp_path / "one", None, CPU)
    still = replace(SETTINGS, learning_rate=1e-9, epochs=1)
    train(still, training, validation, tmp_path / "two", None, CPU, start=tmp_path / "one/best")
    one = read_checkpoint(tmp_path / "one/best")
    two = read_checkpoint(tmp_path / "two/best")
    assert one is not None
    assert two is not None
    weights = [name for name in one.tensors if name.endswith("weight")]
    assert weights
    for name in weights:
        torch.testing.assert_close(one.tensors[name], two.tensors[name], rtol=0, atol=1e-5)


def test_nothing_to_start_from_is_refused(
    tmp_path: Path, training: FaceSet, validation: FaceSet
) -> None:
    with pytest.raises(CheckpointUnusable, match="no checkpoint"):
        train(SETTINGS, training, validation, tmp_path / "run", None, CPU, start=tmp_path / "no")


def test_starting_from_a_run_on_another_split_is_refused(
    tmp_path: Path, training: FaceSet, validation: FaceSet
) -> None:
    train(SETTINGS, training, validation, tmp_path / "one", None, CPU)
    other = face_set(8, first=300)
    with pytest.raises(CheckpointUnusable, match="another split"):
        train(SETTINGS, other, validation, tmp_path / "b", None, CPU, start=tmp_path / "one/best")


def test_starting_from_another_architecture_is_refused(
    tmp_path: Path, training: FaceSet, validation: FaceSet
) -> None:
    train(SETTINGS, training, validation, tmp_path / "one", None, CPU)
    vgg = replace(SETTINGS, architecture="vgg19")
    with pytest.raises(CheckpointUnusable, match="vgg19"):
        train(vgg, training, validation, tmp_path / "b", None, CPU, start=tmp_path / "one/best")


def test_starting_from_what_only_resuming_needs_is_refused(
    tmp_path: Path, training: FaceSet, validation: FaceSet
) -> None:
    train(SETTINGS, training, validation, tmp_path / "one", None, CPU)
    with pytest.raises(CheckpointUnusable, match="best/"):
        train(
            SETTINGS, training, validation, tmp_path / "b", None, CPU, start=tmp_path / "one/last"
        )


def test_a_teacher_changes_what_is_learnt_and_is_held_to_on_resuming(
    tmp_path: Path, training: FaceSet, validation: FaceSet
) -> None:
    even = torch.full((len(training), 7), 1 / 7)
    teacher = Teacher(even, even, "1" * 64)
    hard = train(SETTINGS, training, validation, tmp_path / "hard", None, CPU)
    soft = train(SETTINGS, training, validation, tmp_path / "soft", None, CPU, teacher=teacher)
    assert hard[-1].train_loss != soft[-1].train_loss
    with pytest.raises(CheckpointUnusable, match="teacher"):
        train(SETTINGS, training, validation, tmp_path / "soft", None, CPU, resume=True)


@pytest.mark.parametrize(
    "knob",
    [
        {"optimizer": "adamw", "learning_rate": 0.003},
        {"label_disturbance": 0.2},
        {"class_weighting": 0.5},
        {"oversampling": 0.5},
        {"mixup": 0.2},
        {"cutmix": 0.5},
        {"weight_decay": 0.05},
    ],
    ids=lambda knob: next(iter(knob)),
)
def test_every_knob_changes_the_run_and_survives_a_kill(
    tmp_path: Path,
    training: FaceSet,
    validation: FaceSet,
    knob: dict[str, Any],
) -> None:
    twice = [place for place, label in enumerate(training.labels) if label < 2]
    uneven = training.subset([*range(len(training)), *twice])
    settings = replace(SETTINGS, epochs=2, **knob)
    plain = train(replace(SETTINGS, epochs=2), uneven, validation, tmp_path / "plain", None, CPU)
    whole = train(settings, uneven, validation, tmp_path / "whole", None, CPU)
    assert whole[-1].loss != plain[-1].loss

    def kill_after_one(result: EpochResult) -> None:
        raise Killed

    with pytest.raises(Killed):
        train(settings, uneven, validation, tmp_path / "cut", None, CPU, on_epoch=kill_after_one)
    resumed = train(settings, uneven, validation, tmp_path / "cut", None, CPU, resume=True)
    assert without_times(resumed) == without_times(whole)


def test_a_rare_emotion_weighs_more_where_weights_say_so() -> None:
    logits = Logits(torch.zeros(2, 7), torch.tensor([[2.0] + [0.0] * 6] * 2))
    label = torch.eye(7)[[0, 1]]
    plain = replace(SETTINGS, label_smoothing=0.0)
    nobody = torch.zeros(2, 7)
    weights = torch.tensor([1.0, 3.0] + [1.0] * 5)
    heavier = both_heads_loss(logits, label, nobody, plain, weights)
    lighter = both_heads_loss(logits, label, nobody, plain)
    missed = both_heads_loss(
        Logits(logits.crowd[1:], logits.label[1:]), label[1:], nobody[1:], plain
    )
    assert float(heavier) == pytest.approx(float(lighter + missed))


def test_a_compiled_run_takes_its_steps_through_what_was_compiled(
    tmp_path: Path, training: FaceSet, validation: FaceSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = []

    def counting(network: torch.nn.Module) -> torch.nn.Module:
        network.register_forward_hook(lambda *_: steps.append(network.training))
        return network

    monkeypatch.setattr(torch, "compile", counting)
    settings = replace(SETTINGS, epochs=1)
    train(settings, training, validation, tmp_path / "a", None, CPU, compiled=True)
    assert steps.count(True) == len(training) // settings.batch_size
    steps.clear()
    train(settings, training, validation, tmp_path / "b", None, CPU)
    assert not steps
