"""The bot asks which of two a doubtful face is closer to, and takes the answer as any other."""

import pytest

from bot.playground import ChatMessage, Fault, Person, Playground
from fer_model import Reading
from store.tables import QuestionRow
from tests.bot.conftest import RunBot, RunningBot
from tests.bot.fakes import HAPPY, FakeRecognizer, reading
from tests.bot.handlers.conftest import (
    quiet,
    rows,
    send_and_read,
    standing,
)

TIE = (0.1, 0.0, 0.44, 0.0, 0.0, 0.4, 0.06)
NEITHER = "✏️ Neither, it’s…"
ASKED = "is it closer to 😨 afraid or to 😮 surprised?"


def doubtful(*others: tuple[float, ...]) -> Reading:
    """A reading whose last face is between fear and surprise."""
    return reading(*others, TIE)


@pytest.fixture
async def asked(bot: RunningBot, ada: Person, recognizer: FakeRecognizer) -> ChatMessage:
    """The reading with which Ada, who had one before, is asked for the first time."""
    await send_and_read(ada)
    recognizer.answer = doubtful()
    _, answer = await send_and_read(ada)
    return answer


async def waiting(bot: RunningBot) -> list[bool]:
    """Of every question of two: whether it waits."""
    found = await rows(bot, QuestionRow)
    return [row.answered_at is None for row in found if row.kind == "which_of_two"]


async def test_a_doubtful_face_is_asked_about_in_the_reading_itself(
    bot: RunningBot, ada: Person, asked: ChatMessage
) -> None:
    assert asked.has_photo
    assert asked.text.endswith(ASKED)
    assert asked.button_texts == ("😨 Afraid", "😮 Surprised", NEITHER)
    await quiet(bot)
    await ada.expect_silence(0.2)
    (row,) = await rows(bot, QuestionRow)
    assert (row.kind, row.between, row.face_number) == ("which_of_two", ["fear", "surprise"], 1)


async def test_the_first_photo_of_somebody_asks_nothing(
    bot: RunningBot, ada: Person, recognizer: FakeRecognizer
) -> None:
    recognizer.answer = doubtful()
    _, answer = await send_and_read(ada)
    assert answer.text.endswith("Is that right?")
    assert await rows(bot, QuestionRow) == []


async def test_a_pressed_answer_is_recorded_and_asks_for_consent(
    bot: RunningBot, ada: Person, asked: ChatMessage
) -> None:
    await ada.press_and_wait(asked, "😮 Surprised")
    noted = await ada.next_message()
    assert noted.text == "Thanks, noted as surprised."
    assert "May I keep the faces" in (await ada.next_message()).text
    assert (await ada.message(asked)).button_texts == asked.button_texts
    assert [(kind, emotion) for _, kind, emotion in await standing(bot)] == [
        ("correction", "surprise")
    ]
    assert await waiting(bot) == [False]
    await ada.press(noted, "Undo")
    await ada.wait_for_change(noted)
    await quiet(bot)
    assert await standing(bot) == []


async def test_neither_shows_all_seven_and_the_way_back(
    bot: RunningBot, ada: Person, asked: ChatMessage
) -> None:
    await ada.press(asked, NEITHER)
    choice = await ada.wait_for_change(asked)
    assert len(choice.button_texts) == 8
    await ada.press(choice, choice.button_texts[-1])
    assert (await ada.wait_for_change(choice)).button_texts == asked.button_texts


async def test_of_several_faces_the_doubtful_one_is_named(
    bot: RunningBot, ada: Person, recognizer: FakeRecognizer
) -> None:
    await send_and_read(ada)
    recognizer.answer = doubtful(HAPPY)
    _, answer = await send_and_read(ada)
    assert answer.text.endswith(f"You can help me with face 2: {ASKED}")
    assert answer.button_texts == (
        "2: 😨 Afraid",
        "2: 😮 Surprised",
        "✏️ Face 2: neither, it’s…",
        "1 😊",
        "2 😨",
    )
    await ada.send_text("sad")
    assert "Which face" in (await ada.next_message()).text


async def test_a_reading_whose_answer_failed_is_answered_with_its_question(
    bot: RunningBot, playground: Playground, ada: Person, recognizer: FakeRecognizer
) -> None:
    await send_and_read(ada)
    recognizer.answer = doubtful()
    playground.inject(Fault("server_error", "sendPhoto"))
    _, answer = await send_and_read(ada)
    assert answer.text.endswith(ASKED)
    await quiet(bot)
    assert len(await rows(bot, QuestionRow)) == 1


async def test_after_forgetme_its_buttons_say_that_the_reading_is_gone(
    bot: RunningBot, ada: Person, asked: ChatMessage
) -> None:
    await ada.send_text("/forgetme")
    sure = await ada.next_message()
    await ada.press(sure, sure.button_texts[0])
    await ada.wait_for_change(sure)
    for button in asked.button_texts:
        assert "has been erased" in (await ada.press_and_wait(asked, button)).text
    assert await rows(bot, QuestionRow) == []


async def test_a_yes_after_the_answer_is_no_other_answer(
    bot: RunningBot, ada: Person, asked: ChatMessage
) -> None:
    await ada.press_and_wait(asked, "😮 Surprised")
    await ada.next_message()
    await ada.next_message()
    await ada.send_text("yes")
    await ada.next_message()
    assert [emotion for _, _, emotion in await standing(bot)] == ["surprise"]


async def test_asked_in_korean(bot: RunningBot, minji: Person, recognizer: FakeRecognizer) -> None:
    await send_and_read(minji)
    recognizer.answer = doubtful()
    _, answer = await send_and_read(minji)
    assert answer.text.endswith("😨 두려움에 더 가깝나요, 😮 놀람에 더 가깝나요?")
    await minji.send_text("둘 다 아니에요")
    assert "그럼 어떤 감정으로" in (await minji.next_message()).text


async def test_nothing_is_asked_where_the_operator_turned_it_off(
    playground: Playground, running_bot: RunBot, ada: Person, recognizer: FakeRecognizer
) -> None:
    async with running_bot(playground, recognizer, asking=False) as bot:
        await send_and_read(ada)
        recognizer.answer = doubtful()
        _, answer = await send_and_read(ada)
        assert answer.text.endswith("Is that right?")
        assert await rows(bot, QuestionRow) == []
        await ada.send_text("/help")
        assert "I ask you" not in (await ada.next_message()).text
