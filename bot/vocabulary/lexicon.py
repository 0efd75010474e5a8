"""From text to words with roles, by the vocabulary of one language. Knows no grammar."""

import re
import tomllib
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from functools import lru_cache
from importlib import resources
from typing import Any, Final, TypeAlias

from store.emotions import EMOTIONS

LANGUAGES: Final = ("en", "ko")

Vocabulary: TypeAlias = Mapping[str, Any]


class Role(Enum):
    """What a word can do in a sentence about faces."""

    EMOTION = auto()
    EMOJI = auto()  # an emotion as well, but also mere decoration
    LAUGHTER = auto()  # an EMOJI that says nothing in a row
    OTHER_EMOTION = auto()
    CONFIRM = auto()
    CONFIRM_EMOJI = auto()
    REJECT = auto()
    UNCLEAR_REJECT = auto()  # a REJECT that may negate what follows at once
    NOT = auto()
    NOT_BEFORE = auto()  # denies what stands before it
    NUMBER = auto()
    POSITION = auto()
    ALL = auto()
    BOTH = auto()
    NOUN = auto()
    PEOPLE = auto()
    THIRD = auto()
    REMARK = auto()  # a THIRD that, before "is", may be said of anything
    SELF = auto()
    BOT = auto()
    BE = auto()
    LOOK = auto()
    AND = auto()
    OR = auto()
    BUT = auto()
    FILLER = auto()
    BREAK = auto()  # punctuation
    DOUBT = auto()
    STOP = auto()  # whoever says this gives no feedback
    UNKNOWN = auto()


@dataclass(frozen=True)
class Word:
    """One word, or several that stand together in a list.

    `roles` are all that it can have. `value` is the emotion, the face's number or its position.
    """

    text: str
    roles: frozenset[Role]
    value: str = ""
    opens: bool = True
    plural: bool = False

    def can_be(self, *roles: Role) -> bool:
        """Whether it has one of these roles."""
        return not self.roles.isdisjoint(roles)


@dataclass(frozen=True)
class Lexicon:
    """The words of one language and the emoji, ready to be looked up."""

    contractions: Mapping[str, str]
    words: Mapping[tuple[str, ...], Word]
    longest: int
    whole_messages: Mapping[tuple[str, ...], Role]

    def read(self, text: str) -> tuple[Word, ...]:
        """The words of a text, in order; what no list has is `UNKNOWN`."""
        tokens = self._tokens(text)
        words: list[Word] = []
        start = 0
        while start < len(tokens):
            for length in range(min(self.longest, len(tokens) - start), 0, -1):
                found = self.words.get(tuple(tokens[start : start + length]))
                if found is not None:
                    words.append(found)
                    start += length
                    break
            else:
                words.append(_unlisted(tokens[start]))
                start += 1
        return tuple(words)

    def whole(self, text: str) -> Role | None:
        """The role of a text that means something only as a whole message."""
        tokens = [token for token in self._tokens(text) if token not in _PUNCTUATION]
        return self.whole_messages.get(tuple(tokens))

    def _tokens(self, text: str) -> list[str]:
        tokens: list[str] = []
        for token in _TOKEN.findall(normalised(text)):
            tokens += self.contractions.get(token, token).split()
        return tokens


_PUNCTUATION: Final = frozenset(',.;:!\n、。,!…~-–—()"“”#')
_TOKEN: Final = re.compile(
    r"[0-9]+(?:st|nd|rd|th)\b|[0-9]+|[^\W\d_]+(?:'[^\W\d_]+)*|[^\w\s]|\n|_", re.UNICODE
)
# Variation selectors, skin tones, the keycap and the joiner of emoji say nothing here.
_DECORATION: Final = re.compile("[\ufe0e\ufe0f\u20e3\u200d\U0001f3fb-\U0001f3ff]")


def normalised(text: str) -> str:
    """Lower case, composed, with plain apostrophes and plain emoji."""
    composed = unicodedata.normalize("NFC", text).casefold()
    composed = composed.replace("\N{RIGHT SINGLE QUOTATION MARK}", "'")
    return _DECORATION.sub("", composed).strip()


@lru_cache(maxsize=len(LANGUAGES))
def lexicon(language: str) -> Lexicon:
    """The lexicon of one of `LANGUAGES`."""
    return build(_read(language), _read("emoji"))


def build(vocabulary: Vocabulary, emoji: Vocabulary) -> Lexicon:
    """A lexicon from the content of a language's file and of the emoji's."""
    words: dict[tuple[str, ...], Word] = {}
    for text, role, value in _entries(vocabulary, emoji):
        key = tuple(_TOKEN.findall(normalised(text)))
        earlier = words.get(key, Word(" ".join(key), frozenset()))
        words[key] = Word(
            earlier.text,
            earlier.roles | {role},
            earlier.value or value,
            opens=earlier.text not in vocabulary["verbs"]["never_first"],
            plural=earlier.text in vocabulary["verbs"]["plural"],
        )
    whole = {
        tuple(_TOKEN.findall(normalised(text))): role
        for part, role in (("confirm", Role.CONFIRM), ("reject", Role.REJECT))
        for text in vocabulary[part]["alone"]
    }
    longest = max(map(len, words))
    return Lexicon(vocabulary["contractions"], words, longest, whole)


def _read(name: str) -> Vocabulary:
    file = resources.files("bot.vocabulary").joinpath(f"{name}.toml")
    return tomllib.loads(file.read_text(encoding="utf-8"))


_SPEAKERS: Final = (
    ("third", Role.THIRD),
    ("remark", Role.REMARK),
    ("self", Role.SELF),
    ("bot", Role.BOT),
)


def _entries(vocabulary: Vocabulary, emoji: Vocabulary) -> Iterable[tuple[str, Role, str]]:
    endings = vocabulary.get("endings", {})
    of_emotions, of_nouns = ("", *endings.get("emotions", ())), ("", *endings.get("nouns", ()))
    for emotion in EMOTIONS:
        yield from _each(vocabulary["emotions"][emotion], Role.EMOTION, emotion, of_emotions)
        for sign in emoji["emotions"][emotion]:
            laughing = sign in emoji["laughter"]
            yield sign, Role.LAUGHTER if laughing else Role.EMOJI, emotion
    for word in vocabulary["others"]["words"]:
        yield from _each([word], Role.OTHER_EMOTION, word, of_emotions)
    faces = vocabulary["faces"]
    for number, texts in faces["numbers"].items():
        yield from _each(texts, Role.NUMBER, number, of_nouns)
    for position, texts in faces["positions"].items():
        yield from _each(texts, Role.POSITION, position, of_nouns)
    for name, role in (("all", Role.ALL), ("both", Role.BOTH)):
        yield from _each(faces[name], role, "", of_nouns)
    for name, role in (("nouns", Role.NOUN), ("people", Role.PEOPLE)):
        yield from _each(faces[name], role, "", of_nouns)
    for name, role in _SPEAKERS:
        yield from _each(vocabulary["speakers"][name], role, "", of_nouns)
    yield from _each(vocabulary["confirm"]["words"], Role.CONFIRM)
    yield from _each(vocabulary["reject"]["words"], Role.REJECT)
    yield from _each(vocabulary["reject"]["unclear_before_emotion"], Role.UNCLEAR_REJECT)
    yield from _each(vocabulary["negate"]["before"], Role.NOT)
    yield from _each(vocabulary["negate"]["after"], Role.NOT_BEFORE)
    yield from _each(vocabulary["verbs"]["be"], Role.BE)
    yield from _each(vocabulary["verbs"]["look"], Role.LOOK)
    for name, role in (("and", Role.AND), ("or", Role.OR), ("but", Role.BUT)):
        yield from _each(vocabulary["join"][name], role)
    yield from _each(vocabulary["fillers"]["words"], Role.FILLER)
    yield from _each(vocabulary["doubt"]["words"], Role.DOUBT)
    yield from _each(vocabulary["not_feedback"]["phrases"], Role.STOP)
    yield from _each(emoji["confirm"], Role.CONFIRM_EMOJI)
    yield from _each(emoji["reject"], Role.REJECT)
    yield from _each(sorted(_PUNCTUATION), Role.BREAK)


def _each(
    texts: Sequence[str], role: Role, value: str = "", endings: Sequence[str] = ("",)
) -> Iterable[tuple[str, Role, str]]:
    for text in texts:
        for ending in endings:
            yield text + ending, role, value


_ORDINAL: Final = re.compile(r"([0-9]+)(?:st|nd|rd|th)?")
_HIGHEST_NUMBER: Final = 999  # of a face; a longer number is a year, a time, a telephone's


def _unlisted(token: str) -> Word:
    number = _ORDINAL.fullmatch(token)
    if number is not None and number[1].isascii() and 1 <= int(number[1]) <= _HIGHEST_NUMBER:
        return Word(token, frozenset({Role.NUMBER}), str(int(number[1])))
    return Word(token, frozenset({Role.UNKNOWN}))
