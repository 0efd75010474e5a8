"""Squares in an image, turned by any angle: how faces are cut out, and how points find back.

Coordinates are continuous, x then y: pixel i covers i to i + 1. Knows nothing about faces.
"""

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]
"""(N, 2), x then y."""


@dataclass(frozen=True, slots=True)
class Square:
    """A square in an image.

    Attributes:
        x: Of its centre, px of the image.
        y: Likewise.
        side: Px of the image, above 0.
        angle: Radians by which its upper edge is turned, clockwise as seen.
    """

    x: float
    y: float
    side: float
    angle: float = 0.0

    def widened(self, times: float) -> "Square":
        """The square around the same centre, `times` as wide."""
        return Square(self.x, self.y, self.side * times, self.angle)

    def to_image(self, points: Points, side: float) -> Points:
        """Points of this square's cut-out of `side` px, as points of the image."""
        return np.asarray(
            (points - side / 2) @ (self._turn() * (self.side / side)).T + self._centre()
        )

    def cut(self, image: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
        """The square as an upright image, uint8 (side, side, 3).

        What lies outside the image repeats its border.
        """
        scale = side / self.side
        # Shrinking happens by area before turning, or fine detail would alias.
        reach = self.side * math.sqrt(0.5) + 2 / min(scale, 1)
        size = np.array(image.shape[1::-1])
        first = np.floor(np.clip(self._centre() - reach, 0, size - 1)).astype(int)
        last = np.ceil(np.clip(self._centre() + reach, first + 1, size)).astype(int)
        region = image[first[1] : last[1], first[0] : last[0]]
        shrink = np.ones(2)
        if scale < 1:
            target = np.maximum(np.round((last - first) * scale), 1).astype(int)
            region = np.asarray(
                cv2.resize(region, target.tolist(), interpolation=cv2.INTER_AREA), np.uint8
            )
            shrink = target / (last - first)
        linear = self._turn() / scale * shrink[:, None]
        shift = (self._centre() - first) * shrink - linear @ np.full(2, side / 2)
        # OpenCV counts from the middle of a pixel.
        matrix = np.column_stack([linear, shift + linear @ np.full(2, 0.5) - 0.5])
        upright = cv2.warpAffine(
            np.ascontiguousarray(region),
            matrix,
            (side, side),
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REPLICATE,
        )
        return np.asarray(upright, np.uint8)

    def _centre(self) -> Points:
        return np.array([self.x, self.y])

    def _turn(self) -> NDArray[np.float64]:
        cosine, sine = math.cos(self.angle), math.sin(self.angle)
        return np.array([[cosine, -sine], [sine, cosine]])
