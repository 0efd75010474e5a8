import numpy as np
import pytest
from numpy.typing import NDArray

from fer_model.light import BRIGHTEST_LEVEL, DARKEST_LEVEL, USUAL_MEAN, relit

Image = NDArray[np.uint8]


def dimmed(image: Image, light: float) -> Image:
    return np.asarray(np.round(image * light), np.uint8)


def test_image_in_usual_light_is_returned_as_it_is(astronaut: Image) -> None:
    assert relit(astronaut, 92, 47) is astronaut


@pytest.mark.parametrize("light", [0.25, 0.12, 0.06])
def test_image_in_a_fraction_of_the_light_gets_its_picture_back(
    astronaut: Image, light: float
) -> None:
    grey = np.asarray(astronaut.mean(2), np.uint8)
    back = relit(dimmed(grey, light), 92, 47)
    low, high = np.percentile(back, [1, 99])
    assert high - low == pytest.approx(BRIGHTEST_LEVEL - DARKEST_LEVEL, abs=25)
    assert np.corrcoef(back.ravel(), grey.ravel())[0, 1] > 0.98


def test_faded_image_gets_its_contrast_back() -> None:
    ramp = np.tile(np.arange(100, 120, dtype=np.uint8), (20, 1))
    back = relit(ramp, 92, 47)
    assert back.min() == pytest.approx(DARKEST_LEVEL, abs=2)
    assert back.max() == pytest.approx(BRIGHTEST_LEVEL, abs=2)
    assert (np.diff(back[0].astype(int)) > 0).all()


def test_dark_image_with_highlights_is_lifted_and_keeps_them() -> None:
    levels = np.linspace(0, 1, 101)[None] ** 4 * 255
    image = np.repeat(np.round(levels), 10, axis=0).astype(np.uint8)
    image = np.concatenate([image, image // 4], axis=0)
    lifted = relit(image, 92, 47)
    assert image.mean() < 47
    assert lifted.mean() == pytest.approx(USUAL_MEAN, abs=3)
    assert lifted.max() == 255


def test_all_channels_take_one_curve_so_that_colours_keep_their_order(astronaut: Image) -> None:
    dark = dimmed(astronaut, 0.1)
    back = relit(dark, 92, 47)
    assert back.shape == astronaut.shape
    red, blue = (dark[..., c].astype(int) for c in (0, 2))
    assert (back[..., 0][red > blue] >= back[..., 2][red > blue]).all()


@pytest.mark.parametrize("level", [0, 3, 128, 255])
def test_image_of_one_level_has_nothing_to_stretch(level: int) -> None:
    flat = np.full((10, 10, 3), level, np.uint8)
    assert relit(flat, 92, 47) is flat


def test_almost_flat_image_is_stretched_no_further_than_its_rounding() -> None:
    image = np.full((50, 50), 10, np.uint8)
    image[:, 25:] = 12
    back = relit(image, 92, 0)
    assert int(back.max()) - int(back.min()) == 2 * 26
