import numpy as np
import pytest

from fer_model.readings import PEOPLE, Blend, Box

EVEN = (1 / 7,) * 7


def blend(*crowd: float) -> Blend:
    return Blend(crowd, EVEN)


def test_of_ten_rounds_by_the_largest_remainder() -> None:
    assert blend(0.0, 0.0, 0.0, 0.62, 0.0, 0.09, 0.29).of_ten() == (0, 0, 0, 6, 0, 1, 3)


def test_of_ten_sums_to_ten_whatever_the_shares() -> None:
    random = np.random.default_rng(0)
    for _ in range(500):
        shares = random.dirichlet(np.full(7, random.choice([0.05, 0.5, 5.0])))
        people = blend(*shares.tolist()).of_ten()
        assert sum(people) == PEOPLE
        assert all(abs(n - 10 * share) < 1 for n, share in zip(people, shares, strict=True))


def test_of_ten_gives_ties_to_the_earlier_emotion() -> None:
    assert blend(*EVEN).of_ten() == (2, 2, 2, 1, 1, 1, 1)


def test_of_ten_survives_shares_that_rounding_left_just_off_one() -> None:
    assert blend(0.0, 0.0, 0.0, 1.0 - 1e-16, 0.0, 1e-16, 0.0).of_ten() == (0, 0, 0, 10, 0, 0, 0)
    assert blend(0.0, 0.0, 0.0, 1.00005, 0.0, 0.0, 0.0).of_ten() == (0, 0, 0, 10, 0, 0, 0)


def test_top_and_confidence_are_of_the_crowd() -> None:
    answer = Blend((0.0, 0.0, 0.0, 0.7, 0.0, 0.0, 0.3), (1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0))
    assert answer.top == "happy"
    assert answer.confidence == 0.7


@pytest.mark.parametrize("row", [(0.5, 0.5), (0.2,) * 7, (float("nan"),) * 7])
def test_rows_that_are_not_seven_shares_are_refused(row: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="sum to 1"):
        Blend(row, EVEN)
    with pytest.raises(ValueError, match="sum to 1"):
        Blend(EVEN, row)


def test_box_tells_its_size() -> None:
    assert (Box(2, 3, 12, 23).width, Box(2, 3, 12, 23).height) == (10, 20)
