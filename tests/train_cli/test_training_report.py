import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from fer_model.checkpoints import Checkpoint, write_checkpoint
from fer_model.emotions import EMOTIONS
from fer_model.networks import FaceNetwork
from tests.train_cli.generated import face_set
from train_cli import training_report
from train_cli.errors import CheckpointUnusable
from train_cli.training import EpochResult, TrainingSettings
from train_cli.training_report import (
    mistakes_in_words,
    mistakes_of,
    report_on,
    scheduled_rates,
    write_report,
)

CPU = torch.device("cpu")
SETTINGS = TrainingSettings("vgg19", 32, epochs=3, batch_size=7)
HISTORY = [EpochResult(n, 3 / n, 1 / n, 1.0, 0.5, 0.6, 9.0) for n in (1, 2)]


def named(answers: Sequence[tuple[str, float]]) -> np.ndarray:
    """Probabilities (N, 7) that name each emotion with that confidence."""
    table = np.stack([np.full(7, (1 - confidence) / 6) for _, confidence in answers])
    for row, (emotion, confidence) in zip(table, answers, strict=True):
        row[EMOTIONS.index(emotion)] = confidence
    return table


def broken_off_run(folder: Path, history: Sequence[EpochResult] = HISTORY) -> Path:
    """A run of three epochs that was killed after two; its network has learnt nothing."""
    torch.manual_seed(0)
    metadata = {
        "settings": asdict(SETTINGS),
        "step": 8,
        "epoch": 2,
        "history": [asdict(result) for result in HISTORY],
    }
    network = FaceNetwork("vgg19").eval()
    write_checkpoint(folder / "best", Checkpoint(network.state_dict(), metadata), 8)
    document = [asdict(result) for result in history]
    (folder / "history.json").write_text(json.dumps(document), encoding="utf-8")
    return folder


def test_mistakes_come_most_confident_first_with_whom_people_side() -> None:
    faces = face_set(1)  # a face per emotion in their order, people name the emotion
    votes = faces.votes.clone()
    votes[1] = 0  # nobody asked
    votes[2] = torch.eye(10)[EMOTIONS.index("happy")] * 10
    unlike = type(faces)(faces.crops, faces.labels, votes, faces.files, faces.identical_to_training)
    said = named(
        [
            ("angry", 0.99),  # right
            ("sad", 0.6),  # disgust, which nobody voted on
            ("happy", 0.7),  # fear, which people name happy
            ("sad", 0.9),  # happy, and people say so
            ("sad", 0.9),
            ("surprise", 0.9),
            ("neutral", 0.9),
        ]
    )
    mistakes = mistakes_of(said, unlike)
    assert [(m.label, m.named, m.people) for m in mistakes] == [
        ("happy", "sad", "label"),
        ("fear", "happy", "network"),
        ("disgust", "sad", "neither"),
    ]
    assert [m.confidence for m in mistakes] == pytest.approx([0.9, 0.7, 0.6])
    assert mistakes[0].file == "happy/0.png"


def test_the_rate_rises_to_its_peak_and_ends_where_the_run_was_broken_off() -> None:
    settings = asdict(SETTINGS) | {"epochs": 10, "warmup": 0.1}
    rates = scheduled_rates(settings, 100, 6)
    assert max(rate for _, rate in rates) == pytest.approx(SETTINGS.learning_rate, rel=0.01)
    assert rates[0][1] < SETTINGS.learning_rate / 50
    assert rates[-1][0] == 6
    assert 0.2 < rates[-1][1] / SETTINGS.learning_rate < 0.5


@pytest.mark.usefixtures("small_networks")
def test_a_broken_off_run_is_reported_with_pictures_and_figures(tmp_path: Path) -> None:
    run, faces = broken_off_run(tmp_path / "run"), face_set(3)
    told: list[int] = []
    report = report_on(run, faces, CPU, told.append)
    assert sum(told) == len(faces)
    assert report.title == "vgg19 at 32 px, epoch 2 of 2"
    wrong = report.figures.label.faces * (1 - report.figures.label.accuracy)
    assert len(report.mistakes) == round(wrong) > 0
    assert f"{len(report.mistakes)} of 21 faces" in mistakes_in_words(report)
    folder = write_report(report, faces)
    document = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    written = {path.name for path in folder.glob("*.png")}
    assert {"curves.png", "confusion.png", "calibration.png"} < written
    assert set(document["pictures"]) == written
    assert document["mistakes"]["all"] == len(report.mistakes)
    assert sum(document["mistakes"]["people_side_with"].values()) == len(report.mistakes)
    shown = document["mistakes"]["shown"][0]
    assert sum(shown["network"].values()) == pytest.approx(1, abs=0.01)
    assert sum(shown["votes"].values()) == 10
    text = (folder / "report.md").read_text(encoding="utf-8")
    assert all(f"({name})" in text for name in written)
    assert "| emotion | faces | precision |" in " ".join(text.split())


@pytest.mark.usefixtures("small_networks")
def test_mistakes_fill_as_many_sheets_as_asked_for_and_old_sheets_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training_report, "PAGE", 4)
    run, faces = broken_off_run(tmp_path / "run"), face_set(3)
    report = report_on(run, faces, CPU)
    of_network = report.by_side()["network"]
    sheets = -(-(len(report.mistakes) - of_network) // 4)
    assert sheets > 2
    folder = write_report(report, faces, shown=100)
    names = sorted(path.name for path in folder.glob("mistakes*.png"))
    assert names == sorted(["mistakes.png", *(f"mistakes-{n}.png" for n in range(2, sheets + 1))])
    assert (folder / "label_noise.png").exists() == bool(of_network)
    write_report(report, faces, shown=4)
    assert [path.name for path in folder.glob("mistakes*.png")] == ["mistakes.png"]
    with Image.open(folder / "mistakes.png") as sheet:
        assert sheet.format == "PNG"


@pytest.mark.usefixtures("small_networks")
def test_without_votes_there_is_a_report_on_the_label_head_alone(tmp_path: Path) -> None:
    run, faces = broken_off_run(tmp_path / "run"), face_set(2, votes=False)
    report = report_on(run, faces, CPU)
    assert report.figures.crowd is None
    assert report.reliability.share is None
    assert report.by_side()["neither"] == len(report.mistakes)
    folder = write_report(report, faces)
    assert "crowd head" not in (folder / "report.md").read_text(encoding="utf-8")


@pytest.mark.usefixtures("small_networks")
def test_a_history_that_a_kill_cut_short_is_taken_from_the_checkpoint(tmp_path: Path) -> None:
    run = broken_off_run(tmp_path / "run", history=HISTORY[:1])
    assert len(report_on(run, face_set(1), CPU).history) == 2
    (run / "history.json").unlink()
    assert len(report_on(run, face_set(1), CPU).history) == 2


def test_a_folder_without_an_epoch_or_with_a_foreign_history_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointUnusable, match="no run there"):
        report_on(tmp_path, face_set(1), CPU)
    (tmp_path / "history.json").write_text("[1]", encoding="utf-8")
    with pytest.raises(CheckpointUnusable, match="no history of a run"):
        training_report.read_history(tmp_path)
