"""What tests put into the database: a person, a model version, readings with faces."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from sqlalchemy import event

from store import people, readings, versions
from store.emotions import EMOTIONS
from store.engine import Database
from store.records import NewFace, NewReading, Reading, ReadingStatus

NOON = datetime(2026, 3, 14, 12, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
BOT = 7_000_000_000
MINA = 5_000_000_001
JUN = 5_000_000_002
BASE = "base-digest"


def blend(top: str, confidence: float = 0.7) -> tuple[float, ...]:
    """Return seven probabilities with this emotion on top."""
    rest = (1 - confidence) / (len(EMOTIONS) - 1)
    return tuple(confidence if emotion == top else rest for emotion in EMOTIONS)


def new_face(top: str = "happy", left: float = 10.0) -> NewFace:
    """Return a face that reads as `top`."""
    return NewFace(
        box=(left, 20.0, left + 50.0, 80.0),
        landmarks=((1.0, 2.0), (3.0, 4.0), (5.0, 6.0), (7.0, 8.0), (9.0, 10.5)),
        crowd=blend(top),
        label=blend(top, 0.9),
    )


async def see(database: Database, *person_ids: int) -> None:
    """Make people and the base version known."""
    async with database.sessions.begin() as session:
        await versions.register_base(session, BASE, "package:base", figures={}, now=NOON)
        for person_id in person_ids:
            await people.see_person(session, person_id, now=NOON)


async def read(
    database: Database,
    person_id: int,
    *,
    tops: Sequence[str] = ("happy",),
    chat_id: int | None = None,
    photo_message_id: int = 100,
    inbox_id: int | None = None,
    photo_index: int = 0,
    status: ReadingStatus = "read",
    latency_ms: float | None = None,
    now: datetime = NOON,
) -> Reading:
    """Write a reading with one face per emotion in `tops`."""
    new = NewReading(
        person_id=person_id,
        chat_id=person_id if chat_id is None else chat_id,
        inbox_id=inbox_id,
        photo_index=photo_index,
        file_id=f"file-{photo_message_id}",
        file_unique_id=f"unique-{photo_message_id}",
        photo_message_id=photo_message_id,
        model_version=BASE,
        status=status,
        width=640,
        height=480,
        latency_ms=latency_ms,
        faces=tuple(new_face(top, 60.0 * index) for index, top in enumerate(tops)),
    )
    async with database.sessions.begin() as session:
        return await readings.add_reading(session, new, now=now)


@contextmanager
def loads_of_crops(database: Database) -> Iterator[list[str]]:
    """Collects the statements that fetch crops, not those that only ask whether there is one."""
    found: list[str] = []

    def note(_: object, __: object, statement: str, *rest: object) -> None:
        if "faces.crop" in statement.partition("FROM")[0].replace("faces.crop_", ""):
            found.append(statement)

    engine = database.engine.sync_engine
    event.listen(engine, "before_cursor_execute", note)
    try:
        yield found
    finally:
        event.remove(engine, "before_cursor_execute", note)
