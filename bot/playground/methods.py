"""The Bot API's methods as Telegram answers them, over a World.

``METHODS`` at the end is the list of what is offered. A method knows no HTTP: it gets its
parameters and returns the ``result``, or raises Refused.
"""

from __future__ import annotations

import asyncio
import mimetypes
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from bot.playground.errors import Refused, bad_request, not_offered
from bot.playground.images import ScaledPhoto, sent_photo_sizes, thumbnail
from bot.playground.markup import FormattedText, formatted, utf16_length
from bot.playground.method_names import METHOD_NAMES
from bot.playground.parameters import Parameters, Upload
from bot.playground.updates import KINDS, LEFT_OUT_BY_DEFAULT
from bot.playground.world import (
    CONTENT_KEYS,
    MOST_CAPTION,
    MOST_TEXT,
    REACTIONS,
    Letter,
    Profile,
    World,
    words_content,
)

Json = dict[str, Any]

MOST_CALLBACK_BYTES = 64  # Bot API, InlineKeyboardButton
MOST_ANSWER_CHARACTERS = 200  # Bot API, answerCallbackQuery
MOST_COMMANDS = 100  # Bot API, setMyCommands
CHAT_ACTIONS = frozenset(
    """
    typing upload_photo record_video upload_video record_voice upload_voice upload_document
    choose_sticker find_location record_video_note upload_video_note
    """.split()  # noqa: SIM905 - quoted one by one they read worse
)
BUTTON_DEEDS = frozenset(
    """
    url callback_data web_app login_url switch_inline_query switch_inline_query_current_chat
    switch_inline_query_chosen_chat copy_text callback_game pay
    """.split()  # noqa: SIM905 - quoted one by one they read worse
)
# Kinds of update that the playground never has, but that a bot may ask for.
OTHER_KINDS = frozenset(
    """
    channel_post edited_channel_post business_connection business_message
    edited_business_message deleted_business_messages guest_message inline_query
    chosen_inline_result shipping_query pre_checkout_query purchased_paid_media poll
    poll_answer chat_join_request chat_boost removed_chat_boost managed_bot
    """.split()  # noqa: SIM905 - quoted one by one they read worse
)


@dataclass(frozen=True)
class Method:
    """A method that is offered, and every parameter that it takes."""

    answer: Callable[[World, Parameters], Awaitable[Any]]
    parameters: frozenset[str]


def full_name(name: str) -> str:
    """A method's name as the Bot API writes it; Telegram takes it in any case."""
    return _FULL_NAMES.get(name.lower(), name)


async def call(world: World, name: str, parameters: Parameters, *, strict: bool) -> Any:
    """The result of a method by its full name.

    Raises:
        Refused: whatever Telegram would refuse, and in strict mode any unknown parameter.
    """
    method = METHODS.get(name)
    if method is None:
        raise not_offered(name) if name in METHOD_NAMES else Refused(404, "Not Found")
    unknown = parameters.names() - method.parameters
    if strict and unknown:
        raise bad_request(f"the playground knows no parameter {sorted(unknown)} of {name}")
    return await method.answer(world, parameters)


# The bot itself


async def get_me(world: World, _: Parameters) -> Json:
    """The bot's User."""
    return {
        **world.bot_user,
        "can_join_groups": True,
        "can_read_all_group_messages": False,
        "supports_inline_queries": False,
        "can_connect_to_business": False,
        "has_main_web_app": False,
    }


async def get_updates(world: World, parameters: Parameters) -> list[Json]:
    """The next updates, waited for; the offset confirms the older ones."""
    allowed = parameters.array("allowed_updates")
    if allowed is not None:
        for kind in allowed:
            if kind not in KINDS | LEFT_OUT_BY_DEFAULT | OTHER_KINDS:
                raise bad_request(f"the playground knows no kind of update {kind!r}")
        world.updates.allow(allowed)
    updates = await world.updates.poll(
        parameters.integer("offset", 0),
        parameters.integer("limit", 100),
        parameters.integer("timeout", 0),
    )
    return [update.as_json() for update in updates]


async def set_webhook(world: World, parameters: Parameters) -> bool:
    """True for no address; any other is refused, since nothing here calls a bot."""
    if parameters.text("url"):
        raise bad_request("bad webhook: the playground calls nobody; poll with getUpdates")
    return await delete_webhook(world, parameters)


async def delete_webhook(world: World, parameters: Parameters) -> bool:
    """True; there never is a webhook, but waiting updates can be dropped."""
    if parameters.boolean("drop_pending_updates"):
        world.updates.drop_all()
    return True


async def get_webhook_info(world: World, _: Parameters) -> Json:
    """An empty webhook and how many updates wait."""
    webhook: Json = {
        "url": "",
        "has_custom_certificate": False,
        "pending_update_count": world.updates.pending,
    }
    if world.updates.allowed is not None:
        webhook["allowed_updates"] = list(world.updates.allowed)
    return webhook


async def set_my_commands(world: World, parameters: Parameters) -> bool:
    """True; keeps the menu of a scope and language."""
    commands = parameters.array("commands")
    if commands is None:
        raise bad_request("can't parse commands JSON object")
    if len(commands) > MOST_COMMANDS:
        raise bad_request("BOT_COMMANDS_TOO_MUCH")
    kept = []
    for command in commands:
        if set(command) != {"command", "description"}:
            raise bad_request("can't parse BotCommand: command and description are needed")
        name = str(command["command"]).removeprefix("/")
        if not re.fullmatch(r"[a-z0-9_]{1,32}", name):
            raise bad_request("BOT_COMMAND_INVALID")
        if not 1 <= len(command["description"]) <= 256:
            raise bad_request("BOT_COMMAND_DESCRIPTION_INVALID")
        kept.append({"command": name, "description": command["description"]})
    world.commands[_command_key(world, parameters)] = kept
    world.events.add("commands", 0)
    return True


async def get_my_commands(world: World, parameters: Parameters) -> list[Json]:
    """The menu of exactly this scope and language."""
    return world.commands.get(_command_key(world, parameters), [])


async def delete_my_commands(world: World, parameters: Parameters) -> bool:
    """True; the menu of this scope and language is gone."""
    world.commands.pop(_command_key(world, parameters), None)
    world.events.add("commands", 0)
    return True


def _command_key(world: World, parameters: Parameters) -> tuple[str, str]:
    scope = parameters.object("scope") or {"type": "default"}
    language = parameters.text("language_code")
    if language and not re.fullmatch(r"[a-z]{2}", language):
        raise bad_request("invalid language code specified")
    kind = scope.get("type")
    if kind == "chat":
        profile = world.reachable(int(scope.get("chat_id", 0)))
        return f"chat {profile.id}", language
    if kind not in ("default", "all_private_chats", "all_group_chats", "all_chat_administrators"):
        raise bad_request("unsupported type specified as scope")
    return str(kind), language


def _describe(kind: str, limit: int) -> Callable[[World, Parameters], Awaitable[bool]]:
    async def set_it(world: World, parameters: Parameters) -> bool:
        text = parameters.text(kind)
        if len(text) > limit:
            raise bad_request(f"bot {kind.replace('_', ' ')} is too long")
        world.descriptions[kind, parameters.text("language_code")] = text
        world.events.add("description", 0)
        return True

    return set_it


def _described(kind: str) -> Callable[[World, Parameters], Awaitable[Json]]:
    async def get_it(world: World, parameters: Parameters) -> Json:
        language = parameters.text("language_code")
        text = world.descriptions.get((kind, language)) or world.descriptions.get((kind, ""), "")
        return {kind: text}

    return get_it


# Sending


async def send_message(world: World, parameters: Parameters) -> Json:
    """The message, its words parsed."""
    profile = world.reachable(parameters.chat_id())
    content = _text_content(parameters)
    return _post(world, profile, parameters, content)


async def send_photo(world: World, parameters: Parameters) -> Json:
    """The message with the photo in several sizes."""
    profile = world.reachable(parameters.chat_id())
    caption = _caption_content(parameters)
    photo = await _photo_content(world, parameters.upload("photo"), parameters.text("photo"))
    return _post(world, profile, parameters, photo | caption)


async def send_document(world: World, parameters: Parameters) -> Json:
    """The message with the file as it came."""
    profile = world.reachable(parameters.chat_id())
    caption = _caption_content(parameters)
    document = await _document_content(
        world, parameters.upload("document"), parameters.text("document")
    )
    return _post(world, profile, parameters, document | caption)


async def send_chat_action(world: World, parameters: Parameters) -> bool:
    """True; the chat shows the action."""
    profile = world.reachable(parameters.chat_id())
    action = parameters.text("action")
    if action not in CHAT_ACTIONS:
        raise bad_request("wrong parameter action in request")
    world.act(profile, action)
    return True


def _post(world: World, profile: Profile, parameters: Parameters, content: Json) -> Json:
    reply = parameters.object("reply_parameters")
    if reply is not None and not isinstance(reply.get("message_id"), int):
        raise bad_request("can't parse reply parameters: message_id is needed")
    markup = _reply_markup(parameters, inline_only=False)
    letter = world.post(profile, content, reply, markup)
    return letter.message


def _words(text: str, parse_mode: str, entities: list[Any] | None) -> FormattedText:
    return formatted(text, parse_mode, entities)


def _text_content(parameters: Parameters) -> Json:
    source = parameters.text("text")
    if not source:
        raise bad_request("message text is empty")
    words = _words(source, parameters.text("parse_mode"), parameters.array("entities"))
    if not words.text:
        raise bad_request("text must be non-empty")
    if utf16_length(words.text) > MOST_TEXT:
        raise bad_request("message is too long")
    content = words_content(words, "text")
    preview = parameters.object("link_preview_options")
    if preview:
        content["link_preview_options"] = preview
    return content


def _caption_content(parameters: Parameters) -> Json:
    return _caption(
        parameters.text("caption"),
        parameters.text("parse_mode"),
        parameters.array("caption_entities"),
        above=parameters.boolean("show_caption_above_media"),
        spoiler=parameters.boolean("has_spoiler"),
    )


def _caption(
    source: str, parse_mode: str, entities: list[Any] | None, *, above: bool, spoiler: bool
) -> Json:
    words = _words(source, parse_mode, entities)
    if utf16_length(words.text) > MOST_CAPTION:
        raise bad_request("message caption is too long")
    content = words_content(words, "caption")
    if above and words.text:
        content["show_caption_above_media"] = True
    if spoiler:
        content["has_media_spoiler"] = True
    return content


async def _photo_content(world: World, upload: Upload | None, reference: str) -> Json:
    if upload is not None:
        sizes: tuple[ScaledPhoto, ...] = await asyncio.to_thread(sent_photo_sizes, upload.content)
        return world.photo_content(sizes)
    sent = _sent_before(world, reference, "photo")
    for letter in world.letters.values():
        if any(size["file_id"] == sent for size in letter.message.get("photo", [])):
            return {"photo": letter.message["photo"]}
    raise bad_request("can't use file of type Document as Photo")


async def _document_content(world: World, upload: Upload | None, reference: str) -> Json:
    if upload is not None:
        preview = await asyncio.to_thread(thumbnail, upload.content)
        return world.document_content(keep_document(world, upload), preview)
    sent = _sent_before(world, reference, "document")
    for letter in world.letters.values():
        if letter.message.get("document", {}).get("file_id") == sent:
            return {"document": letter.message["document"]}
    raise bad_request("can't use file of type Photo as Document")


def keep_document(world: World, upload: Upload) -> Any:
    """Shelves a document under its own name and type."""
    guessed = mimetypes.guess_type(upload.file_name)[0]
    return world.files.add(
        upload.content,
        "documents",
        PurePath(upload.file_name).suffix.lower(),
        guessed or upload.mime_type or "application/octet-stream",
        upload.file_name,
    )


def _sent_before(world: World, reference: str, kind: str) -> str:
    if not reference:
        raise bad_request(f"there is no {kind} in the request")
    if re.match(r"(?i)https?://", reference):
        raise bad_request("failed to get HTTP URL content")
    if world.files.get(reference) is None:
        raise bad_request("wrong remote file identifier specified: Wrong padding in the string")
    return reference


def _reply_markup(parameters: Parameters, *, inline_only: bool) -> Json | None:
    markup = parameters.object("reply_markup")
    if not markup:
        return None
    if "inline_keyboard" in markup:
        return {"inline_keyboard": _inline_keyboard(markup["inline_keyboard"])}
    if inline_only:
        raise bad_request("inline keyboard expected")
    if "keyboard" in markup:
        if not isinstance(markup["keyboard"], list) or not markup["keyboard"]:
            raise bad_request("can't parse reply keyboard markup JSON object")
        return markup
    if markup.get("remove_keyboard") is True or markup.get("force_reply") is True:
        return markup
    raise bad_request("object expected as reply markup")


def _inline_keyboard(rows: Any) -> list[list[Json]]:
    if not isinstance(rows, list) or not all(isinstance(row, list) for row in rows):
        raise bad_request(
            'field "inline_keyboard" of the InlineKeyboardMarkup must be an Array of Arrays'
        )
    for row in rows:
        for button in row:
            _check_button(button)
    return [row for row in rows if row]


def _check_button(button: Any) -> None:
    if not isinstance(button, dict) or not str(button.get("text", "")).strip():
        raise bad_request("can't parse inline keyboard button: text must be non-empty")
    deeds = BUTTON_DEEDS & set(button)
    if not deeds:
        raise bad_request(
            "can't parse inline keyboard button: Text buttons are unallowed in the inline keyboard"
        )
    unknown = set(button) - BUTTON_DEEDS - {"text", "icon_custom_emoji_id", "style"}
    if len(deeds) > 1 or unknown:
        raise bad_request(f"can't parse inline keyboard button: {sorted(deeds | unknown)}")
    if "callback_data" in button:
        size = len(str(button["callback_data"]).encode())
        if not 1 <= size <= MOST_CALLBACK_BYTES:
            raise bad_request("BUTTON_DATA_INVALID")
    if "url" in button and not re.match(r"(?i)(https?|tg)://\S+$", str(button["url"])):
        raise bad_request("BUTTON_URL_INVALID")


# Editing and deleting


def _editable(world: World, parameters: Parameters) -> Letter:
    if parameters.has("inline_message_id"):
        raise not_offered("inline messages")
    profile = world.reachable(parameters.chat_id())
    letter = world.letter_of(profile.id, parameters.integer("message_id"))
    if letter is None:
        raise bad_request("message to edit not found")
    if not letter.from_bot:
        raise bad_request("message can't be edited")
    return letter


def _kept(letter: Letter, *without: str) -> Json:
    """The content of a message as it is, less what an edit replaces."""
    return {
        key: value
        for key, value in letter.message.items()
        if key in CONTENT_KEYS and key not in without
    }


async def edit_message_text(world: World, parameters: Parameters) -> Json:
    """The message with new words; its buttons go unless given again."""
    letter = _editable(world, parameters)
    content = _text_content(parameters)
    if "text" not in letter.message:
        raise bad_request("there is no text in the message to edit")
    world.edit_by_bot(letter, content, _reply_markup(parameters, inline_only=True))
    return letter.message


async def edit_message_caption(world: World, parameters: Parameters) -> Json:
    """The message with another caption or none."""
    letter = _editable(world, parameters)
    if "text" in letter.message:
        raise bad_request("there is no caption in the message to edit")
    content = _kept(letter, "caption", "caption_entities", "show_caption_above_media")
    content |= _caption_content(parameters)
    world.edit_by_bot(letter, content, _reply_markup(parameters, inline_only=True))
    return letter.message


async def edit_message_reply_markup(world: World, parameters: Parameters) -> Json:
    """The message with other buttons or none."""
    letter = _editable(world, parameters)
    world.edit_by_bot(letter, _kept(letter), _reply_markup(parameters, inline_only=True))
    return letter.message


async def edit_message_media(world: World, parameters: Parameters) -> Json:
    """The message with another photo or file."""
    letter = _editable(world, parameters)
    media = parameters.object("media")
    if media is None or not isinstance(media.get("media"), str):
        raise bad_request("can't parse InputMedia: media is needed")
    upload = parameters.attached(media["media"])
    caption = _caption(
        str(media.get("caption", "")),
        str(media.get("parse_mode", "")),
        media.get("caption_entities"),
        above=bool(media.get("show_caption_above_media")),
        spoiler=bool(media.get("has_spoiler")),
    )
    if media.get("type") == "photo":
        content = await _photo_content(world, upload, media["media"])
    elif media.get("type") == "document":
        content = await _document_content(world, upload, media["media"])
    else:
        raise not_offered(f"editMessageMedia with {media.get('type')!r}")
    if world.letter_of(letter.person, letter.id) is None:
        raise bad_request("message to edit not found")
    world.edit_by_bot(letter, content | caption, _reply_markup(parameters, inline_only=True))
    return letter.message


async def delete_message(world: World, parameters: Parameters) -> bool:
    """True; the message is gone for both sides."""
    profile = world.reachable(parameters.chat_id())
    letter = world.letter_of(profile.id, parameters.integer("message_id"))
    if letter is None:
        raise bad_request("message to delete not found")
    if not world.is_deletable(letter):
        raise bad_request("message can't be deleted for everyone")
    world.delete(letter)  # in a private chat a bot may delete what people sent, too
    return True


async def delete_messages(world: World, parameters: Parameters) -> bool:
    """True; those of the messages that were there are gone."""
    profile = world.reachable(parameters.chat_id())
    numbers = parameters.array("message_ids") or []
    if not 1 <= len(numbers) <= 100:
        raise bad_request("message identifiers are not specified")
    for number in numbers:
        letter = world.letter_of(profile.id, int(number))
        if letter is not None and world.is_deletable(letter):
            world.delete(letter)
    return True


# The rest of a chat


async def answer_callback_query(world: World, parameters: Parameters) -> bool:
    """True, once for each pressed button."""
    text = parameters.text("text")
    if utf16_length(text) > MOST_ANSWER_CHARACTERS:
        raise bad_request("MESSAGE_TOO_LONG")
    parameters.integer("cache_time", 0)
    world.answer_query(
        parameters.text("callback_query_id"),
        text,
        parameters.boolean("show_alert"),
        parameters.text("url"),
    )
    return True


async def get_file(world: World, parameters: Parameters) -> Json:
    """The file with the path to download it from."""
    stored, path = world.files.prepare_download(parameters.text("file_id"))
    return {
        "file_id": stored.file_id,
        "file_unique_id": stored.file_unique_id,
        "file_size": len(stored.content),
        "file_path": path,
    }


async def set_message_reaction(world: World, parameters: Parameters) -> bool:
    """True; the bot's reaction is shown."""
    profile = world.reachable(parameters.chat_id())
    letter = world.letter_of(profile.id, parameters.integer("message_id"))
    if letter is None:
        raise bad_request("message to react not found")
    reactions = parameters.array("reaction") or []
    emoji = [str(reaction.get("emoji", "")).removesuffix("\ufe0f") for reaction in reactions]
    if len(emoji) > 1:
        raise bad_request("REACTIONS_TOO_MANY")
    if any(reaction.get("type") != "emoji" for reaction in reactions):
        raise not_offered("reactions other than emoji")
    if any(one not in REACTIONS for one in emoji):
        raise bad_request("REACTION_INVALID")
    world.react_by_bot(letter, emoji)
    return True


async def get_chat(world: World, parameters: Parameters) -> Json:
    """What is known about a person's chat."""
    profile = world.reachable(parameters.chat_id())
    gifts = ("unlimited_gifts", "limited_gifts", "unique_gifts", "premium_subscription")
    chat = {
        **profile.chat(),
        "accent_color_id": profile.id % 7,
        "max_reaction_count": 11,
        "accepted_gift_types": dict.fromkeys((*gifts, "gifts_from_channels"), True),
    }
    if profile.username:
        chat["active_usernames"] = [profile.username]
    return chat


SENDING = (
    "chat_id message_thread_id disable_notification protect_content allow_paid_broadcast"
    " message_effect_id reply_parameters reply_markup"
)
CAPTION = "caption parse_mode caption_entities show_caption_above_media"
EDITING = "chat_id message_id inline_message_id reply_markup"
SCOPED = "scope language_code"


def _method(answer: Callable[[World, Parameters], Awaitable[Any]], parameters: str = "") -> Method:
    return Method(answer, frozenset(parameters.split()))


_FULL_NAMES = {name.lower(): name for name in METHOD_NAMES}

METHODS: Mapping[str, Method] = {
    "getMe": _method(get_me),
    "getUpdates": _method(get_updates, "offset limit timeout allowed_updates"),
    "setWebhook": _method(
        set_webhook,
        "url certificate ip_address max_connections allowed_updates drop_pending_updates"
        " secret_token",
    ),
    "deleteWebhook": _method(delete_webhook, "drop_pending_updates"),
    "getWebhookInfo": _method(get_webhook_info),
    "setMyCommands": _method(set_my_commands, f"commands {SCOPED}"),
    "getMyCommands": _method(get_my_commands, SCOPED),
    "deleteMyCommands": _method(delete_my_commands, SCOPED),
    "setMyDescription": _method(_describe("description", 512), "description language_code"),
    "getMyDescription": _method(_described("description"), "language_code"),
    "setMyShortDescription": _method(
        _describe("short_description", 120), "short_description language_code"
    ),
    "getMyShortDescription": _method(_described("short_description"), "language_code"),
    "sendMessage": _method(
        send_message, f"{SENDING} text parse_mode entities link_preview_options"
    ),
    "sendPhoto": _method(send_photo, f"{SENDING} {CAPTION} photo has_spoiler"),
    "sendDocument": _method(
        send_document,
        f"{SENDING} document thumbnail caption parse_mode caption_entities"
        " disable_content_type_detection",
    ),
    "sendChatAction": _method(send_chat_action, "chat_id message_thread_id action"),
    "editMessageText": _method(
        edit_message_text, f"{EDITING} text parse_mode entities link_preview_options"
    ),
    "editMessageCaption": _method(edit_message_caption, f"{EDITING} {CAPTION}"),
    "editMessageReplyMarkup": _method(edit_message_reply_markup, EDITING),
    "editMessageMedia": _method(edit_message_media, f"{EDITING} media"),
    "deleteMessage": _method(delete_message, "chat_id message_id"),
    "deleteMessages": _method(delete_messages, "chat_id message_ids"),
    "answerCallbackQuery": _method(
        answer_callback_query, "callback_query_id text show_alert url cache_time"
    ),
    "getFile": _method(get_file, "file_id"),
    "setMessageReaction": _method(set_message_reaction, "chat_id message_id reaction is_big"),
    "getChat": _method(get_chat, "chat_id"),
}
