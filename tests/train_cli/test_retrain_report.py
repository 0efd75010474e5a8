"""`train_cli.retrain_report`."""

import json
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest

from store.trust import Trusted, Voice, one_hot
from train_cli.gate import Check, Verdict
from train_cli.retrain_report import (
    Answers,
    Change,
    Comparison,
    Figures,
    RetrainReport,
    Weighing,
    changed_answers,
    compare,
    headline_figures,
    in_words,
    weighed,
    weighed_in_words,
)

BEFORE = Figures(1.25, 0.5, 0.1, {"sad": 0.5})
AFTER = Figures(1.0, 0.75, 0.05, {"sad": 0.75}, label_accuracy=0.7)
BOTH = Comparison(4, BEFORE, AFTER)
REPORT = RetrainReport(
    parent="ab" * 32,
    candidate="cd" * 32,
    seed=0,
    device="cpu",
    pieces=5,
    confirmations=3,
    corrections=2,
    people=4,
    unreadable=0,
    kept_by="replay",
    trained_faces=4,
    holdout_faces=1,
    weighing=Weighing(3, 1, 0, 0, {"ring": 1}),
    trained=BOTH,
    holdout=BOTH,
    base=None,
    changes=(Change("happy", "sad", 2),),
    verdict=Verdict((Check("better", True, "it is better"),)),
    seconds={"learning": 1.0},
    looked_at=(4, 9),
)


def test_words_say_what_was_learnt_what_changed_and_what_to_do_next() -> None:
    figures = (
        "log-loss 1.250 → 1.000, named as most people did 50.0% → 75.0%, "
        "calibration error 0.100 → 0.050"
    )
    assert in_words(REPORT) == [
        "5 pieces of feedback from 4 people: 3 confirmations, 2 corrections",
        "trust: counting 3 pieces in full, 1 for less, 1 not until an admin has ruled (1 ring)",
        "learnt from 4 faces, held out 1; kept by replay",
        f"faces learnt from (4): {figures}",
        f"held-out feedback (4): {figures}",
        "base validation: none",
        "feedback faces read as another emotion: happy → sad: 2",
        "✓ it is better",
        "The gate passes candidate cdcdcdcdcdcd: train_cli models promote cdcdcdcdcdcd",
    ]


def test_words_of_a_refusal_say_which_version_goes_on_serving() -> None:
    refused = replace(
        REPORT, unreadable=2, changes=(), verdict=Verdict((Check("better", False, "it is not"),))
    )
    lines = in_words(refused)
    assert lines[0].endswith("; 2 unreadable crops left out")
    assert "feedback faces read as another emotion: none" in lines
    assert "✗ it is not" in lines
    assert lines[-1] == "The gate refuses candidate cdcdcdcdcdcd; abababababab goes on serving."


def test_json_of_a_report_says_whether_the_gate_passed_and_why_not() -> None:
    document = json.loads(json.dumps(REPORT.to_json()))
    assert document["verdict"] == {
        "passed": True,
        "reasons": [],
        "checks": [{"name": "better", "passed": True, "reason": "it is better"}],
    }
    assert document["trained"]["after"]["log_loss"] == 1.0


def test_every_piece_is_counted_once_by_what_trust_made_of_it() -> None:
    said = [
        Voice(
            feedback_id=number,
            person_id=number,
            face=f"photo {number}#1",
            kind="correction",
            shares=one_hot("sad"),
            crowd=one_hot("sad"),
            ruling="rejected" if number == 4 else None,
            created_at=datetime(2026, 1, 1, tzinfo=UTC),
        )
        for number in range(6)
    ]
    weights = {0: 1.0, 1: 1.0, 2: 0.4, 3: 0.0, 4: 0.0, 5: 0.0}
    found = weighed(said, Trusted(weights, {3: "burst"}, {}))
    assert found == Weighing(full=2, lowered=1, over_cap=1, rejected=1, quarantined={"burst": 1})
    assert weighed_in_words(found) == (
        "trust: counting 2 pieces in full, 1 for less, 1 not until an admin has ruled (1 burst), "
        "1 rejected by an admin, 1 over a cap or said anew"
    )


def test_words_say_that_trust_was_not_asked() -> None:
    assert in_words(replace(REPORT, weighing=None))[1] == ("trust: not asked, every piece counts 1")


def test_headline_figures_are_those_of_the_candidate() -> None:
    assert headline_figures(REPORT) == {
        "gate.passed": True,
        "holdout.crowd_log_loss": 1.0,
        "holdout.crowd_accuracy": 0.75,
    }


def test_comparison_measures_both_versions_on_the_same_faces() -> None:
    said = np.eye(7)[[3, 3, 4, 4]]
    right, half = np.eye(7)[[3, 3, 4, 4]], np.eye(7)[[3, 3, 4, 0]]
    both = compare(said, Answers(half, half), Answers(right, right), np.array([3, 3, 4, 4]))
    assert (both.before.accuracy, both.after.accuracy) == (0.75, 1.0)
    assert both.before.recall == {"happy": 1.0, "sad": 0.5}
    assert (both.before.label_accuracy, both.after.label_accuracy) == (0.75, 1.0)
    assert both.after.log_loss == pytest.approx(0)


def test_changed_answers_are_counted_most_first() -> None:
    old, new = np.eye(7)[[3, 3, 3, 0, 6]], np.eye(7)[[4, 4, 3, 1, 6]]
    assert changed_answers([(old, new)]) == (
        Change("happy", "sad", 2),
        Change("angry", "disgust", 1),
    )
