import os
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from bot.cli import app
from bot.health import beat
from migrations import commands

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to start in, with the token of a bot and a migrated database named."""
    for name in [name for name in os.environ if name.startswith("FEELBACK_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FEELBACK_TOKEN", "42:TEST")
    monkeypatch.setenv("FEELBACK_DATABASE_URL", f"sqlite:///{tmp_path}/feelback.db")
    return tmp_path


@pytest.fixture
def migrated(sqlite_template: Path, place: Path) -> Path:
    """The database, migrated."""
    shutil.copy(sqlite_template, place / "feelback.db")
    return place / "feelback.db"


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(app, arguments)


def fails_with_one_line(result: Result) -> str:
    assert result.exit_code == 1
    assert result.stdout == ""
    (line,) = result.stderr.splitlines()
    return line


@pytest.mark.parametrize("arguments", [[], ["run"], ["check"]])
def test_no_token_is_one_line(arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FEELBACK_TOKEN")
    line = fails_with_one_line(invoke(*arguments))
    assert line == "FEELBACK_TOKEN: not set; put it into the environment or into .env"


@pytest.mark.parametrize("arguments", [[], ["run"], ["check"]])
def test_an_empty_database_is_one_line_that_says_what_to_run(arguments: list[str]) -> None:
    assert "python -m bot db upgrade" in fails_with_one_line(invoke(*arguments))


@pytest.mark.parametrize("revision", ["0000", "9999"])
def test_another_schema_is_one_line(revision: str, migrated: Path) -> None:
    with sqlite3.connect(migrated) as connection:
        connection.execute("UPDATE alembic_version SET version_num = ?", (revision,))
    connection.close()
    assert f"revision {revision}" in fails_with_one_line(invoke("run"))


def test_a_file_that_is_no_database_is_one_line(place: Path) -> None:
    (place / "feelback.db").write_text("not a database, but long enough to be looked at" * 9)
    assert "not a database" in fails_with_one_line(invoke("run"))


def test_an_unreachable_postgresql_is_one_line_without_the_password(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("FEELBACK_DATABASE_URL", "postgresql://me:hush@127.0.0.1:9/feelback")
    line = fails_with_one_line(invoke("run"))
    assert "127.0.0.1:9" in line
    assert "hush" not in line


def test_missing_weights_are_one_line(
    migrated: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from fer_model import versions

    monkeypatch.setattr(versions, "__file__", str(tmp_path / "versions.py"))
    line = fails_with_one_line(invoke("run"))
    assert "cannot serve" in line
    assert "reinstall" in line


def test_upgrade_makes_and_migrates_the_database(place: Path) -> None:
    result = invoke("db", "upgrade")
    assert result.exit_code == 0
    assert commands.current(f"sqlite:///{place}/feelback.db") == commands.head()
    shown = invoke("db", "current")
    assert shown.stdout.startswith(commands.head())


def test_the_database_commands_need_no_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FEELBACK_TOKEN")
    assert invoke("db", "upgrade").exit_code == 0


def test_a_wrong_database_url_is_one_line_for_the_database_commands_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("FEELBACK_DATABASE_URL", "mysql://host/db")
    assert "SQLite or PostgreSQL" in fails_with_one_line(invoke("db", "current"))


def test_health_says_whether_the_bot_is_alive(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FEELBACK_HEARTBEAT", str(place / "heartbeat"))
    assert "No sign of life" in fails_with_one_line(invoke("health"))
    beat(place / "heartbeat")
    assert invoke("health").exit_code == 0


@pytest.mark.slow
def test_the_program_itself_exits_with_1_and_one_line(place: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "FEELBACK_TOKEN"}
    done = subprocess.run(
        [sys.executable, "-m", "bot"],
        cwd=place,
        env=environment | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.splitlines() == [
        "FEELBACK_TOKEN: not set; put it into the environment or into .env"
    ]
