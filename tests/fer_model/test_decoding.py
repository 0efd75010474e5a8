import io
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pillow_heif
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageOps

from fer_model.decoding import MAX_BYTES, MAX_PIXELS, USEFUL_SIDE, decode_photo
from fer_model.errors import (
    EmptyImage,
    NotAnImage,
    PhotoMissing,
    PhotoRefused,
    PhotoTooLarge,
    TooManyPixels,
    TruncatedImage,
)

Encode = Callable[..., bytes]


@pytest.fixture(scope="module")
def picture() -> NDArray[np.uint8]:
    """Smooth colours that differ in every corner, (48, 64, 3)."""
    down, across = np.mgrid[0:48, 0:64]
    return np.stack([across * 4, down * 5, 255 - across * 4], axis=2).astype(np.uint8)


def png(width: int, height: int, *chunks: bytes) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + b"".join([chunk(b"IHDR", header), *chunks, chunk(b"IEND", b"")])


def chunk(kind: bytes, content: bytes) -> bytes:
    checksum = zlib.crc32(kind + content)
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", checksum)


def close(one: NDArray[np.uint8], other: NDArray[np.uint8], most: float = 3.0) -> bool:
    difference = np.abs(one.astype(int) - other.astype(int))
    return one.shape == other.shape and float(difference.mean()) <= most


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF"])
def test_lossless_formats_come_back_exactly(
    kind: str, picture: NDArray[np.uint8], encode: Encode
) -> None:
    decoded = decode_photo(encode(picture, kind))
    assert decoded.dtype == np.uint8
    assert np.array_equal(decoded, picture)


@pytest.mark.parametrize("kind", ["JPEG", "WEBP"])
def test_lossy_formats_come_back_nearly(
    kind: str, picture: NDArray[np.uint8], encode: Encode
) -> None:
    assert close(decode_photo(encode(picture, kind, quality=95)), picture)


def heic(picture: NDArray[np.uint8], **options: object) -> bytes:
    file = io.BytesIO()
    pillow_heif.from_pillow(Image.fromarray(picture)).save(file, quality=95, **options)
    return file.getvalue()


def test_heic_comes_back_nearly(picture: NDArray[np.uint8]) -> None:
    assert close(decode_photo(heic(picture)), picture, 5)


def test_importing_the_decoder_registers_no_plugin_for_the_whole_process() -> None:
    program = (
        "import sys, fer_model.decoding; from PIL import Image; sys.exit('HEIF' in Image.OPEN)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_path_string_pillow_image_and_array_give_the_same_image(
    picture: NDArray[np.uint8], encode: Encode, tmp_path: Path
) -> None:
    path = tmp_path / "photo.png"
    path.write_bytes(encode(picture, "PNG"))
    for photo in (path, str(path), Image.fromarray(picture), picture):
        assert np.array_equal(decode_photo(photo), picture)


def test_animated_gif_gives_its_first_frame(encode: Encode) -> None:
    red, blue = (Image.new("RGB", (20, 10), colour) for colour in ("red", "blue"))
    decoded = decode_photo(encode(red, "GIF", save_all=True, append_images=[blue], duration=50))
    assert decoded.shape == (10, 20, 3)
    assert (decoded == (255, 0, 0)).all()


def test_animated_webp_gives_its_first_frame(encode: Encode) -> None:
    red, blue = (Image.new("RGB", (20, 10), colour) for colour in ("red", "blue"))
    animated = encode(red, "WEBP", save_all=True, append_images=[blue], lossless=True)
    assert (decode_photo(animated) == (255, 0, 0)).all()


def test_transparent_pixels_turn_white(encode: Encode) -> None:
    image = Image.new("RGBA", (4, 2), (255, 0, 0, 255))
    image.putpixel((0, 0), (0, 0, 0, 0))
    decoded = decode_photo(encode(image, "PNG"))
    assert decoded[0, 0].tolist() == [255, 255, 255]
    assert decoded[1, 3].tolist() == [255, 0, 0]


def test_palette_with_alpha_turns_white_where_it_is_transparent(encode: Encode) -> None:
    image = Image.new("P", (4, 2), 1)
    image.putpalette([0, 0, 0, 0, 0, 255] + [0] * 762)
    image.putpixel((0, 0), 0)
    decoded = decode_photo(encode(image, "PNG", transparency=bytes([0, 255])))
    assert decoded[0, 0].tolist() == [255, 255, 255]
    assert decoded[1, 3].tolist() == [0, 0, 255]


def test_grey_with_alpha_turns_white_where_it_is_transparent(encode: Encode) -> None:
    decoded = decode_photo(encode(Image.new("LA", (3, 2), (10, 0)), "PNG"))
    assert (decoded == 255).all()


@pytest.mark.parametrize(("mode", "colour"), [("1", 1), ("L", 200), ("P", 3)])
def test_grey_bilevel_and_palette_become_rgb(mode: str, colour: int, encode: Encode) -> None:
    image = Image.new(mode, (5, 4), colour)
    expected = np.asarray(image.convert("RGB"))
    assert np.array_equal(decode_photo(encode(image, "PNG")), expected)


@pytest.mark.parametrize("kind", ["JPEG", "TIFF"])
def test_cmyk_becomes_rgb(kind: str, encode: Encode) -> None:
    decoded = decode_photo(encode(Image.new("CMYK", (16, 16), (0, 255, 255, 0)), kind))
    assert close(decoded, np.full((16, 16, 3), (255, 0, 0), np.uint8), 4)


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_sixteen_bit_grey_keeps_its_brightness(kind: str, encode: Encode) -> None:
    deep = np.linspace(0, 65535, 256).astype(np.uint16)[None].repeat(4, axis=0)
    decoded = decode_photo(encode(Image.fromarray(deep), kind))
    assert decoded.shape == (4, 256, 3)
    assert np.abs(decoded[0, :, 0].astype(int) - np.arange(256)).max() <= 1


def test_sixteen_bit_grey_that_is_dark_stays_dark(encode: Encode) -> None:
    deep = np.full((4, 4), 200, np.uint16)
    assert decode_photo(encode(Image.fromarray(deep), "PNG")).max() <= 1


def test_floating_point_tiff_between_zero_and_one_keeps_its_brightness(encode: Encode) -> None:
    grey = np.array([[0.0, 0.5, 1.0, float("nan")]], np.float32)
    decoded = decode_photo(encode(Image.fromarray(grey), "TIFF"))
    assert decoded[0, :, 0].tolist() == [0, 128, 255, 0]


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_exif_orientation_is_applied_once(
    kind: str, orientation: int, picture: NDArray[np.uint8], encode: Encode
) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    quality = {} if kind in ("PNG", "TIFF") else {"quality": 95}
    encoded = encode(picture, kind, exif=exif, **quality)
    upright = ImageOps.exif_transpose(Image.open(io.BytesIO(encoded))).convert("RGB")
    decoded = decode_photo(encoded)
    assert close(decoded, np.asarray(upright), 0.01)
    assert decoded.shape == ((48, 64, 3) if orientation < 5 else (64, 48, 3))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_of_heic_is_applied_once(
    orientation: int, picture: NDArray[np.uint8]
) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    expected = Image.fromarray(picture)
    expected.getexif()[0x0112] = orientation
    upright = np.asarray(ImageOps.exif_transpose(expected))
    assert close(decode_photo(heic(picture, exif=exif.tobytes())), upright, 5)


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize(
    "note", [b"Exif\0\0rubbish", b"Exif\0\0II*\0\xff\xff\xff\xff", b"Exif\0\0"]
)
def test_broken_exif_does_not_cost_the_photo(
    note: bytes, picture: NDArray[np.uint8], encode: Encode
) -> None:
    assert decode_photo(encode(picture, "JPEG", exif=note)).shape == picture.shape


@pytest.mark.parametrize("orientation", [0, 9, 65535])
def test_unknown_orientation_counts_as_upright(
    orientation: int, picture: NDArray[np.uint8], encode: Encode
) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    assert np.array_equal(decode_photo(encode(picture, "PNG", exif=exif)), picture)


@pytest.mark.parametrize(
    "content",
    [
        b"hello, I am a text",
        b"%PDF-1.7 and so on",
        b"\0" * 4096,
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n",
        b"8BPS\0\1" + b"\0" * 64,
        b"\x89PNG",
        b"<svg xmlns='http://www.w3.org/2000/svg' width='9' height='9'/>",
        b"\0\0\0\x20ftypisom" + b"\0" * 64,
    ],
    ids=["text", "pdf", "zeros", "eps", "psd", "half a signature", "svg", "mp4"],
)
def test_what_is_no_photo_is_not_an_image(content: bytes) -> None:
    with pytest.raises(NotAnImage):
        decode_photo(content)


def test_format_outside_the_list_is_not_an_image(
    picture: NDArray[np.uint8], encode: Encode
) -> None:
    for kind in ("PPM", "TGA", "ICO", "PCX", "SGI"):
        with pytest.raises(NotAnImage):
            decode_photo(encode(picture, kind))


def test_no_bytes_are_an_empty_image() -> None:
    with pytest.raises(EmptyImage):
        decode_photo(b"")


@pytest.mark.parametrize(("width", "height"), [(0, 0), (0, 9), (9, 0)])
def test_png_without_pixels_is_empty(width: int, height: int) -> None:
    with pytest.raises(EmptyImage):
        decode_photo(png(width, height, chunk(b"IDAT", zlib.compress(b""))))


def test_gif_without_pixels_is_refused() -> None:
    with pytest.raises(PhotoRefused):
        decode_photo(b"GIF89a\0\0\0\0\0\0\0;")


@pytest.mark.parametrize("shape", [(0, 5, 3), (5, 0, 3), (0, 0)])
def test_array_without_pixels_is_empty(shape: tuple[int, ...]) -> None:
    with pytest.raises(EmptyImage):
        decode_photo(np.zeros(shape, np.uint8))


@pytest.mark.parametrize(
    "array",
    [np.zeros((5, 5, 3), np.float32), np.zeros((5, 5, 2), np.uint8), np.zeros(5, np.uint8)],
    ids=["float", "two channels", "one dimension"],
)
def test_array_of_another_kind_is_refused(array: NDArray[np.uint8]) -> None:
    with pytest.raises(NotAnImage, match="uint8"):
        decode_photo(array)


def test_anything_else_is_refused() -> None:
    with pytest.raises(NotAnImage, match="int"):
        decode_photo(5)  # type: ignore[arg-type]


def test_hundred_megapixels_are_refused_by_their_header() -> None:
    with pytest.raises(TooManyPixels) as refused:
        decode_photo(png(10_000, 10_000, chunk(b"IDAT", b"never looked at")))
    assert refused.value.pixels == 100_000_000
    assert refused.value.cap == MAX_PIXELS


def test_gigapixels_are_refused_by_their_header() -> None:
    with pytest.raises(TooManyPixels):
        decode_photo(png(2**31 - 1, 2**31 - 1, chunk(b"IDAT", b"")))


def headers_of_hundred_megapixels() -> list[tuple[str, bytes]]:
    side = 10_000
    bmp = struct.pack("<2sIHHIIiiHHIIiiII", b"BM", 54, 0, 0, 54, 40, side, side, 1, 24, *[0] * 6)
    gif = b"GIF89a" + struct.pack("<HH", side, side) + b"\0\0\0"
    gif += b"," + struct.pack("<HHHH", 0, 0, side, side) + b"\0\2\1\0\0;"
    file = io.BytesIO()
    Image.new("L", (1, 1)).save(file, "JPEG")
    jpeg = bytearray(file.getvalue())
    place = jpeg.index(b"\xff\xc0") + 5
    jpeg[place : place + 4] = struct.pack(">HH", side, side)
    return [("BMP", bmp), ("GIF", gif), ("JPEG", bytes(jpeg))]


@pytest.mark.parametrize(
    "content", [c for _, c in headers_of_hundred_megapixels()], ids=["BMP", "GIF", "JPEG"]
)
def test_headers_of_hundred_megapixels_are_refused_in_other_formats(content: bytes) -> None:
    with pytest.raises(TooManyPixels) as refused:
        decode_photo(content)
    assert refused.value.pixels == 100_000_000


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF", "HEIC"])
def test_cap_holds_in_every_format(kind: str, picture: NDArray[np.uint8], encode: Encode) -> None:
    photo = heic(picture) if kind == "HEIC" else encode(picture, kind)
    assert decode_photo(photo, max_pixels=64 * 48).shape == (48, 64, 3)
    with pytest.raises(TooManyPixels):
        decode_photo(photo, max_pixels=64 * 48 - 1)


def test_decompression_bomb_is_refused_without_being_inflated() -> None:
    """A process of its own shows the most memory that decoding ever took."""
    program = """
import resource, struct, sys, zlib
from fer_model.decoding import decode_photo
from fer_model.errors import TooManyPixels
from tests.fer_model.test_decoding import chunk, png
squeezed = zlib.compressobj(9)
rows = b"".join(squeezed.compress(bytes(30_001)) for _ in range(10_000)) + squeezed.flush()
bomb = png(10_000, 10_000, chunk(b"IDAT", rows))
assert len(bomb) < 400_000
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    decode_photo(bomb)
except TooManyPixels:
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    sys.exit(0 if grown < 20_000 else f"{grown} kB")
sys.exit("not refused")
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr


def test_text_chunk_bomb_is_refused_or_left_packed() -> None:
    text = b"Comment\0\0" + zlib.compress(bytes(300_000_000), 9)
    row = chunk(b"IDAT", zlib.compress(b"\0\1\2\3"))
    with pytest.raises(PhotoRefused):
        decode_photo(png(1, 1, chunk(b"zTXt", text), row))


def test_pixels_up_to_the_cap_pass_and_one_row_more_does_not() -> None:
    assert decode_photo(np.zeros((10, 10, 3), np.uint8), max_pixels=100).shape == (10, 10, 3)
    for photo in (np.zeros((11, 10, 3), np.uint8), Image.new("RGB", (10, 11))):
        with pytest.raises(TooManyPixels):
            decode_photo(photo, max_pixels=100)


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_very_long_images_are_halved(kind: str, encode: Encode) -> None:
    image = Image.new("RGB", (2 * USEFUL_SIDE, 40), "red")
    decoded = decode_photo(encode(image, kind))
    assert decoded.shape == (20, USEFUL_SIDE, 3)
    assert close(decoded, np.full_like(decoded, (255, 0, 0)), 2)


def offsets(length: int) -> list[int]:
    return sorted({1, 2, 3, 8, 9, 12, 20, 30, 33, 40, *np.linspace(41, length - 3, 25).astype(int)})


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF"])
def test_photo_cut_off_anywhere_is_refused_by_name_or_was_whole(
    kind: str, encode: Encode, astronaut: NDArray[np.uint8]
) -> None:
    whole = encode(Image.fromarray(astronaut[::4, ::4].copy()), kind)
    expected = decode_photo(whole)
    refused = 0
    for offset in offsets(len(whole)):
        try:
            decoded = decode_photo(whole[:offset])
        except PhotoRefused:
            refused += 1
        else:
            assert np.array_equal(decoded, expected), f"{offset} of {len(whole)} bytes"
    assert refused >= 30


def test_heic_cut_off_anywhere_is_refused_by_name(picture: NDArray[np.uint8]) -> None:
    whole = heic(picture)
    for offset in offsets(len(whole)):
        with pytest.raises(PhotoRefused):
            decode_photo(whole[:offset])


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_photo_cut_in_half_is_called_truncated(
    kind: str, encode: Encode, astronaut: NDArray[np.uint8]
) -> None:
    whole = encode(astronaut, kind)
    with pytest.raises(TruncatedImage) as refused:
        decode_photo(whole[: len(whole) // 2])
    assert refused.value.kind == kind
    assert refused.value.__cause__ is not None


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF", "HEIC"])
def test_photo_with_flipped_bytes_is_read_or_refused_by_name(
    kind: str, picture: NDArray[np.uint8], encode: Encode
) -> None:
    whole = heic(picture) if kind == "HEIC" else encode(picture, kind)
    random = np.random.default_rng(0)
    for _ in range(150):
        damaged = bytearray(whole)
        for place in random.integers(0, len(whole), 4):
            damaged[place] = random.integers(0, 256)
        try:
            decoded = decode_photo(bytes(damaged), max_pixels=1_000_000)
        except PhotoRefused:
            continue
        assert decoded.dtype == np.uint8
        assert decoded.ndim == 3


def test_missing_file_is_a_missing_photo(tmp_path: Path) -> None:
    with pytest.raises(PhotoMissing, match="nowhere"):
        decode_photo(tmp_path / "nowhere.jpg")


def test_folder_is_a_missing_photo(tmp_path: Path) -> None:
    with pytest.raises(PhotoMissing):
        decode_photo(tmp_path)


def test_path_with_a_null_byte_is_a_missing_photo() -> None:
    with pytest.raises(PhotoMissing):
        decode_photo("a\0b")


def test_file_beyond_the_byte_cap_is_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "endless.png"
    with path.open("wb") as file:
        file.truncate(MAX_BYTES + 1)
    with pytest.raises(PhotoTooLarge) as refused:
        decode_photo(path)
    assert refused.value.size == MAX_BYTES + 1
