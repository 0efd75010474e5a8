"""What every handler is given beside its update: the services, and the claim it works under."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from telegram.ext import Application, CallbackContext, ExtBot

from bot.inbox import ClaimedUpdate, Work

if TYPE_CHECKING:
    from bot.settings import Settings
    from bot.texts import Catalogue
    from fer_model.recognizer import Recognizer
    from store.engine import Database
    from store.records import Claim

FeelbackBot = ExtBot[int]
"""A bot whose rate limiter takes the number of retries."""


@dataclass(frozen=True)
class Services:
    """What handlers work with, opened and closed by whoever composed the application."""

    settings: Settings
    database: Database
    recognizer: Recognizer
    catalogue: Catalogue


class Context(CallbackContext[FeelbackBot, dict[Any, Any], dict[Any, Any], Services]):
    """A handler's context.

    Nothing is kept in `user_data`, `chat_data` or `bot_data`: a second replica would miss it.
    """

    _work: Work | None = None

    @classmethod
    def from_update(
        cls, update: object, application: Application[Any, Any, Any, Any, Any, Any]
    ) -> Self:
        """Return the context of an update that came from the inbox, or of any other object."""
        context = super().from_update(update, application)
        if isinstance(update, ClaimedUpdate):
            context._work = update.work
        return context

    @property
    def services(self) -> Services:
        """The services of this application."""
        return self.bot_data

    @property
    def work(self) -> Work | None:
        """The update's life in the inbox; None for what did not come through it."""
        return self._work

    @property
    def claim(self) -> Claim:
        """The inbox's claim on the update in hand; a reading is unique per `claim.inbox_id`.

        Raises:
            LookupError: this context belongs to no update of the inbox.
        """
        if self._work is None:
            raise LookupError("this context belongs to no update of the inbox")
        return self._work.claim


FeelbackApplication = Application[
    FeelbackBot, Context, dict[Any, Any], dict[Any, Any], Services, None
]
