from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
import typer

from fer_model import runtimes
from fer_model.versions import load_members
from tests.train_cli.generated import face_set
from tests.versions import write_random_version
from train_cli import retraining
from train_cli.commands.options import runtime_named
from train_cli.ensembles import ensemble_logits
from train_cli.retraining import RetrainSettings
from train_cli.served import served_logits

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


def test_the_gate_compares_versions_as_the_chosen_runtime_serves_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    class Loaded:
        @classmethod
        def load(cls, path: Path, device: str, *, runtime: str) -> "Loaded":
            asked.append(runtime)
            return cls()

        def close(self) -> None:
            asked.append("closed")

    monkeypatch.setattr(retraining, "Engine", Loaded)
    retrain: Any = object.__new__(retraining._Retrain)
    retrain._settings = RetrainSettings(tmp_path, runtime="torch-bf16")
    version = SimpleNamespace(path=tmp_path, metadata=SimpleNamespace(calibrations=None))
    assert retrain._asked(version, {"holdout": None}, lambda: None) == {}
    assert asked == ["torch-bf16", "closed"]


def test_a_runtime_that_is_not_here_is_a_bad_parameter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtimes, "native_bfloat16", lambda device: False)
    assert runtime_named("auto", CPU) == "torch"
    with pytest.raises(typer.BadParameter, match="no bfloat16"):
        runtime_named("torch-bf16", CPU)
