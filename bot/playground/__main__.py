"""``python -m bot.playground``: serves the stand-in and its chat page until stopped."""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys

from bot.playground.playground import ADMIN_ID, TOKEN, Playground


async def serve(port: int, token: str, admin_id: int) -> None:
    """Serves until SIGINT or SIGTERM, after printing what a bot and a browser need."""
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopped.set)
    async with Playground(token, port=port, admin_id=admin_id) as playground:
        print(f"chat page      {playground.url}/")
        print(f"base_url       {playground.base_url}")
        print(f"base_file_url  {playground.base_file_url}")
        print(f"token          {playground.token}", flush=True)
        await stopped.wait()


def main(arguments: list[str] | None = None) -> int:
    """Parses the command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m bot.playground", description=__doc__)
    parser.add_argument("--port", type=int, default=8081, help="0 takes a free one")
    parser.add_argument("--token", default=TOKEN, help="the only token that is let in")
    parser.add_argument("--admin-id", type=int, default=ADMIN_ID, help="the admin person's id")
    chosen = parser.parse_args(arguments)
    try:
        asyncio.run(serve(chosen.port, chosen.token, chosen.admin_id))
    except OSError as error:
        print(f"cannot serve on port {chosen.port}: {error.strerror}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
