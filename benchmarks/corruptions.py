"""What happens to faces in photos: blur, compression, darkness, noise, and what covers them.

Pure: an image in, a new one of the same shape out. An image is uint8, (H, W) grey or (H, W, 3);
where a face is needed, it is the square that a training image would show (`frame_of`). Every draw
comes from the generator that is handed in.
"""

import io

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage

from fer_model.alignment import EYE_DISTANCE, EYES_ACROSS, EYES_DOWN, EYES_TO_MOUTH
from fer_model.geometry import Square

Image = NDArray[np.uint8]

DARK_GLASS = 25
PALE_CLOTH = 205
"""Grey levels of sunglasses and of a surgical mask."""

READ_NOISE = 0.2
"""Share of the noise's variance that does not depend on the light; a judgement, as for a phone's
sensor at high gain."""

FINGERS = 4
_SAMPLES = 16
_FRACTION_BITS = 4


def blurred(image: Image, sigma: float) -> Image:
    """The image out of focus: a Gaussian of `sigma` px."""
    soft = cv2.GaussianBlur(image, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE)
    return np.asarray(soft, np.uint8)


def jpeg(image: Image, quality: int) -> bytes:
    """The image as a JPEG file of `quality`, 1 to 95."""
    file = io.BytesIO()
    PillowImage.fromarray(image).save(file, "JPEG", quality=quality)
    return file.getvalue()


def compressed(image: Image, quality: int) -> Image:
    """The image after JPEG of `quality`, 1 to 95."""
    with PillowImage.open(io.BytesIO(jpeg(image, quality))) as read:
        return np.asarray(read, np.uint8)


def darkened(image: Image, gamma: float) -> Image:
    """Midtones and shadows pushed down, black and white kept: levels to the power of `gamma`."""
    return np.asarray(np.round(255 * (image / 255.0) ** gamma), np.uint8)


def exposed(image: Image, light: float) -> Image:
    """The image in `light` times the light: below 1 too dark, above 1 burnt out."""
    return _levels(image * float(light))


def flattened(image: Image, contrast: float) -> Image:
    """The image with `contrast` times the distance of every level from the mean."""
    mean = image.mean(axis=(0, 1))
    return _levels(mean + (image - mean) * contrast)


def noisy(image: Image, sigma: float, random: np.random.Generator) -> Image:
    """Sensor noise whose deviation at middle grey is `sigma` levels, larger where it is brighter.

    Channels are drawn apart.
    """
    variance = sigma**2 * (READ_NOISE + (1 - READ_NOISE) * image / 128.0)
    return _levels(image + random.standard_normal(image.shape) * np.sqrt(variance))


def turned(image: Image, degrees: float) -> Image:
    """The image turned clockwise around its middle; corners repeat the border."""
    height, width = image.shape[:2]
    matrix = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), -degrees, 1.0)
    flags, border = cv2.INTER_LINEAR, cv2.BORDER_REPLICATE
    upright = cv2.warpAffine(image, matrix, (width, height), flags=flags, borderMode=border)
    return np.asarray(upright, np.uint8)


def coarse(image: Image, side: int) -> Image:
    """A square image brought down to `side` px by area, and back up."""
    small = cv2.resize(image, (side, side), interpolation=cv2.INTER_AREA)
    large = cv2.resize(small, image.shape[1::-1], interpolation=cv2.INTER_LINEAR)
    return np.asarray(large, np.uint8)


def zoomed(image: Image, times: float) -> Image:
    """A square image cut `times` as narrow: above 1 the face is larger than in training."""
    side = image.shape[0]
    return Square(side / 2, side / 2, side / times).cut(image, side)


def sunglasses(image: Image, face: Square, height: float) -> Image:
    """Two dark lenses and a bridge, lenses `height` of the face's side high."""
    covered = image.copy()
    half, width = EYE_DISTANCE / 2, 0.165
    parts = [
        _rectangle(across - width, EYES_DOWN - height / 2, across + width, EYES_DOWN + height / 2)
        for across in (EYES_ACROSS - half, EYES_ACROSS + half)
    ]
    bridge = _rectangle(EYES_ACROSS - half, EYES_DOWN - 0.04, EYES_ACROSS + half, EYES_DOWN)
    for part in (*parts, bridge):
        _filled(covered, face, part, DARK_GLASS)
    return covered


def mask(image: Image, face: Square, top: float) -> Image:
    """Pale cloth from `top` (a share of the face's side) to below the chin, and its ear loops."""
    covered = image.copy()
    cloth = np.array([[0.14, top], [0.5, top - 0.05], [0.86, top], [0.8, 0.92], [0.5, 1.0]])
    outline = np.vstack([cloth, [[0.2, 0.92]]])
    _filled(covered, face, outline, PALE_CLOTH)
    fold = PALE_CLOTH - 25
    for down in (0.35, 0.65):
        line = top + (0.95 - top) * down
        _filled(covered, face, _rectangle(0.2, line, 0.8, line + 0.012), fold)
    return covered


def hand(image: Image, face: Square, size: float, random: np.random.Generator) -> Image:
    """A hand as bright as the face, `size` of its side wide, laid over one cheek and the mouth."""
    covered = image.copy()
    side = 1 if random.random() < 0.5 else -1
    palm = np.array([EYES_ACROSS + side * 0.18, EYES_DOWN + EYES_TO_MOUTH])
    palm += random.uniform(-0.04, 0.04, 2)
    skin = _brightness(image, face) * 0.92
    lean = random.uniform(-0.5, 0.5)
    width = size / FINGERS
    for finger in range(FINGERS):
        across = (finger - (FINGERS - 1) / 2) * width
        shape = _rectangle(across - 0.44 * width, -0.75 * size, across + 0.44 * width, 0.6 * size)
        shade = skin * (1 + 0.05 * (finger % 2))
        _filled(covered, face, _leaning(shape, lean) + palm, shade)
    back = _rectangle(-size / 2, 0.0, size / 2, 0.75 * size)
    _filled(covered, face, _leaning(back, lean) + palm, skin)
    return covered


def _levels(values: NDArray[np.float64]) -> Image:
    return np.asarray(np.clip(np.round(values), 0, 255), np.uint8)


def _rectangle(left: float, top: float, right: float, bottom: float) -> NDArray[np.float64]:
    return np.array([[left, top], [right, top], [right, bottom], [left, bottom]])


def _leaning(points: NDArray[np.float64], angle: float) -> NDArray[np.float64]:
    cosine, sine = np.cos(angle), np.sin(angle)
    return np.asarray(points @ np.array([[cosine, sine], [-sine, cosine]]))


def _filled(
    image: Image, face: Square, outline: NDArray[np.float64], level: float | NDArray[np.float64]
) -> None:
    """Paints a polygon, in shares of the face's side, into the image."""
    points = face.to_image(outline, 1.0) - 0.5  # OpenCV counts from the middle of a pixel
    fixed = np.round(points * 2**_FRACTION_BITS).astype(np.int32)
    colour = np.broadcast_to(np.asarray(level, float), (3,) if image.ndim == 3 else (1,))
    cv2.fillPoly(image, [fixed], colour.tolist(), lineType=cv2.LINE_8, shift=_FRACTION_BITS)


def _brightness(image: Image, face: Square) -> NDArray[np.float64]:
    """Mean level per channel of the face's middle."""
    inner = face.widened(0.5).cut(image, _SAMPLES)
    return np.atleast_1d(inner.mean(axis=(0, 1)))
