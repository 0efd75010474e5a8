import math

import numpy as np
import pytest

from fer_model.geometry import Square


def gradient(height: int = 200, width: int = 300) -> np.ndarray:
    down, across = np.mgrid[0:height, 0:width]
    return np.stack([across / 2, down / 2, np.full_like(down, 7)], axis=2).astype(np.uint8)


def test_upright_square_of_its_own_size_is_a_slice() -> None:
    image = np.random.default_rng(0).integers(0, 256, (60, 80, 3), np.uint8)
    assert np.array_equal(Square(40, 30, 20).cut(image, 20), image[20:40, 30:50])


@pytest.mark.parametrize("side", [20, 50, 100, 200])
@pytest.mark.parametrize("angle", [0.0, 0.3, -0.7])
def test_pixel_of_a_cut_out_shows_where_to_image_says_it_comes_from(
    side: int, angle: float
) -> None:
    square = Square(150, 100, 100, angle)
    cut = square.cut(gradient(), side)
    for x, y in ((0.25, 0.25), (0.5, 0.5), (0.75, 0.3)):
        column, row = int(x * side), int(y * side)
        seen_x, seen_y = cut[row, column, :2].astype(float) * 2
        ((from_x, from_y),) = square.to_image(np.array([[column + 0.5, row + 0.5]]), side)
        assert abs(seen_x - from_x) <= 3
        assert abs(seen_y - from_y) <= 3


def test_turned_square_turns_the_image_back() -> None:
    cut = Square(150, 100, 80, math.pi / 2).cut(gradient(), 80)
    # Its upper edge, turned clockwise, runs downwards in the image.
    assert cut[40, 70, 1] > cut[40, 10, 1]
    assert abs(int(cut[40, 70, 0]) - int(cut[40, 10, 0])) <= 1


def test_square_beyond_the_image_repeats_its_border() -> None:
    image = np.zeros((10, 10, 3), np.uint8)
    image[:, 0] = 255
    cut = Square(0, 5, 8).cut(image, 8)
    assert (cut[:, :4] == 255).all()
    assert (cut[:, 6:] == 0).all()


def test_square_wholly_outside_still_has_its_size() -> None:
    assert Square(-500, 900, 40).cut(gradient(), 16).shape == (16, 16, 3)


def test_shrinking_averages_instead_of_picking() -> None:
    stripes = np.zeros((400, 400, 3), np.uint8)
    stripes[:, ::2] = 255
    cut = Square(200, 200, 400).cut(stripes, 40)
    assert np.abs(cut.astype(int) - 127).max() <= 2
