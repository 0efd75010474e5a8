"""Answers to "is it closer to A or to B?" in twelve languages; the words are in `of_two.toml`."""

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


@dataclass(frozen=True)
class OfTwo:
    """The phrases of all languages, as they are compared: whole answers, and how one may begin."""

    answers: Mapping[str, Choice]
    closer: tuple[str, ...]


def choice_in(text: str) -> Choice | None:
    """Which of the two a whole text says; None where it says something else."""
    return of_two().answers.get(_plain(text))


def without_closer(text: str) -> str:
    """A text without the "closer to" that it begins with."""
    plain = normalised(text)
    for phrase in of_two().closer:
        if plain.startswith(phrase):
            return plain[len(phrase) :].strip() or text
    return text


@cache
def of_two() -> OfTwo:
    """The phrases, read once.

    Raises:
        ValueError: a phrase means two things.
    """
    content = resources.files("bot.vocabulary").joinpath("of_two.toml").read_text(encoding="utf-8")
    answers: dict[str, Choice] = {}
    closer: set[str] = set()
    for language, lists in tomllib.loads(content).items():
        for choice in _CHOICES:
            for phrase in lists[choice]:
                if answers.setdefault(_plain(phrase), choice) != choice:
                    raise ValueError(f"of_two.toml: {phrase!r} ({language}) means two things")
        closer |= {normalised(phrase) for phrase in lists["closer"]}
    return OfTwo(answers, tuple(sorted(closer, key=len, reverse=True)))


def _plain(text: str) -> str:
    return _MARKS.sub(" ", normalised(text)).strip()
