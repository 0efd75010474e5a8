import pytest

from bot.buttons import AskCorrection, ChooseFace, Confirm, Correct, Page, PickFace, Undo, encode
from bot.playground import Fault, Person, Playground
from store.tables import FeedbackRow
from tests.bot.conftest import RunningBot
from tests.bot.handlers.conftest import (
    CROWD,
    TWO_FACES,
    answered_feedback,
    reading_rows,
    rows,
    send_and_read,
    standing,
)


async def test_yes_confirms_and_is_acknowledged(bot: RunningBot, ada: Person) -> None:
    _, answer = await send_and_read(ada)
    answered = await ada.press_and_wait(answer, answer.button_texts[0])
    noted = await ada.next_message()
    assert noted.text == "Thanks, noted: happy is right."
    assert noted.reply_to == answer.id
    assert answered.text == ""
    (row,) = await rows(bot, FeedbackRow)
    assert (row.kind, row.emotion, row.source) == ("confirmation", "happy", "button")


async def test_no_offers_the_emotions_and_the_way_back(bot: RunningBot, ada: Person) -> None:
    _, answer = await send_and_read(ada)
    await ada.press(answer, answer.button_texts[1])
    choice = await ada.wait_for_change(answer)
    assert len(choice.button_texts) == 8
    await ada.press(choice, choice.button_texts[-1])
    assert (await ada.wait_for_change(choice)).button_texts == answer.button_texts
    assert await rows(bot, FeedbackRow) == []


async def test_an_emotion_pressed_corrects_and_the_first_buttons_return(
    bot: RunningBot, ada: Person
) -> None:
    _, answer = await send_and_read(ada)
    await ada.press(answer, answer.button_texts[1])
    choice = await ada.wait_for_change(answer)
    await ada.press(choice, next(text for text in choice.button_texts if "Sad" in text))
    assert (await ada.next_message()).text == "Thanks, noted as sad."
    assert (await ada.message(answer)).button_texts == answer.button_texts
    assert await standing(bot) == [(1, "correction", "sad")]


async def test_after_no_a_typed_emotion_counts_too(bot: RunningBot, ada: Person) -> None:
    _, answer = await send_and_read(ada, TWO_FACES)
    await ada.press(answer, answer.button_texts[1])
    face = await ada.wait_for_change(answer)
    await ada.press(face, face.button_texts[1])
    await ada.wait_for_change(face)
    await ada.send_text("surprised")
    assert "face 2" in (await ada.next_message()).text
    assert await standing(bot) == [(2, "correction", "surprise")]


async def test_a_face_of_several_is_confirmed_by_buttons(bot: RunningBot, ada: Person) -> None:
    _, answer = await send_and_read(ada, TWO_FACES)
    await ada.press(answer, answer.button_texts[1])
    face = await ada.wait_for_change(answer)
    await ada.press(face, face.button_texts[0])
    assert "for face 2" in (await ada.next_message()).text
    assert (await ada.message(answer)).button_texts == answer.button_texts
    assert await standing(bot) == [(2, "confirmation", "sad")]


async def test_from_a_face_of_several_the_way_back_is_there(bot: RunningBot, ada: Person) -> None:
    _, answer = await send_and_read(ada, TWO_FACES)
    await ada.press(answer, answer.button_texts[0])
    face = await ada.wait_for_change(answer)
    await ada.press(face, face.button_texts[-1])
    assert (await ada.wait_for_change(face)).button_texts == answer.button_texts


async def test_a_crowd_can_be_paged_there_and_back(bot: RunningBot, ada: Person) -> None:
    _, answer = await send_and_read(ada, CROWD)
    await ada.press(answer, answer.button_texts[-1])
    first = await ada.wait_for_change(answer)
    await ada.press(first, first.button_texts[-1])
    second = await ada.wait_for_change(first)
    assert "Faces 5 to 6" in second.text
    await ada.press(second, "All faces")
    summary = await ada.wait_for_change(second)
    assert summary.text == answer.text
    assert summary.button_texts == answer.button_texts


async def test_undo_takes_it_back_and_a_second_undo_says_so(bot: RunningBot, ada: Person) -> None:
    await send_and_read(ada)
    noted = await answered_feedback(ada, "it's sad")
    undo = noted.buttons[0][0]
    await ada.press(noted, "Undo")
    undone = await ada.wait_for_change(noted)
    assert "no longer counts" in undone.text
    assert undone.button_texts == ()
    assert await standing(bot) == []
    pressed = await ada.press_outdated(noted, undo.data)
    assert "undone already" in (await ada.answer(pressed)).text
    assert [row.kind for row in await rows(bot, FeedbackRow)] == ["correction", "retraction"]


async def test_undo_of_what_was_revised_leaves_the_newer_word(bot: RunningBot, ada: Person) -> None:
    await send_and_read(ada)
    noted = await answered_feedback(ada, "it's sad")
    await ada.send_text("it's angry")
    await ada.next_message()
    assert "newer word stands" in (await ada.press_and_wait(noted, "Undo")).text
    assert await standing(bot) == [(1, "correction", "angry")]


async def test_undo_under_a_deleted_message_is_answered(bot: RunningBot, ada: Person) -> None:
    await send_and_read(ada)
    noted = await answered_feedback(ada, "it's sad")
    await ada.delete(noted)
    await ada.press_outdated(noted, noted.buttons[0][0].data)
    assert "no longer counts" in (await ada.next_message()).text
    assert await standing(bot) == []


@pytest.mark.parametrize("data", ["1:old", "", "9|confirm|abc|1", "\N{GRINNING FACE}"])
async def test_a_button_of_another_program_is_out_of_date(
    bot: RunningBot, ada: Person, data: str
) -> None:
    _, answer = await send_and_read(ada)
    pressed = await ada.press_outdated(answer, data)
    assert "out of date" in (await ada.answer(pressed)).text
    assert await rows(bot, FeedbackRow) == []


@pytest.mark.parametrize(
    "button",
    [
        Confirm("AAAAAAAAAAAA", 1),
        AskCorrection("AAAAAAAAAAAA", 1),
        Correct("AAAAAAAAAAAA", 1, "sad"),
        PickFace("AAAAAAAAAAAA", 1),
        Page("AAAAAAAAAAAA", 0),
        Undo(4711),
    ],
)
async def test_a_button_about_an_erased_reading_says_so(
    bot: RunningBot, ada: Person, button: Confirm
) -> None:
    _, answer = await send_and_read(ada)
    pressed = await ada.press_outdated(answer, encode(button))
    assert "has been erased" in (await ada.answer(pressed)).text
    assert await rows(bot, FeedbackRow) == []


async def test_an_unknown_question_is_out_of_date(bot: RunningBot, ada: Person) -> None:
    _, answer = await send_and_read(ada)
    pressed = await ada.press_outdated(answer, encode(ChooseFace(4711, 1)))
    assert "out of date" in (await ada.answer(pressed)).text


async def test_somebody_elses_reading_is_refused_whatever_the_button(
    bot: RunningBot, ada: Person, minji: Person, playground: Playground
) -> None:
    await send_and_read(ada)
    noted = await answered_feedback(ada, "it's sad")
    (written,) = await reading_rows(bot)
    grace = playground.person("Grace")
    _, own = await send_and_read(grace)
    for button in (
        Confirm(written.id, 1),
        AskCorrection(written.id, 1),
        Correct(written.id, 1, "angry"),
        PickFace(written.id, 1),
        Page(written.id, 0),
    ):
        pressed = await grace.press_outdated(own, encode(button))
        assert "somebody else" in (await grace.answer(pressed)).text
    pressed = await grace.press_outdated(own, noted.buttons[0][0].data)
    assert "somebody else" in (await grace.answer(pressed)).text
    assert await standing(bot) == [(1, "correction", "sad")]


async def test_a_face_that_does_not_exist_is_refused_by_every_button(
    bot: RunningBot, ada: Person
) -> None:
    _, answer = await send_and_read(ada)
    (written,) = await reading_rows(bot)
    for button in (
        Confirm(written.id, 9),
        AskCorrection(written.id, 9),
        Correct(written.id, 9, "sad"),
        PickFace(written.id, 9),
        Page(written.id, 9),
    ):
        pressed = await ada.press_outdated(answer, encode(button))
        assert (await ada.answer(pressed)).text != ""
    assert await rows(bot, FeedbackRow) == []


async def test_a_button_under_a_deleted_reading_still_counts(bot: RunningBot, ada: Person) -> None:
    _, answer = await send_and_read(ada)
    await ada.delete(answer)
    yes, no = answer.buttons[0]
    await ada.press_outdated(answer, no.data)
    assert len((await ada.next_message()).button_texts) == 7
    await ada.press_outdated(answer, yes.data)
    assert "is right" in (await ada.next_message()).text
    assert await standing(bot) == [(1, "confirmation", "happy")]


async def test_an_answer_that_comes_too_late_does_no_harm(
    bot: RunningBot, ada: Person, playground: Playground
) -> None:
    _, answer = await send_and_read(ada)
    playground.world._query_lifetime = -1
    await ada.press(answer, answer.button_texts[0])
    assert "is right" in (await ada.next_message()).text
    assert await standing(bot) == [(1, "confirmation", "happy")]


async def test_an_undo_that_could_not_be_shown_at_once_is_shown_later(
    bot: RunningBot, ada: Person, playground: Playground
) -> None:
    await send_and_read(ada)
    noted = await answered_feedback(ada, "it's sad")
    playground.inject(Fault("server_error", "editMessageText"))
    await ada.press(noted, "Undo")
    shown = await ada.wait_for_change(noted)
    assert shown.button_texts == ()
    assert await standing(bot) == []


async def test_a_chosen_face_that_could_not_be_acknowledged_at_once_is_later(
    bot: RunningBot, ada: Person, playground: Playground
) -> None:
    await send_and_read(ada, TWO_FACES)
    await ada.send_text("it's angry")
    asked = await ada.next_message()
    playground.inject(Fault("server_error", "editMessageText"))
    await ada.press(asked, asked.button_texts[1])
    shown = await ada.wait_for_change(asked)
    assert "angry" in shown.text
    assert shown.button_texts == ("Undo",)
    assert await standing(bot) == [(2, "correction", "angry")]
