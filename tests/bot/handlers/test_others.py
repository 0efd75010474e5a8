from collections.abc import Awaitable, Callable

import pytest

from bot.playground import ChatMessage, Person
from store.tables import FeedbackRow, ReadingRow
from tests.bot.conftest import RunningBot
from tests.bot.handlers.conftest import rows, send_and_read
from tests.bot.handlers.test_addressed import hear, text

SENT: dict[str, Callable[[Person], Awaitable[ChatMessage]]] = {
    "animation": lambda person: person.send_animation(),
    "sticker": lambda person: person.send_sticker(),
    "video": lambda person: person.send_video(),
    "voice": lambda person: person.send_voice(),
    "video note": lambda person: person.send_video_note(),
    "location": lambda person: person.send_location(37.57, 126.98),
    "contact": lambda person: person.send_contact("15550100", "Ada"),
    "other file": lambda person: person.send_document(b"%PDF-", "cv.pdf", "application/pdf"),
}


@pytest.mark.parametrize("kind", SENT)
async def test_what_is_no_photo_is_answered_with_what_the_bot_reads(
    bot: RunningBot, ada: Person, kind: str
) -> None:
    sent = await SENT[kind](ada)
    answer = await ada.next_message()
    assert "I read photos; send one" in answer.text
    assert answer.reply_to == sent.id
    assert await rows(bot, ReadingRow) == []


async def test_forwarded_words_are_somebody_elses_and_no_feedback(
    bot: RunningBot, ada: Person
) -> None:
    await send_and_read(ada)
    origin = {"type": "hidden_user", "sender_user_name": "Grace", "date": 1}
    private = {"id": ada.id, "type": "private"}
    await hear(bot, message={**text(ada.id, "it's sad", forward_origin=origin), "chat": private})
    assert "I read photos; send one" in (await ada.next_message()).text
    assert await rows(bot, FeedbackRow) == []
