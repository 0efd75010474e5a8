"""A sign of life that another process can see, for Docker's HEALTHCHECK: a file and its age."""

import time
from pathlib import Path

from bot.errors import NotAlive

# A poll lasts ten seconds at most; the database may be away for a minute before the bot gives up.
LONGEST_SILENCE_S = 90.0


def beat(heartbeat: Path) -> None:
    """Show that the bot is alive; a full disk is no reason to stop."""
    try:
        heartbeat.touch()
    except OSError:
        return


def check_alive(heartbeat: Path, *, now: float | None = None) -> float:
    """Return the seconds since the last sign of life.

    Raises:
        NotAlive: there was none lately, or never.
    """
    try:
        last = heartbeat.stat().st_mtime
    except OSError as error:
        raise NotAlive(f"No sign of life in {heartbeat}: is the bot running?") from error
    age = (time.time() if now is None else now) - last
    if age > LONGEST_SILENCE_S:
        raise NotAlive(f"The bot last heard from Telegram {age:.0f} s ago.")
    return age
