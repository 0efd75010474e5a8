"""The one way in which any part of the bot ends the process: it says so, and why."""

import asyncio

from bot.errors import BotError


class Stopping:
    """Whether the process is to stop, and for which reason; the first reason counts."""

    def __init__(self) -> None:
        self._requested = asyncio.Event()
        self._reason: BotError | None = None

    @property
    def requested(self) -> bool:
        """Whether somebody asked for it."""
        return self._requested.is_set()

    @property
    def reason(self) -> BotError | None:
        """What went wrong; None where the process was told to stop."""
        return self._reason

    def request(self, reason: BotError | None = None) -> None:
        """Ask the process to stop."""
        if not self.requested:
            self._reason = reason
            self._requested.set()

    async def wait(self) -> None:
        """Return when somebody asks for it."""
        await self._requested.wait()

    async def within(self, seconds: float) -> bool:
        """Return whether somebody asks for it in that time, as soon as they do."""
        try:
            async with asyncio.timeout(seconds):
                await self.wait()
        except TimeoutError:
            return False
        return True
