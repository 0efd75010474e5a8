"""The playground as the bot's tests use it: python-telegram-bot here, people there."""

from __future__ import annotations

import asyncio
import io
import logging

import pytest
from PIL import Image
from telegram.error import BadRequest, Conflict, Forbidden, InvalidToken, RetryAfter
from telegram.error import NetworkError as ConnectionTrouble
from telegram.ext import ApplicationBuilder, ExtBot

from bot.playground import (
    Fault,
    NothingArrived,
    NotServing,
    PersonMistake,
    Playground,
    PlaygroundClient,
)
from tests.bot.playground.conftest import TOKEN, RawBot, picture
from tests.bot.playground.scripted_bot import scripted_bot
from tests.bot_api.check import check_conversation, check_object


async def test_whole_exchange_with_python_telegram_bot(playground: Playground) -> None:
    ada = playground.person("Ada")
    async with scripted_bot(playground):
        await ada.start()
        hello = await ada.next_message()
        assert [entity["type"] for entity in hello.entities] == ["bold", "bot_command", "text_link"]
        photo = await ada.send_photo(picture(2000, 1000), caption="me")
        reading = await ada.next_message()
        assert reading.reply_to == photo.id
        assert reading.button_texts == ("✅ That's right", "✏️ Correct it", "What is kept?")
        with Image.open(io.BytesIO(await ada.download(reading))) as shown:
            assert shown.size == (1280, 640)
        alert = await ada.press_and_wait(reading, "What is kept?")
        assert (alert.text, alert.show_alert) == ("Only numbers, until you allow more.", True)
        toast = await ada.press_and_wait(reading, "yes")
        assert (toast.text, toast.show_alert) == ("Thanks, noted", False)
        noted = await ada.wait_for_change(reading)
        assert (noted.text, noted.buttons) == ("Noted. Thank you!", ())
        with pytest.raises(PersonMistake, match="no button"):
            await ada.press(reading, "yes")
        said = await ada.send_text("hi", reply_to=reading)
        assert (await ada.next_message()).reply_to == said.id
        await ada.edit_text(said, "hello")
        assert (await ada.next_message()).text == "You now say: hello"
        await ada.react(noted, "👎")
        assert (await ada.next_message()).text == "Your reaction: 👎"
        assert [one.action for one in await ada.actions()] == ["upload_photo"]
        assert await ada.commands() == [("start", "Begin"), ("help", "What I can do")]
    assert playground.refusals == ()
    check_conversation(playground.requests)
    assert playground.pending_updates == 0


async def test_everything_a_person_can_send_is_a_right_update(
    playground: Playground, bot: RawBot
) -> None:
    ada = playground.person("Ada")
    await ada.send_sticker()
    await ada.send_animation(caption="look")
    await ada.send_video()
    await ada.send_voice()
    await ada.send_video_note()
    await ada.send_location(37.5, 127.0)
    await ada.send_contact("15550100", "Grace")
    await ada.send_document(b"%PDF", "paper.pdf")
    await ada.send_album([picture(), picture(100, 100), picture(50, 50)], caption="three")
    updates = await bot.updates()
    for update in updates:
        check_object("Update", update)
    messages = [update["message"] for update in updates]
    assert "document" in messages[1]  # an animation is also named as a document
    assert messages[7]["document"]["mime_type"] == "application/pdf"
    album = messages[8:]
    assert len({one["media_group_id"] for one in album}) == 1
    assert [one.get("caption") for one in album] == ["three", None, None]


async def test_people_have_chats_of_their_own(playground: Playground) -> None:
    joan = playground.add_person("Joan", language_code="fr")
    assert (joan.id, joan.language_code) == (1004, "fr")
    async with scripted_bot(playground):
        await asyncio.gather(*(playground.person(n).start() for n in ("Ada", "Grace", "Joan")))
        for name in ("Ada", "Grace", "Joan"):
            assert (await playground.person(name).next_message()).text.startswith("Hi!")
            assert len(await playground.person(name).messages()) == 2
    with pytest.raises(PersonMistake, match="no 'Nobody'"):
        playground.person("Nobody")
    with pytest.raises(PersonMistake):
        playground.add_person("Twin", joan.id)


async def test_people_cannot_do_what_a_chat_app_forbids(playground: Playground) -> None:
    ada, grace = playground.person("Ada"), playground.person("Grace")
    mine = await ada.send_text("hi")
    for mistake in (
        ada.send_text("   "),
        ada.send_text("x" * 4097),
        ada.send_photo(b"no picture"),
        ada.send_photo(picture(), caption="x" * 1025),
        ada.send_album([picture()]),
        ada.send_text("x", reply_to=999),
        ada.react(mine, "🧦"),
        grace.edit(mine, "not mine"),
        grace.delete(mine),
        ada.press(mine, "nothing"),
    ):
        with pytest.raises(PersonMistake):
            await mistake
    await ada.block()
    with pytest.raises(PersonMistake, match="unblock"):
        await ada.send_text("hi")


async def test_waits_end_when_nothing_arrives(playground: Playground) -> None:
    ada = playground.person("Ada")
    await ada.send_text("hi")
    with pytest.raises(NothingArrived):
        await ada.next_message(timeout=0.1)
    with pytest.raises(NothingArrived):
        await ada.wait_for(lambda _: True, timeout=0.1)
    with pytest.raises(NothingArrived):
        await ada.answer("5", timeout=0.1)
    await ada.expect_silence(0.1)


async def test_silence_is_broken_by_a_message(playground: Playground, bot: RawBot) -> None:
    ada = playground.person("Ada")
    await ada.start()
    await bot.do("sendMessage", chat_id=ada.id, text="boo")
    with pytest.raises(PersonMistake, match="boo"):
        await ada.expect_silence(0.1)


async def test_requests_are_logged_with_their_files(playground: Playground, bot: RawBot) -> None:
    await playground.person("Ada").start()
    content = picture()
    await bot.upload("sendPhoto", {"photo": ("face.png", content)}, chat_id=1001, caption="x")
    (request,) = playground.requests_to("sendPhoto")
    assert request.params == {"chat_id": "1001", "caption": "x"}
    assert request.files["photo"].content == content
    assert (request.status, request.ok) == (200, True)
    assert request.response["result"]["caption"] == "x"


# What python-telegram-bot makes of refusals and faults


@pytest.fixture
async def ext_bot(playground: Playground) -> ExtBot[None]:
    application = (
        ApplicationBuilder()
        .token(TOKEN)
        .base_url(playground.base_url)
        .base_file_url(playground.base_file_url)
        .build()
    )
    await playground.person("Ada").start()
    await application.bot.initialize()
    return application.bot


async def test_refusals_become_the_librarys_errors(
    playground: Playground, ext_bot: ExtBot[None]
) -> None:
    with pytest.raises(BadRequest, match="Chat not found"):
        await ext_bot.send_message(5, "hi")
    with pytest.raises(BadRequest, match="Can't parse entities"):
        await ext_bot.send_message(1001, "<b>", parse_mode="HTML")
    await playground.person("Ada").block()
    with pytest.raises(Forbidden, match="bot was blocked by the user"):
        await ext_bot.send_message(1001, "hi")
    with pytest.raises(InvalidToken):
        async with ExtBot("1:wrong", base_url=playground.base_url):
            pass
    await ext_bot.shutdown()


async def test_second_instance_meets_a_conflict(
    playground: Playground, ext_bot: ExtBot[None]
) -> None:
    first = asyncio.create_task(ext_bot.get_updates(offset=-1 + 10**9, timeout=20))
    await asyncio.sleep(0.2)
    other = ExtBot(TOKEN, base_url=playground.base_url)
    await other.initialize()
    await other.get_updates(timeout=0)
    with pytest.raises(Conflict, match="make sure that only one bot instance is running"):
        await first
    await other.shutdown()
    await ext_bot.shutdown()


async def test_flood_has_no_effect_and_says_how_long_to_wait(
    playground: Playground, ext_bot: ExtBot[None]
) -> None:
    playground.inject(Fault("flood", "sendMessage", times=2, retry_after=7))
    for _ in range(2):
        with pytest.raises(RetryAfter, match="7"):
            await ext_bot.send_message(1001, "hi")
    await ext_bot.send_message(1001, "at last")
    assert [one.text for one in await playground.person("Ada").messages()] == ["/start", "at last"]
    assert [one.status for one in playground.requests_to("sendMessage")] == [429, 429, 200]
    await ext_bot.shutdown()


@pytest.mark.parametrize(
    ("fault", "arrives"),
    [
        (Fault("server_error", "sendMessage", status=502), False),
        (Fault("server_error", status=500), False),
        (Fault("drop_before", "sendMessage"), False),
        (Fault("drop_after", "sendMessage"), True),
    ],
)
async def test_trouble_is_a_network_error_whether_or_not_the_message_arrived(
    fault: Fault, arrives: bool, playground: Playground, ext_bot: ExtBot[None]
) -> None:
    playground.inject(fault)
    with pytest.raises(ConnectionTrouble):
        await ext_bot.send_message(1001, "hi")
    texts = [one.text for one in await playground.person("Ada").messages()]
    assert texts == (["/start", "hi"] if arrives else ["/start"])
    await ext_bot.send_message(1001, "again")
    await ext_bot.shutdown()


async def test_slow_answer_is_slow_and_right(playground: Playground, ext_bot: ExtBot[None]) -> None:
    playground.inject(Fault("slow", "sendMessage", seconds=0.3))
    began = asyncio.get_running_loop().time()
    await ext_bot.send_message(1001, "hi")
    assert asyncio.get_running_loop().time() - began >= 0.3
    await ext_bot.shutdown()


async def test_download_can_fail_and_faults_can_be_taken_back(
    playground: Playground, ext_bot: ExtBot[None]
) -> None:
    sent = await playground.person("Ada").send_photo(picture())
    file = await ext_bot.get_file(str(sent.file_id))
    playground.inject(Fault("server_error", "download"))
    with pytest.raises(ConnectionTrouble):
        await file.download_as_bytearray()
    playground.inject(Fault("server_error", "*", times=5))
    playground.clear_faults()
    content = await file.download_as_bytearray()
    assert bytes(content).startswith(b"\xff\xd8")
    await ext_bot.shutdown()


async def test_bot_survives_a_flood_of_trouble_while_polling(
    playground: Playground, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL)
    ada = playground.person("Ada")
    async with scripted_bot(playground):
        playground.inject(Fault("drop_after", "getUpdates"))
        playground.inject(Fault("server_error", "getUpdates"))
        await ada.start()
        assert (await ada.next_message(timeout=20)).text.startswith("Hi!")
        await ada.expect_silence(0.2)


async def test_repeated_updates_reach_the_bot_twice(playground: Playground) -> None:
    ada = playground.person("Ada")
    async with scripted_bot(playground):
        playground.repeat_updates("double")
        await ada.send_text("one")
        texts = [(await ada.next_message()).text for _ in range(2)]
        assert texts == ["You said: one", "You said: one"]
        playground.repeat_updates("redeliver")
        await ada.send_text("two")
        texts = [(await ada.next_message()).text for _ in range(2)]
        assert texts == ["You said: two", "You said: two"]


# From another process


async def test_client_does_the_same_over_http(playground: Playground) -> None:
    async with PlaygroundClient(playground.url) as client, scripted_bot(playground):
        await client.wait_until_polled()
        grace = await client.person("Grace")
        await grace.start()
        assert (await grace.next_message()).text.startswith("Hi!")
        joan = await client.add_person("Joan", 2000, language_code="ko")
        assert joan.language_code == "ko"
        await client.inject(Fault("flood", "sendMessage", retry_after=1))
        await client.clear_faults()
        await client.repeat_updates("double")
        await joan.send_text("hi")
        texts = [(await joan.next_message()).text for _ in range(2)]
        assert texts == ["You said: hi"] * 2
        requests = await client.requests()
        assert [one["status"] for one in requests if one["method"] == "sendMessage"] == [200] * 3
        with pytest.raises(PersonMistake, match="no 'Nobody'"):
            await client.person("Nobody")


async def test_playground_must_be_open(playground: Playground) -> None:
    closed = Playground()
    with pytest.raises(NotServing):
        _ = closed.base_url
    with pytest.raises(NotServing):
        closed.person("Ada")
    taken = Playground(port=int(playground.url.rsplit(":", 1)[1]))
    with pytest.raises(OSError, match="address already in use"):
        await taken.__aenter__()
