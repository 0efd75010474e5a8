"""A bot at work whose recognizer tells faces by a photo's colour, and readers of its rows."""

import io
from collections.abc import AsyncIterator, Sequence
from typing import TypeVar

import pytest
from PIL import Image
from sqlalchemy import select
from sqlalchemy.orm import undefer

from bot.playground import ChatMessage, Person, Playground
from fer_model import Box, PhotoRefused, Reading, decode_photo
from store.tables import Base, FeedbackRow, ReadingRow
from tests.bot.conftest import RunBot, RunningBot, eventually
from tests.bot.fakes import HAPPY, VERSION, FakeRecognizer, reading
from tests.bot_api.check import check_conversation

SAD = (0.1, 0.0, 0.1, 0.0, 0.7, 0.0, 0.1)

# Colours survive Telegram's recoding, so that they can say what is in a photo.
ONE_FACE = (200, 30, 30)
TWO_FACES = (30, 200, 30)
CROWD = (30, 30, 200)
NO_FACE = (20, 20, 20)
SMALL_FACE = (230, 230, 230)
SEEN = {
    ONE_FACE: reading(HAPPY),
    TWO_FACES: reading(HAPPY, SAD),
    CROWD: reading(*[HAPPY, SAD] * 3),
    NO_FACE: Reading((), (), 240, 120, VERSION),
    SMALL_FACE: Reading((), (Box(0, 0, 9, 9),), 240, 120, VERSION),
}

Row = TypeVar("Row", bound=Base)


def photo(colour: tuple[int, int, int] = ONE_FACE, file_format: str = "PNG") -> bytes:
    """A photo on which the recognizer sees what its colour stands for."""
    file = io.BytesIO()
    seen = SEEN[colour]
    Image.new("RGB", (seen.width, seen.height), colour).save(file, file_format)
    return file.getvalue()


def read_by_colour(content: bytes) -> Reading | Exception:
    """What a photo shows: faces by its colour, or why it cannot be decoded."""
    try:
        red, green, blue = (int(value) for value in decode_photo(content)[0, 0])
    except PhotoRefused as error:
        return error
    nearest = min(
        SEEN,
        key=lambda known: sum(abs(a - b) for a, b in zip(known, (red, green, blue), strict=True)),
    )
    return SEEN[nearest]


@pytest.fixture
def recognizer() -> FakeRecognizer:
    """What the bot of this test reads with."""
    return FakeRecognizer(answer=read_by_colour)


@pytest.fixture
async def bot(
    playground: Playground, running_bot: RunBot, recognizer: FakeRecognizer
) -> AsyncIterator[RunningBot]:
    """A running bot; at the end all it asked for must be as the Bot API says, and none parked."""
    async with running_bot(playground, recognizer) as running:
        yield running
        assert not await all_rows(running, "parked")
    check_conversation(playground.requests)


@pytest.fixture
def ada(playground: Playground) -> Person:
    """Somebody who writes in English."""
    return playground.person("Ada")


@pytest.fixture
def minji(playground: Playground) -> Person:
    """Somebody who writes in Korean."""
    return playground.person("Minji")


@pytest.fixture
def admin(playground: Playground) -> Person:
    """The configured administrator."""
    return playground.person("Admin")


async def all_rows(bot: RunningBot, state: str) -> Sequence[str | None]:
    """The errors of the inbox's rows in a state."""
    from store.tables import InboxRow

    async with bot.database.readers() as session:
        found = await session.scalars(select(InboxRow).where(InboxRow.state == state))
        return [row.error or "" for row in found]


async def rows(bot: RunningBot, kind: type[Row]) -> list[Row]:
    """Every row of a table, oldest first, read back through a session of its own."""
    async with bot.database.readers() as session:
        key = kind.__table__.primary_key
        # A reading's id is random and says nothing about the order.
        order = [ReadingRow.created_at] if kind is ReadingRow else list(key)
        query = select(kind).order_by(*order).options(undefer("*"))
        return list(await session.scalars(query))


async def standing(bot: RunningBot) -> list[tuple[int, str, str | None]]:
    """The feedback that counts: face id, kind and emotion."""
    return [
        (row.face_id, row.kind, row.emotion) for row in await rows(bot, FeedbackRow) if row.active
    ]


async def quiet(bot: RunningBot) -> None:
    """Return when every update that arrived was worked through."""

    async def is_idle() -> bool:
        return not await all_rows(bot, "waiting") and not await all_rows(bot, "claimed")

    await eventually(is_idle)


async def send_and_read(
    person: Person, colour: tuple[int, int, int] = ONE_FACE
) -> tuple[ChatMessage, ChatMessage]:
    """A photo that the person sent, and the bot's answer."""
    sent = await person.send_photo(photo(colour))
    return sent, await person.next_message()


async def answered_feedback(person: Person, text: str) -> ChatMessage:
    """The acknowledgement of a person's first feedback, with the question for consent read, too."""
    await person.send_text(text)
    noted = await person.next_message()
    await person.next_message()
    return noted


async def reading_rows(bot: RunningBot) -> list[ReadingRow]:
    """Every reading."""
    return await rows(bot, ReadingRow)
