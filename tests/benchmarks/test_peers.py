import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from typer import Typer
from typer.testing import CliRunner

from benchmarks import peers, record
from benchmarks.peers import BEGIN, END, PAGE, WARM_UP, compared, peers_command, rewrite_page
from benchmarks.peers_answers import KeptAnswers
from benchmarks.peers_figures import table
from benchmarks.peers_systems import (
    PEERS,
    InstallFailed,
    NotInstalled,
    install,
    is_installed,
    peers_named,
    started,
    threads,
)
from benchmarks.peers_worker import Answers, PeerFailed, Worker
from fer_model.emotions import EMOTIONS
from tests.benchmarks.peers_fakes import ANSWERS, fake
from train_cli.splits import FaceSet
from train_cli.votes import VOTE_COLUMNS

DYING = "    sys.exit(3)\n"
DYING_WHEN_TIMED = '    if request["op"] == "time": sys.exit(3)\n' + ANSWERS


def labelled(count: int = 14) -> FaceSet:
    """Faces whose first pixel says what a fake worker will answer, and that this is right."""
    ours = [6, 3, 4, 0, 2, 1, 5]  # the fake's classes, as places in EMOTIONS
    crops = torch.zeros(count, 1, 48, 48, dtype=torch.uint8)
    crops[:, 0, 0, 0] = torch.arange(count)
    labels = torch.tensor([ours[place % 7] for place in range(count)])
    votes = torch.zeros(count, len(VOTE_COLUMNS))
    votes[range(count), labels] = 10
    leaked = np.arange(count) < 2
    return FaceSet(crops, labels, votes, tuple(f"{n}.jpg" for n in range(count)), leaked)


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Every system is a fake; by name, how those answer that differ."""
    differing: dict[str, str] = {}

    def running(name: str) -> Worker:
        return fake(tmp_path, differing.get(name, ANSWERS), name=name.replace("-", "_"))

    monkeypatch.setattr(peers, "ours_started", lambda *_: running("ours"))
    monkeypatch.setattr(peers, "started", lambda peer, *_: running(peer.name))
    monkeypatch.setattr(peers, "pin_to", lambda _: None)
    return differing


def measured(tmp_path: Path, rounds: int = 2) -> dict[str, Any]:
    return compared(
        labelled(),
        PEERS,
        version=None,
        environments=tmp_path / "peers",
        cores=1,
        rounds=rounds,
        block=2,
        install_missing=False,
        say=lambda _: None,
    )


def test_everybody_is_measured_and_told_apart(tmp_path: Path, stage: dict[str, str]) -> None:
    document = measured(tmp_path)
    assert list(document["systems"]) == ["ours", "fer", "face-api", "human"]
    assert document["missing"] == {}
    for name, system in document["systems"].items():
        assert system["as_published"]["label_accuracy"] == 1
        assert system["as_published"]["faces"] == 14
        assert system["leak_free"]["faces"] == 12
        assert system["memory_mib_loaded"] > 0
        assert (system["speed"]["times_ours"] is None) == (name == "ours")
    assert document["systems"]["fer"]["speed"]["one_face_ms"]["runs"] == 4
    json.dumps(document)


@pytest.mark.parametrize("answering", [DYING, DYING_WHEN_TIMED])
def test_a_peer_that_fails_is_named_and_the_others_are_measured(
    tmp_path: Path, stage: dict[str, str], answering: str
) -> None:
    stage["face-api"] = answering
    document = measured(tmp_path)
    assert list(document["systems"]) == ["ours", "fer", "human"]
    assert "exit code 3" in document["missing"]["face-api"]
    assert document["systems"]["human"]["speed"]["times_ours"] is not None
    assert "face-api: not measured" in table(document)


def test_without_ours_there_is_no_comparison(tmp_path: Path, stage: dict[str, str]) -> None:
    stage["ours"] = DYING
    with pytest.raises(PeerFailed):
        measured(tmp_path)


def test_accuracy_alone_leaves_the_speed_blank(tmp_path: Path, stage: dict[str, str]) -> None:
    stage["fer"] = DYING_WHEN_TIMED
    document = measured(tmp_path, rounds=0)
    assert [system["speed"] for system in document["systems"].values()] == [None] * 4
    assert document["missing"] == {}


def test_a_peers_answers_are_kept_and_ours_are_not(tmp_path: Path, stage: dict[str, str]) -> None:
    measured(tmp_path, rounds=0)
    stage["fer"] = stage["face-api"] = stage["human"] = DYING
    assert measured(tmp_path, rounds=0)["missing"] == {}
    stage["ours"] = DYING
    with pytest.raises(PeerFailed):
        measured(tmp_path, rounds=0)


def test_warm_up_faces_are_not_counted(tmp_path: Path, stage: dict[str, str]) -> None:
    document = measured(tmp_path, rounds=1)
    # The fake's milliseconds are the faces' numbers: the first WARM_UP are left out.
    assert document["systems"]["fer"]["speed"]["one_face_ms"]["p50"] == WARM_UP + 0.5


class Asked:
    """Answers whose first emotion's probability tells the face's first pixel; counts faces."""

    def __init__(self) -> None:
        self.faces = 0

    def __call__(self, crops: np.ndarray) -> Answers:
        self.faces += len(crops)
        rows = np.zeros((len(crops), 7))
        rows[:, 0] = crops[:, 0, 0] / 255
        return Answers(rows, 1 - rows)


def test_kept_answers_are_asked_for_once_and_come_back_in_order(tmp_path: Path) -> None:
    crops = labelled().crops[:, 0].numpy()
    ask = Asked()
    kept = KeptAnswers(tmp_path, "fer", "1")
    kept.of(crops[3:6], ask)
    answers = KeptAnswers(tmp_path, "fer", "1").of(crops[::-1], ask)
    assert ask.faces == len(crops)
    np.testing.assert_allclose(answers.label[:, 0] * 255, np.arange(14)[::-1])
    np.testing.assert_allclose(answers.crowd, 1 - answers.label)


def test_answers_of_another_version_are_not_read(tmp_path: Path) -> None:
    crops = labelled().crops[:, 0].numpy()
    ask = Asked()
    KeptAnswers(tmp_path, "fer", "1").of(crops, ask)
    KeptAnswers(tmp_path, "fer", "2").of(crops, ask)
    assert ask.faces == 2 * len(crops)


def test_a_peer_that_is_not_installed_says_how_to(tmp_path: Path) -> None:
    for peer in PEERS:
        assert not is_installed(peer, tmp_path)
        with pytest.raises(NotInstalled, match=rf"--install --peer {peer.name}$"):
            started(peer, tmp_path, cores=1)


def test_without_npm_the_failure_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    said: list[str] = []
    with pytest.raises(InstallFailed, match="needs node and npm"):
        install(peers_named(["human"])[0], tmp_path / "peers", said.append)
    assert "installing human" in said[0]


def test_an_install_that_fails_tells_its_last_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("npm", "node"):
        program = tmp_path / name
        program.write_text("#!/bin/sh\necho nothing there\nexit 1\n")
        program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    peer = peers_named(["face-api"])[0]
    with pytest.raises(InstallFailed, match="not installed: nothing there") as caught:
        install(peer, tmp_path / "peers", lambda _: None)
    assert "\n" not in str(caught.value)
    assert not is_installed(peer, tmp_path / "peers")


def test_an_installed_peer_is_left_alone_until_its_pins_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("npm", "node"):
        program = tmp_path / name
        program.write_text("#!/bin/sh\n")
        program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    face_api, human = peers_named(["face-api", "human"])
    said: list[str] = []
    for peer in (face_api, human):  # they share an environment
        install(peer, tmp_path / "peers", said.append)
    assert len(said) == 1
    (tmp_path / "peers" / "node" / ".installed").write_text("other pins")
    assert not is_installed(human, tmp_path / "peers")


def test_every_library_is_told_how_many_threads_it_may_use() -> None:
    assert threads(2)["OMP_NUM_THREADS"] == threads(2)["TF_NUM_INTRAOP_THREADS"] == "2"


def test_every_peer_has_its_worker_and_pins() -> None:
    for peer in PEERS:
        assert len(peer.answers_digest) == 16
        assert all(pin.is_file() for pin in peer.pins)


def prepared_split(folder: Path) -> Path:
    from PIL import Image

    folder.mkdir()
    faces = labelled()
    lines = [",".join(("file", "label", "identical_to_training", *VOTE_COLUMNS))]
    for place, (crop, label) in enumerate(zip(faces.crops, faces.labels.tolist(), strict=True)):
        Image.fromarray(crop[0].numpy()).save(folder / f"{place}.png")
        votes = [10 if name == EMOTIONS[label] else 0 for name in VOTE_COLUMNS]
        lines.append(",".join(map(str, (f"{place}.png", EMOTIONS[label], 0, *votes))))
    (folder / "test.csv").write_text("\n".join(lines) + "\n")
    return folder


@pytest.fixture
def recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where a run records to: peers.json and peers.md."""
    monkeypatch.setattr(record, "RESULTS", tmp_path / "results")
    page = tmp_path / "peers.md"
    page.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    monkeypatch.setattr(peers, "PAGE", page)
    return tmp_path


def run(tmp_path: Path, *options: str) -> Any:
    app = Typer()
    app.command()(peers_command)
    if not (tmp_path / "split").exists():
        prepared_split(tmp_path / "split")
    environments = str(tmp_path / "peers")
    arguments = ["--split", str(tmp_path / "split"), "--environments", environments]
    return CliRunner().invoke(app, [*arguments, "--rounds", "1", "--block", "1", *options])


def test_a_whole_run_is_recorded_with_its_table(stage: dict[str, str], recorded: Path) -> None:
    stage["human"] = DYING
    done = run(recorded)
    assert done.exit_code == 0, done.output
    document = json.loads((recorded / "results" / "peers.json").read_text())
    assert document["faces"]["count"] == 14
    assert list(document["missing"]) == ["human"]
    page = (recorded / "peers.md").read_text()
    assert page == f"before\n{BEGIN}\n{table(document)}{END}\nafter\n"
    assert done.stdout.strip() == table(document).strip()


@pytest.mark.parametrize("options", [("--limit", "7"), ("--peer", "fer"), ("--dry-run",)])
def test_a_look_is_not_recorded(
    stage: dict[str, str], recorded: Path, options: tuple[str, ...]
) -> None:
    done = run(recorded, *options, "--json")
    assert done.exit_code == 0, done.output
    assert "fer" in json.loads(done.stdout)["systems"]
    assert not (recorded / "results").exists()
    assert "old" in (recorded / "peers.md").read_text()


def test_an_unknown_peer_is_refused_with_the_known_ones(
    stage: dict[str, str], recorded: Path
) -> None:
    done = run(recorded, "--peer", "deepface")
    assert done.exit_code == 2
    with pytest.raises(ValueError, match="fer, face-api, human"):
        peers_named(["deepface"])


def test_a_failure_of_ours_is_one_line(stage: dict[str, str], recorded: Path) -> None:
    stage["ours"] = DYING
    done = run(recorded)
    assert done.exit_code == 1
    assert "error: ours ended with exit code 3" in done.stderr
    assert done.stdout == ""


def test_a_missing_split_is_one_line(stage: dict[str, str], recorded: Path) -> None:
    done = run(recorded, "--split", str(recorded / "nowhere"))
    assert done.exit_code == 1
    assert done.stderr.startswith("error: ")


def test_a_page_without_its_marks_is_refused(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("nothing to replace")
    with pytest.raises(PeerFailed, match="lacks"):
        rewrite_page(page, {"systems": {}, "missing": {}})
    assert page.read_text() == "nothing to replace"


def test_the_documentations_table_is_the_recorded_one() -> None:
    document = json.loads((record.RESULTS / "peers.json").read_text(encoding="utf-8"))
    assert f"{BEGIN}\n{table(document)}{END}" in PAGE.read_text(encoding="utf-8")
