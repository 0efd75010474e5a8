"""The catalogue: from a key and values to words in the language of the person."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self


class CatalogueDamaged(Exception):
    """A language's file lacks a key, has one too many, or differs in its placeholders."""


class Html(str):
    """Text whose markup is meant: it is not escaped again where it is filled in."""


@dataclass(frozen=True)
class Texts:
    """What the bot says in one language."""

    language: str
    entries: Mapping[str, Mapping[str, str]]

    def html(self, key: str, **values: str | int) -> Html:
        """The message for Telegram's HTML mode; values are escaped, unless they are `Html`.

        A message with plural forms chooses by the value `count`.
        """
        raise NotImplementedError

    def plain(self, key: str, **values: str | int) -> str:
        """The message for where no markup is read: buttons, pictures, command descriptions."""
        raise NotImplementedError

    def emotion(self, emotion: str) -> str:
        """What one says of a face: "happy", "surprised"."""
        raise NotImplementedError

    def emotion_label(self, emotion: str) -> str:
        """The emotion on its own, as on a button or a chart: "Happy", "Surprised"."""
        raise NotImplementedError

    def emoji(self, emotion: str) -> str:
        """The emotion as one emoji."""
        raise NotImplementedError


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
        raise NotImplementedError

    def texts(self, language_code: str | None) -> Texts:
        """The texts for Telegram's `language_code` ("ko", "en-GB"); English where it is unknown."""
        raise NotImplementedError
