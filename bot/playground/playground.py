"""The playground as one object: it serves on this machine's loopback while it is open.

async with Playground(token="1:test") as playground:
    application = ApplicationBuilder().token(playground.token)
        .base_url(playground.base_url).base_file_url(playground.base_file_url).build()
    ada = playground.person("Ada")
    await ada.send_text("/start")
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Self

import httpx
from aiohttp import web

from bot.playground.bot_side import BotSide
from bot.playground.client import Person
from bot.playground.errors import NotServing, PersonMistake
from bot.playground.faults import Fault, UpdateFault
from bot.playground.people_side import PeopleSide
from bot.playground.record import RequestRecord
from bot.playground.server import application
from bot.playground.world import Profile, World

TOKEN = "4242424242:AAPlaygroundPlaygroundPlaygroundPlay"  # noqa: S105 - opens nothing but this
ADMIN_ID = 1000
# How long a pressed button waits for its answer before Telegram gives it up, in seconds.
QUERY_LIFETIME = 60.0


def default_people(admin_id: int = ADMIN_ID) -> tuple[Profile, ...]:
    """The people of an ordinary playground: an admin and three who chat."""
    return (
        Profile(admin_id, "Admin", username="the_admin"),
        Profile(1001, "Ada", username="ada"),
        Profile(1002, "Grace", username="grace"),
        Profile(1003, "Minji", username="minji", language_code="ko"),
    )


class Playground:
    """A strict stand-in for the Bot API with people in it.

    Args:
        token: the only token that it lets in.
        port: 0 takes a free one.
        people: who is there; an admin, Ada, Grace and Minji (in Korean) by default.
        admin_id: the id of the person whom the page marks as admin.
        username: the bot's name.
        strict: refuse parameters that a method does not have. Telegram ignores them.
        query_lifetime: seconds until a pressed button can no longer be answered.
        now: the clock of messages and pressed buttons, Unix time.
    """

    def __init__(
        self,
        token: str = TOKEN,
        *,
        port: int = 0,
        people: Sequence[Profile] | None = None,
        admin_id: int = ADMIN_ID,
        username: str = "feelback_playground_bot",
        strict: bool = True,
        query_lifetime: float = QUERY_LIFETIME,
        now: Callable[[], float] = time.time,
    ) -> None:
        number = token.partition(":")[0]
        bot_user = {
            "id": int(number) if number.isdigit() else 4242424242,
            "is_bot": True,
            "first_name": "Feelback",
            "username": username,
        }
        self.token = token
        self.world = World(bot_user, query_lifetime=query_lifetime, now=now)
        self._bot_side = BotSide(self.world, token, strict)
        self._people_side = PeopleSide(self.world, self._bot_side, admin_id)
        self._port = port
        self._runner: web.AppRunner | None = None
        self._http: httpx.AsyncClient | None = None
        self._people: dict[int, Person] = {}
        for profile in default_people(admin_id) if people is None else people:
            self.world.add_person(profile)

    async def __aenter__(self) -> Self:
        runner = web.AppRunner(
            application(self._bot_side, self._people_side),
            access_log=None,
            shutdown_timeout=0.1,
        )
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", self._port)
        try:
            await site.start()
        except OSError:
            await runner.cleanup()
            raise
        self._port = int(runner.addresses[0][1])
        self._runner = runner
        # The environment's proxies have no business on the loopback.
        self._http = httpx.AsyncClient(
            base_url=self.url, timeout=httpx.Timeout(90), trust_env=False
        )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._http is not None:
            await self._http.aclose()
        if self._runner is not None:
            await self._runner.cleanup()
        self._http = self._runner = None

    @property
    def url(self) -> str:
        """The page's address, and the one for a PlaygroundClient.

        Raises:
            NotServing: it is not open.
        """
        if self._runner is None:
            raise NotServing("open the playground first: async with Playground() as playground")
        return f"http://127.0.0.1:{self._port}"

    @property
    def base_url(self) -> str:
        """What python-telegram-bot wants as ``base_url``."""
        return f"{self.url}/bot"

    @property
    def base_file_url(self) -> str:
        """What python-telegram-bot wants as ``base_file_url``."""
        return f"{self.url}/file/bot"

    def person(self, name: str | int) -> Person:
        """A person by first name or id; the same object every time.

        Raises:
            PersonMistake: there is nobody of this name.
        """
        for profile in self.world.people.values():
            if name in (profile.id, profile.first_name):
                return self._as_person(profile)
        names = [profile.first_name for profile in self.world.people.values()]
        raise PersonMistake(f"there is no {name!r} here, only {names}")

    def add_person(
        self,
        first_name: str,
        person_id: int | None = None,
        *,
        username: str = "",
        language_code: str = "en",
    ) -> Person:
        """Lets a new person in, under the next free id if none is given."""
        number = person_id or max(self.world.people, default=ADMIN_ID) + 1
        profile = Profile(number, first_name, username=username, language_code=language_code)
        return self._as_person(self.world.add_person(profile))

    @property
    def requests(self) -> Sequence[RequestRecord]:
        """Everything that the bot asked for, oldest first, with what it got."""
        return tuple(self._bot_side.requests)

    def requests_to(self, method: str) -> Sequence[RequestRecord]:
        """The bot's requests to one method; ``download`` for files."""
        return tuple(one for one in self.requests if one.method.lower() == method.lower())

    @property
    def refusals(self) -> Sequence[RequestRecord]:
        """The requests that were answered with ``ok: false``, by an injected fault or without."""
        return tuple(one for one in self.requests if one.status and not one.ok)

    def inject(self, fault: Fault) -> None:
        """Orders a fault for the bot's next requests."""
        self._bot_side.faults.add(fault)

    def clear_faults(self) -> None:
        """Takes back every fault that has not happened yet."""
        self._bot_side.faults.clear()

    def repeat_updates(self, kind: UpdateFault, times: int = 1) -> None:
        """The bot gets its next updates twice: ``double`` at once, ``redeliver`` later again."""
        if kind == "double":
            self.world.updates.double(times)
        else:
            self.world.updates.redeliver(times)

    @property
    def pending_updates(self) -> int:
        """How many updates the bot has not confirmed yet."""
        return self.world.updates.pending

    def _as_person(self, profile: Profile) -> Person:
        if self._http is None:
            raise NotServing("open the playground first: async with Playground() as playground")
        if profile.id not in self._people:
            self._people[profile.id] = Person(self._http, profile.user(), 0)
        return self._people[profile.id]
