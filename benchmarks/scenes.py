"""Training faces put where a photo would have them: enlarged, turned, in front of something.

Everything is generated but the face, so that nothing needs a download. The backgrounds are always
the same few; which one, and where the face is, comes from the generator that is handed in.
"""

import math
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from fer_model.geometry import Square

WIDTH, HEIGHT = 960, 720

BORDER = 0.25
"""Width of what is made up around a face, as a share of its side: its edge repeated, fading out."""

SKIN = (1.08, 0.98, 0.90)
"""What a grey face's red, green and blue are multiplied by; its brightness stays."""

BACKGROUNDS = 6
THINGS = 24


@dataclass(frozen=True)
class Scene:
    """A photo of one face.

    Attributes:
        image: uint8 RGB (720, 960, 3).
        face: The square that the training face fills in it.
    """

    image: NDArray[np.uint8]
    face: Square


def bordered(face: NDArray[np.uint8], side: int, border: int) -> NDArray[np.uint8]:
    """A face of `side` px with `border` px of its own edge around it, uint8 (S, S[, 3])."""
    method = cv2.INTER_AREA if side < face.shape[0] else cv2.INTER_CUBIC
    resized = cv2.resize(face, (side, side), interpolation=method)
    edges = (border,) * 4
    return np.asarray(cv2.copyMakeBorder(resized, *edges, cv2.BORDER_REPLICATE), np.uint8)


def scene_of(
    face: NDArray[np.uint8], side: int, degrees: float, random: np.random.Generator
) -> Scene:
    """A photo that shows a grey face, uint8 (48, 48), `side` px wide and turned clockwise.

    Raises:
        ValueError: The face would not fit.
    """
    reach = side * (0.5 + BORDER)
    if 2 * reach > HEIGHT:
        raise ValueError(f"a face of {side} px does not fit into {HEIGHT} px")
    x = random.uniform(reach, WIDTH - reach)
    y = random.uniform(reach, HEIGHT - reach)
    place = Square(x, y, side, math.radians(degrees))
    behind = _background(int(random.integers(BACKGROUNDS)))
    canvas = behind[:, ::-1] if random.random() < 0.5 else behind
    return Scene(_pasted(canvas, face, place), place)


def _pasted(canvas: NDArray[np.uint8], face: NDArray[np.uint8], place: Square) -> NDArray[np.uint8]:
    side = round(place.side)
    border = round(side * BORDER)
    patch = bordered(face, side, border)
    centre = np.array([place.x, place.y])
    reach = patch.shape[0] * math.sqrt(0.5) + 2
    left, top = np.maximum(np.floor(centre - reach), 0).astype(int).tolist()
    image = canvas.copy()
    around = image[top : math.ceil(place.y + reach), left : math.ceil(place.x + reach)]
    cosine, sine = math.cos(place.angle), math.sin(place.angle)
    turn = np.array([[cosine, -sine], [sine, cosine]])
    # OpenCV counts from the middle of a pixel.
    middle = np.full(2, patch.shape[0] / 2 - 0.5)
    matrix = np.column_stack([turn, centre - (left, top) - turn @ middle - 0.5])
    size = (around.shape[1], around.shape[0])
    grey = cv2.warpAffine(patch, matrix, size, flags=cv2.INTER_LINEAR)
    opaque = cv2.warpAffine(_fade(side, border), matrix, size, flags=cv2.INTER_LINEAR)
    colour = np.clip(grey[..., None] * np.array(SKIN, np.float32), 0, 255)
    around[:] = np.round(around + (colour - around) * opaque[..., None])
    return image


def _fade(side: int, border: int) -> NDArray[np.float32]:
    """1 on the face, falling to 0 at the outer edge of its border, float32 (S, S)."""
    ramp = (np.arange(border, dtype=np.float32) + 0.5) / max(border, 1)
    row = np.concatenate([ramp, np.ones(side, np.float32), ramp[::-1]])
    return np.asarray(np.minimum.outer(row, row), np.float32)


@lru_cache(maxsize=BACKGROUNDS)
def _background(number: int) -> NDArray[np.uint8]:
    """A colour image: some things with edges, in soft light and with fine grain."""
    random = np.random.default_rng(number)
    image = np.full((HEIGHT, WIDTH, 3), random.uniform(60, 180, 3), np.float32)
    for _ in range(THINGS):
        middle = (random.uniform(0, WIDTH), random.uniform(0, HEIGHT))
        extent = random.uniform(40, 400, 2).tolist()
        colour = random.uniform(20, 235) + random.uniform(-40, 40, 3)
        if random.random() < 0.5:
            corners = cv2.boxPoints((middle, extent, random.uniform(0, 180)))
            cv2.fillPoly(image, [corners.astype(np.int32)], colour.tolist())
        else:
            cv2.ellipse(image, (middle, extent, random.uniform(0, 180)), colour.tolist(), -1)
    light, grain = _cloud(random, 2.0), _cloud(random, 1.0)
    return np.asarray(np.clip(image + 30 * light + 8 * grain, 0, 255), np.uint8)


def _cloud(random: np.random.Generator, steepness: float) -> NDArray[np.float64]:
    """Random light (H, W, 1) of deviation 1, its amplitude frequency to the minus `steepness`.

    Source: Field 1987, Relations between the statistics of natural images and the response
    properties of cortical cells, finds 1 in photographs.
    """
    down = np.fft.fftfreq(HEIGHT)[:, None] * HEIGHT
    across = np.fft.rfftfreq(WIDTH)[None] * WIDTH
    frequency = np.maximum(np.hypot(down, across), 1.0)
    wave = np.fft.rfft2(random.standard_normal((HEIGHT, WIDTH))) / frequency**steepness
    plane = np.fft.irfft2(wave, s=(HEIGHT, WIDTH))
    return np.asarray((plane - plane.mean()) / plane.std())[..., None]
