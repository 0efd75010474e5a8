"""`store.trust`."""

from dataclasses import replace

import numpy as np
import pytest

from store import rulings, trust
from store.engine import Database
from store.readings import face_name
from store.trust import TrustPolicy, Voice, information, one_hot, review_order, weigh
from tests.store.rows import JUN, MINA, MINUTE, NOON, blend, read, say, see, teach
from tests.store.simulated_people import (
    Faces,
    Manner,
    draw_faces,
    draw_misread,
    kept,
    speak,
)


def voice(
    number: int, person_id: int = MINA, said: str = "sad", read_as: str = "happy", **other: object
) -> Voice:
    """Somebody's piece about a face of their own, an hour after the one before."""
    given: dict[str, object] = {
        "feedback_id": number,
        "person_id": person_id,
        "face": face_name(f"photo {number}", 1),
        "kind": "confirmation" if said == read_as else "correction",
        "shares": one_hot(said),
        "crowd": blend(read_as, 0.95),
        "ruling": None,
        "created_at": NOON + number * 60 * MINUTE,
    }
    return Voice(**(given | other))  # type: ignore[arg-type]


def test_nothing_said_weighs_nothing() -> None:
    assert weigh([]) == trust.Trusted({}, {}, {})


def test_newcomer_starts_in_the_middle() -> None:
    unsure = voice(1, crowd=(1 / 7,) * 7)
    trusted = weigh([unsure])
    assert trusted.people == {MINA: pytest.approx(0.6, abs=0.01)}
    assert trusted.weights == {1: pytest.approx(0.8, abs=0.01)}
    assert trusted.quarantined == {}


async def test_voices_are_what_may_be_learnt_from(sqlite_database: Database) -> None:
    piece = await teach(sqlite_database, MINA)
    await see(sqlite_database, JUN)
    await say(sqlite_database, await read(sqlite_database, JUN))
    async with sqlite_database.sessions.begin() as session:
        await rulings.rule(session, piece, "rejected", admin_id=JUN)
        await rulings.rule(session, piece, "accepted", admin_id=JUN)
    async with sqlite_database.readers() as session:
        found = await trust.voices(session)
    face = face_name("unique-100", 1)
    assert found == (
        Voice(piece, MINA, face, "correction", one_hot("sad"), blend("happy"), "accepted", NOON),
    )


async def test_mixture_is_voiced_with_its_shares(sqlite_database: Database) -> None:
    half = (0.5, 0.0, 0.0, 0.0, 0.5, 0.0, 0.0)
    await teach(sqlite_database, MINA, None, shares=half)
    async with sqlite_database.readers() as session:
        assert [found.shares for found in await trust.voices(session)] == [half]


async def test_skipped_is_no_ruling(sqlite_database: Database) -> None:
    piece = await teach(sqlite_database, MINA)
    async with sqlite_database.sessions.begin() as session:
        await rulings.rule(session, piece, "skipped", admin_id=JUN)
    async with sqlite_database.readers() as session:
        assert [found.ruling for found in await trust.voices(session)] == [None]


def test_review_leaves_out_what_was_ruled_on() -> None:
    said = [voice(1, ruling="rejected"), voice(2), voice(3, read_as="sad")]
    assert review_order(said, weigh(said)) == (2, 3)


def test_agreeing_raises_trust_and_contradicting_confident_readings_lowers_it() -> None:
    agreeing = weigh([voice(number, said="happy") for number in range(5)]).people[MINA]
    contradicting = weigh([voice(number) for number in range(2)]).people[MINA]
    assert contradicting < 0.6 < agreeing


def test_contradicting_unsure_readings_for_ever_quarantines_nobody() -> None:
    said = [voice(number, crowd=blend("happy", 0.6)) for number in range(30)]
    trusted = weigh(said)
    assert trusted.quarantined == {}
    assert trusted.people[MINA] > 0.3


def test_one_emotion_again_and_again_is_believed_where_readings_agree() -> None:
    said = [voice(number, read_as="sad") for number in range(30)]
    trusted = weigh(said)
    assert trusted.quarantined == {}
    assert set(trusted.weights.values()) == {1.0}


def test_people_who_agree_with_each_other_against_a_reading_are_believed() -> None:
    unsure = {"crowd": blend("happy", 0.6)}
    said = [
        voice(10 * person + photo, person, face=face_name(f"shared {photo}", 1), **unsure)
        for person in range(1, 5)
        for photo in range(6)
    ]
    trusted = weigh(said)
    assert min(trusted.people.values()) > 0.75
    assert trusted.quarantined == {}


def test_always_angry_against_different_confident_readings_is_a_streak() -> None:
    readings = ("happy", "neutral", "sad", "surprise", "happy")
    said = [voice(n, said="angry", read_as=read_as) for n, read_as in enumerate(readings)]
    trusted = weigh(said)
    assert set(trusted.quarantined.values()) == {"streak"}
    assert set(trusted.weights.values()) == {0.0}


def test_many_photos_in_two_minutes_are_a_burst_and_the_others_are_not() -> None:
    soon = [voice(n, said="happy", created_at=NOON + n * MINUTE / 10) for n in range(15)]
    later = voice(99, said="happy", created_at=NOON + 60 * MINUTE)
    trusted = weigh([*soon, later])
    assert trusted.quarantined == dict.fromkeys(range(15), "burst")
    assert trusted.weights[99] > 0


def test_many_faces_of_one_photo_are_no_burst() -> None:
    said = [voice(n, said="happy", face=face_name("group", n), created_at=NOON) for n in range(20)]
    assert weigh(said).quarantined == {}


def test_same_substitution_by_many_people_is_a_ring() -> None:
    def pieces(person: int, *emotions: str) -> list[Voice]:
        return [
            voice(10 * person + n, person, said=said, face=face_name(f"{person}, {n}", 1))
            for n, said in enumerate(emotions)
        ]

    said = [piece for person in range(20) for piece in pieces(person, *["happy"] * 6)]
    for person in range(20, 32):
        said += pieces(person, *["happy"] * 5, "sad")
    assert weigh(said).quarantined == {10 * person + 5: "ring" for person in range(20, 32)}


def test_ruling_decides_about_its_piece_and_moves_its_giver() -> None:
    unsure = {"crowd": blend("happy", 0.6), "said": "happy"}
    unruled = weigh([voice(1, **unsure), voice(2, **unsure)])
    accepted = weigh([voice(1, ruling="accepted", **unsure), voice(2, **unsure)])
    rejected = weigh([voice(1, ruling="rejected", **unsure), voice(2, **unsure)])
    assert accepted.weights[1] == 1.0
    assert rejected.weights[1] == 0.0
    assert rejected.people[MINA] < unruled.people[MINA] < accepted.people[MINA]
    assert 0 < rejected.weights[2] < unruled.weights[2]


def test_accepted_piece_is_no_longer_quarantined() -> None:
    said = [voice(n, said="angry", read_as=r) for n, r in enumerate(["happy", "sad"] * 3)]
    freed = [replace(said[0], ruling="accepted"), *said[1:]]
    assert weigh(said).weights[0] == 0.0
    assert weigh(freed).weights[0] == 1.0
    assert 0 not in weigh(freed).quarantined


def test_nobody_weighs_more_than_the_caps() -> None:
    policy = TrustPolicy()
    said = [
        voice(n, said="happy", created_at=NOON + n // 10 * 24 * 60 * MINUTE + n % 10 * 15 * MINUTE)
        for n in range(50)
    ]
    assert sum(weigh(said).weights.values()) == policy.person_most
    one_day = [voice(n, said="happy", created_at=NOON + n * 15 * MINUTE) for n in range(30)]
    assert sum(weigh(one_day).weights.values()) == policy.day_most


def test_accepted_pieces_come_first_under_a_cap() -> None:
    said = [voice(n, said="happy", created_at=NOON + n * 15 * MINUTE) for n in range(30)]
    said[-1] = replace(said[-1], ruling="accepted")
    assert weigh(said).weights[29] == 1.0


def test_of_the_same_photo_sent_again_the_newest_counts() -> None:
    same = {"face": face_name("again", 1), "said": "happy"}
    assert weigh([voice(1, **same), voice(2, **same)]).weights[1] == 0.0


def test_nobody_bears_themselves_out() -> None:
    same = {"face": face_name("again", 1), "crowd": blend("happy", 0.6)}
    twice = weigh([voice(1, **same), voice(2, **same)]).people[MINA]
    once = weigh([voice(1, **same)]).people[MINA]
    assert twice <= once


def test_weeks_of_honesty_do_not_pay_for_a_night_of_trolling() -> None:
    honest = [voice(n, said="happy") for n in range(100)]
    night = [voice(100 + n, said="angry") for n in range(10)]
    assert weigh(honest + night).people[MINA] < 0.1
    assert weigh([replace(v, feedback_id=200 - v.feedback_id) for v in honest]).people[MINA] > 0.9


def test_order_of_pieces_does_not_matter() -> None:
    pieces = speak(np.random.default_rng(1), FACES, {"honest": 10, "troll": 3})
    said = [piece.voice for piece in pieces]
    forwards, backwards = weigh(said), weigh(said[::-1])
    assert forwards.quarantined == backwards.quarantined
    assert forwards.weights == pytest.approx(backwards.weights)


def test_mixture_is_weighed_by_all_that_it_names() -> None:
    half = {"shares": (0.0, 0, 0, 0.5, 0.5, 0, 0)}
    mixed, against = weigh([voice(1, **half)]), weigh([voice(1)])
    assert against.people[MINA] < 0.6 < mixed.people[MINA]


def test_review_shows_the_suspicious_and_informative_first_and_one_of_everybody() -> None:
    troll = [voice(n, 1, said="angry", read_as=r) for n, r in enumerate(["happy", "sad"] * 3)]
    honest = [voice(10 + n, 2, said="happy") for n in range(6)]
    newcomer = [voice(20, 3, said="fear", crowd=blend("neutral", 0.5))]
    said = [*honest, *troll, *newcomer]
    order = review_order(said, weigh(said))
    assert sorted(order) == sorted(v.feedback_id for v in said)
    assert order[0] in range(6)
    assert order.index(20) < 3
    assert set(order[-4:]) <= set(range(10, 16))


def test_information_is_how_far_the_answer_is_from_what_was_said() -> None:
    assert information(voice(1, crowd=one_hot("happy"))) == 1
    assert information(voice(1, said="happy", crowd=one_hot("happy"))) == 0


FACES = draw_faces(np.random.default_rng(0), 4000)
DARK = draw_faces(np.random.default_rng(0), 4000, sharpness=0.75)
MISREAD = draw_misread(np.random.default_rng(0), 4000)


@pytest.mark.parametrize(
    ("faces", "people", "honest_at_least", "others_at_most"),
    [
        pytest.param(FACES, {"honest": 170}, 0.95, None, id="honest"),
        pytest.param(FACES, {"honest": 153, "careless": 17}, 0.95, 0.1, id="careless"),
        pytest.param(FACES, {"honest": 136, "troll": 34}, 0.95, 0.1, id="trolls"),
        pytest.param(FACES, {"honest": 140, "ring": 30}, 0.95, 0.02, id="ring"),
        pytest.param(FACES, {"honest": 140, "hidden ring": 30}, 0.9, 0.4, id="hidden ring"),
        pytest.param(DARK, {"honest": 170}, 0.95, None, id="dark, honest"),
        pytest.param(DARK, {"honest": 153, "careless": 17}, 0.95, 0.15, id="dark, careless"),
        pytest.param(DARK, {"honest": 136, "troll": 34}, 0.95, 0.2, id="dark, trolls"),
        pytest.param(DARK, {"honest": 140, "ring": 30}, 0.95, 0.1, id="dark, ring"),
        pytest.param(MISREAD, {"honest": 170}, 0.75, None, id="misread, honest"),
    ],
)
def test_honest_people_keep_their_weight_and_others_lose_it(
    faces: Faces, people: dict[Manner, int], honest_at_least: float, others_at_most: float | None
) -> None:
    pieces = speak(np.random.default_rng(7), faces, people)
    assert 1800 < len(pieces) < 2400
    honest, others = kept(pieces, weigh([piece.voice for piece in pieces]))
    assert honest >= honest_at_least
    assert others_at_most is None or others <= others_at_most
