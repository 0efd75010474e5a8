import io
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from tests.train_cli.generated import face_set
from train_cli.augmentation import COARSE_SIDES, Augmentation, _jpeg, augmented

STILL = Augmentation(
    *(0, 0, 0, 0, 0, 0, 0),  # from rotation to flip
    photographed=1,
)

PHOTOGRAPHIC = ("blur", "coarse", "gamma", "glare", "dimming", "fading", "noise", "jpeg")


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
        replace(STILL, blur=2.0),
        replace(STILL, gamma=1.5),
        replace(STILL, glare=1.5),
        replace(STILL, dimming=3.0),
        replace(STILL, fading=3.0),
        replace(STILL, noise=20.0),
    ],
    ids=[
        *("rotation", "scale", "shift", "brightness", "contrast"),
        *("blur", "gamma", "glare", "dimming", "fading", "noise"),
    ],
)
def test_no_draw_is_shared_across_the_batch(copies: Tensor, strength: Augmentation) -> None:
    faces = varied(strength, copies).flatten(1)
    assert len(faces.unique(dim=0)) > 0.9 * len(copies)  # a blur may be too weak to show


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


def test_what_is_off_draws_nothing(crops: Tensor) -> None:
    before, after = (torch.Generator().manual_seed(5) for _ in range(2))
    augmented(crops, 48, Augmentation(), before)
    augmented(crops, 48, replace(Augmentation(), jpeg=1), after)
    assert not before.get_state().equal(after.get_state())
    again = torch.Generator().manual_seed(5)
    augmented(crops, 48, Augmentation(), again)
    # Seven numbers per face and five for its erased rectangle, as ever.
    by_hand = torch.Generator().manual_seed(5)
    for _ in range(12):
        torch.rand(len(crops), generator=by_hand)
    assert again.get_state().equal(by_hand.get_state())


@pytest.mark.parametrize("name", PHOTOGRAPHIC)
@pytest.mark.parametrize("side", [48, 60])
def test_every_photographic_step_keeps_shape_and_range(name: str, side: int, crops: Tensor) -> None:
    strength = replace(STILL, **{name: {"coarse": 1, "jpeg": 1, "noise": 60}.get(name, 3.0)})
    faces = varied(strength, crops, side=side)
    assert faces.shape == (len(crops), 1, side, side)
    assert 0 <= float(faces.min()) < float(faces.max()) <= 1
    assert not torch.isclose(faces, varied(STILL, crops, side=side), atol=1e-3).all()


def test_blur_keeps_the_mean_and_takes_detail(copies: Tensor) -> None:
    sharp, soft = varied(STILL, copies), varied(replace(STILL, blur=2.0), copies)
    torch.testing.assert_close(soft.mean((1, 2, 3)), sharp.mean((1, 2, 3)), atol=0.02, rtol=0)
    assert float(soft.diff(dim=-1).abs().mean()) < 0.8 * float(sharp.diff(dim=-1).abs().mean())


def test_low_resolution_leaves_no_finer_detail_than_its_sides() -> None:
    checks = (torch.arange(48)[:, None] + torch.arange(48)) % 2 * 255
    faces = varied(replace(STILL, coarse=1), checks.to(torch.uint8).expand(32, 1, -1, -1))
    assert float(faces.std((1, 2, 3)).max()) < 0.25  # 0.5 before
    some = varied(replace(STILL, coarse=0.5), checks.to(torch.uint8).expand(64, 1, -1, -1))
    assert 16 < int((some.std((1, 2, 3)) > 0.4).sum()) < 48
    assert max(COARSE_SIDES) < 48


def test_gamma_goes_both_ways_and_keeps_black_and_white(copies: Tensor) -> None:
    still, faces = varied(STILL, copies), varied(replace(STILL, gamma=1.0), copies)
    brighter = (faces - still).mean((1, 2, 3)) > 0
    assert 16 < int(brighter.sum()) < 48
    ends = torch.tensor([0, 255], dtype=torch.uint8).repeat_interleave(24).repeat(48, 1)
    kept = varied(replace(STILL, gamma=1.0), ends.expand(8, 1, -1, -1))
    assert set(kept.unique().tolist()) == {0.0, 1.0}


def test_dimming_only_darkens_down_to_its_power_of_two(copies: Tensor) -> None:
    share = varied(replace(STILL, dimming=3), copies).mean((1, 2, 3)) / (
        varied(STILL, copies).mean((1, 2, 3))
    )
    assert 1 / 8 <= float(share.min()) < 0.3
    assert 0.7 < float(share.max()) <= 1


def test_fading_takes_contrast_and_keeps_the_mean(copies: Tensor) -> None:
    still, faded = varied(STILL, copies), varied(replace(STILL, fading=3), copies)
    torch.testing.assert_close(faded.mean((1, 2, 3)), still.mean((1, 2, 3)), atol=1e-3, rtol=0)
    share = faded.std((1, 2, 3)) / still.std((1, 2, 3))
    assert 1 / 8 <= float(share.min()) < 0.3


def test_noise_grows_with_the_light() -> None:
    halves = torch.tensor([30, 200], dtype=torch.uint8).repeat_interleave(24).repeat(48, 1)
    faces = varied(replace(STILL, noise=20), halves.expand(64, 1, -1, -1))
    dark, bright = faces[..., 2:22].std(), faces[..., 26:46].std()
    assert float(bright) > 1.3 * float(dark) > 0


@pytest.mark.parametrize("quality", [10, 30, 70])
def test_compression_is_that_of_a_jpeg_file(quality: int, crops: Tensor) -> None:
    ours = _jpeg(crops.float() / 255, torch.full((len(crops),), float(quality))) * 255
    for face, mine in zip(crops[:5, 0].numpy(), ours[:5, 0].numpy(), strict=True):
        file = io.BytesIO()
        Image.fromarray(face).save(file, "JPEG", quality=quality)
        with Image.open(file) as read:
            theirs = np.asarray(read, np.float64)
        # Coefficients halfway between two steps may go either way.
        assert np.abs(theirs - mine).mean() < 0.25 * np.abs(theirs - face).mean()


def test_glare_burns_out_what_exceeds_white(copies: Tensor) -> None:
    still, bright = varied(STILL, copies), varied(replace(STILL, glare=2), copies)
    assert (bright >= still - 1e-6).all()
    assert float((bright == 1).float().mean()) > float((still == 1).float().mean()) + 0.05


@pytest.mark.parametrize("name", PHOTOGRAPHIC)
def test_only_the_named_share_of_faces_is_photographed(name: str, copies: Tensor) -> None:
    strength = replace(STILL, photographed=0.25, **{name: 1 if name in ("coarse", "jpeg") else 2})
    strength = replace(strength, noise=30) if name == "noise" else strength
    changed = (varied(strength, copies) != varied(STILL, copies)).flatten(1).any(1)
    assert 5 < int(changed.sum()) < 30
    assert not torch.equal(changed, changed[:1].expand(len(changed)))
