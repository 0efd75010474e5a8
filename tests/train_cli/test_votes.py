from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from train_cli.errors import DataSetRefused
from train_cli.votes import (
    VotesTable,
    crowd_majority,
    emotion_shares,
    ferplus_majority,
    has_majority,
    read_votes,
)

HEADER = "file,neutral,happiness,surprise,sadness,anger,disgust,fear,contempt,unknown,NF\n"


def row(**votes: int) -> NDArray[np.float32]:
    columns = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
    names = (*columns, "contempt", "unknown", "not_a_face")
    assert set(votes) <= set(names)
    return np.array([[votes.get(name, 0) for name in names]], dtype=np.float32)


def test_ferplus_names_become_our_columns(tmp_path: Path) -> None:
    path = tmp_path / "votes.csv"
    path.write_text(HEADER + "train/sad/1.jpg,1,2,0,3,0,0,0,2,1,1\n")
    assert read_votes(path).of("train/sad/1.jpg") == (0, 0, 0, 2, 3, 0, 1, 2, 1, 1)


def test_votes_are_found_below_any_folder(tmp_path: Path) -> None:
    table = VotesTable([("test/sad/1.jpg", (1,) * 10)])
    assert table.of("/somewhere/else/test/sad/1.jpg") == (1,) * 10
    assert table.of("/renamed/sad/1.jpg") == (1,) * 10
    assert table.of("/renamed/happy/1.jpg") is None


def test_one_file_name_of_two_pictures_is_told_apart_by_its_emotion() -> None:
    table = VotesTable([("train/sad/1.jpg", (1,) * 10), ("train/happy/1.jpg", (2,) * 10)])
    assert table.of("train/happy/1.jpg") == (2,) * 10
    assert table.of("train/angry/1.jpg") is None


def test_contradicting_rows_of_one_file_are_no_votes() -> None:
    table = VotesTable([("train/sad/1.jpg", (1,) * 10), ("train/sad/1.jpg", (2,) * 10)])
    assert table.of("train/sad/1.jpg") is None


def test_a_csv_of_bare_names_goes_by_name() -> None:
    assert VotesTable([("1.jpg", (1,) * 10)]).of("train/sad/1.jpg") == (1,) * 10


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "it lacks file"),
        ("file,angry\n1.jpg,3\n", "it lacks disgust, fear"),
        (HEADER, "no votes in it"),
        (HEADER + "1.jpg,a,0,0,0,0,0,0,0,0,0\n", "invalid literal"),
        (HEADER + "1.jpg,-1,0,0,0,0,0,0,0,0,0\n", "negative"),
    ],
)
def test_a_csv_that_is_none_of_votes_is_refused(tmp_path: Path, content: str, reason: str) -> None:
    path = tmp_path / "votes.csv"
    path.write_text(content)
    with pytest.raises(DataSetRefused, match=reason):
        read_votes(path)


def test_shares_are_of_the_seven_emotions_alone() -> None:
    assert emotion_shares(row(sad=3, happy=1, contempt=4, unknown=2))[0].tolist() == [
        0,
        0,
        0,
        0.25,
        0.75,
        0,
        0,
    ]
    assert emotion_shares(row(unknown=10)).sum() == 0


def test_the_majority_is_the_emotion_most_people_named() -> None:
    votes = row(sad=6, happy=4)
    assert (crowd_majority(votes)[0], has_majority(votes)[0]) == (4, True)


def test_a_contempt_majority_is_one_that_no_answer_matches() -> None:
    votes = row(contempt=6, happy=4)
    assert (crowd_majority(votes)[0], has_majority(votes)[0]) == (-1, True)


@pytest.mark.parametrize(
    "votes", [row(sad=5, happy=5), row(sad=4, unknown=6), row(sad=5, unknown=5), row()]
)
def test_ties_and_rows_won_by_no_emotion_have_no_majority(votes: NDArray[np.float32]) -> None:
    assert not has_majority(votes)[0]


def test_ferplus_drops_single_votes_before_it_asks_for_more_than_half() -> None:
    scattered = row(sad=4, happy=2, fear=1, angry=1, surprise=1, neutral=1)
    winner, kept = ferplus_majority(scattered)
    assert (winner[0], kept[0]) == (4, True)
    assert not ferplus_majority(row(sad=5, happy=3, fear=2))[1][0]
    assert not ferplus_majority(row(sad=2, unknown=8))[1][0]
    assert ferplus_majority(row(contempt=7, sad=3))[0][0] == -1
