"""A photo with its faces boxed and numbered."""

from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from fer_model.readings import Face, Reading

_LINE: Final = "#00a67d"
_TEXT: Final = "white"

_THINNEST: Final = 2
"""Px; on larger photos lines and text grow with the photo."""


def annotate(image: NDArray[np.uint8] | Image.Image, reading: Reading) -> Image.Image:
    """A copy of the decoded image with a box per face, its number and what most would say.

    Args:
        image: What `decode_photo` returned for the reading's photo.
        reading: Its reading.

    Raises:
        ValueError: The reading is of an image of another size.
    """
    picture = image if isinstance(image, Image.Image) else Image.fromarray(image)
    if picture.size != (reading.width, reading.height):
        raise ValueError(f"{picture.size} px are not the reading's image")
    copy = picture.convert("RGB")
    copy = copy.copy() if copy is picture else copy
    draw = ImageDraw.Draw(copy)
    thickness = max(_THINNEST, round(max(copy.size) / 400))
    font = ImageFont.load_default(max(12, round(max(copy.size) / 45)))
    for face in reading.faces:
        draw.rectangle(
            (face.box.left, face.box.top, face.box.right - 1, face.box.bottom - 1),
            outline=_LINE,
            width=thickness,
        )
    for face in reading.faces:  # after all boxes, so that no box crosses a tag
        _tag(draw, face, font, copy.size)
    return copy


def _tag(
    draw: ImageDraw.ImageDraw,
    face: Face,
    font: ImageFont.FreeTypeFont | ImageFont.ImageFont,
    size: tuple[int, int],
) -> None:
    """A label above the face; below its upper edge where there is no room above."""
    text = f"{face.number} {face.blend.top}"
    left, top, right, bottom = draw.textbbox((0, 0), text, font=font)
    pad = max(2, round((bottom - top) / 4))
    width, height = right - left + 2 * pad, bottom - top + 2 * pad
    x = max(0, min(face.box.left, size[0] - width))
    y = face.box.top - height if face.box.top >= height else face.box.top
    draw.rectangle((x, y, x + width, y + height), fill=_LINE)
    draw.text((x + pad - left, y + pad - top), text, font=font, fill=_TEXT)
