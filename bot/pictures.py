"""The bot's pictures: a photo with its faces boxed and charted, and the chart of `/stats`. Pure.

They take a moment of processor time each: call them off the event loop.

A picture is laid out in units, of which a stacked one is `WIDTH` wide, and drawn at the scale at
which its longer side is `LONGEST_SIDE` px: whatever the photo's size, type has the same share of
the screen. Everything but the photo is drawn twice as large and reduced, to smooth its edges.
"""

import io
import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator
from PIL import Image, ImageDraw

from bot.blends import Share, of_crowd, of_faces, of_ten_people
from bot.fonts import Weight, font, font_file
from bot.pages import faces_of_page
from bot.texts import Texts
from fer_model import Photo
from fer_model.alignment import KEPT_FACE, KEPT_SIDE
from fer_model.decoding import decode_photo
from fer_model.errors import PhotoRefused
from fer_model.readings import PEOPLE
from store.emotions import EMOTIONS, top_emotion
from store.records import Day, Face, Probabilities, Reading, Statistics

LONGEST_SIDE: Final = 1280
"""Px of a picture; Telegram makes what is larger smaller, and less sharp."""

WIDTH: Final = 1080
COLUMN: Final = 600
"""Units: of a stacked picture, and of the charts beside a tall photo."""

TALL: Final = 1.4
"""Height over width from which the charts stand beside the photo instead of below."""

MOST_ENLARGED: Final = 6.0
"""How far a small photo is enlarged; beyond that it is a blur, and stands on a mount instead."""

_SMOOTHING: Final = 2
_QUALITY: Final = 90  # JPEG; Telegram compresses photos again anyway

_Colour = tuple[int, int, int]

_PAPER: Final = (244, 245, 248)
_CARD: Final = (255, 255, 255)
_INK: Final = (28, 32, 41)
_PALE_INK: Final = (107, 114, 128)
_EMPTY: Final = (225, 228, 234)
_MOUNT: Final = (31, 34, 41)
_SAID: Final = (255, 233, 199)
"""Behind what a person said of the face, in a review."""

_OUTSIDE: Final = (148, 156, 170)
"""Of the faces that a crowd's page does not tell of."""

FACE_COLOURS: Final[tuple[_Colour, ...]] = (
    (47, 111, 237),
    (224, 61, 76),
    (14, 148, 134),
    (232, 98, 14),
    (138, 75, 199),
    (206, 54, 149),
    (56, 142, 74),
    (150, 104, 66),
)
"""By number, then over again; white digits stand out on each."""

EMOTION_COLOURS: Final[dict[str, _Colour]] = {
    "angry": (214, 48, 59),
    "disgust": (76, 140, 43),
    "fear": (126, 70, 190),
    "happy": (230, 145, 10),
    "sad": (42, 100, 224),
    "surprise": (206, 54, 149),
    "neutral": (107, 116, 130),
}


@dataclass(frozen=True)
class _Frame:
    """A rectangle in units."""

    left: float
    top: float
    width: float
    height: float

    @property
    def right(self) -> float:
        return self.left + self.width

    @property
    def bottom(self) -> float:
        return self.top + self.height

    def inset(self, by: float) -> "_Frame":
        return _Frame(self.left + by, self.top + by, self.width - 2 * by, self.height - 2 * by)


@dataclass(frozen=True)
class _Card:
    """The chart of one face, or of a crowd: a bar per share, out of `whole`."""

    shares: tuple[Share, ...]
    whole: int
    number: int | None
    heading: str | None
    said: frozenset[str] = frozenset()


@dataclass(frozen=True)
class _Layout:
    """Where everything stands."""

    width: float
    height: float
    mount: _Frame
    photo: _Frame
    title: _Frame
    cards: tuple[_Frame, ...]
    row_height: float

    @property
    def scale(self) -> float:
        """Px per unit."""
        return LONGEST_SIDE / max(self.width, self.height)


@dataclass(frozen=True)
class PicturedFace:
    """Where a face's box is in the picture, in px, and its colour."""

    number: int
    left: float
    top: float
    right: float
    bottom: float
    colour: _Colour


def reading_picture(photo: Photo, reading: Reading, texts: Texts, page: int = 0) -> bytes:
    """A JPEG: the photo with numbered boxes, and the blends of the page's faces.

    `page` is one of `pages.page_count`. Sides are at most 1,280 px.

    Raises:
        PhotoRefused: The photo cannot be decoded.
    """
    image = Image.fromarray(decode_photo(photo))
    cards = _cards(reading, texts, page)
    layout = _layout(image.width, image.height, cards)
    scale = layout.scale
    canvas = Image.new("RGB", (round(layout.width * scale), round(layout.height * scale)), _PAPER)
    canvas.paste(_MOUNT, _pixels(layout.mount, scale))
    place = _pixels(layout.photo, scale)
    size = (max(place[2] - place[0], 1), max(place[3] - place[1], 1))
    canvas.paste(image.resize(size, Image.Resampling.LANCZOS), place[:2])
    pen = _Pen.over(canvas, scale)
    for face in pictured_faces(reading, (image.width, image.height), page, texts):
        _draw_box(pen, face, layout)
    _draw_title(pen, layout.title, texts, reading, cards)
    for card, frame in zip(cards, layout.cards, strict=True):
        _draw_card(pen, card, frame, layout.row_height, texts)
    pen.lay_over(canvas)
    return _jpeg(canvas)


def pictured_faces(
    reading: Reading, size: tuple[int, int], page: int, texts: Texts
) -> tuple[PicturedFace, ...]:
    """Where the boxes are in the picture of a photo of this size, those told of on top."""
    layout = _layout(*size, _cards(reading, texts, page))
    # A photo may come back from Telegram at another size than it was read at.
    across = layout.photo.width * layout.scale / (reading.width or size[0])
    down = layout.photo.height * layout.scale / (reading.height or size[1])
    left, top = layout.photo.left * layout.scale, layout.photo.top * layout.scale
    told = {face.number for face in faces_of_page(reading, page)}
    placed = [
        PicturedFace(
            face.number,
            left + face.box[0] * across,
            top + face.box[1] * down,
            left + face.box[2] * across,
            top + face.box[3] * down,
            _colour(face, told),
        )
        for face in reading.faces
    ]
    return tuple(sorted(placed, key=lambda face: (face.number in told, -face.number)))


def _colour(face: Face, told: set[int]) -> _Colour:
    if not told:
        return EMOTION_COLOURS[top_emotion(face.crowd)]
    if face.number not in told:
        return _OUTSIDE
    return _face_colour(face.number)


def _face_colour(number: int) -> _Colour:
    return FACE_COLOURS[(number - 1) % len(FACE_COLOURS)]


# Layout


_MARGIN: Final = 28
_PADDING: Final = 26
_TITLE: Final = 62
_HEADING: Final = 64
_ROW: Final = 60
_WIDE_ROW: Final = 76  # of a card as wide as the picture
_DOUBLE_ROW: Final = 140  # with the name above its bar, where there is room
_MOUNT_MARGIN: Final = 40


def _cards(reading: Reading, texts: Texts, page: int) -> tuple[_Card, ...]:
    faces = faces_of_page(reading, page)
    if not faces:
        return (_Card(of_faces(reading.faces), len(reading.faces), None, None),)
    alone = len(reading.faces) == 1
    return tuple(
        _Card(
            of_ten_people(face),
            PEOPLE,
            face.number,
            None if alone else texts.plain("picture_face", number=face.number),
        )
        for face in faces
    )


def _layout(width: int, height: int, cards: Sequence[_Card]) -> _Layout:
    return _beside(width, height, cards) if height > TALL * width else _below(width, height, cards)


def _below(width: int, height: int, cards: Sequence[_Card]) -> _Layout:
    enlarged = min(WIDTH / width, MOST_ENLARGED)
    photo_width, photo_height = width * enlarged, height * enlarged
    margin = 0 if photo_width > WIDTH - 1 else _MOUNT_MARGIN
    mount = _Frame(0, 0, WIDTH, photo_height + 2 * margin)
    photo = _Frame((WIDTH - photo_width) / 2, margin, photo_width, photo_height)
    title = _Frame(_MARGIN, mount.bottom + _MARGIN * 0.6, WIDTH - 2 * _MARGIN, _TITLE)
    columns, row_height = (1, _WIDE_ROW) if len(cards) == 1 else (2, _ROW)
    card_width = (WIDTH - (columns + 1) * _MARGIN) / columns
    frames: list[_Frame] = []
    top = title.bottom + _MARGIN * 0.3
    for start in range(0, len(cards), columns):
        row = cards[start : start + columns]
        height_of_row = max(_card_height(card, row_height) for card in row)
        for column in range(len(row)):
            left = _MARGIN + column * (card_width + _MARGIN)
            frames.append(_Frame(left, top, card_width, height_of_row))
        top += height_of_row + _MARGIN
    return _Layout(WIDTH, top, mount, photo, title, tuple(frames), row_height)


def _beside(width: int, height: int, cards: Sequence[_Card]) -> _Layout:
    card_width = COLUMN - 2 * _MARGIN
    row_height: float = _DOUBLE_ROW
    if _column_height(cards, row_height) > LONGEST_SIDE:
        row_height = _ROW
    needed = _column_height(cards, row_height)
    total = max(needed, LONGEST_SIDE)
    enlarged = min(total / height, MOST_ENLARGED)
    photo_width, photo_height = width * enlarged, height * enlarged
    margin = 0 if photo_height > total - 1 else _MOUNT_MARGIN
    mount = _Frame(0, 0, photo_width + 2 * margin, total)
    photo = _Frame(margin, (total - photo_height) / 2, photo_width, photo_height)
    left = mount.right + _MARGIN
    top = (total - needed) / 2 + _MARGIN * 0.6
    title = _Frame(left, top, card_width, _TITLE)
    frames: list[_Frame] = []
    top = title.bottom + _MARGIN * 0.3
    for card in cards:
        frames.append(_Frame(left, top, card_width, _card_height(card, row_height)))
        top = frames[-1].bottom + _MARGIN
    return _Layout(mount.right + COLUMN, total, mount, photo, title, tuple(frames), row_height)


def _column_height(cards: Sequence[_Card], row_height: float) -> float:
    return _MARGIN + _TITLE + sum(_card_height(card, row_height) + _MARGIN for card in cards)


def _card_height(card: _Card, row_height: float) -> float:
    heading = _HEADING if card.heading is not None else 0
    return 2 * _PADDING + heading + len(card.shares) * row_height


def _pixels(frame: _Frame, scale: float) -> tuple[int, int, int, int]:
    left, top = round(frame.left * scale), round(frame.top * scale)
    return (left, top, round(frame.right * scale), round(frame.bottom * scale))


# Drawing


@dataclass(frozen=True)
class _Pen:
    """Draws in units on a transparent layer that is `_SMOOTHING` times as large as its canvas."""

    layer: Image.Image
    draw: ImageDraw.ImageDraw
    scale: float

    @classmethod
    def over(cls, canvas: Image.Image, scale: float) -> "_Pen":
        size = (canvas.width * _SMOOTHING, canvas.height * _SMOOTHING)
        layer = Image.new("RGBA", size, (0, 0, 0, 0))
        return cls(layer, ImageDraw.Draw(layer), scale * _SMOOTHING)

    def lay_over(self, canvas: Image.Image) -> None:
        smooth = self.layer.reduce(_SMOOTHING)
        canvas.paste(smooth, mask=smooth)

    def rounded(
        self,
        frame: _Frame,
        radius: float,
        fill: _Colour,
        corners: tuple[bool, bool, bool, bool] = (True, True, True, True),
    ) -> None:
        place = self._corners(frame)
        self.draw.rounded_rectangle(place, radius * self.scale, fill, corners=corners)

    def outline(
        self, frame: _Frame, radius: float, colour: tuple[int, ...], thickness: float
    ) -> None:
        self.draw.rounded_rectangle(
            self._corners(frame),
            radius * self.scale,
            outline=colour,
            width=max(round(thickness * self.scale), 1),
        )

    def disc(self, x: float, y: float, radius: float, fill: tuple[int, ...]) -> None:
        frame = _Frame(x - radius, y - radius, 2 * radius, 2 * radius)
        self.draw.ellipse(self._corners(frame), fill)

    def line(self, points: Sequence[tuple[float, float]], thickness: float, fill: _Colour) -> None:
        width = max(round(thickness * self.scale), 1)
        places = [(x * self.scale, y * self.scale) for x, y in points]
        self.draw.line(places, fill, width, joint="curve")
        for x, y in (points[0], points[-1]):
            self.disc(x, y, thickness / 2, fill)

    def text(
        self,
        x: float,
        y: float,
        text: str,
        *,
        size: float,
        weight: Weight = "bold",
        colour: _Colour = _INK,
        anchor: str = "lm",
        width: float = math.inf,
    ) -> None:
        """Write at (x, y), smaller where it would be wider than `width`."""
        fitting = self.size_to_fit(text, size, width, weight)
        pixels = max(math.floor(fitting * self.scale), 1)
        at = (x * self.scale, y * self.scale)
        self.draw.text(at, text, fill=colour, font=font(weight, pixels), anchor=anchor)

    def size_to_fit(self, text: str, size: float, width: float, weight: Weight = "bold") -> float:
        """The size at which the text is no wider than `width`; `size` if it fits."""
        length = font(weight, max(round(size * self.scale), 1)).getlength(text) / self.scale
        return size if length <= width else size * width / length

    def _corners(self, frame: _Frame) -> tuple[float, float, float, float]:
        return (
            frame.left * self.scale,
            frame.top * self.scale,
            frame.right * self.scale,
            frame.bottom * self.scale,
        )


_LINE: Final = 6.0
_SMALLEST_BADGE: Final = 17.0
_LARGEST_BADGE: Final = 30.0


def _draw_box(pen: _Pen, face: PicturedFace, layout: _Layout) -> None:
    unit = layout.scale
    box = _Frame(
        face.left / unit,
        face.top / unit,
        (face.right - face.left) / unit,
        (face.bottom - face.top) / unit,
    )
    smaller = min(box.width, box.height)
    line = min(_LINE, max(smaller * 0.05, 2.5))
    radius = smaller * 0.09
    # A dark hem keeps the line visible on a background of its own colour.
    pen.outline(box.inset(-2), radius + 2, (0, 0, 0, 90), line + 4)
    pen.outline(box, radius, face.colour, line)
    badge = min(max(smaller * 0.15, _SMALLEST_BADGE), _LARGEST_BADGE)
    if face.colour == _OUTSIDE:
        badge = _SMALLEST_BADGE
    # On a small face the badge moves off its corner, so that the face stays visible.
    off = badge * 0.8 if smaller < 5 * badge else 0.0
    within = layout.mount.inset(badge + 4)
    x = min(max(box.left + line / 2 - off, within.left), within.right)
    y = min(max(box.top + line / 2 - off, within.top), within.bottom)
    pen.disc(x, y, badge + 4, (255, 255, 255))
    _draw_badge(pen, x, y, badge, face.number, face.colour)


def _draw_badge(pen: _Pen, x: float, y: float, radius: float, number: int, colour: _Colour) -> None:
    pen.disc(x, y, radius, colour)
    pen.text(
        x,
        y,
        str(number),
        size=radius * 1.25,
        weight="extra_bold",
        colour=(255, 255, 255),
        anchor="mm",
        width=radius * 1.5,
    )


def _draw_title(
    pen: _Pen, frame: _Frame, texts: Texts, reading: Reading, cards: Sequence[_Card]
) -> None:
    if cards[0].number is None:
        title = texts.plain("picture_crowd", count=len(reading.faces))
    else:
        title = texts.plain("picture_title")
    _write_title(pen, frame, title)


def _write_title(pen: _Pen, frame: _Frame, title: str) -> None:
    middle = frame.top + frame.height / 2
    pen.text(frame.left + 6, middle, title, size=36, colour=_PALE_INK, width=frame.width - 12)


def _draw_card(pen: _Pen, card: _Card, frame: _Frame, row_height: float, texts: Texts) -> None:
    pen.rounded(frame, 22, _CARD)
    inside = frame.inset(_PADDING)
    top = inside.top
    if card.heading is not None and card.number is not None:
        colour = _face_colour(card.number)
        middle = top + _HEADING * 0.36
        _draw_badge(pen, inside.left + 24, middle, 24, card.number, colour)
        pen.text(inside.left + 62, middle, card.heading, size=34, width=inside.width - 62)
        top += _HEADING
    for index, share in enumerate(card.shares):
        row = _Frame(inside.left, top + index * row_height, inside.width, row_height)
        if share.emotion in card.said:
            mark = _Frame(row.left - 14, row.top + 3, row.width + 28, row.height - 6)
            pen.rounded(mark, 14, _SAID)
        _draw_row(pen, card, share, row, texts)


def _draw_row(pen: _Pen, card: _Card, share: Share, row: _Frame, texts: Texts) -> None:
    """The emotion's name, its bar and its count, in one line or with the name above."""
    count = str(share.count)
    if row.height == _DOUBLE_ROW:
        middle = row.top + row.height * 0.24
        bar = _Frame(row.left, row.top + row.height * 0.5, row.width, row.height * 0.36)
        label_width, size = row.width * 0.8, 44.0
    else:
        middle = row.top + row.height / 2
        label_width = min(max(row.width * 0.36, 158), 250)
        count_width = max(row.width * 0.08, 58)
        bar = _Frame(
            row.left + label_width,
            row.top + row.height * 0.16,
            row.width - label_width - count_width,
            row.height * 0.68,
        )
        label_width, size = label_width - 16, row.height * 0.25 + 25
    labels = [texts.emotion_label(emotion) for emotion in EMOTIONS]
    size = min(pen.size_to_fit(label, size, label_width) for label in labels)
    pen.text(row.left, middle, texts.emotion_label(share.emotion), size=size)
    pen.text(row.right, middle, count, size=size + 2, weight="extra_bold", anchor="rm")
    if card.number is None:
        _draw_bar(pen, bar, share.count / card.whole, EMOTION_COLOURS[share.emotion])
    else:
        _draw_people(pen, bar, share.count, _face_colour(card.number))


def _draw_bar(pen: _Pen, bar: _Frame, share: float, colour: _Colour) -> None:
    track = _Frame(bar.left, bar.top + bar.height * 0.2, bar.width, bar.height * 0.6)
    pen.rounded(track, track.height / 2, _EMPTY)
    filled = max(track.width * share, track.height)
    pen.rounded(_Frame(track.left, track.top, filled, track.height), track.height / 2, colour)


def _draw_people(pen: _Pen, bar: _Frame, count: int, colour: _Colour) -> None:
    """Ten people, the first `count` of them in colour."""
    pitch = bar.width / PEOPLE
    height = min(bar.height, pitch * 1.36)
    top = bar.top + (bar.height - height) / 2
    for index in range(PEOPLE):
        x = bar.left + (index + 0.5) * pitch
        _draw_person(pen, x, top, height, colour if index < count else _EMPTY)


def _draw_person(pen: _Pen, x: float, top: float, height: float, colour: _Colour) -> None:
    head = height * 0.22
    pen.disc(x, top + head, head, colour)
    shoulders = height * 0.33
    body = _Frame(x - shoulders, top + height * 0.5, 2 * shoulders, height * 0.5)
    pen.rounded(body, shoulders * 0.9, colour, corners=(True, True, False, False))


def _jpeg(image: Image.Image) -> bytes:
    output = io.BytesIO()
    # Whole chroma: lines of one colour would fray at half of it.
    image.save(output, "JPEG", quality=_QUALITY, subsampling=0, optimize=True)
    return output.getvalue()


# Review


_CUT_OUT: Final = 860  # units: the side of a kept crop in its picture
_CARD_HEIGHT: Final = 560
_UNREADABLE: Final = "?"


def review_picture(crop: bytes, crowd: Probabilities, said: Collection[str], texts: Texts) -> bytes:
    """A JPEG: the kept crop, its face framed, and the blend with what a person said marked.

    A crop that cannot be read leaves its place empty: the feedback can be ruled on all the same.
    """
    card = _review_card(crowd, said)
    mount = _Frame(0, 0, WIDTH, _CUT_OUT + 2 * _MOUNT_MARGIN)
    photo = _Frame((WIDTH - _CUT_OUT) / 2, _MOUNT_MARGIN, _CUT_OUT, _CUT_OUT)
    title = _Frame(_MARGIN, mount.bottom + _MARGIN * 0.6, WIDTH - 2 * _MARGIN, _TITLE)
    height = _card_height(card, _WIDE_ROW)
    frame = _Frame(_MARGIN, title.bottom + _MARGIN * 0.3, WIDTH - 2 * _MARGIN, height)
    layout = _Layout(WIDTH, frame.bottom + _MARGIN, mount, photo, title, (frame,), _WIDE_ROW)
    scale = layout.scale
    canvas = Image.new("RGB", (round(layout.width * scale), round(layout.height * scale)), _PAPER)
    canvas.paste(_MOUNT, _pixels(mount, scale))
    pen = _Pen.over(canvas, scale)
    image = _kept(crop)
    if image is None:
        middle = photo.top + photo.height / 2
        pen.text(WIDTH / 2, middle, _UNREADABLE, size=240, colour=_PALE_INK, anchor="mm")
    else:
        left, top, right, bottom = _pixels(photo, scale)
        canvas.paste(
            image.resize((right - left, bottom - top), Image.Resampling.LANCZOS), (left, top)
        )
        margin = _CUT_OUT * (1 - KEPT_FACE / KEPT_SIDE) / 2
        pen.outline(photo.inset(margin - 2), 24, (0, 0, 0, 90), _LINE * 0.5 + 4)
        pen.outline(photo.inset(margin), 22, FACE_COLOURS[0], _LINE * 0.5)
    _write_title(pen, title, texts.plain("picture_review"))
    _draw_card(pen, card, frame, _WIDE_ROW, texts)
    pen.lay_over(canvas)
    return _jpeg(canvas)


def review_end_picture(title: str) -> bytes:
    """A JPEG without any face, which takes the place of the last one: a tick and a line."""
    canvas, pen = _faceless()
    x, y = WIDTH / 2, _CARD_HEIGHT * 0.4
    pen.disc(x, y, 110, _CONFIRMED)
    points = [(x - 52, y + 2), (x - 14, y + 42), (x + 54, y - 38)]
    pen.line(points, 22, (255, 255, 255))
    pen.text(x, _CARD_HEIGHT * 0.8, title, size=44, anchor="mm", width=WIDTH - 4 * _MARGIN)
    pen.lay_over(canvas)
    return _jpeg(canvas)


def review_blank_picture(title: str) -> bytes:
    """A JPEG of a line alone, where a face is not yet shown, or no longer."""
    canvas, pen = _faceless()
    x, y = WIDTH / 2, _CARD_HEIGHT / 2
    pen.text(x, y, title, size=44, anchor="mm", width=WIDTH - 4 * _MARGIN)
    pen.lay_over(canvas)
    return _jpeg(canvas)


def _faceless() -> "tuple[Image.Image, _Pen]":
    scale = LONGEST_SIDE / WIDTH
    canvas = Image.new("RGB", (LONGEST_SIDE, round(_CARD_HEIGHT * scale)), _PAPER)
    return canvas, _Pen.over(canvas, scale)


def _review_card(crowd: Probabilities, said: Collection[str]) -> _Card:
    """The shares of ten people, and what was said though none of the ten would say it."""
    shares = of_crowd(crowd)
    told = {share.emotion for share in shares}
    unheard = tuple(Share(emotion, 0) for emotion in EMOTIONS if emotion in set(said) - told)
    return _Card((*shares, *unheard), PEOPLE, 1, None, frozenset(said))


def _kept(crop: bytes) -> Image.Image | None:
    try:
        return Image.fromarray(decode_photo(crop))
    except PhotoRefused:
        return None


# Statistics


_MOST_BARS: Final = 62
"""Bars that can still be told apart; of a longer time, each sums up several days."""

_CONFIRMED: Final = FACE_COLOURS[2]
_CORRECTED: Final = FACE_COLOURS[3]


def statistics_chart(numbers: Statistics, texts: Texts) -> bytes:
    """A PNG of photos read, and of confirmations and corrections, over time."""
    # No pyplot: its figures and settings are global, and this runs in a thread.
    figure = Figure(figsize=(10.8, 9.6), dpi=100, facecolor=_hex(_PAPER))
    figure.set_layout_engine("constrained", w_pad=0.3, h_pad=0.2)
    FigureCanvasAgg(figure)
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(1, 1))
    bars = _bars(_whole_days(numbers.days))
    positions = range(len(bars))
    above.bar(positions, [bar.readings for bar in bars], color=_hex(FACE_COLOURS[0]), width=0.72)
    confirmed = [bar.confirmations for bar in bars]
    corrected = [bar.corrections for bar in bars]
    below.bar(positions, confirmed, color=_hex(_CONFIRMED), width=0.72)
    below.bar(positions, corrected, bottom=confirmed, color=_hex(_CORRECTED), width=0.72)
    total = sum(bar.readings for bar in bars)
    _dress(above, [(texts.plain("picture_readings"), total, FACE_COLOURS[0])])
    _dress(
        below,
        [
            (texts.plain("picture_confirmations"), sum(confirmed), _CONFIRMED),
            (texts.plain("picture_corrections"), sum(corrected), _CORRECTED),
        ],
    )
    _name_days(below, bars)
    if not bars:
        _say_nothing((above, below), texts.plain("picture_nothing"))
    output = io.BytesIO()
    figure.savefig(output, format="png")
    return output.getvalue()


def _whole_days(days: Sequence[Day]) -> tuple[Day, ...]:
    """The days without a gap: those on which nothing happened as well."""
    if not days:
        return ()
    known = {day.day: day for day in days}
    first, last = min(known), max(known)
    every = (first + timedelta(days=n) for n in range((last - first).days + 1))
    return tuple(known.get(day, Day(day, 0, 0, 0)) for day in every)


def _bars(days: Sequence[Day]) -> tuple[Day, ...]:
    """At most `_MOST_BARS` days, or spans of several under their first day."""
    step = max(math.ceil(len(days) / _MOST_BARS), 1)
    spans = [days[start : start + step] for start in range(0, len(days), step)]
    return tuple(
        Day(
            span[0].day,
            sum(day.readings for day in span),
            sum(day.confirmations for day in span),
            sum(day.corrections for day in span),
        )
        for span in spans
    )


def _dress(axes: Axes, legend: Sequence[tuple[str, int, _Colour]]) -> None:
    """A white card with horizontal lines, and what the colours stand for instead of a title."""
    axes.set_facecolor(_hex(_CARD))
    axes.grid(axis="y", color=_hex(_EMPTY), linewidth=1.2)
    axes.set_axisbelow(True)
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0, labelcolor=_hex(_PALE_INK), pad=8)
    axes.yaxis.set_major_locator(MaxNLocator(nbins=5, integer=True, min_n_ticks=1))
    axes.set_ylim(0, max(axes.get_ylim()[1] * 1.05, 1))
    for label in axes.get_yticklabels():
        label.set_fontproperties(_typeface("bold", 17))
    axes.legend(
        handles=[
            Patch(color=_hex(colour), label=f"{name}  {count:,}") for name, count, colour in legend
        ],
        loc="lower left",
        bbox_to_anchor=(0, 1),
        ncols=len(legend),
        frameon=False,
        prop=_typeface("bold", 22),
        labelcolor=_hex(_INK),
        handlelength=0.9,
        handleheight=0.9,
        borderpad=0.2,
    )


def _name_days(axes: Axes, bars: Sequence[Day]) -> None:
    """Dates under at most eight of the bars; numbers only, which need no translation."""
    step = max(math.ceil(len(bars) / 8), 1)
    named = range(0, len(bars), step)
    months = bool(bars) and (bars[-1].day - bars[0].day).days > 300
    form = "%Y-%m" if months else "%m-%d"
    axes.set_xticks(list(named), [bars[index].day.strftime(form) for index in named])
    for label in axes.get_xticklabels():
        label.set_fontproperties(_typeface("bold", 17))
    # A single bar would fill the whole width.
    axes.set_xlim(-0.6, max(len(bars), 7) - 0.4)


def _say_nothing(both: Sequence[Axes], text: str) -> None:
    for axes in both:
        axes.set_yticks([])
        axes.text(
            0.5,
            0.5,
            text,
            transform=axes.transAxes,
            ha="center",
            va="center",
            color=_hex(_PALE_INK),
            fontproperties=_typeface("bold", 24),
        )


def _typeface(weight: Weight, size: float) -> FontProperties:
    return FontProperties(fname=str(font_file(weight)), size=size)


def _hex(colour: _Colour) -> str:
    return "#{:02x}{:02x}{:02x}".format(*colour)
