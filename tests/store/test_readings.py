"""Readings: written once per photo, found by id, chat and message."""

import asyncio
from dataclasses import replace

import pytest
from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError

from store import inbox, readings
from store.engine import Database
from store.errors import FaceUnknown, ReadingUnknown
from store.records import NewReading, Reading
from store.tables import FaceRow, ReadingRow
from tests.store.rows import BASE, BOT, JUN, MINA, MINUTE, NOON, new_face, read, see


async def inbox_id(database: Database, update_id: int = 1) -> int:
    """Put an update and return its row's id."""
    async with database.sessions.begin() as session:
        await inbox.put_update(
            session,
            bot_id=BOT,
            update_id=update_id,
            person_id=MINA,
            ordering_key="a",
            payload={},
            now=NOON,
        )
        claim = await inbox.claim_next(session, bot_id=BOT, worker="one", lease=MINUTE, now=NOON)
    assert claim is not None
    return claim.inbox_id


async def found(database: Database, reading_id: str) -> Reading:
    """Return a reading, read by a session of its own."""
    async with database.readers() as session:
        return await readings.reading(session, reading_id)


async def test_reading_comes_back_as_it_was_written(database: Database) -> None:
    await see(database, MINA)
    written = await read(database, MINA, tops=("happy", "sad"), latency_ms=12.5)
    again = await found(database, written.reading_id)
    assert again == written
    assert [face.number for face in again.faces] == [1, 2]
    expected = new_face("sad", 60.0)
    face = again.faces[1]
    assert (face.box, face.landmarks) == (expected.box, expected.landmarks)
    assert (face.crowd, face.label) == (expected.crowd, expected.label)
    assert (again.created_at, again.latency_ms, face.has_crop) == (NOON, 12.5, False)


async def test_what_members_would_say_is_kept_where_they_differ(database: Database) -> None:
    await see(database, MINA)
    faces = (replace(new_face(), differing=("happy", "sad")), new_face(left=90.0))
    new = NewReading(MINA, MINA, None, "file", "unique", 1, BASE, faces)
    async with database.sessions.begin() as session:
        written = await readings.add_reading(session, new)
    kept = (await found(database, written.reading_id)).faces
    assert [face.differing for face in kept] == [("happy", "sad"), ()]


async def test_reading_ids_fit_into_buttons_and_differ(database: Database) -> None:
    await see(database, MINA)
    ids = {(await read(database, MINA, photo_message_id=number)).reading_id for number in range(9)}
    assert len(ids) == 9
    assert {len(reading_id) for reading_id in ids} == {12}


async def test_same_photo_of_an_update_is_one_reading(database: Database) -> None:
    await see(database, MINA)
    update = await inbox_id(database)
    first = await read(database, MINA, inbox_id=update, tops=("happy",))
    again = await read(database, MINA, inbox_id=update, tops=("sad", "fear"))
    assert again == first
    async with database.readers() as session:
        assert await session.scalar(select(func.count()).select_from(FaceRow)) == 1
        assert await readings.reading_of_inbox(session, update) == first
        assert await readings.reading_of_inbox(session, update, photo_index=1) is None


async def test_same_photo_read_by_two_at_once_is_one_reading(database: Database) -> None:
    await see(database, MINA)
    update = await inbox_id(database)
    both = await asyncio.gather(*(read(database, MINA, inbox_id=update) for _ in range(4)))
    assert len({reading.reading_id for reading in both}) == 1
    async with database.readers() as session:
        assert await session.scalar(select(func.count()).select_from(ReadingRow)) == 1


async def test_second_photo_of_an_update_is_another_reading(database: Database) -> None:
    await see(database, MINA)
    update = await inbox_id(database)
    first = await read(database, MINA, inbox_id=update)
    second = await read(database, MINA, inbox_id=update, photo_index=1)
    assert first.reading_id != second.reading_id


async def test_reading_outlives_the_purge_of_its_update(database: Database) -> None:
    await see(database, MINA)
    written = await read(database, MINA, inbox_id=await inbox_id(database))
    async with database.sessions.begin() as session:
        claim = await inbox.claim_next(
            session, bot_id=BOT, worker="two", lease=MINUTE, now=NOON + MINUTE
        )
        assert claim is not None
        await inbox.finish(session, claim, now=NOON)
        assert await inbox.purge_finished(session, before=NOON + MINUTE) == 1
    assert (await found(database, written.reading_id)).inbox_id is None


async def test_unknown_reading_is_named(database: Database) -> None:
    with pytest.raises(ReadingUnknown):
        await found(database, "none")


async def test_photo_without_a_face_is_a_reading_without_faces(database: Database) -> None:
    await see(database, MINA)
    written = await read(database, MINA, tops=(), status="no_face")
    again = await found(database, written.reading_id)
    assert (again.status, again.faces) == ("no_face", ())


async def test_latest_reading_is_the_persons_own_in_that_chat(database: Database) -> None:
    await see(database, MINA, JUN)
    group = -100
    await read(database, MINA, chat_id=group, now=NOON)
    newest = await read(database, MINA, chat_id=group, now=NOON + MINUTE)
    await read(database, JUN, chat_id=group, now=NOON + 2 * MINUTE)
    await read(database, MINA, now=NOON + 3 * MINUTE)
    async with database.readers() as session:
        assert await readings.latest_reading(session, group, MINA) == newest
        assert await readings.latest_reading(session, -200, MINA) is None


async def test_reply_finds_the_reading_by_the_photo_and_by_the_answer(database: Database) -> None:
    await see(database, MINA, JUN)
    written = await read(database, MINA, photo_message_id=100)
    await read(database, JUN, photo_message_id=100)
    async with database.sessions.begin() as session:
        await readings.set_reply_message(session, written.reading_id, 101)
    async with database.readers() as session:
        by_photo = await readings.reading_of_reply(session, MINA, 100)
        by_answer = await readings.reading_of_reply(session, MINA, 101)
        foreign = await readings.reading_of_reply(session, MINA, 102)
    assert by_photo is not None
    assert by_photo == by_answer == await found(database, written.reading_id)
    assert by_photo.reply_message_id == 101
    assert foreign is None


async def test_face_of_a_number_names_the_valid_ones(database: Database) -> None:
    await see(database, MINA)
    written = await read(database, MINA, tops=("happy", "sad"))
    assert readings.face_of(written, 2) == written.faces[1]
    with pytest.raises(FaceUnknown) as refusal:
        readings.face_of(written, 3)
    assert refusal.value.valid == (1, 2)


async def test_reading_needs_a_known_person_and_a_known_version(database: Database) -> None:
    await see(database)
    with pytest.raises(IntegrityError):
        await read(database, MINA)
