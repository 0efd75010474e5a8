"""A fresh playground for every test; whatever it returned must be as the Bot API says."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest_asyncio
from PIL import Image

from bot.playground import Playground
from tests.bot_api.check import check_object, check_result

TOKEN = "4242:test"


@dataclass
class RawBot:
    """A bot that speaks raw HTTP."""

    http: httpx.AsyncClient
    base: str
    offset: int = 0

    async def ask(self, method: str, /, **params: Any) -> dict[str, Any]:
        """The whole answer to a request whose parameters are a JSON body."""
        response = await self.http.post(f"{self.base}/{method}", json=params)
        body: dict[str, Any] = response.json()
        assert response.status_code == (200 if body["ok"] else body["error_code"])
        return body

    async def do(self, method: str, /, **params: Any) -> Any:
        """The result of a request that must not be refused."""
        body = await self.ask(method, **params)
        assert body["ok"], body
        return body["result"]

    async def refused(self, method: str, /, **params: Any) -> str:
        """What a request that must be refused is told."""
        body = await self.ask(method, **params)
        assert not body["ok"], body
        return str(body["description"])

    async def upload(
        self, method: str, files: dict[str, tuple[str, bytes]], **params: Any
    ) -> dict[str, Any]:
        """The whole answer to a multipart form."""
        response = await self.http.post(f"{self.base}/{method}", data=params, files=files)
        body: dict[str, Any] = response.json()
        return body

    async def updates(self, timeout: int = 0) -> list[dict[str, Any]]:
        """The next updates, which are confirmed with the next call."""
        updates: list[dict[str, Any]] = await self.do(
            "getUpdates", offset=self.offset, timeout=timeout
        )
        if updates:
            self.offset = updates[-1]["update_id"] + 1
        return updates


def picture(width: int = 640, height: int = 480, kind: str = "PNG", colour: str = "teal") -> bytes:
    """A picture of one colour."""
    out = io.BytesIO()
    Image.new("RGB", (width, height), colour).save(out, kind)
    return out.getvalue()


@pytest_asyncio.fixture
async def playground() -> AsyncIterator[Playground]:
    async with Playground(TOKEN) as playground:
        yield playground
        for request in playground.requests:
            if request.method != "download" and request.ok:
                check_result(request.method, request.response["result"])
        for letter in playground.world.letters.values():
            check_object("Message", letter.message)


@pytest_asyncio.fixture
async def bot(playground: Playground) -> AsyncIterator[RawBot]:
    async with httpx.AsyncClient(trust_env=False, timeout=30) as http:
        yield RawBot(http, f"{playground.base_url}{TOKEN}")
