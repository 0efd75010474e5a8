"""`train_cli.voting`."""

import io
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from fer_model.alignment import CROP_SIDE
from store.records import TrainingFace
from train_cli.voting import VotedFace, divide, vote_targets, voted_faces


def kept(side: int = 320) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (side, side), (90, 120, 150)).save(file, "JPEG")
    return file.getvalue()


SAID = TrainingFace(
    feedback_id=1,
    face_id=7,
    face="photo#1",
    reading_id="r",
    person_id=100,
    kind="correction",
    emotion="sad",
    crowd=(1 / 7,) * 7,
    label=(1 / 7,) * 7,
    model_version="ab",
    crop=kept(),
    crop_landmarks=None,
    created_at=datetime(2026, 1, 1, tzinfo=UTC),
)


def face(*people: int) -> VotedFace:
    return VotedFace(1, (1,), people, np.eye(7)[4], Counter(), np.zeros((96, 96, 3), np.uint8))


def test_everything_said_about_a_face_becomes_its_votes() -> None:
    other = replace(SAID, feedback_id=2, person_id=101, kind="confirmation", emotion="happy")
    faces, unreadable = voted_faces([SAID, other])
    assert unreadable == 0
    assert len(faces) == 1
    assert faces[0].votes.tolist() == [0, 0, 0, 1, 1, 0, 0]
    assert faces[0].people == (100, 101)
    assert faces[0].feedback_ids == (1, 2)
    assert faces[0].kinds == {"correction": 1, "confirmation": 1}
    assert faces[0].crop.shape == (CROP_SIDE, CROP_SIDE, 3)


def test_photo_that_several_people_sent_is_one_face_with_all_their_votes() -> None:
    other = replace(SAID, feedback_id=2, face_id=8, person_id=101, emotion="happy")
    faces, _ = voted_faces([SAID, other])
    assert [found.face_id for found in faces] == [7]
    assert faces[0].votes.tolist() == [0, 0, 0, 1, 1, 0, 0]
    assert faces[0].people == (100, 101)


def test_face_whose_crop_is_unreadable_is_taken_from_who_else_sent_it() -> None:
    damaged = replace(SAID, feedback_id=2, face_id=6, person_id=101, crop=b"")
    faces, unreadable = voted_faces([damaged, SAID])
    assert (len(faces), unreadable) == (1, 0)


def test_votes_are_sums_of_trust() -> None:
    other = replace(SAID, feedback_id=2, person_id=101, emotion="happy")
    faces, _ = voted_faces([SAID, other], {1: 0.25, 2: 1.0})
    assert faces[0].votes.tolist() == [0, 0, 0, 1, 0.25, 0, 0]


def test_mixture_is_a_vote_split_between_emotions() -> None:
    mixed = replace(SAID, shares=(0.5, 0, 0, 0, 0.5, 0, 0))
    faces, _ = voted_faces([mixed], {1: 0.5})
    assert faces[0].votes.tolist() == [0.25, 0, 0, 0, 0.25, 0, 0]


def test_what_nobody_trusts_is_no_vote_and_no_face() -> None:
    other = replace(SAID, feedback_id=2, person_id=101, emotion="happy")
    alone = replace(SAID, feedback_id=3, face_id=8, face="other#1", person_id=102)
    faces, unreadable = voted_faces([SAID, other, alone], {1: 1.0, 2: 0.0, 3: 0.0})
    assert [found.face_id for found in faces] == [7]
    assert (faces[0].people, faces[0].feedback_ids) == ((100,), (1,))
    assert unreadable == 0


@pytest.mark.parametrize("crop", [b"", b"no image", kept(side=50)])
def test_unreadable_crop_is_counted_and_left_out(crop: bytes) -> None:
    faces, unreadable = voted_faces([SAID, replace(SAID, face_id=8, face="other#1", crop=crop)])
    assert [f.face_id for f in faces] == [7]
    assert unreadable == 1


def test_one_voice_moves_a_sure_face_without_overturning_it() -> None:
    blend = np.array([[0.0, 0, 0, 0.9, 0.1, 0, 0]])
    target = vote_targets(blend, np.eye(7)[[4]])
    assert target[0].argmax() == 3
    assert target[0, 4] == pytest.approx(0.325)


def test_several_agreeing_voices_overturn_a_sure_face() -> None:
    blend = np.array([[0.0, 0, 0, 0.9, 0.1, 0, 0]])
    overturned = [vote_targets(blend, n * np.eye(7)[[4]])[0].argmax() == 4 for n in range(1, 6)]
    assert overturned == [False, False, True, True, True]


def test_voice_that_is_trusted_less_moves_a_face_less() -> None:
    blend = np.array([[0.0, 0, 0, 0.9, 0.1, 0, 0]])
    moved = [vote_targets(blend, w * np.eye(7)[[4]])[0, 4] for w in (0.0, 0.2, 0.5, 1.0)]
    assert moved == sorted(moved)
    assert moved[0] == pytest.approx(0.1)


@given(st.integers(1, 7), st.floats(0.5, 10), st.integers(0, 50))
def test_targets_are_shares_between_blend_and_votes(
    seed: int, pseudo_votes: float, voices: int
) -> None:
    random = np.random.default_rng(seed)
    blend = random.dirichlet(np.ones(7), 3)
    votes = random.multinomial(voices, np.ones(7) / 7, 3).astype(float)
    target = vote_targets(blend, votes, pseudo_votes)
    assert target.sum(axis=1) == pytest.approx(1)
    if voices:
        low, high = np.minimum(blend, votes / voices), np.maximum(blend, votes / voices)
        assert ((target >= low - 1e-9) & (target <= high + 1e-9)).all()
    else:
        assert target == pytest.approx(blend)


def test_few_people_are_all_learnt_from() -> None:
    division = divide([face(person) for person in range(7)])
    assert len(division.training) == 7
    assert division.holdout == ()


def test_nobody_is_on_both_sides_and_about_a_quarter_is_held_out() -> None:
    faces = [face(person % 400) for person in range(800)]
    division = divide(faces)
    held = {p for f in division.holdout for p in f.people}
    learnt = {p for f in division.training for p in f.people}
    assert held
    assert learnt
    assert not held & learnt
    assert 0.15 < len(held) / 400 < 0.35
    assert len(set(division.holdout_people.tolist())) == len(held)


def test_person_stays_on_their_side_when_others_join() -> None:
    few = divide([face(person) for person in range(20)])
    many = divide([face(person) for person in range(500)])
    held = {p for f in few.holdout for p in f.people}
    assert held
    assert held <= {p for f in many.holdout for p in f.people}


def test_people_who_spoke_about_one_face_stay_together() -> None:
    chain = [face(person, person + 1) for person in range(300)]
    division = divide(chain + [face(person) for person in range(1000, 1010)])
    held = {p for f in division.holdout for p in f.people if p <= 300}
    assert held in (set(), set(range(301)))


def test_somebody_the_version_was_trained_on_is_never_held_out() -> None:
    faces = [face(person) for person in range(40)]
    held = {p for f in divide(faces).holdout for p in f.people}
    one = min(held)
    again = divide(faces, trained_people={one})
    assert {p for f in again.holdout for p in f.people} == held - {one}
