from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
import torch
import typer

from fer_model import runtimes
from fer_model.blend import Calibrations
from fer_model.engine import Engine, MemberLogits
from fer_model.versions import load_members
from store.errors import LeaseLost
from tests.train_cli.generated import face_set
from tests.versions import write_random_version
from train_cli import retraining
from train_cli import served as served_module
from train_cli.commands.options import runtime_named
from train_cli.ensembles import ensemble_logits
from train_cli.retraining import RetrainSettings
from train_cli.served import engine_logits, served_logits

CPU = torch.device("cpu")

pytestmark = pytest.mark.usefixtures("small_networks")


def test_a_version_answers_as_its_members_do_one_by_one(tmp_path: Path) -> None:
    version = write_random_version(tmp_path)
    crops = face_set(2).crops
    heard: list[int] = []
    served = served_logits(version, crops, CPU, runtime="torch", on_faces=heard.append)
    members = ensemble_logits(load_members(version), crops, CPU, flip=True)
    assert served.crowd.shape == (2, len(crops), 7)
    assert np.allclose(served.crowd, members.crowd, rtol=1e-3, atol=1e-3)
    assert np.allclose(served.label, members.label, rtol=1e-3, atol=1e-3)
    assert sum(heard) == 2 * len(crops)


def test_mirror_images_can_be_overruled(tmp_path: Path) -> None:
    version = write_random_version(tmp_path)
    crops = face_set(1).crops
    plain = served_logits(version, crops, CPU, flip=False, runtime="torch")
    expected = ensemble_logits(load_members(version), crops, CPU, flip=False)
    assert np.allclose(plain.crowd, expected.crowd, rtol=1e-3, atol=1e-3)


class Asked:
    """An engine that answers one member's place of each face, and notes what happens to it."""

    def __init__(self) -> None:
        self.events: list[object] = []

    def load(self, path: Path, device: str, *, runtime: str) -> "Asked":
        self.events.append(runtime)
        return self

    def logits(self, crops: np.ndarray) -> MemberLogits:
        self.events.append(len(crops))
        seen = np.broadcast_to(crops[None, :, 0, :1].astype(np.float32), (1, len(crops), 7))
        return MemberLogits(seen, -seen)

    def close(self) -> None:
        self.events.append("closed")


def numbered(count: int) -> np.ndarray:
    """Grey crops, each as bright as its place."""
    return np.arange(count, dtype=np.uint8)[:, None, None].repeat(2, 1).repeat(2, 2)


def test_many_faces_are_asked_in_chunks_and_come_back_in_order(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(served_module, "CHUNK", 100)
    for crops in (numbered(250), list(numbered(250))):
        engine, heard = Asked(), list[int]()
        logits = engine_logits(cast("Engine", engine), crops, heard.append)
        assert engine.events == heard == [100, 100, 50]
        assert logits.crowd.shape == logits.label.shape == (1, 250, 7)
        assert (logits.crowd[0, :, 3] == np.arange(250)).all()
        assert (logits.label == -logits.crowd).all()


@pytest.fixture
def retrain_of(tmp_path: Path) -> Any:
    """The part of a retrain that asks versions."""
    retrain: Any = object.__new__(retraining._Retrain)
    retrain._settings = RetrainSettings(tmp_path, runtime="torch-bf16")
    return retrain


@pytest.fixture
def version() -> Any:
    calibrations = Calibrations.neutral(1)
    return SimpleNamespace(path=Path(), metadata=SimpleNamespace(calibrations=calibrations))


def test_the_gate_compares_versions_as_the_chosen_runtime_serves_them(
    retrain_of: Any, version: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = Asked()
    monkeypatch.setattr(retraining, "Engine", engine)
    sets = {"trained": numbered(3), "holdout": None}
    answers = retrain_of._asked(version, sets, lambda: None)
    assert list(answers) == ["trained"]
    assert engine.events == ["torch-bf16", 3, "closed"]


def test_a_retrain_that_stops_while_it_asks_lets_go_of_its_engine(
    retrain_of: Any, version: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = Asked()
    monkeypatch.setattr(retraining, "Engine", engine)

    def go_on() -> None:
        if 3 in engine.events:
            raise LeaseLost("away")

    with pytest.raises(LeaseLost):
        retrain_of._asked(version, {"trained": numbered(3)}, go_on)
    assert engine.events[-1] == "closed"


def test_a_runtime_that_is_not_here_is_a_bad_parameter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtimes, "native_bfloat16", lambda device: False)
    assert runtime_named("auto", CPU) == "torch"
    with pytest.raises(typer.BadParameter, match="no bfloat16"):
        runtime_named("torch-bf16", CPU)
