"""`/review`: one message, one piece of feedback after the other; nothing said of who gave it."""

import io
from datetime import timedelta

import numpy as np
import pytest
from PIL import Image

from bot import review_cards
from bot.buttons import EndReview, Rule, encode
from bot.playground import ChatMessage, Fault, Person, Playground, RequestRecord
from store import people
from store.engine import Database
from store.tables import FeedbackRow, ReviewCardRow, RulingRow
from tests.bot.conftest import RunBot, RunningBot, eventually
from tests.bot.fakes import FakeRecognizer
from tests.bot.handlers.conftest import (
    TWO_FACES,
    quiet,
    rows,
    send_and_read,
)
from tests.bot.handlers.test_addressed import BOT_NAME, GROUP, hear, message
from tests.bot_api.check import check_conversation


async def correct_and_consent(bot: RunningBot, person: Person, *words: str) -> None:
    """Photos of a happy and a sad face, of which a person says these words; the faces are kept."""
    for number, said in enumerate(words):
        await send_and_read(person, TWO_FACES)
        await person.send_text(said)
        await person.next_message()
        if number == 0:
            asked = await person.next_message()
            await person.press(asked, asked.button_texts[0])
            await person.wait_for_change(asked)
    await quiet(bot)  # a face is kept after it was thanked for


async def open_review(admin: Person) -> ChatMessage:
    """The first piece of feedback, or that there is none."""
    await admin.send_text("/review")
    return await filled(admin, await admin.next_message(timeout=30))


async def filled(admin: Person, opened: ChatMessage) -> ChatMessage:
    """A message in which a face is about to be shown, once it is."""
    return await admin.wait_for_change(opened, timeout=30) if opened.has_photo else opened


async def rule(admin: Person, card: ChatMessage, button: str) -> tuple[str, ChatMessage]:
    """What is said over a pressed button, and what takes the message's place."""
    pressed = await admin.press(card, button)
    said = await admin.answer(pressed, timeout=30)
    return said.text, await admin.wait_for_change(card, timeout=30)


async def shows_face(admin: Person, message: ChatMessage) -> bool:
    """Whether the photo of two faces fills the message's picture."""
    picture = Image.open(io.BytesIO(await admin.download(message))).convert("RGB")
    off = np.abs(np.asarray(picture).astype(int) - np.array(TWO_FACES)).max(axis=-1)
    return int((off < 12).sum()) > 200_000


async def faces_before(admin: Person) -> int:
    """How many of the bot's messages in the chat show the face."""
    messages = await admin.messages()
    return sum([await shows_face(admin, one) for one in messages if one.has_photo])


async def press_latest(person: Person, button: str) -> None:
    """Press this button of the newest message that has it."""
    found = [one for one in await person.messages() if button in one.button_texts]
    await person.press(found[-1], button)


async def erase_oneself(person: Person) -> None:
    """What `/forgetme` does, to the end."""
    await person.send_text("/forgetme")
    asked = await person.next_message()
    await person.press(asked, "🗑 Yes, erase everything")
    await person.wait_for_change(asked)


def photos_to(playground: Playground, person: Person) -> list[RequestRecord]:
    """Requests that sent somebody a photo."""
    sent = playground.requests_to("sendPhoto")
    return [one for one in sent if int(one.params["chat_id"]) == person.id]


async def rulings(bot: RunningBot) -> list[tuple[int, str, int | None]]:
    return [(row.feedback_id, row.verdict, row.admin_id) for row in await rows(bot, RulingRow)]


async def cards_are(bot: RunningBot, message_ids: list[int]) -> bool:
    """Whether these messages, and no others, are known to show a face."""
    return [row.message_id for row in await rows(bot, ReviewCardRow)] == message_ids


async def given(bot: RunningBot) -> list[int]:
    return [row.id for row in await rows(bot, FeedbackRow) if row.active]


async def test_an_administrator_rules_on_one_piece_after_the_other(
    bot: RunningBot, ada: Person, admin: Person, playground: Playground
) -> None:
    await correct_and_consent(bot, ada, "1 is sad", "2 is angry", "1 is surprised")
    card = await open_review(admin)
    assert card.has_photo
    assert "3 pieces of feedback wait for review" in card.text
    assert "I had said: “Of ten people" in card.text
    assert "somebody said: " in card.text
    assert "nobody else has spoken about this face" in card.text
    assert card.button_texts == ("✅ Accept", "❌ Reject", "Skip", "Close")

    said, card = await rule(admin, card, "✅ Accept")
    assert said == "Accepted."
    assert "2 pieces" in card.text
    assert "↩ Undo" in card.button_texts
    said, card = await rule(admin, card, "❌ Reject")
    assert "will not be learnt from" in said
    assert "1 piece of" in card.text
    said, card = await rule(admin, card, "Skip")
    assert "not shown it again" in said
    assert "nothing is left to review" in card.text
    assert card.button_texts == ("↩ Undo",)

    found = await rulings(bot)
    assert [verdict for _, verdict, _ in found] == ["accepted", "rejected", "skipped"]
    assert {one for one, _, _ in found} == set(await given(bot))
    assert {by for _, _, by in found} == {admin.id}
    assert len(photos_to(playground, admin)) == 1
    await admin.send_text("/review")
    assert (await admin.next_message(timeout=30)).text == "Nothing waits for review."


async def test_whose_feedback_it_is_is_not_said_and_the_picture_stays_in_the_chat(
    bot: RunningBot, ada: Person, admin: Person, playground: Playground
) -> None:
    await correct_and_consent(bot, ada, "1 is sad")
    card = await open_review(admin)
    assert str(ada.id) not in str(card.raw)
    assert ada.name not in card.text
    (sent,) = photos_to(playground, admin)
    assert sent.params["protect_content"] in (True, "true")


async def test_the_picture_is_of_the_face_and_is_replaced_at_the_end(
    bot: RunningBot, ada: Person, admin: Person
) -> None:
    await correct_and_consent(bot, ada, "1 is sad")
    card = await open_review(admin)
    assert await shows_face(admin, card)
    _, closed = await rule(admin, card, "Close")
    assert "1 piece of feedback waits" in closed.text
    assert closed.button_texts == ()
    assert not await shows_face(admin, closed)
    assert await rulings(bot) == []
    await eventually(lambda: cards_are(bot, []))


async def test_a_ruling_can_be_taken_back(bot: RunningBot, ada: Person, admin: Person) -> None:
    await correct_and_consent(bot, ada, "1 is sad", "2 is angry")
    first = await open_review(admin)
    _, second = await rule(admin, first, "✅ Accept")
    said, again = await rule(admin, second, "↩ Undo")
    assert "Taken back" in said
    assert again.text == first.text
    _, _ = await rule(admin, again, "❌ Reject")
    (piece, *_), *_ = found = await rulings(bot)
    assert found == [(piece, verdict, admin.id) for verdict in ("accepted", "skipped", "rejected")]


async def test_pressing_twice_rules_once_and_on_this_piece_alone(
    bot: RunningBot, ada: Person, admin: Person
) -> None:
    await correct_and_consent(bot, ada, "1 is sad", "2 is angry")
    card = await open_review(admin)
    data = card.buttons[0][0].data
    first, second = await admin.press_outdated(card, data), await admin.press_outdated(card, data)
    assert (await admin.answer(first, timeout=30)).text == "Accepted."
    assert (await admin.answer(second, timeout=30)).text == "Accepted."
    await quiet(bot)
    assert len(await rulings(bot)) == 1
    assert "1 piece of" in (await admin.message(card)).text


async def test_what_another_administrator_ruled_on_is_passed_over(
    playground: Playground,
    running_bot: RunBot,
    recognizer: FakeRecognizer,
    ada: Person,
    admin: Person,
) -> None:
    grace = playground.person("Grace")
    async with running_bot(playground, recognizer, admin_ids=(admin.id, grace.id)) as bot:
        await correct_and_consent(bot, ada, "1 is sad", "2 is angry")
        mine, others = await open_review(admin), await open_review(grace)
        assert mine.text == others.text
        accept = mine.buttons[0][0].data
        await rule(grace, others, "❌ Reject")
        pressed = await admin.press_outdated(mine, accept)
        assert "ruled on already" in (await admin.answer(pressed, timeout=30)).text
        card = await admin.wait_for(lambda now: "1 piece of" in now.text, timeout=30)
        assert "↩ Undo" not in card.button_texts
        assert [verdict for _, verdict, _ in await rulings(bot)] == ["rejected"]
    check_conversation(playground.requests)


async def test_what_another_administrator_ruled_on_leaves_the_chat_and_ones_own_ruling_stays(
    playground: Playground,
    running_bot: RunBot,
    recognizer: FakeRecognizer,
    ada: Person,
    admin: Person,
) -> None:
    grace = playground.person("Grace")
    async with running_bot(playground, recognizer, admin_ids=(admin.id, grace.id)) as bot:
        await correct_and_consent(bot, ada, "1 is sad", "2 is angry")
        mine, others = await open_review(admin), await open_review(grace)
        _, others = await rule(grace, others, "❌ Reject")
        await admin.wait_until_deleted(mine, timeout=30)
        assert "1 piece of" in (await grace.message(others)).text
        await eventually(lambda: cards_are(bot, [others.id]))
    check_conversation(playground.requests)


async def test_nobody_is_shown_their_own_feedback(
    bot: RunningBot, admin: Person, ada: Person
) -> None:
    await correct_and_consent(bot, admin, "1 is sad")
    assert (await open_review(admin)).text == "Nothing waits for review."
    (own,) = await given(bot)
    forged = await admin.press_outdated((await admin.messages())[-1], encode(Rule(own, "accepted")))
    assert "your own" in (await admin.answer(forged, timeout=30)).text
    assert await rulings(bot) == []


@pytest.mark.parametrize("how", ["undone", "erased", "withdrawn"])
async def test_what_is_gone_meanwhile_leaves_the_chat_and_a_late_press_is_told_so(
    bot: RunningBot, ada: Person, admin: Person, how: str
) -> None:
    await correct_and_consent(bot, ada, "1 is sad")
    card = await open_review(admin)
    accept = card.buttons[0][0].data
    if how == "undone":
        await press_latest(ada, "Undo")
    elif how == "erased":
        await erase_oneself(ada)
    else:
        await ada.send_text("/consent")
        await ada.next_message()
        await press_latest(ada, "Withdraw and delete")
    await admin.wait_until_deleted(card, timeout=30)
    await eventually(lambda: cards_are(bot, []))
    pressed = await admin.press_outdated(card, accept)
    assert "taken back or erased meanwhile" in (await admin.answer(pressed, timeout=30)).text
    end = await admin.next_message(timeout=30)
    assert "nothing is left" in end.text
    assert end.button_texts == ()
    assert await rulings(bot) == []
    assert await faces_before(admin) == 0


async def test_a_face_leaves_the_chat_though_the_process_died_after_erasing(
    playground: Playground,
    running_bot: RunBot,
    recognizer: FakeRecognizer,
    sqlite_database: Database,
    ada: Person,
    admin: Person,
) -> None:
    async with running_bot(playground, recognizer) as bot:
        await correct_and_consent(bot, ada, "1 is sad")
        card = await open_review(admin)
    async with sqlite_database.sessions.begin() as session:
        await people.erase_person(session, ada.id)
    assert await faces_before(admin) == 1
    async with running_bot(playground, recognizer) as heir:
        await admin.wait_until_deleted(card, timeout=30)
        await eventually(lambda: cards_are(heir, []))


async def test_a_face_leaves_the_chat_though_telegram_was_away(
    bot: RunningBot,
    ada: Person,
    admin: Person,
    playground: Playground,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(review_cards, "AFTER_FAILURE", timedelta(milliseconds=50))
    await correct_and_consent(bot, ada, "1 is sad")
    card = await open_review(admin)
    for kind in ("server_error", "drop_before", "drop_after"):
        playground.inject(Fault(kind, "deleteMessage"))  # type: ignore[arg-type]
    await erase_oneself(ada)
    await admin.wait_until_deleted(card, timeout=30)
    await eventually(lambda: cards_are(bot, []))


@pytest.mark.parametrize("method", ["sendPhoto", "editMessageMedia"])
async def test_no_face_is_in_a_message_that_is_not_known(
    bot: RunningBot, ada: Person, admin: Person, playground: Playground, method: str
) -> None:
    await correct_and_consent(bot, ada, "1 is sad")
    playground.inject(Fault("drop_after", method))
    await admin.send_text("/review")
    await admin.next_message()  # nobody knows its number
    await filled(admin, await admin.next_message(timeout=30))
    await erase_oneself(ada)
    await eventually(lambda: cards_are(bot, []))
    assert await faces_before(admin) == 0


async def test_another_review_takes_the_earlier_one_away(
    bot: RunningBot, ada: Person, admin: Person
) -> None:
    await correct_and_consent(bot, ada, "1 is sad", "2 is angry")
    earlier = await open_review(admin)
    later = await open_review(admin)
    assert later.text == earlier.text
    await admin.wait_until_deleted(earlier, timeout=30)
    await eventually(lambda: cards_are(bot, [later.id]))


async def test_what_telegram_no_longer_deletes_is_replaced(
    bot: RunningBot, ada: Person, admin: Person, playground: Playground
) -> None:
    await correct_and_consent(bot, ada, "1 is sad")
    card = await open_review(admin)
    playground.world.letters[card.id].message["date"] -= 3 * 24 * 3600
    await erase_oneself(ada)
    replaced = await admin.wait_for_change(card, timeout=30)
    assert "erased" in replaced.text
    assert replaced.button_texts == ()
    assert not await shows_face(admin, replaced)
    await eventually(lambda: cards_are(bot, []))


async def test_an_administrator_who_blocked_the_bot_does_not_hold_up_another(
    playground: Playground,
    running_bot: RunBot,
    recognizer: FakeRecognizer,
    ada: Person,
    admin: Person,
) -> None:
    grace = playground.person("Grace")
    async with running_bot(playground, recognizer, admin_ids=(admin.id, grace.id)) as bot:
        await correct_and_consent(bot, ada, "1 is sad")
        blocked, card = await open_review(admin), await open_review(grace)
        await admin.block()
        await erase_oneself(ada)
        await grace.wait_until_deleted(card, timeout=30)
        await eventually(lambda: cards_are(bot, [blocked.id]))
    await admin.unblock()
    async with running_bot(playground, recognizer):
        await admin.wait_until_deleted(blocked, timeout=30)


async def test_an_administrator_who_is_erased_keeps_no_face(
    bot: RunningBot, ada: Person, admin: Person
) -> None:
    await correct_and_consent(bot, ada, "1 is sad")
    card = await open_review(admin)
    await erase_oneself(admin)
    await admin.wait_until_deleted(card, timeout=30)
    await eventually(lambda: cards_are(bot, []))


async def test_a_crash_between_ruling_and_the_next_piece_loses_nothing(
    bot: RunningBot, ada: Person, admin: Person, playground: Playground
) -> None:
    await correct_and_consent(bot, ada, "1 is sad", "2 is angry")
    card = await open_review(admin)
    playground.inject(Fault("drop_before", "editMessageMedia"))
    _, following = await rule(admin, card, "❌ Reject")
    assert "1 piece of" in following.text
    assert "↩ Undo" in following.button_texts
    await quiet(bot)
    assert [verdict for _, verdict, _ in await rulings(bot)] == ["rejected"]


async def test_where_the_message_is_gone_the_next_piece_comes_below(
    bot: RunningBot, ada: Person, admin: Person, playground: Playground
) -> None:
    await correct_and_consent(bot, ada, "1 is sad", "2 is angry")
    card = await open_review(admin)
    playground.inject(Fault("slow", "editMessageMedia", seconds=0.5))
    pressed = await admin.press(card, "✅ Accept")
    await admin.delete(card)
    await admin.answer(pressed, timeout=30)
    below = await filled(admin, await admin.next_message(timeout=30))
    assert "1 piece of" in below.text
    sent = photos_to(playground, admin)
    assert all(one.params["protect_content"] in (True, "true") for one in sent)
    assert len(sent) == 2


async def test_others_are_told_kindly(bot: RunningBot, ada: Person) -> None:
    await ada.send_text("/review")
    refused = await ada.next_message()
    assert "for administrators only" in refused.text
    assert not refused.has_photo


async def test_rulings_of_somebody_else_are_refused(bot: RunningBot, ada: Person) -> None:
    await correct_and_consent(bot, ada, "1 is sad")
    (piece,) = await given(bot)
    answer = (await ada.messages())[-1]
    for button in (Rule(piece, "accepted"), EndReview()):
        pressed = await ada.press_outdated(answer, encode(button))
        assert "for administrators only" in (await ada.answer(pressed)).text
    assert await rulings(bot) == []


async def test_no_face_is_shown_in_a_group(
    bot: RunningBot, ada: Person, admin: Person, playground: Playground
) -> None:
    await correct_and_consent(bot, ada, "1 is sad")
    playground.world.people[GROUP["id"]] = playground.world.people[ada.id]
    words = f"/review{BOT_NAME}"
    entities = [{"type": "bot_command", "offset": 0, "length": len(words)}]
    before = len(playground.requests_to("sendPhoto"))
    await hear(bot, message=message(admin.id, text=words, entities=entities))
    assert "in a private chat" in str(playground.requests_to("sendMessage")[-1].params["text"])
    assert len(playground.requests_to("sendPhoto")) == before


async def test_stats_say_how_much_waits(bot: RunningBot, ada: Person, admin: Person) -> None:
    await correct_and_consent(bot, ada, "1 is sad", "2 is angry")
    await admin.send_text("/stats")
    answer = await admin.next_message(timeout=30)
    assert "2 pieces of feedback wait for /review" in answer.text
