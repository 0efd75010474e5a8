"""`train_cli.voting`."""

import io
from collections.abc import Collection
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from fer_model.alignment import CROP_SIDE
from store.records import TrainingFace
from train_cli.voting import PSEUDO_VOTES, divide, sides, vote_targets, voted_faces


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


def test_everything_said_about_a_face_becomes_its_votes() -> None:
    other = replace(SAID, feedback_id=2, person_id=101, kind="confirmation", emotion="happy")
    faces, unreadable = voted_faces([SAID, other])
    assert unreadable == 0
    assert len(faces) == 1
    assert faces[0].votes.tolist() == [0, 0, 0, 2, 1, 0, 0]  # the confirmation counts twice
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


def test_face_keeps_what_was_answered_before_anybody_spoke_of_it() -> None:
    later = (0.4, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1)
    other = replace(SAID, feedback_id=2, person_id=101, crowd=later, label=later)
    ((face,), _) = voted_faces([SAID, other])
    assert face.name == "photo#1"
    assert (tuple(face.crowd), tuple(face.label)) == (SAID.crowd, SAID.label)


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


def test_confirmation_counts_once_where_nobody_silent_stands_behind_it() -> None:
    confirmed = replace(SAID, kind="confirmation", emotion="happy")
    assert voted_faces([confirmed])[0][0].votes.tolist() == [0, 0, 0, 2, 0, 0, 0]
    asked = replace(confirmed, asked=True)
    assert voted_faces([asked])[0][0].votes.tolist() == [0, 0, 0, 1, 0, 0, 0]
    mixed = replace(confirmed, shares=(0, 0, 0, 0.75, 0.25, 0, 0))
    assert voted_faces([mixed])[0][0].votes.tolist() == [0, 0, 0, 0.75, 0.25, 0, 0]


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
    assert target[0, 4] == pytest.approx((PSEUDO_VOTES * 0.1 + 1) / (PSEUDO_VOTES + 1))


def test_several_agreeing_voices_overturn_a_sure_face() -> None:
    blend = np.array([[0.0, 0, 0, 0.9, 0.1, 0, 0]])
    overturned = [vote_targets(blend, n * np.eye(7)[[4]])[0].argmax() == 4 for n in range(1, 6)]
    assert overturned == [False, True, True, True, True]


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


def held_people(spoken: list[tuple[int, int]], trained: Collection[int] = ()) -> set[int]:
    where = sides(spoken, trained)
    return {person for (person, _), side in zip(spoken, where, strict=True) if side == "holdout"}


def test_few_people_are_all_learnt_from() -> None:
    assert sides([(person, person) for person in range(7)]) == ["training"] * 7


def test_about_a_quarter_of_the_people_is_held_out_with_all_they_say() -> None:
    spoken = [(person % 400, person) for person in range(800)]
    where = sides(spoken)
    held = held_people(spoken)
    assert 0.15 < len(held) / 400 < 0.35
    assert all(
        (side == "holdout") == (p in held) for (p, _), side in zip(spoken, where, strict=True)
    )


def test_person_stays_on_their_side_when_others_join() -> None:
    held = held_people([(person, person) for person in range(20)])
    assert held
    assert held == held_people([(person, person) for person in range(500)]) & set(range(20))


def test_neither_a_face_nor_a_person_is_on_both_sides() -> None:
    spoken = [(person, (person + other) % 300) for person in range(300) for other in range(3)]
    where = sides(spoken)
    for place in (0, 1):
        both = [
            {pair[place] for pair, its in zip(spoken, where, strict=True) if its == side}
            for side in ("training", "holdout")
        ]
        assert both[0]
        assert both[1]
        assert not both[0] & both[1]


def test_chain_of_people_who_speak_of_each_others_faces_is_still_held_out_in_part() -> None:
    chain = [pair for person in range(300) for pair in ((person, person), (person, person + 1))]
    assert 0.15 < len(held_people(chain)) / 300 < 0.35


def test_somebody_the_version_was_trained_on_is_never_held_out() -> None:
    spoken = [(person, person) for person in range(40)]
    held = held_people(spoken)
    one = min(held)
    assert held_people(spoken, {one}) == held - {one}


def test_face_that_was_trained_on_is_never_judged_on() -> None:
    people = [(person, person) for person in range(40)]
    held = min(held_people(people))
    learnt_from = min({person for person, _ in people} - held_people(people))
    # Whoever had spoken of it first took that back.
    spoken = [*people, (held, "face"), (learnt_from, "face")]
    assert sides(spoken)[-2:] == ["holdout", None]
    assert sides(spoken, trained_faces=["face"])[-2:] == [None, "training"]


def test_division_has_the_faces_of_both_sides_and_counts_what_is_unreadable() -> None:
    feedback = [
        replace(SAID, feedback_id=p, face_id=p, face=f"photo#{p}", person_id=p) for p in range(20)
    ]
    held = held_people([(p, p) for p in range(20)])
    lost = min(held)
    feedback[lost] = replace(feedback[lost], crop=b"")
    division = divide(feedback)
    assert {p for face in division.training for p in face.people} == set(range(20)) - held
    assert {p for face in division.holdout for p in face.people} == held - {lost}
    assert division.holdout_people.tolist() == [face.people[0] for face in division.holdout]
    assert division.unreadable == 1
