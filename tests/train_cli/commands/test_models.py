"""`train_cli models`, `runs` and the rest that needs a database, through the command line."""

import asyncio
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from sqlalchemy import text, update
from typer.testing import CliRunner

from fer_model.uris import version_uri
from fer_model.versions import ModelVersion
from store import runs, versions
from store.engine import Database, open_database
from store.tables import ModelVersionRow
from tests.train_cli.feedback_rows import copied_version, serve, write_small_version
from train_cli.cli import app
from train_cli.registry import held_lease

REPORT: dict[str, Any] = {
    "verdict": {
        "passed": False,
        "reasons": ["too few faces"],
        "checks": [{"name": "enough", "passed": False, "reason": "too few faces"}],
    }
}


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> tuple[ModelVersion, ModelVersion]:
    folder = tmp_path_factory.mktemp("versions")
    return write_small_version(folder), write_small_version(folder, seed=1)


@pytest.fixture
def stocked_url(sqlite_url: str, shelf: tuple[ModelVersion, ModelVersion]) -> str:
    """A database with a current version and a candidate that the gate refused."""
    asyncio.run(stock(sqlite_url, *shelf))
    return sqlite_url


async def stock(url: str, base: ModelVersion, candidate: ModelVersion) -> None:
    database = open_database(url)
    await serve(database, base.path)
    await add(database, candidate.path, base.digest)
    async with held_lease(database) as held, database.sessions.begin() as session:
        run = await runs.start_run(session, "retrain", {"seed": 3}, lease=held.lease)
        report = {"candidate": candidate.digest, **REPORT}
        await runs.finish_run(session, run.run_id, report, lease=held.lease)
    await database.close()


async def add(database: Database, path: Path, parent: str, report: dict[str, Any] = REPORT) -> None:
    async with held_lease(database) as held, database.sessions.begin() as session:
        await versions.add_candidate(
            session,
            path.name,
            version_uri(path),
            parent_digest=parent,
            figures={"base.crowd_accuracy": 0.81, "base.another": 0.5},
            report=report,
            feedback_ids=(),
            lease=held.lease,
            actor="test",
        )


def call(*arguments: str, url: str) -> Result:
    return CliRunner().invoke(app, [*arguments, "--database", url])


def answer(*arguments: str, url: str) -> Any:
    result = call(*arguments, "--json", url=url)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_list_names_every_version_with_its_state_and_the_gates_word(
    stocked_url: str, shelf: tuple[ModelVersion, ModelVersion]
) -> None:
    listed = {v["digest"]: v["state"] for v in answer("models", "list", url=stocked_url)}
    assert listed == {shelf[0].digest: "current", shelf[1].digest: "candidate"}
    table = call("models", "list", url=stocked_url).stdout
    assert shelf[1].short in table
    assert "refused" in table
    assert "base.crowd_accuracy" in table
    assert "base.another" not in table
    assert "base.another" in call("models", "show", shelf[1].short, url=stocked_url).stdout


def test_promote_is_refused_by_the_gate_in_one_line(
    stocked_url: str, shelf: tuple[ModelVersion, ModelVersion]
) -> None:
    result = call("models", "promote", shelf[1].short, url=stocked_url)
    assert result.exit_code == 1
    assert "too few faces" in result.stderr
    assert result.stderr.count("\n") == 1


def test_override_is_recorded_with_its_reason_and_rollback_undoes_it(
    stocked_url: str, shelf: tuple[ModelVersion, ModelVersion]
) -> None:
    base, candidate = shelf
    promoted = answer(
        "models", "promote", candidate.short, "--override", "--reason", "for a demo",
        url=stocked_url,
    )  # fmt: skip
    assert (promoted["digest"], promoted["state"]) == (candidate.digest, "current")
    shown = answer("models", "show", candidate.short, url=stocked_url)
    event = shown["events"][-1]
    assert (event["event"], event["override"], event["reason"]) == ("promoted", True, "for a demo")
    assert event["actor"].startswith("cli:")
    words = call("models", "show", candidate.short, url=stocked_url).stdout
    assert "against the gate: for a demo" in words
    assert "✗ too few faces" in words
    back = answer("models", "rollback", "--reason", "demo over", url=stocked_url)
    assert back["digest"] == base.digest


def test_a_dry_run_of_a_promotion_tells_the_gates_verdict_and_changes_nothing(
    stocked_url: str, shelf: tuple[ModelVersion, ModelVersion]
) -> None:
    base, candidate = shelf
    before = answer("models", "show", candidate.digest, url=stocked_url)
    promote = ("models", "promote", candidate.short, "--dry-run")
    refused = call(*promote, url=stocked_url)
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert refused.stderr == call(*promote[:-1], url=stocked_url).stderr
    told = call(*promote, "--json", url=stocked_url)
    assert (told.exit_code, told.stderr) == (1, refused.stderr)
    assert json.loads(told.stdout) == {
        "dry_run": True,
        "version": candidate.digest,
        "replaces": None,
        "refused": True,
        "verdict": REPORT["verdict"],
    }

    override = (*promote, "--override", "--reason", "for a demo")
    words = call(*override, url=stocked_url)
    assert words.exit_code == 0
    assert words.stdout == (
        f"dry run: {candidate.short} would become current in place of {base.short}; "
        "against the gate, which refuses it: too few faces\n"
    )
    document = answer(*override, url=stocked_url)
    assert (document["replaces"], document["refused"]) == (base.digest, False)
    assert document["verdict"]["passed"] is False
    assert answer("models", "show", candidate.digest, url=stocked_url) == before


def test_a_dry_run_of_a_promotion_that_the_gate_passed_says_so(
    sqlite_url: str, shelf: tuple[ModelVersion, ModelVersion]
) -> None:
    async def stocked() -> None:
        database = open_database(sqlite_url)
        await serve(database, shelf[0].path)
        passed = {"verdict": {"passed": True, "reasons": [], "checks": []}}
        await add(database, shelf[1].path, shelf[0].digest, passed)
        await database.close()

    asyncio.run(stocked())
    result = call("models", "promote", shelf[1].short, "--dry-run", url=sqlite_url)
    assert result.exit_code == 0, result.output
    assert result.stdout.endswith(f"in place of {shelf[0].short}; the gate passed it\n")


def test_a_dry_run_of_a_rollback_names_both_versions_and_changes_nothing(
    stocked_url: str, shelf: tuple[ModelVersion, ModelVersion]
) -> None:
    base, candidate = shelf
    rollback = ("models", "rollback", "--reason", "demo over", "--dry-run")
    refused = call(*rollback, url=stocked_url)
    assert (refused.exit_code, "replaced no other" in refused.stderr) == (1, True)
    why = ("--override", "--reason", "for a demo")
    assert call("models", "promote", candidate.short, *why, url=stocked_url).exit_code == 0
    assert call(*rollback, url=stocked_url).stdout == (
        f"dry run: {base.short} would become current in place of {candidate.short}\n"
    )
    document = answer(*rollback, url=stocked_url)
    assert (document["version"], document["replaces"]) == (base.digest, candidate.digest)
    states = {v["digest"]: v["state"] for v in answer("models", "list", url=stocked_url)}
    assert states[candidate.digest] == "current"


def test_a_failing_database_is_one_line_that_quotes_no_rows(stocked_url: str) -> None:
    async def spoil() -> None:
        database = open_database(stocked_url)
        async with database.sessions.begin() as session:
            await session.execute(text("DROP TABLE model_events"))
        await database.close()

    asyncio.run(spoil())
    result = call("models", "rollback", "--reason", "back", url=stocked_url)
    assert result.exit_code == 1
    assert result.stderr == "error: the database refused or did not answer (OperationalError)\n"


def test_a_runs_error_is_shown_as_it_is(stocked_url: str) -> None:
    async def fail() -> None:
        database = open_database(stocked_url)
        async with held_lease(database) as held, database.sessions.begin() as session:
            run = await runs.start_run(session, "retrain", {}, lease=held.lease)
            await runs.fail_run(session, run.run_id, "[/a] is gone")
        await database.close()

    asyncio.run(fail())
    result = call("runs", url=stocked_url)
    assert result.exit_code == 0, result.output
    assert "[/a] is gone" in result.stdout


def test_where_there_is_nothing_yet_a_line_says_so(
    sqlite_url: str, sqlite_database: Database
) -> None:
    assert "start the bot once" in call("models", "list", url=sqlite_url).stdout
    assert call("runs", url=sqlite_url).stdout == "nothing was retrained yet\n"
    assert "no scheduler" in call("schedule", "--status", url=sqlite_url).stdout
    for command in (("models", "list"), ("runs",), ("schedule", "--status")):
        assert answer(*command, url=sqlite_url) == []


@pytest.mark.parametrize(
    "arguments",
    [
        ("models", "promote", "ab", "--override"),
        ("models", "promote", "ab", "--override", "--reason", "  "),
        ("models", "promote", "ab", "--reason", "because"),
        ("models", "rollback"),
        ("models", "rollback", "--reason", " "),
        ("schedule", "--cron", "every day"),
        ("schedule", "--cron", "0 3 * * 9"),
        ("schedule", "--timezone", "Mars/Olympus"),
        ("schedule", "--minimum-feedback", "0"),
        ("retrain", "--replay", "/nowhere"),
        ("retrain", "--device", "abacus"),
        ("runs", "first"),
    ],
)
def test_bad_input_is_a_usage_error(arguments: tuple[str, ...], stocked_url: str) -> None:
    result = call(*arguments, url=stocked_url)
    assert result.exit_code == 2
    assert "Traceback" not in result.output


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("models", "promote", "zz"), "No version has a digest that begins with 'zz'"),
        (("models", "show", ""), "2 versions have"),
        (("models", "rollback", "--reason", "back"), "replaced no other"),
        (("runs", "99"), "There is no run 99"),
    ],
)
def test_expected_failure_is_one_line_and_exit_code_1(
    arguments: tuple[str, ...], reason: str, stocked_url: str
) -> None:
    result = call(*arguments, url=stocked_url)
    assert result.exit_code == 1
    assert reason in result.stderr
    assert result.stderr.count("\n") == 1
    assert result.stdout == ""


@pytest.mark.parametrize(
    "arguments",
    [("models", "list"), ("runs",), ("retrain",), ("retrain", "--dry-run"), ("schedule",)],
)
def test_database_without_schema_is_one_line_that_says_what_to_do(
    arguments: tuple[str, ...], tmp_path: Path
) -> None:
    result = call(*arguments, url=f"sqlite:///{tmp_path / 'empty.db'}")
    assert result.exit_code == 1
    assert "python -m bot db upgrade" in result.stderr
    assert result.stderr.count("\n") == 1


def test_runs_are_listed_and_shown(
    stocked_url: str, shelf: tuple[ModelVersion, ModelVersion]
) -> None:
    (run,) = answer("runs", url=stocked_url)
    assert run["state"] == "finished"
    assert answer("runs", str(run["run_id"]), url=stocked_url)["arguments"] == {"seed": 3}
    assert f"candidate {shelf[1].short}, gate refused" in call("runs", url=stocked_url).stdout
    assert '"seed": 3' in call("runs", str(run["run_id"]), url=stocked_url).stdout


def test_void_versions_are_listed_and_pruned(
    sqlite_url: str, shelf: tuple[ModelVersion, ModelVersion], tmp_path: Path
) -> None:
    base, candidate = shelf
    models = tmp_path / "models"
    path = copied_version(candidate, models)

    async def stocked() -> None:
        database = open_database(sqlite_url)
        await serve(database, base.path)
        await add(database, path, base.digest)
        long_ago = datetime(2026, 1, 1, tzinfo=UTC)
        async with database.sessions.begin() as session:
            await session.execute(
                update(ModelVersionRow)
                .where(ModelVersionRow.digest == candidate.digest)
                .values(created_at=long_ago, person_erased_at=long_ago)
            )
        await database.close()

    asyncio.run(stocked())
    assert "candidate, void" in call("models", "list", url=sqlite_url).stdout
    assert "was erased" in call("models", "show", candidate.digest, url=sqlite_url).stdout
    refused = call(
        *("models", "promote", candidate.digest, "--override", "--reason", "please"),
        url=sqlite_url,
    )
    assert (refused.exit_code, "never serves again" in refused.stderr) == (1, True)
    prune = ("models", "prune", "--models", str(models))
    planned = answer(*prune, "--dry-run", url=sqlite_url)
    assert [one["why"] for one in planned["versions"]] == ["void"]
    assert path.is_dir()
    assert f"deleted {candidate.short} (void" in call(*prune, url=sqlite_url).stdout
    assert not path.exists()
    assert call(*prune, url=sqlite_url).stdout == "nothing to delete\n"
    assert "candidate, void, deleted" in call("models", "list", url=sqlite_url).stdout
