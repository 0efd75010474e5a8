"""`train_cli.learning`."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from fer_model.blend import Calibration, Calibrations, blended
from fer_model.networks import network_input
from fer_model.versions import Member
from tests.versions import SIDE, random_members, random_network
from train_cli.learning import (
    LearningSettings,
    Lesson,
    LowerLayers,
    as_far_as,
    between,
    grey_face,
    halves_of,
    learn,
    log_blend,
    upper_answers,
)

CPU = torch.device("cpu")
SOFT = Calibrations(Calibration((8.0,), (1.0,)), Calibration((8.0,), (1.0,)))
BRIEF = LearningSettings(passes=4, least_steps=0, copies=2, batch_size=8)


def lesson(count: int = 8, seed: int = 0) -> Lesson:
    random = torch.Generator().manual_seed(seed)
    crops = torch.randint(0, 256, (count, 1, 48, 48), generator=random, dtype=torch.uint8)
    target = torch.zeros(count, 7)
    target[:, 4] = 1
    return Lesson(crops, target, target)


def resnet() -> list[Member]:
    return [Member(random_network("resnet50"), SIDE)]


@torch.no_grad()
def answers(members: list[Member], crops: Tensor) -> Tensor:
    logits = [m.network(network_input(crops, m.side)).crowd for m in members]
    return log_blend(logits, SOFT.crowd).exp()


@pytest.mark.parametrize("architecture", ["vgg19", "resnet50"])
def test_two_halves_of_a_network_are_the_whole(architecture: str) -> None:
    network = random_network(architecture)
    faces = network_input(lesson(2).crops, SIDE)
    lower, upper = halves_of(network)
    with torch.no_grad():
        assert torch.equal(upper(lower(faces)).flatten(1), network.features(faces))


def test_log_blend_is_the_blend_that_is_served() -> None:
    random = np.random.default_rng(0)
    exchange = tuple(map(tuple, random.normal(0, 0.2, (7, 7)).tolist()))
    calibration = Calibration((0.7, 1.4), (0.3, 0.7), 1.2, (0.1, 0, -0.2, 0, 0, 0.3, 0), exchange)
    logits = random.normal(0, 3, (2, 5, 7))
    ours = log_blend([torch.tensor(member) for member in logits], calibration).exp()
    assert ours.numpy() == pytest.approx(blended(logits, calibration), abs=1e-6)


@pytest.mark.parametrize("mirrored", [False, True])
def test_cached_faces_are_answered_nearly_as_the_whole_ensemble_answers(mirrored: bool) -> None:
    members = random_members()
    two = Calibrations(Calibration((8.0,) * 2, (0.5,) * 2), Calibration((8.0,) * 2, (0.5,) * 2))
    crops = lesson(5).crops
    views = [LowerLayers(members, CPU).of_faces(crops)]
    wanted = [network_input(crops, SIDE)]
    if mirrored:
        views.append(LowerLayers(members, CPU).of_faces(crops, mirrored=True))
        wanted.append(wanted[0].flip(-1))
    crowd, label = upper_answers(members, two, views, CPU)
    with torch.no_grad():
        seen = [[m.network(faces) for faces in wanted] for m in members]
    for answer, head in ((crowd, "crowd"), (label, "label")):
        logits = [torch.stack([getattr(view, head) for view in one]).mean(0) for one in seen]
        assert answer == pytest.approx(log_blend(logits, two.crowd).exp().numpy(), abs=0.03)


def test_lower_layers_say_the_same_before_and_after_learning() -> None:
    before, crops = resnet(), lesson(3).crops
    after = learn(before, SOFT, lesson(), None, replace(BRIEF, passes=1), CPU)
    (old,), (new,) = (LowerLayers(m, CPU).of_faces(crops) for m in (before, after))
    assert torch.equal(old, new)


def test_all_members_see_the_same_copies_and_every_copy_is_another() -> None:
    members = [resnet()[0], resnet()[0]]
    random = torch.Generator().manual_seed(0)
    one, other = LowerLayers(members, CPU).of_copies(lesson(3).crops, 2, BRIEF.augmentation, random)
    assert torch.equal(one, other)
    assert len(one) == 6
    assert not torch.equal(one[:3], one[3:])


def test_members_learn_the_lesson_and_the_given_ones_stay_as_they_are() -> None:
    before = random_members()
    untouched = [{k: v.clone() for k, v in m.network.state_dict().items()} for m in before]
    two = Calibrations(Calibration((8.0,) * 2, (0.5,) * 2), Calibration((8.0,) * 2, (0.5,) * 2))
    losses: list[float] = []
    after = learn(
        before, two, lesson(), None, BRIEF, CPU, on_step=lambda _a, _b, loss: losses.append(loss)
    )
    assert len(losses) == 8
    assert losses[-1] < losses[0]
    for member, state in zip(before, untouched, strict=True):
        assert all(torch.equal(v, state[k]) for k, v in member.network.state_dict().items())
    for old, new in zip(before, after, strict=True):
        changed = {
            key
            for key, value in new.network.state_dict().items()
            if not torch.equal(value, old.network.state_dict()[key])
        }
        assert changed
        assert not any("running_" in key for key in changed)
        assert not new.network.training


def test_learning_leaves_the_lower_layers_alone() -> None:
    before = resnet()
    (after,) = learn(before, SOFT, lesson(), None, replace(BRIEF, passes=1), CPU)
    for key, value in after.network.state_dict().items():
        if not key.startswith(("backbone.layer4", "crowd_head", "label_head")):
            assert torch.equal(value, before[0].network.state_dict()[key]), key


def test_same_seed_gives_the_same_weights_and_another_seed_others() -> None:
    def learnt(seed: int) -> Tensor:
        settings = replace(BRIEF, passes=1, seed=seed)
        return learn(resnet(), SOFT, lesson(), None, settings, CPU)[0].network.crowd_head.weight

    assert torch.equal(learnt(1), learnt(1))
    assert not torch.equal(learnt(1), learnt(2))


def test_one_face_alone_is_learnt_by_seeing_it_often_enough() -> None:
    one = lesson(1)
    before = resnet()
    steps: list[int] = []
    often = replace(BRIEF, passes=1, least_steps=5)
    after = learn(before, SOFT, one, None, often, CPU, lambda step, *_: steps.append(step))
    assert steps == [1, 2, 3, 4, 5]
    assert answers(after, one.crops)[0, 4] > answers(before, one.crops)[0, 4]


def test_replayed_faces_keep_their_answers_better_than_forgotten_ones() -> None:
    before, others = resnet(), lesson(8, seed=9).crops
    kept = answers(before, others)
    replay = Lesson(others, kept, kept)

    def drift(keep: float) -> float:
        after = learn(before, SOFT, lesson(), replay, replace(BRIEF, keep=keep), CPU)
        return float((answers(after, others) - kept).abs().mean())

    assert drift(3.0) < drift(0.0)


def test_pull_holds_the_weights_near_their_start() -> None:
    def distance(pull: float) -> float:
        before = resnet()
        after = learn(before, SOFT, lesson(), None, replace(BRIEF, pull=pull), CPU)
        old, new = (m[0].network.crowd_head.weight for m in (before, after))
        return float((old - new).detach().norm())

    assert distance(30.0) < distance(0.0)


def test_learning_stops_when_it_is_told_to() -> None:
    class StopError(Exception):
        pass

    def stop(*_progress: object) -> None:
        raise StopError

    with pytest.raises(StopError):
        learn(resnet(), SOFT, lesson(), None, BRIEF, CPU, on_step=stop)


def test_learning_stops_when_it_is_told_to_while_the_lower_layers_see_the_faces() -> None:
    class StopError(Exception):
        pass

    batches: list[int] = []
    steps: list[int] = []

    def go_on() -> None:
        batches.append(1)
        if len(batches) == 2:
            raise StopError

    with pytest.raises(StopError):
        learn(
            resnet(),
            SOFT,
            lesson(100),
            None,
            BRIEF,
            CPU,
            on_step=lambda *_progress: steps.append(1),
            on_batch=go_on,
        )
    assert steps == []


def test_halfway_between_two_versions_are_weights_halfway() -> None:
    start, end = resnet(), [Member(random_network("resnet50", 1), SIDE)]
    (half,) = between(start, end, 0.5)
    one, other, middle = (m.network.state_dict() for m in (start[0], end[0], half))
    key = "crowd_head.weight"
    assert torch.allclose(middle[key], (one[key] + other[key]) / 2)
    (near,) = between(start, end, 0.0)
    assert all(torch.equal(v, one[k]) for k, v in near.network.state_dict().items())


@pytest.mark.parametrize(("most", "share"), [(1.0, 0.75), (0.6, 0.5), (0.13, 0.12), (0.0, 0.12)])
def test_a_retrain_goes_as_far_as_is_bearable(most: float, share: float) -> None:
    start, end = resnet(), resnet()
    with torch.no_grad():
        end[0].network.crowd_head.bias += 1.0

    def bearable(members: Sequence[Member]) -> bool:
        return float(members[0].network.crowd_head.bias.detach()[0]) <= most + 1e-6

    (found,), went = as_far_as(start, end, bearable)
    assert went == share
    assert float(found.network.crowd_head.bias.detach()[0]) == pytest.approx(share)


def test_empty_lesson_is_refused() -> None:
    nothing = Lesson(torch.zeros(0, 1, 48, 48, dtype=torch.uint8), *[torch.zeros(0, 7)] * 2)
    with pytest.raises(ValueError, match="nothing to learn"):
        learn(resnet(), SOFT, nothing, None, BRIEF, CPU)


def test_grey_face_is_what_a_training_face_is() -> None:
    grey = grey_face(np.full((96, 96, 3), 77, np.uint8))
    assert grey.shape == (48, 48)
    assert grey.dtype == np.uint8
    assert (grey == 77).all()
