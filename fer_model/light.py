"""Images brought into light in which faces can be found and read: one tone curve for all pixels.

Knows no faces: an image in, an image out.
"""

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

DARKEST_LEVEL: Final = 16
BRIGHTEST_LEVEL: Final = 228
USUAL_MEAN: Final = 110
"""Where relighting puts the 1st and 99th percentile of an image, and the mean of a dark one.

Source: medians of the two percentiles over 3,000 of FER2013's training faces, and somewhat above
the lower quartile of their means (106; the median is 129).
"""

LARGEST_GAIN: Final = 26
"""Beyond it, what is stretched is mostly the rounding of levels."""

_TAIL: Final = 0.01
_LEVELS: Final = 256
_HALVINGS: Final = 12


def relit(image: NDArray[np.uint8], narrowest: float, darkest: float = 0) -> NDArray[np.uint8]:
    """The image, uint8 (H, W) or (H, W, 3), with usual contrast and light where it lacks them.

    Where its levels (1st to 99th percentile of the grey image) span less than `narrowest`, they
    are stretched; where their mean is then below `darkest`, a gamma curve lifts it. Where neither
    is so, this is the same array.
    """
    grey = image if image.ndim == 2 else cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    counts = np.bincount(grey.ravel(), minlength=_LEVELS)
    low, high = _percentiles(counts)
    if low == high:
        return image
    curve = np.arange(_LEVELS, dtype=np.float64)
    if high - low < narrowest:
        gain = min((BRIGHTEST_LEVEL - DARKEST_LEVEL) / (high - low), LARGEST_GAIN)
        curve = np.clip((curve - low) * gain + DARKEST_LEVEL, 0, _LEVELS - 1)
    if _mean(counts, curve) < darkest:
        curve = _lifted(counts, curve)
    if np.array_equal(curve, np.arange(_LEVELS)):
        return image
    return np.asarray(cv2.LUT(image, np.round(curve).astype(np.uint8)), np.uint8)


def _percentiles(counts: NDArray[np.int64]) -> tuple[int, int]:
    """The levels below which 1 % and 99 % of the pixels lie."""
    share = np.cumsum(counts) / counts.sum()
    return int(np.searchsorted(share, _TAIL)), int(np.searchsorted(share, 1 - _TAIL))


def _mean(counts: NDArray[np.int64], curve: NDArray[np.float64]) -> float:
    return float(counts @ curve / counts.sum())


def _lifted(counts: NDArray[np.int64], curve: NDArray[np.float64]) -> NDArray[np.float64]:
    """The curve under the gamma that brings the mean to `USUAL_MEAN`, found by halving."""
    top = _LEVELS - 1
    low, high = 0.0, 1.0
    for _ in range(_HALVINGS):
        gamma = (low + high) / 2
        if _mean(counts, top * (curve / top) ** gamma) < USUAL_MEAN:
            high = gamma
        else:
            low = gamma
    return np.asarray(top * (curve / top) ** high)
