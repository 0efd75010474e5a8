"""Whom a version was trained on outlives their rows: it is void, and what descends from it."""

import asyncio

import pytest

from store import feedback, inbox, people, versions
from store.engine import Database
from store.errors import VersionDeleted, VersionNotPromotable, VersionVoid
from store.records import Lease
from store.tables import FeedbackRow
from tests.store.rows import (
    BASE,
    BOT,
    JUN,
    MINA,
    MINUTE,
    NOON,
    PASSED,
    add_candidate,
    model_lease,
    promote,
    read,
    say,
    see,
    send,
    teach,
)


@pytest.fixture
async def lease(database: Database) -> Lease:
    """The right to change versions; two people and the base are known."""
    await see(database, MINA, JUN)
    return await model_lease(database)


async def erase(database: Database, person_id: int) -> int:
    """How many versions are void by it."""
    async with database.sessions.begin() as session:
        return (await people.erase_person(session, person_id, now=NOON)).versions


async def void(database: Database) -> set[str]:
    async with database.readers() as session:
        return {one.digest for one in await versions.versions(session) if one.void}


async def starts(database: Database) -> list[str]:
    async with database.readers() as session:
        return [one.digest for one in await versions.clean_starts(session)]


async def test_versions_trained_on_an_erased_person_and_their_descendants_are_void(
    database: Database, lease: Lease
) -> None:
    minas, juns = await teach(database, MINA), await teach(database, JUN)
    await add_candidate(database, lease, "of-jun", juns)
    await add_candidate(database, lease, "of-both", minas, juns, parent="of-jun")
    await add_candidate(database, lease, "after", juns, parent="of-both")
    await add_candidate(database, lease, "beside", juns, parent="of-jun")
    assert await erase(database, MINA) == 2
    assert await void(database) == {"of-both", "after"}


async def test_erasing_somebody_nothing_was_trained_on_voids_nothing(
    database: Database, lease: Lease
) -> None:
    juns = await teach(database, JUN)
    await teach(database, MINA)
    await add_candidate(database, lease, "of-jun", juns)
    assert await erase(database, MINA) == 0
    assert await void(database) == set()


async def test_a_version_trained_on_what_another_said_of_the_persons_face_is_void(
    database: Database, lease: Lease
) -> None:
    about = await read(database, MINA, chat_id=-5)
    said = (await say(database, about)).feedback.feedback_id
    async with database.sessions.begin() as session:
        row = await session.get_one(FeedbackRow, said)
        row.person_id = JUN  # as the crowd's votes in a group would be
    await add_candidate(database, lease, "of-minas-face", said)
    await erase(database, MINA)
    assert await void(database) == {"of-minas-face"}


async def test_withdrawn_consent_voids_as_erasing_does(database: Database, lease: Lease) -> None:
    minas = await teach(database, MINA)
    await add_candidate(database, lease, "of-mina", minas)
    async with database.sessions.begin() as session:
        await people.set_consent(session, MINA, "withdrawn", now=NOON)
    assert await void(database) == {"of-mina"}


async def test_undone_feedback_voids_nothing(database: Database, lease: Lease) -> None:
    minas = await teach(database, MINA)
    await add_candidate(database, lease, "of-mina", minas)
    async with database.sessions.begin() as session:
        await feedback.undo_feedback(session, minas, MINA, now=NOON)
    assert await void(database) == set()


@pytest.mark.parametrize("how", ["erased", "withdrawn"])
async def test_a_version_of_somebody_who_left_while_it_was_trained_is_void_from_its_start(
    database: Database, lease: Lease, how: str
) -> None:
    minas, juns = await teach(database, MINA), await teach(database, JUN)
    async with database.sessions.begin() as session:
        if how == "erased":
            await people.erase_person(session, MINA, now=NOON)
        else:
            await people.set_consent(session, MINA, "withdrawn", now=NOON)
    await add_candidate(database, lease, "of-both", minas, juns)
    await add_candidate(database, lease, "after", juns, parent="of-both")
    assert await void(database) == {"of-both", "after"}


@pytest.mark.parametrize("first", ["registering", "erasing"])
@pytest.mark.parametrize("trained", ["on her", "on from what was"])
async def test_erasing_and_registering_at_once_wait_for_each_other(
    database: Database, lease: Lease, first: str, trained: str
) -> None:
    minas, juns = await teach(database, MINA), await teach(database, JUN)
    await add_candidate(database, lease, "of-mina", minas)
    parent, said = (BASE, minas) if trained == "on her" else ("of-mina", juns)
    async with database.sessions.begin() as session:
        if first == "erasing":
            await people.erase_person(session, MINA, now=NOON)
            other = asyncio.create_task(add_candidate(database, lease, "new", said, parent=parent))
        else:
            await versions.add_candidate(
                session,
                "new",
                "file:///new",
                parent_digest=parent,
                figures={},
                report={},
                feedback_ids=(said,),
                lease=lease,
                actor="test",
                now=NOON,
            )
            other = asyncio.create_task(erase(database, MINA))
        done, _ = await asyncio.wait([other], timeout=0.2)
        assert not done
    await other
    assert await void(database) == {"of-mina", "new"}


async def test_a_void_version_is_neither_promoted_nor_rolled_back_to(
    database: Database, lease: Lease
) -> None:
    minas, juns = await teach(database, MINA), await teach(database, JUN)
    await add_candidate(database, lease, "of-mina", minas)
    await promote(database, lease, "of-mina")
    await add_candidate(database, lease, "of-jun", juns)
    await promote(database, lease, "of-jun")
    await erase(database, MINA)
    async with database.sessions.begin() as session:
        with pytest.raises(VersionVoid, match="never serves again"):
            await versions.promote(
                session,
                "of-mina",
                verdict=PASSED,
                lease=lease,
                actor="test",
                override_reason="I want it back",
                now=NOON,
            )
        with pytest.raises(VersionVoid):
            await versions.rollback(session, lease=lease, actor="test", reason="worse", now=NOON)
        assert (await versions.current_version(session)).digest == "of-jun"


async def test_the_nearest_clean_ancestor_stands_in_for_a_void_version(
    database: Database, lease: Lease
) -> None:
    minas, juns = await teach(database, MINA), await teach(database, JUN)
    for digest, parent, said in (
        ("one", BASE, (juns,)),
        ("two", "one", (minas, juns)),
        ("three", "two", (juns,)),
    ):
        await add_candidate(database, lease, digest, *said, parent=parent)
        await promote(database, lease, digest)
    await erase(database, MINA)
    assert await starts(database) == ["one", BASE]
    async with database.sessions.begin() as session:
        with pytest.raises(VersionNotPromotable):
            await versions.replace_void(session, "two", lease=lease, actor="test", now=NOON)
        await versions.replace_void(session, "one", lease=lease, actor="test", now=NOON)
    async with database.readers() as session:
        assert (await versions.current_version(session)).digest == "one"
        last = (await versions.events(session))[-1]
    assert (last.event, last.previous_digest, last.reason) == (
        "rolled_back",
        "three",
        versions.PERSON_ERASED,
    )


async def test_nothing_stands_in_for_a_version_that_is_not_void(
    database: Database, lease: Lease
) -> None:
    await add_candidate(database, lease, "one")
    await promote(database, lease, "one")
    async with database.sessions.begin() as session:
        with pytest.raises(VersionNotPromotable):
            await versions.replace_void(session, BASE, lease=lease, actor="test", now=NOON)


async def test_a_deleted_version_stands_in_for_nothing_and_is_not_promoted(
    database: Database, lease: Lease
) -> None:
    minas, juns = await teach(database, MINA), await teach(database, JUN)
    await add_candidate(database, lease, "one", juns)
    await promote(database, lease, "one")
    await add_candidate(database, lease, "two", minas, parent="one")
    await promote(database, lease, "two")
    async with database.sessions.begin() as session:
        await versions.mark_deleted(session, "one", lease=lease, now=NOON)
        with pytest.raises(VersionNotPromotable):
            await versions.mark_deleted(session, "two", lease=lease, now=NOON)
        with pytest.raises(VersionDeleted):
            await versions.promote(
                session, "one", verdict=PASSED, lease=lease, actor="test", now=NOON
            )
    await erase(database, MINA)
    assert await starts(database) == [BASE]


async def test_updates_that_came_after_the_wish_to_be_forgotten_stay(database: Database) -> None:
    await see(database, MINA)
    for update_id in (1, 2, 3):
        await send(database, MINA, update_id)
    async with database.sessions.begin() as session:
        wish = await inbox.claim_next(session, bot_id=BOT, worker="w", lease=MINUTE, now=NOON)
        assert wish is not None
        await people.erase_person(session, MINA, up_to=wish.inbox_id, now=NOON)
        next_one = await inbox.claim_next(session, bot_id=BOT, worker="w", lease=MINUTE, now=NOON)
    assert next_one is not None
    assert (next_one.update_id, next_one.person_id) == (2, MINA)
