"""Callback data: every button survives the way through Telegram, and nothing else is a button."""

from typing import get_args

import pytest

from bot.buttons import (
    FORMAT,
    AskCorrection,
    Button,
    ChooseFace,
    Confirm,
    Correct,
    DeclineConsent,
    EndReview,
    ForgetMe,
    GiveConsent,
    KeepMe,
    Page,
    PickFace,
    Rule,
    StatisticsRange,
    Undo,
    Unrule,
    decode,
    encode,
)
from store.emotions import EMOTIONS
from store.readings import ID_BYTES

READING = "a-B_c3d4E5f6"
BUTTONS: tuple[Button, ...] = (
    Confirm(READING, 1),
    AskCorrection(READING, 60),
    *(Correct(READING, 12, emotion) for emotion in EMOTIONS),
    PickFace(READING, 2),
    ChooseFace(9_000_000_000, 3),
    Page(READING, 0),
    Page(READING, 15),
    Undo(123_456_789),
    GiveConsent(),
    DeclineConsent(),
    ForgetMe(),
    KeepMe(),
    StatisticsRange(7),
    StatisticsRange(None),
    Rule(123_456_789, "accepted"),
    Rule(123_456_789, "rejected"),
    Rule(7, "skipped"),
    Unrule(123_456_789),
    EndReview(),
)


@pytest.mark.parametrize("button", BUTTONS, ids=repr)
def test_button_comes_back_as_it_went(button: Button) -> None:
    assert decode(encode(button)) == button


def test_every_kind_of_button_is_tried() -> None:
    assert {type(button) for button in BUTTONS} == set(get_args(Button))


def test_no_two_buttons_have_the_same_callback_data() -> None:
    assert len({encode(button) for button in BUTTONS}) == len(BUTTONS)


def test_longest_button_fits_into_64_bytes() -> None:
    reading_id = "x" * (ID_BYTES * 4 // 3)
    longest = max(EMOTIONS, key=len)
    assert len(encode(Correct(reading_id, 999_999, longest)).encode()) <= 64
    assert len(encode(Undo(10**18 - 1)).encode()) <= 64
    assert len(encode(Rule(10**18 - 1, "accepted")).encode()) <= 64


def test_button_that_would_not_fit_is_an_error() -> None:
    with pytest.raises(ValueError, match="64 bytes"):
        encode(Confirm("x" * 80, 1))


@pytest.mark.parametrize(
    "garbage",
    [
        "",
        ":",
        "1",
        "1:",
        "hello",
        "1:yes",
        f"1:yes:{READING}",
        f"1:yes:{READING}:1:2",
        f"1:yes:{READING}:0",
        f"1:yes:{READING}:-1",
        f"1:yes:{READING}:01",
        f"1:yes:{READING}:one",
        f"1:yes:{READING}:\u0661",
        f"1:yes:{READING}:1\n",
        "1:yes::1",
        "1:yes:no spaces:1",
        f"1:is:{READING}:1:contempt",
        f"1:is:{READING}:1:",
        f"1:page:{READING}:ever",
        "1:undo:99999999999999999999",
        "1:stats:0",
        "1:agree:1",
        "1:rule:7:maybe",
        "1:rule:7",
        "1:rule:0:accepted",
        "1:unknown",
        "\0\ud83d",
    ],
)
def test_garbage_is_no_button(garbage: str) -> None:
    assert decode(garbage) is None


def test_button_of_another_format_is_no_button() -> None:
    current = encode(Confirm(READING, 1))
    assert decode(f"{int(FORMAT) + 1}{current.removeprefix(FORMAT)}") is None
