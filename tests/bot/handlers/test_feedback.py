from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import update

from bot.playground import Fault, Person, Playground
from store.tables import FeedbackRow, QuestionRow, ReadingRow
from tests.bot.conftest import RunningBot
from tests.bot.handlers.conftest import (
    NO_FACE,
    TWO_FACES,
    answered_feedback,
    quiet,
    rows,
    send_and_read,
    standing,
)


async def test_a_correction_by_reply_to_the_answer_is_recorded_and_acknowledged(
    bot: RunningBot, ada: Person
) -> None:
    _, answer = await send_and_read(ada)
    said = await ada.send_text("wrong, it's sad", reply_to=answer)
    noted = await ada.next_message()
    assert noted.text == "Thanks, noted as sad."
    assert noted.button_texts == ("Undo",)
    assert noted.reply_to == said.id
    (row,) = await rows(bot, FeedbackRow)
    assert (row.kind, row.emotion, row.source, row.active) == ("correction", "sad", "text", True)
    assert (row.person_id, row.chat_id, row.message_id) == (ada.id, ada.id, said.id)


async def test_a_correction_by_reply_to_ones_own_photo_is_recorded(
    bot: RunningBot, ada: Person
) -> None:
    first, _ = await send_and_read(ada)
    await send_and_read(ada)
    await ada.send_text("no, she looks angry", reply_to=first)
    assert "angry" in (await ada.next_message()).text
    assert await standing(bot) == [(1, "correction", "angry")]


async def test_the_next_message_is_about_the_latest_photo(bot: RunningBot, ada: Person) -> None:
    await send_and_read(ada)
    await send_and_read(ada)
    await ada.send_text("yes")
    assert "is right" in (await ada.next_message()).text
    assert await standing(bot) == [(2, "confirmation", "happy")]


async def test_korean_feedback_is_understood_and_acknowledged_in_korean(
    bot: RunningBot, minji: Person
) -> None:
    await send_and_read(minji)
    await minji.send_text("아니, 슬퍼 보여")
    assert "슬" in (await minji.next_message()).text
    assert await standing(bot) == [(1, "correction", "sad")]


async def test_a_face_is_meant_by_its_number(bot: RunningBot, ada: Person) -> None:
    await send_and_read(ada, TWO_FACES)
    await ada.send_text("2 is surprised")
    assert (await ada.next_message()).text == "Thanks, noted as surprised for face 2."
    assert await standing(bot) == [(2, "correction", "surprise")]


async def test_several_faces_are_corrected_at_once_each_with_its_undo(
    bot: RunningBot, ada: Person
) -> None:
    await send_and_read(ada, TWO_FACES)
    noted = await answered_feedback(ada, "1 is sad, 2 is angry")
    assert len(noted.text.splitlines()) == 2
    assert noted.button_texts == ("Undo face 1", "Undo face 2")
    await ada.press(noted, "Undo face 1")
    assert "face 1" in (await ada.next_message()).text
    assert (await ada.message(noted)).button_texts == ("Undo face 2",)
    assert await standing(bot) == [(2, "correction", "angry")]


async def test_without_a_number_the_bot_asks_which_face_and_a_button_answers(
    bot: RunningBot, ada: Person
) -> None:
    await send_and_read(ada, TWO_FACES)
    said = await ada.send_text("wrong, it's afraid")
    asked = await ada.next_message()
    assert "Which face" in asked.text
    assert len(asked.button_texts) == 2
    assert await standing(bot) == []
    assert len(await rows(bot, QuestionRow)) == 1
    await ada.press(asked, asked.button_texts[1])
    noted = await ada.wait_for_change(asked)
    assert noted.text == "Thanks, noted as afraid for face 2."
    (row,) = await rows(bot, FeedbackRow)
    assert (row.emotion, row.source, row.message_id) == ("fear", "text", said.id)


async def test_which_face_can_be_answered_by_a_number(bot: RunningBot, ada: Person) -> None:
    await send_and_read(ada, TWO_FACES)
    await ada.send_text("yes")
    assert "Which face" in (await ada.next_message()).text
    await ada.send_text("2")
    assert "face 2" in (await ada.next_message()).text
    assert await standing(bot) == [(2, "confirmation", "sad")]


async def test_a_question_is_answered_once(bot: RunningBot, ada: Person) -> None:
    await send_and_read(ada, TWO_FACES)
    await ada.send_text("it's sad")
    asked = await ada.next_message()
    await ada.press(asked, asked.button_texts[0])
    await ada.wait_for_change(asked)
    pressed = await ada.press_outdated(asked, asked.buttons[0][1].data)
    assert "out of date" in (await ada.answer(pressed)).text
    assert await standing(bot) == [(1, "correction", "sad")]


async def test_a_number_that_is_no_face_answers_the_question_with_the_choice(
    bot: RunningBot, ada: Person
) -> None:
    await send_and_read(ada, TWO_FACES)
    await ada.send_text("it's sad")
    await ada.next_message()
    await ada.send_text("5")
    again = await ada.next_message()
    assert "There is no face 5" in again.text
    await ada.press(again, again.button_texts[0])
    await ada.wait_for_change(again)
    assert await standing(bot) == [(1, "correction", "sad")]


async def test_a_no_is_asked_for_the_emotion_and_a_word_answers(
    bot: RunningBot, ada: Person
) -> None:
    await send_and_read(ada)
    await ada.send_text("wrong")
    asked = await ada.next_message()
    assert len(asked.button_texts) == 7
    assert await standing(bot) == []
    await ada.send_text("angry")
    await ada.next_message()
    assert await standing(bot) == [(1, "correction", "angry")]


async def test_a_no_about_several_faces_asks_for_the_face_then_the_emotion(
    bot: RunningBot, ada: Person
) -> None:
    await send_and_read(ada, TWO_FACES)
    await ada.send_text("wrong")
    which = await ada.next_message()
    await ada.press(which, which.button_texts[0])
    what = await ada.wait_for_change(which)
    assert len(what.button_texts) == 7
    await ada.send_text("disgusted")
    assert "face 1" in (await ada.next_message()).text
    assert await standing(bot) == [(1, "correction", "disgust")]


async def test_a_denied_emotion_is_not_offered(bot: RunningBot, ada: Person) -> None:
    await send_and_read(ada)
    await ada.send_text("not happy")
    asked = await ada.next_message()
    assert len(asked.button_texts) == 6
    assert not any("Happy" in text for text in asked.button_texts)


async def test_a_no_takes_an_earlier_yes_back(bot: RunningBot, ada: Person) -> None:
    _, answer = await send_and_read(ada)
    await answered_feedback(ada, "yes")
    await ada.send_text("wrong", reply_to=answer)
    await ada.next_message()
    assert await standing(bot) == []


async def test_a_second_word_revises_the_first(bot: RunningBot, ada: Person) -> None:
    _, answer = await send_and_read(ada)
    await answered_feedback(ada, "it's sad")
    await ada.send_text("no, it's angry", reply_to=answer)
    revised = await ada.next_message()
    assert revised.text == "Changed: now noted as angry instead of sad."
    assert await standing(bot) == [(1, "correction", "angry")]
    assert [row.active for row in await rows(bot, FeedbackRow)] == [False, True]


async def test_the_same_word_again_is_recorded_once(bot: RunningBot, ada: Person) -> None:
    await send_and_read(ada)
    await answered_feedback(ada, "it's sad")
    await ada.send_text("it's sad")
    assert "already" in (await ada.next_message()).text
    assert len(await rows(bot, FeedbackRow)) == 1


async def test_an_edited_message_revises_what_it_said(bot: RunningBot, ada: Person) -> None:
    await send_and_read(ada)
    said = await ada.send_text("wrong, it's sad")
    await ada.next_message()
    await ada.next_message()
    await ada.edit(said, "wrong, it's angry")
    assert (await ada.next_message()).text == "Changed: now noted as angry instead of sad."
    latest = (await rows(bot, FeedbackRow))[-1]
    assert (latest.emotion, latest.source, latest.message_id) == ("angry", "edit", said.id)
    assert await standing(bot) == [(1, "correction", "angry")]


async def test_an_edit_to_another_face_takes_the_first_word_back(
    bot: RunningBot, ada: Person
) -> None:
    await send_and_read(ada, TWO_FACES)
    said = await ada.send_text("1 is surprised")
    await ada.next_message()
    await ada.next_message()
    await ada.edit(said, "2 is surprised")
    assert "face 2" in (await ada.next_message()).text
    assert "face 1" in (await ada.next_message()).text
    assert await standing(bot) == [(2, "correction", "surprise")]


async def test_an_edit_into_nonsense_is_explained_and_what_was_noted_stands(
    bot: RunningBot, ada: Person
) -> None:
    await send_and_read(ada)
    said = await ada.send_text("it's sad")
    await ada.next_message()
    await ada.next_message()
    await ada.edit(said, "my cat ran away")
    kept = await ada.next_message()
    assert "stands: sad" in kept.text
    assert await standing(bot) == [(1, "correction", "sad")]
    await ada.press(kept, "Undo")
    await ada.wait_for_change(kept)
    assert await standing(bot) == []


async def test_a_misspelt_message_counts_once_it_is_mended(bot: RunningBot, ada: Person) -> None:
    await send_and_read(ada)
    said = await ada.send_text("qwrtz plmk")
    await ada.next_message()
    await ada.edit(said, "it's sad")
    assert "sad" in (await ada.next_message()).text
    assert await standing(bot) == [(1, "correction", "sad")]


async def test_an_edit_of_a_message_before_the_photo_is_not_about_it(
    bot: RunningBot, ada: Person
) -> None:
    said = await ada.send_text("hello there")
    await ada.next_message()
    await send_and_read(ada)
    await ada.edit(said, "it's sad")
    await ada.expect_silence(0.5)
    assert await standing(bot) == []


async def test_an_edit_that_answers_the_question_itself_is_recorded(
    bot: RunningBot, ada: Person
) -> None:
    await send_and_read(ada, TWO_FACES)
    said = await ada.send_text("it's angry")
    asked = await ada.next_message()
    await ada.edit(said, "2 is angry")
    await ada.next_message()
    assert await standing(bot) == [(2, "correction", "angry")]
    pressed = await ada.press(asked, asked.button_texts[0])
    assert "out of date" in (await ada.answer(pressed)).text
    assert await standing(bot) == [(2, "correction", "angry")]


async def test_a_face_that_does_not_exist_is_refused_with_the_valid_choices(
    bot: RunningBot, ada: Person
) -> None:
    await send_and_read(ada, TWO_FACES)
    await ada.send_text("7 is sad")
    refused = await ada.next_message()
    assert "There is no face 7. The faces are numbered 1 to 2" in refused.text
    assert await rows(bot, FeedbackRow) == []
    await ada.press(refused, refused.button_texts[1])
    await ada.wait_for_change(refused)
    assert await standing(bot) == [(2, "confirmation", "sad")]


async def test_nothing_is_recorded_where_one_of_several_faces_does_not_exist(
    bot: RunningBot, ada: Person
) -> None:
    await send_and_read(ada, TWO_FACES)
    await ada.send_text("1 is sad, 7 is angry")
    assert "There is no face 7" in (await ada.next_message()).text
    assert await rows(bot, FeedbackRow) == []


async def test_an_unknown_emotion_is_refused_with_the_seven(bot: RunningBot, ada: Person) -> None:
    await send_and_read(ada)
    await ada.send_text("wrong, she is bored")
    refused = await ada.next_message()
    assert "isn’t one of them" in refused.text
    assert len(refused.button_texts) == 7
    assert await rows(bot, FeedbackRow) == []
    await ada.press(refused, refused.button_texts[-1])
    await ada.wait_for_change(refused)
    assert await standing(bot) == [(1, "correction", "neutral")]


async def test_what_is_not_clear_is_asked(bot: RunningBot, ada: Person) -> None:
    await send_and_read(ada)
    await ada.send_text("sad or angry")
    asked = await ada.next_message()
    assert [text.split()[-1] for text in asked.button_texts[:2]] == ["Sad", "Angry"]
    assert await rows(bot, FeedbackRow) == []


async def test_feedback_before_any_photo_says_so(bot: RunningBot, ada: Person) -> None:
    await ada.send_text("wrong, it's sad")
    assert "nothing to talk about" in (await ada.next_message()).text
    assert await rows(bot, FeedbackRow) == []


async def test_feedback_on_a_photo_without_a_face_says_so(bot: RunningBot, ada: Person) -> None:
    _, answer = await send_and_read(ada, NO_FACE)
    await ada.send_text("it's sad", reply_to=answer)
    assert "can’t find a face" in (await ada.next_message()).text
    assert await rows(bot, FeedbackRow) == []


async def test_a_reply_to_a_message_that_is_no_reading_says_so(
    bot: RunningBot, ada: Person
) -> None:
    await ada.start()
    greeting = await ada.next_message()
    await send_and_read(ada)
    await ada.send_text("it's sad", reply_to=greeting)
    assert "isn’t one of my readings" in (await ada.next_message()).text
    assert await rows(bot, FeedbackRow) == []


async def test_a_reply_to_the_acknowledgement_is_about_its_reading(
    bot: RunningBot, ada: Person
) -> None:
    await send_and_read(ada)
    noted = await answered_feedback(ada, "it's sad")
    await send_and_read(ada)
    await ada.send_text("no, it's angry", reply_to=noted)
    await ada.next_message()
    assert await standing(bot) == [(1, "correction", "angry")]


async def test_a_reply_is_understood_although_the_answers_id_was_lost(
    bot: RunningBot, ada: Person
) -> None:
    _, answer = await send_and_read(ada)
    await quiet(bot)
    async with bot.database.sessions.begin() as session:
        await session.execute(update(ReadingRow).values(reply_message_id=None))
    await ada.send_text("it's sad", reply_to=answer)
    await ada.next_message()
    assert await standing(bot) == [(1, "correction", "sad")]


async def test_a_reply_to_a_deleted_answer_is_recorded(bot: RunningBot, ada: Person) -> None:
    _, answer = await send_and_read(ada)
    said = await ada.send_text("it's sad", reply_to=answer)
    await ada.delete(answer)
    await ada.delete(said)
    noted = await ada.next_message()
    assert "sad" in noted.text
    assert await standing(bot) == [(1, "correction", "sad")]


async def test_yesterdays_photo_is_not_meant_by_the_next_message(
    bot: RunningBot, ada: Person
) -> None:
    _, answer = await send_and_read(ada)
    await quiet(bot)
    long_ago = datetime.now(UTC) - timedelta(days=2)
    async with bot.database.sessions.begin() as session:
        await session.execute(update(ReadingRow).values(created_at=long_ago))
    await ada.send_text("it's sad")
    assert "nothing to talk about" in (await ada.next_message()).text
    await ada.send_text("it's sad", reply_to=answer)
    assert "noted" in (await ada.next_message()).text


async def test_words_that_are_no_feedback_get_a_hint(bot: RunningBot, ada: Person) -> None:
    await ada.send_text("hello, how is it going")
    assert "Send me a photo" in (await ada.next_message()).text
    await send_and_read(ada)
    await ada.send_text("hello, how is it going")
    assert "not sure what you mean" in (await ada.next_message()).text
    assert await rows(bot, FeedbackRow) == []


async def test_a_yes_after_the_question_for_consent_confirms_no_face(
    bot: RunningBot, ada: Person
) -> None:
    await send_and_read(ada)
    await answered_feedback(ada, "it's sad")
    await ada.send_text("yes")
    again = await ada.next_message()
    assert len(again.button_texts) == 2
    assert await standing(bot) == [(1, "correction", "sad")]
    await send_and_read(ada)
    await ada.send_text("yes")
    await ada.next_message()
    assert await standing(bot) == [(1, "correction", "sad"), (2, "confirmation", "happy")]


async def test_feedback_that_could_not_be_acknowledged_at_once_is_recorded_once(
    bot: RunningBot, playground: Playground, ada: Person
) -> None:
    await send_and_read(ada)
    playground.inject(Fault("server_error", "sendMessage"))
    await ada.send_text("it's sad")
    assert "sad" in (await ada.next_message()).text
    assert len(await rows(bot, FeedbackRow)) == 1


@pytest.mark.parametrize("text", ["/start", "/nonsense"])
async def test_an_edit_into_a_command_is_no_command(
    bot: RunningBot, ada: Person, text: str
) -> None:
    said = await ada.send_text("hello")
    await ada.next_message()
    await ada.edit(said, text)
    await ada.expect_silence(0.5)
