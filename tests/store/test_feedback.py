"""Feedback: who may give it, that it is append-only, and that one piece stands at most."""

import asyncio

import pytest
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from store import feedback, people, readings
from store.engine import Database
from store.errors import (
    EmotionUnknown,
    FaceUnknown,
    FeedbackUnknown,
    NotYourFeedback,
    NotYourReading,
    ReadingUnknown,
)
from store.records import Feedback, MessageRef, Reading, Recorded, Undone
from store.tables import FeedbackRow, PersonRow
from tests.store.rows import BASE, JUN, MINA, MINUTE, NOON, SECOND, add_row, read, say, see


async def undo(database: Database, given: Recorded, person_id: int = MINA) -> Undone:
    """Take feedback back."""
    async with database.sessions.begin() as session:
        return await feedback.undo_feedback(
            session, given.feedback.feedback_id, person_id, now=NOON
        )


async def rows(database: Database) -> list[FeedbackRow]:
    """Return every row of feedback, oldest first, read by a session of its own."""
    async with database.readers() as session:
        return list(await session.scalars(select(FeedbackRow).order_by(FeedbackRow.id)))


async def standing(database: Database, about: Reading) -> tuple[Feedback, ...]:
    """Return what stands of what Mina said about a reading."""
    async with database.readers() as session:
        return await feedback.feedback_of_reading(session, about.reading_id, MINA)


@pytest.fixture
async def happy(database: Database) -> Reading:
    """Mina's reading: one face, read as happy."""
    await see(database, MINA, JUN)
    return await read(database, MINA)


async def test_correction_is_recorded_with_its_emotion(database: Database, happy: Reading) -> None:
    recorded = await say(database, happy, "sad", message_id=7)
    assert (recorded.previous, recorded.repeated, recorded.first) == (None, False, True)
    (row,) = await standing(database, happy)
    assert row == recorded.feedback
    assert (row.kind, row.emotion, row.face_number) == ("correction", "sad", 1)
    assert row.message == MessageRef(MINA, 7)


async def test_agreeing_is_a_confirmation_of_the_blends_top_emotion(
    database: Database, happy: Reading
) -> None:
    await say(database, happy, None)
    (row,) = await standing(database, happy)
    assert (row.kind, row.emotion) == ("confirmation", "happy")


async def test_naming_the_top_emotion_is_a_confirmation(database: Database, happy: Reading) -> None:
    await say(database, happy, "happy")
    (row,) = await standing(database, happy)
    assert row.kind == "confirmation"


async def test_second_correction_revises_the_first(database: Database, happy: Reading) -> None:
    first = await say(database, happy, "sad")
    second = await say(database, happy, "angry")
    assert second.previous == first.feedback
    assert second.feedback.supersedes_id == first.feedback.feedback_id
    assert not second.first
    assert [(row.emotion, row.active) for row in await rows(database)] == [
        ("sad", False),
        ("angry", True),
    ]


async def test_saying_the_same_again_writes_nothing(database: Database, happy: Reading) -> None:
    first = await say(database, happy, "sad", message_id=7)
    again = await say(database, happy, "sad", message_id=7)
    assert again.repeated
    assert again.feedback == first.feedback
    assert len(await rows(database)) == 1


async def test_faces_are_spoken_about_apart(database: Database) -> None:
    await see(database, MINA)
    about = await read(database, MINA, tops=("happy", "sad"))
    await say(database, about, "angry", face=2)
    await say(database, about, None, face=1)
    found = await standing(database, about)
    assert [(row.face_number, row.emotion) for row in found] == [(1, "happy"), (2, "angry")]


@pytest.mark.parametrize("number", [0, 2, -1])
async def test_correction_is_refused_when_the_face_is_unknown(
    database: Database, happy: Reading, number: int
) -> None:
    with pytest.raises(FaceUnknown) as refusal:
        await say(database, happy, "sad", face=number)
    assert refusal.value.valid == (1,)
    assert await rows(database) == []


async def test_correction_is_refused_when_the_emotion_is_unknown(
    database: Database, happy: Reading
) -> None:
    with pytest.raises(EmotionUnknown):
        await say(database, happy, "contempt")
    assert await rows(database) == []


async def test_correction_of_somebody_elses_reading_is_refused(
    database: Database, happy: Reading
) -> None:
    with pytest.raises(NotYourReading):
        await say(database, happy, "sad", person_id=JUN)
    assert await rows(database) == []


async def test_correction_of_no_reading_is_refused(database: Database) -> None:
    await see(database, MINA)
    with pytest.raises(ReadingUnknown):
        async with database.sessions.begin() as session:
            await feedback.record_feedback(
                session,
                person_id=MINA,
                reading_id="none",
                face_number=1,
                emotion="sad",
                source="button",
            )


async def test_undo_leaves_nothing_standing_and_every_row(
    database: Database, happy: Reading
) -> None:
    given = await say(database, happy, "sad")
    undone = await undo(database, given)
    assert undone.outcome == "undone"
    assert await standing(database, happy) == ()
    kinds = [(row.kind, row.emotion, row.active) for row in await rows(database)]
    assert kinds == [("correction", "sad", False), ("retraction", None, False)]


async def test_undo_of_a_revision_does_not_bring_the_first_back(
    database: Database, happy: Reading
) -> None:
    await say(database, happy, "sad")
    await undo(database, await say(database, happy, "angry"))
    assert await standing(database, happy) == ()


async def test_second_undo_says_so_and_changes_nothing(database: Database, happy: Reading) -> None:
    given = await say(database, happy, "sad")
    await undo(database, given)
    assert (await undo(database, given)).outcome == "already_undone"
    assert len(await rows(database)) == 2


async def test_undo_of_revised_feedback_leaves_the_later_one(
    database: Database, happy: Reading
) -> None:
    first = await say(database, happy, "sad")
    second = await say(database, happy, "angry")
    assert (await undo(database, first)).outcome == "superseded"
    assert await standing(database, happy) == (second.feedback,)


async def test_feedback_after_an_undo_stands(database: Database, happy: Reading) -> None:
    await undo(database, await say(database, happy, "sad"))
    again = await say(database, happy, "sad")
    assert not again.repeated
    assert not again.first
    assert await standing(database, happy) == (again.feedback,)


async def test_undo_of_somebody_elses_feedback_is_refused(
    database: Database, happy: Reading
) -> None:
    given = await say(database, happy, "sad")
    with pytest.raises(NotYourFeedback):
        await undo(database, given, person_id=JUN)
    assert await standing(database, happy) == (given.feedback,)


async def test_undo_of_erased_feedback_is_refused(database: Database, happy: Reading) -> None:
    given = await say(database, happy, "sad")
    async with database.sessions.begin() as session:
        await people.erase_person(session, MINA)
    with pytest.raises(FeedbackUnknown):
        await undo(database, given)


async def test_edited_message_finds_what_it_had_said(database: Database) -> None:
    await see(database, MINA)
    about = await read(database, MINA, tops=("happy", "sad", "fear"))
    await say(database, about, "angry", face=3, message_id=7)
    await say(database, about, "angry", face=1, message_id=7)
    revised = await say(database, about, "neutral", face=1, message_id=7)
    await say(database, about, "angry", face=2, message_id=8)
    async with database.readers() as session:
        found = await feedback.feedback_of_message(session, MINA, 7, MINA)
        nobody = await feedback.feedback_of_message(session, MINA, 7, JUN)
    assert [(row.face_number, row.emotion) for row in found] == [(1, "neutral"), (3, "angry")]
    assert found[0] == revised.feedback
    assert nobody == ()


async def test_edited_message_finds_what_was_undone(database: Database, happy: Reading) -> None:
    await undo(database, await say(database, happy, "sad", message_id=7))
    async with database.readers() as session:
        (found,) = await feedback.feedback_of_message(session, MINA, 7, MINA)
    assert (found.emotion, found.active) == ("sad", False)


async def test_feedback_given_at_once_leaves_one_standing(
    database: Database, happy: Reading
) -> None:
    said = ["sad", "angry", "fear", "disgust", "surprise", "neutral", None, "sad"]
    await asyncio.gather(*(say(database, happy, emotion) for emotion in said))
    found = await rows(database)
    assert sum(row.active for row in found) == 1
    chain = sorted(row.supersedes_id or 0 for row in found)
    assert len(set(chain)) == len(chain), "two rows supersede the same one"


async def test_feedback_undone_twice_at_once_is_retracted_once(
    database: Database, happy: Reading
) -> None:
    given = await say(database, happy, "sad")
    outcomes = await asyncio.gather(*(undo(database, given) for _ in range(4)))
    assert sorted(undone.outcome for undone in outcomes) == ["already_undone"] * 3 + ["undone"]
    assert sum(row.kind == "retraction" for row in await rows(database)) == 1


async def test_database_itself_refuses_two_active_rows(database: Database, happy: Reading) -> None:
    await say(database, happy, "sad")
    with pytest.raises(IntegrityError):
        await add_row(database, happy, MINA, "angry")


async def test_database_itself_refuses_an_eighth_emotion(
    database: Database, happy: Reading
) -> None:
    with pytest.raises(IntegrityError):
        await add_row(database, happy, MINA, "contempt")


async def keep(database: Database, face_id: int, crop: bytes = b"a face") -> None:
    """Keep a crop."""
    async with database.sessions.begin() as session:
        await people.keep_crop(session, face_id, crop, landmarks=((1.0, 2.0),) * 5)


async def consent(database: Database, person_id: int, *, given: bool = True) -> None:
    """Give or withdraw consent."""
    async with database.sessions.begin() as session:
        await people.set_consent(session, person_id, "given" if given else "withdrawn", now=NOON)


async def trainable(database: Database) -> list[tuple[int, str, str]]:
    """Return who said what in which kind, of what may be trained on."""
    async with database.readers() as session:
        faces = await feedback.active_feedback_for_training(session)
        counted = await feedback.count_feedback(session)
        ids = await feedback.trainable_ids(session)
    assert counted.trainable == len(faces)
    assert ids == tuple(face.feedback_id for face in faces)
    return [(face.person_id, face.kind, face.emotion) for face in faces]


async def test_training_gets_consented_feedback_with_a_crop(
    database: Database, happy: Reading
) -> None:
    given = await say(database, happy, "sad")
    assert await trainable(database) == []
    await consent(database, MINA)
    assert await trainable(database) == []
    await keep(database, happy.faces[0].face_id)
    async with database.readers() as session:
        (face,) = await feedback.active_feedback_for_training(session)
    assert face.feedback_id == given.feedback.feedback_id
    assert (face.person_id, face.emotion, face.model_version) == (MINA, "sad", BASE)
    assert (face.crop, face.crop_landmarks) == (b"a face", ((1.0, 2.0),) * 5)
    assert face.crowd == happy.faces[0].crowd


async def test_training_gets_confirmations_like_corrections(
    database: Database, happy: Reading
) -> None:
    await say(database, happy, None)
    await consent(database, MINA)
    await keep(database, happy.faces[0].face_id)
    assert await trainable(database) == [(MINA, "confirmation", "happy")]


async def test_training_gets_nothing_after_consent_is_withdrawn(
    database: Database, happy: Reading
) -> None:
    await say(database, happy, "sad")
    await consent(database, MINA)
    await keep(database, happy.faces[0].face_id)
    await consent(database, MINA, given=False)
    assert await trainable(database) == []


async def test_training_gets_what_stands_and_nothing_revised(
    database: Database, happy: Reading
) -> None:
    await say(database, happy, "sad")
    await say(database, happy, "angry")
    await consent(database, MINA)
    await keep(database, happy.faces[0].face_id)
    assert await trainable(database) == [(MINA, "correction", "angry")]


async def test_undo_deletes_the_crop_that_nobody_speaks_about_any_more(
    database: Database, happy: Reading
) -> None:
    given = await say(database, happy, "sad")
    await consent(database, MINA)
    await keep(database, happy.faces[0].face_id)
    await undo(database, given)
    async with database.readers() as session:
        about = await readings.reading(session, happy.reading_id)
    assert not about.faces[0].has_crop


async def test_counts_are_of_what_stands_since_then(database: Database) -> None:
    await see(database, MINA, JUN)
    mina = await read(database, MINA, tops=("happy", "sad"))
    jun = await read(database, JUN)
    await say(database, mina, "sad", face=1, now=NOON)
    await say(database, mina, None, face=2, now=NOON + MINUTE)
    await say(database, jun, "fear", person_id=JUN, now=NOON + MINUTE)
    async with database.readers() as session:
        ever = await feedback.count_feedback(session)
        lately = await feedback.count_feedback(session, since=NOON + SECOND)
    assert (ever.confirmations, ever.corrections, ever.people) == (1, 2, 2)
    assert (lately.confirmations, lately.corrections, lately.people) == (1, 1, 2)


async def test_training_needs_the_consent_of_the_giver_and_of_the_faces_owner(
    database: Database, happy: Reading
) -> None:
    """The policy lets owners alone speak; groups will let others, whose consent is their own."""
    await consent(database, MINA)
    await add_row(database, happy, JUN, "fear")
    await keep(database, happy.faces[0].face_id)
    assert await trainable(database) == []
    await consent(database, JUN)
    assert await trainable(database) == [(JUN, "correction", "fear")]
    async with database.sessions.begin() as session:  # the crop stays, so that consent decides
        mina = await session.get_one(PersonRow, MINA)
        mina.consent = "withdrawn"
    assert await trainable(database) == []


MIXTURE = (0.0, 0.0, 0.4, 0.0, 0.6, 0.0, 0.0)


async def test_a_mixture_is_kept_under_its_largest_emotion(database: Database) -> None:
    await see(database, MINA)
    about = await read(database, MINA, tops=("happy",))
    await say(database, about, None, shares=MIXTURE)
    async with database.readers() as session:
        (standing,) = await feedback.feedback_of_reading(session, about.reading_id, MINA)
    assert (standing.kind, standing.emotion, standing.shares) == ("correction", "sad", MIXTURE)


async def test_of_equal_shares_the_readings_favourite_names_the_mixture(
    database: Database,
) -> None:
    await see(database, MINA)
    about = await read(database, MINA, tops=("sad",))
    half = (0.5, 0.0, 0.0, 0.0, 0.5, 0.0, 0.0)
    recorded = await say(database, about, None, shares=half)
    assert (recorded.feedback.kind, recorded.feedback.emotion) == ("confirmation", "sad")


async def test_the_same_mixture_again_writes_nothing_and_another_revises(
    database: Database,
) -> None:
    await see(database, MINA)
    about = await read(database, MINA, tops=("happy",))
    await say(database, about, None, shares=MIXTURE)
    assert (await say(database, about, None, shares=MIXTURE)).repeated
    other = (0.0, 0.0, 0.3, 0.0, 0.7, 0.0, 0.0)
    revised = await say(database, about, None, shares=other)
    assert not revised.repeated
    assert revised.previous is not None
    assert revised.previous.shares == MIXTURE


@pytest.mark.parametrize(
    "shares", [(0.5, 0.5), (0.5, 0.0, 0.0, 0.0, 0.6, 0.0, 0.0), (1.5, -0.5, 0, 0, 0, 0, 0)]
)
async def test_what_is_no_mixture_is_refused(database: Database, shares: tuple[float, ...]) -> None:
    await see(database, MINA)
    about = await read(database, MINA)
    with pytest.raises(ValueError, match="no shares"):
        await say(database, about, None, shares=shares)
