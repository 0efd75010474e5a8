"""People to chat with the bot from a test or a script, in this process or another.

async with PlaygroundClient("http://127.0.0.1:8081") as client:
    ada = await client.person("Ada")
    await ada.send_photo(photo)
    answer = await ada.next_message()
    await ada.press(answer, "Correct")
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import httpx

from bot.playground.errors import NothingArrived, PersonMistake
from bot.playground.faults import Fault, UpdateFault

Json = dict[str, Any]

PATIENCE = 10.0  # seconds that a wait for the bot takes at most, unless told


@dataclass(frozen=True)
class Button:
    """One button under a message."""

    text: str
    data: str = ""
    url: str = ""


@dataclass(frozen=True)
class ChatMessage:
    """A message as it stood when it was read.

    Attributes:
        raw: the Bot API's Message.
        edits: how often it was edited until then.
        reactions: the emoji of each side, ``person`` and ``bot``.
    """

    raw: Mapping[str, Any]
    from_bot: bool
    deleted: bool
    read: bool
    edits: int
    reactions: Mapping[str, Sequence[str]]

    @property
    def id(self) -> int:
        """Its message_id."""
        return int(self.raw["message_id"])

    @property
    def text(self) -> str:
        """Its words: the text, or the caption of a photo or file."""
        return str(self.raw.get("text", self.raw.get("caption", "")))

    @property
    def entities(self) -> Sequence[Mapping[str, Any]]:
        """The entities of its words."""
        found: Sequence[Mapping[str, Any]] = self.raw.get(
            "entities", self.raw.get("caption_entities", [])
        )
        return found

    @property
    def buttons(self) -> tuple[tuple[Button, ...], ...]:
        """The rows of buttons under it."""
        rows = self.raw.get("reply_markup", {}).get("inline_keyboard", [])
        return tuple(
            tuple(
                Button(one["text"], one.get("callback_data", ""), one.get("url", "")) for one in row
            )
            for row in rows
        )

    @property
    def button_texts(self) -> tuple[str, ...]:
        """What the buttons say, row after row."""
        return tuple(button.text for row in self.buttons for button in row)

    @property
    def reply_to(self) -> int | None:
        """The message it replies to."""
        replied = self.raw.get("reply_to_message")
        return None if replied is None else int(replied["message_id"])

    @property
    def file_id(self) -> str | None:
        """The photo's largest size, or the file."""
        if self.raw.get("photo"):
            return str(self.raw["photo"][-1]["file_id"])
        for kind in ("document", "sticker", "animation", "video", "voice", "video_note"):
            if kind in self.raw:
                return str(self.raw[kind]["file_id"])
        return None

    @property
    def has_photo(self) -> bool:
        """Whether it is a photo."""
        return bool(self.raw.get("photo"))


@dataclass(frozen=True)
class CallbackAnswer:
    """What the bot said to a pressed button: nothing, a toast, or an alert."""

    text: str
    show_alert: bool
    url: str


@dataclass(frozen=True)
class ChatAction:
    """The bot was seen typing, or the like."""

    action: str
    at: float


class Person:
    """One person in their private chat with the bot.

    ``next_message`` goes through the bot's messages one by one; ``wait_for`` looks at the whole
    chat as it is and as it becomes. Both give up with NothingArrived.
    """

    def __init__(self, http: httpx.AsyncClient, profile: Mapping[str, Any], event: int) -> None:
        self._http = http
        self._seen = event
        self.id = int(profile["id"])
        self.name = str(profile["first_name"])
        self.username = str(profile.get("username", ""))
        self.language_code = str(profile.get("language_code", ""))

    # Sending

    async def start(self, payload: str = "") -> ChatMessage:
        """Presses START, as from a link with a payload if there is one."""
        return await self.send_text(f"/start {payload}".strip())

    async def send_text(self, text: str, reply_to: ChatMessage | int | None = None) -> ChatMessage:
        """Writes a message."""
        return await self._send("text", {"text": text}, reply_to)

    async def send_photo(
        self, photo: bytes, caption: str = "", reply_to: ChatMessage | int | None = None
    ) -> ChatMessage:
        """Sends a photo, which Telegram scales down to JPEGs of at most 1280 px."""
        return await self._send("photo", {"caption": caption}, reply_to, {"file": photo})

    async def send_album(
        self,
        photos: Sequence[bytes],
        caption: str = "",
        reply_to: ChatMessage | int | None = None,
    ) -> list[ChatMessage]:
        """Sends two to ten photos as one album; the first has the caption."""
        files = {f"file{place}": photo for place, photo in enumerate(photos)}
        body = await self._do("album", {"caption": caption, **_reply(reply_to)}, files)
        return [_message(letter) for letter in body["letters"]]

    async def send_document(
        self,
        content: bytes,
        file_name: str = "photo.png",
        mime_type: str = "",
        caption: str = "",
        reply_to: ChatMessage | int | None = None,
    ) -> ChatMessage:
        """Sends a file as it is."""
        files = {"file": (file_name, content, mime_type or "application/octet-stream")}
        return await self._send("document", {"caption": caption}, reply_to, files)

    async def send_sticker(self, content: bytes | None = None) -> ChatMessage:
        """Sends a sticker; without content a smiling one."""
        return await self._send("sticker", {}, None, _optional(content))

    async def send_animation(self, content: bytes | None = None, caption: str = "") -> ChatMessage:
        """Sends a GIF, which Telegram turns into an MP4."""
        return await self._send("animation", {"caption": caption}, None, _optional(content))

    async def send_video(self, content: bytes | None = None, caption: str = "") -> ChatMessage:
        """Sends a video."""
        return await self._send("video", {"caption": caption}, None, _optional(content))

    async def send_voice(self, content: bytes | None = None) -> ChatMessage:
        """Sends a voice message."""
        return await self._send("voice", {}, None, _optional(content))

    async def send_video_note(self, content: bytes | None = None) -> ChatMessage:
        """Sends a round video."""
        return await self._send("video_note", {}, None, _optional(content))

    async def send_location(self, latitude: float, longitude: float) -> ChatMessage:
        """Sends a place."""
        return await self._send("location", {"latitude": latitude, "longitude": longitude}, None)

    async def send_contact(self, phone_number: str, first_name: str) -> ChatMessage:
        """Sends somebody's contact."""
        content = {"phone_number": phone_number, "first_name": first_name}
        return await self._send("contact", content, None)

    # Doing something with a message

    async def press(self, message: ChatMessage | int, button: str) -> str:
        """Presses a button by its words or its data; returns the id of the callback query.

        Raises:
            PersonMistake: the message, as it is now, has no such button.
        """
        current = await self.message(message)
        offered = [one for row in current.buttons for one in row if one.data]
        for chosen in offered:
            if button in (chosen.text, chosen.data):
                return await self._press(current.id, chosen.data, outdated=False)
        texts = [one.text for one in offered]
        raise PersonMistake(f"message {current.id} has no button {button!r}, only {texts}")

    async def press_outdated(self, message: ChatMessage | int, data: str) -> str:
        """Presses a button that an edit or a deletion has just taken away."""
        return await self._press(_id(message), data, outdated=True)

    async def press_and_wait(
        self, message: ChatMessage | int, button: str, timeout: float = PATIENCE
    ) -> CallbackAnswer:
        """Presses a button and returns the toast or alert that the bot answers with."""
        return await self.answer(await self.press(message, button), timeout)

    async def answer(self, query_id: str, timeout: float = PATIENCE) -> CallbackAnswer:
        """What the bot answered to a pressed button.

        Raises:
            NothingArrived: it did not in time.
        """
        async for event in self._events(0, timeout):
            if event["kind"] == "answer" and event["query_id"] == query_id:
                return CallbackAnswer(event["text"], event["show_alert"], event["url"])
        raise NothingArrived(f"no answer to query {query_id} within {timeout} s")

    async def edit(self, message: ChatMessage | int, text: str) -> ChatMessage:
        """Edits the words of the person's own message: its text, or the photo's caption."""
        body = await self._do("edit", {"message_id": _id(message), "text": text})
        return _message(body["letter"])

    async def edit_text(self, message: ChatMessage | int, text: str) -> ChatMessage:
        """Edits the text of the person's own message."""
        return await self.edit(message, text)

    async def edit_caption(self, message: ChatMessage | int, caption: str) -> ChatMessage:
        """Edits the caption of the person's own photo or file."""
        return await self.edit(message, caption)

    async def react(self, message: ChatMessage | int, emoji: str) -> None:
        """Reacts to a message; an empty emoji takes the reaction back."""
        await self._do("react", {"message_id": _id(message), "emoji": emoji})

    async def delete(self, message: ChatMessage | int) -> None:
        """Deletes a message for both sides; the bot is not told."""
        await self._do("delete", {"message_id": _id(message)})

    async def block(self) -> None:
        """Blocks the bot."""
        await self._do("block", {"blocked": True})

    async def unblock(self) -> None:
        """Lets the bot in again."""
        await self._do("block", {"blocked": False})

    async def speak(self, language_code: str) -> None:
        """Changes the language of the person's app."""
        await self._do("language", {"language_code": language_code})
        self.language_code = language_code

    # Looking

    async def messages(self) -> list[ChatMessage]:
        """Every message of the chat that is still there, oldest first."""
        return [one for one in await self.all_messages() if not one.deleted]

    async def all_messages(self) -> list[ChatMessage]:
        """Every message that there ever was, deleted ones included."""
        body = await _asked(self._http.get(f"/playground/chats/{self.id}"))
        return [_message(letter) for letter in body["letters"]]

    async def message(self, message: ChatMessage | int) -> ChatMessage:
        """A message as it is now.

        Raises:
            PersonMistake: it is not there.
        """
        for one in await self.messages():
            if one.id == _id(message):
                return one
        raise PersonMistake(f"{self.name} sees no message {_id(message)}")

    async def next_message(self, timeout: float = PATIENCE) -> ChatMessage:
        """The bot's next message that was not returned before, as it first arrived.

        Raises:
            NothingArrived: there was none in time.
        """
        async for event in self._events(self._seen, timeout):
            self._seen = event["event"]
            if event["kind"] == "message" and event["letter"]["from_bot"]:
                return _message(event["letter"])
        raise NothingArrived(f"the bot wrote nothing to {self.name} within {timeout} s")

    async def wait_for(
        self, predicate: Callable[[ChatMessage], bool], timeout: float = PATIENCE
    ) -> ChatMessage:
        """The newest of the bot's messages that meets the predicate, now or once one does.

        Raises:
            NothingArrived: none did in time.
        """
        body = await _asked(self._http.get(f"/playground/chats/{self.id}"))
        for letter in reversed(body["letters"]):
            message = _message(letter)
            if message.from_bot and not message.deleted and predicate(message):
                return message
        async for event in self._events(body["event"], timeout):
            if event["kind"] in ("message", "edited", "reaction"):
                message = _message(event["letter"])
                if message.from_bot and not message.deleted and predicate(message):
                    return message
        raise NothingArrived(f"no such message reached {self.name} within {timeout} s")

    async def wait_for_change(self, message: ChatMessage, timeout: float = PATIENCE) -> ChatMessage:
        """The message once it was edited after it was read.

        Raises:
            NothingArrived: it was not in time.
        """
        return await self.wait_for(
            lambda now: now.id == message.id and now.edits > message.edits, timeout
        )

    async def wait_until_deleted(
        self, message: ChatMessage | int, timeout: float = PATIENCE
    ) -> None:
        """Returns once the message is gone.

        Raises:
            NothingArrived: it is still there after the time.
        """
        async for event in self._events(0, timeout):
            gone = event["kind"] == "deleted"
            if gone and event["letter"]["message"]["message_id"] == _id(message):
                return
        raise NothingArrived(f"message {_id(message)} was not deleted within {timeout} s")

    async def expect_silence(self, seconds: float) -> None:
        """Returns if the bot writes nothing new for so long.

        Raises:
            PersonMistake: it did write.
        """
        try:
            message = await self.next_message(seconds)
        except NothingArrived:
            return
        raise PersonMistake(f"the bot was not silent but wrote {message.text!r}")

    async def actions(self) -> list[ChatAction]:
        """Every time the bot was seen typing, or the like."""
        events = await self._events_now(0)
        return [ChatAction(one["action"], one["at"]) for one in events if one["kind"] == "action"]

    async def commands(self) -> list[tuple[str, str]]:
        """The command menu that this person sees: names and descriptions."""
        body = await _asked(self._http.get("/playground/state"))
        mine = next(one for one in body["people"] if one["id"] == self.id)
        return [(one["command"], one["description"]) for one in mine["commands"]]

    async def download(self, message: ChatMessage) -> bytes:
        """The bytes of a message's photo (its largest size) or file.

        Raises:
            PersonMistake: it has neither.
        """
        if message.file_id is None:
            raise PersonMistake(f"message {message.id} has no file")
        response = await self._http.get(f"/playground/files/{message.file_id}")
        response.raise_for_status()
        return response.content

    # Inside

    async def _press(self, message_id: int, data: str, *, outdated: bool) -> str:
        body = await self._do(
            "press", {"message_id": message_id, "data": data, "outdated": outdated}
        )
        return str(body["query_id"])

    async def _send(
        self,
        kind: str,
        values: Json,
        reply_to: ChatMessage | int | None,
        files: Mapping[str, Any] | None = None,
    ) -> ChatMessage:
        body = await self._do(kind, {**values, **_reply(reply_to)}, files)
        return _message(body["letter"])

    async def _do(self, deed: str, values: Json, files: Mapping[str, Any] | None = None) -> Json:
        path = f"/playground/people/{self.id}/{deed}"
        if not files:
            return await _asked(self._http.post(path, json=values))
        parts = {
            name: content if isinstance(content, tuple) else ("file.jpg", content, "image/jpeg")
            for name, content in files.items()
        }
        return await _asked(self._http.post(path, data=values, files=parts))

    async def _events_now(self, after: int) -> list[Json]:
        query = {"after": after, "person": self.id, "timeout": 0}
        body = await _asked(self._http.get("/playground/events", params=query))
        events: list[Json] = body["events"]
        return events

    async def _events(self, after: int, timeout: float) -> Any:
        """The events of this chat, one by one, until ``timeout`` seconds have passed."""
        deadline = time.monotonic() + timeout
        while True:
            left = max(deadline - time.monotonic(), 0)
            query = {"after": after, "person": self.id, "timeout": min(left, 20)}
            body = await _asked(self._http.get("/playground/events", params=query))
            for event in body["events"]:
                after = event["event"]
                yield event
            if time.monotonic() >= deadline:
                return


class PlaygroundClient:
    """A playground that another process serves."""

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        # The environment's proxies have no business on the loopback.
        self._http = httpx.AsyncClient(
            base_url=self.url, timeout=httpx.Timeout(90), trust_env=False
        )
        self._people: dict[int, Person] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._http.aclose()

    async def person(self, name: str | int) -> Person:
        """A person by first name or id.

        Raises:
            PersonMistake: there is nobody of this name.
        """
        state = await self.state()
        for profile in state["people"]:
            if name in (profile["id"], profile["first_name"]):
                return self._known(profile, state["event"])
        names = [profile["first_name"] for profile in state["people"]]
        raise PersonMistake(f"there is no {name!r} here, only {names}")

    async def add_person(
        self, first_name: str, person_id: int, *, username: str = "", language_code: str = "en"
    ) -> Person:
        """Lets a new person in."""
        profile = {
            "first_name": first_name,
            "id": person_id,
            "username": username,
            "language_code": language_code,
        }
        await _asked(self._http.post("/playground/people", json=profile))
        return await self.person(person_id)

    async def state(self) -> Json:
        """The bot, the people and their menus."""
        return await _asked(self._http.get("/playground/state"))

    async def requests(self) -> list[Json]:
        """Every request of the bot with its answer, without uploaded bytes."""
        body = await _asked(self._http.get("/playground/requests"))
        requests: list[Json] = body["requests"]
        return requests

    async def inject(self, fault: Fault) -> None:
        """Orders a fault for the bot's next requests."""
        await _asked(self._http.post("/playground/faults", json=fault.as_json()))

    async def clear_faults(self) -> None:
        """Takes back every fault that has not happened yet."""
        await _asked(self._http.post("/playground/faults", json={"clear": True}))

    async def repeat_updates(self, kind: UpdateFault, times: int = 1) -> None:
        """The bot gets its next updates twice: ``double`` at once, ``redeliver`` later again."""
        order = {"kind": kind, "times": times}
        await _asked(self._http.post("/playground/update-faults", json=order))

    async def wait_until_polled(self, timeout: float = PATIENCE) -> None:
        """Returns once a bot has asked for updates.

        Raises:
            NothingArrived: none did in time.
        """
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            if (await self.state())["polled"]:
                return
            await asyncio.sleep(0.05)
        raise NothingArrived(f"no bot asked for updates within {timeout} s")

    def _known(self, profile: Mapping[str, Any], event: int) -> Person:
        if profile["id"] not in self._people:
            self._people[profile["id"]] = Person(self._http, profile, event)
        return self._people[profile["id"]]


async def _asked(request: Any) -> Json:
    response: httpx.Response = await request
    try:
        body: Json = response.json()
    except json.JSONDecodeError:
        response.raise_for_status()
        raise
    if "mistake" in body:
        raise PersonMistake(body["mistake"])
    response.raise_for_status()
    return body


def _id(message: ChatMessage | int) -> int:
    return message if isinstance(message, int) else message.id


def _reply(reply_to: ChatMessage | int | None) -> Json:
    return {} if reply_to is None else {"reply_to": _id(reply_to)}


def _optional(content: bytes | None) -> dict[str, bytes]:
    return {} if content is None else {"file": content}


def _message(letter: Mapping[str, Any]) -> ChatMessage:
    return ChatMessage(
        raw=letter["message"],
        from_bot=letter["from_bot"],
        deleted=letter["deleted"],
        read=letter["read"],
        edits=letter["edits"],
        reactions=letter["reactions"],
    )
