import numpy as np
import pytest
from numpy.typing import NDArray

from fer_model.emotions import EMOTIONS
from train_cli.evaluating import (
    class_figures,
    confusion,
    crowd_figures,
    distance_to_people,
    expected_calibration_error,
    judge,
    label_figures,
    reliability,
    total_variation,
    vote_share_gap,
)

ANGRY, DISGUST, FEAR, HAPPY, SAD, SURPRISE, NEUTRAL = range(7)


def sure(place: int, confidence: float = 1.0) -> list[float]:
    """Probabilities with `confidence` at `place` and the rest spread over the others."""
    row = [(1 - confidence) / 6] * 7
    row[place] = confidence
    return row


def votes(*rows: dict[str, int]) -> NDArray[np.float32]:
    names = (*EMOTIONS, "contempt", "unknown", "not_a_face")
    return np.array([[row.get(name, 0) for name in names] for row in rows], dtype=np.float32)


def test_confusion_counts_labels_in_rows_and_answers_in_columns() -> None:
    table = confusion(np.array([SAD, SAD, HAPPY]), np.array([SAD, NEUTRAL, HAPPY]))
    assert (table[SAD, SAD], table[SAD, NEUTRAL], table[HAPPY, HAPPY]) == (1, 1, 1)
    assert table.sum() == 3


def test_precision_recall_and_f1_are_as_computed_by_hand() -> None:
    labels = np.array([SAD, SAD, SAD, HAPPY, HAPPY, FEAR])
    named = np.array([SAD, SAD, HAPPY, HAPPY, SAD, SAD])
    figures = {row.emotion: row for row in class_figures(confusion(labels, named))}
    sad, happy, fear, angry = (figures[e] for e in ("sad", "happy", "fear", "angry"))
    assert (sad.precision, sad.recall) == (2 / 4, 2 / 3)
    assert sad.f1 == pytest.approx(2 * 0.5 * (2 / 3) / (0.5 + 2 / 3))
    assert (happy.precision, happy.recall, happy.f1) == (0.5, 0.5, 0.5)
    assert (fear.precision, fear.recall, fear.f1) == (None, 0.0, 0.0)
    assert (angry.faces, angry.precision, angry.recall, angry.f1) == (0, None, None, None)


def test_label_accuracy_and_likelihood_are_as_computed_by_hand() -> None:
    figures = label_figures(
        np.array([sure(SAD, 0.5), sure(HAPPY, 0.8), sure(FEAR, 0.4)]), np.array([SAD, HAPPY, SAD])
    )
    assert figures.accuracy == pytest.approx(2 / 3)
    assert figures.nll == pytest.approx(-(np.log(0.5) + np.log(0.8) + np.log(0.1)) / 3)
    assert figures.faces == 3


def test_no_faces_are_refused() -> None:
    with pytest.raises(ValueError, match="no faces"):
        judge(np.empty((0, 7)), np.empty((0, 7)), np.empty(0, np.int64), votes())


def test_the_calibration_error_is_the_weighted_gap_of_its_bins() -> None:
    # Bin 0.9: mean confidence 0.9, two of four right. Bin 0.5: confidence 0.5, one of one right.
    rows = np.array([sure(SAD, 0.9)] * 4 + [sure(HAPPY, 0.5)])
    labels = np.array([SAD, SAD, FEAR, FEAR, HAPPY])
    assert expected_calibration_error(rows, labels) == pytest.approx((4 * 0.4 + 1 * 0.5) / 5)


def test_certainty_that_is_right_has_no_calibration_error() -> None:
    assert expected_calibration_error(np.array([sure(SAD)]), np.array([SAD])) == 0


def test_the_vote_share_gap_is_the_mean_over_emotions_of_their_bins_gaps() -> None:
    said = np.array([sure(SAD, 0.88), sure(SAD, 0.88)])
    given = np.array([sure(SAD, 1.0), sure(SAD, 0.4)])
    # sad: one bin, |0.88 - 0.7|; each other emotion: |0.02 - 0.05|.
    assert vote_share_gap(said, given) == pytest.approx((0.18 + 6 * 0.03) / 7)


def test_shares_in_different_bins_do_not_make_up_for_each_other() -> None:
    said = np.array([sure(SAD, 0.94), sure(SAD, 0.64)])
    given = np.array([sure(SAD, 0.84), sure(SAD, 0.74)])
    sad = (0.1 + 0.1) / 2
    rest = abs((0.01 - 0.16 / 6) + (0.06 - 0.26 / 6)) / 2  # both fall into the lowest bin
    assert vote_share_gap(said, given) == pytest.approx((sad + 6 * rest) / 7)


def test_the_majority_counts_contempt_as_an_error_and_leaves_ties_out() -> None:
    people = votes(
        {"sad": 7, "neutral": 3},
        {"contempt": 6, "happy": 4},
        {"sad": 5, "fear": 5},
        {"unknown": 9, "sad": 1},
    )
    figures = crowd_figures(np.array([sure(SAD, 0.9)] * 4), people)
    assert figures is not None
    assert (figures.majority_faces, figures.majority_accuracy) == (2, 0.5)
    assert (figures.ferplus_faces, figures.ferplus_accuracy) == (2, 0.5)
    assert figures.faces == 4


def test_crowd_likelihood_is_the_cross_entropy_with_shares() -> None:
    figures = crowd_figures(np.array([sure(SAD, 0.4)]), votes({"sad": 6, "happy": 2, "unknown": 2}))
    assert figures is not None
    assert figures.nll == pytest.approx(-(0.75 * np.log(0.4) + 0.25 * np.log(0.1)))


def test_without_votes_there_are_no_crowd_figures() -> None:
    figures = judge(np.array([sure(SAD)]), np.array([sure(SAD)]), np.array([SAD]), votes({}))
    assert figures.crowd is None
    assert set(figures.flat("test")) == {
        "test.label_accuracy",
        "test.label_nll",
        "test.label_calibration_gap",
    }


def test_total_variation_is_half_the_summed_difference() -> None:
    assert total_variation(np.array([sure(SAD)]), np.array([sure(HAPPY)])).tolist() == [1.0]
    assert total_variation(np.array([sure(SAD, 0.7)]), np.array([sure(SAD, 0.4)]))[
        0
    ] == pytest.approx(0.3)


def test_where_all_ten_agree_the_distance_to_people_is_that_to_their_answer() -> None:
    people = votes({"sad": 10}, {"happy": 10})
    blend = np.array([sure(SAD, 0.9), sure(HAPPY, 0.7)])
    distance, faces = distance_to_people(blend, people)
    assert faces == 2
    assert distance == pytest.approx((0.1 + 0.3) / 2)


def test_one_dissenter_of_ten_costs_people_what_enumeration_says() -> None:
    # The dissenter is among the five or among the others with equal chance, and then
    # people are 0.2 from people; the blend says sad for certain: 0.2 or 0 from the five.
    people = votes(*[{"sad": 9, "fear": 1}] * 2000)
    blend = np.array([sure(SAD)] * 2000)
    distance, _ = distance_to_people(blend, people)
    assert distance == pytest.approx(0.1 - 0.2, abs=0.003)


def test_the_distance_needs_ten_valid_votes_and_skips_halves_of_contempt() -> None:
    nine = votes({"sad": 9}, {"sad": 9, "unknown": 1}, {"sad": 8, "not_a_face": 2})
    assert distance_to_people(np.array([sure(SAD)] * 3), nine) == (None, 0)
    distance, faces = distance_to_people(np.array([sure(SAD)]), votes({"sad": 6, "contempt": 4}))
    assert (distance, faces) == (0.0, 1)
    assert distance_to_people(np.array([sure(SAD)]), votes({"contempt": 10})) == (None, 1)


def test_the_seed_fixes_the_draws() -> None:
    people = votes(*[{"sad": 5, "fear": 3, "happy": 2}] * 5)
    blend = np.array([sure(SAD, 0.6)] * 5)
    assert distance_to_people(blend, people, seed=1) == distance_to_people(blend, people, seed=1)
    assert distance_to_people(blend, people, seed=1) != distance_to_people(blend, people, seed=2)


def test_headline_figures_are_named_with_their_prefix() -> None:
    rows = np.array([sure(SAD, 0.9)])
    flat = judge(rows, rows, np.array([SAD]), votes({"sad": 10})).flat("test.vgg19")
    assert flat["test.vgg19.crowd_majority"] == 1
    assert flat["test.vgg19.distance_to_people"] == pytest.approx(0.1)


def test_the_crowd_heads_confusion_has_a_row_for_contempt_which_no_answer_matches() -> None:
    said = np.array([sure(HAPPY), sure(HAPPY), sure(SAD), sure(SAD)])
    people = votes(
        {"happy": 9, "sad": 1}, {"contempt": 8, "happy": 2}, {"sad": 10}, {"unknown": 10}
    )
    figures = crowd_figures(said, people)
    assert figures is not None
    assert len(figures.confusion) == 8
    assert figures.confusion[7][HAPPY] == 1
    assert sum(map(sum, figures.confusion)) == figures.majority_faces == 3
    happy = figures.classes[HAPPY]
    assert (happy.faces, happy.precision, happy.recall) == (1, 0.5, 1.0)


def test_reliability_bins_what_was_said_with_what_happened() -> None:
    said = np.array([0.05, 0.15, 0.95, 1.0])
    low, high = reliability(said, np.array([0.0, 1.0, 1.0, 0.0]), 5)
    assert (low.answers, low.said, low.happened) == (2, pytest.approx(0.1), 0.5)
    assert (high.answers, high.said, high.happened) == (2, pytest.approx(0.975), 0.5)
