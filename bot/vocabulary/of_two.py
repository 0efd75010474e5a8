"""Answers to the bot's questions in twelve languages; the words are in `of_two.toml`."""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Final, Literal, TypeAlias

from bot.vocabulary.lexicon import normalised

Choice: TypeAlias = Literal["first", "second", "both", "neither"]

_CHOICES: Final[tuple[Choice, ...]] = ("first", "second", "both", "neither")
# Question marks stay: who asks back does not answer.
_MARKS: Final = re.compile("[^\\w?\N{ARABIC QUESTION MARK}\N{INVERTED QUESTION MARK}]+")


_PART: Final = re.compile("([^,.;:!\n\u2013\u2014\u3001\u3002]+)[,.;:!\n\u2013\u2014\u3001\u3002]+")
_END: Final = re.compile("[!.\\s]+$")


@dataclass(frozen=True)
class OfTwo:
    """The phrases of all languages, as they are compared: whole answers, and how one may begin."""

    answers: Mapping[str, Choice]
    closer: tuple[str, ...]
    neither_but: tuple[str, ...]
    undecided: frozenset[str]
    thanks: frozenset[str]
    undo: frozenset[str]


def choice_in(text: str) -> Choice | None:
    """Which of the two a whole text says; None where it says something else."""
    return of_two().answers.get(_plain(text))


def without_closer(text: str) -> str:
    """A text without the "closer to" that it begins with, and without a cry at its end."""
    plain = normalised(text)
    for phrase in of_two().closer:
        plain = plain.removeprefix(phrase)
    return _END.sub("", plain).strip() or text


def after_neither(text: str) -> str:
    """What follows the "neither" that a text begins with: "it's sad"; empty where nothing does."""
    plain = normalised(text)
    for phrase in of_two().neither_but:
        if plain.startswith(phrase):
            return plain[len(phrase) :].strip()
    begins = _PART.match(plain)
    if begins is None or choice_in(begins[1]) != "neither":
        return ""
    return plain[begins.end() :].strip()


def is_undecided(text: str) -> bool:
    """Whether a whole text says that one cannot tell: "I don't know"."""
    return _plain(text) in of_two().undecided


def is_thanks(text: str) -> bool:
    """Whether a whole text says thanks, and nothing else."""
    return _plain(text) in of_two().thanks


def is_undo(text: str) -> bool:
    """Whether a whole text asks to take back what was said."""
    return _plain(text) in of_two().undo


def is_label(text: str, label: str) -> bool:
    """Whether somebody typed what stands on a button."""
    return _plain(text) == _plain(label)


@cache
def of_two() -> OfTwo:
    """The phrases, read once.

    Raises:
        ValueError: a phrase means two things.
    """
    content = resources.files("bot.vocabulary").joinpath("of_two.toml").read_text(encoding="utf-8")
    answers: dict[str, Choice] = {}
    closer: set[str] = set()
    neither_but: set[str] = set()
    undecided: set[str] = set()
    thanks: set[str] = set()
    undo: set[str] = set()
    for language, lists in tomllib.loads(content).items():
        for choice in _CHOICES:
            for phrase in lists[choice]:
                if answers.setdefault(_plain(phrase), choice) != choice:
                    raise ValueError(f"of_two.toml: {phrase!r} ({language}) means two things")
        closer |= {normalised(phrase) for phrase in lists["closer"]}
        neither_but |= {normalised(phrase) for phrase in lists.get("neither_but", ())}
        undecided |= {_plain(phrase) for phrase in lists["undecided"]}
        thanks |= {_plain(phrase) for phrase in lists["thanks"]}
        undo |= {_plain(phrase) for phrase in lists["undo"]}
    known = [*answers, *undecided, *thanks, *undo]
    if len(known) > len(set(known)):
        raise ValueError("of_two.toml: a phrase means two things")
    return OfTwo(
        answers,
        tuple(sorted(closer, key=len, reverse=True)),
        tuple(sorted(neither_but, key=len, reverse=True)),
        frozenset(undecided),
        frozenset(thanks),
        frozenset(undo),
    )


def _plain(text: str) -> str:
    return _MARKS.sub(" ", normalised(text)).strip()
