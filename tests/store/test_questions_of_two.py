"""Questions of two in the database: the budget holds for replicas too, and silence is counted."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from sqlalchemy import func, select

from store import feedback, people, questions, readings
from store.engine import Database
from store.records import NewReading, PastQuestion, Question, Reading
from store.tables import QuestionRow
from tests.store.rows import BASE, JUN, MINA, MINUTE, NOON, blend, new_face, say, see

DAY = timedelta(days=1)
# Angry and sad share the lead.
TIE = (0.4, 0.0, 0.1, 0.0, 0.4, 0.0, 0.1)


@pytest.fixture
async def known(database: Database) -> Database:
    """A database in which Mina has had a reading, long ago."""
    await see(database, MINA, JUN)
    await read(database, NOON - 300 * DAY, crowds=[blend("happy")])
    return database


async def read(
    database: Database,
    now: datetime = NOON,
    *,
    crowds: Sequence[tuple[float, ...]] = (TIE,),
    person_id: int = MINA,
    chat_id: int | None = None,
) -> tuple[Reading, Question | None]:
    """Read a photo as a replica does, in one transaction; return what was asked with it."""
    new = NewReading(
        person_id=person_id,
        chat_id=person_id if chat_id is None else chat_id,
        inbox_id=None,
        file_id="file",
        file_unique_id="unique",
        photo_message_id=1,
        model_version=BASE,
        faces=tuple(replace(new_face(), crowd=crowd) for crowd in crowds),
    )
    async with database.sessions.begin() as session:
        about = await readings.add_reading(session, new, now=now)
        return about, await questions.ask_about_doubt(session, about, now=now)


async def past(database: Database, now: datetime = NOON) -> tuple[PastQuestion, ...]:
    async with database.readers() as session:
        return await questions.asked_of(session, MINA, now=now)


async def test_a_doubtful_reading_is_asked_about_and_waits(known: Database) -> None:
    about, asked = await read(known)
    assert asked is not None
    assert (asked.kind, asked.face_number, asked.between) == ("which_of_two", 1, ("angry", "sad"))
    async with known.readers() as session:
        waiting = await questions.open_question(session, MINA, MINA, now=NOON + MINUTE)
        found = await questions.question_of_two(session, about.reading_id)
    assert waiting == found == asked


async def test_a_clear_reading_is_not(known: Database) -> None:
    about, asked = await read(known, crowds=[blend("happy")])
    assert asked is None
    async with known.readers() as session:
        assert await questions.question_of_two(session, about.reading_id) is None


async def test_the_first_reading_of_somebody_is_not(known: Database) -> None:
    assert (await read(known, person_id=JUN))[1] is None
    assert (await read(known, NOON + MINUTE, person_id=JUN))[1] is not None


async def test_a_photo_without_faces_is_no_earlier_reading(known: Database) -> None:
    async with known.sessions.begin() as session:
        await readings.add_reading(
            session,
            NewReading(JUN, JUN, None, "file", "unique", 1, BASE, status="no_face"),
            now=NOON,
        )
    assert (await read(known, person_id=JUN))[1] is None


async def test_nobody_is_asked_in_a_group_or_after_saying_no(known: Database) -> None:
    assert (await read(known, chat_id=-100))[1] is None
    async with known.sessions.begin() as session:
        await people.set_consent(session, MINA, "withdrawn")
    assert (await read(known))[1] is None


async def test_another_open_question_is_not_closed_by_one_of_two(known: Database) -> None:
    about, _ = await read(known, crowds=[blend("happy")])
    async with known.sessions.begin() as session:
        waiting = await questions.ask_question(
            session,
            person_id=MINA,
            chat_id=MINA,
            reading_id=about.reading_id,
            kind="which_emotion",
            source="button",
            face_number=1,
            now=NOON,
        )
    assert (await read(known, NOON + MINUTE))[1] is None
    async with known.readers() as session:
        assert await questions.open_question(session, MINA, MINA, now=NOON + MINUTE) == waiting
    assert (await read(known, NOON + 31 * MINUTE))[1] is not None


async def test_the_next_doubt_of_the_day_is_kept_to_itself(known: Database) -> None:
    assert (await read(known))[1] is not None
    assert (await read(known, NOON + DAY - MINUTE))[1] is None
    assert (await read(known, NOON + DAY))[1] is not None


async def test_three_a_week(known: Database) -> None:
    for day in range(3):
        about, asked = await read(known, NOON + day * DAY)
        assert asked is not None
        await say(known, about, now=NOON + day * DAY + MINUTE)
    assert (await read(known, NOON + 5 * DAY))[1] is None
    assert (await read(known, NOON + 7 * DAY))[1] is not None


async def test_two_ignored_ones_silence_the_bot_for_a_month(known: Database) -> None:
    assert (await read(known))[1] is not None
    assert (await read(known, NOON + 3 * DAY))[1] is not None
    assert (await read(known, NOON + 20 * DAY))[1] is None
    assert (await read(known, NOON + 33 * DAY))[1] is not None
    # Ignored again: the last two in a row, the elder of them over a month ago.
    assert (await read(known, NOON + 60 * DAY))[1] is None


async def test_any_word_about_the_face_is_an_answer_also_one_taken_back(known: Database) -> None:
    about, _ = await read(known, crowds=[blend("happy"), TIE])
    assert await past(known) == (PastQuestion(NOON, False),)
    await say(known, about, face=1, now=NOON + MINUTE)
    assert await past(known) == (PastQuestion(NOON, False),)
    said = await say(known, about, "happy", face=2, now=NOON + MINUTE)
    assert await past(known) == (PastQuestion(NOON, True),)
    async with known.sessions.begin() as session:
        await feedback.undo_feedback(session, said.feedback.feedback_id, MINA)
    assert await past(known) == (PastQuestion(NOON, True),)


async def ask_on(database: Database, about: Reading, face: int, now: datetime) -> None:
    """Ask what a face shows, as after "neither"."""
    async with database.sessions.begin() as session:
        await questions.ask_question(
            session,
            person_id=MINA,
            chat_id=MINA,
            reading_id=about.reading_id,
            kind="which_emotion",
            source="button",
            face_number=face,
            now=now,
        )


async def test_neither_is_an_answer_also_if_nothing_is_named_then(known: Database) -> None:
    about, _ = await read(known, crowds=[blend("happy"), TIE])
    await ask_on(known, about, 1, NOON)
    assert await past(known) == (PastQuestion(NOON, False),)
    await ask_on(known, about, 2, NOON)
    assert await past(known) == (PastQuestion(NOON, True),)


async def test_a_question_closed_by_a_later_one_was_not_answered(known: Database) -> None:
    first, _ = await read(known)
    _, second = await read(known, NOON + 2 * DAY)
    async with known.readers() as session:
        closed = await questions.question_of_two(session, first.reading_id)
    assert closed is not None
    assert closed.answered_at == NOON + 2 * DAY
    assert second is not None
    assert [one.answered for one in await past(known, NOON + 3 * DAY)] == [False, False]


async def test_a_word_by_any_way_closes_what_waits_for_it(known: Database) -> None:
    about, asked = await read(known, crowds=[blend("happy"), TIE])
    async with known.sessions.begin() as session:
        await questions.close_questions_about(session, MINA, MINA, about.reading_id, 1, now=NOON)
        assert await questions.open_question(session, MINA, MINA, now=NOON) == asked
        await questions.close_questions_about(session, MINA, MINA, about.reading_id, 2, now=NOON)
        assert await questions.open_question(session, MINA, MINA, now=NOON) is None


async def test_replicas_that_read_at_once_ask_once(known: Database) -> None:
    done = await asyncio.gather(*(read(known) for _ in range(4)))
    assert sum(asked is not None for _, asked in done) == 1
    async with known.readers() as session:
        assert await session.scalar(select(func.count()).select_from(QuestionRow)) == 1


async def test_erasing_takes_the_questions_along(known: Database) -> None:
    about, _ = await read(known)
    async with known.sessions.begin() as session:
        await people.erase_person(session, MINA)
    async with known.readers() as session:
        assert await questions.question_of_two(session, about.reading_id) is None
    assert await past(known) == ()


async def test_training_is_told_which_faces_their_givers_were_asked_about(known: Database) -> None:
    about, asked = await read(known, crowds=[TIE, blend("happy")])
    assert asked is not None
    await say(known, about, "sad", face=1, now=NOON + MINUTE)
    await say(known, about, "happy", face=2, now=NOON + MINUTE)
    assert await asked_about(known, about) == {"sad": True, "happy": False}


async def test_what_was_said_before_a_question_was_put_is_no_answer_to_it(known: Database) -> None:
    about, _ = await read(known)
    await say(known, about, "sad", now=NOON - MINUTE)
    assert await asked_about(known, about) == {"sad": False}


async def asked_about(database: Database, about: Reading) -> dict[str, bool]:
    """Which of what Mina says of the reading's faces, with her consent, training sees as asked."""
    async with database.sessions.begin() as session:
        await people.set_consent(session, MINA, "given", now=NOON)
        for face in about.faces:
            await people.keep_crop(session, face.face_id, b"a face")
    async with database.readers() as session:
        found = await feedback.active_feedback_for_training(session)
    return {said.emotion: said.asked for said in found}
