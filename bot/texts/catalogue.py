"""The catalogue: from a key and values to words in the language of the person."""

import html
import string
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import resources
from types import MappingProxyType
from typing import Final, Self, get_args

from bot.errors import BotError
from bot.texts.keys import Key
from store.emotions import EMOTIONS

FALLBACK: Final = "en"

# The cardinal rules of CLDR 46; a language's forms are those that its rule can answer, and
# everywhere `zero` where nothing at all deserves a sentence of its own.
PLURAL_FORMS: Final[Mapping[str, Callable[[int], str]]] = MappingProxyType(
    {
        "en": lambda count: "one" if count == 1 else "other",
        "ko": lambda _: "other",
    }
)

_EMOTION_FIELDS: Final = frozenset({"say", "label", "emoji"})


class CatalogueDamaged(BotError):
    """A language's file lacks a key, has one too many, or differs in its placeholders."""

    def __init__(self, language: str, problem: str) -> None:
        self.language = language
        self.problem = problem
        super().__init__(f"bot/texts/{language}.toml: {problem}; mend it, or reinstall the package")


class Html(str):
    """Text whose markup is meant: it is not escaped again where it is filled in."""


@dataclass(frozen=True)
class EmotionWords:
    """An emotion in one language: as said of a face, on its own, and as one emoji."""

    say: str
    label: str
    emoji: str


@dataclass(frozen=True)
class Texts:
    """What the bot says in one language; a message is its plural forms by name."""

    language: str
    messages: Mapping[str, Mapping[str, str]]
    emotions: Mapping[str, EmotionWords]

    def html(self, key: Key, **values: str | int) -> Html:
        """The message for Telegram's HTML mode; values are escaped, unless they are `Html`.

        A message with plural forms chooses by the value `count`.
        """
        escaped = {
            name: value if isinstance(value, Html | int) else html.escape(value, quote=False)
            for name, value in values.items()
        }
        return Html(self._form(key, values).format(**escaped))

    def plain(self, key: Key, **values: str | int) -> str:
        """The message for where no markup is read: buttons, pictures, command descriptions."""
        return self._form(key, values).format(**values)

    def emotion(self, emotion: str) -> str:
        """What one says of a face: "happy", "surprised"."""
        return self.emotions[emotion].say

    def emotion_label(self, emotion: str) -> str:
        """The emotion on its own, as on a button or a chart: "Happy", "Surprised"."""
        return self.emotions[emotion].label

    def emoji(self, emotion: str) -> str:
        """The emotion as one emoji."""
        return self.emotions[emotion].emoji

    def _form(self, key: Key, values: Mapping[str, str | int]) -> str:
        forms = self.messages[key]
        count = values.get("count", 0)
        if not isinstance(count, int) or len(forms) == 1:
            return forms["other"]
        if count == 0 and "zero" in forms:
            return forms["zero"]
        return forms[PLURAL_FORMS[self.language](count)]


@dataclass(frozen=True)
class Catalogue:
    """All languages."""

    languages: Mapping[str, Texts]

    @classmethod
    def load(cls) -> Self:
        """Read every language that is shipped.

        Raises:
            CatalogueDamaged: one of them is not complete.
        """
        folder = resources.files("bot.texts")
        return cls.parse(
            {
                language: folder.joinpath(f"{language}.toml").read_text(encoding="utf-8")
                for language in PLURAL_FORMS
            }
        )

    @classmethod
    def parse(cls, files: Mapping[str, str]) -> Self:
        """Read the languages from their files' text, English among them.

        Raises:
            CatalogueDamaged: one of them is not complete.
        """
        languages = {language: _texts(language, text) for language, text in files.items()}
        model = languages[FALLBACK]
        for texts in languages.values():
            _check_placeholders(texts, model)
        return cls(languages)

    def texts(self, language_code: str | None) -> Texts:
        """The texts for Telegram's `language_code` ("ko", "en-GB"); English where it is unknown."""
        # IETF tags: the language comes first, whatever region or script follows.
        language = (language_code or FALLBACK).replace("_", "-").split("-")[0].lower()
        return self.languages.get(language, self.languages[FALLBACK])


def _texts(language: str, text: str) -> Texts:
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise CatalogueDamaged(language, str(error)) from error
    emotions = _emotions(language, content.pop("emotions", None))
    _check_names(language, "messages", set(content), set(get_args(Key)))
    messages = {key: _forms(language, key, value) for key, value in content.items()}
    return Texts(language, MappingProxyType(messages), emotions)


def _emotions(language: str, table: object) -> Mapping[str, EmotionWords]:
    if not isinstance(table, dict):
        raise CatalogueDamaged(language, "the emotions are missing")
    _check_names(language, "emotions", set(table), set(EMOTIONS))
    words: dict[str, EmotionWords] = {}
    for emotion, fields in table.items():
        if not isinstance(fields, dict) or not all(fields.values()):
            raise CatalogueDamaged(language, f"[emotions.{emotion}] is not complete")
        _check_names(language, f"words for {emotion}", set(fields), _EMOTION_FIELDS)
        words[emotion] = EmotionWords(**fields)
    return MappingProxyType(words)


def _forms(language: str, key: str, value: object) -> Mapping[str, str]:
    if isinstance(value, str):
        return {"other": value.strip("\n")}
    if not isinstance(value, dict):
        raise CatalogueDamaged(language, f"{key} is no text")
    wanted = {PLURAL_FORMS[language](count) for count in range(200)}
    _check_names(language, f"forms of {key}", set(value) - {"zero"}, wanted)
    return {form: str(text).strip("\n") for form, text in value.items()}


def _check_names(
    language: str, of_what: str, found: set[str], wanted: set[str] | frozenset[str]
) -> None:
    if missing := sorted(wanted - found):
        raise CatalogueDamaged(language, f"{of_what}: {', '.join(missing)} missing")
    if unknown := sorted(found - wanted):
        raise CatalogueDamaged(language, f"{of_what}: {', '.join(unknown)} unknown")


def _check_placeholders(texts: Texts, model: Texts) -> None:
    for key, forms in texts.messages.items():
        wanted = placeholders(model.messages[key]["other"])
        for form, text in forms.items():
            try:
                found = placeholders(text)
            except ValueError as error:
                raise CatalogueDamaged(texts.language, f"{key}: {error}") from error
            # "one" and "zero" may do without the number, or without what it counts.
            complete = found == wanted if form == "other" else found <= wanted
            if not complete or not text:
                names = ", ".join(sorted(wanted)) or "none"
                raise CatalogueDamaged(texts.language, f"{key} ({form}): placeholders are {names}")


def placeholders(text: str) -> set[str]:
    """The names in braces of a message."""
    return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}
