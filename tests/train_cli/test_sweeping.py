import math
import multiprocessing
import os
import signal
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.train_cli.generated import backbones, face_set
from train_cli import sweeping
from train_cli.augmentation import Augmentation
from train_cli.errors import CheckpointUnusable, RunRefused, SplitUnusable, TrainingDiverged
from train_cli.search_space import Knob
from train_cli.sweeping import (
    Material,
    Outcome,
    SweepSettings,
    TrialResult,
    Watcher,
    best_of,
    first_trials,
    sweep,
)
from train_cli.training import EpochResult, TrainingSettings

BASE = TrainingSettings(
    "resnet50",
    side=32,
    epochs=2,
    batch_size=14,
    learning_rate=0.05,
    ema=0.9,
    precision="fp32",
    augmentation=Augmentation(rotation=3, shift=0.01, erasing=0),
)
KNOBS: tuple[Knob, ...] = ("optimizer", "learning_rate", "label_disturbance")
SETTINGS = SweepSettings(BASE, KNOBS, baselines=2, pruner="none")

pytestmark = [
    pytest.mark.usefixtures("small_networks"),
    pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning"),
]

Losses = Callable[[TrainingSettings, int], float]


class Killed(BaseException):
    """What a kill looks like from inside."""


@pytest.fixture
def material() -> Material:
    return Material(face_set(4), face_set(2, first=100), torch.device("cpu"))


def epoch_of(epoch: int, loss: float) -> EpochResult:
    return EpochResult(epoch, 1.0, loss / 2, loss / 2, 0.5, 0.5, 0.0)


@pytest.fixture
def pretend(monkeypatch: pytest.MonkeyPatch) -> Callable[[Losses], list[TrainingSettings]]:
    """Puts a given loss per settings and epoch in the place of training; returns who trained."""

    def install(losses: Losses) -> list[TrainingSettings]:
        trained = []

        def train(
            settings: TrainingSettings,
            training: Any,
            validation: Any,
            run: Path,
            *_: Any,
            **more: Any,
        ) -> list[EpochResult]:
            trained.append(settings)
            history = []
            for epoch in range(1, settings.epochs + 1):
                loss = losses(settings, epoch)
                if math.isnan(loss):
                    raise TrainingDiverged("the loss is nan at step 1; lower the rate")
                (run / "best").mkdir(exist_ok=True)
                (run / "last").mkdir(exist_ok=True)
                history.append(epoch_of(epoch, loss))
                more["on_epoch"](history[-1])
            return history

        monkeypatch.setattr(sweeping, "train", train)
        return trained

    return install


def states(trials: Sequence[TrialResult]) -> list[str]:
    return [trial.state for trial in trials]


def test_the_first_trials_are_the_default_recipe_with_seeds_of_their_own(
    tmp_path: Path, material: Material
) -> None:
    outcome = sweep(SETTINGS, material, tmp_path, 3)
    assert states(outcome.trials) == ["complete"] * 3
    first, second, third = outcome.trials
    default = {knob: getattr(BASE, knob) for knob in KNOBS}
    assert first.knobs == second.knobs == default != third.knobs
    assert (first.kind, second.kind, third.kind) == ("default", "default", "sampled")
    assert (first.seed, second.seed, third.seed) == (0, 1, 0)
    assert first.loss != second.loss
    for trial in outcome.trials:
        assert len(trial.losses) == BASE.epochs
        assert trial.loss == min(trial.losses)


def test_only_the_best_trials_weights_are_kept_and_every_history(
    tmp_path: Path, material: Material
) -> None:
    outcome = sweep(SETTINGS, material, tmp_path, 3)
    best = best_of(outcome.trials)
    assert best is not None
    for trial in outcome.trials:
        kept = {path.name for path in trial.folder.iterdir()}
        assert kept - {"best"} == {"history.json", "settings.json", "lock"}
        assert ("best" in kept) == (trial is best)


def test_ideas_come_alone_before_anything_is_sampled(
    tmp_path: Path, material: Material, pretend: Callable[[Losses], list[TrainingSettings]]
) -> None:
    trained = pretend(lambda settings, epoch: 1.0)
    outcome = sweep(replace(SETTINGS, one_by_one=True), material, tmp_path, 8)
    kinds = [trial.kind for trial in outcome.trials]
    assert kinds == ["default"] * 2 + ["alone"] * 3 + ["sampled"] * 3
    assert [settings.optimizer for settings in trained[:4]] == ["sgd", "sgd", "adamw", "sgd"]
    assert trained[3] == replace(BASE, learning_rate=0.005)
    assert trained[4] == replace(BASE, label_disturbance=0.1)


def test_a_trial_tells_what_another_optimizer_brought_with_it(
    tmp_path: Path, material: Material, pretend: Callable[[Losses], list[TrainingSettings]]
) -> None:
    trained = pretend(lambda settings, epoch: 1.0)
    settings = SweepSettings(BASE, ("optimizer",), baselines=1, one_by_one=True)
    told = sweep(settings, material, tmp_path, 2).trials[1].knobs
    assert told["optimizer"] == "adamw"
    assert told["learning_rate"] == trained[1].learning_rate < BASE.learning_rate
    assert told["weight_decay"] == trained[1].weight_decay


def test_a_trial_worse_than_the_others_is_ended_early(
    tmp_path: Path, material: Material, pretend: Callable[[Losses], list[TrainingSettings]]
) -> None:
    pretend(lambda settings, epoch: 1.0 if settings.label_disturbance == 0 else 2.0 + epoch)
    settings = SweepSettings(
        replace(BASE, epochs=4), ("label_disturbance",), baselines=2, pruner="median"
    )
    outcome = sweep(settings, material, tmp_path, 6)
    assert states(outcome.trials[:2]) == ["complete", "complete"]
    worse = [trial for trial in outcome.trials if trial.knobs["label_disturbance"]]
    assert worse
    for trial in worse:
        assert (trial.state, len(trial.losses)) == ("pruned", 1)
        assert "after epoch 1" in trial.reason
        assert trial.loss == 3.0


def test_neither_the_default_recipe_nor_an_idea_is_ended_early(
    tmp_path: Path, material: Material, pretend: Callable[[Losses], list[TrainingSettings]]
) -> None:
    pretend(lambda settings, epoch: 1.0 + settings.seed + 9 * settings.label_disturbance)
    settings = SweepSettings(
        replace(BASE, epochs=4), ("label_disturbance",), baselines=3, one_by_one=True
    )
    outcome = sweep(settings, material, tmp_path, 4)
    assert states(outcome.trials) == ["complete"] * 4


@pytest.mark.parametrize("pruner", ["hyperband", "none"])
def test_other_pruners_may_be_chosen(
    tmp_path: Path,
    material: Material,
    pretend: Callable[[Losses], list[TrainingSettings]],
    pruner: sweeping.Pruner,
) -> None:
    pretend(lambda settings, epoch: settings.label_disturbance)
    outcome = sweep(replace(SETTINGS, pruner=pruner), material, tmp_path, 5)
    assert set(states(outcome.trials)) <= {"complete", "pruned"}


def test_a_trial_that_diverges_fails_with_its_reason_and_the_sweep_goes_on(
    tmp_path: Path, material: Material, pretend: Callable[[Losses], list[TrainingSettings]]
) -> None:
    pretend(lambda settings, epoch: math.nan if settings.optimizer == "adamw" else 1.0)
    outcome = sweep(replace(SETTINGS, one_by_one=True), material, tmp_path, 6)
    failed = outcome.trials[2]
    assert failed.state == "failed"
    assert failed.reason == "diverged: the loss is nan at step 1; lower the rate"
    assert failed.loss is None
    assert outcome.trials[3].state == "complete"


def test_a_validation_loss_that_is_no_number_counts_as_diverged(
    tmp_path: Path, material: Material, pretend: Callable[[Losses], list[TrainingSettings]]
) -> None:
    pretend(lambda settings, epoch: math.inf if epoch == 2 else 1.0)
    outcome = sweep(SETTINGS, material, tmp_path, 1)
    assert outcome.trials[0].reason == "diverged: the validation loss is inf"
    assert outcome.trials[0].losses == (1.0,)
    assert best_of(outcome.trials) is None


def test_running_out_of_memory_ends_the_trial_alone(
    tmp_path: Path, material: Material, pretend: Callable[[Losses], list[TrainingSettings]]
) -> None:
    def losses(settings: TrainingSettings, epoch: int) -> float:
        if settings.seed == 1:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return 1.0

    pretend(losses)
    outcome = sweep(SETTINGS, material, tmp_path, 3)
    assert states(outcome.trials) == ["complete", "failed", "complete"]
    assert outcome.trials[1].reason == "out of memory"


def test_a_killed_trial_is_taken_up_where_it_was(tmp_path: Path, material: Material) -> None:
    whole = sweep(SETTINGS, material, tmp_path / "whole", 2)
    seen = []

    def kill_after_one(result: EpochResult) -> None:
        seen.append(result)
        raise Killed

    with pytest.raises(Killed):
        sweep(SETTINGS, material, tmp_path / "cut", 2, watcher=Watcher(on_epoch=kill_after_one))
    epochs: list[int] = []
    watcher = Watcher(on_epoch=lambda result: epochs.append(result.epoch))
    outcome = sweep(SETTINGS, material, tmp_path / "cut", 2, resume=True, watcher=watcher)
    killed, *others = outcome.trials
    assert killed.state == "killed"
    assert "tried again" in killed.reason
    again = next(trial for trial in others if trial.folder == killed.folder)
    assert (again.knobs, again.seed, again.kind) == (killed.knobs, killed.seed, "default")
    assert again.losses == whole.trials[0].losses
    assert sorted(epochs) == [1, 2, 2]
    assert states(others) == ["complete"] * 2


def test_a_study_is_drawn_out_by_more_trials(tmp_path: Path, material: Material) -> None:
    first = sweep(SETTINGS, material, tmp_path, 2)
    more = sweep(SETTINGS, material, tmp_path, 3, resume=True)
    assert more.trials[:2] == first.trials
    assert len(more.trials) == 3
    assert sweep(SETTINGS, material, tmp_path, 3, resume=True) == more


def test_sampling_goes_on_after_a_resume_and_repeats_nothing(
    tmp_path: Path, material: Material, pretend: Callable[[Losses], list[TrainingSettings]]
) -> None:
    pretend(lambda settings, epoch: settings.learning_rate)
    unbroken = sweep(SETTINGS, material, tmp_path / "one", 7)
    for trials in (3, 5, 7):
        broken = sweep(SETTINGS, material, tmp_path / "two", trials, resume=trials > 3)
    assert [t.knobs for t in broken.trials] == [t.knobs for t in unbroken.trials]
    rates = [trial.knobs["learning_rate"] for trial in broken.trials[2:]]
    assert len(set(rates)) == len(rates)


def test_a_dry_run_tells_the_very_trials_that_come(
    tmp_path: Path, material: Material, pretend: Callable[[Losses], list[TrainingSettings]]
) -> None:
    trained = pretend(lambda settings, epoch: 1.0)
    sweep(SETTINGS, material, tmp_path, 6)
    assert [settings for _, settings in first_trials(SETTINGS, 6)] == trained
    assert len(first_trials(SETTINGS, 50)) == 10


def test_a_folder_with_a_sweep_is_not_overwritten(tmp_path: Path, material: Material) -> None:
    sweep(SETTINGS, material, tmp_path, 1)
    with pytest.raises(RunRefused, match="--resume"):
        sweep(SETTINGS, material, tmp_path, 1)


def test_there_must_be_something_to_resume(tmp_path: Path, material: Material) -> None:
    with pytest.raises(RunRefused, match="nothing to resume"):
        sweep(SETTINGS, material, tmp_path / "no", 1, resume=True)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"base": replace(BASE, epochs=3)}, "epochs"),
        ({"knobs": ("mixup",)}, "knobs"),
        ({"pruner": "hyperband"}, "pruner"),
    ],
)
def test_resuming_another_sweep_is_refused_by_name(
    tmp_path: Path, material: Material, change: dict[str, Any], named: str
) -> None:
    sweep(SETTINGS, material, tmp_path, 1)
    with pytest.raises(RunRefused, match=named):
        sweep(replace(SETTINGS, **change), material, tmp_path, 2, resume=True)


def test_resuming_on_other_faces_is_refused(tmp_path: Path, material: Material) -> None:
    sweep(SETTINGS, material, tmp_path, 1)
    other = replace(material, validation=face_set(2, first=500))
    with pytest.raises(RunRefused, match="split"):
        sweep(SETTINGS, other, tmp_path, 2, resume=True)


def test_fewer_faces_than_the_largest_batch_are_refused_before_anything_is_trained(
    tmp_path: Path, material: Material
) -> None:
    settings = replace(SETTINGS, knobs=("batch_size",))
    with pytest.raises(SplitUnusable, match="batches of 256"):
        sweep(settings, material, tmp_path / "out", 1)
    assert not (tmp_path / "out").exists()


def test_weights_that_cannot_be_started_from_end_the_sweep(
    tmp_path: Path, material: Material
) -> None:
    weights = tmp_path / "weights.safetensors"
    weights.write_bytes(b"nothing")
    with pytest.raises(CheckpointUnusable, match="no ImageNet weights"):
        sweep(SETTINGS, replace(material, backbone=weights), tmp_path / "out", 1)


def test_importances_need_ten_sampled_trials_and_find_the_knob_that_matters(
    tmp_path: Path, material: Material, pretend: Callable[[Losses], list[TrainingSettings]]
) -> None:
    pretend(lambda settings, epoch: 1 + settings.label_disturbance)
    settings = SweepSettings(BASE, ("label_disturbance", "mixup"), baselines=1, pruner="none")
    assert sweep(settings, material, tmp_path, 10).importances == {}
    found = sweep(settings, material, tmp_path, 20, resume=True).importances
    assert sum(found.values()) == pytest.approx(1)
    assert found["label_disturbance"] > found["mixup"]


def _join(folder: Path, trials: int) -> None:
    from fer_model import networks

    torch.set_num_threads(1)
    networks._BACKBONES.update(dict(backbones()))
    material = Material(face_set(4), face_set(2, first=100), torch.device("cpu"))
    sweep(SETTINGS, material, folder, trials, resume=True)


@pytest.mark.slow
def test_two_processes_share_a_study_and_train_each_trial_once(
    tmp_path: Path, material: Material
) -> None:
    sweep(SETTINGS, material, tmp_path, 1)
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=_join, args=(tmp_path, 6)) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0, 0]
    outcome: Outcome = sweep(SETTINGS, material, tmp_path, 6, resume=True)
    assert states(outcome.trials) == ["complete"] * 6
    assert len({trial.folder for trial in outcome.trials}) == 6


def _be_killed(folder: Path) -> None:
    from fer_model import networks

    torch.set_num_threads(1)
    networks._BACKBONES.update(dict(backbones()))
    material = Material(face_set(4), face_set(2, first=100), torch.device("cpu"))
    watcher = Watcher(on_epoch=lambda result: os.kill(os.getpid(), signal.SIGKILL))
    sweep(SETTINGS, material, folder, 2, resume=True, watcher=watcher)


@pytest.mark.slow
def test_a_trial_is_known_to_be_dead_when_its_process_is(
    tmp_path: Path, material: Material
) -> None:
    sweep(SETTINGS, material, tmp_path, 1)
    worker = multiprocessing.get_context("spawn").Process(target=_be_killed, args=(tmp_path,))
    worker.start()
    worker.join()
    assert worker.exitcode == -signal.SIGKILL
    outcome = sweep(SETTINGS, material, tmp_path, 2, resume=True)
    assert states(outcome.trials) == ["complete", "killed", "complete"]
    assert outcome.trials[2].losses[0] == outcome.trials[1].losses[0]
