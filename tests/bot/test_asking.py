"""What is typed while the bot waits to hear which of two a face is closer to."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import update

from bot import conversation
from bot.conversation import Heard, RepliedTo, Speaker
from bot.texts import Catalogue, Texts
from store import feedback, people, questions, readings, versions
from store.engine import Database
from store.records import NewFace, NewReading, Reading
from store.tables import QuestionRow
from tests.bot.fakes import HAPPY, LANDMARKS, VERSION

ADA = 1001
TIE = (0.1, 0.0, 0.44, 0.0, 0.0, 0.4, 0.06)
HOUR = timedelta(hours=1)


@pytest.fixture(scope="module")
def texts() -> Texts:
    return Catalogue.load().texts("en")


@pytest.fixture
async def database(sqlite_database: Database) -> Database:
    """A database in which Ada has had a reading."""
    async with sqlite_database.sessions.begin() as session:
        await versions.register_base(session, VERSION, "shipped", figures={})
        await people.see_person(session, ADA)
    await read(sqlite_database, HAPPY)
    return sqlite_database


async def read(database: Database, *crowds: tuple[float, ...]) -> Reading:
    """Read a photo of Ada's, asking what it is worth; the bot's answer is message 9."""
    faces = tuple(NewFace((0, 0, 9, 9), LANDMARKS, crowd, crowd) for crowd in crowds)
    new = NewReading(ADA, ADA, None, "file", "unique", 1, VERSION, faces)
    async with database.sessions.begin() as session:
        about = await readings.add_reading(session, new)
        await questions.ask_about_doubt(session, about)
        await readings.set_reply_message(session, about.reading_id, 9)
    return about


async def say(
    database: Database, texts: Texts, text: str, replied_to: RepliedTo | None = None
) -> Heard:
    """Let Ada say something."""
    async with database.sessions.begin() as session:
        ada = Speaker(ADA, ADA, "text", 2)
        return await conversation.listen(session, texts, ada, text, replied_to)


async def said(database: Database, about: Reading) -> list[tuple[int, str, str | None]]:
    """What stands of Ada's words about a reading: face number, kind and emotion."""
    async with database.readers() as session:
        found = await feedback.feedback_of_reading(session, about.reading_id, ADA)
    return [(one.face_number, one.kind, one.emotion) for one in found]


async def is_waiting(database: Database, about: Reading) -> bool:
    """Whether the question of two that was put with a reading waits still."""
    async with database.readers() as session:
        asked = await questions.question_of_two(session, about.reading_id)
    assert asked is not None
    return asked.answered_at is None


async def let_an_hour_pass(database: Database) -> None:
    """Put what was asked an hour back."""
    async with database.sessions.begin() as session:
        await session.execute(update(QuestionRow).values(created_at=datetime.now(UTC) - HOUR))


@pytest.mark.parametrize(
    ("text", "kind", "emotion"),
    [
        ("fear", "confirmation", "fear"),
        ("the first one", "confirmation", "fear"),
        ("the second", "correction", "surprise"),
        ("closer to surprise", "correction", "surprise"),
        ("sad", "correction", "sad"),
    ],
)
async def test_an_answer_is_recorded_and_closes_the_question(
    database: Database, texts: Texts, text: str, kind: str, emotion: str
) -> None:
    about = await read(database, TIE)
    assert await is_waiting(database, about)
    await say(database, texts, text)
    assert await said(database, about) == [(1, kind, emotion)]
    assert not await is_waiting(database, about)


async def test_both_is_recorded_as_half_and_half(database: Database, texts: Texts) -> None:
    await read(database, TIE)
    heard = await say(database, texts, "a bit of both")
    assert heard.recorded[0].feedback.shares == (0.0, 0.0, 0.5, 0.0, 0.0, 0.5, 0.0)


async def test_neither_records_nothing_and_asks_what_it_is(
    database: Database, texts: Texts
) -> None:
    about = await read(database, TIE)
    heard = await say(database, texts, "neither")
    assert "What do you see instead?" in heard.replies[0].text
    assert await said(database, about) == []
    await say(database, texts, "disgusted")
    assert await said(database, about) == [(1, "correction", "disgust")]


async def test_yes_answers_nothing_and_is_asked_about(database: Database, texts: Texts) -> None:
    about = await read(database, TIE)
    heard = await say(database, texts, "yes")
    assert "what do you see in it?" in heard.replies[0].text
    assert await said(database, about) == []


async def test_talk_neither_answers_nor_closes_the_question(
    database: Database, texts: Texts
) -> None:
    about = await read(database, TIE)
    await say(database, texts, "haha what")
    assert await said(database, about) == []
    assert await is_waiting(database, about)


async def test_after_half_an_hour_a_reply_still_answers(database: Database, texts: Texts) -> None:
    about = await read(database, TIE)
    await let_an_hour_pass(database)
    await say(database, texts, "the second", RepliedTo(9))
    assert await said(database, about) == [(1, "correction", "surprise")]


async def test_after_half_an_hour_both_alone_is_no_answer(database: Database, texts: Texts) -> None:
    about = await read(database, TIE)
    await let_an_hour_pass(database)
    await say(database, texts, "both")
    assert await said(database, about) == []


async def test_once_answered_a_yes_in_reply_agrees_with_the_reading(
    database: Database, texts: Texts
) -> None:
    about = await read(database, TIE)
    await say(database, texts, "surprise")
    await say(database, texts, "yes", RepliedTo(9))
    assert await said(database, about) == [(1, "confirmation", "fear")]


async def test_of_several_faces_one_of_the_two_is_about_the_one_asked_about(
    database: Database, texts: Texts
) -> None:
    about = await read(database, HAPPY, TIE)
    await say(database, texts, "surprised")
    assert await said(database, about) == [(2, "correction", "surprise")]


@pytest.mark.parametrize("text", ["sad", "angry"])
async def test_of_several_faces_another_emotion_may_be_about_any(
    database: Database, texts: Texts, text: str
) -> None:
    about = await read(database, HAPPY, TIE)
    heard = await say(database, texts, text)
    assert "Which face" in heard.replies[0].text
    assert await said(database, about) == []


async def test_of_several_faces_a_number_is_a_face(database: Database, texts: Texts) -> None:
    about = await read(database, HAPPY, TIE)
    await say(database, texts, "1 is sad")
    assert await said(database, about) == [(1, "correction", "sad")]
    assert await is_waiting(database, about)


async def test_a_later_photo_is_what_is_spoken_about(database: Database, texts: Texts) -> None:
    about = await read(database, TIE)
    later = await read(database, HAPPY)
    await say(database, texts, "sad")
    assert await said(database, about) == []
    assert await said(database, later) == [(1, "correction", "sad")]


async def test_neither_with_what_it_is_instead_is_recorded(
    database: Database, texts: Texts
) -> None:
    about = await read(database, TIE)
    await say(database, texts, "neither, it's sad")
    assert await said(database, about) == [(1, "correction", "sad")]


async def test_neither_of_several_faces_does_not_correct_them_all(
    database: Database, texts: Texts
) -> None:
    about = await read(database, HAPPY, TIE)
    await say(database, texts, "둘 다 아니야, 슬퍼")
    assert await said(database, about) == []


async def test_who_cannot_tell_is_thanked_and_not_asked_again(
    database: Database, texts: Texts
) -> None:
    about = await read(database, TIE)
    heard = await say(database, texts, "I don't know")
    assert heard.replies[0].text == "That’s all right, thank you for looking."
    assert not await is_waiting(database, about)
    assert await said(database, about) == []


@pytest.mark.parametrize("first", ["the first", "both", "surprise"])
async def test_an_answer_may_be_edited_into_the_other(
    database: Database, texts: Texts, first: str
) -> None:
    about = await read(database, TIE)
    await say(database, texts, first)
    async with database.sessions.begin() as session:
        edit = Speaker(ADA, ADA, "edit", 2)
        await conversation.listen_again(session, texts, edit, "the second")
    assert await said(database, about) == [(1, "correction", "surprise")]


@pytest.mark.parametrize("text", ["the second", "both"])
async def test_an_answer_heard_again_is_acknowledged_again(
    database: Database, texts: Texts, text: str
) -> None:
    about = await read(database, TIE)
    await say(database, texts, text)
    before = await said(database, about)
    heard = await say(database, texts, text)
    assert "already" in heard.replies[0].text
    assert await said(database, about) == before


async def test_thumbs_up_to_a_question_of_two_is_no_answer(
    database: Database, texts: Texts
) -> None:
    about = await read(database, HAPPY, TIE)
    ada = Speaker(ADA, ADA, "reaction")
    async with database.sessions.begin() as session:
        heard = await conversation.hear_thumbs_up(session, texts, ada, about)
    assert "talking about face 2" in heard.replies[0].text
    assert await said(database, about) == []
    await say(database, texts, "2 is sad")
    async with database.sessions.begin() as session:
        await conversation.hear_thumbs_up(session, texts, ada, about)
    assert await said(database, about) == [(1, "confirmation", "happy"), (2, "correction", "sad")]
