import io

import numpy as np
from PIL import Image

from tests.train_cli.generated import face
from train_cli.evaluating import Bin, judge
from train_cli.pictures import (
    Tile,
    calibration_picture,
    confusion_picture,
    contact_sheet,
    curves_picture,
)
from train_cli.training import EpochResult


def opened(content: bytes) -> Image.Image:
    return Image.open(io.BytesIO(content))


def test_the_confusion_matrices_are_a_picture_of_their_shares() -> None:
    labels = np.arange(70) % 7
    said = np.eye(7)[labels]
    silent = judge(said, said, labels, np.zeros((70, 10), np.float32))
    voted = judge(said, said, labels, 10 * np.eye(10, dtype=np.float32)[labels])
    label_only, both = (opened(confusion_picture(f, "all right")) for f in (silent, voted))
    assert label_only.format == "PNG"
    assert min(label_only.size) > 600
    assert both.width > 1.5 * label_only.width
    wrong = judge(said, np.roll(said, 1, 1), labels, np.zeros((70, 10), np.float32))
    assert confusion_picture(wrong, "all right") != confusion_picture(silent, "all right")


def test_the_curves_are_drawn_with_and_without_votes() -> None:
    voted = [EpochResult(n, 3 / n, 1 / n, 1.0, 0.5, 0.6, 9.0) for n in (1, 2, 3)]
    silent = [EpochResult(n, 3 / n, 1 / n, None, 0.5, None, 9.0) for n in (1, 2, 3)]
    rates = [(0.0, 0.001), (1.0, 0.01), (3.0, 0.0)]
    assert opened(curves_picture(voted, rates, 2, "run")).format == "PNG"
    assert curves_picture(voted, rates, 2, "run") != curves_picture(silent, rates, 2, "run")


def test_calibration_is_drawn_for_as_many_heads_as_there_are() -> None:
    bins = [Bin(10, 0.1, 0.2), Bin(30, 0.9, 0.7)]
    one, two = (opened(calibration_picture(bins, share, "run")) for share in (None, bins))
    assert two.width > 1.5 * one.width


def colours(picture: Image.Image) -> set[tuple[int, ...]]:
    counted = picture.convert("RGB").getcolors(1 << 24) or []
    return {colour for _, colour in counted if isinstance(colour, tuple)}


def test_a_contact_sheet_has_a_tile_per_face_framed_in_its_colour() -> None:
    tiles = [Tile(face("happy", n), (f"happy_{n}", "label: fear"), "#c62828") for n in range(9)]
    sheet = opened(contact_sheet(tiles, "faces"))
    one_row = opened(contact_sheet(tiles[:8], "faces"))
    assert sheet.width == one_row.width
    assert sheet.height > one_row.height
    assert (0xC6, 0x28, 0x28) in colours(sheet)


def test_a_long_title_or_legend_is_not_cut_off_over_few_faces() -> None:
    tile = Tile(face("happy", 1), ("happy_1",))
    bare = opened(contact_sheet([tile], "face"))
    legend = {"#123456": "people side with the label, all of them, always"}
    explained = opened(contact_sheet([tile], "face", legend))
    titled = opened(contact_sheet([tile], "faces that one network reads with the most confidence"))
    assert explained.width > bare.width
    assert titled.width > bare.width
    assert (0x12, 0x34, 0x56) in colours(explained)


def test_a_sheet_shows_colour_crops_cuts_long_lines_and_may_be_empty() -> None:
    coloured = np.zeros((50, 40, 3), np.uint8) + np.array([250, 10, 10], np.uint8)
    sheet = opened(contact_sheet([Tile(coloured, ("x" * 200,))], "one"))
    assert (250, 10, 10) in colours(sheet)
    assert sheet.width == opened(contact_sheet([Tile(coloured, ("x",))], "one")).width
    assert opened(contact_sheet([], "nobody")).format == "PNG"
