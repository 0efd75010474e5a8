import json
import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Final

import pytest
import torch
from typer.testing import CliRunner

from fer_model.checkpoints import Checkpoint, read_checkpoint
from fer_model.networks import ARCHITECTURES, Architecture
from tests.train_cli.generated import face_set
from tests.train_cli.workers_program import (
    CPU,
    KILLED,
    SMALL,
    Killed,
    real,
    run_of,
    small,
)
from train_cli.cli import app
from train_cli.distributed import ALONE, Workers, own_device, workers_named
from train_cli.errors import WorkersUnusable
from train_cli.training import train

TOLERANCE: Final = 2e-3
"""Largest difference of a weight or a figure after nine steps in float32. Two workers differ
from one by as much as one differs from itself on input changed by 1e-7: 0.0006, nearly all of it
from one step. Presumably a maximum of two nearly equal numbers changes hands there; not checked."""

ROOT: Final = Path(__file__).resolve().parents[2]


def torchrun(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Two real workers on this host, over gloo."""
    how = "-m torch.distributed.run --standalone --nproc-per-node 2 -m -- tests.train_cli"
    command = [sys.executable, *f"{how}.workers_program".split(), *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600)


def unattended(*arguments: str) -> list[subprocess.CompletedProcess[str]]:
    """Two real workers as torchrun starts them, and nobody to end one when the other ends."""
    store = torch.distributed.TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
    where = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(store.port), "WORLD_SIZE": "2"}
    where["TORCHELASTIC_USE_AGENT_STORE"] = "True"
    command = [sys.executable, "-m", "tests.train_cli.workers_program", *arguments]
    workers = [
        subprocess.Popen(
            command,
            cwd=ROOT,
            env={**os.environ, **where, "RANK": str(rank), "LOCAL_RANK": str(rank)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    spoken = [worker.communicate(timeout=600) for worker in workers]
    return [
        subprocess.CompletedProcess(command, worker.returncode, *said)
        for worker, said in zip(workers, spoken, strict=True)
    ]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`one` is one process's run; all others are two workers', or of both in turn."""
    folder = tmp_path_factory.mktemp("runs")
    with small():
        run_of(SMALL, folder / "one")
        with suppress(Killed):
            run_of(SMALL, folder / "resumed", killed=True)
    done = torchrun("every", str(folder))
    assert done.returncode == 0, done.stderr
    with small():
        run_of(SMALL, folder / "cut", resume=True)
    return folder


def checkpoint(folder: Path) -> Checkpoint:
    found = read_checkpoint(folder / "last")
    assert found is not None
    return found


def difference(one: Checkpoint, other: Checkpoint) -> float:
    """The largest, of any weight, statistic or figure of any epoch."""
    weights = [
        float((other.tensors[name].double() - value.double()).abs().max())
        for name, value in one.tensors.items()
        if not name.startswith("optimizer")
    ]
    epochs = zip(one.metadata["history"], other.metadata["history"], strict=True)
    figures = [abs(a[name] - b[name]) for a, b in epochs for name in a if name != "seconds"]
    return max(weights + figures)


@pytest.mark.slow
@pytest.mark.parametrize("way", ["whole", "resumed", "cut"])
def test_two_workers_end_where_one_does(runs: Path, way: str) -> None:
    """Also a run that one began and two resumed, and one that two began and one resumed."""
    assert difference(checkpoint(runs / "one"), checkpoint(runs / way)) < TOLERANCE


@pytest.mark.slow
@pytest.mark.parametrize("missing", ["gradients", "statistics", "masks"])
def test_workers_end_elsewhere_without_sharing(runs: Path, missing: str) -> None:
    """Gradients not averaged, statistics or masks by parts: the test above would fail."""
    assert difference(checkpoint(runs / "one"), checkpoint(runs / missing)) > 10 * TOLERANCE


@pytest.mark.slow
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_two_workers_train_the_real_members_as_one_does(
    runs: Path, tmp_path: Path, architecture: Architecture
) -> None:
    real(architecture, tmp_path)
    assert difference(checkpoint(tmp_path), checkpoint(runs / architecture)) < 1e-4


def arguments(prepared: Path, run: Path) -> list[str]:
    fixed = "train resnet50 --side 32 --epochs 2 --batch-size 27 --precision fp32 --device cpu"
    return [*fixed.split(), "--split", str(prepared), "--run", str(run), "--json"]


@pytest.mark.slow
def test_the_command_line_is_the_same_and_the_first_worker_speaks_alone(
    prepared: Path, tmp_path: Path
) -> None:
    done = torchrun(*arguments(prepared, tmp_path / "two"))
    assert done.returncode == 0, done.stderr
    two = json.loads(done.stdout)
    assert done.stderr.count("252 faces, 28 to validate on, 2 workers, cpu") == 1
    assert done.stderr.count("epoch 2/2: train loss") == 1
    with small():
        one = json.loads(CliRunner().invoke(app, arguments(prepared, tmp_path / "one")).stdout)
    for a, b in zip(one["epochs"], two["epochs"], strict=True):
        assert b | {"seconds": 0} == pytest.approx(a | {"seconds": 0}, abs=TOLERANCE)
    names = {p.name for p in (tmp_path / "two").iterdir()}
    assert names == {"best", "last", "history.json", "report"}


@pytest.mark.slow
def test_a_failure_that_all_share_is_told_once(tmp_path: Path) -> None:
    done = torchrun(*arguments(tmp_path, tmp_path / "run"))
    assert done.returncode == 1
    lines = [line for line in done.stderr.splitlines() if line.startswith("error:")]
    assert len(lines) == 1
    assert "run `train_cli prepare` first" in lines[0]


@pytest.mark.slow
def test_a_worker_that_ends_ends_the_others_with_one_line(prepared: Path, tmp_path: Path) -> None:
    """Without torchrun's agent, which ends the others by a signal, perhaps before they speak."""
    first, second = unattended("dying", *arguments(prepared, tmp_path / "run"))
    assert second.returncode == KILLED
    assert first.returncode == 1
    assert "Traceback" not in first.stderr
    lines = [line for line in first.stderr.splitlines() if line.startswith("error:")]
    assert lines == ["error: another worker has ended: it or torchrun says why"]


@pytest.mark.slow
def test_torchrun_ends_with_a_worker_that_ends(prepared: Path, tmp_path: Path) -> None:
    done = torchrun("dying", *arguments(prepared, tmp_path / "run"))
    assert done.returncode == 1
    assert f"exitcode: {KILLED}" in " ".join(done.stderr.split())


def test_a_process_without_torchrun_works_alone() -> None:
    assert workers_named({}) is ALONE
    named = workers_named({"RANK": "3", "WORLD_SIZE": "4", "LOCAL_RANK": "1"})
    assert named == Workers(3, 4, 1)


@pytest.mark.parametrize(("count", "world"), [(15, 2), (64, 3), (7, 7)])
def test_every_face_of_a_batch_is_one_workers(count: int, world: int) -> None:
    parts = [list(range(count))[Workers(rank, world).part(count)] for rank in range(world)]
    assert [place for part in parts for place in part] == list(range(count))
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


def test_each_worker_of_a_host_takes_its_own_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    cuda = torch.device("cuda")
    assert own_device(Workers(5, 6, 1), cuda) == torch.device("cuda:1")
    assert own_device(ALONE, torch.device("cuda:1")) == torch.device("cuda:1")
    with pytest.raises(WorkersUnusable, match="this host has 2"):
        own_device(Workers(2, 3, 2), cuda)
    with pytest.raises(WorkersUnusable, match="--device cuda"):
        own_device(Workers(1, 2, 1), torch.device("cuda:0"))


def test_more_workers_than_a_batch_has_faces_are_refused(tmp_path: Path) -> None:
    faces = face_set(8), face_set(1, first=100)
    with pytest.raises(WorkersUnusable, match="16 workers are too many for batches of 15"):
        train(SMALL, *faces, tmp_path, None, CPU, workers=Workers(0, 16))
