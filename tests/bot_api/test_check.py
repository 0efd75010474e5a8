"""The checker finds what is wrong, or it would be worth nothing."""

from __future__ import annotations

import copy
import json
from types import SimpleNamespace
from typing import Any

import pytest

from tests.bot_api.check import (
    DoesNotConform,
    check_conversation,
    check_object,
    check_request,
    check_result,
    table,
)

CHAT = {"id": 1001, "type": "private", "first_name": "Ada"}
MESSAGE: dict[str, Any] = {
    "message_id": 7,
    "date": 1_700_000_000,
    "chat": CHAT,
    "text": "hello",
    "entities": [{"type": "bold", "offset": 0, "length": 5}],
    "reply_markup": {"inline_keyboard": [[{"text": "Yes", "callback_data": "y"}]]},
}


def changed(path: str, value: Any) -> dict[str, Any]:
    """The message with one field set, or removed where the value is None."""
    message = copy.deepcopy(MESSAGE)
    *inner, last = path.split(".")
    place: Any = message
    for key in inner:
        place = place[int(key) if key.isdigit() else key]
    if value is None:
        del place[last]
    else:
        place[int(last) if last.isdigit() else last] = value
    return message


def test_table_is_of_bot_api_10() -> None:
    assert table()["bot_api"] == "Bot API 10.1"
    assert len(table()["methods"]) == 180
    assert len(table()["types"]) == 359


def test_right_message_passes() -> None:
    check_object("Message", MESSAGE)


@pytest.mark.parametrize(
    ("message", "problem"),
    [
        (changed("message_id", None), "Message.message_id: is required"),
        (changed("chat.type", None), "Message.chat.type: is required"),
        (changed("colour", "red"), "no field 'colour'"),
        (changed("chat.colour", "red"), "Chat has no field 'colour'"),
        (changed("message_id", "7"), "is no Integer"),
        (changed("message_id", True), "is no Integer"),
        (changed("date", 1.5), "is no Integer"),
        (changed("text", 5), "is no String"),
        (changed("text", ["hello"]), "is no String"),
        (changed("entities", {"type": "bold"}), "is no Array of MessageEntity"),
        (changed("entities.0.offset", "0"), "Message.entities[0].offset"),
        (changed("entities.0.length", None), "Message.entities[0].length: is required"),
        (changed("reply_markup.inline_keyboard", [{"text": "Yes"}]), "is no Array of"),
        (changed("reply_markup.inline_keyboard.0", ["Yes"]), "inline_keyboard[0][0]"),
        (changed("has_protected_content", 1), "is no Boolean"),
        ([], "is no Message"),
        (None, "is no Message"),
    ],
)
def test_wrong_message_is_found_out(message: Any, problem: str) -> None:
    with pytest.raises(DoesNotConform) as found:
        check_object("Message", message)
    assert problem in str(found.value)


def test_union_takes_each_of_its_types_and_no_other() -> None:
    check_object("ReactionType", {"type": "emoji", "emoji": "👍"})
    check_object("ReactionType", {"type": "custom_emoji", "custom_emoji_id": "5"})
    with pytest.raises(DoesNotConform):
        check_object("ReactionType", {"type": "emoji", "emoji": "👍", "size": 3})
    with pytest.raises(DoesNotConform):
        check_object("ReactionType", {"emoji": "👍"})


def test_unknown_type_is_found_out() -> None:
    with pytest.raises(DoesNotConform, match="no type 'Massage'"):
        check_object("Massage", {})


def test_request_passes_as_form_and_as_json() -> None:
    markup = {"inline_keyboard": [[{"text": "Yes", "callback_data": "y"}]]}
    check_request("sendMessage", {"chat_id": 5, "text": "hi", "reply_markup": markup})
    check_request(
        "sendMessage",
        {
            "chat_id": "5",
            "text": "hi",
            "disable_notification": "true",
            "reply_markup": json.dumps(markup),
        },
    )
    check_request("getMe", {})


def test_text_that_looks_like_json_is_still_a_string() -> None:
    check_request("sendMessage", {"chat_id": "5", "text": "[1, 2]"})


@pytest.mark.parametrize(
    ("params", "problem"),
    [
        ({"chat_id": "5"}, "sendMessage.text: is required"),
        ({"text": "hi"}, "sendMessage.chat_id: is required"),
        ({"chat_id": "5", "text": "hi", "texts": "x"}, "no parameter 'texts'"),
        ({"chat_id": "5", "text": "hi", "reply_to_message_id": "3"}, "no parameter"),
        ({"chat_id": "5", "text": "hi", "protect_content": "maybe"}, "is no Boolean"),
        ({"chat_id": "5", "text": "hi", "message_thread_id": "x"}, "is no Integer"),
        ({"chat_id": "5", "text": "hi", "reply_markup": '{"rows": []}'}, "reply_markup"),
        ({"chat_id": "5", "text": "hi", "reply_parameters": "{}"}, "message_id: is required"),
    ],
)
def test_wrong_request_is_found_out(params: dict[str, Any], problem: str) -> None:
    with pytest.raises(DoesNotConform) as found:
        check_request("sendMessage", params)
    assert problem in str(found.value)


def test_unknown_method_is_found_out() -> None:
    with pytest.raises(DoesNotConform, match="no method 'sendMassage'"):
        check_request("sendMassage", {})


def test_files_count_as_parameters() -> None:
    check_request("sendPhoto", {"chat_id": "5"}, files=["photo"])
    check_request("sendPhoto", {"chat_id": "5", "photo": "attach://one"}, files=["one"])
    media = json.dumps({"type": "photo", "media": "attach://new"})
    check_request("editMessageMedia", {"media": media}, files=["new"])
    with pytest.raises(DoesNotConform, match="no parameter 'picture'"):
        check_request("sendPhoto", {"chat_id": "5", "photo": "id"}, files=["picture"])
    with pytest.raises(DoesNotConform, match="takes no file"):
        check_request("sendPhoto", {"chat_id": "5", "photo": "id"}, files=["caption"])
    with pytest.raises(DoesNotConform, match=r"sendPhoto\.photo: is required"):
        check_request("sendPhoto", {"chat_id": "5"})


def test_results_are_checked_by_method() -> None:
    check_result("sendMessage", MESSAGE)
    check_result("editMessageText", True)
    check_result("getUpdates", [{"update_id": 1, "message": MESSAGE}])
    with pytest.raises(DoesNotConform):
        check_result("sendMessage", True)
    with pytest.raises(DoesNotConform):
        check_result("getUpdates", {"update_id": 1})
    with pytest.raises(DoesNotConform, match=r"\[0\]\.update_id: is required"):
        check_result("getUpdates", [{"message": MESSAGE}])


def logged(method: str, params: dict[str, Any], result: Any) -> Any:
    response = {"ok": True, "result": result}
    return SimpleNamespace(method=method, params=params, files={}, response=response)


def test_conversation_is_checked_on_both_sides() -> None:
    right = logged("sendMessage", {"chat_id": "5", "text": "hi"}, MESSAGE)
    check_conversation([right, logged("download", {"path": "photos/file_0.jpg"}, True)])
    with pytest.raises(DoesNotConform, match="no parameter"):
        check_conversation([right, logged("getMe", {"x": "1"}, {})])
    with pytest.raises(DoesNotConform, match="is required in User"):
        check_conversation([right, logged("getMe", {}, {"id": 1})])
