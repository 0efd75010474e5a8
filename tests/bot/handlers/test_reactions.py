from bot.playground import Person
from store.tables import FeedbackRow, PersonRow
from tests.bot.conftest import RunningBot
from tests.bot.handlers.conftest import (
    CROWD,
    TWO_FACES,
    answered_feedback,
    quiet,
    rows,
    send_and_read,
    standing,
)


async def test_thumbs_up_confirms(bot: RunningBot, ada: Person) -> None:
    _, answer = await send_and_read(ada)
    await quiet(bot)
    await ada.react(answer, "👍")
    noted = await ada.next_message()
    assert noted.text == "Thanks, noted: happy is right."
    assert noted.reply_to == answer.id
    (row,) = await rows(bot, FeedbackRow)
    assert (row.kind, row.source) == ("confirmation", "reaction")


async def test_thumbs_up_confirms_every_face_that_was_not_spoken_about(
    bot: RunningBot, ada: Person
) -> None:
    _, answer = await send_and_read(ada, TWO_FACES)
    await answered_feedback(ada, "1 is angry")
    await ada.react(answer, "👍")
    assert "face 2" in (await ada.next_message()).text
    assert await standing(bot) == [(1, "correction", "angry"), (2, "confirmation", "sad")]


async def test_thumbs_up_to_a_crowd_asks_which_face(bot: RunningBot, ada: Person) -> None:
    _, answer = await send_and_read(ada, CROWD)
    await quiet(bot)
    await ada.react(answer, "👍")
    asked = await ada.next_message()
    assert "Which face" in asked.text
    await ada.press(asked, asked.button_texts[3])
    await ada.wait_for_change(asked)
    (row,) = await rows(bot, FeedbackRow)
    assert (row.face_id, row.kind, row.source) == (4, "confirmation", "reaction")


async def test_thumbs_down_asks_what_it_is_and_takes_the_thumbs_up_back(
    bot: RunningBot, ada: Person
) -> None:
    _, answer = await send_and_read(ada)
    await quiet(bot)
    await ada.react(answer, "👍")
    await ada.next_message()
    await ada.next_message()
    await ada.react(answer, "👎")
    asked = await ada.next_message()
    assert await standing(bot) == []
    await ada.press(asked, asked.button_texts[0])
    await ada.wait_for_change(asked)
    assert await standing(bot) == [(1, "correction", "angry")]


async def test_thumbs_down_to_several_faces_asks_for_the_face(bot: RunningBot, ada: Person) -> None:
    _, answer = await send_and_read(ada, TWO_FACES)
    await quiet(bot)
    await ada.react(answer, "👎")
    assert "Which face" in (await ada.next_message()).text
    assert await rows(bot, FeedbackRow) == []


async def test_a_thumbs_up_taken_back_takes_its_word_back(bot: RunningBot, ada: Person) -> None:
    _, answer = await send_and_read(ada)
    await quiet(bot)
    await ada.react(answer, "👍")
    await ada.next_message()
    await ada.next_message()
    await ada.react(answer, "")
    assert "no longer counts" in (await ada.next_message()).text
    assert await standing(bot) == []


async def test_a_reaction_taken_back_leaves_what_was_said_otherwise(
    bot: RunningBot, ada: Person
) -> None:
    _, answer = await send_and_read(ada)
    await quiet(bot)
    await ada.react(answer, "👍")
    await ada.next_message()
    await ada.next_message()
    await ada.send_text("it's sad")
    await ada.next_message()
    await ada.react(answer, "")
    await ada.expect_silence(0.5)
    assert await standing(bot) == [(1, "correction", "sad")]


async def test_other_reactions_and_other_messages_are_left_alone(
    bot: RunningBot, ada: Person
) -> None:
    sent, answer = await send_and_read(ada)
    await quiet(bot)
    await ada.react(answer, "🔥")
    await ada.react(sent, "👍")
    await ada.start()
    greeting = await ada.next_message()
    await ada.react(greeting, "👍")
    await ada.expect_silence(0.5)
    assert await rows(bot, FeedbackRow) == []
    assert len(await rows(bot, PersonRow)) == 1
