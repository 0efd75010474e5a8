"""People: consent and the crops that hang on it; erasing leaves no trace."""

import asyncio
from pathlib import Path

import pytest
from sqlalchemy import BigInteger, func, select, update
from sqlalchemy.exc import IntegrityError

from store import engine, feedback, inbox, leases, people, questions, readings, rulings
from store.engine import Database
from store.errors import ConsentMissing, FeedbackUnknown, ReadingUnknown
from store.tables import OWNER_COLUMN, Base, FaceRow, InboxRow
from tests.store.rows import (
    BOT,
    JUN,
    MINA,
    MINUTE,
    NOON,
    add_candidate,
    add_row,
    model_lease,
    read,
    say,
    see,
    send,
)


async def consent(database: Database, *, given: bool, person_id: int = MINA) -> None:
    """Give or withdraw consent."""
    async with database.sessions.begin() as session:
        await people.set_consent(session, person_id, "given" if given else "withdrawn", now=NOON)


async def keep(database: Database, face_id: int, crop: bytes = b"a face") -> None:
    """Keep a crop."""
    async with database.sessions.begin() as session:
        await people.keep_crop(session, face_id, crop)


async def crops(database: Database) -> list[bytes | None]:
    """Return every face's crop, read by a session of its own."""
    async with database.readers() as session:
        return list(await session.scalars(select(FaceRow.crop).order_by(FaceRow.id)))


async def to_keep(database: Database) -> list[tuple[int, str]]:
    """Return the numbers and file ids of Mina's faces that are to be kept."""
    async with database.readers() as session:
        faces = await people.faces_without_crop(session, MINA)
    return [(kept.face.number, kept.file_id) for kept in faces]


async def test_person_seen_twice_is_one_and_keeps_their_language(database: Database) -> None:
    async with database.sessions.begin() as session:
        await people.see_person(session, MINA, language="ko", now=NOON)
        again = await people.see_person(session, MINA, language="en", now=NOON + MINUTE)
    assert (again.language, again.first_seen_at, again.consent) == ("ko", NOON, "unknown")


async def test_person_seen_by_many_at_once_is_one(database: Database) -> None:
    await asyncio.gather(*(see(database, MINA) for _ in range(5)))
    async with database.readers() as session:
        assert await people.person(session, MINA) is not None
        assert await people.person(session, JUN) is None


async def test_chosen_language_is_kept(database: Database) -> None:
    await see(database, MINA)
    async with database.sessions.begin() as session:
        await people.set_language(session, MINA, "ko")
    async with database.readers() as session:
        mina = await people.person(session, MINA)
    assert mina is not None
    assert mina.language == "ko"


async def test_consent_is_asked_once(database: Database) -> None:
    await see(database, MINA)
    async with database.sessions.begin() as session:
        assert await people.mark_consent_asked(session, MINA, now=NOON)
    async with database.sessions.begin() as session:
        assert not await people.mark_consent_asked(session, MINA, now=NOON)
        mina = await people.person(session, MINA)
    assert mina is not None
    assert (mina.consent, mina.consent_at) == ("asked", NOON)


@pytest.mark.parametrize("given", [True, False])
async def test_consent_is_not_asked_of_who_has_answered(database: Database, *, given: bool) -> None:
    await see(database, MINA)
    await consent(database, given=given)
    async with database.sessions.begin() as session:
        assert not await people.mark_consent_asked(session, MINA)


async def test_crop_is_refused_without_consent(database: Database) -> None:
    await see(database, MINA)
    about = await read(database, MINA)
    with pytest.raises(ConsentMissing):
        await keep(database, about.faces[0].face_id)
    assert await crops(database) == [None]


async def test_crop_is_kept_with_consent_and_deleted_when_it_is_withdrawn(
    database: Database,
) -> None:
    await see(database, MINA, JUN)
    mina, jun = await read(database, MINA), await read(database, JUN)
    for about in (mina, jun):
        await say(database, about)
        await consent(database, given=True, person_id=about.person_id)
        await keep(database, about.faces[0].face_id)
    assert await crops(database) == [b"a face", b"a face"]
    await consent(database, given=False)
    assert await crops(database) == [None, b"a face"]
    with pytest.raises(ConsentMissing):
        await keep(database, mina.faces[0].face_id)


async def test_crop_of_an_erased_face_is_refused(database: Database) -> None:
    await see(database, MINA)
    with pytest.raises(ReadingUnknown):
        await keep(database, 12345)


async def test_crop_is_not_kept_of_a_face_about_which_all_was_taken_back_meanwhile(
    database: Database,
) -> None:
    await see(database, MINA)
    said = await say(database, await read(database, MINA))
    await consent(database, given=True)
    async with database.sessions.begin() as session:
        await feedback.undo_feedback(session, said.feedback.feedback_id, MINA)
        keeping = asyncio.create_task(keep(database, said.face.face_id))
        done, _ = await asyncio.wait([keeping], timeout=0.2)
        assert not done
    with pytest.raises(FeedbackUnknown):
        await keeping
    assert await crops(database) == [None]


async def test_database_itself_refuses_a_crop_without_consent(database: Database) -> None:
    await see(database, MINA)
    about = await read(database, MINA)
    crop_alone = update(FaceRow).where(FaceRow.id == about.faces[0].face_id).values(crop=b"a face")
    async with database.sessions() as session:
        with pytest.raises(IntegrityError):
            await session.execute(crop_alone)


async def test_only_faces_that_were_spoken_about_are_to_be_kept(database: Database) -> None:
    await see(database, MINA)
    about = await read(database, MINA, tops=("happy", "sad"))
    await say(database, about, None, face=2)
    assert await to_keep(database) == []
    await consent(database, given=True)
    assert await to_keep(database) == [(2, "file-100")]
    await keep(database, about.faces[1].face_id)
    assert await to_keep(database) == []


async def live(database: Database, person_id: int, update_id: int) -> None:
    """Leave a row in every table that can hold one about a person."""
    await send(database, person_id, update_id)
    async with database.sessions.begin() as session:
        claim = await inbox.claim_next(session, bot_id=BOT, worker="one", lease=MINUTE, now=NOON)
    assert claim is not None
    about = await read(database, person_id, inbox_id=claim.inbox_id)
    said = await say(database, about, None, message_id=5)
    feedback_id = said.feedback.feedback_id
    await consent(database, given=True, person_id=person_id)
    await keep(database, about.faces[0].face_id, b"the face of %d" % person_id)
    async with database.sessions.begin() as session:
        await questions.ask_question(
            session,
            person_id=person_id,
            chat_id=person_id,
            reading_id=about.reading_id,
            kind="which_face",
            source="text",
        )
        await rulings.rule(session, feedback_id, "accepted", admin_id=person_id, now=NOON)
    lease = await model_lease(database)
    await add_candidate(database, lease, f"trained-on-{update_id}", feedback_id)
    async with database.sessions.begin() as session:
        await leases.release_lease(session, lease, now=NOON)


def owned_tables() -> list[str]:
    """Return the tables with an owner column."""
    return [name for name, table in Base.metadata.tables.items() if OWNER_COLUMN in table.c]


async def owned(database: Database, person_id: int) -> dict[str, int]:
    """Return how many rows of each table are the person's."""
    counts = {}
    async with database.readers() as session:
        for name in owned_tables():
            table = Base.metadata.tables[name]
            counts[name] = (
                await session.scalar(
                    select(func.count())
                    .select_from(table)
                    .where(table.c[OWNER_COLUMN] == person_id)
                )
                or 0
            )
    return counts


async def test_erasing_leaves_no_row_of_the_person_and_all_of_others(database: Database) -> None:
    await see(database, MINA, JUN)
    await live(database, MINA, 1)
    await live(database, JUN, 2)
    before = await owned(database, JUN)
    assert all(before.values()), "the test must leave a row in every table with an owner"
    assert await owned(database, MINA) == before
    async with database.sessions.begin() as session:
        erased = await people.erase_person(session, MINA, now=NOON)
    assert erased.rows == before
    assert await owned(database, MINA) == dict.fromkeys(before, 0)
    assert await owned(database, JUN) == before


async def test_erasing_leaves_their_number_in_no_column(database: Database) -> None:
    await see(database, MINA, JUN)
    await live(database, MINA, 1)
    async with database.sessions.begin() as session:
        await people.erase_person(session, MINA)
    async with database.readers() as session:
        for table in Base.metadata.sorted_tables:
            for row in await session.execute(select(table)):
                assert str(MINA) not in str(row), table.name


def test_every_number_that_could_be_a_person_has_an_owner_beside_it() -> None:
    """A chat is a person in private chats: no table may hold one without an owner."""
    for table in Base.metadata.sorted_tables:
        if "chat_id" in table.c:
            assert OWNER_COLUMN in table.c, table.name
        if OWNER_COLUMN in table.c:
            assert isinstance(table.c[OWNER_COLUMN].type, BigInteger), table.name


async def test_erased_update_is_known_still_and_its_worker_loses_it(database: Database) -> None:
    await see(database, MINA)
    await send(database, MINA, 1)
    async with database.sessions.begin() as session:
        claim = await inbox.claim_next(session, bot_id=BOT, worker="one", lease=MINUTE, now=NOON)
        await people.erase_person(session, MINA, now=NOON)
    assert claim is not None
    async with database.sessions.begin() as session:
        assert not await inbox.finish(session, claim)
        assert not await inbox.put_update(
            session, bot_id=BOT, update_id=1, person_id=MINA, ordering_key="a", payload={}
        )
        row = await session.scalar(select(InboxRow))
    assert row is not None
    assert (row.person_id, row.payload, row.ordering_key, row.state) == (None, None, "", "done")


async def test_erasing_also_deletes_what_others_said_about_the_face(database: Database) -> None:
    await see(database, MINA, JUN)
    about = await read(database, MINA)
    await add_row(database, about, JUN, "sad")
    async with database.sessions.begin() as session:
        await people.erase_person(session, MINA)
    assert (await owned(database, JUN))["feedback"] == 0


async def test_erasing_nobody_is_no_error(database: Database) -> None:
    async with database.sessions.begin() as session:
        assert (await people.erase_person(session, MINA)).total == 0


async def test_erased_person_starts_afresh(database: Database) -> None:
    await see(database, MINA)
    await consent(database, given=True)
    async with database.sessions.begin() as session:
        await people.erase_person(session, MINA)
    await see(database, MINA)
    async with database.readers() as session:
        mina = await people.person(session, MINA)
        assert await readings.latest_reading(session, MINA, MINA) is None
    assert mina is not None
    assert mina.consent == "unknown"


async def test_erased_face_is_in_no_file_of_the_sqlite_database(
    sqlite_database: Database, tmp_path: Path
) -> None:
    database = sqlite_database
    await see(database, MINA)
    await consent(database, given=True)
    about = await read(database, MINA)
    await say(database, about)
    crop = b"recognisable bytes " * 2000  # more than a page, so that overflow pages count too
    await keep(database, about.faces[0].face_id, crop)

    def holding() -> list[str]:
        return [path.name for path in tmp_path.iterdir() if crop[:19] in path.read_bytes()]

    assert holding() != []
    async with database.sessions.begin() as session:
        await people.erase_person(session, MINA)
    assert await engine.truncate_log(database)
    assert holding() == []
