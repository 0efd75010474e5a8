"""Rulings on both databases: append-only, one admin at a time, nobody on their own feedback."""

import asyncio

import pytest
from sqlalchemy import func, select

from store import feedback, people, rulings
from store.engine import Database
from store.records import Ruling, RulingOutcome, RulingVerdict
from store.tables import RulingRow
from tests.store.rows import JUN, MINA, MINUTE, NOON, teach

ADMIN, OTHER_ADMIN = 5_000_000_010, 5_000_000_011


@pytest.fixture
async def said(database: Database) -> int:
    """Mina's correction of a face that is kept with her consent."""
    return await teach(database, MINA)


async def decide(
    database: Database, feedback_id: int, verdict: RulingVerdict, admin_id: int = ADMIN
) -> RulingOutcome:
    async with database.sessions.begin() as session:
        return await rulings.rule_in_review(
            session, feedback_id, verdict, admin_id=admin_id, now=NOON
        )


async def take_back(database: Database, feedback_id: int, admin_id: int = ADMIN) -> RulingOutcome:
    async with database.sessions.begin() as session:
        return await rulings.take_back(session, feedback_id, admin_id=admin_id, now=NOON + MINUTE)


async def standing(database: Database, feedback_id: int) -> Ruling | None:
    async with database.readers() as session:
        return await rulings.ruling_of(session, feedback_id)


async def written(database: Database) -> int:
    async with database.readers() as session:
        return (await session.scalar(select(func.count()).select_from(RulingRow))) or 0


async def test_a_ruling_is_written_with_its_admin(database: Database, said: int) -> None:
    assert await standing(database, said) is None
    assert await decide(database, said, "accepted") == "ruled"
    assert await standing(database, said) == Ruling(said, "accepted", ADMIN, NOON)


async def test_the_same_ruling_heard_twice_is_written_once(database: Database, said: int) -> None:
    assert await decide(database, said, "rejected") == "ruled"
    assert await decide(database, said, "rejected") == "repeated"
    assert await written(database) == 1


async def test_what_was_ruled_on_is_not_ruled_on_again(database: Database, said: int) -> None:
    await decide(database, said, "accepted")
    assert await decide(database, said, "rejected", OTHER_ADMIN) == "already_ruled"
    assert await decide(database, said, "accepted", OTHER_ADMIN) == "already_ruled"
    assert await decide(database, said, "skipped") == "already_ruled"
    assert await standing(database, said) == Ruling(said, "accepted", ADMIN, NOON)


async def test_of_two_admins_at_once_the_second_waits_for_the_first(
    database: Database, said: int
) -> None:
    async with database.sessions.begin() as session:
        first = await rulings.rule_in_review(session, said, "accepted", admin_id=ADMIN, now=NOON)
        second = asyncio.create_task(decide(database, said, "rejected", OTHER_ADMIN))
        done, _ = await asyncio.wait({second}, timeout=0.3)
        assert not done
    assert (first, await second) == ("ruled", "already_ruled")
    assert await written(database) == 1


async def test_skipped_feedback_is_left_for_others(database: Database, said: int) -> None:
    assert await decide(database, said, "skipped") == "ruled"
    assert await decide(database, said, "rejected", OTHER_ADMIN) == "ruled"
    assert await standing(database, said) == Ruling(said, "rejected", OTHER_ADMIN, NOON)


async def test_nobody_rules_on_their_own_feedback(database: Database) -> None:
    own = await teach(database, ADMIN)
    assert await decide(database, own, "accepted") == "own"
    assert await written(database) == 0


async def test_a_ruling_can_be_taken_back_and_made_anew(database: Database, said: int) -> None:
    await decide(database, said, "accepted")
    assert await take_back(database, said) == "ruled"
    assert await take_back(database, said) == "repeated"
    assert await standing(database, said) == Ruling(said, "skipped", ADMIN, NOON + MINUTE)
    assert await decide(database, said, "rejected") == "ruled"


async def test_nobody_takes_back_anothers_ruling(database: Database, said: int) -> None:
    await decide(database, said, "accepted", OTHER_ADMIN)
    assert await take_back(database, said) == "already_ruled"
    assert await standing(database, said) == Ruling(said, "accepted", OTHER_ADMIN, NOON)


async def test_what_was_undone_or_erased_is_gone(database: Database, said: int) -> None:
    async with database.sessions.begin() as session:
        await feedback.undo_feedback(session, said, MINA)
    assert await decide(database, said, "accepted") == "gone"
    assert await take_back(database, said) == "gone"
    async with database.sessions.begin() as session:
        await people.erase_person(session, MINA)
    assert await decide(database, said, "accepted") == "gone"
    assert await written(database) == 0


async def test_without_consent_it_is_gone(database: Database, said: int) -> None:
    async with database.sessions.begin() as session:
        await people.set_consent(session, MINA, "withdrawn")
    assert await decide(database, said, "accepted") == "gone"


async def test_rulings_of_an_erased_admin_stand_without_a_name(
    database: Database, said: int
) -> None:
    await decide(database, said, "accepted", JUN)
    async with database.sessions.begin() as session:
        await people.erase_person(session, JUN)
    assert await standing(database, said) == Ruling(said, "accepted", None, NOON)
    assert await decide(database, said, "rejected") == "already_ruled"
