import numpy as np
import pytest
import torch

from benchmarks.peers_figures import alternation, figures_of, leak_free, speeds, table
from benchmarks.peers_worker import Answers
from fer_model.emotions import EMOTIONS
from train_cli.splits import FaceSet
from train_cli.votes import VOTE_COLUMNS


def faces(labels: list[int], leaked: list[bool] | None = None) -> FaceSet:
    """Faces whose ten voters all say what the label says."""
    votes = torch.zeros(len(labels), len(VOTE_COLUMNS))
    votes[range(len(labels)), labels] = 10
    return FaceSet(
        torch.zeros(len(labels), 1, 48, 48, dtype=torch.uint8),
        torch.tensor(labels),
        votes,
        tuple(f"{place}.jpg" for place in range(len(labels))),
        np.array(leaked or [False] * len(labels)),
    )


def answers(named: list[int | None]) -> Answers:
    rows = np.zeros((len(named), len(EMOTIONS)))
    for row, place in zip(rows, named, strict=True):
        if place is not None:
            row[:] = 0.05
            row[place] += 0.65
    return Answers(rows, rows.copy())


def test_a_face_without_an_answer_is_missed() -> None:
    figures = figures_of(answers([0, 3, 3, None]), faces([0, 3, 6, 0]))
    assert (figures.faces, figures.unanswered) == (4, 1)
    assert figures.label_accuracy == pytest.approx(0.5)
    assert figures.majority_faces == 4
    assert figures.crowd_majority == pytest.approx(0.5)


def test_no_answers_at_all_are_no_accuracy_and_no_distance() -> None:
    figures = figures_of(answers([None, None]), faces([0, 3]))
    assert (figures.label_accuracy, figures.crowd_majority) == (0, 0)
    assert figures.unanswered == 2
    assert figures.distance_to_people is None


def test_who_is_as_sure_as_unanimous_people_is_as_near_as_they_are() -> None:
    certain = np.eye(7)[[0, 3]]
    figures = figures_of(Answers(certain, certain), faces([0, 3]))
    assert figures.distance_to_people == pytest.approx(0)
    assert figures.vote_share_gap == pytest.approx(0)
    assert figures_of(answers([0, 3]), faces([0, 3])).distance_to_people == pytest.approx(0.3)


def test_the_two_heads_are_judged_by_what_they_are_for() -> None:
    right, wrong = answers([0, 3]).label, answers([1, 1]).label
    figures = figures_of(Answers(label=right, crowd=wrong), faces([0, 3]))
    assert (figures.label_accuracy, figures.crowd_majority) == (1, 0)


def test_leak_free_leaves_out_what_was_trained_on() -> None:
    judged = faces([0, 3, 6], leaked=[True, False, False])
    figures = leak_free(answers([1, 3, 6]), judged)
    assert figures is not None
    assert (figures.faces, figures.label_accuracy) == (2, 1)
    assert leak_free(answers([0]), faces([0], leaked=[True])) is None


def test_our_blocks_are_before_and_after_every_peers() -> None:
    assert alternation(["fer", "human"], 2) == [
        *("ours", "fer", "ours", "human"),
        *("ours", "fer", "ours", "human"),
        "ours",
    ]
    assert alternation([], 3) == ["ours"] * 3
    assert alternation(["fer"], 0) == []


def test_a_ratio_is_to_our_blocks_around_it_and_survives_a_slow_moment() -> None:
    found = speeds(
        [
            ("ours", [100.0, 100.0]),
            ("fer", [5.0, 7.0]),  # 6 against 100
            ("ours", [100.0, 100.0]),
            ("fer", [60.0, 60.0]),  # the machine is ten times slower from here on: 60 against 550
            ("ours", [1000.0, 1000.0]),
            ("fer", [60.0, 60.0]),  # 60 against 1000
            ("ours", [1000.0, 1000.0]),
        ]
    )
    assert found["fer"].times_ours == pytest.approx(0.06)
    assert found["fer"].one_face_ms.runs == 6
    assert found["ours"].times_ours is None
    assert found["ours"].one_face_ms.p50 == 550


def test_a_block_whose_neighbour_failed_gives_no_ratio() -> None:
    found = speeds([("ours", [10.0]), ("fer", [1.0]), ("human", [2.0]), ("ours", [10.0])])
    assert found["fer"].times_ours is None
    assert found["human"].times_ours is None


def test_the_table_names_every_figure_and_what_is_missing() -> None:
    figures = {
        "label_accuracy": 0.65004,
        "crowd_majority": 0.62,
        "distance_to_people": 0.131,
        "vote_share_gap": 0.05,
        "unanswered": 2,
    }
    system = {
        "versions": {"fer": "25.10.3"},
        "as_published": figures,
        "leak_free": {**figures, "label_accuracy": 0.63, "crowd_majority": 0.61},
        "speed": {"one_face_ms": {"p50": 0.34, "p95": 0.5, "runs": 9}, "times_ours": 0.0034},
        "load_seconds": 6.42,
        "memory_mib_loaded": 512.3,
    }
    shown = table({"systems": {"fer": system}, "missing": {"human": "not installed"}})
    lines = shown.splitlines()
    assert len({line.count("|") for line in lines}) == 1
    assert lines[2] == (
        "| fer 25.10.3 | 65.00 % | 63.00 % | 61.00 % | +0.131 | 0.050 | 2 "
        "| 0.3 ms | 0.003 | 6.4 s | 512 MiB |"
    )
    assert lines[3].startswith("| human: not measured, not installed |")


def test_the_table_leaves_blank_what_was_not_measured() -> None:
    figures = {
        "label_accuracy": 0.5,
        "crowd_majority": None,
        "distance_to_people": None,
        "vote_share_gap": None,
        "unanswered": 0,
    }
    system = {"versions": {}, "as_published": figures, "leak_free": None, "speed": None}
    assert table({"systems": {"ours": system}, "missing": {}}).splitlines()[2] == (
        "| **ours** | 50.00 % |  |  |  |  | 0 |  |  |  |  |"
    )
