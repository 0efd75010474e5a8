"""One bot, its people, their private chats, and what either side does in them.

It knows Telegram's objects but no HTTP. Everything here runs on one event loop.
"""

from __future__ import annotations

import copy
import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from bot.playground.errors import PersonMistake, bad_request, forbidden
from bot.playground.events import EventLog
from bot.playground.files import FileShelf, StoredFile
from bot.playground.images import ScaledPhoto
from bot.playground.markup import FormattedText
from bot.playground.updates import Update, UpdateQueue

Json = dict[str, Any]

FIRST_UPDATE_ID = 700_000_001  # Telegram's begin at any positive number
MOST_TEXT = 4096
MOST_CAPTION = 1024
DELETABLE_S = 48 * 3600  # Bot API, deleteMessage
# Bot API, ReactionTypeEmoji; the bot and the people may use these.
REACTIONS = frozenset(
    """
    ❤ 👍 👎 🔥 🥰 👏 😁 🤔 🤯 😱 🤬 😢 🎉 🤩 🤮 💩 🙏 👌 🕊 🤡 🥱 🥴 😍 🐳 ❤‍🔥
    🌚 🌭 💯 🤣 ⚡ 🍌 🏆 💔 🤨 😐 🍓 🍾 💋 🖕 😈 😴 😭 🤓 👻 👨‍💻 👀 🎃 🙈 😇 😨
    🤝 ✍ 🤗 🫡 🎅 🎄 ☃ 💅 🤪 🗿 🆒 💘 🙉 🦄 😘 💊 🙊 😎 👾 🤷‍♂ 🤷 🤷‍♀ 😡
    """.split()  # noqa: SIM905 - quoted one by one they read worse
)
CONTENT_KEYS = (
    *("text", "entities", "caption", "caption_entities", "photo", "document", "sticker"),
    *("animation", "video", "voice", "video_note", "location", "contact", "link_preview_options"),
    *("show_caption_above_media", "has_media_spoiler"),
)


@dataclass
class Profile:
    """A person with a private chat; they meet the bot when they first write."""

    id: int
    first_name: str
    username: str = ""
    language_code: str = "en"
    last_name: str = ""
    started: bool = False
    blocked: bool = False

    def names(self) -> Json:
        """The names that User and Chat share."""
        names = {"first_name": self.first_name}
        if self.last_name:
            names["last_name"] = self.last_name
        if self.username:
            names["username"] = self.username
        return names

    def user(self) -> Json:
        """The Bot API's User."""
        user: Json = {"id": self.id, "is_bot": False, **self.names()}
        if self.language_code:
            user["language_code"] = self.language_code
        return user

    def chat(self) -> Json:
        """The Bot API's Chat: private chats have the person's id."""
        return {"id": self.id, **self.names(), "type": "private"}


@dataclass
class Letter:
    """One message: the object that the bot sees, and what only the chat knows."""

    message: Json
    person: int
    from_bot: bool
    deleted: bool = False
    read: bool = False
    edits: int = 0
    reactions: dict[str, list[str]] = field(default_factory=dict)
    keyboard: Json | None = None  # a reply keyboard or forced reply, which no Message carries

    @property
    def id(self) -> int:
        """The message id, unique over all chats of the bot."""
        return int(self.message["message_id"])

    def seen_by_person(self) -> Json:
        """The message with what the chat shows around it."""
        return {
            "message": copy.deepcopy(self.message),
            "from_bot": self.from_bot,
            "deleted": self.deleted,
            "read": self.read,
            "edits": self.edits,
            "reactions": {side: list(emoji) for side, emoji in self.reactions.items()},
            "keyboard": self.keyboard,
        }


@dataclass
class Query:
    """One press of a button, until it is answered or too old."""

    id: str
    person: int
    pressed_at: float
    answered: bool = False


class World:
    """Everything that the stand-in remembers."""

    def __init__(
        self,
        bot_user: Json,
        *,
        query_lifetime: float,
        now: Callable[[], float] = time.time,
    ) -> None:
        self.bot_user = bot_user
        self.people: dict[int, Profile] = {}
        self.letters: dict[int, Letter] = {}
        self.files = FileShelf()
        self.events = EventLog()
        self.updates = UpdateQueue(FIRST_UPDATE_ID, self._read_by_bot)
        self.commands: dict[tuple[str, str], list[Json]] = {}
        self.descriptions: dict[tuple[str, str], str] = {}
        self._queries: dict[str, Query] = {}
        self._query_lifetime = query_lifetime
        self._now = now
        self._last_message_id = 0

    # What both sides share

    def add_person(self, profile: Profile) -> Profile:
        """Lets a person in.

        Raises:
            PersonMistake: the id is taken, or is no person's.
        """
        if profile.id in self.people or profile.id <= 0 or profile.id == self.bot_user["id"]:
            raise PersonMistake(f"there can be no person with the id {profile.id}")
        self.people[profile.id] = profile
        self.events.add("people", 0)
        return profile

    def letter_of(self, person: int, message_id: int) -> Letter | None:
        """A message of this chat, unless it was deleted."""
        letter = self.letters.get(message_id)
        if letter is None or letter.person != person or letter.deleted:
            return None
        return letter

    def chat_letters(self, person: int) -> list[Letter]:
        """Every message of a chat, deleted ones included, oldest first."""
        return [letter for letter in self.letters.values() if letter.person == person]

    def commands_for(self, profile: Profile) -> list[Json]:
        """The command menu that this person sees, by Telegram's order of scopes."""
        for scope in (f"chat {profile.id}", "all_private_chats", "default"):
            for language in (profile.language_code[:2], ""):
                if (scope, language) in self.commands:
                    return self.commands[scope, language]
        return []

    def photo_content(self, sizes: Sequence[ScaledPhoto]) -> Json:
        """The ``photo`` of a message: one PhotoSize for each scaled picture."""
        return {"photo": [self._photo_size(size) for size in sizes]}

    def document_content(self, stored: StoredFile, preview: ScaledPhoto | None) -> Json:
        """The ``document`` of a message."""
        document: Json = {**_file_keys(stored), "mime_type": stored.mime_type}
        if stored.file_name:
            document["file_name"] = stored.file_name
        if preview is not None:
            document["thumbnail"] = self._photo_size(preview)
        return {"document": document}

    def _photo_size(self, size: ScaledPhoto) -> Json:
        stored = self.files.add(size.content, "photos", ".jpg", "image/jpeg")
        return {**_file_keys(stored), "width": size.width, "height": size.height}

    # What the bot does

    def reachable(self, chat_id: int | str) -> Profile:
        """The person behind a chat that the bot may write to.

        Raises:
            Refused: nobody, never met, or the person blocked the bot.
        """
        profile = self.people.get(chat_id) if isinstance(chat_id, int) else None
        if profile is None or not (profile.started or profile.blocked):
            raise bad_request("chat not found")
        if profile.blocked:
            raise forbidden("bot was blocked by the user")
        return profile

    def post(
        self, profile: Profile, content: Json, reply: Json | None, reply_markup: Json | None
    ) -> Letter:
        """The bot's message, in the chat from now on.

        Raises:
            Refused: the message to reply to is gone.
        """
        replied = None
        if reply is not None:
            other_chat = reply.get("chat_id", profile.id) != profile.id
            replied = None if other_chat else self.letter_of(profile.id, reply["message_id"])
            if replied is None and not reply.get("allow_sending_without_reply"):
                raise bad_request("message to be replied not found")
        inline = reply_markup is not None and "inline_keyboard" in reply_markup
        letter = self._new_letter(profile, self.bot_user, content, replied)
        letter.from_bot = True
        letter.read = True
        if inline:
            letter.message["reply_markup"] = reply_markup
        else:
            letter.keyboard = reply_markup
        self.events.add("message", profile.id, letter=letter.seen_by_person())
        return letter

    def edit_by_bot(self, letter: Letter, content: Json, reply_markup: Json | None) -> None:
        """Replaces the content and the keyboard of the bot's own message.

        Raises:
            Refused: nothing would change.
        """
        changed = copy.deepcopy(letter.message)
        for key in CONTENT_KEYS:
            changed.pop(key, None)
        changed.pop("reply_markup", None)
        changed |= content
        if reply_markup and reply_markup["inline_keyboard"]:
            changed["reply_markup"] = reply_markup
        if _shown(changed) == _shown(letter.message):
            raise bad_request(
                "message is not modified: specified new message content and reply markup are"
                " exactly the same as a current content and reply markup of the message"
            )
        changed["edit_date"] = int(self._now())
        letter.message = changed
        letter.edits += 1
        self.events.add("edited", letter.person, letter=letter.seen_by_person())

    def is_deletable(self, letter: Letter) -> bool:
        """Whether the bot may still delete the message; people always may."""
        return self._now() - int(letter.message["date"]) < DELETABLE_S

    def delete(self, letter: Letter) -> None:
        """Takes a message out of the chat, on either side's wish."""
        letter.deleted = True
        self.events.add("deleted", letter.person, letter=letter.seen_by_person())

    def act(self, profile: Profile, action: str) -> None:
        """Shows "typing" and the like."""
        self.events.add("action", profile.id, action=action, at=self._now())

    def answer_query(self, query_id: str, text: str, show_alert: bool, url: str) -> None:
        """Ends the wait behind a pressed button, with a toast or an alert if there is text.

        Raises:
            Refused: unknown, answered before, or too old.
        """
        query = self._queries.get(query_id)
        too_old = query is None or self._now() - query.pressed_at > self._query_lifetime
        if query is None or query.answered or too_old:
            raise bad_request(
                "query is too old and response timeout expired or query ID is invalid"
            )
        query.answered = True
        self.events.add(
            "answer",
            query.person,
            query_id=query_id,
            text=text,
            show_alert=show_alert,
            url=url,
        )

    def react_by_bot(self, letter: Letter, emoji: list[str]) -> None:
        """Sets the bot's reactions to a message."""
        letter.reactions["bot"] = emoji
        self.events.add("reaction", letter.person, letter=letter.seen_by_person())

    # What people do

    def say(
        self,
        profile: Profile,
        content: Json,
        reply_to: int | None = None,
        media_group_id: str = "",
    ) -> Letter:
        """A person's message; the bot gets an update.

        Raises:
            PersonMistake: the person has blocked the bot, or replies to nothing.
        """
        if profile.blocked:
            raise PersonMistake(f"{profile.first_name} has blocked the bot: unblock it first")
        replied = None
        if reply_to is not None:
            replied = self.own_letter(profile, reply_to)
        profile.started = True
        letter = self._new_letter(profile, profile.user(), content, replied)
        if media_group_id:
            letter.message["media_group_id"] = media_group_id
        self.events.add("message", profile.id, letter=letter.seen_by_person())
        self.updates.put("message", copy.deepcopy(letter.message))
        return letter

    def own_letter(self, profile: Profile, message_id: int) -> Letter:
        """A message that the person can see.

        Raises:
            PersonMistake: there is none.
        """
        letter = self.letter_of(profile.id, message_id)
        if letter is None:
            raise PersonMistake(f"{profile.first_name} sees no message {message_id}")
        return letter

    def edit_by_person(self, profile: Profile, message_id: int, words: FormattedText) -> Letter:
        """Changes the text or caption of the person's own message; the bot gets an update.

        Raises:
            PersonMistake: not theirs, or without words to edit.
        """
        letter = self.own_letter(profile, message_id)
        if letter.from_bot:
            raise PersonMistake("only one's own messages can be edited")
        key = "text" if "text" in letter.message else "caption"
        if key == "caption" and not any(
            kind in letter.message for kind in ("photo", "document", "video", "animation", "voice")
        ):
            raise PersonMistake("this message has no words to edit")
        limit = MOST_TEXT if key == "text" else MOST_CAPTION
        if len(words.text) > limit or (key == "text" and not words.text):
            raise PersonMistake(f"an edited {key} has 1 to {limit} characters")
        entities_key = "entities" if key == "text" else "caption_entities"
        letter.message = {
            name: value for name, value in letter.message.items() if name not in (key, entities_key)
        }
        letter.message |= words_content(words, key)
        letter.message["edit_date"] = int(self._now())
        letter.edits += 1
        self.events.add("edited", profile.id, letter=letter.seen_by_person())
        self.updates.put("edited_message", copy.deepcopy(letter.message))
        return letter

    def press(self, profile: Profile, message_id: int, data: str, *, outdated: bool = False) -> str:
        """Presses a button; returns the id of the callback query.

        An outdated press comes from a screen that did not yet show the last edit or deletion.

        Raises:
            PersonMistake: there is no such button.
        """
        letter = self.letters.get(message_id) if outdated else None
        if letter is None or letter.person != profile.id:
            letter = self.own_letter(profile, message_id)
        if profile.blocked:
            raise PersonMistake(f"{profile.first_name} has blocked the bot: unblock it first")
        rows = letter.message.get("reply_markup", {}).get("inline_keyboard", [])
        if not outdated and not any(b.get("callback_data") == data for row in rows for b in row):
            raise PersonMistake(f"message {message_id} has no button for {data!r}")
        query = Query(str(secrets.randbits(62)), profile.id, self._now())
        self._queries[query.id] = query
        message = copy.deepcopy(letter.message)
        if letter.deleted:
            message = {"chat": message["chat"], "message_id": letter.id, "date": 0}
        self.updates.put(
            "callback_query",
            {
                "id": query.id,
                "from": profile.user(),
                "message": message,
                "chat_instance": str(10**15 + profile.id),
                "data": data,
            },
        )
        return query.id

    def react(self, profile: Profile, message_id: int, emoji: str) -> Letter:
        """Sets the person's only reaction to a message; an empty one takes it away.

        Raises:
            PersonMistake: no such message or reaction.
        """
        letter = self.own_letter(profile, message_id)
        emoji = emoji.removesuffix("\ufe0f")
        if emoji and emoji not in REACTIONS:
            raise PersonMistake(f"{emoji!r} is no reaction")
        old = letter.reactions.get("person", [])
        new = [emoji] if emoji else []
        if old == new:
            return letter
        letter.reactions["person"] = new
        self.events.add("reaction", profile.id, letter=letter.seen_by_person())
        self.updates.put(
            "message_reaction",
            {
                "chat": profile.chat(),
                "message_id": letter.id,
                "user": profile.user(),
                "date": int(self._now()),
                "old_reaction": [{"type": "emoji", "emoji": one} for one in old],
                "new_reaction": [{"type": "emoji", "emoji": one} for one in new],
            },
        )
        return letter

    def set_blocked(self, profile: Profile, blocked: bool) -> None:
        """Blocks or unblocks the bot; it is told, as Telegram does, by ``my_chat_member``."""
        if profile.blocked == blocked:
            return
        profile.blocked = blocked
        if not blocked:
            profile.started = True
        member: Json = {"status": "member", "user": self.bot_user}
        banned: Json = {"status": "kicked", "user": self.bot_user, "until_date": 0}
        self.updates.put(
            "my_chat_member",
            {
                "chat": profile.chat(),
                "from": profile.user(),
                "date": int(self._now()),
                "old_chat_member": member if blocked else banned,
                "new_chat_member": banned if blocked else member,
            },
        )
        self.events.add("people", 0)

    # Inside

    def _new_letter(
        self, profile: Profile, sender: Json, content: Json, replied: Letter | None
    ) -> Letter:
        self._last_message_id += 1
        message: Json = {
            "message_id": self._last_message_id,
            "from": sender,
            "chat": profile.chat(),
            "date": int(self._now()),
            **content,
        }
        if replied is not None:
            message["reply_to_message"] = {
                key: copy.deepcopy(value)
                for key, value in replied.message.items()
                if key != "reply_to_message"
            }
        letter = Letter(message, profile.id, from_bot=False)
        self.letters[letter.id] = letter
        return letter

    def _read_by_bot(self, update: Update) -> None:
        letter = self.letters.get(update.payload.get("message_id", 0))
        if update.kind == "message" and letter is not None and not letter.read:
            letter.read = True
            self.events.add("read", letter.person, message_id=letter.id)


def words_content(words: FormattedText, key: str) -> Json:
    """Text or caption with its entities, as keys of a Message; empty words have none."""
    if not words.text:
        return {}
    content: Json = {key: words.text}
    if words.entities:
        content["entities" if key == "text" else "caption_entities"] = list(words.entities)
    return content


def _file_keys(stored: StoredFile) -> Json:
    return {
        "file_id": stored.file_id,
        "file_unique_id": stored.file_unique_id,
        "file_size": len(stored.content),
    }


def _shown(message: Json) -> Json:
    """What a reader would notice of a message; equal pictures under new ids look the same."""
    shown = {key: message.get(key) for key in (*CONTENT_KEYS, "reply_markup")}
    if message.get("photo"):
        shown["photo"] = [size["file_unique_id"] for size in message["photo"]]
    if message.get("document"):
        shown["document"] = message["document"]["file_unique_id"]
    return shown
