import asyncio
from pathlib import Path

from bot.playground import ChatMessage, Fault, Person, Playground
from fer_model import face_of_kept
from store.tables import OWNER_COLUMN, Base, FaceRow, FeedbackRow, PersonRow, ReadingRow
from tests.bot.conftest import RunningBot
from tests.bot.handlers.conftest import (
    TWO_FACES,
    answered_feedback,
    quiet,
    rows,
    send_and_read,
    standing,
)


async def asked_for_consent(person: Person) -> ChatMessage:
    """The question for consent, after a first correction of the latest photo."""
    await person.send_text("it's sad")
    await person.next_message()
    return await person.next_message()


async def consent_of(bot: RunningBot) -> list[str]:
    await quiet(bot)
    return [row.consent for row in await rows(bot, PersonRow)]


async def crops(bot: RunningBot) -> list[bytes | None]:
    await quiet(bot)
    return [row.crop for row in await rows(bot, FaceRow)]


def is_on_disk(bot: RunningBot, crop: bytes) -> bool:
    """Whether a part of the crop that fits between two borders of pages is in the database."""
    name = bot.database.url.database
    assert name is not None
    files = [Path(name), Path(f"{name}-wal")]
    content = b"".join(file.read_bytes() for file in files if file.exists())
    return any(crop[at : at + 64] in content for at in range(0, len(crop) - 64, 64))


async def test_consent_is_asked_once_after_the_first_feedback(bot: RunningBot, ada: Person) -> None:
    await send_and_read(ada)
    asked = await asked_for_consent(ada)
    assert "May I keep the faces" in asked.text
    assert len(asked.button_texts) == 2
    assert await consent_of(bot) == ["asked"]
    await ada.send_text("no, angry")
    await ada.next_message()
    await ada.expect_silence(0.5)


async def test_before_consent_no_crop_is_kept(
    bot: RunningBot, playground: Playground, ada: Person
) -> None:
    await send_and_read(ada)
    await asked_for_consent(ada)
    assert await crops(bot) == [None]
    assert len(playground.requests_to("download")) == 1


async def test_with_consent_the_faces_spoken_about_are_fetched_and_kept(
    bot: RunningBot, playground: Playground, ada: Person
) -> None:
    await send_and_read(ada)
    await send_and_read(ada, TWO_FACES)
    await ada.send_text("2 is angry")
    await ada.next_message()
    asked = await ada.next_message()
    await ada.press(asked, asked.button_texts[0])
    thanks = await ada.wait_for_change(asked)
    assert "1 face is kept" in thanks.text
    assert thanks.button_texts == ()
    assert await consent_of(bot) == ["given"]
    first, second, third = await crops(bot)
    assert (first, second) == (None, None)
    assert third is not None
    # What was cut out is of the green photo.
    face = face_of_kept(third)
    red, green, blue = face[len(face) // 2, len(face) // 2]
    assert green > 150 > max(red, blue)


async def test_after_consent_a_face_is_kept_with_its_feedback(bot: RunningBot, ada: Person) -> None:
    await send_and_read(ada)
    asked = await asked_for_consent(ada)
    await ada.press(asked, asked.button_texts[0])
    await ada.wait_for_change(asked)
    _, answer = await send_and_read(ada)
    assert (await crops(bot))[1] is None
    await ada.press(answer, answer.button_texts[0])
    await ada.next_message()
    assert None not in await crops(bot)


async def test_undo_deletes_the_crop(bot: RunningBot, ada: Person) -> None:
    await send_and_read(ada)
    await ada.send_text("it's sad")
    noted = await ada.next_message()
    asked = await ada.next_message()
    await ada.press(asked, asked.button_texts[0])
    await ada.wait_for_change(asked)
    (crop,) = await crops(bot)
    assert crop is not None
    assert is_on_disk(bot, crop)
    await ada.press(noted, "Undo")
    await ada.wait_for_change(noted)
    assert await crops(bot) == [None]
    assert not is_on_disk(bot, crop)


async def test_without_consent_nothing_is_kept_and_nothing_asked_again(
    bot: RunningBot, ada: Person
) -> None:
    await send_and_read(ada)
    asked = await asked_for_consent(ada)
    await ada.press(asked, asked.button_texts[1])
    assert "no face of yours is kept" in (await ada.wait_for_change(asked)).text
    await ada.send_text("it's angry")
    await ada.next_message()
    await ada.expect_silence(0.5)
    assert await consent_of(bot) == ["withdrawn"]
    assert await crops(bot) == [None]


async def test_withdrawing_deletes_the_crops_and_leaves_the_feedback(
    bot: RunningBot, ada: Person
) -> None:
    await send_and_read(ada)
    asked = await asked_for_consent(ada)
    await ada.press(asked, asked.button_texts[0])
    await ada.wait_for_change(asked)
    (crop,) = await crops(bot)
    assert crop is not None
    assert await asyncio.to_thread(is_on_disk, bot, crop)
    await ada.send_text("/consent")
    status = await ada.next_message()
    await ada.press(status, "Withdraw and delete")
    assert "is deleted" in (await ada.wait_for_change(status)).text
    assert await crops(bot) == [None]
    assert await consent_of(bot) == ["withdrawn"]
    assert await standing(bot) == [(1, "correction", "sad")]
    assert not await asyncio.to_thread(is_on_disk, bot, crop)


async def test_consent_can_be_given_by_command(bot: RunningBot, ada: Person) -> None:
    await ada.send_text("/consent")
    status = await ada.next_message()
    assert "have not agreed" in status.text
    await ada.press(status, status.button_texts[0])
    assert "From now on" in (await ada.wait_for_change(status)).text
    await ada.send_text("/consent")
    assert "You have agreed" in (await ada.next_message()).text
    _, answer = await send_and_read(ada)
    await ada.press(answer, answer.button_texts[0])
    await ada.next_message()
    await ada.expect_silence(0.3)
    assert None not in await crops(bot)


async def test_a_photo_that_telegram_no_longer_has_is_passed_over(
    bot: RunningBot, playground: Playground, ada: Person
) -> None:
    await send_and_read(ada)
    await ada.send_text("it's sad")
    await ada.next_message()
    asked = await ada.next_message()
    (written,) = await rows(bot, ReadingRow)
    del playground.world.files._by_id[written.file_id]
    await ada.press(asked, asked.button_texts[0])
    assert "From now on" in (await ada.wait_for_change(asked)).text
    assert await crops(bot) == [None]
    assert await consent_of(bot) == ["given"]


async def test_a_download_that_fails_at_first_is_tried_again_on_consent(
    bot: RunningBot, playground: Playground, ada: Person
) -> None:
    await send_and_read(ada)
    asked = await asked_for_consent(ada)
    playground.inject(Fault("server_error", "getFile"))
    await ada.press(asked, asked.button_texts[0])
    assert "1 face is kept" in (await ada.wait_for_change(asked)).text
    assert None not in await crops(bot)


async def test_a_face_whose_download_fails_after_feedback_is_kept_by_the_next_consent(
    bot: RunningBot, playground: Playground, ada: Person
) -> None:
    await ada.send_text("/consent")
    status = await ada.next_message()
    await ada.press(status, status.button_texts[0])
    await ada.wait_for_change(status)
    _, answer = await send_and_read(ada)
    playground.inject(Fault("server_error", "getFile"))
    await ada.press(answer, answer.button_texts[0])
    assert "is right" in (await ada.next_message()).text
    await ada.expect_silence(0.5)
    assert await crops(bot) == [None]
    assert await standing(bot) == [(1, "confirmation", "happy")]
    await ada.press_outdated(status, status.buttons[0][0].data)
    assert "1 face is kept" in (await ada.wait_for(lambda one: "1 face" in one.text)).text
    assert None not in await crops(bot)


async def test_forgetting_asks_first_and_no_keeps_everything(bot: RunningBot, ada: Person) -> None:
    await send_and_read(ada)
    await ada.send_text("/forgetme")
    asked = await ada.next_message()
    assert "cannot be taken back" in asked.text
    assert len(await rows(bot, ReadingRow)) == 1
    await ada.press(asked, "No, keep it")
    assert (await ada.wait_for_change(asked)).text == "Nothing was erased."
    assert len(await rows(bot, ReadingRow)) == 1


async def test_forgetting_leaves_no_row_of_the_person_and_every_row_of_others(
    bot: RunningBot, ada: Person, minji: Person
) -> None:
    await send_and_read(minji)
    await minji.send_text("슬퍼 보여")
    await minji.next_message()
    await send_and_read(ada, TWO_FACES)
    await ada.send_text("2 is angry")
    await ada.next_message()
    consent = await ada.next_message()
    await ada.press(consent, consent.button_texts[0])
    await ada.wait_for_change(consent)
    await ada.send_text("it's sad")
    await ada.next_message()
    await quiet(bot)
    await ada.send_text("/forgetme")
    asked = await ada.next_message()
    await ada.press(asked, asked.button_texts[0])
    done = await ada.wait_for_change(asked)
    assert "Everything about you is erased" in done.text
    assert "(1 reading, 1 piece of feedback)" in done.text
    await quiet(bot)
    async with bot.database.readers() as session:
        owned = [table for table in Base.metadata.sorted_tables if OWNER_COLUMN in table.c]
        assert len(owned) >= 6
        for table in owned:
            left = await session.execute(table.select().where(table.c[OWNER_COLUMN] == ada.id))
            assert left.all() == [], table.name
    assert [row.person_id for row in await rows(bot, PersonRow)] == [minji.id]
    assert [row.person_id for row in await rows(bot, ReadingRow)] == [minji.id]
    assert [row.person_id for row in await rows(bot, FeedbackRow)] == [minji.id]


async def test_after_forgetting_everything_starts_anew(bot: RunningBot, ada: Person) -> None:
    _, answer = await send_and_read(ada)
    await answered_feedback(ada, "it's sad")
    await ada.send_text("/forgetme")
    asked = await ada.next_message()
    await ada.press(asked, asked.button_texts[0])
    await ada.wait_for_change(asked)
    await ada.send_text("it's sad", reply_to=answer)
    assert "has been erased" in (await ada.next_message()).text
    assert "has been erased" in (await ada.press_and_wait(answer, answer.button_texts[0])).text
    assert await rows(bot, FeedbackRow) == []
    await send_and_read(ada)
    assert "May I keep" in (await asked_for_consent(ada)).text


async def test_forgetting_twice_says_that_nothing_is_left(bot: RunningBot, ada: Person) -> None:
    await ada.send_text("/forgetme")
    asked = await ada.next_message()
    await ada.press(asked, asked.button_texts[0])
    await ada.wait_for_change(asked)
    await quiet(bot)
    await ada.press_outdated(asked, asked.buttons[0][0].data)
    assert (await ada.wait_for_change(await ada.message(asked))).edits == 2


async def test_consent_is_asked_once_although_feedback_comes_in_a_hurry(
    bot: RunningBot, ada: Person
) -> None:
    await send_and_read(ada)
    for emotion in ("sad", "angry", "afraid"):
        await ada.send_text(f"it's {emotion}")
    await ada.wait_for(lambda one: "now noted as afraid" in one.text)
    await quiet(bot)
    texts = [one.text for one in await ada.messages() if one.from_bot]
    assert sum("May I keep" in text for text in texts) == 1
    assert await standing(bot) == [(1, "correction", "fear")]


async def test_who_is_forgotten_is_told_although_telegram_was_away(
    bot: RunningBot, playground: Playground, ada: Person
) -> None:
    await send_and_read(ada)
    await ada.send_text("/forgetme")
    asked = await ada.next_message()
    playground.inject(Fault("server_error", "editMessageText"))
    await ada.press(asked, asked.button_texts[0])
    assert "is erased" in (await ada.wait_for_change(asked)).text
    assert await rows(bot, PersonRow) == []
