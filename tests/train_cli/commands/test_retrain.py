"""`train_cli retrain`, through the command line."""

import asyncio
import json
from pathlib import Path

import pytest
import torch
from click.testing import Result
from sqlalchemy import update
from typer.testing import CliRunner

from fer_model.uris import version_uri
from fer_model.versions import ModelVersion
from store import versions
from store.engine import open_database
from store.tables import ModelVersionRow
from tests.train_cli.feedback_rows import say, serve, write_small_version
from train_cli.cli import app
from train_cli.registry import held_lease


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> ModelVersion:
    return write_small_version(tmp_path_factory.mktemp("versions"))


@pytest.fixture(autouse=True)
def _threads() -> None:
    """The command sets torch's threads for its process, which is ours here."""
    torch.set_num_threads(1)


async def fill(url: str, base: ModelVersion, voices: int) -> None:
    database = open_database(url)
    await serve(database, base.path)
    for person in range(voices):
        await say(database, base.digest, person)
    await database.close()


def call(url: str, tmp_path: Path, *arguments: str) -> Result:
    models = str(tmp_path / "models")
    command = ["retrain", "--database", url, "--models", models, "--threads", "1", *arguments]
    return CliRunner().invoke(app, command)


def test_one_correction_gives_a_report_that_refuses_in_words(
    sqlite_url: str, base: ModelVersion, tmp_path: Path
) -> None:
    asyncio.run(fill(sqlite_url, base, 1))
    result = call(sqlite_url, tmp_path)
    assert result.exit_code == 0, result.output
    assert "One piece of feedback proves nothing" in result.stdout
    assert "The gate refuses candidate" in result.stdout
    assert len(list((tmp_path / "models").iterdir())) == 1


def test_a_report_folder_that_cannot_be_written_does_not_keep_the_report(
    sqlite_url: str, base: ModelVersion, tmp_path: Path
) -> None:
    asyncio.run(fill(sqlite_url, base, 1))
    (tmp_path / "file").touch()
    result = call(sqlite_url, tmp_path, "--report", str(tmp_path / "file" / "report"))
    assert result.exit_code == 1
    assert "The gate refuses candidate" in result.stdout
    assert result.stderr.splitlines()[-1].startswith("error: ")


def test_json_is_one_document_on_stdout(
    sqlite_url: str, base: ModelVersion, tmp_path: Path
) -> None:
    asyncio.run(fill(sqlite_url, base, 1))
    document = json.loads(call(sqlite_url, tmp_path, "--json").stdout)
    assert document["candidate"] == document["report"]["candidate"]
    assert document["report"]["verdict"]["passed"] is False
    assert (tmp_path / "models" / document["candidate"]).is_dir()


def test_dry_run_says_what_would_be_done_and_writes_nothing(
    sqlite_url: str, base: ModelVersion, tmp_path: Path
) -> None:
    asyncio.run(fill(sqlite_url, base, 2))
    document = json.loads(call(sqlite_url, tmp_path, "--dry-run", "--json").stdout)
    assert document["trained_faces"] == 2
    assert document["kept_by"] == "distillation"
    assert "2 faces" in call(sqlite_url, tmp_path, "--dry-run").stdout
    assert not (tmp_path / "models").exists()
    runs = CliRunner().invoke(app, ["runs", "--json", "--database", sqlite_url])
    assert json.loads(runs.stdout) == []


def test_without_feedback_it_says_so_and_ends_well(
    sqlite_url: str, base: ModelVersion, tmp_path: Path
) -> None:
    asyncio.run(fill(sqlite_url, base, 0))
    words = call(sqlite_url, tmp_path)
    assert words.exit_code == 0
    assert "no feedback that may be learnt from" in words.stdout
    document = json.loads(call(sqlite_url, tmp_path, "--json").stdout)
    assert document["candidate"] is None
    assert not (tmp_path / "models").exists()


def test_a_void_version_that_serves_is_named_with_what_to_do(
    sqlite_url: str, base: ModelVersion, tmp_path: Path
) -> None:
    async def left() -> None:
        await fill(sqlite_url, base, 0)
        database = open_database(sqlite_url)
        other = write_small_version(tmp_path / "models", seed=1)
        async with held_lease(database) as held, database.sessions.begin() as session:
            await versions.add_candidate(
                session,
                other.digest,
                version_uri(other.path),
                parent_digest=base.digest,
                figures={},
                report={},
                feedback_ids=(404,),  # erased since
                lease=held.lease,
                actor="test",
            )
            await session.execute(update(ModelVersionRow).values(state="retired"))
            await session.execute(
                update(ModelVersionRow)
                .where(ModelVersionRow.digest == other.digest)
                .values(state="current")
            )
        await database.close()

    asyncio.run(left())
    result = call(sqlite_url, tmp_path)
    assert result.exit_code == 0, result.output
    assert f"Let {base.short} serve in its place: train_cli models promote" in result.stdout
    promote = ["models", "promote", base.short, "--dry-run", "--database", sqlite_url]
    assert "that one is void, so the gate is not asked" in CliRunner().invoke(app, promote).stdout


def test_missing_current_version_is_one_line_and_a_failed_run(
    sqlite_url: str, tmp_path: Path
) -> None:
    version = write_small_version(tmp_path / "versions", seed=3)
    asyncio.run(fill(sqlite_url, version, 1))
    version.path.rename(tmp_path / "elsewhere")
    result = call(sqlite_url, tmp_path)
    assert result.exit_code == 1
    assert "no such model version" in result.stderr
    runs = CliRunner().invoke(app, ["runs", "--json", "--database", sqlite_url])
    assert json.loads(runs.stdout)[0]["state"] == "failed"
