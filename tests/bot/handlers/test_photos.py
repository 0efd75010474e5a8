import asyncio
import zlib

import pytest
from sqlalchemy import update
from telegram import Document

from bot.handlers import downloads
from bot.playground import Fault, Person, Playground
from fer_model import Reading
from store.tables import FaceRow, PersonRow, ReadingRow
from tests.bot.conftest import RunningBot
from tests.bot.fakes import VERSION, FakeRecognizer, face
from tests.bot.handlers.conftest import (
    CROWD,
    NO_FACE,
    SMALL_FACE,
    TWO_FACES,
    all_rows,
    photo,
    quiet,
    rows,
    send_and_read,
)


async def test_a_photo_is_answered_with_a_picture_words_and_buttons(
    bot: RunningBot, ada: Person
) -> None:
    sent, answer = await send_and_read(ada)
    assert answer.has_photo
    assert answer.reply_to == sent.id
    assert "Of ten people, about 6 would say happy, 3 neutral, 1 surprised." in answer.text
    assert len(answer.button_texts) == 2
    assert (await ada.actions())[0].action == "typing"


async def test_a_reading_is_written_with_its_faces_person_version_and_both_messages(
    bot: RunningBot, ada: Person
) -> None:
    sent, answer = await send_and_read(ada, TWO_FACES)
    await quiet(bot)
    (written,) = await rows(bot, ReadingRow)
    assert (written.person_id, written.chat_id, written.status) == (ada.id, ada.id, "read")
    assert (written.photo_message_id, written.reply_message_id) == (sent.id, answer.id)
    assert (written.model_version, written.width, written.height) == (VERSION, 240, 120)
    assert written.inbox_id is not None
    assert written.latency_ms is not None
    assert written.latency_ms > 0
    faces = await rows(bot, FaceRow)
    assert [(face.reading_id, face.number) for face in faces] == [(written.id, 1), (written.id, 2)]
    assert faces[0].crowd[3] == 0.6
    assert [face.crop for face in faces] == [None, None]


async def test_members_that_differ_are_told_of_and_written_down(
    bot: RunningBot, ada: Person, recognizer: FakeRecognizer
) -> None:
    recognizer.answer = Reading((face(1, differing=("neutral", "happy")),), (), 240, 120, VERSION)
    _, answer = await send_and_read(ada)
    assert "one of my two readers would say happy, the other neutral" in answer.text
    await quiet(bot)
    assert [face.differing for face in await rows(bot, FaceRow)] == [["neutral", "happy"]]


@pytest.mark.parametrize(
    ("name", "mime_type"),
    [("me.png", "image/png"), ("IMG_1.HEIC", ""), ("me.jpg", ""), ("scan", "image/heic")],
)
async def test_a_photo_sent_as_a_file_is_read(
    bot: RunningBot, ada: Person, name: str, mime_type: str
) -> None:
    sent = await ada.send_document(photo(), name, mime_type, caption="the original")
    answer = await ada.next_message()
    assert answer.has_photo
    assert answer.reply_to == sent.id


async def test_every_photo_of_an_album_is_answered(bot: RunningBot, ada: Person) -> None:
    sent = await ada.send_album([photo(), photo(TWO_FACES)], caption="us")
    answers = [await ada.next_message(), await ada.next_message()]
    assert [answer.reply_to for answer in answers] == [one.id for one in sent]
    assert len(await rows(bot, ReadingRow)) == 2


@pytest.mark.parametrize(
    ("colour", "words", "status"),
    [(NO_FACE, "can’t find a face", "no_face"), (SMALL_FACE, "too small", "face_too_small")],
)
async def test_a_photo_without_a_readable_face_says_so(
    bot: RunningBot, ada: Person, colour: tuple[int, int, int], words: str, status: str
) -> None:
    sent, answer = await send_and_read(ada, colour)
    assert words in answer.text
    assert answer.reply_to == sent.id
    await quiet(bot)
    (written,) = await rows(bot, ReadingRow)
    assert (written.status, written.reply_message_id) == (status, answer.id)


@pytest.mark.parametrize(
    ("content", "name", "words"),
    [
        (b"these are words", "words.jpg", "isn’t in a photo format"),
        (photo(file_format="JPEG")[:400], "half.jpg", "cut off"),
        (photo()[:60] + bytes(60) + photo()[120:], "damaged.png", "damaged"),
    ],
)
async def test_a_file_that_is_no_photo_gets_the_reason_and_the_bot_goes_on(
    bot: RunningBot, ada: Person, content: bytes, name: str, words: str
) -> None:
    await ada.send_document(content, name, "image/jpeg")
    assert words in (await ada.next_message()).text
    (written,) = await rows(bot, ReadingRow)
    assert written.status == "unreadable"
    _, answer = await send_and_read(ada)
    assert answer.has_photo


async def test_an_empty_file_gets_the_reason(bot: RunningBot, ada: Person) -> None:
    await ada.send_document(b"", "nothing.jpg", "image/jpeg")
    assert "empty" in (await ada.next_message()).text


async def test_a_decompression_bomb_is_refused_undecoded(bot: RunningBot, ada: Person) -> None:
    # A PNG whose header announces 100 megapixels.
    header = (10_000).to_bytes(4, "big") * 2
    chunk = b"IHDR" + header + bytes([8, 2, 0, 0, 0])
    bomb = photo()[:8] + (13).to_bytes(4, "big") + chunk + zlib.crc32(chunk).to_bytes(4, "big")
    await ada.send_document(bomb + photo()[33:], "bomb.png", "image/png")
    assert "100 megapixels" in (await ada.next_message()).text


async def test_a_file_over_20_mb_is_not_downloaded(
    bot: RunningBot, playground: Playground, ada: Person
) -> None:
    await ada.send_document(bytes(downloads.MOST_BYTES + 1), "huge.png", "image/png")
    answer = await ada.next_message(timeout=30)
    assert "20 MB" in answer.text
    assert not playground.requests_to("getFile")
    assert not playground.requests_to("download")
    await quiet(bot)
    assert [one.status for one in await rows(bot, ReadingRow)] == ["too_large"]


async def test_a_file_of_unknown_size_over_20_mb_says_so(
    bot: RunningBot, ada: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(downloads, "MOST_BYTES", 2**40)
    await ada.send_document(bytes(20 * 1024 * 1024 + 1), "huge.png", "image/png")
    assert "20 MB" in (await ada.next_message(timeout=30)).text


async def test_the_same_update_twice_gets_one_reply_and_one_row(
    bot: RunningBot, playground: Playground, ada: Person, recognizer: FakeRecognizer
) -> None:
    playground.repeat_updates("double")
    playground.repeat_updates("redeliver")
    await send_and_read(ada)
    await ada.expect_silence(1)
    assert len(await rows(bot, ReadingRow)) == 1
    assert len(recognizer.photos) == 1


async def test_a_reading_whose_answer_failed_is_answered_without_reading_again(
    bot: RunningBot, playground: Playground, ada: Person, recognizer: FakeRecognizer
) -> None:
    playground.inject(Fault("server_error", "sendPhoto"))
    _, answer = await send_and_read(ada)
    assert answer.has_photo
    await quiet(bot)
    assert len(recognizer.photos) == 1
    (written,) = await rows(bot, ReadingRow)
    assert written.reply_message_id == answer.id


async def test_an_unreadable_photo_whose_answer_failed_still_gets_its_reason(
    bot: RunningBot, playground: Playground, ada: Person
) -> None:
    playground.inject(Fault("server_error", "sendMessage"))
    await ada.send_document(b"these are words", "words.jpg", "image/jpeg")
    assert "isn’t in a photo format" in (await ada.next_message()).text
    assert len(await rows(bot, ReadingRow)) == 1


async def test_a_picture_that_telegram_refuses_is_answered_in_words(
    bot: RunningBot, playground: Playground, ada: Person
) -> None:
    playground.inject(Fault("server_error", "sendPhoto", status=400))
    _, answer = await send_and_read(ada)
    assert "Of ten people" in answer.text
    assert len(answer.button_texts) == 2


async def test_a_photo_deleted_before_it_was_answered_is_answered_all_the_same(
    bot: RunningBot, ada: Person, recognizer: FakeRecognizer
) -> None:
    recognizer.seconds = 0.4
    sent = await ada.send_photo(photo())
    await asyncio.sleep(0.1)
    await ada.delete(sent)
    answer = await ada.next_message()
    assert answer.has_photo
    assert answer.reply_to is None


async def test_an_edited_caption_is_no_new_photo(
    bot: RunningBot, ada: Person, recognizer: FakeRecognizer
) -> None:
    sent, _ = await send_and_read(ada)
    await ada.edit_caption(sent, "me, yesterday")
    await ada.expect_silence(0.7)
    assert len(recognizer.photos) == 1
    assert len(await rows(bot, ReadingRow)) == 1


async def test_a_photo_exchanged_by_an_edit_is_read(
    bot: RunningBot, ada: Person, recognizer: FakeRecognizer
) -> None:
    sent, _ = await send_and_read(ada)
    # As if another photo had been in the message when it was read.
    async with bot.database.sessions.begin() as session:
        await session.execute(update(ReadingRow).values(file_unique_id="another"))
    await ada.edit_caption(sent, "a better one")
    assert (await ada.next_message()).reply_to == sent.id
    assert len(recognizer.photos) == 2


async def test_a_crowd_is_summed_up_and_paged(bot: RunningBot, ada: Person) -> None:
    _, answer = await send_and_read(ada, CROWD)
    assert "6 faces" in answer.text
    assert len(answer.text) <= 1024
    forward = answer.buttons[-1][-1]
    await ada.press(answer, forward.text)
    page = await ada.wait_for_change(answer)
    assert "Faces 1 to 4 of 6" in page.text
    assert await ada.download(page) != await ada.download(answer)


async def test_two_people_at_once_are_each_told_of_their_own_photo(
    bot: RunningBot, ada: Person, minji: Person, recognizer: FakeRecognizer
) -> None:
    recognizer.seconds = 0.2
    first, second = await asyncio.gather(send_and_read(ada), send_and_read(minji, TWO_FACES))
    assert first[1].reply_to == first[0].id
    assert second[1].reply_to == second[0].id
    assert "Of ten people" in first[1].text
    assert "얼굴" in second[1].text
    await quiet(bot)
    owners = {one.person_id: one.reply_message_id for one in await rows(bot, ReadingRow)}
    assert owners == {ada.id: first[1].id, minji.id: second[1].id}


async def test_a_person_who_blocked_the_bot_meanwhile_is_let_go(
    bot: RunningBot, ada: Person, recognizer: FakeRecognizer
) -> None:
    recognizer.seconds = 0.4
    await ada.send_photo(photo())
    await asyncio.sleep(0.15)
    await ada.block()
    await quiet(bot)
    assert not await all_rows(bot, "parked")
    await ada.unblock()
    await ada.expect_silence(0.5)
    _, answer = await send_and_read(ada)
    assert answer.has_photo


async def test_the_language_follows_the_persons_app(bot: RunningBot, ada: Person) -> None:
    await send_and_read(ada)
    await ada.speak("ko")
    _, answer = await send_and_read(ada)
    assert "열 명" in answer.text
    assert [one.language for one in await rows(bot, PersonRow)] == ["ko"]


@pytest.mark.parametrize(
    ("mime_type", "file_name", "expected"),
    [
        ("image/jpeg", None, True),
        ("image/heic", "x", True),
        (None, "x.HEIC", True),
        ("application/octet-stream", "x.png", True),
        ("application/pdf", "x.png", False),
        (None, "x.txt", False),
        (None, None, False),
    ],
)
def test_a_file_is_an_image_by_its_type_or_else_by_its_name(
    mime_type: str | None, file_name: str | None, expected: bool
) -> None:
    document = Document("id", "unique", file_name=file_name, mime_type=mime_type)
    assert downloads.is_image(document) is expected
