"""`train_cli.commands.database`."""

import asyncio
import getpass
import os
import signal

import pytest
import typer

from train_cli.commands.database import actor, run_to_end
from train_cli.errors import RunRefused


async def interrupted() -> None:
    os.kill(os.getpid(), signal.SIGTERM)
    await asyncio.sleep(30)


async def refused() -> None:
    raise RunRefused("not like this")


def test_sigterm_ends_a_command_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit) as ended:
        run_to_end(interrupted())
    assert ended.value.exit_code == 130
    assert capsys.readouterr().err == "interrupted; the current version goes on serving\n"


def test_expected_failure_ends_a_command_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit) as ended:
        run_to_end(refused())
    assert ended.value.exit_code == 1
    assert capsys.readouterr().err == "error: not like this\n"


def test_actor_has_a_name_even_where_the_user_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    def nameless() -> str:
        raise KeyError("getpwuid(): uid not found: 4711")

    assert actor() == f"cli:{getpass.getuser()}"
    monkeypatch.setattr(getpass, "getuser", nameless)
    assert actor() == f"cli:{os.getuid()}"
