"""`train_cli.gate`."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from train_cli.gate import (
    GUARD,
    GatePolicy,
    PairedFaces,
    PairedResults,
    Verdict,
    base_holds,
    calibration_error,
    judge,
    log_loss,
    matches,
    sign_flip_p,
)

EASY = GatePolicy(
    holdout_faces=10, holdout_people=5, base_faces=50, rare_share=0.0, accuracy_margin=0.05
)


def sharpened(said: NDArray[np.float64], share: float) -> NDArray[np.float64]:
    """Answers that give `share` to what people said, the rest to everything alike."""
    return said * share + (1 - share) / 7


def faces(count: int, before: float, after: float, people: int = 10, seed: int = 0) -> PairedFaces:
    random = np.random.default_rng(seed)
    said = np.eye(7)[random.integers(0, 7, count)]
    return PairedFaces(
        said, sharpened(said, before), sharpened(said, after), np.arange(count) % people
    )


def base(count: int = 700, before: float = 0.8, after: float = 0.8) -> PairedFaces:
    return faces(count, before, after, people=count, seed=1)


def failed(verdict: Verdict) -> set[str]:
    return {check.name for check in verdict.checks if not check.passed}


def test_candidate_that_learnt_and_forgot_nothing_passes() -> None:
    verdict = judge(PairedResults(faces(60, 0.3, 0.6), base()))
    assert verdict.passed
    assert verdict.reasons == ()


def test_without_any_evidence_every_check_is_refused_with_a_reason() -> None:
    verdict = judge(PairedResults(None, None))
    assert all(not check.passed for check in verdict.checks)
    assert len({check.name for check in verdict.checks}) == len(verdict.checks) == 8
    assert "0 faces of feedback were held out; 30 are needed" in verdict.reasons
    assert len(set(verdict.reasons)) == len(verdict.reasons)
    assert any("no base split is configured" in reason for reason in verdict.reasons)


def test_candidate_without_a_base_split_is_refused_for_that_alone() -> None:
    assert failed(judge(PairedResults(faces(60, 0.3, 0.6), None))) == {
        "enough_base_faces",
        "base_accuracy_holds",
        "base_log_loss_holds",
        "rare_emotions_hold",
        "calibration_holds",
    }


def test_too_few_people_are_refused_however_many_faces_they_have() -> None:
    verdict = judge(PairedResults(faces(200, 0.3, 0.6, people=2), base()))
    assert failed(verdict) == {"enough_holdout_people", "better_on_holdout"}


def test_unchanged_version_is_refused_because_it_is_not_better() -> None:
    verdict = judge(PairedResults(faces(60, 0.5, 0.5), base()))
    assert failed(verdict) == {"better_on_holdout"}


def test_base_alone_is_judged_by_the_same_checks_as_in_the_gate() -> None:
    old = base()
    after = old.after.copy()
    after[:40] = np.roll(after[:40], 1, axis=1)
    assert base_holds(old, GatePolicy())
    assert not base_holds(replace(old, after=after), GatePolicy())
    assert not base_holds(base(count=100), GatePolicy())


def test_what_a_retrain_asks_of_itself_is_no_less_than_the_gate_asks() -> None:
    for name in ("accuracy_margin", "loss_margin", "rare_margin", "calibration_margin"):
        assert getattr(GUARD, name) <= getattr(GatePolicy(), name)


def test_gain_that_one_person_makes_alone_is_no_progress() -> None:
    lone = faces(60, 0.5, 0.5)
    after = np.where((lone.people == 0)[:, None], sharpened(lone.said, 0.9), lone.before)
    verdict = judge(PairedResults(replace(lone, after=after), base()))
    assert failed(verdict) == {"better_on_holdout"}


def test_what_counts_for_little_can_neither_push_nor_block_a_candidate() -> None:
    better, worse = faces(100, 0.5, 0.6), faces(100, 0.6, 0.5, seed=1)
    mixed = PairedFaces(
        *(
            np.concatenate(rows)
            for rows in zip(
                (better.said, better.before, better.after, better.people),
                (worse.said, worse.before, worse.after, worse.people + 100),
                strict=True,
            )
        ),
        weights=np.repeat([1.0, 0.05], 100),
    )
    alike = replace(mixed, weights=None)
    pushed = replace(mixed, weights=np.repeat([0.05, 1.0], 100))
    assert failed(judge(PairedResults(mixed, base()))) == set()
    for refused in (alike, pushed):
        assert failed(judge(PairedResults(refused, base()))) == {"better_on_holdout"}


def test_forgetting_on_the_base_is_refused() -> None:
    old = base()
    after = old.after.copy()
    after[:40] = np.roll(after[:40], 1, axis=1)
    verdict = judge(PairedResults(faces(60, 0.3, 0.6), replace(old, after=after)))
    assert {"base_accuracy_holds", "base_log_loss_holds"} <= failed(verdict)
    assert "better_on_holdout" not in failed(verdict)


def test_small_losses_that_add_up_since_the_first_version_are_refused() -> None:
    first = base()
    now = first.after.copy()
    now[:25] = np.roll(now[:25], 1, axis=1)
    since_last = replace(first, before=now, after=now)
    since_first = replace(first, after=now)
    learnt = faces(60, 0.3, 0.6)
    assert judge(PairedResults(learnt, since_last)).passed
    assert judge(PairedResults(learnt, since_last, first)).passed
    assert failed(judge(PairedResults(learnt, since_last, since_first))) == {
        "base_accuracy_holds_since_first",
        "base_log_loss_holds_since_first",
    }


def test_first_version_of_which_nothing_is_known_is_evidence_missing() -> None:
    nothing = base(count=0)
    verdict = judge(PairedResults(faces(60, 0.3, 0.6), base(), nothing))
    assert failed(verdict) == {"base_accuracy_holds_since_first", "base_log_loss_holds_since_first"}
    assert verdict.reasons == (
        "no first version is on disk: nobody knows what was forgotten since",
    )


def test_forgetting_a_rare_emotion_is_refused_though_the_whole_hardly_moves() -> None:
    said = np.eye(7)[np.r_[np.full(2000, 3), np.full(2000, 4), np.full(60, 1)]]
    before = sharpened(said, 0.8)
    after = before.copy()
    after[-5:] = np.roll(after[-5:], 1, axis=1)
    rare = PairedFaces(said, before, after, np.arange(len(said)))
    assert failed(judge(PairedResults(faces(60, 0.3, 0.6), rare))) == {"rare_emotions_hold"}


def test_base_without_enough_rare_faces_is_refused() -> None:
    said = np.eye(7)[np.r_[np.full(600, 3), np.full(10, 1)]]
    few = PairedFaces(said, sharpened(said, 0.8), sharpened(said, 0.8), np.arange(610))
    verdict = judge(PairedResults(faces(60, 0.3, 0.6), few))
    assert failed(verdict) == {"rare_emotions_hold"}
    assert "10 base faces show rare emotions" in verdict.reasons[0]


def test_overconfidence_on_the_base_is_refused() -> None:
    said = sharpened(np.eye(7)[np.arange(700) % 7], 0.6)
    doubtful = PairedFaces(
        said, said, sharpened(np.eye(7)[np.arange(700) % 7], 0.9), np.arange(700)
    )
    assert "calibration_holds" in failed(judge(PairedResults(faces(60, 0.3, 0.6), doubtful)))


def test_calibration_error_is_the_gap_between_announced_and_named() -> None:
    said = np.array([[0.6, 0.4, 0, 0, 0, 0, 0]] * 10)
    answer = np.array([[0.85, 0.15, 0, 0, 0, 0, 0]] * 10)
    assert calibration_error(said, said) == 0
    assert calibration_error(said, answer) == pytest.approx(0.25)


def test_log_loss_of_an_impossible_answer_is_finite() -> None:
    said = np.eye(7)[[0]]
    assert np.isfinite(log_loss(said, np.eye(7)[[1]])).all()


def test_answer_matches_either_of_two_emotions_that_equally_many_named() -> None:
    said = np.array([[0.5, 0.5, 0, 0, 0, 0, 0]] * 3)
    assert matches(said, np.eye(7)[[0, 1, 2]]).tolist() == [True, True, False]


def test_sign_flip_p_of_five_equal_gains_is_one_pattern_in_thirty_two() -> None:
    assert sign_flip_p(np.ones(5), np.arange(5)) == 1 / 32


def test_sign_flip_p_without_any_difference_is_one() -> None:
    assert sign_flip_p(np.zeros(30), np.arange(30)) == 1


def test_evidence_that_is_no_share_is_refused() -> None:
    whole = faces(10, 0.5, 0.5)
    with pytest.raises(ValueError, match="no share"):
        replace(whole, after=np.full((10, 7), np.nan))
    with pytest.raises(ValueError, match="not"):
        replace(whole, said=whole.said[:5])


@st.composite
def paired_faces(draw: st.DrawFn, least: int = 1) -> PairedFaces:
    count = draw(st.integers(least, 120))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    concentration = draw(st.sampled_from([0.1, 1.0, 10.0]))
    said, before, after = (random.dirichlet(np.full(7, concentration), count) for _ in range(3))
    mix = draw(st.sampled_from([0.0, 0.02, 0.5, 1.0]))
    after = before * (1 - mix) + mix * draw(st.sampled_from([said, after]))
    return PairedFaces(said, before, after, random.integers(0, draw(st.integers(1, 30)), count))


EVIDENCE = st.builds(
    PairedResults, st.none() | paired_faces(least=10), st.none() | paired_faces(least=50)
)


@settings(max_examples=150, deadline=None)
@given(EVIDENCE)
def test_missing_evidence_never_passes(evidence: PairedResults) -> None:
    verdict = judge(evidence, EASY)
    if evidence.holdout is None or evidence.base is None:
        assert not verdict.passed
    assert verdict.passed == (not verdict.reasons)
    assert all(check.reason and "\n" not in check.reason for check in verdict.checks)


@settings(max_examples=100, deadline=None)
@given(paired_faces(least=10), paired_faces(least=50))
def test_two_versions_are_never_each_better_than_the_other(
    holdout: PairedFaces, whole: PairedFaces
) -> None:
    def turned(paired: PairedFaces) -> PairedFaces:
        return replace(paired, before=paired.after, after=paired.before)

    forth = judge(PairedResults(holdout, whole), EASY)
    back = judge(PairedResults(turned(holdout), turned(whole)), EASY)
    assert not (forth.passed and back.passed)


@settings(max_examples=100, deadline=None)
@given(paired_faces(least=10), paired_faces(least=50), st.integers(0, 1000))
def test_order_of_faces_does_not_matter(
    holdout: PairedFaces, whole: PairedFaces, seed: int
) -> None:
    def shuffled(paired: PairedFaces) -> PairedFaces:
        order = np.random.default_rng(seed).permutation(len(paired))
        return PairedFaces(*(rows[order] for rows in vars(paired).values() if rows is not None))

    straight = judge(PairedResults(holdout, whole), EASY)
    mixed = judge(PairedResults(shuffled(holdout), shuffled(whole)), EASY)
    assert failed(straight) == failed(mixed)


@settings(max_examples=100, deadline=None)
@given(paired_faces(least=10), paired_faces(least=50), st.floats(0, 1))
def test_getting_worse_on_the_holdout_never_turns_a_refusal_into_a_pass(
    holdout: PairedFaces, whole: PairedFaces, share: float
) -> None:
    wrong = np.roll(np.eye(7)[holdout.said.argmax(1)], 1, axis=1)
    worse = replace(holdout, after=holdout.before * (1 - share) + wrong * share)
    if judge(PairedResults(worse, whole), EASY).passed:
        assert log_loss(worse.said, worse.after).mean() < log_loss(worse.said, worse.before).mean()


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_answers_of_pure_chance_rarely_look_better(seed: int) -> None:
    random = np.random.default_rng(seed)
    rates = [
        sign_flip_p(random.normal(size=40), random.integers(0, 8, 40), seed) <= 0.05
        for _ in range(40)
    ]
    assert np.mean(rates) <= 0.25
