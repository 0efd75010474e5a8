"""What a question is worth is an expectation over the ten whom one could have asked."""

import numpy as np
import pytest

from benchmarks.asking import Asked, drawn_answers, part_of, with_vote, worth

# Sad and neutral nearly tie, the blend leads with the one that fewer people name.
BLEND = (0.0, 0.0, 0.0, 0.0, 0.52, 0.0, 0.48)
VOTES = (0, 0, 0, 0, 2, 0, 8, 0, 0, 0)
OFF = (5, 0, 0, 0, 0, 0, 0, 0, 5, 0)


def faces(*rows: tuple[tuple[float, ...], tuple[int, ...]]) -> Asked:
    """Faces by blend and votes, asked whether they are sad or neutral."""
    blends = np.array([blend for blend, _ in rows])
    votes = np.array([given for _, given in rows], dtype=float)
    pair = np.tile([4, 6], (len(rows), 1))
    return Asked(blends, blends, np.zeros(len(rows)), ((),) * len(rows), votes, pair)


def test_a_vote_moves_a_tie_and_no_vote_moves_nothing() -> None:
    moved = with_vote(np.array([BLEND, BLEND]), np.array([6, -1]))
    assert moved[0].argmax() == 6
    assert moved[1] == pytest.approx(BLEND)


def test_worth_is_the_chance_of_the_answer_that_helps() -> None:
    found = worth(faces((BLEND, VOTES)))
    assert found.accuracy[0] == pytest.approx(0.8)
    # Eight times of ten the lead goes from who 2 of the 9 others name to who 7 of them name.
    assert found.agreement[0] == pytest.approx(0.8 * (7 - 2) / 9)
    assert (found.answered[0], found.in_pair[0]) == (1.0, 1.0)


def test_who_insists_on_a_third_names_it_or_nothing() -> None:
    insisting, yielding = worth(faces((BLEND, OFF)), 1.0), worth(faces((BLEND, OFF)), 0.0)
    assert (insisting.answered[0], yielding.answered[0]) == (0.5, 1.0)
    assert insisting.in_pair[0] == 0
    assert insisting.log_loss[0] > yielding.log_loss[0]


def test_drawn_answers_are_as_frequent_as_votes() -> None:
    random = np.random.default_rng(0)
    many = part_of(faces((BLEND, VOTES), (BLEND, OFF)), np.repeat([0, 1], 4000))
    drawn = drawn_answers(many, 0.5, random)
    assert (drawn[:4000] == 6).mean() == pytest.approx(0.8, abs=0.03)
    third = drawn[4000:]
    assert (third == 0).mean() == pytest.approx(0.25, abs=0.03)
    assert (third == -1).mean() == pytest.approx(0.25, abs=0.03)
    assert np.isin(third, (4, 6)).mean() == pytest.approx(0.5, abs=0.03)
