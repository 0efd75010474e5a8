from datetime import UTC, datetime, timedelta

from bot.buttons import StatisticsRange, encode
from bot.playground import Person
from store import schedules
from tests.bot.conftest import RunningBot
from tests.bot.fakes import VERSION
from tests.bot.handlers.conftest import TWO_FACES, answered_feedback, quiet, send_and_read


async def test_an_administrator_gets_the_numbers_and_a_chart(
    bot: RunningBot, ada: Person, minji: Person, admin: Person
) -> None:
    await send_and_read(ada)
    await answered_feedback(ada, "it's sad")
    await send_and_read(ada, TWO_FACES)
    await send_and_read(minji)
    await quiet(bot)
    await admin.send_text("/stats")
    answer = await admin.next_message(timeout=30)
    assert answer.has_photo
    assert "3 photos with 4 faces, by 2 people" in answer.text
    assert "0 confirmed, 1 corrected" in answer.text
    assert "Agreement: 0%, of the 1 with feedback; 2 got none." in answer.text
    assert VERSION[:12] in answer.text
    assert "(95%)" in answer.text


async def test_an_administrator_is_told_of_the_scheduler(bot: RunningBot, admin: Person) -> None:
    night = datetime.now(UTC) + timedelta(hours=9)
    async with bot.database.sessions.begin() as session:
        await schedules.beat(
            session,
            schedules.RETRAIN,
            "host:1:abc",
            expression="0 3 * * *",
            timezone=None,
            minimum_feedback=1,
            next_at=night,
        )
    await admin.send_text("/stats")
    answer = await admin.next_message(timeout=30)
    assert f"Retraining: next on {night:%Y-%m-%d %H:%M} UTC" in answer.text


async def test_the_range_can_be_changed(bot: RunningBot, admin: Person) -> None:
    await admin.send_text("/stats")
    answer = await admin.next_message(timeout=30)
    assert "The last 30 days" in answer.text
    assert "none of the readings got feedback" in answer.text
    await admin.press(answer, "All time")
    assert "Of all time" in (await admin.wait_for_change(answer)).text


async def test_others_are_told_kindly(bot: RunningBot, ada: Person) -> None:
    await ada.send_text("/stats")
    refused = await ada.next_message()
    assert "for administrators only" in refused.text
    assert not refused.has_photo


async def test_a_range_pressed_by_somebody_else_shows_nothing(bot: RunningBot, ada: Person) -> None:
    _, answer = await send_and_read(ada)
    pressed = await ada.press_outdated(answer, encode(StatisticsRange(7)))
    assert "for administrators only" in (await ada.answer(pressed)).text
    assert (await ada.message(answer)).edits == 0
