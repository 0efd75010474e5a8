from collections import Counter

import pytest
import torch

from fer_model.emotions import EMOTION_COUNT
from train_cli.batches import class_weights, disturbed, epoch_order, mixed

RARE = torch.tensor([0] * 990 + [1] * 10)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def one_hot(*places: int) -> torch.Tensor:
    return torch.nn.functional.one_hot(torch.tensor(places), EMOTION_COUNT).float()


def test_every_face_comes_once_in_an_epoch() -> None:
    order = epoch_order(RARE, 0.0, seeded())
    assert sorted(order.tolist()) == list(range(len(RARE)))
    assert order.tolist() != sorted(order.tolist())


@pytest.mark.parametrize(("exponent", "expected"), [(1.0, 500), (0.5, 91)])
def test_oversampling_draws_rare_emotions_more_often(exponent: float, expected: int) -> None:
    drawn = Counter(RARE[epoch_order(RARE, exponent, seeded())].tolist())
    assert sum(drawn.values()) == len(RARE)
    assert drawn[1] == pytest.approx(expected, abs=45)


def test_class_weights_are_even_without_an_exponent() -> None:
    torch.testing.assert_close(class_weights(RARE, 0.0), torch.ones(EMOTION_COUNT))


def test_class_weights_rise_as_frequency_falls_and_average_to_one_over_the_faces() -> None:
    weights = class_weights(RARE, 0.5)
    assert float(weights[1] / weights[0]) == pytest.approx(99**0.5, rel=1e-4)
    assert float(weights[RARE].mean()) == pytest.approx(1)
    assert bool(weights.isfinite().all())  # though most emotions have no face here


def test_so_many_labels_are_disturbed_and_all_emotions_are_drawn() -> None:
    label = one_hot(*[3] * 4000)
    changed = disturbed(label, 0.3, seeded())
    away = Counter(changed.argmax(1).tolist())
    # An even draw hits the label itself once in seven.
    assert 1 - away[3] / 4000 == pytest.approx(0.3 * 6 / 7, abs=0.03)
    assert len(away) == EMOTION_COUNT
    assert disturbed(label, 0.0, seeded()) is label


@pytest.mark.parametrize(("mixup", "cutmix"), [(0.4, 0.0), (0.0, 1.0)])
def test_targets_are_blended_as_the_faces_are(mixup: float, cutmix: float) -> None:
    bright = torch.tensor([0.0, 1.0]).view(2, 1, 1, 1).expand(2, 1, 32, 32)
    for seed in range(20):
        faces, label, crowd = mixed(
            bright, one_hot(0, 1), one_hot(0, 1), mixup, cutmix, seeded(seed)
        )
        torch.testing.assert_close(faces.mean((1, 2, 3)), label[:, 1], rtol=0, atol=1e-5)
        torch.testing.assert_close(label, crowd)
        torch.testing.assert_close(label.sum(1), torch.ones(2))


def test_cutmix_pastes_and_mixup_blends() -> None:
    bright = torch.tensor([0.0, 1.0]).view(2, 1, 1, 1).expand(2, 1, 32, 32)
    targets = one_hot(0, 1)
    pasted, blended = set(), set()
    for seed in range(10):
        pasted |= set(mixed(bright, targets, targets, 0.0, 1.0, seeded(seed))[0].unique().tolist())
        blended |= set(mixed(bright, targets, targets, 1.0, 0.0, seeded(seed))[0].unique().tolist())
    assert pasted == {0.0, 1.0}, pasted
    assert min(blended) >= 0
    assert len(blended - pasted) > 5


def test_with_both_every_step_takes_one_of_them() -> None:
    bright = torch.tensor([0.0, 1.0]).view(2, 1, 1, 1).expand(2, 1, 32, 32)
    targets = one_hot(0, 1)
    pasted = 0
    for seed in range(40):
        faces, *_ = mixed(bright, targets, targets, 8.0, 8.0, seeded(seed))
        pasted += {round(x, 3) for x in faces.flatten().tolist()} <= {0.0, 1.0}
    assert 8 < pasted < 40


def test_without_either_nothing_is_touched_or_drawn() -> None:
    faces, random = torch.rand(2, 1, 8, 8), seeded()
    state = random.get_state()
    assert mixed(faces, one_hot(0, 1), one_hot(0, 1), 0.0, 0.0, random)[0] is faces
    assert torch.equal(random.get_state(), state)


def test_a_face_without_votes_weighs_as_much_as_is_left_of_its_partner() -> None:
    crowd = torch.stack((one_hot(2)[0], torch.zeros(EMOTION_COUNT)))
    for seed in range(10):
        _, label, blended = mixed(
            torch.rand(2, 1, 8, 8), one_hot(2, 2), crowd, 1.0, 0.0, seeded(seed)
        )
        torch.testing.assert_close(label, one_hot(2, 2))
        assert 0 <= float(blended.sum()) <= 1.0001
