"""The exchange that the project stands for, with a real engine; and the rules of conversation."""

import io
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import torch
from PIL import Image
from skimage import data

from bot import conversation, replies
from bot.conversation import Heard, RepliedTo, Speaker
from bot.meanings import Confirmation, Correction, Rejection, Several
from bot.playground import Playground
from bot.texts import Catalogue, Texts
from fer_model import Engine, InProcessRecognizer, face_of_kept
from store import feedback, people, questions, readings, trust, versions
from store.emotions import EMOTIONS
from store.engine import Database
from store.records import NewFace, NewReading, Reading
from store.tables import FaceRow, FeedbackRow, ReadingRow
from tests.bot.conftest import RunBot
from tests.bot.fakes import HAPPY, LANDMARKS, VERSION
from tests.bot.handlers.conftest import quiet, rows, standing
from tests.bot_api.check import check_conversation
from tests.versions import write_random_version

ADA, GRACE = 1001, 1002


async def test_a_real_face_is_read_corrected_kept_and_undone(
    playground: Playground, running_bot: RunBot, tmp_path_factory: pytest.TempPathFactory
) -> None:
    torch.set_num_threads(1)
    engine = Engine.load(write_random_version(tmp_path_factory.mktemp("versions")).path)
    file = io.BytesIO()
    Image.fromarray(data.astronaut()).save(file, "JPEG")
    ada = playground.person("Ada")
    recognizer = InProcessRecognizer(engine)
    try:
        async with running_bot(playground, recognizer) as bot:
            await ada.send_photo(file.getvalue())
            answer = await ada.next_message(timeout=60)
            assert answer.has_photo
            assert "Of ten people" in answer.text
            (reading,) = await rows(bot, ReadingRow)
            assert (reading.model_version, reading.status) == (engine.version.digest, "read")
            await ada.send_text("wrong, it's sad", reply_to=answer)
            noted = await ada.next_message()
            assert "sad" in noted.text
            asked = await ada.next_message()
            await ada.press(asked, asked.button_texts[0])
            await ada.wait_for_change(asked)
            (face,) = await rows(bot, FaceRow)
            assert face.crop is not None
            assert face_of_kept(face.crop).std() > 20  # a face, not a plain surface
            await ada.press(noted, "Undo")
            await ada.wait_for_change(noted)
            await quiet(bot)
            assert await standing(bot) == []
            assert [row.crop for row in await rows(bot, FaceRow)] == [None]
            assert [row.kind for row in await rows(bot, FeedbackRow)][-1] == "retraction"
    finally:
        await recognizer.close()
    check_conversation(playground.requests)


async def test_a_kept_face_is_reviewed_and_its_rejected_correction_counts_for_nothing(
    playground: Playground, running_bot: RunBot, tmp_path_factory: pytest.TempPathFactory
) -> None:
    torch.set_num_threads(1)
    engine = Engine.load(write_random_version(tmp_path_factory.mktemp("versions")).path)
    file = io.BytesIO()
    Image.fromarray(data.astronaut()).save(file, "JPEG")
    ada, admin = playground.person("Ada"), playground.person("Admin")
    recognizer = InProcessRecognizer(engine)
    try:
        async with running_bot(playground, recognizer) as bot:
            await ada.send_photo(file.getvalue())
            answer = await ada.next_message(timeout=60)
            await ada.send_text("60% sad 40% angry", reply_to=answer)
            await ada.next_message()
            asked = await ada.next_message()
            await ada.press(asked, asked.button_texts[0])
            await ada.wait_for_change(asked)
            await quiet(bot)

            await admin.send_text("/review")
            opened = await admin.next_message(timeout=60)
            card = await admin.wait_for_change(opened, timeout=60)
            assert "1 piece of feedback waits for review" in card.text
            assert answer.text.partition("\n")[0].partition(" ")[2] in card.text
            assert "somebody said: 60% sad, 40% angry" in card.text
            shown = Image.open(io.BytesIO(await admin.download(card)))
            assert max(shown.size) == 1280
            await admin.press(card, "❌ Reject")
            end = await admin.wait_for_change(card, timeout=60)
            assert "nothing is left to review" in end.text

            (row,) = await rows(bot, FeedbackRow)
            async with bot.database.readers() as session:
                weights = trust.weigh(await trust.voices(session)).weights
            assert weights == {row.id: 0.0}
    finally:
        await recognizer.close()
    check_conversation(playground.requests)


@pytest.fixture(scope="module")
def texts() -> Texts:
    return Catalogue.load().texts("en")


@pytest.fixture
async def database(sqlite_database: Database) -> Database:
    """A database in which Ada and Grace are known."""
    async with sqlite_database.sessions.begin() as session:
        await versions.register_base(session, VERSION, "shipped", figures={})
        for person in (ADA, GRACE):
            await people.see_person(session, person)
    return sqlite_database


async def read(database: Database, photo_message_id: int = 1, faces: int = 2) -> Reading:
    """Write a reading of Ada's down, of happy faces."""
    face = NewFace((0, 0, 9, 9), LANDMARKS, HAPPY, HAPPY)
    new = NewReading(ADA, ADA, None, "file", "unique", photo_message_id, VERSION, (face,) * faces)
    async with database.sessions.begin() as session:
        return await readings.add_reading(session, new)


async def said(database: Database, about: Reading) -> list[tuple[int, str | None]]:
    """What stands of Ada's words about a reading: face number and emotion."""
    async with database.readers() as session:
        found = await feedback.feedback_of_reading(session, about.reading_id, ADA)
    return [(one.face_number, one.emotion) for one in found]


async def said_shares(database: Database, about: Reading) -> list[tuple[float, ...] | None]:
    """The shares of what stands of Ada's words about a reading."""
    async with database.readers() as session:
        found = await feedback.feedback_of_reading(session, about.reading_id, ADA)
    return [one.shares for one in found]


def by_message(message_id: int) -> Speaker:
    return Speaker(ADA, ADA, "text", message_id)


async def tell(database: Database, texts: Texts, text: str, message_id: int = 2) -> Heard:
    """Let Ada say something."""
    async with database.sessions.begin() as session:
        return await conversation.listen(session, texts, by_message(message_id), text)


async def edit(database: Database, texts: Texts, text: str) -> Heard | None:
    """Let Ada edit message 2."""
    async with database.sessions.begin() as session:
        speaker = replace(by_message(2), source="edit")
        return await conversation.listen_again(session, texts, speaker, text)


async def test_a_message_heard_twice_is_recorded_once(database: Database, texts: Texts) -> None:
    about = await read(database)
    for _ in range(2):
        await tell(database, texts, "1 is sad")
    assert await said(database, about) == [(1, "sad")]
    async with database.readers() as session:
        again = await feedback.feedback_of_message(session, ADA, 2, ADA)
    assert len(again) == 1


async def test_somebody_else_is_refused_and_nothing_recorded(
    database: Database, texts: Texts
) -> None:
    about = await read(database)
    grace = Speaker(GRACE, ADA, "text", 2)
    async with database.sessions.begin() as session:
        for meaning in (Correction("sad", 1), Confirmation(1), Rejection(1)):
            heard = await conversation.hear(session, texts, grace, about, meaning)
            assert "somebody else" in heard.replies[0].text
            assert heard.recorded == ()
        assert await questions.open_question(session, ADA, GRACE) is None


async def test_a_question_is_forgotten_when_another_photo_comes(
    database: Database, texts: Texts
) -> None:
    first = await read(database, faces=1)
    await tell(database, texts, "wrong")
    second = await read(database, photo_message_id=3, faces=1)
    await tell(database, texts, "sad", 4)
    assert await said(database, first) == []
    assert await said(database, second) == [(1, "sad")]


async def test_a_question_about_an_earlier_photo_is_answered_by_the_next_word(
    database: Database, texts: Texts
) -> None:
    first = await read(database, faces=1)
    second = await read(database, photo_message_id=2, faces=1)
    async with database.sessions.begin() as session:
        await conversation.listen(session, texts, by_message(3), "wrong", RepliedTo(1))
        await conversation.listen(session, texts, by_message(4), "sad")
    assert await said(database, first) == [(1, "sad")]
    assert await said(database, second) == []


async def test_a_no_and_a_correction_in_one_message_are_both_heard(
    database: Database, texts: Texts
) -> None:
    about = await read(database)
    meaning = Several((Correction("sad", 1), Rejection(2)))
    async with database.sessions.begin() as session:
        heard = await conversation.hear(session, texts, by_message(2), about, meaning)
        question = await questions.open_question(session, ADA, ADA)
    assert len(heard.replies) == 2
    assert question is not None
    assert (question.kind, question.face_number) == ("which_emotion", 2)
    assert await said(database, about) == [(1, "sad")]


async def test_a_yes_edited_into_a_no_takes_the_confirmation_back(
    database: Database, texts: Texts
) -> None:
    about = await read(database, faces=1)
    await tell(database, texts, "yes")
    assert await said(database, about) == [(1, "happy")]
    heard = await edit(database, texts, "wrong")
    assert heard is not None
    assert heard.recorded == ()
    assert await said(database, about) == []


async def test_an_edit_to_a_face_that_is_not_there_changes_nothing(
    database: Database, texts: Texts
) -> None:
    about = await read(database)
    await tell(database, texts, "1 is sad")
    heard = await edit(database, texts, "8 is sad")
    assert heard is not None
    assert "no face 8" in heard.replies[0].text
    assert await said(database, about) == [(1, "sad")]


async def test_an_undone_word_is_revived_by_an_edit(database: Database, texts: Texts) -> None:
    about = await read(database, faces=1)
    async with database.sessions.begin() as session:
        heard = await conversation.listen(session, texts, by_message(2), "it's sad")
        await feedback.undo_feedback(session, heard.recorded[0].feedback.feedback_id, ADA)
    await edit(database, texts, "it's angry")
    assert await said(database, about) == [(1, "angry")]


async def test_an_edit_that_never_was_feedback_and_is_none_gets_no_answer(
    database: Database, texts: Texts
) -> None:
    await read(database)
    assert await edit(database, texts, "good morning") is None


@pytest.mark.parametrize(
    ("text", "emotion", "shares"),
    [
        ("60% sad 40% fear", "sad", {"sad": 0.6, "fear": 0.4}),
        ("20% sad 80% fear", "fear", {"sad": 0.2, "fear": 0.8}),
        ("half sad half angry", "angry", {"sad": 0.5, "angry": 0.5}),
        ("mostly sad, a bit scared", "sad", {"sad": 2 / 3, "fear": 1 / 3}),
    ],
)
async def test_a_mixture_is_recorded_with_its_shares_and_said_back(
    database: Database, texts: Texts, text: str, emotion: str, shares: dict[str, float]
) -> None:
    about = await read(database, faces=1)
    heard = await tell(database, texts, text)
    assert await said(database, about) == [(1, emotion)]
    assert await said_shares(database, about) == [tuple(shares.get(name, 0.0) for name in EMOTIONS)]
    (reply,) = heard.replies
    for name, share in shares.items():
        assert f"{round(100 * share)}% {texts.emotion(name)}" in reply.text


async def test_a_mixture_in_which_the_reading_leads_is_not_said_back_as_the_reading(
    database: Database, texts: Texts
) -> None:
    about = await read(database, faces=1)
    heard = await tell(database, texts, "60% happy 40% sad")
    assert await said(database, about) == [(1, "happy")]
    assert "60% happy, 40% sad" in heard.replies[0].text


async def test_several_faces_may_have_a_mixture_among_them(
    database: Database, texts: Texts
) -> None:
    about = await read(database, faces=2)
    heard = await tell(database, texts, "1 is happy, 2 is half sad half fear")
    assert [face for face, _ in await said(database, about)] == [1, 2]
    assert len(heard.replies) == 1


async def test_a_mixture_without_a_face_is_kept_until_the_face_is_named(
    database: Database, texts: Texts
) -> None:
    about = await read(database, faces=2)
    await tell(database, texts, "70% sad 30% angry")
    assert await said(database, about) == []
    await tell(database, texts, "2", 3)
    assert await said(database, about) == [(2, "sad")]
    (shares,) = await said_shares(database, about)
    assert shares is not None
    assert (shares[EMOTIONS.index("sad")], shares[EMOTIONS.index("angry")]) == (0.7, 0.3)


async def test_a_yes_or_no_after_forgetmes_question_is_no_word_on_the_face(
    database: Database, texts: Texts
) -> None:
    about = await read(database, faces=1)
    async with database.sessions.begin() as session:
        await people.ask_to_forget(session, ADA)
        (again,) = (await conversation.listen(session, texts, by_message(2), "yes, thanks")).replies
        (kept,) = (await conversation.listen(session, texts, by_message(3), "no")).replies
    assert again == replies.forget_question(texts)
    assert kept == replies.not_forgotten(texts)
    assert await said(database, about) == []
    await tell(database, texts, "yes", 4)
    assert await said(database, about) == [(1, "happy")]


async def test_a_photo_sent_after_forgetmes_question_may_be_confirmed(
    database: Database, texts: Texts
) -> None:
    await read(database, faces=1)
    async with database.sessions.begin() as session:
        await people.ask_to_forget(session, ADA, now=datetime.now(UTC) - timedelta(minutes=1))
    about = await read(database, faces=1)
    await tell(database, texts, "yes")
    assert await said(database, about) == [(1, "happy")]


async def test_an_emotion_named_after_forgetmes_question_is_about_the_face(
    database: Database, texts: Texts
) -> None:
    about = await read(database, faces=1)
    async with database.sessions.begin() as session:
        await people.ask_to_forget(session, ADA)
        await conversation.listen(session, texts, by_message(2), "sad")
    assert await said(database, about) == [(1, "sad")]


@pytest.mark.parametrize("yes", ["yes", "right", "👍"])
async def test_a_yes_to_what_do_you_see_agrees_with_nothing(
    database: Database, texts: Texts, yes: str
) -> None:
    about = await read(database, faces=1)
    for first in ("I am sad", "wrong", "bored"):
        async with database.sessions.begin() as session:
            await conversation.listen(session, texts, by_message(2), first)
            (asked,) = (await conversation.listen(session, texts, by_message(3), yes)).replies
        assert "what do you see in it?" in asked.text
    assert await said(database, about) == []


@pytest.mark.parametrize("both", ["both", "1 and 2", "1, 2", "둘 다"])
async def test_which_face_may_be_answered_by_several(
    database: Database, texts: Texts, both: str
) -> None:
    about = await read(database, faces=2)
    async with database.sessions.begin() as session:
        await conversation.listen(session, texts, by_message(2), "sad")
        await conversation.listen(session, texts, by_message(3), both)
    assert await said(database, about) == [(1, "sad"), (2, "sad")]


async def test_a_face_of_several_named_alone_is_asked_about_and_then_meant(
    database: Database, texts: Texts
) -> None:
    about = await read(database, faces=2)
    async with database.sessions.begin() as session:
        (asked,) = (await conversation.listen(session, texts, by_message(2), "2")).replies
        await conversation.listen(session, texts, by_message(3), "sad")
    assert asked.text == "What do you see in face 2?"
    assert await said(database, about) == [(2, "sad")]


async def test_an_emotion_after_one_that_is_none_of_the_seven_is_about_the_same_face(
    database: Database, texts: Texts
) -> None:
    about = await read(database, faces=2)
    async with database.sessions.begin() as session:
        await conversation.listen(session, texts, by_message(2), "2 is bored")
        await conversation.listen(session, texts, by_message(3), "sad")
    assert await said(database, about) == [(2, "sad")]


@pytest.mark.parametrize("question", ["wrong", "bored", "I am sad"])
async def test_who_cannot_tell_is_let_be(database: Database, texts: Texts, question: str) -> None:
    about = await read(database, faces=1)
    async with database.sessions.begin() as session:
        await conversation.listen(session, texts, by_message(2), question)
        heard = await conversation.listen(session, texts, by_message(3), "I don’t know")
        assert await questions.open_question(session, ADA, ADA) is None
    assert heard.replies == (replies.undecided(texts),)
    assert await said(database, about) == []


async def test_an_answer_heard_again_says_what_it_was_noted_as(
    database: Database, texts: Texts
) -> None:
    about = await read(database, faces=2)
    async with database.sessions.begin() as session:
        await conversation.listen(session, texts, by_message(2), "sad")
    for _ in range(2):  # the acknowledgement had failed
        async with database.sessions.begin() as session:
            heard = await conversation.listen(session, texts, by_message(3), "2")
    assert heard.replies[0].text == "Face 2 is noted as <b>sad</b> already."
    assert await said(database, about) == [(2, "sad")]
    async with database.sessions.begin() as session:
        (asked,) = (await conversation.listen(session, texts, by_message(4), "1")).replies
    assert asked.text == "What do you see in face 1?"


async def test_thanks_are_thanked_for(database: Database, texts: Texts) -> None:
    about = await read(database, faces=1)
    for words in ("thanks!", "Thank you", "고마워요"):
        async with database.sessions.begin() as session:
            heard = await conversation.listen(session, texts, by_message(2), words)
        assert heard.replies == (replies.welcome(texts),)
    async with database.sessions.begin() as session:
        await conversation.listen(session, texts, by_message(2), "yes, thanks")
    assert await said(database, about) == [(1, "happy")]


async def test_who_types_the_words_of_the_button_declines_consent(
    database: Database, texts: Texts
) -> None:
    await read(database, faces=1)
    async with database.sessions.begin() as session:
        await people.mark_consent_asked(session, ADA)
        (asked,) = (await conversation.listen(session, texts, by_message(2), "yes")).replies
        (declined,) = (
            await conversation.listen(session, texts, by_message(3), "no thanks")
        ).replies
        person = await people.person(session, ADA)
    assert asked == replies.consent_status(texts, "asked")
    assert declined == replies.consent_declined(texts)
    assert person is not None
    assert person.consent == "withdrawn"


@pytest.mark.parametrize("words", ["undo", "take it back!", "취소해 주세요"])
async def test_who_asks_to_undo_is_shown_the_buttons(
    database: Database, texts: Texts, words: str
) -> None:
    about = await read(database, faces=2)
    async with database.sessions.begin() as session:
        (hint,) = (await conversation.listen(session, texts, by_message(2), words)).replies
        await conversation.listen(session, texts, by_message(3), "1 is sad, 2 is angry")
        (offered,) = (await conversation.listen(session, texts, by_message(4), words)).replies
    assert hint == replies.not_understood(texts)
    assert offered.keyboard is not None
    labels = [button.text for row in offered.keyboard.inline_keyboard for button in row]
    assert labels == ["Undo face 1", "Undo face 2"]
    assert await said(database, about) == [(1, "sad"), (2, "angry")]


@pytest.mark.parametrize("first", ["wrong", "bored"])
async def test_a_yes_or_no_goes_to_forgetme_also_while_another_question_waits(
    database: Database, texts: Texts, first: str
) -> None:
    about = await read(database, faces=1)
    async with database.sessions.begin() as session:
        await conversation.listen(session, texts, by_message(2), first)
        await people.ask_to_forget(session, ADA)
        (again,) = (await conversation.listen(session, texts, by_message(3), "yes")).replies
        (kept,) = (await conversation.listen(session, texts, by_message(4), "no")).replies
        await conversation.listen(session, texts, by_message(5), "sad")
    assert again == replies.forget_question(texts)
    assert kept == replies.not_forgotten(texts)
    assert await said(database, about) == [(1, "sad")]
