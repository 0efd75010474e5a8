"""`store.trust`."""

import pytest

from store import feedback, people, rulings, trust
from store.engine import Database
from store.trust import Voice, face_name, one_hot, review_order, weigh
from tests.store.rows import JUN, MINA, MINUTE, NOON, blend, read, see


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
    unsure = voice(1, crowd=blend("happy", 0.4))
    trusted = weigh([unsure])
    assert trusted.people == {MINA: pytest.approx(0.6)}
    assert trusted.weights == {1: pytest.approx(0.8)}
    assert trusted.quarantined == {}


async def test_voices_are_what_may_be_learnt_from(sqlite_database: Database) -> None:
    await see(sqlite_database, MINA, JUN)
    pieces = []
    for person_id in (MINA, JUN):
        about = await read(sqlite_database, person_id)
        async with sqlite_database.sessions.begin() as session:
            if person_id == MINA:
                await people.set_consent(session, MINA, "given")
            said = await feedback.record_feedback(
                session,
                person_id=person_id,
                reading_id=about.reading_id,
                face_number=1,
                emotion="sad",
                source="text",
                now=NOON,
            )
            if person_id == MINA:
                await people.keep_crop(session, said.face.face_id, b"crop")
            pieces.append(said.feedback.feedback_id)
    async with sqlite_database.sessions.begin() as session:
        await rulings.rule(session, pieces[0], "rejected", admin_id=JUN)
        await rulings.rule(session, pieces[0], "accepted", admin_id=JUN)
    async with sqlite_database.readers() as session:
        found = await trust.voices(session)
    crowd = about.faces[0].crowd
    face = face_name(about.file_unique_id, 1)
    assert found == (
        Voice(pieces[0], MINA, face, "correction", one_hot("sad"), crowd, "accepted", NOON),
    )


async def test_skipped_is_no_ruling(sqlite_database: Database) -> None:
    await see(sqlite_database, MINA)
    about = await read(sqlite_database, MINA)
    async with sqlite_database.sessions.begin() as session:
        await people.set_consent(session, MINA, "given")
        said = await feedback.record_feedback(
            session,
            person_id=MINA,
            reading_id=about.reading_id,
            face_number=1,
            emotion="sad",
            source="text",
        )
        await people.keep_crop(session, said.face.face_id, b"crop")
        await rulings.rule(session, said.feedback.feedback_id, "skipped", admin_id=JUN)
    async with sqlite_database.readers() as session:
        assert [found.ruling for found in await trust.voices(session)] == [None]


def test_review_leaves_out_what_was_ruled_on() -> None:
    said = [voice(1, ruling="rejected"), voice(2), voice(3, read_as="sad")]
    assert review_order(said, weigh(said)) == (2, 3)
