"""Groups, which the playground does not have: updates are put into the bot's own queue."""

import asyncio
import json
from itertools import count
from typing import Any

import pytest
from telegram import Update

from bot.buttons import ForgetMe, encode
from bot.playground import Person, Playground, Profile
from fer_model import Reading
from store.tables import FeedbackRow, PersonRow, ReadingRow
from tests.bot.conftest import RunningBot, eventually
from tests.bot.fakes import FakeRecognizer
from tests.bot.handlers.conftest import ONE_FACE, SEEN, photo, quiet, rows

GROUP: dict[str, Any] = {"id": -100500, "type": "supergroup", "title": "Friends"}
BOT_NAME = "@feelback_playground_bot"
NUMBERS = count(1)


def entity(kind: str, text: str, part: str) -> dict[str, Any]:
    return {"type": kind, "offset": text.index(part), "length": len(part)}


def message(sender: int, **content: Any) -> dict[str, Any]:
    user = {"id": sender, "is_bot": False, "first_name": "Somebody", "language_code": "en"}
    number = 9000 + next(NUMBERS)
    return {"message_id": number, "from": user, "chat": GROUP, "date": 1, **content}


def text(sender: int, words: str, **content: Any) -> dict[str, Any]:
    kinds = {BOT_NAME: "mention", "/start": "bot_command", f"/start{BOT_NAME}": "bot_command"}
    entities = [entity(kind, words, part) for part, kind in kinds.items() if part in words]
    if f"/start{BOT_NAME}" in words:
        entities = entities[-1:]
    return message(sender, text=words, entities=entities, **content)


async def hear(bot: RunningBot, **update: Any) -> None:
    """Let the bot work through an update as if Telegram had brought it."""
    found = Update.de_json({"update_id": 800_000 + next(NUMBERS), **update}, bot.application.bot)
    await bot.application.update_queue.put(found)
    await quiet(bot)


@pytest.fixture(autouse=True)
def group(playground: Playground) -> None:
    """Let the bot write to the group."""
    playground.world.people[GROUP["id"]] = Profile(GROUP["id"], "Friends", started=True)


@pytest.fixture
async def sent(playground: Playground, bot: RunningBot, ada: Person) -> dict[str, Any]:
    """The content of a photo message, for use in the group."""
    sent = await ada.send_photo(photo())
    await ada.next_message()
    await quiet(bot)
    return {"photo": sent.raw["photo"]}


def told(playground: Playground) -> list[str]:
    """What the bot wanted to tell the group."""
    return [
        str(one.params.get("text", one.params.get("caption")))
        for one in playground.requests
        if one.method in ("sendMessage", "sendPhoto") and int(one.params["chat_id"]) == GROUP["id"]
    ]


async def test_in_a_group_the_bot_leaves_what_is_not_for_it(
    bot: RunningBot, playground: Playground, sent: dict[str, Any]
) -> None:
    before = len(playground.requests)
    for content in (
        text(1001, "it's sad"),
        text(1001, "/start"),
        text(1001, "hello @somebody_else"),
        message(1001, **sent),
        message(1001, caption="look at this", **sent),
        text(1001, "yes", reply_to_message=text(1002, "shall we?")),
    ):
        await hear(bot, message=content)
    answers = [one.method for one in playground.requests[before:] if one.method != "getUpdates"]
    assert answers == []
    assert len(await rows(bot, PersonRow)) == 1


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        (f"{BOT_NAME} hello", "nothing to talk about"),
        (f"/start{BOT_NAME}", "I read the emotions in a face"),
        (BOT_NAME, "nothing to talk about"),
    ],
)
async def test_in_a_group_a_mention_is_answered(
    bot: RunningBot, playground: Playground, words: str, answer: str
) -> None:
    await hear(bot, message=text(1001, words))
    assert answer in told(playground)[0]


async def test_in_a_group_a_photo_that_names_the_bot_is_read(
    bot: RunningBot, playground: Playground, sent: dict[str, Any]
) -> None:
    caption = f"what do you see {BOT_NAME}"
    entities = [entity("mention", caption, BOT_NAME)]
    await hear(bot, message=message(1001, caption=caption, caption_entities=entities, **sent))
    assert "Of ten people" in told(playground)[0]
    assert [row.chat_id for row in await rows(bot, ReadingRow)] == [1001, GROUP["id"]]


async def test_in_a_group_naming_the_bot_under_ones_own_photo_has_it_read(
    bot: RunningBot, playground: Playground, sent: dict[str, Any]
) -> None:
    posted = message(1001, **sent)
    await hear(bot, message=posted)
    assert told(playground) == []
    await hear(bot, message=text(1001, f"{BOT_NAME} please", reply_to_message=posted))
    assert "Of ten people" in told(playground)[0]
    latest = (await rows(bot, ReadingRow))[-1]
    assert (latest.chat_id, latest.person_id) == (GROUP["id"], 1001)
    assert latest.photo_message_id == posted["message_id"]


async def test_a_photo_being_read_while_its_sender_is_forgotten_leaves_nothing(
    bot: RunningBot,
    playground: Playground,
    recognizer: FakeRecognizer,
    ada: Person,
    sent: dict[str, Any],
) -> None:
    reading, forgotten = asyncio.Event(), asyncio.Event()

    async def read_slowly(_: bytes) -> Reading:
        reading.set()
        await forgotten.wait()
        return SEEN[ONE_FACE]

    recognizer.read = read_slowly  # type: ignore[method-assign]
    entities = [entity("mention", BOT_NAME, BOT_NAME)]
    posted = message(1001, caption=BOT_NAME, caption_entities=entities, **sent)
    update = Update.de_json({"update_id": 800_000 + next(NUMBERS), "message": posted}, None)
    await bot.application.update_queue.put(update)
    await reading.wait()
    await ada.send_text("/forgetme")
    asked = await ada.next_message()
    await ada.press(asked, asked.button_texts[0])
    assert "is erased" in (await ada.wait_for_change(asked)).text
    forgotten.set()
    await quiet(bot)
    await eventually(lambda: bot.application.update_queue.in_hand == 0)
    assert await rows(bot, PersonRow) == []
    assert await rows(bot, ReadingRow) == []
    assert told(playground) == []


async def test_in_a_group_only_who_sent_the_photo_may_correct_it(
    bot: RunningBot, playground: Playground, sent: dict[str, Any]
) -> None:
    caption = BOT_NAME
    entities = [entity("mention", caption, BOT_NAME)]
    posted = message(1001, caption=caption, caption_entities=entities, **sent)
    await hear(bot, message=posted)
    await hear(bot, message=text(1002, f"{BOT_NAME} it's sad", reply_to_message=posted))
    assert "somebody else" in told(playground)[-1]
    assert await rows(bot, FeedbackRow) == []
    await hear(bot, message=text(1001, f"{BOT_NAME} it's sad", reply_to_message=posted))
    assert [(row.person_id, row.emotion) for row in await rows(bot, FeedbackRow)] == [(1001, "sad")]


async def test_in_a_group_consent_is_asked_under_the_persons_own_photo(
    bot: RunningBot, playground: Playground, sent: dict[str, Any]
) -> None:
    entities = [entity("mention", BOT_NAME, BOT_NAME)]
    posted = message(1001, caption=BOT_NAME, caption_entities=entities, **sent)
    await hear(bot, message=posted)
    await hear(bot, message=text(1001, f"{BOT_NAME} it's sad", reply_to_message=posted))
    asked = [one for one in playground.requests if "May I keep" in str(one.params.get("text"))]
    (question,) = asked
    reply = json.loads(str(question.params["reply_parameters"]))
    assert reply["message_id"] == posted["message_id"]


async def test_in_a_group_a_reply_to_the_bot_is_answered(
    bot: RunningBot, playground: Playground
) -> None:
    me = bot.application.bot.bot.to_dict()
    answer = {**message(1, text="hi"), "from": me}
    await hear(bot, message=text(1001, "hello", reply_to_message=answer))
    assert len(told(playground)) == 1


async def test_in_a_group_nobody_forgets_for_another(
    bot: RunningBot, playground: Playground, sent: dict[str, Any]
) -> None:
    me = bot.application.bot.bot.to_dict()
    asked = text(1002, f"/forgetme{BOT_NAME}")
    question = {**message(1, text="Erase it all?", reply_to_message=asked), "from": me}
    query = {
        "id": "1",
        "from": {"id": 1001, "is_bot": False, "first_name": "Ada"},
        "chat_instance": "1",
        "message": question,
        "data": encode(ForgetMe()),
    }
    await hear(bot, callback_query=query)
    assert len(await rows(bot, ReadingRow)) == 1
    (answer,) = playground.requests_to("answerCallbackQuery")
    assert "out of date" in str(answer.params["text"])


async def test_other_bots_and_anonymous_administrators_are_left_alone(
    bot: RunningBot, playground: Playground
) -> None:
    robot = text(1001, f"{BOT_NAME} hello")
    robot["from"] = {"id": 1087968824, "is_bot": True, "first_name": "Group"}
    await hear(bot, message=robot)
    assert told(playground) == []
