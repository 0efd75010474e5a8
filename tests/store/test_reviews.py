"""What admins are shown first, and what they are never shown; on both databases."""

import pytest

from store import feedback, people, reviews, rulings
from store.engine import Database
from store.records import ReviewCounts, ReviewItem
from tests.store.rows import JUN, MINA, NOON, SECOND, blend, loads_of_crops, read, say, see, teach
from tests.store.test_rulings import ADMIN, OTHER_ADMIN

SORA = 5_000_000_003


async def waiting(
    database: Database, admin_id: int = ADMIN, limit: int = 50
) -> tuple[ReviewItem, ...]:
    async with database.readers() as session:
        return await reviews.reviewable(session, admin_id=admin_id, limit=limit)


async def ids(database: Database, admin_id: int = ADMIN) -> list[int]:
    return [item.feedback_id for item in await waiting(database, admin_id)]


async def counts(database: Database, admin_id: int | None = ADMIN) -> ReviewCounts:
    async with database.readers() as session:
        return await reviews.review_counts(session, admin_id=admin_id)


async def rule(
    database: Database, feedback_id: int, verdict: rulings.RulingVerdict, admin_id: int = ADMIN
) -> None:
    async with database.sessions.begin() as session:
        await rulings.rule(session, feedback_id, verdict, admin_id=admin_id)


async def test_a_piece_is_shown_with_its_crop_and_what_was_said(database: Database) -> None:
    said = await teach(database, MINA)
    (item,) = await waiting(database)
    assert item == ReviewItem(
        feedback_id=said,
        crop=b"a face",
        crowd=blend("happy"),
        kind="correction",
        emotion="sad",
        shares=None,
        others=(),
        reasons=("alone",),
        created_at=NOON,
    )


async def test_corrections_come_before_confirmations(database: Database) -> None:
    agreed = await teach(database, MINA, "happy")
    corrected = await teach(database, JUN, "angry")
    assert await ids(database) == [corrected, agreed]
    assert await counts(database) == ReviewCounts(waiting=2, accepted=0, rejected=0)


async def test_what_was_ruled_on_waits_no_longer(database: Database) -> None:
    accepted, rejected = await teach(database, MINA), await teach(database, JUN)
    left = await teach(database, SORA)
    await rule(database, accepted, "accepted")
    await rule(database, rejected, "rejected")
    assert await ids(database) == await ids(database, OTHER_ADMIN) == [left]
    assert await counts(database) == ReviewCounts(waiting=1, accepted=1, rejected=1)
    await rule(database, accepted, "skipped")
    assert await ids(database, OTHER_ADMIN) == [accepted, left]
    assert await counts(database, None) == ReviewCounts(waiting=2, accepted=0, rejected=1)


async def test_what_was_skipped_is_shown_to_others_only(database: Database) -> None:
    said = await teach(database, MINA)
    await rule(database, said, "skipped")
    await rule(database, said, "skipped", OTHER_ADMIN + 1)
    assert await ids(database) == []
    assert (await counts(database)).waiting == 0
    assert await ids(database, OTHER_ADMIN) == [said]
    assert (await counts(database, OTHER_ADMIN)).waiting == (await counts(database, None)).waiting


async def test_an_admin_is_not_shown_their_own_feedback(database: Database) -> None:
    own = await teach(database, ADMIN)
    assert await ids(database) == []
    assert (await counts(database)).waiting == 0
    assert await ids(database, OTHER_ADMIN) == [own]


async def test_nothing_is_shown_without_consent_or_crop(database: Database) -> None:
    withdrawn = await teach(database, MINA)
    undone = await teach(database, JUN)
    await see(database, SORA)
    await say(database, await read(database, SORA))
    async with database.sessions.begin() as session:
        await people.set_consent(session, MINA, "withdrawn")
        await feedback.undo_feedback(session, undone, JUN)
    assert await waiting(database) == ()
    assert await counts(database, None) == ReviewCounts(waiting=0, accepted=0, rejected=0)
    async with database.readers() as session:
        assert await reviews.review_item(session, withdrawn) is None


async def test_what_others_said_of_the_same_photo_is_told(database: Database) -> None:
    mine = await teach(database, MINA, "sad")
    await teach(database, JUN, "happy")
    await teach(database, SORA, "happy")
    async with database.readers() as session:
        item = await reviews.review_item(session, mine)
    assert item is not None
    assert item.others == ("happy", "happy")
    assert item.reasons == ("disagree",)


async def test_a_mixture_is_told_with_its_shares(database: Database) -> None:
    halves = (0.0, 0.0, 0.0, 0.0, 0.5, 0.0, 0.5)
    await teach(database, MINA, None, shares=halves)
    (item,) = await waiting(database)
    assert item.shares == halves


async def test_a_burst_is_shown_first_and_said(database: Database) -> None:
    await teach(database, JUN, "angry")
    for number in range(20):
        at = NOON + number * SECOND
        await teach(database, MINA, photo_message_id=200 + number, now=at)
    first, *_ = await waiting(database, limit=1)
    assert first.reasons == ("burst", "alone")
    assert (await counts(database)).waiting == 21


@pytest.mark.parametrize("limit", [1, 2])
async def test_only_the_crops_that_are_shown_are_loaded(
    sqlite_database: Database, limit: int
) -> None:
    for person_id in (MINA, JUN, SORA):
        await teach(sqlite_database, person_id)
    with loads_of_crops(sqlite_database) as loads:
        assert len(await waiting(sqlite_database, limit=limit)) == limit
    (only,) = loads
    assert "feedback.id IN" in only
