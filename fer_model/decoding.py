"""From a photo to an image: uint8 RGB (H, W, 3), upright, within the cap.

The one place where foreign decoders run, and where their exceptions become `PhotoRefused`.
"""

import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import pillow_heif
from numpy.typing import NDArray
from PIL import (
    BmpImagePlugin,
    GifImagePlugin,
    Image,
    JpegImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)

from fer_model.errors import (
    DamagedImage,
    EmptyImage,
    NotAnImage,
    PhotoMissing,
    PhotoRefused,
    PhotoTooLarge,
    TooManyPixels,
    TruncatedImage,
)

Photo = bytes | str | Path | Image.Image | NDArray[np.uint8]
"""Encoded bytes, a path to them, or an image: of Pillow, or uint8 (H, W), (H, W, 3), (H, W, 4)."""

MAX_PIXELS: Final = 51_000_000
"""A phone's 50 megapixels (8160 x 6144 at most) pass; 100 megapixels do not. At 3 bytes a pixel it
bounds an image to 153 MB."""

MAX_BYTES: Final = 4 * MAX_PIXELS
"""Encoded size that is looked at: the largest image that passes, uncompressed with alpha."""

USEFUL_SIDE: Final = 4096
"""Longest side in px that is worth decoding: a face of a tenth of the detector's 1280 px is then
still 400 px wide. Larger images are halved while they stay at least this long."""

_ORIENTATION_TAG: Final = 0x0112
_ORIENTATIONS: Final = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What undoes each EXIF orientation. Source: EXIF 2.32, tag 0x0112."""

_WHITE: Final = (255, 255, 255)


def decode_photo(photo: Photo, *, max_pixels: int = MAX_PIXELS) -> NDArray[np.uint8]:
    """The photo's image, uint8 RGB (H, W, 3); of an animation, its first frame.

    An image longer than twice `USEFUL_SIDE` comes out halved, quartered or reduced to an eighth.

    Raises:
        PhotoRefused: It cannot be read; see `fer_model.errors` for which and why.
    """
    if isinstance(photo, np.ndarray):
        return _from_array(photo, max_pixels)
    if isinstance(photo, Image.Image):
        return _translated("given", lambda: _from_pillow(photo, max_pixels))
    if isinstance(photo, bytes):
        return _from_bytes(photo, max_pixels)
    if isinstance(photo, str | Path):
        return _from_bytes(_bytes_of(Path(photo)), max_pixels)
    raise NotAnImage(f"a photo is bytes, a path or an image, not {type(photo).__name__}")


@dataclass(frozen=True, slots=True)
class _Format:
    """A format that is read: its name, how its bytes begin, and what opens its header."""

    name: str
    begins: Callable[[bytes], bool]
    opens: Callable[[io.BytesIO], Image.Image | pillow_heif.HeifFile]


_HEIF_BRANDS: Final = frozenset(
    (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"mif2", b"msf1")
)
"""Source: ISO/IEC 23008-12, the brands that hold HEVC."""

# The plugins' own classes instead of `Image.open`: no other plugin ever sees the bytes, and the
# pixels are counted against our cap instead of Pillow's.
_FORMATS: Final = (
    _Format("JPEG", lambda b: b[:3] == b"\xff\xd8\xff", JpegImagePlugin.JpegImageFile),
    _Format("PNG", lambda b: b[:8] == b"\x89PNG\r\n\x1a\n", PngImagePlugin.PngImageFile),
    _Format(
        "WebP", lambda b: b[:4] == b"RIFF" and b[8:12] == b"WEBP", WebPImagePlugin.WebPImageFile
    ),
    _Format("GIF", lambda b: b[:6] in (b"GIF87a", b"GIF89a"), GifImagePlugin.GifImageFile),
    _Format("BMP", lambda b: b[:2] == b"BM", BmpImagePlugin.BmpImageFile),
    _Format(
        "TIFF",
        lambda b: b[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"),
        TiffImagePlugin.TiffImageFile,
    ),
    _Format(
        "HEIC",
        lambda b: b[4:8] == b"ftyp" and b[8:12] in _HEIF_BRANDS,
        pillow_heif.open_heif,
    ),
)


def _bytes_of(path: Path) -> bytes:
    try:
        if not path.is_file():
            raise PhotoMissing(path, "no such file")
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise PhotoTooLarge(size, MAX_BYTES)
        return path.read_bytes()
    except (OSError, ValueError) as error:
        raise PhotoMissing(path, str(error)) from error


def _from_bytes(content: bytes, max_pixels: int) -> NDArray[np.uint8]:
    if not content:
        raise EmptyImage
    if len(content) > MAX_BYTES:
        raise PhotoTooLarge(len(content), MAX_BYTES)
    known = next((known for known in _FORMATS if known.begins(content[:16])), None)
    if known is None:
        raise NotAnImage
    return _translated(known.name, lambda: _decoded(content, known, max_pixels))


def _decoded(content: bytes, known: _Format, max_pixels: int) -> NDArray[np.uint8]:
    opened = known.opens(io.BytesIO(content))
    _check_size(opened.size, max_pixels)
    times = _reduction(opened.size)
    if isinstance(opened, pillow_heif.HeifFile):  # turns the image upright itself
        return _to_array(opened.to_pillow(), times)
    if known.name == "JPEG" and times > 1:
        opened.draft(None, (opened.width // times, opened.height // times))
        times = 1
    return _to_array(opened, times)


def _from_array(array: NDArray[np.uint8], max_pixels: int) -> NDArray[np.uint8]:
    shape = array.shape
    if array.dtype != np.uint8 or not (len(shape) == 2 or (len(shape) == 3 and shape[2] in (3, 4))):
        raise NotAnImage(
            f"an array is uint8 (H, W), (H, W, 3) or (H, W, 4), not {array.dtype} {shape}"
        )
    _check_size((shape[1], shape[0]), max_pixels)
    return _to_array(Image.fromarray(array), _reduction((shape[1], shape[0])))


def _from_pillow(image: Image.Image, max_pixels: int) -> NDArray[np.uint8]:
    _check_size(image.size, max_pixels)
    return _to_array(image, _reduction(image.size))


def _check_size(size: tuple[int, int], max_pixels: int) -> None:
    width, height = size
    if width <= 0 or height <= 0:
        raise EmptyImage
    if width * height > max_pixels:
        raise TooManyPixels(width * height, max_pixels)


def _reduction(size: tuple[int, int]) -> int:
    """1, 2, 4 or 8: by what an image is reduced, which is what JPEG can skip while decoding."""
    times = 1
    while times < 8 and max(size) >= 2 * times * USEFUL_SIDE:
        times *= 2
    return times


def _to_array(image: Image.Image, times: int = 1) -> NDArray[np.uint8]:
    image.load()
    orientation = _orientation(image)
    rgb = _to_rgb(image)
    if times > 1:
        rgb = rgb.reduce(times)
    if orientation in _ORIENTATIONS:
        rgb = rgb.transpose(_ORIENTATIONS[orientation])
    return np.array(rgb, np.uint8)


def _orientation(image: Image.Image) -> int:
    """The EXIF orientation; 1 where there is none, or none that can be made sense of."""
    try:
        return int(image.getexif().get(_ORIENTATION_TAG, 1))
    except Exception:  # noqa: BLE001  a broken note beside the pixels is no reason to refuse the pixels
        return 1


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I") or image.mode == "F":
        return _from_deep_grey(np.asarray(image)).convert("RGB")
    if image.has_transparency_data:
        opaque = Image.new("RGB", image.size, _WHITE)
        seen = image.convert("RGBA")
        opaque.paste(seen, mask=seen.getchannel("A"))
        return opaque
    return image if image.mode == "RGB" else image.convert("RGB")


def _from_deep_grey(values: NDArray[np.generic]) -> Image.Image:
    """Grey of 16 or 32 bits or floating point, brought to 8 bits by the range that it uses."""
    deep = np.nan_to_num(values.astype(np.float32), posinf=0.0, neginf=0.0)
    brightest = float(deep.max())
    ceiling = next((c for c in (1.0, 255.0, 65535.0) if brightest <= c), brightest)
    if values.dtype.kind in "iu":
        ceiling = max(ceiling, 65535.0)
    return Image.fromarray(np.clip(deep * (255 / ceiling), 0, 255).round().astype(np.uint8))


_ENDS_EARLY: Final = ("truncated", "end of", "eof", "incomplete", "not enough", "unexpected end")
"""How Pillow, libtiff and libheif say that bytes are missing."""


def _translated(kind: str, decode: Callable[[], NDArray[np.uint8]]) -> NDArray[np.uint8]:
    """What `decode` returns; whatever a foreign decoder raises becomes a `PhotoRefused`."""
    try:
        return decode()
    except PhotoRefused:
        raise
    except Exception as error:  # decoders raise anything, from struct.error to RuntimeError
        said = str(error).lower()
        if "not identified by this driver" in said:  # Pillow's words for a width or height of 0
            raise EmptyImage from error
        if isinstance(error, EOFError) or any(words in said for words in _ENDS_EARLY):
            raise TruncatedImage(kind) from error
        raise DamagedImage(kind) from error
