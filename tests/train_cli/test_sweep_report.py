import csv
import io
import json
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image
from rich.console import Console

from train_cli.search_space import Knob, Value
from train_cli.sweep_report import (
    document,
    history_picture,
    importance_picture,
    knobs_picture,
    noise_in_words,
    noise_of,
    space_table,
    trials_csv,
    trials_table,
    verdict,
)
from train_cli.sweeping import Kind, Outcome, State, SweepSettings, TrialResult
from train_cli.training import EpochResult, TrainingSettings

SETTINGS = SweepSettings(
    TrainingSettings("resnet50", side=48, learning_rate=0.02),
    ("optimizer", "learning_rate", "batch_size", "label_disturbance", "mixup"),
)


def trial(
    number: int,
    loss: float | None,
    kind: Kind = "sampled",
    state: State = "complete",
    reason: str = "",
    **knobs: Value,
) -> TrialResult:
    default: dict[Knob, Value] = {knob: getattr(SETTINGS.base, knob) for knob in SETTINGS.knobs}
    best = None if loss is None else EpochResult(2, 1.0, loss - 1, 1.0, 0.6, 0.7, 3.0)
    losses = () if loss is None else (loss + 1, loss)
    folder = Path("trials") / f"{number:04d}"
    turned = default | knobs  # type: ignore[operator]  # their names are knobs
    return TrialResult(number, kind, state, reason, turned, number, best, losses, folder)


TRIALS = (
    trial(0, 3.00, "default"),
    trial(1, 3.02, "default"),
    trial(2, 2.98, "default"),
    trial(3, 3.05, "alone", mixup=0.2),
    trial(4, 2.70, optimizer="adamw", learning_rate=0.0003, batch_size=32),
    trial(5, 4.00, state="pruned", reason="worse than others after epoch 1", learning_rate=0.09),
    trial(6, None, state="failed", reason="diverged: the loss is nan", learning_rate=0.1),
    trial(7, 3.40, "alone", label_disturbance=0.2),
)
OUTCOME = Outcome(TRIALS, {"sgd.learning_rate": 0.7, "mixup": 0.3})


def printed(what: object) -> str:
    console = Console(width=250, record=True, file=io.StringIO())
    console.print(what)
    return console.export_text()


def test_noise_is_how_far_one_more_default_run_would_stray() -> None:
    noise = noise_of(TRIALS)
    assert noise is not None
    assert noise.runs == 3
    assert noise.mean == pytest.approx(3.0)
    assert noise.band == pytest.approx(4.303 * 0.02 * (4 / 3) ** 0.5)
    assert noise.label_band == pytest.approx(0)


def test_a_gain_has_to_exceed_the_noise() -> None:
    noise = noise_of(TRIALS)
    assert [verdict(t, noise) for t in TRIALS] == [
        "",
        "",
        "",
        "within noise",
        "better",
        "",
        "",
        "worse",
    ]


def test_one_default_run_says_nothing_of_the_noise() -> None:
    noise = noise_of((TRIALS[0], *TRIALS[3:]))
    assert noise is not None
    assert noise.band is None
    assert verdict(TRIALS[4], noise) == "noise unknown"
    assert "says nothing of the noise" in noise_in_words(noise)


def test_without_a_default_run_nothing_is_judged() -> None:
    assert noise_of(TRIALS[3:]) is None
    assert verdict(TRIALS[4], None) == ""
    assert "nothing to count against" in noise_in_words(None)


def test_the_table_has_every_trial_with_what_was_turned_and_marks_the_best() -> None:
    lines = printed(trials_table(SETTINGS, OUTCOME)).splitlines()
    rows = {line.split()[0]: line for line in lines if line.strip()[:1].isdigit()}
    assert list(rows) == [str(t.number) for t in TRIALS]
    assert "best" in rows["4"]
    assert "-0.3000" in rows["4"]
    assert "mixup 0.2" in rows["3"]
    assert "within noise" in rows["3"]
    assert "seed 1" in rows["1"]
    assert "failed" in rows["6"]


def test_the_csv_has_a_row_per_trial_and_a_column_per_knob() -> None:
    rows = list(csv.DictReader(io.StringIO(trials_csv(SETTINGS, OUTCOME))))
    assert [row["trial"] for row in rows] == [str(t.number) for t in TRIALS]
    assert set(SETTINGS.knobs) <= set(rows[0])
    assert [row["best"] for row in rows] == ["0", "0", "0", "0", "1", "0", "0", "0"]
    assert float(rows[4]["against_default"]) == pytest.approx(-0.3)
    assert (rows[6]["loss"], rows[6]["reason"]) == ("", "diverged: the loss is nan")


def test_the_document_is_plain_json() -> None:
    command = ["train_cli", "train", "resnet50"]
    content = json.loads(json.dumps(document(SETTINGS, OUTCOME, command)))
    assert content["best"] == 4
    assert content["command"] == command
    assert content["default"]["runs"] == 3
    assert content["trials"][4]["verdict"] == "better"
    assert content["space"]["learning_rate"]["adamw"] != content["space"]["learning_rate"]["sgd"]


def test_the_space_is_shown_with_its_default_and_per_optimizer() -> None:
    told = printed(space_table(SETTINGS))
    assert "0.002 to 0.1 (log)" in told
    assert "3e-05 to 0.003 (log)" in told


@pytest.mark.parametrize(
    "outcome",
    [
        OUTCOME,
        Outcome(TRIALS[:1], {}),
        Outcome((trial(0, None, "default", "failed", "out of memory"),), {}),
    ],
    ids=["many", "one", "none complete"],
)
def test_pictures_are_drawn_of_whatever_there_is(outcome: Outcome) -> None:
    for content in (history_picture(outcome), knobs_picture(SETTINGS, outcome)):
        picture = Image.open(io.BytesIO(content))
        assert picture.format == "PNG"
        assert picture.width > 900
    one = replace(SETTINGS, knobs=("mixup",))
    assert Image.open(io.BytesIO(knobs_picture(one, outcome))).format == "PNG"


def test_importance_is_drawn() -> None:
    assert Image.open(io.BytesIO(importance_picture(OUTCOME.importances))).format == "PNG"
