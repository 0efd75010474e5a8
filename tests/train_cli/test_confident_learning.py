import numpy as np
import pytest

from train_cli.confident_learning import (
    class_thresholds,
    confident_classes,
    label_issues,
    self_confidence,
)

LABELS = np.array([0, 0, 0, 1, 1, 2])
PROBABILITIES = np.array(
    [
        [0.9, 0.05, 0.05],
        [0.7, 0.2, 0.1],
        [0.1, 0.8, 0.1],  # labelled 0, surely 1
        [0.2, 0.6, 0.2],
        [0.45, 0.5, 0.05],
        [0.4, 0.35, 0.25],
    ]
)


def noisy(faces: int, wrong: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Labels of which a share is wrong, the right ones, and what a good classifier says."""
    random = np.random.default_rng(0)
    right = random.integers(0, 7, faces)
    labels = np.where(random.random(faces) < wrong, (right + 1) % 7, right)
    logits = random.normal(size=(faces, 7))
    logits[np.arange(faces), right] += 3
    probabilities = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    return labels, right, probabilities


def test_a_threshold_is_its_class_s_mean_confidence() -> None:
    assert class_thresholds(LABELS, PROBABILITIES) == pytest.approx([1.7 / 3, 0.55, 0.25])


def test_a_class_without_faces_is_never_confident() -> None:
    assert class_thresholds(np.zeros(6, dtype=np.int64), PROBABILITIES)[1:].tolist() == [1.0, 1.0]


def test_self_confidence_is_the_label_s_own_probability() -> None:
    assert self_confidence(LABELS, PROBABILITIES).tolist() == [0.9, 0.7, 0.1, 0.6, 0.5, 0.25]


def test_a_face_belongs_to_the_likeliest_class_whose_threshold_it_reaches() -> None:
    assert confident_classes(LABELS, PROBABILITIES).tolist() == [0, 0, 1, 1, -1, 2]


def test_an_issue_is_a_confident_class_that_is_not_the_label_s() -> None:
    assert np.flatnonzero(label_issues(LABELS, PROBABILITIES)).tolist() == [2]


def test_a_label_that_everybody_doubts_is_kept_where_its_class_is_rarely_named() -> None:
    """The last face's classifier prefers 0, as it does for all of class 2: no issue."""
    assert PROBABILITIES[5].argmax() == 0
    assert not label_issues(LABELS, PROBABILITIES)[5]


def test_most_issues_are_wrong_labels_and_most_wrong_labels_are_issues() -> None:
    labels, right, probabilities = noisy(2000, wrong=0.1)
    issues = label_issues(labels, probabilities)
    wrong = labels != right
    assert wrong[issues].mean() > 0.9
    assert issues[wrong].mean() > 0.6


def test_it_agrees_with_cleanlab() -> None:
    """Count and sum of places are those of `cleanlab==2.9.0` on the same arrays."""
    labels, _, probabilities = noisy(700, wrong=0.1)
    issues = np.flatnonzero(label_issues(labels, probabilities))
    assert (len(issues), int(issues.sum())) == (36, 13522)
