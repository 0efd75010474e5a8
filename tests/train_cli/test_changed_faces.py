"""`train_cli.changed_faces`, with the command that draws them."""

import asyncio
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import Result
from typer.testing import CliRunner

from fer_model.versions import ModelVersion
from store import people
from store.engine import open_database
from tests.train_cli.feedback_rows import say, serve, write_small_version, write_split
from tests.train_cli.test_retrain_report import REPORT
from train_cli import changed_faces as module
from train_cli.changed_faces import (
    MOST,
    ChangedFace,
    FacesOf,
    changed_faces,
    faces_sheet,
)
from train_cli.cli import app
from train_cli.pictures import Tile

CROP = np.zeros((48, 48), np.uint8)


def shares(top: int, share: float = 0.88) -> np.ndarray:
    rest = (1 - share) / 6
    return np.eye(7)[top] * (share - rest) + rest


@pytest.fixture
def tiles(monkeypatch: pytest.MonkeyPatch) -> list[Tile]:
    """What is put on contact sheets."""
    shown: list[Tile] = []
    draw = module.contact_sheet

    def noted(some: list[Tile], *more: object) -> bytes:
        shown.extend(some)
        return draw(some, *more)  # type: ignore[arg-type]

    monkeypatch.setattr(module, "contact_sheet", noted)
    return shown


def test_only_faces_with_another_top_emotion_have_changed() -> None:
    group = FacesOf("not learnt from", [CROP] * 3, np.eye(7)[[4, 4, 4]])
    before = np.stack([shares(3), shares(4), shares(4, 0.5)])
    after = np.stack([shares(4), shares(4, 0.4), shares(2)])
    changed = changed_faces(group, before, after)
    assert [(face.before.argmax(), face.after.argmax()) for face in changed] == [(3, 4), (4, 2)]
    assert changed[0].change > changed[1].change


def test_the_sheet_shows_the_largest_changes_with_what_people_said(tiles: list[Tile]) -> None:
    said = np.eye(7)[4] * 0.75 + np.eye(7)[2] * 0.25
    strong = ChangedFace("not learnt from", CROP, said, shares(3), shares(4))
    weak = [
        ChangedFace("base validation", CROP, np.eye(7)[3], shares(3, 0.3), shares(4, 0.3))
        for _ in range(MOST)
    ]
    faces_sheet([*weak, strong], REPORT)
    assert len(tiles) == MOST
    assert tiles[0].lines == (
        "happy → sad",
        "happy: 88% → 2%",
        "sad: 2% → 88%",
        "people: sad 75%",
        "    fear 25%",
        "not learnt from",
    )
    assert tiles[0].mark != tiles[1].mark
    assert tiles[1].lines[-1] == "base validation"


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> ModelVersion:
    return write_small_version(tmp_path_factory.mktemp("versions"))


@pytest.fixture(autouse=True)
def _threads() -> None:
    """The command sets torch's threads for its process, which is ours here."""
    torch.set_num_threads(1)


async def fill(url: str, base: ModelVersion) -> None:
    database = open_database(url)
    await serve(database, base.path)
    for person in range(12):
        await say(database, base.digest, person)
    await database.close()


async def forget(url: str, somebody: int) -> None:
    database = open_database(url)
    async with database.sessions.begin() as session:
        await people.erase_person(session, somebody)
    await database.close()


def call(url: str, *arguments: str) -> Result:
    return CliRunner().invoke(app, [*arguments, "--database", url])


def test_whoever_was_forgotten_is_on_no_sheet(
    sqlite_url: str,
    base: ModelVersion,
    tmp_path: Path,
    tiles: list[Tile],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The sheet is made of what is kept now, with every face drawn here as if it had changed."""
    asyncio.run(fill(sqlite_url, base))
    split = str(write_split(tmp_path / "split"))
    folder = tmp_path / "report"
    where = ("--models", str(tmp_path / "models"), "--threads", "1", "--replay", split)
    done = call(sqlite_url, "retrain", *where, "--report", str(folder), "--json")
    assert done.exit_code == 0, done.output
    document = json.loads(done.stdout)
    assert {p.name for p in folder.iterdir()} == {"report.md", "report.json", "calibration.png"}
    version = tmp_path / "models" / document["candidate"]
    kept = {p.name: p.read_bytes() for p in version.iterdir()}

    def all_of(group: FacesOf, before: np.ndarray, after: np.ndarray) -> list[ChangedFace]:
        rows = zip(group.crops, group.said, before, after, strict=True)
        return [ChangedFace(group.source, *row) for row in rows]

    monkeypatch.setattr(module, "changed_faces", all_of)
    run = str(document["run"])
    shown = call(sqlite_url, "runs", run, "--report", str(folder), "--faces")
    assert shown.exit_code == 0, shown.output
    assert "faces.png shows people: delete it" in " ".join(shown.stderr.split())
    sources = [tile.lines[-1] for tile in tiles]
    assert sources.count("base validation") == 9
    assert sources.count("learnt from") == document["report"]["trained_faces"]
    assert sources.count("not learnt from") == document["report"]["holdout_faces"] > 0
    assert {p.name: p.read_bytes() for p in version.iterdir()} == kept

    asyncio.run(forget(sqlite_url, 3))
    tiles.clear()
    again = call(sqlite_url, "runs", run, "--report", str(folder), "--faces", "--json")
    assert json.loads(again.stdout)["run_id"] == document["run"]
    assert len(tiles) == len(sources) - 1


def test_faces_need_a_folder_and_a_folder_needs_a_run(sqlite_url: str, tmp_path: Path) -> None:
    assert call(sqlite_url, "runs", "1", "--faces").exit_code == 2
    assert call(sqlite_url, "runs", "--report", str(tmp_path)).exit_code == 2
