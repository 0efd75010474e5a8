"""From what somebody means to what is recorded and said: the logic between handlers and store.

Knows no Telegram. Whatever is asked back is written down as a question, so that any replica hears
the answer.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final

from sqlalchemy.ext.asyncio import AsyncSession

from bot import replies
from bot.buttons import (
    AskCorrection,
    Button,
    ChooseFace,
    Confirm,
    Correct,
    Page,
    PickFace,
    Undo,
)
from bot.meanings import (
    Confirmation,
    Correction,
    FaceNamed,
    FacesNamed,
    Meaning,
    Mixture,
    NotFeedback,
    Part,
    Rejection,
    Several,
    Unclear,
    UnknownEmotion,
)
from bot.pages import page_count
from bot.replies import Reply
from bot.texts import Texts
from bot.understanding import understand, understand_of_two
from bot.vocabulary.of_two import is_label, is_thanks, is_undecided, is_undo
from store import feedback, people, policy, questions, readings
from store.emotions import EMOTIONS
from store.errors import FeedbackUnknown, QuestionUnknown, ReadingUnknown
from store.readings import face_of
from store.records import (
    Feedback,
    FeedbackSource,
    MessageRef,
    Probabilities,
    Question,
    Reading,
    Recorded,
)

# A day later "yes" is no word on yesterday's photo any more, unless it is a reply to it.
NEXT_MESSAGE: Final = timedelta(days=1)


@dataclass(frozen=True)
class Speaker:
    """Who says something, where, and by which message, if by one of their own."""

    person_id: int
    chat_id: int
    source: FeedbackSource
    message_id: int | None = None

    @property
    def message(self) -> MessageRef | None:
        """What the feedback refers to, so that an edit of the message finds it."""
        return None if self.message_id is None else MessageRef(self.chat_id, self.message_id)


@dataclass(frozen=True)
class RepliedTo:
    """The message that was replied to, with the buttons that it shows."""

    message_id: int
    buttons: tuple[Button, ...] = ()


@dataclass(frozen=True)
class Heard:
    """What to say, and what was recorded about which reading."""

    replies: tuple[Reply, ...]
    recorded: tuple[Recorded, ...] = ()
    reading: Reading | None = None


async def listen(
    session: AsyncSession,
    texts: Texts,
    speaker: Speaker,
    text: str,
    replied_to: RepliedTo | None = None,
) -> Heard:
    """Record what a text says: about the reading replied to, else what was asked, else the last."""
    if is_thanks(text):
        return Heard((replies.welcome(texts),))
    if replied_to is not None:
        try:
            about = await _reading_of_message(session, speaker, replied_to)
        except ReadingUnknown:
            return Heard((replies.reading_gone(texts),))
        if about is None:
            means = understand(text, languages=(texts.language,))
            foreign = not isinstance(means, NotFeedback)
            return Heard(
                (replies.not_a_reading(texts) if foreign else replies.not_understood(texts),)
            )
        question = await _question_about(session, speaker, about)
    else:
        question = await _open_question(session, speaker)
        about = await _reading_in_talk(session, speaker, question)
        if about is None:
            return Heard((replies.no_reading(texts),))
    if is_undo(text):
        standing = await feedback.feedback_of_reading(session, about.reading_id, speaker.person_id)
        if standing:
            return Heard((replies.undo_offered(texts, standing),))
    meaning = understand(text, len(about.faces), (texts.language,))
    if replied_to is None:
        decided = await _hear_about_person(session, texts, speaker, text, meaning, about, question)
        if decided is not None:
            return decided
    if question is not None:
        if is_undecided(text):
            await questions.answer_question(session, question.question_id, speaker.person_id)
            return Heard((replies.undecided(texts),))
        if question.between is not None:
            meaning = understand_of_two(text, question.between, len(about.faces), (texts.language,))
        return await _hear_answer(session, texts, speaker, about, meaning, question)
    again = await _heard_before(session, texts, speaker, about, meaning)
    if again is not None:
        return again
    return await hear(session, texts, speaker, about, meaning)


async def listen_again(
    session: AsyncSession,
    texts: Texts,
    speaker: Speaker,
    text: str,
    replied_to: RepliedTo | None = None,
) -> Heard | None:
    """Revise by an edited message what it said before; None where it never said anything.

    What the edit makes of it counts; where it makes nothing of it, what was noted stands.
    """
    if speaker.message_id is None:
        return None
    earlier = await feedback.feedback_of_message(
        session, speaker.chat_id, speaker.message_id, speaker.person_id
    )
    if earlier:
        about = await readings.reading(session, earlier[0].reading_id)
        meaning = understand(text, len(about.faces), (texts.language,))
        of_two = await questions.question_of_two(session, about.reading_id)
        if of_two is not None and of_two.between is not None and not _parts(meaning):
            # It answered that question perhaps: "the first", now "the second".
            meaning = understand_of_two(text, of_two.between, len(about.faces), (texts.language,))
        return await _revise(session, texts, speaker, about, earlier, meaning)
    asked = await questions.open_question(session, speaker.chat_id, speaker.person_id)
    if asked is not None and asked.message == speaker.message:
        await questions.answer_question(session, asked.question_id, speaker.person_id)
    elif replied_to is None:
        latest = await readings.latest_reading(session, speaker.chat_id, speaker.person_id)
        if latest is None or latest.photo_message_id > speaker.message_id:
            return None  # it was about an earlier photo, or about none
    if isinstance(understand(text, languages=(texts.language,)), NotFeedback):
        return None
    return await listen(session, texts, speaker, text, replied_to)


async def hear(
    session: AsyncSession, texts: Texts, speaker: Speaker, about: Reading, meaning: Meaning
) -> Heard:
    """Record what is meant about a reading, or ask for what it lacks."""
    if not may_speak(speaker.person_id, about):
        return Heard((replies.not_your_reading(texts),))
    if not about.faces:
        return Heard((_nothing_read(texts, about, meaning),))
    match meaning:
        case Correction() | Confirmation() | Rejection() | Mixture():
            return await _take(session, texts, speaker, about, (meaning,))
        case Several(parts):
            return await _take(session, texts, speaker, about, parts)
        case FaceNamed(face):
            if not _exists(about, face):
                return Heard((replies.face_unknown(texts, face, about, None),))
            if len(about.faces) == 1:
                return Heard((await _doubt(session, texts, speaker, about, face, ()),))
            await await_emotion(session, speaker, about, face)
            return Heard((replies.face_named(texts, about, face),))
        case UnknownEmotion(word, face):
            if face is not None and not _exists(about, face):
                return Heard((replies.face_unknown(texts, face, about, None),))
            known = face if face is not None else _only_face(about)
            if known is not None:
                await await_emotion(session, speaker, about, known)
            return Heard((replies.unknown_emotion(texts, word, about, known),))
        case Unclear(emotions, face):
            return await _hear_unclear(session, texts, speaker, about, emotions, face)
        case NotFeedback() | FacesNamed():
            return Heard((replies.not_understood(texts),))


async def choose_faces(
    session: AsyncSession,
    texts: Texts,
    person_id: int,
    question: Question,
    faces: Sequence[int],
) -> Heard | None:
    """Take faces as the answer to "which face?"; None where others were the answer before.

    Raises:
        ReadingUnknown: it was erased meanwhile.
    """
    about = await readings.reading(session, question.reading_id)
    for face in faces:
        if not _exists(about, face):
            return Heard((replies.face_unknown(texts, face, about, question),))
    answers = await questions.answer_question(session, question.question_id, person_id)
    if not answers and not await _was_answered_so(session, person_id, question, faces[-1]):
        return None
    asked_for = _speaker_of(question, person_id)
    parts = tuple(_part_of(question, face) for face in faces)
    meant = parts[0] if len(parts) == 1 else Several(parts)
    return await hear(session, texts, asked_for, about, meant)


async def hear_thumbs_up(
    session: AsyncSession, texts: Texts, speaker: Speaker, about: Reading
) -> Heard:
    """Take 👍 as agreement with the reading, but where it ends with a question as no answer."""
    asked = await questions.question_of_two(session, about.reading_id)
    if asked is None or asked.between is None or asked.answered_at is not None:
        return await confirm_all(session, texts, speaker, about)
    unclear = Unclear(asked.between, asked.face_number)
    return await hear(session, texts, speaker, about, unclear)


async def confirm_all(
    session: AsyncSession, texts: Texts, speaker: Speaker, about: Reading
) -> Heard:
    """Take one gesture as agreement with every face that is shown and not yet spoken about.

    Where all were spoken about it is about all of them. A crowd is not shown at once, so the bot
    asks which face is meant.
    """
    if len(about.faces) <= 1 or page_count(about) > 1:
        return await hear(session, texts, speaker, about, Confirmation())
    said = await feedback.feedback_of_reading(session, about.reading_id, speaker.person_id)
    spoken = {one.face_number for one in said}
    every = tuple(Confirmation(face.number) for face in about.faces)
    unspoken = tuple(part for part in every if part.face not in spoken)
    return await hear(session, texts, speaker, about, Several(unspoken or every))


async def await_emotion(
    session: AsyncSession, speaker: Speaker, about: Reading, face: int
) -> Question:
    """Write down that the bot waits for this face's emotion: "sad" alone is about it then."""
    return await questions.ask_question(
        session,
        person_id=speaker.person_id,
        chat_id=speaker.chat_id,
        reading_id=about.reading_id,
        kind="which_emotion",
        source=speaker.source,
        face_number=face,
        message_id=speaker.message_id,
    )


def may_speak(person_id: int, about: Reading) -> bool:
    """Return whether the person may give feedback on the reading."""
    return isinstance(policy.may_speak(person_id, about), policy.Allowed)


# Which reading, and which question


async def _reading_of_message(
    session: AsyncSession, speaker: Speaker, message: RepliedTo
) -> Reading | None:
    """Return the reading that a message is about; None where it is about none.

    A reading is found by its own messages, and by the buttons of every other message about it:
    also where the process died before it could note the reply's message id.

    Raises:
        ReadingUnknown: the message is about one that was erased.
    """
    found = await readings.reading_of_reply(session, speaker.chat_id, message.message_id)
    if found is not None:
        return found
    for button in message.buttons:
        reading_id = await _reading_of_button(session, speaker, button)
        if reading_id is not None:
            about = await readings.reading(session, reading_id)
            return about if about.chat_id == speaker.chat_id else None
    return None


async def _reading_of_button(session: AsyncSession, speaker: Speaker, button: Button) -> str | None:
    match button:
        case (
            Confirm(reading_id)
            | AskCorrection(reading_id)
            | Correct(reading_id)
            | PickFace(reading_id)
            | Page(reading_id)
        ):
            return reading_id
        case Undo(feedback_id):
            try:
                return (await feedback.feedback(session, feedback_id)).reading_id
            except FeedbackUnknown as error:
                raise ReadingUnknown("There is no such reading.") from error
        case ChooseFace(question_id):
            try:
                asked = await questions.question(session, question_id, speaker.person_id)
            except QuestionUnknown as error:
                raise ReadingUnknown("There is no such reading.") from error
            return asked.reading_id
        case _:
            return None


async def _open_question(session: AsyncSession, speaker: Speaker) -> Question | None:
    return await questions.open_question(session, speaker.chat_id, speaker.person_id)


async def _question_about(
    session: AsyncSession, speaker: Speaker, about: Reading
) -> Question | None:
    question = await _open_question(session, speaker)
    if question is not None and question.reading_id == about.reading_id:
        return question
    # It stands in the reading that is replied to, so it is no older than what is said.
    asked = await questions.question_of_two(session, about.reading_id)
    waits = asked is not None and asked.answered_at is None
    return asked if waits and may_speak(speaker.person_id, about) else None


async def _reading_in_talk(
    session: AsyncSession, speaker: Speaker, question: Question | None
) -> Reading | None:
    """Return the reading of the question, unless a photo has come since; else the latest one."""
    latest = await readings.latest_reading(session, speaker.chat_id, speaker.person_id)
    if latest is None:
        return None
    if question is not None and question.reading_id != latest.reading_id:
        asked_about = await readings.reading(session, question.reading_id)
        if question.created_at >= latest.created_at:
            return asked_about
    return latest if datetime.now(UTC) - latest.created_at <= NEXT_MESSAGE else None


async def _hear_about_person(
    session: AsyncSession,
    texts: Texts,
    speaker: Speaker,
    text: str,
    meaning: Meaning,
    about: Reading,
    question: Question | None,
) -> Heard | None:
    """Hear a bare "yes" or "no" to /forgetme or the question for consent; None where it is neither.

    Both take a button, and a "yes" that was meant for them confirms no face. "No" may be meant for
    the face as well: it erases nothing, but declining takes the words that stand on the button.
    """
    since = about.created_at if question is None else max(about.created_at, question.created_at)
    if await _may_answer_forgetting(session, speaker, since, meaning):
        if meaning == Confirmation():
            return Heard((replies.forget_question(texts),))
        await people.keep_after_all(session, speaker.person_id)
        return Heard((replies.not_forgotten(texts),))
    if question is not None:
        return None
    declines = is_label(text, texts.plain("button_no_consent"))
    said = Rejection() if declines else meaning
    if not await _may_answer_consent(session, speaker, about, said):
        return None
    if not declines:
        return Heard((replies.consent_status(texts, "asked"),))
    await people.set_consent(session, speaker.person_id, "withdrawn")
    return Heard((replies.consent_declined(texts),))


async def _may_answer_forgetting(
    session: AsyncSession, speaker: Speaker, since: datetime, meaning: Meaning
) -> bool:
    """Return whether a bare "yes" or "no" follows /forgetme's question, and nothing since."""
    if meaning not in (Confirmation(), Rejection()):
        return False
    person = await people.person(session, speaker.person_id)
    asked_at = None if person is None else person.forget_asked_at
    return (
        asked_at is not None
        and asked_at > since
        and datetime.now(UTC) - asked_at <= questions.LONGEST_WAIT
    )


async def _may_answer_consent(
    session: AsyncSession, speaker: Speaker, about: Reading, meaning: Meaning
) -> bool:
    """Return whether a bare "yes" or "no" follows the question for consent, not a new photo."""
    if meaning not in (Confirmation(), Rejection()):
        return False
    person = await people.person(session, speaker.person_id)
    return (
        person is not None
        and person.consent == "asked"
        and person.consent_at is not None
        and person.consent_at > about.created_at
    )


async def _hear_answer(
    session: AsyncSession,
    texts: Texts,
    speaker: Speaker,
    about: Reading,
    meaning: Meaning,
    question: Question,
) -> Heard:
    """Hear a text while a question is open; it may answer it, or be about something else."""
    if question.reading_id != about.reading_id:
        return await hear(session, texts, speaker, about, meaning)
    if question.face_number is None:
        faces = _faces_named(meaning)
        if not faces:
            return await hear(session, texts, speaker, about, meaning)
        chosen = await choose_faces(session, texts, speaker.person_id, question, faces)
        return chosen or await hear(session, texts, speaker, about, meaning)
    if (
        isinstance(meaning, NotFeedback | FaceNamed | FacesNamed | Several)
        or meaning.face is not None
    ):
        return await hear(session, texts, speaker, about, meaning)
    if question.kind == "which_emotion" and isinstance(meaning, Confirmation):
        meaning = Unclear()  # "yes" to "what do you see instead?" agrees with nothing
    if len(about.faces) > 1 and question.between is not None:
        # Nobody's words made the bot ask, so other words are about whatever face they are about.
        named = _emotions_of(meaning)
        if not isinstance(meaning, Rejection) and not (named and named <= {*question.between}):
            return await hear(session, texts, speaker, about, meaning)
    meant = replace(meaning, face=question.face_number)
    heard = await hear(session, texts, speaker, about, meant)
    if heard.recorded:
        await questions.answer_question(session, question.question_id, speaker.person_id)
    return heard


async def _heard_before(
    session: AsyncSession, texts: Texts, speaker: Speaker, about: Reading, meaning: Meaning
) -> Heard | None:
    """Say again what a mere answer was noted as: it answered a question that is closed since.

    So it is where the acknowledgement had failed and the update is worked on once more, and where
    somebody says it twice. None where it is heard for the first time.
    """
    if _parts(meaning):
        return None
    said = await feedback.feedback_of_reading(session, about.reading_id, speaker.person_id)
    same = [one for one in said if one.message is not None and one.message == speaker.message]
    faces = _faces_named(meaning)
    if not same and faces:
        closed = await questions.latest_question(session, speaker.chat_id, speaker.person_id)
        asked = None if closed is None or closed.kind != "which_face" else closed.message
        same = [one for one in said if one.face_number in faces and one.message == asked]
        same = same if asked is not None else []
    if not same:
        return None
    recorded = tuple(
        Recorded(one, face_of(about, one.face_number), None, repeated=True, first=False)
        for one in same
    )
    return Heard((replies.noted(texts, recorded, about),), recorded, about)


def _faces_named(meaning: Meaning) -> tuple[int, ...]:
    match meaning:
        case FaceNamed(face):
            return (face,)
        case FacesNamed(faces):
            return faces
        case _:
            return ()


def _emotions_of(meaning: Meaning) -> set[str]:
    match meaning:
        case Correction(emotion):
            return {emotion}
        case Mixture(emotions) | Unclear(emotions):
            return {*emotions}
        case _:
            return set()


async def _was_answered_so(
    session: AsyncSession, person_id: int, question: Question, face: int
) -> bool:
    """Return whether the same answer is heard again, as when its acknowledgement had failed."""
    if question.kind == "which_emotion":
        asked = await questions.open_question(session, question.chat_id, person_id)
        return (
            asked is not None
            and (asked.reading_id, asked.face_number) == (question.reading_id, face)
            and asked.message == question.message
        )
    said = await feedback.feedback_of_reading(session, question.reading_id, person_id)
    return any(
        (one.face_number, one.source, one.message) == (face, question.source, question.message)
        for one in said
    )


def _speaker_of(question: Question, person_id: int) -> Speaker:
    # The words that made the bot ask are the feedback; the answer only says about whom.
    message_id = None if question.message is None else question.message.message_id
    return Speaker(person_id, question.chat_id, question.source, message_id)


def _part_of(question: Question, face: int) -> Part:
    if question.kind == "which_emotion":
        return Rejection(face)
    if question.shares is not None:
        named = {e: share for e, share in zip(EMOTIONS, question.shares, strict=True) if share}
        return Mixture(tuple(named), tuple(named.values()), face)
    if question.emotion is None:
        return Confirmation(face)
    return Correction(question.emotion, face)


# Recording, and asking for what is missing


async def _take(
    session: AsyncSession,
    texts: Texts,
    speaker: Speaker,
    about: Reading,
    parts: Sequence[Part],
) -> Heard:
    """Record every part, or nothing where one is about a face that is not there."""
    for part in parts:
        if part.face is not None and not _exists(about, part.face):
            # "3 is sad" of two faces: the emotion is kept, the face is asked for.
            question = None
            if len(about.faces) > 1 and len(parts) == 1:
                question = await _await_face(session, speaker, about, part)
            return Heard((replies.face_unknown(texts, part.face, about, question),))
    recorded: list[Recorded] = []
    asked: list[Reply] = []
    for part in parts:
        face = part.face if part.face is not None else _only_face(about)
        if face is None:
            question = await _await_face(session, speaker, about, part)
            asked.append(replies.which_face(texts, question, about))
        elif isinstance(part, Rejection):
            await _take_back_denied(session, speaker, about, face, part.denied)
            await await_emotion(session, speaker, about, face)
            asked.append(replies.which_emotion(texts, about, face, part.denied))
        else:
            recorded.append(await _record(session, speaker, about, face, part))
    said = [replies.noted(texts, recorded, about)] if recorded else []
    return Heard((*said, *asked), tuple(recorded), about)


ORDERED: Final = (2 / 3, 1 / 3)
"""Shares where only the order of two was told: "mostly sad, a bit scared"."""


def _shares(mixture: Mixture) -> Probabilities:
    """The seven shares of a mixture."""
    named = dict(zip(mixture.emotions, mixture.shares or ORDERED, strict=True))
    return tuple(named.get(emotion, 0.0) for emotion in EMOTIONS)


async def _record(
    session: AsyncSession,
    speaker: Speaker,
    about: Reading,
    face: int,
    part: Correction | Confirmation | Mixture,
) -> Recorded:
    await questions.close_questions_about(
        session, speaker.chat_id, speaker.person_id, about.reading_id, face
    )
    return await feedback.record_feedback(
        session,
        person_id=speaker.person_id,
        reading_id=about.reading_id,
        face_number=face,
        emotion=part.emotion if isinstance(part, Correction) else None,
        shares=_shares(part) if isinstance(part, Mixture) else None,
        source=speaker.source,
        message=speaker.message,
    )


async def _await_face(
    session: AsyncSession, speaker: Speaker, about: Reading, part: Part
) -> Question:
    """Write down that the bot waits for a face: an emotion without a face, or neither of both."""
    return await questions.ask_question(
        session,
        person_id=speaker.person_id,
        chat_id=speaker.chat_id,
        reading_id=about.reading_id,
        kind="which_emotion" if isinstance(part, Rejection) else "which_face",
        source=speaker.source,
        emotion=part.emotion if isinstance(part, Correction) else None,
        shares=_shares(part) if isinstance(part, Mixture) else None,
        message_id=speaker.message_id,
    )


async def _take_back_denied(
    session: AsyncSession, speaker: Speaker, about: Reading, face: int, denied: str | None
) -> None:
    """Take back what "no" denies, as the person may never say what it is instead."""
    said = await feedback.feedback_of_reading(session, about.reading_id, speaker.person_id)
    for one in said:
        if one.face_number == face and (one.kind == "confirmation" or one.emotion == denied):
            await feedback.undo_feedback(
                session, one.feedback_id, speaker.person_id, source=speaker.source
            )


async def _hear_unclear(
    session: AsyncSession,
    texts: Texts,
    speaker: Speaker,
    about: Reading,
    emotions: tuple[str, ...],
    named: int | None,
) -> Heard:
    if named is not None and not _exists(about, named):
        return Heard((replies.face_unknown(texts, named, about, None),))
    face = named if named is not None else _only_face(about)
    if face is not None:
        return Heard((await _doubt(session, texts, speaker, about, face, emotions),))
    part = Correction(emotions[0]) if len(emotions) == 1 else Rejection()
    question = await _await_face(session, speaker, about, part)
    return Heard((replies.which_face(texts, question, about),))


async def _doubt(
    session: AsyncSession,
    texts: Texts,
    speaker: Speaker,
    about: Reading,
    face: int,
    emotions: tuple[str, ...],
) -> Reply:
    await await_emotion(session, speaker, about, face)
    return replies.did_you_mean(texts, about, face, emotions)


# Revising


async def _revise(
    session: AsyncSession,
    texts: Texts,
    speaker: Speaker,
    about: Reading,
    earlier: Sequence[Feedback],
    meaning: Meaning,
) -> Heard:
    standing = [one for one in earlier if one.active]
    parts = _parts(meaning)
    if not parts:
        if isinstance(meaning, NotFeedback | FaceNamed) and standing:
            return Heard((replies.edit_not_understood(texts, standing),))
        if isinstance(meaning, UnknownEmotion | Unclear) and meaning.face is None:
            meaning = replace(meaning, face=earlier[0].face_number)
        return await hear(session, texts, speaker, about, meaning)
    meant = tuple(
        replace(part, face=face)
        for part in parts
        for face in ([part.face] if part.face is not None else [one.face_number for one in earlier])
    )
    heard = await _take(session, texts, speaker, about, meant)
    named = {part.face for part in meant}
    if not all(_exists(about, face) for face in named if face is not None):
        return heard
    taken_back = [
        await feedback.undo_feedback(session, one.feedback_id, speaker.person_id, source="edit")
        for one in standing
        if one.face_number not in named
    ]
    dropped = tuple(replies.undone(texts, done, about) for done in taken_back)
    return replace(heard, replies=(*heard.replies, *dropped))


def _parts(meaning: Meaning) -> tuple[Part, ...]:
    match meaning:
        case Correction() | Confirmation() | Rejection() | Mixture():
            return (meaning,)
        case Several(parts):
            return parts
        case _:
            return ()


# Faces


def _exists(about: Reading, face: int) -> bool:
    return any(known.number == face for known in about.faces)


def _only_face(about: Reading) -> int | None:
    return about.faces[0].number if len(about.faces) == 1 else None


def _nothing_read(texts: Texts, about: Reading, meaning: Meaning) -> Reply:
    """Say why there is no face to speak about."""
    if isinstance(meaning, NotFeedback):
        return replies.no_reading(texts)
    match about.status:
        case "no_face":
            return replies.no_face(texts)
        case "face_too_small":
            return replies.face_too_small(texts)
        case _:
            return replies.no_reading(texts)
