"""From a photo to an image: uint8 RGB (H, W, 3), upright, within the cap.

The one place where foreign decoders run, and where their exceptions become `PhotoRefused`.
"""

from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Photo = bytes | str | Path | Image.Image | NDArray[np.uint8]
"""Encoded bytes, a path to them, or an image: of Pillow, or uint8 (H, W), (H, W, 3), (H, W, 4)."""

MAX_PIXELS: Final = 50_000_000
"""What phones take (48 to 50 megapixels, nominally) passes; 100 megapixels do not. At 3 bytes a
pixel it bounds an image to 150 MB."""


def decode_photo(photo: Photo, *, max_pixels: int = MAX_PIXELS) -> NDArray[np.uint8]:
    """The photo's image, uint8 RGB (H, W, 3).

    Raises:
        PhotoRefused: It cannot be read; see `fer_model.errors` for which and why.
    """
    raise NotImplementedError
