"""From an image and a face's landmarks to its crop, framed as the training faces are.

Knows no networks and no emotions.
"""

import io
import math
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fer_model.decoding import Photo, decode_photo
from fer_model.errors import NotAnImage
from fer_model.geometry import Square
from fer_model.light import relit
from fer_model.readings import Landmarks

CROP_SIDE: Final = 48
"""Side of a face crop in px: a training face's own, which is all that the networks look at."""

FINER: Final = 4
"""A crop is cut this many times finer and then brought down by area, as sharp as training faces.

Cut at 96 px and brought to 48 px by bilinear filters, 200 validation faces in photos (192 px wide)
were read with a crowd log-loss of 0.808 and a majority of 84.7 %; so, 0.784 and 86.3 %. The cut-out
faces themselves: 0.760 and 90.0 %.
"""

KEPT_SIDE: Final = 320
"""Side of a kept crop in px: larger than any network's input, so that a later input size does not
void what people gave."""

KEPT_FACE: Final = 224
"""Side in px of the face crop in the middle of a kept crop; the rest is margin for augmentation."""

EYES_ACROSS: Final = 0.498
EYES_DOWN: Final = 0.388
"""Where the point between the eyes lies in a training face, as a share of its side."""

EYE_DISTANCE: Final = 0.357
EYES_TO_MOUTH: Final = 0.373
"""Between the eyes, and from between them to the middle of the mouth, as a share of the side.

Source of the four: medians over the faces that YuNet finds in 3,000 of FER2013's training images
(2,852 of them); `python -m benchmarks.framing` measures them again.
"""

TURNED: Final = 0.9
"""A turned face shows its eyes closer together; its side is then at least this share of what the
distance to the mouth says. On 952 training images, where the true frame is known, the corners are
off by 6.4 px of 48 at the median and 26 px at the 99th percentile; by the eyes alone 6.5 and 30,
and at 1.0 6.6 and 30 (part of each is the roll that alignment takes out).
"""

NARROWEST: Final = 64
"""A face crop whose levels (1st to 99th percentile) span less is relit: in 499 of 500 of FER2013's
training faces they span 75 and more, so the networks have hardly seen such faces.

Measured on 120 validation faces in an eighth of their light: crowd majority 61.6 % as they are and
82.1 % relit, log-loss 1.138 and 0.836; in daylight 84.8 % and 0.823. At 92 the 13 validation faces
that are so narrow by themselves get worse (0.784, relit 0.861); lifting dark ones by a gamma curve
worsens those too, more than it wins where it is the photo that is dark.
"""

_KEPT_QUALITY: Final = 95
"""JPEG quality of a kept crop, colour not subsampled: about 40 kB, differences invisible."""


def face_crop(
    image: NDArray[np.uint8], landmarks: Landmarks, side: int = CROP_SIDE
) -> NDArray[np.uint8]:
    """The face upright, framed and lit as a training face, uint8 (side, side, 3).

    What lies outside the image repeats its border. Light is touched only where it is outside what
    training faces have, see `NARROWEST`.

    Args:
        image: uint8 RGB (H, W, 3).
        landmarks: Five points in px of the image.
        side: In px.
    """
    fine = lit(frame_of(landmarks).cut(image, side * FINER))
    return np.asarray(cv2.resize(fine, (side, side), interpolation=cv2.INTER_AREA), np.uint8)


def lit(crop: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A face crop with the contrast of training faces; the same array where it has it already."""
    return relit(crop, NARROWEST)


def kept_crop(photo: Photo, landmarks: Landmarks) -> bytes:
    """The face with a margin, as JPEG bytes of (320, 320, 3): what is kept on consent.

    Raises:
        PhotoRefused: The photo cannot be read.
    """
    kept = frame_of(landmarks).widened(KEPT_SIDE / KEPT_FACE)
    crop = kept.cut(decode_photo(photo), KEPT_SIDE)
    file = io.BytesIO()
    Image.fromarray(crop).save(file, "JPEG", quality=_KEPT_QUALITY, subsampling=0)
    return file.getvalue()


def face_of_kept(kept: bytes, side: int = CROP_SIDE) -> NDArray[np.uint8]:
    """The face crop, uint8 (side, side, 3), back from what `kept_crop` returned.

    Raises:
        PhotoRefused: The bytes cannot be read, or are no kept crop.
    """
    crop = decode_photo(kept)
    if crop.shape != (KEPT_SIDE, KEPT_SIDE, 3):
        raise NotAnImage(f"a kept crop is {KEPT_SIDE} px square, not {crop.shape[1::-1]}")
    margin = (KEPT_SIDE - KEPT_FACE) // 2
    face = lit(crop[margin : margin + KEPT_FACE, margin : margin + KEPT_FACE])
    shrinks = side < KEPT_FACE
    method = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(face, (side, side), interpolation=method), np.uint8)


def frame_of(landmarks: Landmarks) -> Square:
    """The square around a face that a training image would show.

    Raises:
        ValueError: Not five finite points.
    """
    points = np.asarray(landmarks, np.float64)
    if points.shape != (5, 2) or not np.isfinite(points).all():
        raise ValueError(f"landmarks are five points, not {points.shape}")
    between = points[:2].mean(axis=0)
    across = points[1] - points[0]
    down = points[3:].mean(axis=0) - between
    by_eyes = math.hypot(*across) / EYE_DISTANCE
    by_mouth = math.hypot(*down) / EYES_TO_MOUTH
    side = max(by_eyes, TURNED * by_mouth, 1.0)
    angle = math.atan2(across[1], across[0])
    around_eyes = Square(float(between[0]), float(between[1]), side, angle)
    # The frame's middle, seen from the eyes as its own middle.
    middle = np.array([[1 - EYES_ACROSS, 1 - EYES_DOWN]])
    x, y = around_eyes.to_image(middle, 1.0)[0].tolist()
    return Square(x, y, side, angle)
