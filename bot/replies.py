"""Everything the bot answers: from what happened to text and keyboard. Pure.

Texts are in Telegram's HTML mode (`PARSE_MODE`), with every value escaped. Where the reply goes
with a picture, `text` is its caption.
"""

import html
import math
import textwrap
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Final, Literal, TypeAlias

from telegram import InlineKeyboardButton, InlineKeyboardMarkup

from bot.blends import Share, of_crowd, of_faces, of_ten_people
from bot.buttons import (
    AskCorrection,
    Button,
    ChooseFace,
    Confirm,
    Correct,
    DeclineConsent,
    EndReview,
    ForgetMe,
    GiveConsent,
    KeepMe,
    Page,
    PickFace,
    Rule,
    StatisticsRange,
    Undo,
    Unrule,
    encode,
)
from bot.pages import FACES_PER_PAGE, faces_of_page, page_count, page_of_face
from bot.texts import Html, Key, Texts
from fer_model.errors import (
    DamagedImage,
    EmptyImage,
    NotAnImage,
    PhotoRefused,
    PhotoTooLarge,
    TooManyPixels,
    TruncatedImage,
)
from store.emotions import EMOTIONS, top_emotion
from store.readings import face_of
from store.records import (
    Consent,
    Erased,
    Face,
    Feedback,
    Probabilities,
    Question,
    Reading,
    Recorded,
    ReviewItem,
    ReviewReason,
    RulingOutcome,
    RulingVerdict,
    Schedule,
    Statistics,
    Undone,
)
from store.schedules import last_firing, next_firing, working_since

PARSE_MODE: Final = "HTML"

RANGES: Final = (7, 30, 90)
"""Days that `/stats` offers."""

DETAIL_LENGTH: Final = 200
"""Characters of why the last retraining failed; a caption has room for 1024 in all."""

SHORT_DIGEST: Final = 12
LONGEST_WORD: Final = 40  # of a person's own words that are said back
EMOTION_COLUMNS: Final = 2  # three cut "Überrascht" and its like short on a narrow phone
MOST_BUTTONS: Final = 96  # Telegram allows 100 in a message
SPLIT: Final = 4
"""A face is called hard where its favourite has this many of ten people or fewer. Source: on such
validation faces two of the voters agree 37 times of 100, on the others 68."""

MOST_LINES: Final = 40  # of 60 characters or so: Telegram allows 4,096 in a message

OtherKind: TypeAlias = Literal[
    "animation", "sticker", "video", "video_note", "voice", "audio", "document", "other"
]


_PHOTOS_ONLY: Final[Mapping[OtherKind, Key]] = MappingProxyType(
    {
        "animation": "photos_only_animation",
        "sticker": "photos_only_sticker",
        "video": "photos_only_video",
        "video_note": "photos_only_video",
        "voice": "photos_only_voice",
        "audio": "photos_only_voice",
        "document": "photos_only_document",
        "other": "photos_only_other",
    }
)


@dataclass(frozen=True)
class Reply:
    """A message, or a picture's caption."""

    text: Html
    keyboard: InlineKeyboardMarkup | None = None


# Readings


def reading_reply(
    texts: Texts, reading: Reading, page: int = 0, asked: Question | None = None
) -> Reply:
    """The caption and buttons of a reading with faces; see `page_count` for its pages.

    Four faces or fewer are one page. A crowd's page 0 sums it up; the next ones tell of its faces.
    `asked` is the question of two that was put with the reading, if one was: never in a crowd.
    """
    if page_count(reading) == 1:
        alone = len(reading.faces) == 1
        text = _one_face(texts, reading, asked) if alone else _faces(texts, reading, asked)
    elif page == 0:
        text = _crowd(texts, reading)
    else:
        text = _crowd_page(texts, reading, page)
    return Reply(text, reading_keyboard(texts, reading, page, asked))


def reading_keyboard(
    texts: Texts, reading: Reading, page: int = 0, asked: Question | None = None
) -> InlineKeyboardMarkup:
    """Yes and No for one face; the page's faces to choose from for several; paging for a crowd.

    Where a question of two was asked: its two emotions and Neither, before several faces and in
    the place of Yes and No.
    """
    of_two = [] if asked is None else _of_two_rows(texts, reading, asked)
    if len(reading.faces) == 1:
        if of_two:
            return _keyboard(*of_two)
        face = reading.faces[0].number
        return _keyboard(
            [
                (texts.plain("button_yes"), Confirm(reading.reading_id, face)),
                (texts.plain("button_no"), AskCorrection(reading.reading_id, face)),
            ]
        )
    faces = [
        (
            texts.plain("button_face", number=face.number, emoji=_top_emoji(texts, face)),
            PickFace(reading.reading_id, face.number),
        )
        for face in faces_of_page(reading, page)
    ]
    return _keyboard(*of_two, faces, _paging(texts, reading, page))


def face_keyboard(texts: Texts, reading: Reading, face: int) -> InlineKeyboardMarkup:
    """Yes and No for this face of several, and the way back."""
    top = top_emotion(face_of(reading, face).crowd)
    back = Page(reading.reading_id, page_of_face(reading, face))
    yes = texts.plain("button_face_yes", number=face, emotion=texts.emotion(top))
    return _keyboard(
        [(yes, Confirm(reading.reading_id, face))],
        [(texts.plain("button_face_no"), AskCorrection(reading.reading_id, face))],
        [(texts.plain("button_back"), back)],
    )


def emotion_keyboard(texts: Texts, reading: Reading, face: int) -> InlineKeyboardMarkup:
    """The seven emotions to choose from for this face, and the way back."""
    if len(reading.faces) == 1:
        back: Button = Page(reading.reading_id, 0)
    else:
        back = PickFace(reading.reading_id, face)
    return _keyboard(
        *_emotion_rows(texts, reading, face, EMOTIONS), [(texts.plain("button_back"), back)]
    )


def no_face(texts: Texts) -> Reply:
    """No face was found."""
    return Reply(texts.html("no_face"))


def face_too_small(texts: Texts) -> Reply:
    """Only faces too small to read were found."""
    return Reply(texts.html("face_too_small"))


def photo_refused(texts: Texts, reason: PhotoRefused) -> Reply:
    """Why the photo cannot be read."""
    match reason:
        case NotAnImage():
            return Reply(texts.html("refused_not_an_image"))
        case TruncatedImage():
            return Reply(texts.html("refused_truncated"))
        case DamagedImage():
            return Reply(texts.html("refused_damaged"))
        case EmptyImage():
            return Reply(texts.html("refused_empty"))
        case TooManyPixels():
            megapixels, cap = math.ceil(reason.pixels / 1e6), math.floor(reason.cap / 1e6)
            return Reply(texts.html("refused_pixels", megapixels=megapixels, cap=cap))
        case PhotoTooLarge():
            return Reply(texts.html("refused_bytes"))
        case _:
            return Reply(texts.html("refused_other"))


def file_too_large(texts: Texts) -> Reply:
    """Over the 20 MB that Telegram lets a bot download."""
    return Reply(texts.html("file_too_large"))


def download_failed(texts: Texts) -> Reply:
    """Telegram no longer has the file, or will not give it."""
    return Reply(texts.html("download_failed"))


def photos_only(texts: Texts, kind: OtherKind) -> Reply:
    """For what is no photo: "I read photos; send one"."""
    return Reply(texts.html(_PHOTOS_ONLY[kind]))


# Feedback


def noted(texts: Texts, recorded: Sequence[Recorded], reading: Reading) -> Reply:
    """What was understood, face by face (new, revised, or said before), with Undo for each."""
    if not recorded:
        raise ValueError("nothing was recorded")
    alone = len(reading.faces) == 1
    first, *others = recorded
    lines = [_noted_line(texts, first, alone)]
    lines += [_also_noted_line(texts, said) for said in others]
    undos = _undos(texts, [said.feedback for said in recorded])
    return Reply(_lines(lines[:MOST_LINES]), _keyboard(*_rows(undos, 3)))


def undone(texts: Texts, done: Undone, reading: Reading) -> Reply:
    """What the undo did: undone, undone already, or superseded."""
    said = done.feedback
    alone = len(reading.faces) == 1
    match done.outcome:
        case "undone":
            emotion = _said(texts, said) if said.emotion is not None else Html("")
            if alone:
                return Reply(texts.html("undone_alone", emotion=emotion))
            return Reply(texts.html("undone", face=said.face_number, emotion=emotion))
        case "already_undone":
            return Reply(texts.html("already_undone"))
        case "superseded":
            if alone:
                return Reply(texts.html("superseded_alone"))
            return Reply(texts.html("superseded", face=said.face_number))


def which_face(texts: Texts, question: Question, reading: Reading) -> Reply:
    """Asks which face was meant, with a button for each; `question.emotion` is repeated."""
    if question.emotion is not None:
        text = texts.html("which_face_emotion", emotion=texts.emotion(question.emotion))
    else:
        text = texts.html("which_face")
    return Reply(text, _choice_of_faces(texts, question, reading))


def which_emotion(texts: Texts, reading: Reading, face: int, denied: str | None = None) -> Reply:
    """Asks what the face shows instead, with the emotions to choose from but `denied`."""
    alone = len(reading.faces) == 1
    if denied is None and alone:
        text = texts.html("which_emotion")
    elif denied is None:
        text = texts.html("which_emotion_face", face=face)
    elif alone:
        text = texts.html("which_emotion_denied", emotion=texts.emotion(denied))
    else:
        emotion = texts.emotion(denied)
        text = texts.html("which_emotion_denied_face", face=face, emotion=emotion)
    offered = [emotion for emotion in EMOTIONS if emotion != denied]
    return Reply(text, _keyboard(*_emotion_rows(texts, reading, face, offered)))


def did_you_mean(texts: Texts, reading: Reading, face: int, emotions: Sequence[str]) -> Reply:
    """Asks whether that was meant for the face, with those emotions first to choose from."""
    if len(reading.faces) == 1:
        text = texts.html("did_you_mean")
    else:
        text = texts.html("did_you_mean_face", face=face)
    offered = list(dict.fromkeys((*emotions, *EMOTIONS)))
    return Reply(text, _keyboard(*_emotion_rows(texts, reading, face, offered)))


def face_named(texts: Texts, reading: Reading, face: int) -> Reply:
    """Asks what a face of several shows, which was named and nothing else; with the emotions."""
    text = texts.html("face_named", face=face)
    return Reply(text, _keyboard(*_emotion_rows(texts, reading, face, EMOTIONS)))


def welcome(texts: Texts) -> Reply:
    """For thanks."""
    return Reply(texts.html("welcome"))


def undecided(texts: Texts) -> Reply:
    """The person cannot tell what the bot asked, which is all right."""
    return Reply(texts.html("undecided"))


def unknown_emotion(texts: Texts, word: str, reading: Reading, face: int | None) -> Reply:
    """Says that the word is none of the seven and names them; with buttons if the face is known."""
    shown = word if len(word) <= LONGEST_WORD else f"{word[:LONGEST_WORD]}…"
    text = texts.html("unknown_emotion", word=shown, emotions=_all_emotions(texts))
    if face is None and len(reading.faces) == 1:
        face = reading.faces[0].number
    if face is None or all(known.number != face for known in reading.faces):
        return Reply(text)
    return Reply(text, _keyboard(*_emotion_rows(texts, reading, face, EMOTIONS)))


def face_unknown(texts: Texts, number: int, reading: Reading, question: Question | None) -> Reply:
    """Says which faces there are; with buttons that answer the question, if one was stored."""
    if len(reading.faces) == 1:
        return Reply(texts.html("face_unknown_alone", number=number))
    first, last = reading.faces[0].number, reading.faces[-1].number
    keyboard = None if question is None else _choice_of_faces(texts, question, reading)
    return Reply(texts.html("face_unknown", number=number, first=first, last=last), keyboard)


def not_understood(texts: Texts) -> Reply:
    """A reply to a reading that is no feedback: how to give some."""
    return Reply(texts.html("not_understood"))


def edit_not_understood(texts: Texts, standing: Sequence[Feedback]) -> Reply:
    """An edited message is no feedback now: what it said before stands, with Undo for each."""
    emotions = _list(texts, [_said(texts, said) for said in standing])
    text = texts.html("edit_not_understood", emotions=emotions)
    return Reply(text, _keyboard(*_rows(_undos(texts, standing), 3)))


def undo_offered(texts: Texts, standing: Sequence[Feedback]) -> Reply:
    """What stands of the person's words, with Undo for each, where they asked to take one back."""
    emotions = _list(texts, [_said(texts, said) for said in standing])
    text = texts.html("undo_offered", emotions=emotions)
    return Reply(text, _keyboard(*_rows(_undos(texts, standing), 3)))


def no_reading(texts: Texts) -> Reply:
    """There is nothing to give feedback on yet."""
    return Reply(texts.html("no_reading"))


def reading_gone(texts: Texts) -> Reply:
    """The reading was erased."""
    return Reply(texts.html("reading_gone"))


def message_gone(texts: Texts) -> Reply:
    """The message that is spoken about was deleted."""
    return Reply(texts.html("message_gone"))


def not_a_reading(texts: Texts) -> Reply:
    """The message replied to is none of the bot's readings."""
    return Reply(texts.html("not_a_reading"))


def not_your_reading(texts: Texts) -> Reply:
    """The reading, or the feedback, is somebody else's."""
    return Reply(texts.html("not_your_reading"))


def stale_button(texts: Texts) -> Reply:
    """The button is from an older program, or its question was answered already."""
    return Reply(texts.html("stale_button"))


# People


def consent_question(texts: Texts) -> Reply:
    """The promise in full, with the two answers."""
    promise = texts.html("consent_promise")
    return Reply(texts.html("consent_question", promise=promise), _consent_keyboard(texts))


def consent_given(texts: Texts, kept: int) -> Reply:
    """Thanks, how many faces are kept now, and how to withdraw."""
    return Reply(texts.html("consent_given", count=kept))


def consent_declined(texts: Texts) -> Reply:
    """Nothing is kept; it can be given later."""
    return Reply(texts.html("consent_declined"))


def consent_withdrawn(texts: Texts) -> Reply:
    """Withdrawn, and the faces are deleted."""
    return Reply(texts.html("consent_withdrawn"))


def consent_status(texts: Texts, consent: Consent) -> Reply:
    """`/consent`: how it stands, the promise, and a button to give or withdraw."""
    promise = texts.html("consent_promise")
    if consent == "given":
        withdraw = (texts.plain("button_withdraw"), DeclineConsent())
        return Reply(texts.html("consent_status_given", promise=promise), _keyboard([withdraw]))
    if consent == "withdrawn":
        text = texts.html("consent_status_withdrawn", promise=promise)
    else:
        text = texts.html("consent_status_open", promise=promise)
    return Reply(text, _consent_keyboard(texts))


def forget_question(texts: Texts) -> Reply:
    """`/forgetme`: what would be erased, with the two answers."""
    yes = (texts.plain("button_forget"), ForgetMe())
    no = (texts.plain("button_keep"), KeepMe())
    return Reply(texts.html("forget_question"), _keyboard([yes], [no]))


def forgotten(texts: Texts, erased: Erased) -> Reply:
    """Everything is erased, with counts, and what becomes of models that learnt from it."""
    readings = texts.html("forgotten_readings", count=erased.rows.get("readings", 0))
    feedback = texts.html("forgotten_feedback", count=erased.rows.get("feedback", 0))
    done = texts.html("forgotten", count=erased.total, readings=readings, feedback=feedback)
    if erased.versions:
        done = _lines([done, texts.html("forgotten_models")], apart=True)
    return Reply(done)


def not_forgotten(texts: Texts) -> Reply:
    """Nothing was erased."""
    return Reply(texts.html("not_forgotten"))


def privacy(texts: Texts) -> Reply:
    """`/privacy`: what is kept, before and after consent."""
    return Reply(texts.html("privacy"))


def start(texts: Texts) -> Reply:
    """`/start`: what this is and what to do first."""
    return Reply(texts.html("start"))


def help_(texts: Texts, *, admin: bool, asking: bool = True) -> Reply:
    """`/help`: what one can say and do, and whether the bot asks of its own accord."""
    asks = texts.html("help_asking") if asking else Html("")
    text = texts.html("help", emotions=_all_emotions(texts), asking=asks)
    return Reply(_lines([text, texts.html("help_admin")], apart=True) if admin else text)


def apology(texts: Texts) -> Reply:
    """Something failed on our side."""
    return Reply(texts.html("apology"))


# Administration


def not_admin(texts: Texts) -> Reply:
    """The command is for administrators."""
    return Reply(texts.html("not_admin"))


def unknown_command(texts: Texts) -> Reply:
    """No such command."""
    return Reply(texts.html("unknown_command"))


def statistics_reply(
    texts: Texts, numbers: Statistics, days: int | None, waiting: int = 0
) -> Reply:
    """`/stats`: the chart's caption, with buttons for other ranges.

    `waiting` is how many pieces of feedback the administrator can review.
    """
    title = (
        texts.html("stats_title_ever") if days is None else texts.html("stats_title", count=days)
    )
    faces = texts.html("faces", count=numbers.faces)
    people = texts.html("people", count=numbers.people)
    lines = [
        title,
        texts.html("stats_readings", count=numbers.readings, faces=faces, people=people),
        texts.html(
            "stats_feedback",
            confirmations=numbers.confirmations,
            corrections=numbers.corrections,
        ),
        _agreement(texts, numbers),
        _latency(texts, numbers),
        _model(texts, numbers.model_version),
        texts.html("stats_inbox", waiting=numbers.inbox_waiting, parked=numbers.inbox_parked),
        *_retraining(texts, numbers.schedules),
    ]
    if waiting:
        lines.append(texts.html("stats_review", count=waiting))
    ranges = [(texts.plain("button_days", count=d), StatisticsRange(d)) for d in RANGES]
    ever = (texts.plain("button_ever"), StatisticsRange(None))
    return Reply(_lines(lines), _keyboard([*ranges, ever]))


def model_answering(texts: Texts, version: str) -> Reply:
    """Which model version new photos are read with."""
    return Reply(texts.html("model_answering", version=version[:SHORT_DIGEST]))


# Review


def review_reply(
    texts: Texts, item: ReviewItem, waiting: int, undoable: int | None = None
) -> Reply:
    """The caption of a piece of feedback, with the three rulings.

    `waiting` counts it, too; `undoable` is the feedback whose ruling can be taken back.
    """
    lines = [
        texts.html("review_waiting", count=waiting),
        _lines(
            [
                texts.html("review_blend", blend=_shares_told(texts, of_crowd(item.crowd))),
                _said_of(texts, item),
                *_others_said(texts, item),
            ]
        ),
    ]
    if item.reasons:
        reasons = [texts.html(_REASONS[reason]) for reason in item.reasons]
        lines.append(texts.html("review_because", reasons=Html("; ".join(reasons))))
    rulings = [
        (texts.plain(key), Rule(item.feedback_id, verdict)) for key, verdict in _RULING_BUTTONS
    ]
    end = (texts.plain("button_end_review"), EndReview())
    return Reply(
        _lines(lines, apart=True),
        _keyboard(rulings, [*_unrule(texts, undoable), end]),
    )


def review_done(texts: Texts, undoable: int | None = None) -> Reply:
    """Nothing is left; the last ruling can be taken back."""
    undo = _unrule(texts, undoable)
    return Reply(texts.html("review_done"), _keyboard(undo) if undo else None)


def review_closed(texts: Texts, waiting: int) -> Reply:
    """The administrator has seen enough, and how many pieces still wait."""
    left = texts.html("review_waiting", count=waiting)
    return Reply(texts.html("review_closed", waiting=left))


def review_opening(texts: Texts) -> Reply:
    """A face is about to be shown here."""
    return Reply(texts.html("review_opening"))


def review_taken_away(texts: Texts) -> Reply:
    """The face that was shown here may not be shown any more."""
    return Reply(texts.html("review_taken_away"))


def review_nothing(texts: Texts) -> Reply:
    """Nothing waits for review."""
    return Reply(texts.html("review_nothing"))


def review_in_private(texts: Texts) -> Reply:
    """Faces are not shown in a group."""
    return Reply(texts.html("review_in_private"))


def ruled(texts: Texts, outcome: RulingOutcome, verdict: RulingVerdict) -> Reply:
    """What became of a ruling."""
    match outcome:
        case "ruled" | "repeated":
            return Reply(texts.html(_RULED[verdict]))
        case "already_ruled":
            return Reply(texts.html("review_already_ruled"))
        case "gone":
            return Reply(texts.html("review_gone"))
        case "own":
            return Reply(texts.html("review_own"))


def ruling_taken_back(texts: Texts) -> Reply:
    """The ruling is taken back, and the feedback shown again."""
    return Reply(texts.html("review_taken_back"))


def commands(texts: Texts, *, admin: bool) -> tuple[tuple[str, str], ...]:
    """Each command with its description, for setMyCommands."""
    listed = [
        ("start", texts.plain("command_start")),
        ("help", texts.plain("command_help")),
        ("consent", texts.plain("command_consent")),
        ("privacy", texts.plain("command_privacy")),
        ("forgetme", texts.plain("command_forgetme")),
        ("model", texts.plain("command_model")),
    ]
    if admin:
        listed.append(("stats", texts.plain("command_stats")))
        listed.append(("review", texts.plain("command_review")))
    return tuple(listed)


# Parts of replies


_REASONS: Final[Mapping[ReviewReason, Key]] = MappingProxyType(
    {
        "ring": "review_ring",
        "streak": "review_streak",
        "burst": "review_burst",
        "distrusted": "review_distrusted",
        "against_confident": "review_against_confident",
        "disagree": "review_disagree",
        "unsure": "review_unsure",
        "alone": "review_alone",
    }
)
_RULED: Final[Mapping[RulingVerdict, Key]] = MappingProxyType(
    {
        "accepted": "review_accepted",
        "rejected": "review_rejected",
        "skipped": "review_skipped",
    }
)
_RULING_BUTTONS: Final[tuple[tuple[Key, RulingVerdict], ...]] = (
    ("button_accept", "accepted"),
    ("button_reject", "rejected"),
    ("button_skip", "skipped"),
)


def _said_of(texts: Texts, item: ReviewItem) -> Html:
    date = item.created_at.date().isoformat()
    said = _emotion_or_mixture(texts, item.emotion, item.shares)
    if item.kind == "confirmation" and item.shares is None:
        return texts.html("review_agreed", date=date, emotion=said)
    return texts.html("review_said", date=date, emotion=said)


def _others_said(texts: Texts, item: ReviewItem) -> list[Html]:
    """What others named on the same face, the commonest first; nothing where there is nobody."""
    if not item.others:
        return []
    counted = Counter(item.others).most_common()
    shares = [_share(texts, Share(emotion, count)) for emotion, count in counted]
    return [texts.html("review_others", shares=_list(texts, shares))]


def _unrule(texts: Texts, undoable: int | None) -> list[tuple[str, Button]]:
    return [] if undoable is None else [(texts.plain("button_unrule"), Unrule(undoable))]


def _one_face(texts: Texts, reading: Reading, asked: Question | None) -> Html:
    face = reading.faces[0]
    said = Html(f"{_top_emoji(texts, face)} {_blend(texts, face)}")
    question = _of_two(texts, reading, asked) or [texts.html("right_question")]
    return _lines([said, *_doubt(texts, face), *question], apart=True)


def _faces(texts: Texts, reading: Reading, asked: Question | None) -> Html:
    lines = [texts.html("faces_intro", count=len(reading.faces))]
    lines += [_face_line(texts, face) for face in reading.faces]
    hints = [texts.html("faces_hint"), *_of_two(texts, reading, asked)]
    return _lines([_lines(lines), *_doubts(texts, reading.faces), *hints], apart=True)


def _crowd(texts: Texts, reading: Reading) -> Html:
    first, *others = of_faces(reading.faces)
    shares = [
        texts.html("crowd_share_first", emotion=texts.emotion(first.emotion), count=first.count)
    ]
    shares += [
        texts.html("crowd_share", emotion=texts.emotion(share.emotion), count=share.count)
        for share in others
    ]
    summary = texts.html("crowd", count=len(reading.faces), shares=_list(texts, shares))
    return _lines([summary, texts.html("crowd_hint")], apart=True)


def _crowd_page(texts: Texts, reading: Reading, page: int) -> Html:
    faces = faces_of_page(reading, page)
    first, last, count = faces[0].number, faces[-1].number, len(reading.faces)
    if first == last:
        intro = texts.html("page_intro_one", first=first, count=count)
    else:
        intro = texts.html("page_intro", first=first, last=last, count=count)
    lines = [intro, *(_face_line(texts, face) for face in faces)]
    doubts = _doubts(texts, faces)
    return _lines([_lines(lines), *doubts, texts.html("faces_hint")], apart=True)


def _blend(texts: Texts, face: Face) -> Html:
    return _shares_told(texts, of_ten_people(face))


def _shares_told(texts: Texts, shares: Sequence[Share]) -> Html:
    first, *others = shares
    emotion = texts.emotion(first.emotion)
    if not others:
        return texts.html("blend_alone", emotion=emotion)
    rest = _list(texts, [_share(texts, share) for share in others])
    return texts.html("blend", count=first.count, emotion=emotion, rest=rest)


def _face_line(texts: Texts, face: Face) -> Html:
    shares = _list(texts, [_share(texts, share) for share in of_ten_people(face)])
    emoji = _top_emoji(texts, face)
    return texts.html("face_line", number=face.number, emoji=emoji, shares=shares)


def _doubt(texts: Texts, face: Face) -> list[Html]:
    """One line or none: the model's doubt before people's, which the numbers show already."""
    if face.differing:
        named = sorted(set(face.differing), key=lambda name: -face.crowd[EMOTIONS.index(name)])
        first, other = (texts.emotion(name) for name in named[:2])
        return [texts.html("doubt_readers", first=first, other=other)]
    if of_ten_people(face)[0].count <= SPLIT:
        return [texts.html("doubt_people")]
    return []


def _doubts(texts: Texts, faces: Sequence[Face]) -> list[Html]:
    """One line for all the faces on which the model's members differ, or none."""
    numbers = [Html(face.number) for face in faces if face.differing]
    if not numbers:
        return []
    return [texts.html("doubt_faces", faces=_list(texts, numbers), count=len(numbers))]


def _of_two(texts: Texts, reading: Reading, asked: Question | None) -> list[Html]:
    """One line or none: the question of two."""
    if asked is None or asked.between is None or asked.face_number is None:
        return []
    first, second = asked.between
    named = {
        "first": texts.emotion(first),
        "first_emoji": texts.emoji(first),
        "second": texts.emotion(second),
        "second_emoji": texts.emoji(second),
    }
    if len(reading.faces) == 1:
        return [texts.html("of_two_question", **named)]
    return [texts.html("of_two_question_face", face=asked.face_number, **named)]


def _share(texts: Texts, share: Share) -> Html:
    return texts.html("share", count=share.count, emotion=texts.emotion(share.emotion))


def _top_emoji(texts: Texts, face: Face) -> str:
    return texts.emoji(top_emotion(face.crowd))


def _noted_line(texts: Texts, said: Recorded, alone: bool) -> Html:
    number = said.feedback.face_number
    emotion = _said(texts, said.feedback)
    if said.repeated:
        if alone:
            return texts.html("noted_repeated_alone", emotion=emotion)
        return texts.html("noted_repeated", face=number, emotion=emotion)
    if said.previous is not None:
        previous = _said(texts, said.previous)
        if alone:
            return texts.html("noted_revision_alone", emotion=emotion, previous=previous)
        return texts.html("noted_revision", face=number, emotion=emotion, previous=previous)
    if said.feedback.kind == "confirmation" and said.feedback.shares is None:
        if alone:
            return texts.html("noted_confirmation_alone", emotion=emotion)
        return texts.html("noted_confirmation", face=number, emotion=emotion)
    if alone:
        return texts.html("noted_correction_alone", emotion=emotion)
    return texts.html("noted_correction", face=number, emotion=emotion)


def _also_noted_line(texts: Texts, said: Recorded) -> Html:
    """A face after the first: who was thanked once is not thanked for every face."""
    if said.repeated or said.previous is not None:
        return _noted_line(texts, said, alone=False)
    confirmed = said.feedback.kind == "confirmation" and said.feedback.shares is None
    key: Key = "also_confirmation" if confirmed else "also_correction"
    emotion = _said(texts, said.feedback)
    return texts.html(key, face=said.feedback.face_number, emotion=emotion)


def _said(texts: Texts, said: Feedback) -> Html:
    return _emotion_or_mixture(texts, _emotion_of(said), said.shares)


def _emotion_or_mixture(texts: Texts, emotion: str, mixture: Probabilities | None) -> Html:
    """The emotion that was named, or the mixture, the largest share first."""
    if mixture is None:
        return Html(html.escape(texts.emotion(emotion)))
    shares = sorted(zip(mixture, EMOTIONS, strict=True), key=lambda one: -one[0])
    parts = [
        texts.html("mixture_part", percent=round(100 * share), emotion=texts.emotion(name))
        for share, name in shares
        if share > 0
    ]
    return _list(texts, parts)


def _emotion_of(said: Feedback) -> str:
    if said.emotion is None:
        raise ValueError(f"feedback {said.feedback_id} names no emotion")
    return said.emotion


def _agreement(texts: Texts, numbers: Statistics) -> Html:
    if numbers.agreement is None:
        return texts.html("stats_no_agreement")
    return texts.html(
        "stats_agreement",
        percent=round(numbers.agreement * 100),
        count=numbers.readings_with_feedback,
        without=numbers.readings_without_feedback,
    )


def _latency(texts: Texts, numbers: Statistics) -> Html:
    if numbers.latency_p50_ms is None or numbers.latency_p95_ms is None:
        return texts.html("stats_no_latency")
    median = _duration(texts, numbers.latency_p50_ms)
    return texts.html("stats_latency", median=median, slow=_duration(texts, numbers.latency_p95_ms))


def _duration(texts: Texts, milliseconds: float) -> Html:
    if milliseconds < 1000:
        return texts.html("milliseconds", milliseconds=round(milliseconds))
    return texts.html("seconds", seconds=f"{milliseconds / 1000:.1f}")


def _model(texts: Texts, version: str | None) -> Html:
    if version is None:
        return texts.html("stats_no_model")
    return texts.html("stats_model", version=version[:SHORT_DIGEST])


def _retraining(texts: Texts, known: Sequence[Schedule]) -> list[Html]:
    """When the next retraining is, and what came of the last."""
    if not known:
        return [texts.html("stats_retraining_none")]
    if (since := working_since(known)) is not None:
        first = texts.html("stats_retraining_working", at=_minute(since))
    elif (upcoming := next_firing(known)) is not None:
        first = texts.html("stats_retraining_next", at=_minute(upcoming))
    else:
        seen_at = max(schedule.seen_at for schedule in known)
        first = texts.html("stats_retraining_unseen", at=_minute(seen_at))
    last = last_firing(known)
    return [first] if last is None else [first, _last_retraining(texts, last)]


def _last_retraining(texts: Texts, last: Schedule) -> Html:
    at = "" if last.fired_at is None else _minute(last.fired_at)
    version = (last.candidate or "")[:SHORT_DIGEST]
    detail = textwrap.shorten(last.detail or "", DETAIL_LENGTH, placeholder="…")
    match last.outcome:
        case "promoted":
            return texts.html("stats_retrained_promoted", at=at, version=version)
        case "refused":
            return texts.html("stats_retrained_refused", at=at, version=version, detail=detail)
        case "rested":
            return texts.html("stats_retrained_rested", at=at)
        case "busy":
            return texts.html("stats_retrained_busy", at=at)
        case "stopped":
            return texts.html("stats_retrained_stopped", at=at)
        case _:
            return texts.html("stats_retrained_failed", at=at, detail=detail)


def _minute(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M}"


def _all_emotions(texts: Texts) -> Html:
    return _list(texts, [Html(html.escape(texts.emotion(name), quote=False)) for name in EMOTIONS])


def _list(texts: Texts, items: Sequence[Html]) -> Html:
    return Html(texts.html("comma").join(items))


def _lines(lines: Sequence[Html], *, apart: bool = False) -> Html:
    return Html(("\n\n" if apart else "\n").join(lines))


# Keyboards


def _keyboard(*rows: Sequence[tuple[str, Button]]) -> InlineKeyboardMarkup:
    return InlineKeyboardMarkup(
        [
            [InlineKeyboardButton(label, callback_data=encode(button)) for label, button in row]
            for row in rows
            if row
        ]
    )


def _rows(
    buttons: Sequence[tuple[str, Button]], columns: int
) -> list[Sequence[tuple[str, Button]]]:
    limited = buttons[:MOST_BUTTONS]
    return [limited[start : start + columns] for start in range(0, len(limited), columns)]


def _undos(texts: Texts, given: Sequence[Feedback]) -> list[tuple[str, Button]]:
    alone = len(given) == 1
    return [
        (
            texts.plain("button_undo")
            if alone
            else texts.plain("button_undo_face", number=said.face_number),
            Undo(said.feedback_id),
        )
        for said in given
    ]


def _emotion_rows(
    texts: Texts, reading: Reading, face: int, emotions: Sequence[str]
) -> list[Sequence[tuple[str, Button]]]:
    buttons = [
        (
            texts.plain("button_emotion", emoji=texts.emoji(name), label=texts.emotion_label(name)),
            Correct(reading.reading_id, face, name),
        )
        for name in emotions
    ]
    return _rows(buttons, EMOTION_COLUMNS)


def _of_two_rows(
    texts: Texts, reading: Reading, asked: Question
) -> list[Sequence[tuple[str, Button]]]:
    """The two emotions beside each other, and Neither below them; numbered for several faces."""
    face = asked.face_number
    if asked.between is None or face is None:
        return []
    if len(reading.faces) == 1:
        neither = texts.plain("button_neither")
        return [
            *_emotion_rows(texts, reading, face, asked.between),
            [(neither, AskCorrection(reading.reading_id, face))],
        ]
    two = [
        (
            texts.plain(
                "button_face_emotion",
                number=face,
                emoji=texts.emoji(name),
                label=texts.emotion_label(name),
            ),
            Correct(reading.reading_id, face, name),
        )
        for name in asked.between
    ]
    neither = texts.plain("button_face_neither", number=face)
    return [two, [(neither, AskCorrection(reading.reading_id, face))]]


def _choice_of_faces(texts: Texts, question: Question, reading: Reading) -> InlineKeyboardMarkup:
    buttons = [
        (
            texts.plain("button_face", number=face.number, emoji=_top_emoji(texts, face)),
            ChooseFace(question.question_id, face.number),
        )
        for face in reading.faces
    ]
    return _keyboard(*_rows(buttons, FACES_PER_PAGE if len(buttons) <= 8 else 8))


def _paging(texts: Texts, reading: Reading, page: int) -> list[tuple[str, Button]]:
    last = page_count(reading) - 1
    if last == 0:
        return []
    buttons: list[tuple[str, Button]] = []
    if page > 1:
        buttons.append(
            (
                texts.plain("button_previous", faces=_range(reading, page - 1)),
                Page(reading.reading_id, page - 1),
            )
        )
    if page > 0:
        buttons.append((texts.plain("button_summary"), Page(reading.reading_id, 0)))
    if page < last:
        buttons.append(
            (
                texts.plain("button_next", faces=_range(reading, page + 1)),
                Page(reading.reading_id, page + 1),
            )
        )
    return buttons


def _range(reading: Reading, page: int) -> str:
    faces = faces_of_page(reading, page)
    first, last = faces[0].number, faces[-1].number
    return str(first) if first == last else f"{first}-{last}"


def _consent_keyboard(texts: Texts) -> InlineKeyboardMarkup:
    yes = (texts.plain("button_consent"), GiveConsent())
    no = (texts.plain("button_no_consent"), DeclineConsent())
    return _keyboard([yes], [no])
