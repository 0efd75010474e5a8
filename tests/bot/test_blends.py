"""A blend in whole people."""

import random

from bot.blends import Share, of_faces, of_ten_people
from store.emotions import top_emotion
from tests.bot.samples import EVEN, MIXED, SAD, SURE, reading


def test_shares_are_the_people_who_name_each_emotion_most_first() -> None:
    face = reading([MIXED]).faces[0]
    assert of_ten_people(face) == (Share("happy", 6), Share("neutral", 3), Share("surprise", 1))


def test_shares_of_any_blend_are_ten_people_and_begin_with_its_top() -> None:
    chance = random.Random(7)
    for _ in range(300):
        weights = [chance.random() ** 3 for _ in range(7)]
        face = reading([tuple(weight / sum(weights) for weight in weights)]).faces[0]
        shares = of_ten_people(face)
        assert sum(share.count for share in shares) == 10
        assert shares[0].emotion == top_emotion(face.crowd)
        assert all(share.count > 0 for share in shares)
        assert [s.count for s in shares] == sorted((s.count for s in shares), reverse=True)


def test_even_blend_names_all_seven() -> None:
    assert len(of_ten_people(reading([EVEN]).faces[0])) == 7


def test_crowd_is_counted_by_what_would_most_often_be_said() -> None:
    faces = reading([MIXED, SAD, SURE, MIXED]).faces
    assert of_faces(faces) == (Share("happy", 3), Share("sad", 1))
