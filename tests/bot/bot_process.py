"""`python -m tests.bot.bot_process`: the bot with a fake recognizer, in a process to be killed.

Settings come from the environment. The argument says where it kills itself: "put" (an update is
committed, Telegram not told), "read" (the photo is being read), "send" (the reading is committed,
the reply not sent), "end" (the reply is sent, the row not closed) or "never".
"""

import asyncio
import os
import signal
import sys
from typing import Any, NoReturn

from bot.application import serve
from bot.context import FeelbackApplication, Services
from bot.errors import BotError
from bot.handlers import register
from bot.inbox import InboxQueue
from bot.settings import read_settings
from bot.stopping import Stopping
from bot.texts import Catalogue
from store.engine import open_database
from tests.bot.fakes import FakeRecognizer


def die() -> NoReturn:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("still alive")


class Dying(FakeRecognizer):
    async def read(self, photo: bytes) -> Any:
        die()


async def main(when: str) -> None:
    settings = read_settings()
    stopping = Stopping()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopping.request)
    database = open_database(settings.database_url)
    recognizer = Dying() if when == "read" else FakeRecognizer()
    services = Services(settings, database, recognizer, Catalogue.load())

    def register_and_arm(application: FeelbackApplication) -> None:
        register(application)
        queue = application.update_queue
        assert isinstance(queue, InboxQueue)
        put = queue.put

        async def put_and_die(item: object) -> None:
            await put(item)
            die()

        async def finish_never(*_: object) -> None:
            die()

        async def send_never(*_: object, **__: object) -> None:
            die()

        if when == "put":
            queue.put = put_and_die  # type: ignore[method-assign]
        if when == "end":
            queue.finish = finish_never  # type: ignore[method-assign]
        if when == "send":
            type(application.bot).send_photo = send_never  # type: ignore[assignment]

    try:
        await serve(services, stopping, register=register_and_arm)
    finally:
        await database.close()


if __name__ == "__main__":
    os.environ["PTB_TIMEDELTA"] = "1"
    try:
        asyncio.run(main(sys.argv[1]))
    except BotError as error:
        print(error, file=sys.stderr)
        sys.exit(1)
