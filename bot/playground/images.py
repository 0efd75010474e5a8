"""Pictures the way Telegram treats them: scaled to several JPEGs, or refused.

Nothing here knows messages. Every function is slow enough to belong in a thread.
"""

from __future__ import annotations

import io
from dataclasses import dataclass

from PIL import Image, ImageDraw, ImageOps

from bot.playground.errors import PlaygroundError, bad_request

# The sizes that Telegram keeps of a photo, by the longest side in px (types s, m, x, y).
LONGEST_SIDES = (90, 320, 800, 1280)
JPEG_QUALITY = 87  # what Telegram's clients use
# Bot API, sendPhoto: at most 10 MB, width and height together 10000, ratio 20.
MOST_PHOTO_BYTES = 10 * 1024 * 1024
MOST_SIDES_TOGETHER = 10_000
MOST_RATIO = 20
MOST_THUMBNAIL_PIXELS = 25_000_000


class NotAPicture(PlaygroundError):
    """The bytes do not decode to a picture."""


@dataclass(frozen=True)
class ScaledPhoto:
    """One size of a photo: JPEG bytes, width and height in px."""

    content: bytes
    width: int
    height: int


def photo_sizes(content: bytes) -> tuple[ScaledPhoto, ...]:
    """The JPEGs that Telegram makes of a picture, smallest first, none longer than 1280 px.

    Raises:
        NotAPicture: the bytes do not decode.
    """
    picture = _decoded(content)
    longest = max(picture.size)
    sizes = []
    for side in LONGEST_SIDES:
        sizes.append(_scaled(picture, side))
        if side >= longest:
            break
    return tuple(sizes)


def sent_photo_sizes(content: bytes) -> tuple[ScaledPhoto, ...]:
    """The sizes of a photo that a bot uploads, under the limits of sendPhoto.

    Raises:
        Refused: too many bytes, undecodable, too large or too narrow.
    """
    if len(content) > MOST_PHOTO_BYTES:
        raise bad_request(
            f"file of size {len(content)} bytes is too big for a photo;"
            f" the maximum size is {MOST_PHOTO_BYTES} bytes"
        )
    try:
        with Image.open(io.BytesIO(content)) as picture:
            width, height = picture.size
    except Exception as error:  # Pillow raises anything from SyntaxError to struct.error
        raise bad_request("IMAGE_PROCESS_FAILED") from error
    sides = width + height
    if sides > MOST_SIDES_TOGETHER or max(width, height) > MOST_RATIO * min(width, height):
        raise bad_request("PHOTO_INVALID_DIMENSIONS")
    try:
        return photo_sizes(content)
    except NotAPicture as error:
        raise bad_request("IMAGE_PROCESS_FAILED") from error


def thumbnail(content: bytes) -> ScaledPhoto | None:
    """The preview of a document, where it is a picture."""
    try:
        with Image.open(io.BytesIO(content)) as picture:
            if picture.width * picture.height > MOST_THUMBNAIL_PIXELS:
                return None
        return _scaled(_decoded(content), 320)
    except Exception:  # noqa: BLE001 - any document may be sent; most are no picture
        return None


def placeholder_sticker() -> bytes:
    """A smiling WebP of 512 by 512 px, for a person to send as a sticker."""
    sticker = Image.new("RGBA", (512, 512), (0, 0, 0, 0))
    draw = ImageDraw.Draw(sticker)
    draw.ellipse((40, 40, 472, 472), fill=(255, 205, 60, 255))
    draw.ellipse((160, 170, 210, 240), fill=(60, 45, 20, 255))
    draw.ellipse((302, 170, 352, 240), fill=(60, 45, 20, 255))
    draw.arc((140, 200, 372, 390), 20, 160, fill=(60, 45, 20, 255), width=18)
    out = io.BytesIO()
    sticker.save(out, "WEBP")
    return out.getvalue()


def _decoded(content: bytes) -> Image.Image:
    try:
        with Image.open(io.BytesIO(content)) as picture:
            picture.draft("RGB", (2 * LONGEST_SIDES[-1], 2 * LONGEST_SIDES[-1]))
            turned = ImageOps.exif_transpose(picture)
            if turned.mode in ("RGBA", "LA", "PA") or "transparency" in turned.info:
                layer = turned.convert("RGBA")
                flat = Image.new("RGB", layer.size, "white")
                flat.paste(layer, mask=layer.getchannel("A"))
                return flat
            return turned.convert("RGB")
    except Exception as error:  # Pillow raises anything from SyntaxError to struct.error
        raise NotAPicture(str(error)) from error


def _scaled(picture: Image.Image, longest: int) -> ScaledPhoto:
    factor = min(1.0, longest / max(picture.size))
    size = (max(1, round(picture.width * factor)), max(1, round(picture.height * factor)))
    scaled = picture if factor == 1.0 else picture.resize(size, reducing_gap=2.0)
    out = io.BytesIO()
    scaled.save(out, "JPEG", quality=JPEG_QUALITY)
    return ScaledPhoto(out.getvalue(), *size)
