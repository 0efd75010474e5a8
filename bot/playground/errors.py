"""What the stand-in refuses, and how.

PlaygroundError
├── Refused              a Bot API request gets ``ok: false``
├── PersonMistake        a person tried what a chat app would not let them do
├── NothingArrived       a wait for the bot ended without what was waited for
└── NotServing           the playground was used outside ``async with``
"""

from __future__ import annotations


class PlaygroundError(Exception):
    """The base of every error that the playground raises."""


class Refused(PlaygroundError):
    """A Bot API request is answered with ``ok: false``, in Telegram's words where it has them."""

    def __init__(self, code: int, description: str, retry_after: int | None = None) -> None:
        super().__init__(f"{code} {description}")
        self.code = code
        self.description = description
        self.retry_after = retry_after


class PersonMistake(PlaygroundError):
    """A person tried something that a chat app would not let them do."""


class NothingArrived(PlaygroundError):
    """The bot did not do what was waited for in time."""


class NotServing(PlaygroundError):
    """The playground was used outside ``async with``."""


def bad_request(reason: str) -> Refused:
    """Telegram's 400 with its usual prefix."""
    return Refused(400, f"Bad Request: {reason}")


def forbidden(reason: str) -> Refused:
    """Telegram's 403 with its usual prefix."""
    return Refused(403, f"Forbidden: {reason}")


def not_offered(what: str) -> Refused:
    """A part of the Bot API that exists, but that the playground leaves out."""
    return Refused(501, f"Not Implemented: the playground does not offer {what}")
