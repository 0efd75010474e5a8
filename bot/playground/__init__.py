"""A strict local stand-in for Telegram's Bot API, with people to chat with and a chat page.

It imports nothing of the bot that talks to it, so that it cannot cheat: the bot is given
``base_url`` and ``base_file_url`` and takes it for Telegram.
"""

from bot.playground.client import (
    Button,
    CallbackAnswer,
    ChatAction,
    ChatMessage,
    Person,
    PlaygroundClient,
)
from bot.playground.errors import (
    NothingArrived,
    NotServing,
    PersonMistake,
    PlaygroundError,
    Refused,
)
from bot.playground.faults import Fault
from bot.playground.playground import ADMIN_ID, TOKEN, Playground, default_people
from bot.playground.record import RequestRecord
from bot.playground.world import Profile

__all__ = [
    "ADMIN_ID",
    "TOKEN",
    "Button",
    "CallbackAnswer",
    "ChatAction",
    "ChatMessage",
    "Fault",
    "NotServing",
    "NothingArrived",
    "Person",
    "PersonMistake",
    "Playground",
    "PlaygroundClient",
    "PlaygroundError",
    "Profile",
    "Refused",
    "RequestRecord",
    "default_people",
]
