from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from fer_model.blend import (
    Calibration,
    Calibrations,
    blended,
    blends,
    differing,
    disagreement,
    fit_calibration,
    fit_exchange,
    negative_log_likelihood,
)

Array = NDArray[np.float64]


def softmax(values: Array) -> Array:
    raised = np.exp(values - values.max(-1, keepdims=True))
    return np.asarray(raised / raised.sum(-1, keepdims=True))


@pytest.fixture
def truth() -> Array:
    """What 4,000 crowds truly say, (N, 7)."""
    return softmax(np.random.default_rng(0).normal(0, 1.5, (4000, 7)))


def labels_drawn_from(truth: Array) -> NDArray[np.int64]:
    random = np.random.default_rng(1)
    return np.array([random.choice(7, p=row) for row in truth])


def test_blend_rows_sum_to_one_even_for_extreme_logits() -> None:
    logits = np.random.default_rng(0).normal(0, 400, (2, 50, 7))
    calibration = Calibration((0.5, 3.0), (0.3, 0.7), 1.7, (0.1,) * 6 + (-0.6,))
    rows = blended(logits, calibration)
    assert np.allclose(rows.sum(1), 1)
    assert (rows >= 0).all()
    assert np.isfinite(rows).all()


def test_neutral_calibration_is_the_mean_of_the_softmaxes() -> None:
    logits = np.random.default_rng(0).normal(0, 2, (2, 5, 7))
    expected = softmax(logits).mean(0)
    assert np.allclose(blended(logits, Calibration.neutral(2)), expected)


def test_temperature_flattens_and_weight_prefers_a_member() -> None:
    logits = np.zeros((2, 1, 7))
    logits[0, 0, 3] = logits[1, 0, 4] = 4
    hot = blended(logits, Calibration((100.0, 1.0), (0.5, 0.5)))
    assert hot[0, 4] > hot[0, 3]
    first = blended(logits, Calibration((1.0, 1.0), (1.0, 0.0)))
    assert np.allclose(first, softmax(logits[0]))


def test_biases_shift_towards_an_emotion() -> None:
    logits = np.zeros((1, 1, 7))
    shifted = blended(logits, Calibration((1.0,), (1.0,), 1.0, (0, 0, 0, np.log(2), 0, 0, 0)))
    assert shifted[0].tolist() == pytest.approx([1 / 8] * 3 + [1 / 4] + [1 / 8] * 3)


def test_members_that_agree_have_no_disagreement_and_opposites_have_all() -> None:
    same = np.zeros((2, 1, 7))
    opposite = np.full((2, 1, 7), -1000.0)
    opposite[0, 0, 1] = opposite[1, 0, 5] = 1000
    assert disagreement(same, Calibration.neutral(2))[0] == pytest.approx(0)
    assert disagreement(opposite, Calibration.neutral(2))[0] == pytest.approx(1)


def happy_and_sad(height: float) -> Array:
    """Logits (2, 1, 7) of two members, one for happy, one for sad."""
    logits = np.zeros((2, 1, 7))
    logits[0, 0, 3] = logits[1, 0, 4] = height
    return logits


def test_members_that_differ_are_named_in_their_order() -> None:
    two = Calibrations.neutral(2)
    assert differing(happy_and_sad(4), two) == [("happy", "sad")]
    assert differing(happy_and_sad(4)[::-1], two) == [("sad", "happy")]
    (blend,) = blends(happy_and_sad(4), happy_and_sad(4), two)
    assert blend.differing == ("happy", "sad")


def test_members_that_see_a_tie_do_not_differ() -> None:
    two = Calibrations.neutral(2)
    assert differing(happy_and_sad(0.1), two) == [()]
    assert differing(happy_and_sad(0.1), replace(two, differ_from=0.0)) == [("happy", "sad")]


def test_members_that_name_the_same_emotion_do_not_differ() -> None:
    logits = happy_and_sad(4)
    logits[:, 0, 0] = 5
    assert differing(logits, replace(Calibrations.neutral(2), differ_from=0.0)) == [()]


def test_a_member_without_weight_has_no_say() -> None:
    only = Calibration((1.0, 1.0), (1.0, 0.0))
    assert differing(happy_and_sad(4), Calibrations(only, only, 0.0)) == [()]


@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan")])
def test_a_disagreement_to_differ_from_is_between_0_and_1(share: float) -> None:
    with pytest.raises(ValueError):
        replace(Calibrations.neutral(2), differ_from=share)


def test_one_member_cannot_disagree() -> None:
    assert disagreement(np.ones((1, 3, 7)), Calibration.neutral(1)).tolist() == [0, 0, 0]
    assert (
        disagreement(np.eye(7)[None, :2].repeat(2, 0), Calibration((1, 1), (1.0, 0.0))).max() == 0
    )


def test_no_faces_have_no_blends() -> None:
    nothing = np.zeros((2, 0, 7))
    assert blends(nothing, nothing, Calibrations.neutral(2)) == []


def test_fit_recovers_the_temperature_that_logits_were_spoilt_with(truth: Array) -> None:
    spoilt = np.log(truth)[None] * 2.5
    calibration = fit_calibration(spoilt, truth)
    assert calibration.temperatures[0] == pytest.approx(2.5, rel=0.02)
    assert calibration.sharpness == pytest.approx(1, abs=0.02)
    assert np.abs(blended(spoilt, calibration) - truth).max() < 0.01


def test_fit_trusts_the_member_that_knows(truth: Array) -> None:
    noise = np.random.default_rng(3).normal(0, 1.5, truth.shape)
    calibration = fit_calibration(np.stack([np.log(truth), noise]), labels_drawn_from(truth))
    assert calibration.weights[0] > 0.95
    assert sum(calibration.weights) == pytest.approx(1)


def test_fit_undoes_a_prior_that_was_shifted(truth: Array) -> None:
    shift = np.array([1.0, 0, 0, -1.0, 0, 0, 0])
    shifted = (np.log(truth) + shift)[None]
    calibration = fit_calibration(shifted, truth)
    assert np.array(calibration.biases) == pytest.approx(-shift, abs=0.1)


def test_exchange_moves_one_emotions_share_by_anothers() -> None:
    rows = np.zeros((7, 7))
    rows[6, 4] = 0.5  # where neutral is unlikely, sad is less likely
    calibration = Calibration((1.0,), (1.0,), exchange=tuple(map(tuple, rows.tolist())))
    logits = np.zeros((1, 1, 7))
    logits[0, 0, 6] = -4
    plain, exchanged = (blended(logits, c)[0] for c in (Calibration.neutral(1), calibration))
    log_neutral = np.log(plain[6])
    expected = plain * np.exp([0, 0, 0, 0, 0.5 * log_neutral, 0, 0])
    assert exchanged == pytest.approx(expected / expected.sum())


def test_fit_finds_the_emotion_that_hides_in_another(truth: Array) -> None:
    """Labels that say sad the more, the likelier fear is."""
    log = np.log(truth)
    skewed = log.copy()
    skewed[:, 4] += 0.6 * (log[:, 2] - log[:, 2].mean())
    labels = labels_drawn_from(softmax(skewed))
    fit = fit_calibration(log[None], labels)
    better = fit_exchange(fit, log[None], labels)
    assert replace(better, biases=fit.biases, exchange=()) == fit
    assert np.argmax(np.asarray(better.exchange)[2]) == 4
    gaps = [np.abs(blended(log[None], c) - softmax(skewed)).mean() for c in (fit, better)]
    assert gaps[1] < 0.6 * gaps[0]


def test_exchange_is_next_to_nothing_where_the_members_are_right(truth: Array) -> None:
    fit = fit_calibration(np.log(truth)[None], truth)
    exchanged = fit_exchange(fit, np.log(truth)[None], truth)
    assert np.abs(np.asarray(exchanged.exchange)).max() < 0.01
    assert sum(exchanged.biases) == pytest.approx(0, abs=1e-9)


def test_fit_never_makes_its_own_likelihood_worse(truth: Array) -> None:
    random = np.random.default_rng(4)
    members = np.stack([np.log(truth) * 3 + random.normal(0, s, truth.shape) for s in (1, 2)])
    for targets in (truth, labels_drawn_from(truth)):
        before = negative_log_likelihood(blended(members, Calibration.neutral(2)), targets)
        after = negative_log_likelihood(
            blended(members, fit_calibration(members, targets)), targets
        )
        assert after < before


def test_votes_need_not_sum_to_one(truth: Array) -> None:
    logits = np.log(truth)[None] * 2
    shares, counts = fit_calibration(logits, truth), fit_calibration(logits, truth * 10)
    assert counts.temperatures == pytest.approx(shares.temperatures)


def test_fit_stays_finite_when_an_emotion_never_occurs(truth: Array) -> None:
    labels = np.where(labels_drawn_from(truth) == 1, 0, labels_drawn_from(truth))
    calibration = fit_calibration(np.log(truth)[None], labels)
    assert np.isfinite(calibration.biases).all()


@pytest.mark.parametrize(
    ("logits", "targets"),
    [
        (np.zeros((2, 0, 7)), np.zeros((0, 7))),
        (np.zeros((2, 3, 6)), np.zeros(3, int)),
        (np.zeros((2, 3, 7)), np.zeros(4, int)),
        (np.zeros((2, 3, 7)), np.zeros((3, 7))),
        (np.zeros((3, 7)), np.zeros(3, int)),
    ],
    ids=["no faces", "six emotions", "another count", "no votes", "no members"],
)
def test_fit_refuses_what_does_not_fit_together(logits: Array, targets: Array) -> None:
    with pytest.raises(ValueError):
        fit_calibration(logits, targets)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Calibration((), ()),
        lambda: Calibration((1.0,), (0.5, 0.5)),
        lambda: Calibration((0.0,), (1.0,)),
        lambda: Calibration((1.0, 1.0), (0.5, 0.6)),
        lambda: Calibration((1.0, 1.0), (1.5, -0.5)),
        lambda: Calibration((1.0,), (1.0,), float("nan")),
        lambda: Calibration((1.0,), (1.0,), 1.0, (0.0,)),
        lambda: Calibration((1.0,), (1.0,), exchange=((0.0,) * 7,) * 6),
        lambda: Calibration((1.0,), (1.0,), exchange=((0.0,) * 6,) * 7),
        lambda: Calibration((1.0,), (1.0,), exchange=((float("inf"),) * 7,) * 7),
    ],
)
def test_calibration_refuses_numbers_that_mean_nothing(make: type[Calibration]) -> None:
    with pytest.raises(ValueError):
        make()
