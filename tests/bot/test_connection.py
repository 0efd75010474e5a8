import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from telegram.error import RetryAfter

from bot.connection import FloodGuard, build_bot
from bot.playground import Playground
from bot.stopping import Stopping
from tests.bot.conftest import MakeSettings

Answer = Callable[[], Coroutine[Any, Any, str]]


async def through(guard: FloodGuard, answer: Answer, retries: int | None = None) -> Any:
    return await guard.process_request(answer, (), {}, "sendMessage", {"chat_id": 1}, retries)


async def test_nothing_is_sent_in_a_flood_halt_although_another_request_ends_in_it() -> None:
    guard = FloodGuard()
    clock = asyncio.get_running_loop()
    began = clock.time()
    sent: list[tuple[str, float]] = []
    flooded = [RetryAfter(1)]

    async def refused_once() -> str:
        sent.append(("refused", clock.time() - began))
        if flooded:
            raise flooded.pop()
        return "sent"

    async def under_way() -> str:
        await asyncio.sleep(0.2)  # it ends in the halt, which lifts that of the base class
        return "done"

    async def later() -> str:
        sent.append(("later", clock.time() - began))
        return "sent"

    slow = asyncio.create_task(through(guard, under_way))
    await asyncio.sleep(0)
    halted = asyncio.create_task(through(guard, refused_once))
    await slow
    await through(guard, later)
    await halted
    assert sent[0][0] == "refused"
    assert all(at >= 1 for _, at in sent[1:])


async def test_a_flood_that_goes_on_is_given_up_in_the_end() -> None:
    asked: list[None] = []

    async def refused() -> str:
        asked.append(None)
        raise RetryAfter(0)

    with pytest.raises(RetryAfter):
        await through(FloodGuard(), refused, 1)
    assert len(asked) == 2


async def test_proxies_are_left_alone_on_this_machine(
    playground: Playground, make_settings: MakeSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "")
    async with build_bot(make_settings(playground), Stopping()) as bot:
        assert bot.username == "feelback_playground_bot"
