"""Who may speak to the playground at all, and what a browser is allowed."""

from __future__ import annotations

import json
import socket

import httpx
import pytest

from bot.playground import Playground
from tests.bot.playground.conftest import TOKEN, RawBot, picture


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Host": "localhost"}, 200),
        ({"Host": "evil.example"}, 403),
        ({"Host": "127.0.0.1.evil.example:8081"}, 403),
        ({"Host": "[::1"}, 403),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-origin"}, 200),
    ],
)
@pytest.mark.parametrize("path", [f"/bot{TOKEN}/getMe", "/playground/state"])
async def test_only_this_machine_under_its_own_name_is_served(
    headers: dict[str, str], status: int, path: str, playground: Playground, bot: RawBot
) -> None:
    response = await bot.http.get(playground.url + path, headers=headers)
    assert response.status_code == status


async def test_own_origin_is_served_and_another_port_is_not(
    playground: Playground, bot: RawBot
) -> None:
    url = f"{playground.url}/playground/people/1001/text"
    for origin, status in ((playground.url, 200), ("http://127.0.0.1:1", 403)):
        response = await bot.http.post(url, json={"text": "hi"}, headers={"Origin": origin})
        assert response.status_code == status


async def test_only_loopback_listens(playground: Playground) -> None:
    assert playground.url.startswith("http://127.0.0.1:")
    port = int(playground.url.rsplit(":", 1)[1])
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as other:
        other.bind(("127.0.0.2", port))  # free, since only 127.0.0.1 is taken


async def test_page_runs_its_own_script_only(playground: Playground, bot: RawBot) -> None:
    page = await bot.http.get(f"{playground.url}/")
    policy = page.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self'" in policy
    assert "unsafe" not in policy
    assert page.headers["X-Content-Type-Options"] == "nosniff"
    script = await bot.http.get(f"{playground.url}/chat.js")
    assert script.headers["Content-Type"].startswith("text/javascript")
    for dangerous in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("):
        assert dangerous not in script.text
    assert (await bot.http.get(f"{playground.url}/nothing")).status_code == 404


async def test_files_that_are_no_pictures_are_never_shown_in_place(
    playground: Playground, bot: RawBot
) -> None:
    ada = playground.person("Ada")
    page = await ada.send_document(b"<script>alert(1)</script>", "page.html", "text/html")
    drawing = await ada.send_document(b"<svg/>", "drawing.svg", "image/svg+xml")
    photo = await ada.send_photo(picture())
    for message, disposition in ((page, "attachment"), (drawing, "attachment"), (photo, "inline")):
        url = f"{playground.url}/playground/files/{message.file_id}"
        response = await bot.http.get(url)
        assert response.headers["Content-Disposition"] == disposition
        assert "sandbox" in response.headers["Content-Security-Policy"]
    assert (await bot.http.get(f"{playground.url}/playground/files/none")).status_code == 404


async def test_events_are_streamed_with_their_numbers(playground: Playground) -> None:
    ada = playground.person("Ada")
    await ada.send_text("one")
    await ada.send_text("two")
    async with (
        httpx.AsyncClient(trust_env=False, timeout=10) as http,
        http.stream("GET", f"{playground.url}/playground/stream?after=0") as response,
    ):
        texts: dict[str, str] = {}
        number = ""
        async for line in response.aiter_lines():
            if line.startswith("id: "):
                number = line.removeprefix("id: ")
            elif line.startswith("data: "):
                event = json.loads(line.removeprefix("data: "))
                assert str(event["event"]) == number
                if event["kind"] == "message":
                    texts[number] = event["letter"]["message"]["text"]
            if len(texts) == 2:
                break
    assert list(texts.values()) == ["one", "two"]


async def test_mistakes_are_explained(playground: Playground, bot: RawBot) -> None:
    people = f"{playground.url}/playground/people"
    for path, body, words in (
        (f"{people}/77/text", {"text": "x"}, "no person 77"),
        (f"{people}/1001/edit", {"message_id": 9, "text": "x"}, "no message 9"),
        (f"{people}/1001/photo", {}, "no file"),
        (f"{people}/1001/press", {"data": "x"}, "message_id is required"),
        (people, {"nom": "x"}, "nom"),
        (f"{playground.url}/playground/faults", {"kind": "earthquake"}, "flood"),
        (f"{playground.url}/playground/faults", {"kind": "slow", "x": 1}, "'x'"),
        (f"{playground.url}/playground/update-faults", {"kind": "x"}, "redeliver"),
    ):
        response = await bot.http.post(path, json=body)
        assert response.status_code == 400
        assert words in response.json()["mistake"]
    assert (await bot.http.post(f"{people}/1001/sing", json={})).status_code == 404
