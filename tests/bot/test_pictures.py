"""The pictures: boxes are where the faces are, people are counted right, everything fits."""

import io
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from bot import pictures
from bot.pictures import (
    EMOTION_COLOURS,
    FACE_COLOURS,
    LONGEST_SIDE,
    pictured_faces,
    reading_picture,
    review_end_picture,
    review_picture,
    statistics_chart,
)
from bot.texts import Catalogue
from fer_model.errors import NotAnImage
from store.records import Box, Day, Reading
from tests.bot.samples import EVEN, MIXED, NOTHING, SAD, SURE, reading

CATALOGUE = Catalogue.load()
EN = CATALOGUE.texts("en")
BROWN = (110, 70, 30)  # like nothing that is drawn
CLOSE = 9  # JPEG moves colours a little

Pixels = NDArray[np.int16]


def photo(width: int, height: int) -> NDArray[np.uint8]:
    return np.full((height, width, 3), BROWN, np.uint8)


def drawn(about: Reading, size: tuple[int, int], page: int = 0, language: str = "en") -> Pixels:
    content = reading_picture(photo(*size), about, CATALOGUE.texts(language), page)
    image = Image.open(io.BytesIO(content))
    assert image.format == "JPEG"
    return np.asarray(image.convert("RGB")).astype(np.int16)


def is_colour(pixels: Pixels, colour: Sequence[int]) -> NDArray[np.bool_]:
    return np.abs(pixels - np.array(colour)).max(axis=-1) <= CLOSE


def runs(line: NDArray[np.bool_]) -> int:
    """How many separate stretches of a line are true; specks and cracks are the JPEG's."""
    if not line.any():
        return 0
    edges = np.flatnonzero(np.diff(np.concatenate(([False], line, [False])).astype(np.int8)))
    starts, ends = edges[::2], edges[1::2]
    cracks = starts[1:] - ends[:-1] <= 4
    starts, ends = starts[np.append(True, ~cracks)], ends[np.append(~cracks, True)]
    return int(np.count_nonzero(ends - starts >= 8))


def people(pixels: Pixels, colour: Sequence[int], below: float) -> int:
    """The most people of a colour that stand in one line below a height."""
    lines = is_colour(pixels[int(below) :], colour)
    return max(runs(line) for line in lines)


SIZES = [(800, 600), (600, 800), (3000, 2000), (500, 1200), (150, 100)]
TWO_SIZES = [(800, 600), (500, 1200)]  # charts below, charts beside


@pytest.mark.parametrize("size", SIZES)
def test_box_is_drawn_around_the_face(size: tuple[int, int]) -> None:
    width, height = size
    box: Box = (width * 0.4, height * 0.3, width * 0.7, height * 0.6)
    about = reading([MIXED], boxes=[box], size=size)
    pixels = drawn(about, size)
    (face,) = pictured_faces(about, size, 0, EN)
    middle_x, middle_y = (face.left + face.right) / 2, (face.top + face.bottom) / 2
    inside = 2.0
    for x, y in (
        (face.left + inside, middle_y),
        (face.right - inside, middle_y),
        (middle_x, face.top + inside),
        (middle_x, face.bottom - inside),
    ):
        assert is_colour(pixels[round(y), round(x)], face.colour), (x, y)
    assert is_colour(pixels[round(middle_y), round(middle_x)], BROWN)


@pytest.mark.parametrize("size", SIZES)
def test_box_stands_at_the_same_share_of_the_photo(size: tuple[int, int]) -> None:
    width, height = size
    about = reading([MIXED], boxes=[(width * 0.5, 0, width, height * 0.5)], size=size)
    pixels = drawn(about, size)
    (face,) = pictured_faces(about, size, 0, EN)
    brown = is_colour(pixels, BROWN)
    rows, columns = np.flatnonzero(brown.sum(axis=1) > 20), np.flatnonzero(brown.sum(axis=0) > 20)
    assert face.left == pytest.approx((columns[0] + columns[-1] + 1) / 2, abs=6)
    assert face.bottom == pytest.approx((rows[0] + rows[-1] + 1) / 2, abs=6)


def test_photo_that_comes_back_smaller_has_its_boxes_at_the_same_place() -> None:
    about = reading([MIXED], boxes=[(400, 300, 600, 500)], size=(1600, 1200))
    assert pictured_faces(about, (1600, 1200), 0, EN) == pictured_faces(about, (800, 600), 0, EN)


@pytest.mark.parametrize("size", TWO_SIZES)
@pytest.mark.parametrize("language", ["en", "ko"])
def test_people_are_counted_as_in_the_words(size: tuple[int, int], language: str) -> None:
    width, height = size
    box: Box = (width * 0.1, height * 0.1, width * 0.2, height * 0.2)
    for blend, most in ((SURE, 10), (MIXED, 6), (SAD, 8)):
        pixels = drawn(reading([blend], boxes=[box], size=size), size, language=language)
        (face,) = pictured_faces(reading([blend], boxes=[box], size=size), size, 0, EN)
        assert people(pixels, FACE_COLOURS[0], face.bottom + 60) == most


def test_each_line_shows_ten_people() -> None:
    pixels = drawn(reading([MIXED], boxes=[(10, 10, 60, 60)]), (800, 600))[600:]
    coloured, pale = is_colour(pixels, FACE_COLOURS[0]), is_colour(pixels, (225, 228, 234))
    lines = [(runs(one), runs(other)) for one, other in zip(coloured, pale, strict=True)]
    shown = Counter(line for line in lines if sum(line) == 10)
    assert {line for line, times in shown.items() if times > 10} == {(6, 4), (3, 7), (1, 9)}


def test_crowds_bars_are_as_long_as_their_shares() -> None:
    about = reading([MIXED] * 6 + [SAD] * 3)
    pixels = drawn(about, (800, 600))
    below = max(face.bottom for face in pictured_faces(about, (800, 600), 0, EN)) + 40
    chart = pixels[int(below) :]
    happy = is_colour(chart, EMOTION_COLOURS["happy"]).sum(axis=1).max()
    sad = is_colour(chart, EMOTION_COLOURS["sad"]).sum(axis=1).max()
    assert happy / sad == pytest.approx(2, abs=0.08)


def test_faces_of_one_page_have_different_colours() -> None:
    for page in range(1, 16):
        told = pictured_faces(reading([MIXED] * 60), (800, 600), page, EN)[-4:]
        assert len({face.colour for face in told}) == 4


def test_crowds_boxes_have_the_colour_of_their_bar() -> None:
    faces = pictured_faces(reading([MIXED] * 4 + [SAD]), (800, 600), 0, EN)
    colours = {face.number: face.colour for face in faces}
    assert colours[1] == EMOTION_COLOURS["happy"]
    assert colours[5] == EMOTION_COLOURS["sad"]


def test_white_digits_stand_out_on_every_colour() -> None:
    # WCAG 2.2 asks for a contrast of 3:1 for large bold type.
    for colour in FACE_COLOURS:
        linear = [
            v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4
            for v in (channel / 255 for channel in colour)
        ]
        luminance = sum(c * w for c, w in zip(linear, (0.2126, 0.7152, 0.0722), strict=True))
        assert 1.05 / (luminance + 0.05) >= 3


@pytest.mark.parametrize(
    "size",
    [*SIZES, (1, 1), (2, 3000), (4000, 2), (200, 4000), (4000, 200), (1080, 1920)],
)
@pytest.mark.parametrize("count", [1, 3, 4, 12])
def test_picture_is_what_telegram_accepts_whatever_the_photo(
    size: tuple[int, int], count: int
) -> None:
    boxes: list[Box] = [(0.0, 0.0, float(size[0]), float(size[1]))] * count
    about = reading([EVEN] * count, boxes=boxes, size=size)
    content = reading_picture(photo(*size), about, EN)
    image = Image.open(io.BytesIO(content))
    assert max(image.size) == LONGEST_SIDE
    assert max(image.size) / min(image.size) <= 20
    assert len(content) < 2_000_000


@pytest.mark.parametrize("language", ["en", "ko"])
@pytest.mark.parametrize("count", [1, 2, 4, 9])
@pytest.mark.parametrize("size", TWO_SIZES)
def test_every_text_lies_inside_the_picture_and_beside_its_bar(
    monkeypatch: pytest.MonkeyPatch, size: tuple[int, int], count: int, language: str
) -> None:
    written: list[tuple[float, float, float, float]] = []
    original = ImageDraw.ImageDraw.text

    def spy(draw: ImageDraw.ImageDraw, at: tuple[float, float], text: str, **style: Any) -> None:
        place = draw.textbbox(at, text, font=style["font"], anchor=style["anchor"])
        assert place[0] > 0
        assert place[1] > 0
        assert place[2] < draw.im.size[0] - 1
        assert place[3] < draw.im.size[1] - 1
        written.append(place)
        original(draw, at, text, **style)

    monkeypatch.setattr(ImageDraw.ImageDraw, "text", spy)
    boxes: list[Box] = [(10.0 + n, 10.0, 40.0 + n, 40.0) for n in range(count)]
    reading_picture(
        photo(*size),
        reading([EVEN] * count, boxes=boxes, size=size),
        CATALOGUE.texts(language),
    )
    texts = written[count:]  # the first are the numbers on the photo
    assert len(texts) > 2
    for index, first in enumerate(texts):
        for second in texts[index + 1 :]:
            apart = (
                first[2] < second[0]
                or second[2] < first[0]
                or first[3] < second[1]
                or second[3] < first[1]
            )
            assert apart, (first, second)


def test_pages_of_a_crowd_differ() -> None:
    about = reading([MIXED] * 9)
    made = {reading_picture(photo(800, 600), about, EN, page) for page in range(4)}
    assert len(made) == 4


def test_picture_is_drawn_from_bytes_as_well() -> None:
    output = io.BytesIO()
    Image.fromarray(photo(400, 300)).save(output, "PNG")
    assert reading_picture(output.getvalue(), reading([MIXED]), EN) == reading_picture(
        photo(400, 300), reading([MIXED]), EN
    )
    with pytest.raises(NotAnImage):
        reading_picture(b"no photo", reading([MIXED]), EN)


def test_picture_carries_nothing_of_the_photos_metadata() -> None:
    output = io.BytesIO()
    exif = Image.Exif()
    exif[0x010E] = "where I live"
    Image.fromarray(photo(400, 300)).save(output, "JPEG", exif=exif)
    assert b"where I live" in output.getvalue()
    made = reading_picture(output.getvalue(), reading([MIXED]), EN)
    assert b"where I live" not in made
    assert not Image.open(io.BytesIO(made)).getexif()


def days(count: int) -> tuple[Day, ...]:
    first = date(2026, 1, 1)
    return tuple(Day(first + timedelta(n), 10 + n % 5, n % 4, n % 3) for n in range(count))


def chart(of: tuple[Day, ...], language: str = "en") -> Pixels:
    content = statistics_chart(replace(NOTHING, days=of), CATALOGUE.texts(language))
    image = Image.open(io.BytesIO(content))
    assert image.format == "PNG"
    assert max(image.size) <= LONGEST_SIDE
    return np.asarray(image.convert("RGB")).astype(np.int16)


def bars(pixels: Pixels, colour: Sequence[int]) -> list[int]:
    """The heights of the bars of a colour, below the legend, from left to right."""
    found = (pixels[70:] == np.array(colour)).all(axis=-1)
    heights = found.sum(axis=0)
    columns = heights > 0
    starts = np.flatnonzero(np.diff(np.concatenate(([0], columns.astype(np.int8)))) == 1)
    return [int(heights[start : start + 5].max()) for start in starts]


def test_chart_has_a_bar_per_day_as_high_as_its_readings() -> None:
    first = date(2026, 11, 1)
    shown = bars(
        chart((Day(first, 10, 0, 0), Day(first + timedelta(1), 20, 0, 0))), FACE_COLOURS[0]
    )
    assert len(shown) == 2
    assert shown[1] / shown[0] == pytest.approx(2, abs=0.03)


def test_days_around_new_year_keep_their_dates() -> None:
    figure = Figure()
    axes = figure.add_subplot()
    first = date(2025, 12, 28)
    pictures._name_days(axes, [Day(first + timedelta(n), 1, 0, 0) for n in range(7)])
    names = [label.get_text() for label in axes.get_xticklabels()]
    assert names[0] == "12-28"
    assert names[-1] == "01-03"


def test_day_without_anything_leaves_a_gap() -> None:
    first = date(2026, 11, 1)
    pixels = chart((Day(first, 10, 0, 0), Day(first + timedelta(5), 10, 0, 0)))
    found = (pixels[70:] == np.array(FACE_COLOURS[0])).all(axis=-1).any(axis=0)
    columns = np.flatnonzero(found)
    gap = np.diff(columns).max()
    width = np.flatnonzero(np.diff(columns) > 1)[0] + 1
    assert gap > 4 * width


@pytest.mark.parametrize(("count", "most"), [(30, 30), (62, 62), (63, 32), (600, 62)])
def test_long_time_is_shown_in_bars_that_can_be_told_apart(count: int, most: int) -> None:
    assert len(bars(chart(days(count)), FACE_COLOURS[0])) <= most


@pytest.mark.parametrize("language", ["en", "ko"])
def test_chart_of_nothing_is_drawn_without_a_warning(language: str) -> None:
    assert bars(chart((), language), FACE_COLOURS[0]) == []


def test_chart_leaves_matplotlibs_settings_alone() -> None:
    before = dict(mpl.rcParams)
    chart(days(3))
    assert dict(mpl.rcParams) == before


# Review


SAID = pictures._SAID


def kept(side: int = 320) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (side, side), BROWN).save(file, "JPEG")
    return file.getvalue()


def reviewed(
    crop: bytes, said: Sequence[str], crowd: tuple[float, ...] = MIXED, language: str = "en"
) -> Pixels:
    content = review_picture(crop, crowd, said, CATALOGUE.texts(language))
    image = Image.open(io.BytesIO(content))
    assert (image.format, max(image.size)) == ("JPEG", LONGEST_SIDE)
    return np.asarray(image.convert("RGB")).astype(np.int16)


@pytest.mark.parametrize("language", ["en", "ko"])
def test_review_shows_the_crop_large_and_counts_people(language: str) -> None:
    pixels = reviewed(kept(), ["happy"], language=language)
    brown = is_colour(pixels, BROWN)
    rows, columns = np.flatnonzero(brown.sum(axis=1) > 99), np.flatnonzero(brown.sum(axis=0) > 99)
    assert np.ptp(columns) == pytest.approx(np.ptp(rows), abs=4)
    assert np.ptp(columns) > pixels.shape[1] / 2
    assert people(pixels, FACE_COLOURS[0], rows[-1] + 20) == 6


def marked(pixels: Pixels) -> int:
    """How many rows of the chart are marked."""
    return runs(is_colour(pixels, SAID).sum(axis=1) > 100)


def test_review_marks_what_was_said_though_no_one_would_say_it() -> None:
    assert marked(reviewed(kept(), ["happy"])) == 1
    assert marked(reviewed(kept(), ["angry"])) == 1
    assert marked(reviewed(kept(), ["happy", "angry"])) == 2
    assert len(reviewed(kept(), ["angry"])) == LONGEST_SIDE


def test_review_of_a_crop_that_cannot_be_read_shows_what_was_said() -> None:
    pixels = reviewed(b"no photo", ["sad"])
    assert not is_colour(pixels, BROWN).any()
    assert marked(pixels) == 1


def test_end_of_a_review_is_a_picture_without_a_face() -> None:
    image = Image.open(io.BytesIO(review_end_picture("Nothing is left to review")))
    assert image.format == "JPEG"
    assert max(image.size) == LONGEST_SIDE
