"""A face as training has them, cut from a photograph."""

import cv2
import numpy as np
import pytest
import skimage.data
from numpy.typing import NDArray

from fer_model.geometry import Square

Image = NDArray[np.uint8]

# Where her eyes and mouth, read off the photograph, put the frame.
ASTRONAUT_FACE = Square(225.0, 117.0, 116.0, 0.09)


@pytest.fixture(scope="session")
def astronaut() -> Image:
    image: Image = skimage.data.astronaut()
    return image


@pytest.fixture(scope="session")
def face(astronaut: Image) -> Image:
    """Grey (48, 48)."""
    return np.asarray(cv2.cvtColor(ASTRONAUT_FACE.cut(astronaut, 48), cv2.COLOR_RGB2GRAY), np.uint8)


@pytest.fixture(scope="session")
def whole() -> Square:
    """The frame of a face crop: all of it."""
    return Square(24, 24, 48)
