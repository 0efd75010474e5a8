from typing import get_args

import optuna
import pytest

from train_cli.commands.train import DEFAULT_RATE, DEFAULT_SIDE
from train_cli.search_space import (
    BY_HAND,
    KNOBS,
    SPACE,
    Choice,
    alone,
    differing,
    domain,
    in_words,
    knob_of,
    parameter,
    point,
    suggested,
    turned,
)
from train_cli.training import Optimizer, TrainingSettings

BASE = TrainingSettings("resnet50", side=48, learning_rate=DEFAULT_RATE["resnet50"])


def test_what_the_source_project_turned_by_hand_is_swept_by_default() -> None:
    assert set(BY_HAND) == {
        "optimizer",
        "learning_rate",
        "batch_size",
        "class_weighting",
        "oversampling",
        "weight_decay",
        "label_disturbance",
    }
    assert set(SPACE) == set(KNOBS)


@pytest.mark.parametrize("architecture", ["vgg19", "resnet50"])
def test_the_default_recipe_and_every_idea_lie_in_the_space(architecture: str) -> None:
    base = TrainingSettings(
        architecture,
        side=DEFAULT_SIDE[architecture],
        learning_rate=DEFAULT_RATE[architecture],
    )
    for settings in (base, *alone(base, KNOBS)):
        replayed = optuna.trial.FixedTrial(point(settings, KNOBS))
        assert suggested(replayed, KNOBS, base) == settings
        for knob in KNOBS:
            space = domain(knob, settings.optimizer)
            value = getattr(settings, knob)
            if isinstance(space, Choice):
                assert value in space.values
            else:
                assert space.low <= value <= space.high
                if space.step:
                    steps = (value - space.low) / space.step
                    assert steps == pytest.approx(round(steps))


def test_each_optimizer_has_rates_and_decays_of_its_own() -> None:
    sgd, adamw = domain("learning_rate", "sgd"), domain("learning_rate", "adamw")
    assert not isinstance(sgd, Choice)
    assert not isinstance(adamw, Choice)
    assert adamw.high < DEFAULT_RATE["vgg19"] < sgd.high
    assert parameter("learning_rate", "sgd") != parameter("learning_rate", "adamw")
    assert parameter("weight_decay", "sgd") != parameter("weight_decay", "adamw")
    assert parameter("mixup", "sgd") == parameter("mixup", "adamw") == "mixup"


def test_a_trial_has_the_ranges_of_the_optimizer_that_it_drew() -> None:
    sampler = optuna.samplers.RandomSampler(seed=0)
    study = optuna.create_study(sampler=sampler)
    seen = set()
    for _ in range(20):
        trial = study.ask()
        settings = suggested(trial, ("learning_rate", "optimizer"), BASE)
        seen.add(settings.optimizer)
        space = domain("learning_rate", settings.optimizer)
        assert not isinstance(space, Choice)
        assert space.low <= settings.learning_rate <= space.high
        assert set(trial.params) == {"optimizer", f"{settings.optimizer}.learning_rate"}
    assert seen == set(get_args(Optimizer))


def test_another_optimizer_brings_its_own_rate_even_where_the_rate_is_not_turned() -> None:
    trial = optuna.trial.FixedTrial({"optimizer": "adamw"})
    settings = suggested(trial, ("optimizer",), BASE)
    assert settings.learning_rate < 0.001 < BASE.learning_rate
    assert turned(BASE, "optimizer", "sgd") == BASE


def test_ideas_come_one_at_a_time() -> None:
    ideas = alone(BASE, KNOBS)
    assert len(ideas) == len(set(ideas)) >= len(KNOBS)
    for idea in ideas:
        changed = set(differing(idea, BASE))
        adamw = {"optimizer", "learning_rate", "weight_decay"}
        assert changed == adamw if idea.optimizer == "adamw" else len(changed) == 1


def test_what_the_recipe_does_already_is_no_idea() -> None:
    bare = TrainingSettings("resnet50", side=48, dropout=0.0, label_smoothing=0.0)
    assert alone(bare, ("dropout", "label_smoothing")) == []


def test_every_parameter_is_known_by_its_knob() -> None:
    for knob in KNOBS:
        for optimizer in get_args(Optimizer):
            assert knob_of(parameter(knob, optimizer)) == knob


def test_a_domain_is_told_in_words() -> None:
    assert in_words(domain("learning_rate", "adamw")) == "3e-05 to 0.003 (log)"
    assert in_words(domain("mixup", "sgd")) == "0 to 0.8, steps of 0.1"
    assert in_words(domain("optimizer", "sgd")) == "sgd, adamw"
