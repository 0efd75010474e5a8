"""What tests put into the database: people, readings with faces, feedback, model versions."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from sqlalchemy import event

from store import feedback, inbox, leases, people, readings, versions
from store.emotions import EMOTIONS
from store.engine import Database
from store.records import (
    Lease,
    MessageRef,
    ModelVersion,
    NewFace,
    NewReading,
    Reading,
    ReadingStatus,
    Recorded,
    Verdict,
)
from store.tables import FeedbackRow

NOON = datetime(2026, 3, 14, 12, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
BOT = 7_000_000_000
MINA = 5_000_000_001
JUN = 5_000_000_002
BASE = "base-digest"
PASSED = Verdict(passed=True, report={"p_value": 0.01})


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


async def say(
    database: Database,
    about: Reading,
    emotion: str | None = "sad",
    *,
    face: int = 1,
    shares: Sequence[float] | None = None,
    person_id: int | None = None,
    message_id: int | None = None,
    now: datetime = NOON,
) -> Recorded:
    """Record what a person says about a face, the reading's owner unless another is named."""
    async with database.sessions.begin() as session:
        return await feedback.record_feedback(
            session,
            person_id=about.person_id if person_id is None else person_id,
            reading_id=about.reading_id,
            face_number=face,
            emotion=emotion,
            shares=shares,
            source="text",
            message=None if message_id is None else MessageRef(about.chat_id, message_id),
            now=now,
        )


async def add_row(database: Database, about: Reading, person_id: int, emotion: str) -> None:
    """Write a correction of the first face past what `store.feedback` allows."""
    async with database.sessions.begin() as session:
        session.add(
            FeedbackRow(
                face_id=about.faces[0].face_id,
                person_id=person_id,
                kind="correction",
                emotion=emotion,
                source="text",
                active=True,
                created_at=NOON,
            )
        )


async def teach(
    database: Database,
    person_id: int,
    emotion: str | None = "sad",
    *,
    shares: Sequence[float] | None = None,
    photo_message_id: int = 100,
    now: datetime = NOON,
) -> int:
    """Record what a person says of a happy face of theirs, kept with their consent; return its id.

    Photos of one message id are the same photo, whoever sent it.
    """
    await see(database, person_id)
    about = await read(database, person_id, photo_message_id=photo_message_id)
    said = await say(database, about, emotion, shares=shares, now=now)
    async with database.sessions.begin() as session:
        await people.set_consent(session, person_id, "given", now=NOON)
        await people.keep_crop(session, said.face.face_id, b"a face")
    return said.feedback.feedback_id


async def send(database: Database, person_id: int, update_id: int) -> None:
    """Write an update of a person down."""
    async with database.sessions.begin() as session:
        await inbox.put_update(
            session,
            bot_id=BOT,
            update_id=update_id,
            person_id=person_id,
            ordering_key=str(person_id),
            payload={"from": person_id},
            now=NOON,
        )


async def model_lease(database: Database) -> Lease:
    """Take the right to change versions, until a minute past noon."""
    async with database.sessions.begin() as session:
        return await leases.acquire_lease(session, leases.MODEL_LEASE, "test", MINUTE, now=NOON)


async def add_candidate(
    database: Database, lease: Lease, digest: str, *feedback_ids: int, parent: str = BASE
) -> ModelVersion:
    """Add a candidate made from `parent` and this feedback."""
    async with database.sessions.begin() as session:
        return await versions.add_candidate(
            session,
            digest,
            f"file:///{digest}",
            parent_digest=parent,
            figures={"label_accuracy": 0.7},
            report={"epochs": 3},
            feedback_ids=feedback_ids,
            lease=lease,
            actor="test",
            now=NOON,
        )


async def promote(
    database: Database,
    lease: Lease,
    digest: str,
    verdict: Verdict = PASSED,
    reason: str | None = None,
    now: datetime = NOON,
) -> ModelVersion:
    """Promote a version."""
    async with database.sessions.begin() as session:
        return await versions.promote(
            session,
            digest,
            verdict=verdict,
            lease=lease,
            actor="test",
            override_reason=reason,
            now=now,
        )


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
