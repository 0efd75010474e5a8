from dataclasses import replace

import pytest
import torch
from torch import Tensor

from tests.train_cli.generated import face_set
from train_cli.augmentation import Augmentation, augmented

STILL = Augmentation(rotation=0, scale=0, shift=0, brightness=0, contrast=0, erasing=0, flip=0)


def varied(strength: Augmentation, crops: Tensor, seed: int = 0, side: int = 48) -> Tensor:
    return augmented(crops, side, strength, torch.Generator().manual_seed(seed))


@pytest.fixture(scope="module")
def crops() -> Tensor:
    return face_set(3).crops


@pytest.fixture(scope="module")
def copies() -> Tensor:
    """One face, 64 times over."""
    return face_set(1).crops[3:4].expand(64, -1, -1, -1)


@pytest.mark.parametrize("side", [32, 48, 64])
def test_faces_come_out_at_the_asked_side_between_zero_and_one(crops: Tensor, side: int) -> None:
    faces = varied(Augmentation(), crops, side=side)
    assert faces.shape == (len(crops), 1, side, side)
    assert faces.dtype == torch.float32
    assert 0 <= float(faces.min()) < float(faces.max()) <= 1


def test_without_any_strength_a_face_is_unchanged(crops: Tensor) -> None:
    torch.testing.assert_close(varied(STILL, crops), crops.float() / 255, atol=1e-5, rtol=0)


def test_a_certain_flip_mirrors_every_face(crops: Tensor) -> None:
    mirrored = varied(replace(STILL, flip=1), crops)
    torch.testing.assert_close(mirrored, crops.float().flip(3) / 255, atol=1e-5, rtol=0)


def test_the_same_seed_gives_the_same_faces(crops: Tensor) -> None:
    assert varied(Augmentation(), crops, seed=3).equal(varied(Augmentation(), crops, seed=3))
    assert not varied(Augmentation(), crops, seed=3).equal(varied(Augmentation(), crops, seed=4))


@pytest.mark.parametrize(
    "strength",
    [
        replace(STILL, rotation=20.0),
        replace(STILL, scale=0.2),
        replace(STILL, shift=0.1),
        replace(STILL, brightness=0.2),
        replace(STILL, contrast=0.3),
    ],
    ids=["rotation", "scale", "shift", "brightness", "contrast"],
)
def test_no_draw_is_shared_across_the_batch(copies: Tensor, strength: Augmentation) -> None:
    faces = varied(strength, copies).flatten(1)
    assert len(faces.unique(dim=0)) == len(copies)


def test_a_flip_chance_of_a_half_mirrors_some_faces_of_a_batch(copies: Tensor) -> None:
    faces = varied(replace(STILL, flip=0.5), copies)
    same = torch.isclose(faces, copies.float() / 255, atol=1e-4).all(dim=(1, 2, 3))
    assert 16 < int(same.sum()) < 48


def test_erasing_blanks_one_rectangle_of_the_chosen_faces(copies: Tensor) -> None:
    faces = varied(replace(STILL, erasing=1), copies)
    changed = ~torch.isclose(faces, copies.float() / 255, atol=1e-4)
    area = changed.float().mean((1, 2, 3))
    assert float(area.min()) > 0.01
    assert float(area.max()) < 0.2
    assert varied(replace(STILL, erasing=0.5), copies).flatten(1).unique(dim=0).shape[0] > 2
