"""The HTTP that people speak: ``/playground/…``, for the page, for tests and for the demo.

Bodies are JSON, or a multipart form where a file comes along. What a person cannot do is
answered with 400 and ``{"mistake": …}``.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from bot.playground.bot_side import BotSide, read_parameters
from bot.playground.errors import PersonMistake, Refused
from bot.playground.faults import fault_from_json
from bot.playground.images import NotAPicture, photo_sizes, placeholder_sticker, thumbnail
from bot.playground.markup import FormattedText, trimmed, utf16_length, with_found_entities
from bot.playground.methods import keep_document
from bot.playground.parameters import Parameters, Upload
from bot.playground.world import (
    MOST_CAPTION,
    MOST_TEXT,
    Letter,
    Profile,
    World,
    words_content,
)

Json = dict[str, Any]

LONGEST_WAIT = 60.0
SHOWN_INLINE = frozenset({"image/jpeg", "image/png", "image/webp", "image/gif"})
# Files that say what they are and hold nothing: an MP4 and an Ogg header.
EMPTY_MP4 = b"\x00\x00\x00\x18ftypmp42\x00\x00\x00\x00mp42isom\x00\x00\x00\x08mdat"
EMPTY_OGG = b"OggS\x00\x02" + bytes(22) + b"OpusHead"


@dataclass
class PeopleSide:
    """Serves what people do and see, over the same World that the bot talks to."""

    world: World
    bot_side: BotSide
    admin_id: int

    def routes(self) -> list[web.RouteDef]:
        """Every route under ``/playground``."""
        return [
            web.get("/playground/state", self.state),
            web.get("/playground/chats/{person:\\d+}", self.chat),
            web.get("/playground/events", self.events),
            web.get("/playground/stream", self.stream),
            web.get("/playground/files/{file_id}", self.file),
            web.get("/playground/requests", self.requests),
            web.post("/playground/people", self.add_person),
            web.post("/playground/people/{person:\\d+}/{deed:[a-z_]+}", self.deed),
            web.post("/playground/faults", self.fault),
            web.post("/playground/update-faults", self.update_fault),
        ]

    # Looking

    async def state(self, _: web.Request) -> web.Response:
        """The bot, the people, each one's command menu and the number of the last event."""
        return _json(
            {
                "bot": self.world.bot_user,
                "admin_id": self.admin_id,
                "polled": self.world.updates.polled,
                "event": self.world.events.last,
                "description": self.world.descriptions.get(("description", ""), ""),
                "people": [self._person(profile) for profile in self.world.people.values()],
            }
        )

    def _person(self, profile: Profile) -> Json:
        letters = self.world.chat_letters(profile.id)
        return {
            **profile.user(),
            "started": profile.started,
            "blocked": profile.blocked,
            "admin": profile.id == self.admin_id,
            "commands": self.world.commands_for(profile),
            "description": self.world.descriptions.get(
                ("description", profile.language_code[:2]),
                self.world.descriptions.get(("description", ""), ""),
            ),
            "last_letter": next(
                (letter.seen_by_person() for letter in reversed(letters) if not letter.deleted),
                None,
            ),
        }

    async def chat(self, request: web.Request) -> web.Response:
        """Every message of a chat, oldest first, and the number of the last event."""
        profile = self._profile(request)
        letters = self.world.chat_letters(profile.id)
        return _json(
            {
                "event": self.world.events.last,
                "letters": [letter.seen_by_person() for letter in letters],
            }
        )

    async def events(self, request: web.Request) -> web.Response:
        """The events after a number, waited for."""
        person = int(request.query["person"]) if "person" in request.query else None
        timeout = min(float(request.query.get("timeout", 0)), LONGEST_WAIT)
        after = int(request.query.get("after", 0))
        return _json({"events": await self.world.events.wait_after(after, timeout, person)})

    async def stream(self, request: web.Request) -> web.StreamResponse:
        """The same events as a stream that a browser reconnects to by itself."""
        response = web.StreamResponse(
            headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store"}
        )
        await response.prepare(request)
        last = int(request.headers.get("Last-Event-ID") or request.query.get("after") or 0)
        while True:
            events = await self.world.events.wait_after(last, timeout=15)
            try:
                for event in events:
                    last = event["event"]
                    text = json.dumps(event, ensure_ascii=False)
                    await response.write(f"id: {last}\ndata: {text}\n\n".encode())
                if not events:
                    await response.write(b": still here\n\n")
            except ConnectionError:
                return response

    async def file(self, request: web.Request) -> web.Response:
        """A file's bytes; only pictures are shown in place, anything else is downloaded."""
        stored = self.world.files.get(request.match_info["file_id"])
        if stored is None:
            raise web.HTTPNotFound
        inline = stored.mime_type in SHOWN_INLINE and "download" not in request.query
        return web.Response(
            body=stored.content,
            content_type=stored.mime_type if inline else "application/octet-stream",
            headers={
                "Content-Disposition": "inline" if inline else "attachment",
                "Content-Security-Policy": "sandbox; default-src 'none'",
                "Cache-Control": "private, max-age=86400",
            },
        )

    async def requests(self, _: web.Request) -> web.Response:
        """The bot's requests and their answers."""
        return _json({"requests": [record.as_json() for record in self.bot_side.requests]})

    # Doing

    async def add_person(self, request: web.Request) -> web.Response:
        """Lets a person in."""
        body = (await _sent(request)).values
        try:
            profile = self.world.add_person(Profile(**body))
        except TypeError as error:
            raise PersonMistake(str(error)) from error
        return _json(self._person(profile))

    async def fault(self, request: web.Request) -> web.Response:
        """Orders a fault for the bot's requests, or with ``{"clear": true}`` takes all back."""
        body = (await _sent(request)).values
        if body.get("clear"):
            self.bot_side.faults.clear()
        else:
            self.bot_side.faults.add(fault_from_json(body))
        waiting = self.bot_side.faults.waiting()
        return _json({"waiting": [fault.as_json() for fault in waiting]})

    async def update_fault(self, request: web.Request) -> web.Response:
        """Orders updates that come twice: ``double`` in one answer, ``redeliver`` in the next."""
        body = (await _sent(request)).values
        orders = {"double": self.world.updates.double, "redeliver": self.world.updates.redeliver}
        if body.get("kind") not in orders:
            raise PersonMistake("updates can be doubled or redelivered: double, redeliver")
        orders[body["kind"]](int(body.get("times", 1)))
        return _json({})

    async def deed(self, request: web.Request) -> web.Response:
        """Whatever a person does in a chat app."""
        profile = self._profile(request)
        deeds: dict[str, Callable[[Profile, Parameters], Awaitable[Json]]] = {
            "text": self._text,
            "photo": self._photo,
            "album": self._album,
            "document": self._document,
            "sticker": self._sticker,
            "animation": self._animation,
            "video": self._video,
            "voice": self._voice,
            "video_note": self._video_note,
            "location": self._location,
            "contact": self._contact,
            "press": self._press,
            "edit": self._edit,
            "react": self._react,
            "delete": self._delete,
            "block": self._block,
            "language": self._language,
        }
        deed = deeds.get(request.match_info["deed"])
        if deed is None:
            raise web.HTTPNotFound
        try:
            return _json(await deed(profile, await _sent(request)))
        except Refused as refused:
            raise PersonMistake(refused.description) from refused

    def _profile(self, request: web.Request) -> Profile:
        profile = self.world.people.get(int(request.match_info["person"]))
        if profile is None:
            raise PersonMistake(f"there is no person {request.match_info['person']}")
        return profile

    def _say(self, profile: Profile, sent: Parameters, content: Json) -> Json:
        reply_to = sent.integer("reply_to", 0) or None
        return _letter(self.world.say(profile, content, reply_to))

    async def _text(self, profile: Profile, sent: Parameters) -> Json:
        words = _typed(sent, "text", MOST_TEXT)
        if not words.text:
            raise PersonMistake("an empty message cannot be sent")
        return self._say(profile, sent, words_content(words, "text"))

    async def _photo(self, profile: Profile, sent: Parameters) -> Json:
        photo = await self._scaled(_file(sent))
        return self._say(profile, sent, photo | _typed_caption(sent))

    async def _album(self, profile: Profile, sent: Parameters) -> Json:
        uploads = [sent.files[name] for name in sorted(sent.files)]
        if not 2 <= len(uploads) <= 10:
            raise PersonMistake("an album has 2 to 10 photos")
        photos = [await self._scaled(upload) for upload in uploads]
        photos[0] |= _typed_caption(sent)
        album = str(10**16 + self.world.events.last)
        reply_to = sent.integer("reply_to", 0) or None
        letters = [self.world.say(profile, photo, reply_to, album) for photo in photos]
        return {"letters": [letter.seen_by_person() for letter in letters]}

    async def _scaled(self, upload: Upload) -> Json:
        try:
            return self.world.photo_content(await asyncio.to_thread(photo_sizes, upload.content))
        except NotAPicture as error:
            raise PersonMistake("this file is no picture: send it as a file") from error

    async def _document(self, profile: Profile, sent: Parameters) -> Json:
        upload = _file(sent)
        preview = await asyncio.to_thread(thumbnail, upload.content)
        content = self.world.document_content(keep_document(self.world, upload), preview)
        return self._say(profile, sent, content | _typed_caption(sent))

    def _kept(self, sent: Parameters, default: bytes, folder: str, ending: str, kind: str) -> Json:
        upload = sent.files.get("file")
        stored = self.world.files.add(upload.content if upload else default, folder, ending, kind)
        return {
            "file_id": stored.file_id,
            "file_unique_id": stored.file_unique_id,
            "file_size": len(stored.content),
        }

    async def _sticker(self, profile: Profile, sent: Parameters) -> Json:
        keys = self._kept(sent, placeholder_sticker(), "stickers", ".webp", "image/webp")
        sticker = {
            **keys,
            "type": "regular",
            "width": 512,
            "height": 512,
            "is_animated": False,
            "is_video": False,
            "emoji": sent.text("emoji", "🙂"),
            "set_name": "PlaygroundFaces",
        }
        return self._say(profile, sent, {"sticker": sticker})

    async def _animation(self, profile: Profile, sent: Parameters) -> Json:
        keys = self._kept(sent, EMPTY_MP4, "animations", ".mp4", "video/mp4")
        document = {**keys, "file_name": "animation.mp4", "mime_type": "video/mp4"}
        animation = {**document, "width": 320, "height": 240, "duration": 2}
        # Telegram names an animation as a document, too, for old bots.
        content = {"animation": animation, "document": document} | _typed_caption(sent)
        return self._say(profile, sent, content)

    async def _video(self, profile: Profile, sent: Parameters) -> Json:
        keys = self._kept(sent, EMPTY_MP4, "videos", ".mp4", "video/mp4")
        video = {**keys, "width": 640, "height": 480, "duration": 3, "mime_type": "video/mp4"}
        return self._say(profile, sent, {"video": video} | _typed_caption(sent))

    async def _voice(self, profile: Profile, sent: Parameters) -> Json:
        keys = self._kept(sent, EMPTY_OGG, "voice", ".oga", "audio/ogg")
        return self._say(
            profile, sent, {"voice": {**keys, "duration": 2, "mime_type": "audio/ogg"}}
        )

    async def _video_note(self, profile: Profile, sent: Parameters) -> Json:
        keys = self._kept(sent, EMPTY_MP4, "video_notes", ".mp4", "video/mp4")
        return self._say(profile, sent, {"video_note": {**keys, "length": 240, "duration": 2}})

    async def _location(self, profile: Profile, sent: Parameters) -> Json:
        place = {
            "latitude": float(sent.text("latitude", "37.5665")),
            "longitude": float(sent.text("longitude", "126.978")),
        }
        return self._say(profile, sent, {"location": place})

    async def _contact(self, profile: Profile, sent: Parameters) -> Json:
        contact = {
            "phone_number": sent.text("phone_number", "15550100"),
            "first_name": sent.text("first_name", profile.first_name),
        }
        return self._say(profile, sent, {"contact": contact})

    async def _press(self, profile: Profile, sent: Parameters) -> Json:
        query_id = self.world.press(
            profile,
            sent.integer("message_id"),
            sent.text("data"),
            outdated=sent.boolean("outdated"),
        )
        return {"query_id": query_id}

    async def _edit(self, profile: Profile, sent: Parameters) -> Json:
        words = _typed(sent, "text", MOST_TEXT)
        return _letter(self.world.edit_by_person(profile, sent.integer("message_id"), words))

    async def _react(self, profile: Profile, sent: Parameters) -> Json:
        return _letter(self.world.react(profile, sent.integer("message_id"), sent.text("emoji")))

    async def _delete(self, profile: Profile, sent: Parameters) -> Json:
        letter = self.world.own_letter(profile, sent.integer("message_id"))
        self.world.delete(letter)
        return _letter(letter)

    async def _block(self, profile: Profile, sent: Parameters) -> Json:
        self.world.set_blocked(profile, sent.boolean("blocked"))
        return self._person(profile)

    async def _language(self, profile: Profile, sent: Parameters) -> Json:
        profile.language_code = sent.text("language_code")
        self.world.events.add("people", 0)
        return self._person(profile)


@web.middleware
async def explain_mistakes(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """A person's mistake is a 400 that says what was wrong."""
    try:
        return await handler(request)
    except PersonMistake as mistake:
        return _json({"mistake": str(mistake)}, status=400)


def _json(value: Json, status: int = 200) -> web.Response:
    return web.json_response(
        value,
        status=status,
        dumps=lambda sent: json.dumps(sent, ensure_ascii=False),
        headers={"Cache-Control": "no-store"},
    )


def _letter(letter: Letter) -> Json:
    return {"letter": letter.seen_by_person()}


async def _sent(request: web.Request) -> Parameters:
    try:
        return await read_parameters(request)
    except Refused as refused:
        raise PersonMistake(refused.description) from refused


def _file(sent: Parameters) -> Upload:
    upload = sent.files.get("file")
    if upload is None:
        raise PersonMistake("there is no file")
    return upload


def _typed(sent: Parameters, name: str, limit: int) -> FormattedText:
    """What a person typed: plain, its links and commands found by Telegram."""
    words = with_found_entities(trimmed(FormattedText(sent.text(name))))
    if utf16_length(words.text) > limit:
        raise PersonMistake(f"a {name} has at most {limit} characters")
    return words


def _typed_caption(sent: Parameters) -> Json:
    return words_content(_typed(sent, "caption", MOST_CAPTION), "caption")
