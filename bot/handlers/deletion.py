"""What was deleted must not linger in the database's log."""

import asyncio
from typing import Final

import structlog

from bot.context import Context
from store.engine import truncate_log

log = structlog.get_logger(__name__)

# The log can be emptied only while nobody reads an old state; a reader takes milliseconds.
LOG_ATTEMPTS: Final = 5
LOG_PAUSE_S: Final = 0.2


async def empty_log(context: Context) -> None:
    """Empty the database's log of what was just deleted; whoever still reads is waited for."""
    for _ in range(LOG_ATTEMPTS):
        if await truncate_log(context.services.database):
            return
        await asyncio.sleep(LOG_PAUSE_S)
    log.warning("log not emptied")
