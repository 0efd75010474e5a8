"""The catalogue is complete in every language, or it is not loaded."""

import ast
import re
from importlib import resources
from pathlib import Path
from typing import get_args

import pytest

import bot
from bot.texts import Catalogue, CatalogueDamaged, Html, Key, Texts
from bot.texts.catalogue import PLURAL_FORMS, placeholders
from store.emotions import EMOTIONS

CATALOGUE = Catalogue.load()
LANGUAGES = sorted(CATALOGUE.languages)
TAG = re.compile(r"</?(b|i|code)>")


def _files() -> dict[str, str]:
    folder = resources.files("bot.texts")
    return {name: folder.joinpath(f"{name}.toml").read_text("utf-8") for name in PLURAL_FORMS}


def _said(texts: Texts) -> list[tuple[str, str]]:
    return [(key, text) for key, forms in texts.messages.items() for text in forms.values()]


def test_english_and_korean_are_spoken() -> None:
    assert LANGUAGES == ["en", "ko"]


@pytest.mark.parametrize("language", LANGUAGES)
def test_languages_have_the_same_keys_and_placeholders(language: str) -> None:
    model, texts = CATALOGUE.languages["en"], CATALOGUE.languages[language]
    assert set(texts.messages) == set(model.messages) == set(get_args(Key))
    for key, forms in texts.messages.items():
        assert placeholders(forms["other"]) == placeholders(model.messages[key]["other"]), key
    assert set(texts.emotions) == set(EMOTIONS)


@pytest.mark.parametrize("language", LANGUAGES)
def test_markup_is_balanced_and_known_to_telegram(language: str) -> None:
    for key, text in _said(CATALOGUE.languages[language]):
        for tag in ("b", "i", "code"):
            assert text.count(f"<{tag}>") == text.count(f"</{tag}>"), key
        assert "<" not in TAG.sub("", text), key
        assert not re.search(r"&(?!amp;|lt;|gt;)", text), key


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_markup_stands_where_none_is_read(language: str) -> None:
    for key, text in _said(CATALOGUE.languages[language]):
        if key.startswith(("button_", "picture_", "command_")):
            assert "<" not in text, key


@pytest.mark.parametrize("language", LANGUAGES)
def test_command_descriptions_fit_into_telegrams_256_characters(language: str) -> None:
    for key, text in _said(CATALOGUE.languages[language]):
        if key.startswith("command_"):
            assert 3 <= len(text) <= 256


def test_korean_is_korean_throughout() -> None:
    # What needs no words, or is the same in both languages.
    wordless = {"share", "comma", "button_face", "button_emotion", "button_previous"}
    wordless |= {"button_next", "face_line", "milliseconds", "mixture_part"}
    for key, text in _said(CATALOGUE.languages["ko"]):
        assert key in wordless or re.search("[가-힣]", text), key


def test_korean_emotions_end_in_a_consonant_as_its_sentences_assume() -> None:
    for words in CATALOGUE.languages["ko"].emotions.values():
        assert (ord(words.say[-1]) - ord("가")) % 28, words.say


def test_every_key_is_used_and_every_used_key_is_there() -> None:
    used: set[str] = set()
    for path in Path(bot.__file__).parent.rglob("*.py"):
        if path.name != "keys.py":
            tree = ast.parse(path.read_text("utf-8"))
            used |= {
                n.value
                for n in ast.walk(tree)
                if isinstance(n, ast.Constant) and isinstance(n.value, str)
            }
    assert set(get_args(Key)) <= used


@pytest.mark.parametrize(
    ("code", "language"),
    [
        ("ko", "ko"),
        ("ko-KR", "ko"),
        ("KO_kr", "ko"),
        ("en-GB", "en"),
        ("de", "en"),
        ("", "en"),
        (None, "en"),
        ("kok", "en"),
    ],
)
def test_language_follows_telegrams_code(code: str | None, language: str) -> None:
    assert CATALOGUE.texts(code).language == language


def test_values_are_escaped_unless_they_are_markup() -> None:
    texts = CATALOGUE.texts("en")
    said = texts.html("unknown_emotion", word="<b>&", emotions=Html("<i>sad</i>"))
    assert "“&lt;b&gt;&amp;”" in said
    assert "<i>sad</i>" in said


def test_values_are_not_formatted_again() -> None:
    said = CATALOGUE.texts("en").html("unknown_emotion", word="{emotions}", emotions="x")
    assert "“{emotions}”" in said


@pytest.mark.parametrize(
    ("count", "words"), [(0, "0 people"), (1, "1 person"), (2, "2 people"), (21, "21 people")]
)
def test_english_has_a_singular(count: int, words: str) -> None:
    assert CATALOGUE.texts("en").plain("people", count=count) == words


def test_nothing_at_all_can_have_a_sentence_of_its_own() -> None:
    assert "0" not in CATALOGUE.texts("en").html("consent_given", count=0)


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ('stale_button = "', 'unheard_of = "', "stale_button missing"),
        ('comma = ", "', 'comma = ", "\nextra = "x"', "extra unknown"),
        (", {rest}이라고", "이라고", r"blend \(other\): placeholders"),
        ("{face}번 얼굴을", "{face번 얼굴을", "noted_correction"),
        ('label = "슬픔"\n', "", "label missing"),
        ('say = "슬픔"', 'say = ""', "not complete"),
        ("[emotions.sad]", "[emotions.contempt]", "sad missing"),
        ('[people]\nother = "', '[people]\none = "{count}"\nother = "', "one unknown"),
        ("[people]\nother =", "[people]\none =", "other missing"),
        ('comma = ", "', "comma = 3", "comma is no text"),
        ("[people]", "[people", "toml"),
    ],
)
def test_damaged_language_is_not_loaded(old: str, new: str, problem: str) -> None:
    files = _files()
    assert old in files["ko"]
    damaged = files["ko"].replace(old, new, 1)
    with pytest.raises(CatalogueDamaged, match=problem) as caught:
        Catalogue.parse({**files, "ko": damaged})
    assert "\n" not in str(caught.value)
