"""Messages that show a face to admins: noted before, and to be taken away with the face."""

import asyncio

import pytest
from sqlalchemy import select

from store import feedback, people, review_cards, rulings
from store.engine import Database
from store.records import ReviewCard, ReviewMessage, RulingVerdict
from store.tables import ReviewCardRow
from tests.store.rows import BOT, JUN, MINA, MINUTE, NOON, teach
from tests.store.test_rulings import ADMIN, OTHER_ADMIN

MESSAGE = ReviewMessage(BOT, ADMIN, 10)


@pytest.fixture
async def said(database: Database) -> int:
    """Mina's correction of a face that is kept with her consent."""
    return await teach(database, MINA)


async def note(
    database: Database, feedback_id: int, message: ReviewMessage = MESSAGE
) -> int | None:
    async with database.sessions.begin() as session:
        return await review_cards.note_card(session, message, feedback_id)


async def show(database: Database, feedback_id: int, message: ReviewMessage = MESSAGE) -> None:
    card_id = await note(database, feedback_id, message)
    assert card_id is not None
    async with database.sessions.begin() as session:
        await review_cards.card_shown(session, message, card_id, now=NOON)


async def to_take_away(database: Database, bot_id: int = BOT) -> tuple[ReviewCard, ...]:
    async with database.readers() as session:
        return await review_cards.cards_to_take_away(session, bot_id=bot_id)


async def leaving(database: Database) -> list[ReviewMessage]:
    return [card.message for card in await to_take_away(database)]


async def noted(database: Database) -> list[tuple[int, int | None]]:
    """The messages that may show a face, and what of."""
    async with database.readers() as session:
        found = await session.scalars(select(ReviewCardRow).order_by(ReviewCardRow.id))
        return [(row.message_id, row.feedback_id) for row in found]


async def taken_away(database: Database, *cards: ReviewCard) -> None:
    async with database.sessions.begin() as session:
        for card in cards:
            await review_cards.card_taken_away(session, card)


async def rule(database: Database, feedback_id: int, verdict: RulingVerdict, admin: int) -> None:
    async with database.sessions.begin() as session:
        await rulings.rule(session, feedback_id, verdict, admin_id=admin)


async def test_a_card_whose_face_may_be_shown_stays(database: Database, said: int) -> None:
    await show(database, said)
    assert await leaving(database) == []
    assert await noted(database) == [(10, said)]


@pytest.mark.parametrize("how", ["undone", "revised", "withdrawn", "erased"])
async def test_a_card_goes_with_what_it_shows(database: Database, said: int, how: str) -> None:
    about = (await teach(database, JUN), ReviewMessage(BOT, OTHER_ADMIN, 11))
    await show(database, said)
    await show(database, *about)
    async with database.sessions.begin() as session:
        reading_id = (await feedback.feedback(session, said)).reading_id
        if how == "undone":
            await feedback.undo_feedback(session, said, MINA)
        elif how == "withdrawn":
            await people.set_consent(session, MINA, "withdrawn")
        elif how == "erased":
            await people.erase_person(session, MINA)
        else:
            await feedback.record_feedback(
                session,
                person_id=MINA,
                reading_id=reading_id,
                face_number=1,
                emotion="angry",
                source="text",
            )
    (card,) = await to_take_away(database)
    assert card.message == MESSAGE
    assert await to_take_away(database, BOT + 1) == ()
    await taken_away(database, card)
    assert await noted(database) == [(11, about[0])]


async def test_after_erasing_a_card_says_of_nobody(database: Database, said: int) -> None:
    await show(database, said)
    async with database.sessions.begin() as session:
        await people.erase_person(session, MINA)
    async with database.readers() as session:
        (row,) = await session.execute(select(*ReviewCardRow.__table__.c))
    assert tuple(row)[1:] == (BOT, ADMIN, 10, None, NOON)


async def test_a_card_goes_when_another_admin_ruled_and_not_before(
    database: Database, said: int
) -> None:
    await show(database, said)
    await rule(database, said, "skipped", OTHER_ADMIN)
    await rule(database, said, "accepted", ADMIN)
    assert await leaving(database) == []
    await rule(database, said, "rejected", OTHER_ADMIN)
    assert await leaving(database) == [MESSAGE]
    await rule(database, said, "skipped", OTHER_ADMIN)
    assert await leaving(database) == []


async def test_an_admin_has_one_card(database: Database, said: int) -> None:
    later, others = ReviewMessage(BOT, ADMIN, 11), ReviewMessage(BOT, OTHER_ADMIN, 12)
    await show(database, said)
    await show(database, said, others)
    await show(database, said, later)
    assert await leaving(database) == [MESSAGE]


async def test_an_admin_who_is_erased_has_none(database: Database, said: int) -> None:
    await show(database, said)
    async with database.sessions.begin() as session:
        await people.erase_person(session, ADMIN)
    assert await leaving(database) == [MESSAGE]


async def test_a_message_is_known_by_both_faces_while_one_replaces_the_other(
    database: Database, said: int
) -> None:
    following = await teach(database, JUN)
    await show(database, said)
    await note(database, following)
    assert await noted(database) == [(10, said), (10, following)]
    async with database.sessions.begin() as session:
        await people.erase_person(session, MINA)
    assert await leaving(database) == [MESSAGE]


async def test_a_card_that_shows_another_face_is_known_by_that_alone(
    database: Database, said: int
) -> None:
    following = await teach(database, JUN)
    await show(database, said)
    await show(database, following)
    assert await noted(database) == [(10, following)]


async def test_a_closed_card_is_forgotten_and_one_that_could_not_be_changed_goes(
    database: Database, said: int
) -> None:
    await show(database, said)
    async with database.sessions.begin() as session:
        await review_cards.take_back_card(session, MESSAGE)
    assert await leaving(database) == [MESSAGE]
    async with database.sessions.begin() as session:
        await review_cards.forget_card(session, MESSAGE)
    assert await noted(database) == []


@pytest.mark.parametrize("how", ["undone", "withdrawn", "erased"])
async def test_no_card_is_noted_of_what_may_not_be_shown(
    database: Database, said: int, how: str
) -> None:
    async with database.sessions.begin() as session:
        if how == "undone":
            await feedback.undo_feedback(session, said, MINA)
        elif how == "withdrawn":
            await people.set_consent(session, MINA, "withdrawn")
        else:
            await people.erase_person(session, MINA)
    assert await note(database, said) is None
    assert await noted(database) == []


async def test_erasing_comes_before_a_card_or_finds_it(database: Database, said: int) -> None:
    async def erase() -> None:
        async with database.sessions.begin() as session:
            await people.erase_person(session, MINA)

    async with database.sessions.begin() as session:
        assert await review_cards.note_card(session, MESSAGE, said) is not None
        erasing = asyncio.create_task(erase())
        done, _ = await asyncio.wait([erasing], timeout=0.2)
        assert not done
    await erasing
    assert await leaving(database) == [MESSAGE]

    following = await teach(database, MINA)
    async with database.sessions.begin() as session:
        await people.erase_person(session, MINA)
        noting = asyncio.create_task(note(database, following))
        done, _ = await asyncio.wait([noting], timeout=0.2)
        assert not done
    assert await noting is None


@pytest.mark.parametrize("first", ["shown", "taken away"])
async def test_a_card_that_was_filled_while_it_was_taken_away_goes_again(
    database: Database, said: int, first: str
) -> None:
    """Whoever takes it away had seen it before the face was in it."""
    card_id = await note(database, said)
    assert card_id is not None
    async with database.sessions.begin() as session:
        await people.erase_person(session, MINA)
    (seen,) = await to_take_away(database)
    assert seen.shown_at is None

    async def shown() -> None:
        async with database.sessions.begin() as session:
            await review_cards.card_shown(session, MESSAGE, card_id, now=NOON + MINUTE)

    if first == "shown":
        await shown()
        await taken_away(database, seen)
    else:
        await taken_away(database, seen)
        await shown()
    (again,) = await to_take_away(database)
    assert (again.message, again.shown_at) == (MESSAGE, NOON + MINUTE)
    await taken_away(database, again)
    assert await noted(database) == []
