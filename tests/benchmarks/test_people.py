"""`benchmarks.people`."""

from collections import Counter

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks.people import Crowd, Habits, Piece, by_night, feedback
from fer_model.emotions import EMOTIONS

FACES = 600


def votes() -> NDArray[np.float64]:
    """Seven of ten people name one emotion, three another."""
    counts = np.zeros((FACES, 7))
    counts[np.arange(FACES), np.arange(FACES) % 7] = 7
    counts[np.arange(FACES), (np.arange(FACES) + 1) % 7] = 3
    return counts


def said(crowd: Crowd | None = None, pieces: int = 300, seed: int = 0) -> list[Piece]:
    blends = votes() / 10
    return feedback(votes(), blends, pieces, crowd or Crowd(), np.random.default_rng(seed))


def test_same_seed_says_the_same_and_another_something_else() -> None:
    assert said() == said()
    assert said() != said(seed=1)


def test_as_many_pieces_as_asked_for_nobody_twice_about_a_face() -> None:
    pieces = said()
    assert len(pieces) == 300
    assert len({(piece.person, piece.face) for piece in pieces}) == 300
    assert max(Counter(piece.person for piece in pieces).values()) <= Habits().most
    assert [piece.at for piece in pieces] == sorted(piece.at for piece in pieces)


def test_honest_people_name_what_somebody_of_the_ten_named() -> None:
    assert all(votes()[piece.face, piece.emotion] > 0 for piece in said())


def test_confirmation_names_what_was_read_and_is_rarer_than_agreement() -> None:
    pieces = said()
    for piece in pieces:
        assert piece.confirms == (piece.emotion == piece.face % 7)
    share = np.mean([piece.confirms for piece in pieces])
    assert share == pytest.approx(0.7 * 0.3 / (0.7 * 0.3 + 0.3 * 0.6), abs=0.08)


def test_some_faces_are_spoken_about_by_several_people() -> None:
    voices = Counter(piece.face for piece in said(Crowd(habits=Habits(shared=0.9)), 500))
    assert sum(count > 1 for count in voices.values()) > len(voices) / 4


def test_trolls_change_their_own_words_and_nobody_elses() -> None:
    clean, trolled = said(), said(Crowd(trolls=0.2))
    angry = EMOTIONS.index("angry")
    for before, after in zip(clean, trolled, strict=True):
        assert (before.person, before.face, before.at) == (after.person, after.face, after.at)
        assert after.emotion == (angry if after.manner == "troll" else before.emotion)
    assert 0.05 < np.mean([piece.manner == "troll" for piece in trolled]) < 0.4


def test_careless_people_name_anything() -> None:
    careless = [piece for piece in said(Crowd(careless=1.0)) if piece.manner == "careless"]
    assert len({piece.emotion for piece in careless}) == 7


def test_ring_calls_happy_faces_sad_three_at_a_time_beside_everybody_else() -> None:
    ringed = said(Crowd(ring=30))
    ring = [piece for piece in ringed if piece.manner == "ring"]
    assert [piece for piece in ringed if piece.manner != "ring"] == said()
    assert {EMOTIONS[piece.emotion] for piece in ring} == {"sad"}
    assert {EMOTIONS[piece.face % 7] for piece in ring} == {"happy"}
    assert set(Counter(piece.face for piece in ring).values()) == {3}
    assert len({piece.person for piece in ring}) == 30
    assert not {p.person for p in ring} & {p.person for p in said()}


def test_nights_are_equal_portions_in_the_order_of_time() -> None:
    pieces = said()
    nights = by_night(pieces, 7)
    assert [len(night) for night in nights] == [42, 43, 43, 43, 43, 43, 43]
    assert [piece for night in nights for piece in night] == pieces
