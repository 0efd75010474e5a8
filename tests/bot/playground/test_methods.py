"""Every method over raw HTTP: what it does, and what it refuses in Telegram's words."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path
from typing import Any

import httpx
import pytest

from bot.playground import Playground, methods
from bot.playground.method_names import METHOD_NAMES
from bot.playground.methods import METHODS
from tests.bot.playground.conftest import TOKEN, RawBot, picture
from tests.bot_api.check import table

ADA = 1001


@pytest.fixture
async def ada(playground: Playground, bot: RawBot) -> Any:
    person = playground.person("Ada")
    await person.start()
    await bot.updates()
    await bot.updates()
    return person


def keyboard(*data: str) -> dict[str, Any]:
    return {"inline_keyboard": [[{"text": one.title(), "callback_data": one}] for one in data]}


def test_method_names_are_those_of_the_table() -> None:
    assert set(table()["methods"]) == METHOD_NAMES


def test_every_parameter_that_is_taken_is_in_the_table() -> None:
    described = table()["methods"]
    for name, method in METHODS.items():
        unknown = method.parameters - set(described[name]["params"])
        assert not unknown, name
        required = {key for key, one in described[name]["params"].items() if one["required"]}
        assert required <= method.parameters, name


# Requests as such


async def test_wrong_token_is_unauthorized(playground: Playground) -> None:
    async with httpx.AsyncClient(trust_env=False) as http:
        response = await http.get(f"{playground.base_url}1:wrong/getMe")
    assert response.status_code == 401
    assert response.json() == {"ok": False, "error_code": 401, "description": "Unauthorized"}


async def test_unknown_method_is_not_found_and_a_known_one_is_named(bot: RawBot) -> None:
    assert await bot.ask("getMee") == {"ok": False, "error_code": 404, "description": "Not Found"}
    left_out = await bot.ask("sendInvoice")
    assert left_out["error_code"] == 501
    assert "sendInvoice" in left_out["description"]


async def test_parameters_come_by_query_form_multipart_and_json(ada: Any, bot: RawBot) -> None:
    url = f"{bot.base}/sendMessage"
    values = {"chat_id": str(ADA), "text": "hi é😀", "reply_markup": json.dumps(keyboard("y"))}
    answers = [
        await bot.http.get(url, params=values),
        await bot.http.post(url, params=values),
        await bot.http.post(url, data=values),
        await bot.http.post(url, data=values, files={"unused": b""}),
        await bot.http.post(url, json={**values, "chat_id": ADA, "reply_markup": keyboard("y")}),
        await bot.http.get(url.lower().replace(TOKEN.lower(), TOKEN), params=values),
    ]
    for place, answer in enumerate(answers):
        if place == 3:  # the form's extra file is a parameter that sendMessage does not have
            assert answer.status_code == 400
            continue
        assert answer.json()["result"]["text"] == "hi é😀"
        assert answer.json()["result"]["reply_markup"] == keyboard("y")


async def test_unknown_parameter_is_refused_only_when_strict(bot: RawBot) -> None:
    assert "textt" in await bot.refused("sendMessage", chat_id=ADA, text="hi", textt="x")
    async with Playground(TOKEN, strict=False) as lax:
        await lax.person("Ada").start()
        lax_bot = RawBot(bot.http, f"{lax.base_url}{TOKEN}")
        await lax_bot.do("sendMessage", chat_id=ADA, text="hi", textt="x")


async def test_broken_json_is_refused(bot: RawBot) -> None:
    headers = {"Content-Type": "application/json"}
    for body in ("{", "[]", '"x"'):
        answer = await bot.http.post(f"{bot.base}/getMe", content=body, headers=headers)
        assert answer.status_code == 400


# The bot itself


async def test_get_me_names_the_bot_of_the_token(bot: RawBot) -> None:
    me = await bot.do("getMe")
    assert (me["id"], me["is_bot"]) == (4242, True)


async def test_updates_are_long_polled(playground: Playground, bot: RawBot) -> None:
    poll = asyncio.create_task(bot.updates(timeout=30))
    await asyncio.sleep(0.1)
    await playground.person("Ada").send_text("/start now")
    updates = await asyncio.wait_for(poll, 5)
    message = updates[0]["message"]
    assert message["text"] == "/start now"
    assert message["entities"] == [{"type": "bot_command", "offset": 0, "length": 6}]
    assert message["from"] == {
        "id": ADA,
        "is_bot": False,
        "first_name": "Ada",
        "username": "ada",
        "language_code": "en",
    }
    assert message["chat"]["type"] == "private"


async def test_second_poll_is_a_conflict_for_the_first(bot: RawBot) -> None:
    first = asyncio.create_task(bot.ask("getUpdates", timeout=30))
    await asyncio.sleep(0.1)
    second = asyncio.create_task(bot.ask("getUpdates", timeout=1))
    assert await asyncio.wait_for(first, 5) == {
        "ok": False,
        "error_code": 409,
        "description": "Conflict: terminated by other getUpdates request; make sure that only"
        " one bot instance is running",
    }
    assert (await second)["ok"]


async def test_allowed_updates_are_remembered(playground: Playground, bot: RawBot) -> None:
    ada = playground.person("Ada")
    await bot.do("getUpdates", allowed_updates=["message", "message_reaction"])
    sent = await ada.send_text("hi")
    await bot.do("getUpdates")
    await ada.edit(sent, "hello")
    await ada.react(sent, "👍")
    assert [set(one) - {"update_id"} for one in await bot.updates()] == [
        {"message"},
        {"message_reaction"},
    ]
    info = await bot.do("getWebhookInfo")
    assert info["allowed_updates"] == ["message", "message_reaction"]
    assert "no kind of update" in await bot.refused("getUpdates", allowed_updates=["mesage"])


async def test_webhooks_are_refused_kindly(playground: Playground, bot: RawBot) -> None:
    assert "getUpdates" in await bot.refused("setWebhook", url="https://example.org/hook")
    assert await bot.do("setWebhook", url="") is True
    await playground.person("Ada").send_text("hi")
    assert (await bot.do("getWebhookInfo"))["pending_update_count"] == 1
    assert await bot.do("deleteWebhook", drop_pending_updates=True) is True
    assert await bot.updates() == []


async def test_commands_are_kept_by_scope_and_language(
    playground: Playground, ada: Any, bot: RawBot
) -> None:
    english = [{"command": "start", "description": "Begin"}]
    korean = [{"command": "start", "description": "시작"}]
    admin = [*english, {"command": "stats", "description": "Figures"}]
    await bot.do("setMyCommands", commands=english)
    await bot.do("setMyCommands", commands=korean, language_code="ko")
    scope = {"type": "chat", "chat_id": 1000}
    assert "chat not found" in await bot.refused("setMyCommands", commands=admin, scope=scope)
    await playground.person("Admin").start()
    await bot.do("setMyCommands", commands=admin, scope=scope)
    assert await bot.do("getMyCommands", language_code="ko") == korean
    assert await bot.do("getMyCommands", scope=scope) == admin
    assert await ada.commands() == [("start", "Begin")]
    assert await playground.person("Minji").commands() == [("start", "시작")]
    assert len(await playground.person("Admin").commands()) == 2
    await bot.do("deleteMyCommands", scope=scope)
    assert len(await playground.person("Admin").commands()) == 1
    assert await bot.do("getMyCommands", scope=scope) == []


@pytest.mark.parametrize(
    ("commands", "reason"),
    [
        ([{"command": "Start", "description": "x"}], "BOT_COMMAND_INVALID"),
        ([{"command": "a" * 33, "description": "x"}], "BOT_COMMAND_INVALID"),
        ([{"command": "a", "description": ""}], "BOT_COMMAND_DESCRIPTION_INVALID"),
        ([{"command": "a"}], "description"),
        ([{"command": "a", "description": "x"}] * 101, "BOT_COMMANDS_TOO_MUCH"),
    ],
)
async def test_wrong_commands_are_refused(commands: Any, reason: str, bot: RawBot) -> None:
    assert reason in await bot.refused("setMyCommands", commands=commands)


async def test_descriptions_are_kept_by_language(bot: RawBot) -> None:
    await bot.do("setMyDescription", description="Reads faces")
    await bot.do("setMyDescription", description="얼굴", language_code="ko")
    await bot.do("setMyShortDescription", short_description="Faces")
    assert await bot.do("getMyDescription", language_code="ko") == {"description": "얼굴"}
    assert await bot.do("getMyDescription", language_code="fr") == {"description": "Reads faces"}
    assert await bot.do("getMyShortDescription") == {"short_description": "Faces"}
    assert "too long" in await bot.refused("setMyShortDescription", short_description="x" * 121)


# Sending


async def test_unknown_chat_is_not_found(bot: RawBot) -> None:
    for chat in (5, -100, "@nobody", ADA):  # Ada has not written to the bot yet
        reason = await bot.refused("sendMessage", chat_id=chat, text="hi")
        assert reason == "Bad Request: chat not found"
    assert await bot.refused("sendMessage", text="hi") == "Bad Request: chat_id is empty"


async def test_blocked_bot_is_forbidden_everything(
    ada: Any, bot: RawBot, playground: Playground
) -> None:
    sent = await bot.do("sendMessage", chat_id=ADA, text="hi")
    await ada.block()
    for method, params in (
        ("sendMessage", {"text": "hi"}),
        ("sendChatAction", {"action": "typing"}),
        ("editMessageText", {"message_id": sent["message_id"], "text": "x"}),
        ("getChat", {}),
    ):
        body = await bot.ask(method, chat_id=ADA, **params)
        assert body["error_code"] == 403
        assert body["description"] == "Forbidden: bot was blocked by the user"
    update = (await bot.updates())[0]["my_chat_member"]
    assert update["new_chat_member"]["status"] == "kicked"
    await ada.unblock()
    assert (await bot.updates())[0]["my_chat_member"]["new_chat_member"]["status"] == "member"
    await bot.do("sendMessage", chat_id=ADA, text="welcome back")


async def test_html_is_parsed_into_entities(ada: Any, bot: RawBot) -> None:
    sent = await bot.do(
        "sendMessage", chat_id=ADA, text="<b>60 %</b> happy &amp; calm", parse_mode="HTML"
    )
    assert sent["text"] == "60 % happy & calm"
    assert sent["entities"] == [{"type": "bold", "offset": 0, "length": 4}]
    reason = await bot.refused("sendMessage", chat_id=ADA, text="<b>x", parse_mode="HTML")
    assert reason.startswith("Bad Request: can't parse entities: ")


async def test_text_has_1_to_4096_utf16_units_after_parsing(ada: Any, bot: RawBot) -> None:
    assert await bot.refused("sendMessage", chat_id=ADA) == "Bad Request: message text is empty"
    for blank in (" ", "<b> </b>"):
        reason = await bot.refused("sendMessage", chat_id=ADA, text=blank, parse_mode="HTML")
        assert reason == "Bad Request: text must be non-empty"
    markup = "<b>" + "😀" * 2048 + "</b>"
    await bot.do("sendMessage", chat_id=ADA, text=markup, parse_mode="HTML")
    reason = await bot.refused("sendMessage", chat_id=ADA, text="😀" * 2048 + "x")
    assert reason == "Bad Request: message is too long"


async def test_photo_is_scaled_and_kept(ada: Any, bot: RawBot) -> None:
    answer = await bot.upload(
        "sendPhoto", {"photo": ("a.png", picture(1600, 900))}, chat_id=ADA, caption="look"
    )
    photo = answer["result"]["photo"]
    assert [one["width"] for one in photo] == [90, 320, 800, 1280]
    message = await ada.next_message()
    assert message.text == "look"
    downloaded = await ada.download(message)
    assert len(downloaded) == photo[-1]["file_size"]
    again = await bot.do("sendPhoto", chat_id=ADA, photo=photo[-1]["file_id"])
    assert again["photo"] == photo


async def test_photo_by_attach_reference_is_taken(ada: Any, bot: RawBot) -> None:
    files = {"one": ("a.png", picture())}
    assert (await bot.upload("sendPhoto", files, chat_id=ADA, photo="attach://one"))["ok"]
    reason = await bot.refused("sendPhoto", chat_id=ADA, photo="attach://two")
    assert reason == "Bad Request: can't find the attached file"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"no picture", "IMAGE_PROCESS_FAILED"),
        (picture(9000, 1001), "PHOTO_INVALID_DIMENSIONS"),
        (picture(2100, 100), "PHOTO_INVALID_DIMENSIONS"),
        (b"", "non-empty"),
    ],
)
async def test_wrong_photo_is_refused(content: bytes, reason: str, ada: Any, bot: RawBot) -> None:
    answer = await bot.upload("sendPhoto", {"photo": ("a.png", content)}, chat_id=ADA)
    assert reason in answer["description"]


async def test_photo_that_is_not_there_is_refused(ada: Any, bot: RawBot) -> None:
    assert "no photo" in await bot.refused("sendPhoto", chat_id=ADA)
    assert "wrong remote file" in await bot.refused("sendPhoto", chat_id=ADA, photo="abc")
    assert "HTTP URL" in await bot.refused("sendPhoto", chat_id=ADA, photo="http://x.org/a.png")


async def test_caption_has_at_most_1024_utf16_units(ada: Any, bot: RawBot) -> None:
    files = {"photo": ("a.png", picture(50, 50))}
    fits = await bot.upload("sendPhoto", files, chat_id=ADA, caption="😀" * 512)
    assert fits["ok"]
    answer = await bot.upload("sendPhoto", files, chat_id=ADA, caption="😀" * 512 + "x")
    assert answer["description"] == "Bad Request: message caption is too long"


async def test_document_stays_as_it_is(ada: Any, bot: RawBot) -> None:
    content = picture(300, 200)
    answer = await bot.upload(
        "sendDocument", {"document": ("chart.png", content)}, chat_id=ADA, caption="a chart"
    )
    document = answer["result"]["document"]
    assert (document["file_name"], document["mime_type"]) == ("chart.png", "image/png")
    assert document["thumbnail"]["width"] == 300
    assert await ada.download(await ada.next_message()) == content


@pytest.mark.parametrize(
    ("button", "reason"),
    [
        ({"text": "x", "callback_data": "d" * 65}, "BUTTON_DATA_INVALID"),
        ({"text": "x", "callback_data": "é" * 33}, "BUTTON_DATA_INVALID"),
        ({"text": "x", "callback_data": ""}, "BUTTON_DATA_INVALID"),
        ({"text": "", "callback_data": "d"}, "can't parse inline keyboard button"),
        ({"text": "x"}, "Text buttons are unallowed"),
        ({"text": "x", "callback_data": "d", "colour": "red"}, "colour"),
        ({"text": "x", "callback_data": "d", "url": "https://x.org"}, "url"),
        ({"text": "x", "url": "javascript:alert(1)"}, "BUTTON_URL_INVALID"),
    ],
)
async def test_wrong_button_is_refused(button: Any, reason: str, ada: Any, bot: RawBot) -> None:
    markup = {"inline_keyboard": [[button]]}
    assert reason in await bot.refused("sendMessage", chat_id=ADA, text="x", reply_markup=markup)


async def test_callback_data_of_64_bytes_fits(ada: Any, bot: RawBot) -> None:
    await bot.do("sendMessage", chat_id=ADA, text="x", reply_markup=keyboard("d" * 64))


async def test_other_keyboards_are_taken(ada: Any, bot: RawBot) -> None:
    for markup in (
        {"keyboard": [["Yes", "No"]], "resize_keyboard": True},
        {"remove_keyboard": True},
        {"force_reply": True},
    ):
        sent = await bot.do("sendMessage", chat_id=ADA, text="x", reply_markup=markup)
        assert "reply_markup" not in sent
    reason = await bot.refused("sendMessage", chat_id=ADA, text="x", reply_markup={"a": 1})
    assert reason == "Bad Request: object expected as reply markup"


async def test_reply_quotes_its_message(ada: Any, bot: RawBot) -> None:
    first = await ada.send_text("one")
    sent = await bot.do(
        "sendMessage", chat_id=ADA, text="two", reply_parameters={"message_id": first.id}
    )
    assert sent["reply_to_message"]["text"] == "one"
    third = await ada.send_text("three", reply_to=sent["message_id"])
    assert "reply_to_message" not in third.raw["reply_to_message"]


async def test_reply_to_a_deleted_or_foreign_message_needs_permission(
    ada: Any, bot: RawBot, playground: Playground
) -> None:
    gone = await ada.send_text("one")
    await ada.delete(gone)
    foreign = await playground.person("Grace").send_text("mine")
    for message in (gone, foreign):
        reply: dict[str, Any] = {"message_id": message.id}
        reason = await bot.refused("sendMessage", chat_id=ADA, text="x", reply_parameters=reply)
        assert reason == "Bad Request: message to be replied not found"
        reply["allow_sending_without_reply"] = True
        sent = await bot.do("sendMessage", chat_id=ADA, text="x", reply_parameters=reply)
        assert "reply_to_message" not in sent


async def test_chat_action_is_seen(ada: Any, bot: RawBot) -> None:
    await bot.do("sendChatAction", chat_id=ADA, action="upload_photo")
    assert [one.action for one in await ada.actions()] == ["upload_photo"]
    assert "wrong parameter action" in await bot.refused(
        "sendChatAction", chat_id=ADA, action="singing"
    )


# Editing and deleting


async def test_text_is_edited_and_its_buttons_go_unless_given_again(ada: Any, bot: RawBot) -> None:
    sent = await bot.do("sendMessage", chat_id=ADA, text="one", reply_markup=keyboard("y"))
    where = {"chat_id": ADA, "message_id": sent["message_id"]}
    with_buttons = await bot.do("editMessageText", **where, text="two", reply_markup=keyboard("n"))
    assert with_buttons["reply_markup"] == keyboard("n")
    assert with_buttons["edit_date"] >= sent["date"]
    without = await bot.do("editMessageText", **where, text="three")
    assert "reply_markup" not in without
    assert (await ada.message(sent["message_id"])).edits == 2


async def test_edit_that_changes_nothing_is_refused(ada: Any, bot: RawBot) -> None:
    sent = await bot.do("sendMessage", chat_id=ADA, text="one", reply_markup=keyboard("y"))
    where = {"chat_id": ADA, "message_id": sent["message_id"]}
    for method, params in (
        ("editMessageText", {"text": " one ", "reply_markup": keyboard("y")}),
        ("editMessageReplyMarkup", {"reply_markup": keyboard("y")}),
    ):
        assert await bot.refused(method, **where, **params) == (
            "Bad Request: message is not modified: specified new message content and reply"
            " markup are exactly the same as a current content and reply markup of the message"
        )


async def test_only_the_bots_own_messages_of_the_right_kind_are_edited(
    ada: Any, bot: RawBot
) -> None:
    theirs = await ada.send_text("one")
    mine = await bot.do("sendMessage", chat_id=ADA, text="two")
    photo = await bot.upload("sendPhoto", {"photo": ("a.png", picture())}, chat_id=ADA)

    async def refused(method: str, message_id: int, **params: Any) -> str:
        return await bot.refused(method, chat_id=ADA, message_id=message_id, **params)

    shown = photo["result"]["message_id"]
    assert "message to edit not found" in await refused("editMessageText", 999, text="x")
    assert "can't be edited" in await refused("editMessageText", theirs.id, text="x")
    assert "no text in the message" in await refused("editMessageText", shown, text="x")
    assert "no caption" in await refused("editMessageCaption", mine["message_id"], caption="x")
    await bot.do("deleteMessage", chat_id=ADA, message_id=mine["message_id"])
    assert "to edit not found" in await refused("editMessageText", mine["message_id"], text="x")


async def test_caption_and_markup_are_edited_apart(ada: Any, bot: RawBot) -> None:
    files = {"photo": ("a.png", picture())}
    sent = (await bot.upload("sendPhoto", files, chat_id=ADA, caption="one"))["result"]
    where = {"chat_id": ADA, "message_id": sent["message_id"]}
    edited = await bot.do("editMessageReplyMarkup", **where, reply_markup=keyboard("y"))
    assert (edited["caption"], edited["photo"]) == ("one", sent["photo"])
    edited = await bot.do("editMessageCaption", **where, caption="<i>two</i>", parse_mode="HTML")
    assert edited["caption_entities"][0]["type"] == "italic"
    assert "reply_markup" not in edited
    assert "caption" not in await bot.do("editMessageCaption", **where)


async def test_media_is_replaced(ada: Any, bot: RawBot) -> None:
    files = {"photo": ("a.png", picture(100, 100))}
    sent = (await bot.upload("sendPhoto", files, chat_id=ADA, caption="one"))["result"]
    media = json.dumps({"type": "photo", "media": "attach://new", "caption": "two"})
    answer = await bot.upload(
        "editMessageMedia",
        {"new": ("b.png", picture(200, 200, colour="red"))},
        chat_id=ADA,
        message_id=sent["message_id"],
        media=media,
    )
    assert answer["ok"], answer
    assert answer["result"]["caption"] == "two"
    assert answer["result"]["photo"][-1]["width"] == 200


async def test_messages_are_deleted(playground: Playground, ada: Any, bot: RawBot) -> None:
    theirs = await ada.send_text("one")
    mine = await bot.do("sendMessage", chat_id=ADA, text="two")
    await bot.do("deleteMessage", chat_id=ADA, message_id=theirs.id)
    await ada.wait_until_deleted(theirs)
    reason = await bot.refused("deleteMessage", chat_id=ADA, message_id=theirs.id)
    assert reason == "Bad Request: message to delete not found"
    old = mine["message_id"]
    playground.world.letters[old].message["date"] -= 49 * 3600
    reason = await bot.refused("deleteMessage", chat_id=ADA, message_id=old)
    assert reason == "Bad Request: message can't be deleted for everyone"
    playground.world.letters[old].message["date"] += 2 * 3600
    numbers = [theirs.id, old]
    assert await bot.do("deleteMessages", chat_id=ADA, message_ids=numbers) is True
    assert [message.text for message in await ada.messages()] == ["/start"]


# Buttons, files, reactions, chats


async def pressed(ada: Any, bot: RawBot) -> str:
    await bot.do("sendMessage", chat_id=ADA, text="x", reply_markup=keyboard("yes", "no"))
    message = await ada.next_message()
    return str(await ada.press(message, "Yes"))


async def test_pressed_button_is_an_update_with_its_message(ada: Any, bot: RawBot) -> None:
    query_id = await pressed(ada, bot)
    query = (await bot.updates())[0]["callback_query"]
    assert (query["id"], query["data"], query["from"]["id"]) == (query_id, "yes", ADA)
    assert query["message"]["reply_markup"] == keyboard("yes", "no")
    await bot.do("answerCallbackQuery", callback_query_id=query_id, text="ok", show_alert=True)
    answer = await ada.answer(query_id)
    assert (answer.text, answer.show_alert) == ("ok", True)


TOO_OLD = "Bad Request: query is too old and response timeout expired or query ID is invalid"


async def test_query_is_answered_once_and_in_time(bot: RawBot) -> None:
    clock = [1_700_000_000.0]
    async with Playground(TOKEN, query_lifetime=30, now=lambda: clock[0]) as playground:
        other = RawBot(bot.http, f"{playground.base_url}{TOKEN}")
        ada = playground.person("Ada")
        await ada.start()
        query_id = await pressed(ada, other)
        await other.do("answerCallbackQuery", callback_query_id=query_id)
        for wrong in (query_id, "12345", ""):
            assert await other.refused("answerCallbackQuery", callback_query_id=wrong) == TOO_OLD
        late = await pressed(ada, other)
        clock[0] += 31
        assert await other.refused("answerCallbackQuery", callback_query_id=late) == TOO_OLD


async def test_answer_of_a_query_has_at_most_200_characters(ada: Any, bot: RawBot) -> None:
    query_id = await pressed(ada, bot)
    reason = await bot.refused("answerCallbackQuery", callback_query_id=query_id, text="x" * 201)
    assert reason == "Bad Request: MESSAGE_TOO_LONG"


async def test_outdated_press_reaches_the_bot_with_an_inaccessible_message(
    ada: Any, bot: RawBot
) -> None:
    await bot.do("sendMessage", chat_id=ADA, text="x", reply_markup=keyboard("yes"))
    message = await ada.next_message()
    await bot.do("deleteMessage", chat_id=ADA, message_id=message.id)
    await ada.press_outdated(message, "yes")
    query = (await bot.updates())[0]["callback_query"]
    assert query["message"]["date"] == 0
    assert set(query["message"]) == {"chat", "message_id", "date"}


async def test_file_is_downloaded_after_get_file_only(
    ada: Any, bot: RawBot, playground: Playground
) -> None:
    content = picture()
    sent = await ada.send_document(content, "face.png")
    assert sent.raw["document"]["mime_type"] == "image/png"
    base = f"{playground.base_file_url}{TOKEN}"
    assert (await bot.http.get(f"{base}/documents/file_0.png")).status_code == 404
    file = await bot.do("getFile", file_id=sent.file_id)
    assert (file["file_path"], file["file_size"]) == ("documents/file_0.png", len(content))
    response = await bot.http.get(f"{base}/{file['file_path']}")
    assert response.content == content
    wrong = f"{playground.base_file_url}1:wrong/{file['file_path']}"
    assert (await bot.http.get(wrong)).status_code == 401
    assert "invalid file_id" in await bot.refused("getFile", file_id="nothing")


async def test_file_over_20_megabytes_is_too_big(ada: Any, bot: RawBot) -> None:
    fits = await ada.send_document(bytes(20 * 1024 * 1024), "a.bin")
    await bot.do("getFile", file_id=fits.file_id)
    large = await ada.send_document(bytes(20 * 1024 * 1024 + 1), "b.bin")
    reason = await bot.refused("getFile", file_id=large.file_id)
    assert reason == "Bad Request: file is too big"


async def test_reactions_go_both_ways(ada: Any, bot: RawBot) -> None:
    await bot.do("getUpdates", allowed_updates=["message_reaction"])
    sent = await bot.do("sendMessage", chat_id=ADA, text="x")
    await ada.react(sent["message_id"], "👍")
    await ada.react(sent["message_id"], "👎")
    await ada.react(sent["message_id"], "")
    changes = [one["message_reaction"] for one in await bot.updates()]
    emoji = [[one["emoji"] for one in change["new_reaction"]] for change in changes]
    assert emoji == [["👍"], ["👎"], []]
    assert changes[1]["old_reaction"] == [{"type": "emoji", "emoji": "👍"}]
    where = {"chat_id": ADA, "message_id": sent["message_id"]}
    await bot.do("setMessageReaction", **where, reaction=[{"type": "emoji", "emoji": "❤️"}])
    assert (await ada.message(sent["message_id"])).reactions["bot"] == ["❤"]
    for wrong, reason in ((["🧦"], "REACTION_INVALID"), (["👍", "👎"], "REACTIONS_TOO_MANY")):
        reaction = [{"type": "emoji", "emoji": one} for one in wrong]
        assert reason in await bot.refused("setMessageReaction", **where, reaction=reaction)


async def test_chat_is_described(ada: Any, bot: RawBot) -> None:
    chat = await bot.do("getChat", chat_id=ADA)
    assert (chat["type"], chat["username"], chat["max_reaction_count"]) == ("private", "ada", 11)


def test_playground_imports_nothing_of_ours() -> None:
    package = Path(methods.__file__).parent
    ours = re.compile(
        r"^\s*(?:from|import)\s+(?:\.|fer_model|store|train_cli|migrations|benchmarks|tests"
        r"|bot(?!\.playground\b))",
        re.MULTILINE,
    )
    files = sorted(package.rglob("*.py"))
    assert len(files) > 10
    for file in files:
        assert not ours.search(file.read_text("utf-8")), file.name
