"""``python -m bot.playground`` as a process."""

from __future__ import annotations

import asyncio
import re
import signal
import sys

import httpx
import pytest

from bot.playground import Playground
from bot.playground.__main__ import main


async def test_address_is_printed_and_sigterm_ends_it() -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bot.playground", "--port", "0", "--token", "7:abc"),
        *("--admin-id", "5"),
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    try:
        lines = [(await asyncio.wait_for(process.stdout.readline(), 30)).decode() for _ in range(4)]
        address = re.search(r"http://127\.0\.0\.1:\d+", lines[0])
        assert address is not None
        async with httpx.AsyncClient(trust_env=False) as http:
            me = await http.get(f"{address.group()}/bot7:abc/getMe")
            assert me.json()["result"]["id"] == 7
            state = await http.get(f"{address.group()}/playground/state")
        assert [one["id"] for one in state.json()["people"] if one["admin"]] == [5]
        process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(process.wait(), 30) == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def test_taken_port_is_one_line_and_exit_code_1(
    playground: Playground, capsys: pytest.CaptureFixture[str]
) -> None:
    port = playground.url.rsplit(":", 1)[1]
    assert await asyncio.to_thread(run_on_taken_port, port) == 1
    error = capsys.readouterr().err
    assert error.startswith(f"cannot serve on port {port}: ")
    assert error.count("\n") == 1


def run_on_taken_port(port: str) -> int:
    with pytest.MonkeyPatch.context() as patch:
        # Only the main thread may have signal handlers; this one never gets to use them.
        patch.setattr(asyncio.unix_events._UnixSelectorEventLoop, "add_signal_handler", ignore)
        return main(["--port", port])


def ignore(*_: object) -> None:
    """Does nothing."""
