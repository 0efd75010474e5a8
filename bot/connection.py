"""The connection to the Bot API: timeouts, flood halts, and what its answers say about the bot."""

import asyncio
import ipaddress
from collections.abc import Callable, Coroutine
from typing import Any
from urllib.parse import urlsplit

from telegram.error import RetryAfter
from telegram.ext import AIORateLimiter, ExtBot
from telegram.request import HTTPXRequest

from bot.context import FeelbackBot
from bot.errors import TokenRefused
from bot.settings import Settings
from bot.stopping import Stopping

MOST_RETRIES = 3
CONNECT_TIMEOUT_S = 10.0
READ_TIMEOUT_S = 20.0
MEDIA_TIMEOUT_S = 60.0
POOL_TIMEOUT_S = 30.0
UNKNOWN_TOKEN = (401, 404)


class FloodGuard(AIORateLimiter):
    """A rate limiter whose halt holds until it is over.

    That of python-telegram-bot 22.8 is lifted as soon as any request ends that was under way when
    it began (issue 5338), and what is sent in a halt makes it longer.
    """

    def __init__(self) -> None:
        super().__init__(max_retries=MOST_RETRIES)
        self._halted_until = 0.0

    async def process_request(
        self,
        callback: Callable[..., Coroutine[Any, Any, Any]],
        args: Any,
        kwargs: dict[str, Any],
        endpoint: str,
        data: dict[str, Any],
        rate_limit_args: int | None,
    ) -> Any:
        """Send the request when no halt is on, and begin one where Telegram asks for it."""

        async def guarded(*arguments: Any, **named: Any) -> Any:
            clock = asyncio.get_running_loop()
            # Again and again: another request may have made the halt longer meanwhile.
            while (left := self._halted_until - clock.time()) > 0:  # noqa: ASYNC110
                await asyncio.sleep(left)
            try:
                return await callback(*arguments, **named)
            except RetryAfter as error:
                # Not `retry_after`, whose type depends on PTB_TIMEDELTA.
                end = clock.time() + error._retry_after.total_seconds()
                self._halted_until = max(self._halted_until, end)
                raise

        return await super().process_request(guarded, args, kwargs, endpoint, data, rate_limit_args)


class PollingRequest(HTTPXRequest):
    """The connection for getUpdates alone, which tells what its answers mean.

    A token that is revoked while the bot runs ends python-telegram-bot's polling without a word;
    here it stops the process.

    Args:
        stopping: Asked to stop the process when the token is refused.
        on_answer: Called after each good answer: polling is alive.
        trust_env: Whether the environment's proxies are used.
    """

    def __init__(
        self, stopping: Stopping, on_answer: Callable[[], None], *, trust_env: bool
    ) -> None:
        super().__init__(
            # Two: the last call, on stopping, must not wait for the poll that it ends.
            connection_pool_size=2,
            connect_timeout=CONNECT_TIMEOUT_S,
            read_timeout=READ_TIMEOUT_S,
            pool_timeout=POOL_TIMEOUT_S,
            httpx_kwargs={"trust_env": trust_env},
        )
        self._stopping = stopping
        self._on_answer = on_answer

    async def do_request(self, *args: Any, **kwargs: Any) -> tuple[int, bytes]:
        """Return the answer's status and body."""
        status, body = await super().do_request(*args, **kwargs)
        if status in UNKNOWN_TOKEN:
            self._stopping.request(TokenRefused())
        elif status == 200:
            self._on_answer()
        return status, body


def build_bot(
    settings: Settings, stopping: Stopping, on_answer: Callable[[], None] = lambda: None
) -> FeelbackBot:
    """Return the bot, not yet connected."""
    # An environment's proxy has no business with a Bot API on this machine.
    trust_env = not _on_loopback(settings.base_url)
    return ExtBot(
        settings.token.get_secret_value(),
        base_url=settings.base_url,
        base_file_url=settings.base_file_url,
        request=HTTPXRequest(
            # A handler has one request under way, and a "typing" beside it.
            connection_pool_size=2 * settings.concurrency + 8,
            connect_timeout=CONNECT_TIMEOUT_S,
            read_timeout=READ_TIMEOUT_S,
            write_timeout=READ_TIMEOUT_S,
            media_write_timeout=MEDIA_TIMEOUT_S,
            pool_timeout=POOL_TIMEOUT_S,
            httpx_kwargs={"trust_env": trust_env},
        ),
        get_updates_request=PollingRequest(stopping, on_answer, trust_env=trust_env),
        rate_limiter=FloodGuard(),
    )


def _on_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
