"""`train_cli schedule`: what it refuses, and the schedulers that it lists."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from typer.testing import CliRunner

from store import schedules
from store.engine import Database
from train_cli.cli import app

NIGHT = datetime.now(UTC) + timedelta(hours=9)


async def beat(database: Database, holder: str, next_at: datetime | None) -> None:
    async with database.sessions.begin() as session:
        await schedules.beat(
            session,
            schedules.RETRAIN,
            holder,
            expression="0 3 * * *",
            timezone="Asia/Seoul",
            minimum_feedback=20,
            next_at=next_at,
        )


async def fired(database: Database, holder: str) -> None:
    async with database.sessions.begin() as session:
        await schedules.fired(session, schedules.RETRAIN, holder)
        await schedules.ended(
            session, schedules.RETRAIN, holder, "refused", candidate="0123456789abcdef"
        )


@pytest.fixture
async def two_schedulers(sqlite_database: Database) -> None:
    await beat(sqlite_database, "host-1:7:aa", NIGHT)
    await fired(sqlite_database, "host-1:7:aa")
    await beat(sqlite_database, "host-2:7:bb", None)


def test_status_lists_who_is_alive_and_what_came_of_it(
    two_schedulers: None, sqlite_url: str
) -> None:
    result = CliRunner().invoke(app, ["schedule", "--status", "--database", sqlite_url])
    assert result.exit_code == 0, result.output
    stopped, alive = [line for line in result.stdout.splitlines() if "host-" in line]
    assert "host-1:7 " in alive
    assert f"{NIGHT:%Y-%m-%d %H:%M}" in alive
    assert "refused 0123456789ab" in alive
    assert "stopped" in stopped


def test_status_as_json_is_one_document(two_schedulers: None, sqlite_url: str) -> None:
    status = ["schedule", "--status", "--json", "--database", sqlite_url]
    result = CliRunner().invoke(app, status)
    assert result.exit_code == 0, result.output
    known = {one["holder"]: one for one in json.loads(result.stdout)}
    assert known["host-1:7:aa"]["next_at"] == NIGHT.isoformat()
    assert known["host-1:7:aa"]["outcome"] == "refused"
    assert (known["host-2:7:bb"]["alive"], known["host-2:7:bb"]["fired_at"]) == (False, None)
    assert CliRunner().invoke(app, ["schedule", "--json"]).exit_code == 2


def test_no_cron_expression_is_bad_input(sqlite_url: str) -> None:
    result = CliRunner().invoke(app, ["schedule", "--cron", "daily", "--database", sqlite_url])
    assert result.exit_code == 2
    assert "five fields" in result.output


def test_no_time_zone_is_bad_input_of_its_own_option(sqlite_url: str) -> None:
    zone = ["--timezone", "Europe", "--database", sqlite_url]
    result = CliRunner().invoke(app, ["schedule", *zone])
    assert result.exit_code == 2
    assert "Invalid value for --timezone" in result.output
