"""Everything the bot answers: from what happened to text and keyboard. Pure.

Texts are in Telegram's HTML mode (`PARSE_MODE`), with every value escaped. Where the reply goes
with a picture, `text` is its caption.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from telegram import InlineKeyboardMarkup

from bot.texts import Html, Texts
from fer_model import PhotoRefused
from store.records import Consent, Erased, Question, Reading, Recorded, Statistics, Undone

PARSE_MODE: Final = "HTML"

OtherKind: TypeAlias = Literal[
    "animation", "sticker", "video", "video_note", "voice", "audio", "document", "other"
]


@dataclass(frozen=True)
class Reply:
    """A message, or a picture's caption."""

    text: Html
    keyboard: InlineKeyboardMarkup | None = None


# Readings


def reading_reply(texts: Texts, reading: Reading, page: int = 0) -> Reply:
    """The caption and buttons of a reading with faces; see `page_count` for its pages.

    Four faces or fewer are one page. A crowd's page 0 sums it up; the next ones tell of its faces.
    """
    raise NotImplementedError


def page_count(reading: Reading) -> int:
    """How many pages a reading has, at least 1."""
    raise NotImplementedError


def page_of_face(reading: Reading, face: int) -> int:
    """The page that tells of this face."""
    raise NotImplementedError


def reading_keyboard(texts: Texts, reading: Reading, page: int = 0) -> InlineKeyboardMarkup:
    """Yes and No for one face; the page's faces to choose from for several; paging for a crowd."""
    raise NotImplementedError


def face_keyboard(texts: Texts, reading: Reading, face: int) -> InlineKeyboardMarkup:
    """Yes and No for this face of several, and the way back."""
    raise NotImplementedError


def emotion_keyboard(texts: Texts, reading: Reading, face: int) -> InlineKeyboardMarkup:
    """The seven emotions to choose from for this face, and the way back."""
    raise NotImplementedError


def no_face(texts: Texts) -> Reply:
    """No face was found."""
    raise NotImplementedError


def face_too_small(texts: Texts) -> Reply:
    """Only faces too small to read were found."""
    raise NotImplementedError


def photo_refused(texts: Texts, reason: PhotoRefused) -> Reply:
    """Why the photo cannot be read."""
    raise NotImplementedError


def file_too_large(texts: Texts) -> Reply:
    """Over the 20 MB that Telegram lets a bot download."""
    raise NotImplementedError


def download_failed(texts: Texts) -> Reply:
    """Telegram no longer has the file, or will not give it."""
    raise NotImplementedError


def photos_only(texts: Texts, kind: OtherKind) -> Reply:
    """ "I read photos; send one" for what is no photo."""
    raise NotImplementedError


# Feedback


def noted(texts: Texts, recorded: Sequence[Recorded], reading: Reading) -> Reply:
    """What was understood, face by face (new, revised, or said before), with Undo for each."""
    raise NotImplementedError


def undone(texts: Texts, done: Undone) -> Reply:
    """What the undo did: undone, undone already, or superseded."""
    raise NotImplementedError


def which_face(texts: Texts, question: Question, reading: Reading) -> Reply:
    """Asks which face was meant, with a button for each; `question.emotion` is repeated."""
    raise NotImplementedError


def which_emotion(texts: Texts, reading: Reading, face: int, denied: str | None = None) -> Reply:
    """Asks what the face shows instead, with the emotions to choose from but `denied`."""
    raise NotImplementedError


def did_you_mean(texts: Texts, reading: Reading, face: int, emotions: Sequence[str]) -> Reply:
    """Asks whether that was meant for the face, with buttons for those emotions (or all seven)."""
    raise NotImplementedError


def unknown_emotion(texts: Texts, word: str, reading: Reading, face: int | None) -> Reply:
    """Says that the word is none of the seven and names them; with buttons if the face is known."""
    raise NotImplementedError


def face_unknown(texts: Texts, number: int, reading: Reading, question: Question | None) -> Reply:
    """Says which faces there are; with buttons that answer the question, if one was stored."""
    raise NotImplementedError


def not_understood(texts: Texts) -> Reply:
    """A reply to a reading that is no feedback: how to give some."""
    raise NotImplementedError


def no_reading(texts: Texts) -> Reply:
    """There is nothing to give feedback on yet."""
    raise NotImplementedError


def reading_gone(texts: Texts) -> Reply:
    """The reading was erased."""
    raise NotImplementedError


def message_gone(texts: Texts) -> Reply:
    """The message that is spoken about was deleted."""
    raise NotImplementedError


def not_a_reading(texts: Texts) -> Reply:
    """The message replied to is none of the bot's readings."""
    raise NotImplementedError


def not_your_reading(texts: Texts) -> Reply:
    """The reading, or the feedback, is somebody else's."""
    raise NotImplementedError


def stale_button(texts: Texts) -> Reply:
    """The button is from an older program, or its question was answered already."""
    raise NotImplementedError


# People


def consent_question(texts: Texts) -> Reply:
    """The promise in full, with the two answers."""
    raise NotImplementedError


def consent_given(texts: Texts, kept: int) -> Reply:
    """Thanks, how many faces are kept now, and how to withdraw."""
    raise NotImplementedError


def consent_declined(texts: Texts) -> Reply:
    """Nothing is kept; it can be given later."""
    raise NotImplementedError


def consent_withdrawn(texts: Texts) -> Reply:
    """Withdrawn, and the faces are deleted."""
    raise NotImplementedError


def consent_status(texts: Texts, consent: Consent) -> Reply:
    """`/consent`: how it stands, the promise, and a button to give or withdraw."""
    raise NotImplementedError


def forget_question(texts: Texts) -> Reply:
    """`/forgetme`: what would be erased, with the two answers."""
    raise NotImplementedError


def forgotten(texts: Texts, erased: Erased) -> Reply:
    """Everything is erased, with counts."""
    raise NotImplementedError


def not_forgotten(texts: Texts) -> Reply:
    """Nothing was erased."""
    raise NotImplementedError


def privacy(texts: Texts) -> Reply:
    """`/privacy`: what is kept, before and after consent."""
    raise NotImplementedError


def start(texts: Texts) -> Reply:
    """`/start`: what this is and what to do first."""
    raise NotImplementedError


def help_(texts: Texts, *, admin: bool) -> Reply:
    """`/help`: what one can say and do."""
    raise NotImplementedError


def apology(texts: Texts) -> Reply:
    """Something failed on our side."""
    raise NotImplementedError


# Administration


def not_admin(texts: Texts) -> Reply:
    """The command is for administrators."""
    raise NotImplementedError


def unknown_command(texts: Texts) -> Reply:
    """No such command."""
    raise NotImplementedError


def statistics_reply(texts: Texts, numbers: Statistics, days: int | None) -> Reply:
    """`/stats`: the chart's caption, with buttons for other ranges."""
    raise NotImplementedError


def model_updated(texts: Texts, version: str) -> Reply:
    """For administrators: the bot answers with another model version now."""
    raise NotImplementedError


def commands(texts: Texts, *, admin: bool) -> tuple[tuple[str, str], ...]:
    """Each command with its description, for setMyCommands."""
    raise NotImplementedError
