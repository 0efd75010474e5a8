"""From an image and a face's landmarks to its crop, framed as the training faces are."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from fer_model.decoding import Photo
from fer_model.readings import Landmarks

CROP_SIDE: Final = 96
"""Side of a face crop in px: twice a training face's, so that shrinking it loses nothing."""

KEPT_SIDE: Final = 320
"""Side of a kept crop in px, of which the face crop is the middle 224: larger than any network's
input, so that a later input size does not void what people gave."""


def face_crop(
    image: NDArray[np.uint8], landmarks: Landmarks, side: int = CROP_SIDE
) -> NDArray[np.uint8]:
    """The face upright and framed as a training face, uint8 (side, side, 3)."""
    raise NotImplementedError


def kept_crop(photo: Photo, landmarks: Landmarks) -> bytes:
    """The face with a margin, as JPEG bytes of (320, 320, 3): what is kept on consent.

    Raises:
        PhotoRefused: The photo cannot be read.
    """
    raise NotImplementedError


def face_of_kept(kept: bytes, side: int = CROP_SIDE) -> NDArray[np.uint8]:
    """The face crop, uint8 (side, side, 3), back from what `kept_crop` returned.

    Raises:
        PhotoRefused: The bytes cannot be read, or are no kept crop.
    """
    raise NotImplementedError
