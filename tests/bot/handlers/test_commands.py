import pytest

from bot.playground import Person
from store.tables import PersonRow
from tests.bot.conftest import RunningBot
from tests.bot.handlers.conftest import quiet, rows


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("/start", "I read the emotions in a face"),
        ("/help", "Send a photo"),
        ("/privacy", "What I keep about you"),
        ("/consent", "You have not agreed so far"),
        ("/forgetme", "It cannot be taken back"),
        ("/start from-a-link", "I read the emotions in a face"),
    ],
)
async def test_a_command_is_answered(
    bot: RunningBot, ada: Person, command: str, words: str
) -> None:
    sent = await ada.send_text(command)
    answer = await ada.next_message()
    assert words in answer.text
    assert answer.reply_to == sent.id


async def test_commands_are_answered_in_korean(bot: RunningBot, minji: Person) -> None:
    await minji.send_text("/start")
    assert "얼굴" in (await minji.next_message()).text
    assert [row.language for row in await rows(bot, PersonRow)] == ["ko"]


async def test_an_unknown_command_points_to_help(bot: RunningBot, ada: Person) -> None:
    await ada.send_text("/dance")
    assert "/help" in (await ada.next_message()).text


async def test_help_tells_only_administrators_of_their_commands(
    bot: RunningBot, ada: Person, admin: Person
) -> None:
    await ada.send_text("/help")
    told = (await ada.next_message()).text
    assert "/stats" not in told
    assert "/review" not in told
    await admin.send_text("/help")
    told = (await admin.next_message()).text
    assert "/stats" in told
    assert "/review" in told


async def test_blocking_and_unblocking_is_taken_silently(bot: RunningBot, ada: Person) -> None:
    await ada.start()
    await ada.next_message()
    await ada.block()
    await ada.unblock()
    await ada.expect_silence(0.5)
    await quiet(bot)
