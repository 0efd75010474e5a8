"""Questions of two: only where an answer is worth it, rarely, and never in vain."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest

from store.asking import POLICY, Doubt, Past, between, doubt_of, doubt_to_ask, has_budget, lead
from store.emotions import EMOTIONS
from store.records import Consent, Face, PastQuestion, Person, Reading
from tests.store.rows import BASE, MINA, NOON

GROUP = -1_000_000_000_001
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
BEFORE = Past(earlier_readings=1)


def blend(**shares: float) -> tuple[float, ...]:
    """Seven shares of which these are given."""
    return tuple(shares.get(emotion, 0.0) for emotion in EMOTIONS)


TIE = blend(fear=0.42, surprise=0.40, happy=0.18)
CLOSE = blend(sad=0.48, neutral=0.42, angry=0.10)
CLEAR = blend(happy=0.7, neutral=0.3)


def face(number: int, crowd: tuple[float, ...], differing: tuple[str, ...] = ()) -> Face:
    box = (0.0, 0.0, 50.0, 50.0)
    points = ((0.0, 0.0),) * 5
    return Face(number, "reading", MINA, number, box, points, crowd, crowd, False, differing)


def reading(*faces: Face, chat_id: int = MINA) -> Reading:
    """Mina's reading of these faces."""
    return Reading(
        "reading", MINA, chat_id, 1, 0, "file", "unique", 1, None, BASE, "read", 640, 480, 1.0,
        NOON, faces,
    )  # fmt: skip


def mina(consent: Consent = "given") -> Person:
    return Person(MINA, "en", consent, None, NOON)


def asked(*days_ago: float, answered: bool = True) -> tuple[PastQuestion, ...]:
    """What was asked so many days ago, newest first."""
    return tuple(PastQuestion(NOON - timedelta(days=days), answered) for days in days_ago)


def ask(about: Reading, past: Past = BEFORE, consent: Consent = "given") -> Doubt | None:
    return doubt_to_ask(about, mina(consent), past, NOON)


# What is asked


def test_a_tie_is_asked_about_in_an_order_that_prefers_neither() -> None:
    assert ask(reading(face(1, TIE))) == Doubt(1, ("fear", "surprise"))
    swapped = blend(surprise=0.42, fear=0.40, happy=0.18)
    assert ask(reading(face(1, swapped))) == Doubt(1, ("fear", "surprise"))


def test_a_clear_face_is_not_asked_about() -> None:
    assert ask(reading(face(1, CLEAR))) is None
    assert lead(CLOSE) <= POLICY.closest


def test_readers_that_differ_are_asked_about_however_clear_the_blend_is() -> None:
    about = reading(face(1, CLEAR, differing=("happy", "sad")))
    assert ask(about) == Doubt(1, ("happy", "sad"))


def test_the_two_are_those_of_the_readers_not_of_the_blend() -> None:
    assert between(TIE, ("happy", "surprise")) == ("happy", "surprise")
    assert between(TIE, ()) == ("fear", "surprise")
    assert between(TIE, ("fear", "happy", "surprise")) == ("fear", "surprise")


def test_of_several_faces_the_most_doubtful_is_asked_about() -> None:
    faces = (face(1, CLEAR), face(2, CLOSE), face(3, TIE))
    assert ask(reading(*faces)) == Doubt(3, ("fear", "surprise"))
    differing = replace(faces[0], differing=("happy", "neutral"))
    assert ask(reading(differing, *faces[1:])) == Doubt(1, ("happy", "neutral"))


def test_a_crowd_and_a_photo_without_faces_are_not_asked_about() -> None:
    assert doubt_of(reading(*(face(number, TIE) for number in range(1, 5)))) is not None
    assert doubt_of(reading(*(face(number, TIE) for number in range(1, 6)))) is None
    assert doubt_of(reading()) is None


# Whom


def test_nobody_is_asked_in_a_group() -> None:
    assert ask(reading(face(1, TIE), chat_id=GROUP)) is None


@pytest.mark.parametrize(
    ("consent", "may"),
    [("given", True), ("unknown", True), ("asked", False), ("withdrawn", False)],
)
def test_only_who_could_be_learnt_from_is_asked(consent: Consent, may: bool) -> None:
    assert (ask(reading(face(1, TIE)), consent=consent) is not None) is may


def test_the_first_reading_ever_asks_nothing() -> None:
    assert ask(reading(face(1, TIE)), Past(earlier_readings=0)) is None


def test_another_open_question_comes_first() -> None:
    assert ask(reading(face(1, TIE)), replace(BEFORE, is_waiting=True)) is None


# How often


@pytest.mark.parametrize(
    ("past", "may"),
    [
        ((), True),
        (asked(0.5), False),
        (asked(0.999), False),
        (asked(1.0), True),
        (asked(1.5, 3), True),
        (asked(1.5, 3, 5), False),
        (asked(1.5, 3, 6.999), False),
        (asked(1.5, 3, 7.0), True),
    ],
)
def test_one_a_day_and_three_a_week(past: Sequence[PastQuestion], may: bool) -> None:
    assert has_budget(past, NOON) is may


@pytest.mark.parametrize(
    ("past", "may"),
    [
        (asked(2, answered=False), True),
        (asked(2, 4, answered=False), False),
        (asked(29.9, 35, answered=False), False),
        (asked(30.0, 35, answered=False), True),
        ((*asked(2, answered=True), *asked(4, 10, answered=False)), True),
        ((*asked(2, answered=False), *asked(8)), True),
    ],
)
def test_who_ignored_two_in_a_row_is_left_alone_for_a_month(
    past: Sequence[PastQuestion], may: bool
) -> None:
    assert has_budget(past, NOON) is may


def test_the_budget_keeps_a_doubtful_reading_quiet() -> None:
    assert ask(reading(face(1, TIE)), replace(BEFORE, asked=asked(0.5))) is None
    assert ask(reading(face(1, TIE)), replace(BEFORE, asked=asked(2))) is not None
