"""A prepared data set, and networks small enough to be trained in a test."""

import os
from pathlib import Path

import pytest
import torch

from fer_model import networks
from tests.train_cli.generated import as_folder, backbones, official, votes_csv
from train_cli.preparing import prepare


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture
def small_networks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both members with a backbone that learns the generated faces within seconds."""
    for name, backbone in backbones():
        monkeypatch.setitem(networks._BACKBONES, name, backbone)
    monkeypatch.setattr("fer_model.runtimes._openvino_installed", lambda: False)  # it follows ours


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """12 training, 4 validation and 4 test faces of every emotion, with votes."""
    folder = tmp_path_factory.mktemp("data")
    files = official(train=40, test=4)
    source = as_folder(folder / "raw", files)
    prepare(source, folder / "prepared", votes=votes_csv(folder / "votes.csv", list(files)))
    return folder / "prepared"


@pytest.fixture(scope="session")
def fer2013() -> Path:
    """The prepared FER2013, which tests marked `dataset` need."""
    named = os.environ.get("FEELBACK_DATASET")
    if not named or not (Path(named) / "train.csv").is_file():
        pytest.skip("needs the prepared FER2013 data set: set FEELBACK_DATASET to its folder")
    return Path(named)
