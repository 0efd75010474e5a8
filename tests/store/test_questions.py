"""Questions: one is open per person and chat, for half an hour, and is answered once."""

import asyncio
from datetime import timedelta

import pytest

from store import questions
from store.engine import Database
from store.errors import QuestionUnknown
from store.records import MessageRef, Question, Reading
from tests.store.rows import JUN, MINA, MINUTE, NOON, read, see


@pytest.fixture
async def two_faces(database: Database) -> Reading:
    """Mina's reading with two faces."""
    await see(database, MINA, JUN)
    return await read(database, MINA, tops=("happy", "sad"))


async def ask(database: Database, about: Reading, emotion: str | None = "sad") -> Question:
    """Ask Mina which face she means."""
    async with database.sessions.begin() as session:
        return await questions.ask_question(
            session,
            person_id=MINA,
            chat_id=MINA,
            reading_id=about.reading_id,
            kind="which_face",
            source="text",
            emotion=emotion,
            message_id=7,
            now=NOON,
        )


async def open_question(
    database: Database, person_id: int = MINA, after: timedelta = MINUTE
) -> Question | None:
    """Return the question that waits, read by a session of its own."""
    async with database.readers() as session:
        return await questions.open_question(session, MINA, person_id, now=NOON + after)


async def answer(database: Database, asked: Question, person_id: int = MINA) -> bool:
    """Close a question."""
    async with database.sessions.begin() as session:
        return await questions.answer_question(session, asked.question_id, person_id, now=NOON)


async def test_question_waits_with_what_was_said(database: Database, two_faces: Reading) -> None:
    asked = await ask(database, two_faces)
    found = await open_question(database)
    assert found == asked
    assert (asked.emotion, asked.message) == ("sad", MessageRef(MINA, 7))


async def test_question_about_agreeing_has_no_emotion(
    database: Database, two_faces: Reading
) -> None:
    assert (await ask(database, two_faces, emotion=None)).emotion is None


async def test_question_is_not_put_to_others(database: Database, two_faces: Reading) -> None:
    asked = await ask(database, two_faces)
    assert await open_question(database, JUN) is None
    with pytest.raises(QuestionUnknown):
        await answer(database, asked, JUN)
    assert await open_question(database) == asked


async def test_question_is_forgotten_after_half_an_hour(
    database: Database, two_faces: Reading
) -> None:
    await ask(database, two_faces)
    assert await open_question(database, after=timedelta(minutes=30)) is not None
    assert await open_question(database, after=timedelta(minutes=31)) is None


async def test_answered_question_waits_no_more(database: Database, two_faces: Reading) -> None:
    asked = await ask(database, two_faces)
    assert await answer(database, asked)
    assert await open_question(database) is None


async def test_button_pressed_many_times_at_once_answers_once(
    database: Database, two_faces: Reading
) -> None:
    asked = await ask(database, two_faces)
    answers = await asyncio.gather(*(answer(database, asked) for _ in range(5)))
    assert sorted(answers) == [False] * 4 + [True]


async def test_new_question_closes_the_one_before(database: Database, two_faces: Reading) -> None:
    first = await ask(database, two_faces, "sad")
    second = await ask(database, two_faces, "angry")
    assert await open_question(database) == second
    async with database.sessions.begin() as session:
        closed = await questions.question(session, first.question_id, MINA)
    assert closed.answered_at == NOON


async def test_unknown_question_is_named(database: Database) -> None:
    async with database.sessions.begin() as session:
        with pytest.raises(QuestionUnknown):
            await questions.question(session, 999, MINA)
