"""Answers to "is it closer to fear or to surprise?": what is not clearly one of them is asked."""

import tomllib
from importlib import resources

import pytest

from bot.meanings import (
    Confirmation,
    Correction,
    FaceNamed,
    Meaning,
    Mixture,
    NotFeedback,
    Rejection,
    Unclear,
    UnknownEmotion,
)
from bot.understanding import LONGEST_TEXT, understand, understand_of_two
from bot.vocabulary.lexicon import LANGUAGES
from bot.vocabulary.of_two import choice_in, is_undecided

TWO = ("fear", "surprise")
FEAR, SURPRISE = Correction("fear"), Correction("surprise")
BOTH, NEITHER = Mixture(TWO, (0.5, 0.5)), Rejection()


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("fear", FEAR),
        ("Surprised!", SURPRISE),
        ("more like surprise", SURPRISE),
        ("closer to fear", FEAR),
        ("it’s closer to surprise", SURPRISE),
        ("the first", FEAR),
        ("2", SURPRISE),
        ("the second one", SURPRISE),
        ("The latter.", SURPRISE),
        ("both", BOTH),
        ("a bit of both", BOTH),
        ("neither", NEITHER),
        ("none of them", NEITHER),
        ("no", NEITHER),
        ("sad", Correction("sad")),
        ("neither, it's sad", Correction("sad")),
        ("Neither. She is half sad half angry", Mixture(("sad", "angry"), (0.5, 0.5))),
        ("neither, bored", UnknownEmotion("bored")),
        ("neither, sorry", NEITHER),
        ("neither, fear", Unclear(("fear",))),
        ("neither afraid nor surprised", NEITHER),
        ("surprise!", SURPRISE),
        ("yes, the first", FEAR),
        ("i think it's the second one", SURPRISE),
        ("둘 다 아니야, 슬퍼", Correction("sad")),
        ("둘 다 아니고 슬픔", Correction("sad")),
        ("후자에 더 가까워요", SURPRISE),
        ("yes", Unclear(TWO)),
        ("closer to fear?", Unclear(("fear",))),
        ("both?", NotFeedback()),
        ("fear or surprise", Unclear(TWO)),
        ("haha what", NotFeedback()),
        ("both of them went home", NotFeedback()),
        ("두려움에 더 가까워요", FEAR),
        ("두 번째요", SURPRISE),
        ("전자요", FEAR),
        ("둘 다요", BOTH),
        ("둘 다 아니에요", NEITHER),
        ("näher an Angst", FEAR),
        ("ninguno de los dos", NEITHER),
        ("les deux", BOTH),
        ("前者です", FEAR),
        ("都不是", NEITHER),
    ],
)
def test_an_answer_is_understood(text: str, meaning: Meaning) -> None:
    assert understand_of_two(text, TWO, 1, ("en",)) == meaning


def test_a_number_is_a_face_where_there_are_several() -> None:
    assert understand_of_two("2", TWO, 3, ("en",)) == FaceNamed(2)
    assert understand_of_two("the first one", TWO, 2, ("en",)) == FaceNamed(1)


def test_a_yes_to_an_order_among_several_faces_is_asked_about() -> None:
    assert understand_of_two("yes, the first", TWO, 2) == Unclear(TWO)
    assert understand_of_two("1 is right", TWO, 2) == Confirmation(1)


@pytest.mark.parametrize("text", ["I don’t know", "idk", "Not sure.", "잘 모르겠어요", "не знаю"])
def test_that_one_cannot_tell_is_known(text: str) -> None:
    assert is_undecided(text)
    assert not is_undecided(f"{text} but sad")


def test_there_is_no_third_of_two() -> None:
    assert understand_of_two("3", TWO, 1, ("en",)) == FaceNamed(3)


def test_a_long_story_is_no_answer() -> None:
    assert understand_of_two("both" + " " * LONGEST_TEXT, TWO, 1) == NotFeedback()


def test_every_language_has_every_answer_and_none_means_two_things() -> None:
    text = resources.files("bot.vocabulary").joinpath("of_two.toml").read_text(encoding="utf-8")
    languages = tomllib.loads(text)
    assert set(languages) == {code for code in LANGUAGES if code != "emoji"}
    for answers in languages.values():
        lists = {"first", "second", "both", "neither", "closer", "undecided", "thanks", "undo"}
        assert set(answers) - {"neither_but"} == lists
        assert all(is_undecided(phrase) for phrase in answers["undecided"])
        for choice in ("first", "second", "both", "neither"):
            assert answers[choice]
            assert {choice_in(phrase) for phrase in answers[choice]} == {choice}


def test_elsewhere_these_words_stay_what_they_were() -> None:
    assert understand("neither", 1, ("en",)) == NotFeedback()
    assert understand("both", 1, ("en",)) == NotFeedback()
