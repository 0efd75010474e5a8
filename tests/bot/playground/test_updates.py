from __future__ import annotations

import asyncio
from typing import Any

import pytest

from bot.playground.errors import Refused
from bot.playground.updates import CONFLICT, Update, UpdateQueue


def queue(confirmed: list[Update] | None = None) -> UpdateQueue:
    seen = [] if confirmed is None else confirmed
    return UpdateQueue(10, seen.append)


def ids(batch: list[Update]) -> list[int]:
    return [update.update_id for update in batch]


async def test_updates_stay_until_an_offset_confirms_them() -> None:
    confirmed: list[Update] = []
    updates = queue(confirmed)
    for number in range(3):
        updates.put("message", {"n": number})
    assert ids(await updates.poll(0, 100, 0)) == [10, 11, 12]
    assert ids(await updates.poll(0, 100, 0)) == [10, 11, 12]
    assert ids(await updates.poll(12, 100, 0)) == [12]
    assert ids(confirmed) == [10, 11]
    assert await updates.poll(13, 100, 0) == []
    assert updates.pending == 0


async def test_negative_offset_keeps_the_last_ones_only() -> None:
    updates = queue()
    for number in range(5):
        updates.put("message", {"n": number})
    assert ids(await updates.poll(-2, 100, 0)) == [13, 14]
    assert updates.pending == 2


async def test_limit_is_kept() -> None:
    updates = queue()
    for number in range(5):
        updates.put("message", {"n": number})
    assert ids(await updates.poll(0, 2, 0)) == [10, 11]


async def test_long_poll_ends_with_the_first_update() -> None:
    updates = queue()
    poll = asyncio.create_task(updates.poll(0, 100, 30))
    await asyncio.sleep(0.05)
    assert not poll.done()
    updates.put("message", {})
    assert ids(await asyncio.wait_for(poll, 1)) == [10]


async def test_long_poll_ends_empty_after_its_timeout() -> None:
    assert await asyncio.wait_for(queue().poll(0, 100, 0.1), 1) == []


async def test_newer_poll_ends_the_older_one() -> None:
    updates = queue()
    older = asyncio.create_task(updates.poll(0, 100, 30))
    await asyncio.sleep(0.05)
    newer = asyncio.create_task(updates.poll(0, 100, 30))
    with pytest.raises(Refused) as refused:
        await asyncio.wait_for(older, 1)
    assert (refused.value.code, refused.value.description) == (409, CONFLICT)
    updates.put("message", {})
    assert ids(await asyncio.wait_for(newer, 1)) == [10]


@pytest.mark.parametrize(
    ("allowed", "kind", "queued"),
    [
        (None, "message", True),
        (None, "message_reaction", False),
        ([], "message_reaction", False),
        (["message"], "callback_query", False),
        (["message", "message_reaction"], "message_reaction", True),
    ],
)
async def test_only_what_was_asked_for_is_queued(allowed: Any, kind: str, queued: bool) -> None:
    updates = queue()
    if allowed is not None:
        updates.allow(allowed)
    assert (updates.put(kind, {}) is not None) == queued
    assert updates.pending == queued


async def test_doubled_update_stands_twice_in_one_answer() -> None:
    updates = queue()
    updates.double(1)
    updates.put("message", {})
    updates.put("message", {})
    assert ids(await updates.poll(0, 100, 0)) == [10, 10, 11]


async def test_redelivered_update_comes_again_after_it_was_confirmed() -> None:
    updates = queue()
    updates.redeliver(1)
    updates.put("message", {})
    assert ids(await updates.poll(0, 100, 0)) == [10]
    updates.put("message", {})
    assert ids(await updates.poll(11, 100, 0)) == [10, 11]
    assert ids(await updates.poll(12, 100, 0)) == []
