from __future__ import annotations

import io

import pytest
from PIL import Image

from bot.playground.errors import Refused
from bot.playground.images import NotAPicture, photo_sizes, sent_photo_sizes, thumbnail
from tests.bot.playground.conftest import picture


def test_large_photo_becomes_four_jpegs_of_at_most_1280() -> None:
    sizes = photo_sizes(picture(3000, 2000))
    assert [(size.width, size.height) for size in sizes] == [
        (90, 60),
        (320, 213),
        (800, 533),
        (1280, 853),
    ]
    for size in sizes:
        with Image.open(io.BytesIO(size.content)) as opened:
            assert (opened.format, opened.size) == ("JPEG", (size.width, size.height))


def test_small_photo_is_never_enlarged() -> None:
    assert [size.width for size in photo_sizes(picture(200, 100))] == [90, 200]
    assert [size.width for size in photo_sizes(picture(50, 50))] == [50]


def test_orientation_is_applied_and_metadata_is_gone() -> None:
    out = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (400, 200)).save(out, "JPEG", exif=exif)
    largest = photo_sizes(out.getvalue())[-1]
    assert (largest.width, largest.height) == (200, 400)
    with Image.open(io.BytesIO(largest.content)) as opened:
        assert not opened.getexif()


def test_transparency_becomes_white() -> None:
    out = io.BytesIO()
    Image.new("RGBA", (60, 60), (0, 0, 0, 0)).save(out, "PNG")
    with Image.open(io.BytesIO(photo_sizes(out.getvalue())[0].content)) as opened:
        assert opened.getpixel((30, 30)) == (255, 255, 255)


def test_what_is_no_picture_is_named() -> None:
    with pytest.raises(NotAPicture):
        photo_sizes(b"not a picture")
    with pytest.raises(NotAPicture):
        photo_sizes(picture(300, 300, "JPEG")[:200])
    assert thumbnail(b"%PDF-1.7") is None


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (picture(10, 201), "PHOTO_INVALID_DIMENSIONS"),
        (picture(5001, 5000), "PHOTO_INVALID_DIMENSIONS"),
        (b"not a picture", "IMAGE_PROCESS_FAILED"),
        (picture(300, 300, "JPEG")[:200], "IMAGE_PROCESS_FAILED"),
    ],
)
def test_photo_of_a_bot_is_held_to_the_limits(content: bytes, reason: str) -> None:
    with pytest.raises(Refused, match=reason):
        sent_photo_sizes(content)


def test_photo_of_a_bot_at_the_limits_passes() -> None:
    assert sent_photo_sizes(picture(10, 200))
    assert sent_photo_sizes(picture(5000, 5000))


def test_photo_over_ten_megabytes_is_refused() -> None:
    with pytest.raises(Refused, match="too big for a photo"):
        sent_photo_sizes(picture() + bytes(10 * 1024 * 1024))


def test_document_that_is_a_picture_gets_a_preview() -> None:
    preview = thumbnail(picture(1000, 500))
    assert preview is not None
    assert (preview.width, preview.height) == (320, 160)
