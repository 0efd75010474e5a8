"""The bot says the blend, escapes values, fits into Telegram, and offers valid buttons."""

import re
from dataclasses import replace
from datetime import UTC, datetime
from html import unescape
from typing import get_args

import pytest
from telegram import InlineKeyboardMarkup

from bot import replies
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
    decode,
)
from bot.pages import page_count
from bot.replies import Reply
from bot.texts import Catalogue, Texts
from fer_model.errors import (
    DamagedImage,
    EmptyImage,
    NotAnImage,
    PhotoRefused,
    PhotoTooLarge,
    TooManyPixels,
    TruncatedImage,
)
from store.emotions import EMOTIONS
from store.records import (
    Consent,
    Erased,
    Question,
    ReviewItem,
    ReviewReason,
    RulingOutcome,
    RulingVerdict,
    Schedule,
    Undone,
)
from tests.bot.samples import (
    EVEN,
    FOUR,
    MIXED,
    NOTHING,
    NOW,
    READING_ID,
    SAD,
    SURE,
    feedback,
    question,
    reading,
    recorded,
)

CATALOGUE = Catalogue.load()
EN = CATALOGUE.texts("en")
KO = CATALOGUE.texts("ko")
BOTH = pytest.mark.parametrize("texts", [EN, KO], ids=["en", "ko"])


def plain(reply: Reply) -> str:
    """The text as people see it, after Telegram has read the markup."""
    return unescape(re.sub(r"</?(?:b|i|code)>", "", reply.text))


def utf16(text: str) -> int:
    """Telegram's length of a text."""
    return len(text.encode("utf-16-le")) // 2


def buttons(keyboard: InlineKeyboardMarkup | None) -> list[Button]:
    """What the buttons carry, in order."""
    assert keyboard is not None
    found = [decode(str(b.callback_data)) for row in keyboard.inline_keyboard for b in row]
    assert None not in found
    return [button for button in found if button is not None]


def labels(keyboard: InlineKeyboardMarkup | None) -> list[str]:
    assert keyboard is not None
    return [button.text for row in keyboard.inline_keyboard for button in row]


def of_two(face: int) -> Question:
    """Is the face sad or neutral?"""
    return replace(question(), kind="which_of_two", face_number=face, between=("sad", "neutral"))


# Readings


def test_one_face_is_told_as_a_blend_of_ten_people() -> None:
    reply = replies.reading_reply(EN, reading([MIXED]))
    assert "Of ten people, about 6 would say happy, 3 neutral, 1 surprised." in plain(reply)
    assert buttons(reply.keyboard) == [Confirm(READING_ID, 1), AskCorrection(READING_ID, 1)]


def test_one_face_is_told_in_korean() -> None:
    said = plain(replies.reading_reply(KO, reading([MIXED])))
    assert "열 명 중 6명쯤은 기쁨, 3명은 무표정, 1명은 놀람이라고 할 거예요." in said


def test_face_that_all_agree_on_has_no_list() -> None:
    said = plain(replies.reading_reply(EN, reading([SURE])))
    assert "nearly all would say happy." in said
    assert "10" not in said


def test_readers_that_differ_are_named_the_one_that_the_blend_follows_first() -> None:
    said = plain(replies.reading_reply(EN, reading([MIXED], differing=("neutral", "happy"))))
    assert "one of my two readers would say happy, the other neutral." in said
    said = plain(replies.reading_reply(KO, reading([MIXED], differing=("neutral", "happy"))))
    assert "하나는 기쁨, 다른 하나는 무표정이라고 해요." in said


@BOTH
def test_question_of_two_stands_for_yes_and_no(texts: Texts) -> None:
    reply = replies.reading_reply(texts, reading([FOUR]), asked=of_two(1))
    sad, neutral = texts.emotion("sad"), texts.emotion("neutral")
    assert f"😢 {sad}" in plain(reply)
    assert f"😐 {neutral}" in plain(reply)
    assert texts.plain("right_question") not in plain(reply)
    assert buttons(reply.keyboard) == [
        Correct(READING_ID, 1, "sad"),
        Correct(READING_ID, 1, "neutral"),
        AskCorrection(READING_ID, 1),
    ]


def test_question_of_two_is_the_last_line_of_the_words() -> None:
    said = plain(replies.reading_reply(EN, reading([FOUR]), asked=of_two(1)))
    last = said.splitlines()[-1]
    assert last == "You can help me with this one: is it closer to 😢 sad or to 😐 neutral?"
    said = plain(replies.reading_reply(KO, reading([FOUR]), asked=of_two(1)))
    last = "저도 헷갈려서 여쭤봐요. 이 얼굴은 😢 슬픔에 더 가깝나요, 😐 무표정에 더 가깝나요?"
    assert said.splitlines()[-1] == last


@BOTH
def test_question_of_two_names_the_face_of_several(texts: Texts) -> None:
    reply = replies.reading_reply(texts, reading([SURE, FOUR]), asked=of_two(2))
    assert texts.html("faces_hint") in reply.text
    assert "2" in plain(reply).splitlines()[-1]
    assert buttons(reply.keyboard) == [
        Correct(READING_ID, 2, "sad"),
        Correct(READING_ID, 2, "neutral"),
        AskCorrection(READING_ID, 2),
        PickFace(READING_ID, 1),
        PickFace(READING_ID, 2),
    ]


@BOTH
def test_longest_question_of_two_fits_a_caption(texts: Texts) -> None:
    for faces in (1, 4):
        about = reading([EVEN] * faces, differing=("disgust", "surprise"))
        asked = replace(of_two(faces), between=("disgust", "surprise"))
        assert utf16(plain(replies.reading_reply(texts, about, asked=asked))) <= 1024


def test_face_without_a_favourite_is_called_hard_for_people_too() -> None:
    said = plain(replies.reading_reply(EN, reading([FOUR])))
    assert "two people asked would more likely disagree than agree" in said
    assert "readers" not in said


@BOTH
def test_at_most_one_doubt_is_told(texts: Texts) -> None:
    for blend, differing, lines in [
        (MIXED, (), 2),
        (FOUR, (), 3),
        (MIXED, ("happy", "neutral"), 3),
        (FOUR, ("sad", "neutral"), 3),
    ]:
        reply = replies.reading_reply(texts, reading([blend], differing=differing))
        assert len(plain(reply).split("\n\n")) == lines


def test_doubts_about_several_faces_are_one_line() -> None:
    about = reading([MIXED, FOUR, SAD])
    assert "sure" not in plain(replies.reading_reply(EN, about))
    doubted = replace(about.faces[1], differing=("sad", "neutral"))
    one = replace(about, faces=(about.faces[0], doubted, about.faces[2]))
    assert "I’m not sure about face 2: my two" in plain(replies.reading_reply(EN, one))
    all_of_them = reading([MIXED, FOUR, SAD], differing=("sad", "neutral"))
    assert "about faces 1, 2, 3: my" in plain(replies.reading_reply(EN, all_of_them))


def test_doubts_about_a_crowd_are_told_on_the_faces_page() -> None:
    about = reading([MIXED] * 7, differing=("happy", "neutral"))
    assert "sure" not in plain(replies.reading_reply(EN, about))
    assert "about faces 5, 6, 7: my" in plain(replies.reading_reply(EN, about, 2))


def test_several_faces_are_told_one_by_one_and_chosen_by_number() -> None:
    reply = replies.reading_reply(EN, reading([MIXED, SAD, SURE]))
    lines = plain(reply).splitlines()
    assert lines[1] == "1 😊 6 happy, 3 neutral, 1 surprised"
    assert lines[2] == "2 😢 8 sad, 1 angry, 1 afraid"
    assert lines[3] == "3 😊 10 happy"
    assert buttons(reply.keyboard) == [PickFace(READING_ID, n) for n in (1, 2, 3)]


def test_crowd_is_summed_up_first() -> None:
    reply = replies.reading_reply(EN, reading([MIXED] * 7 + [SAD] * 5))
    assert "12 faces." in plain(reply)
    assert "happy for 7, sad for 5." in plain(reply)
    assert buttons(reply.keyboard) == [Page(READING_ID, 1)]


def test_crowds_pages_lead_to_each_other() -> None:
    about = reading([MIXED] * 12)
    second = buttons(replies.reading_keyboard(EN, about, 2))
    assert second[:4] == [PickFace(READING_ID, n) for n in (5, 6, 7, 8)]
    assert second[4:] == [Page(READING_ID, 1), Page(READING_ID, 0), Page(READING_ID, 3)]
    last = buttons(replies.reading_keyboard(EN, about, 3))
    assert last[4:] == [Page(READING_ID, 2), Page(READING_ID, 0)]


def test_every_face_of_a_crowd_is_told_on_some_page() -> None:
    about = reading([MIXED] * 13)
    said = "\n".join(plain(replies.reading_reply(EN, about, p)) for p in range(page_count(about)))
    for number in range(1, 14):
        assert re.search(rf"^{number} 😊 6 happy", said, re.MULTILINE)


@BOTH
@pytest.mark.parametrize("count", range(1, 61))
def test_caption_fits_into_1024_characters_on_every_page(texts: Texts, count: int) -> None:
    about = reading([EVEN] * count, differing=("disgust", "surprise"))
    for page in range(page_count(about)):
        assert utf16(plain(replies.reading_reply(texts, about, page))) <= 1024


def test_face_of_several_is_confirmed_corrected_or_left() -> None:
    about = reading([MIXED] * 6)
    shown = buttons(replies.face_keyboard(EN, about, 5))
    assert shown == [Confirm(READING_ID, 5), AskCorrection(READING_ID, 5), Page(READING_ID, 2)]
    assert labels(replies.face_keyboard(EN, about, 5))[0] == "✅ Face 5: yes, happy"


def test_emotions_to_choose_from_are_all_seven_and_a_way_back() -> None:
    alone = buttons(replies.emotion_keyboard(EN, reading([MIXED]), 1))
    assert alone == [*(Correct(READING_ID, 1, e) for e in EMOTIONS), Page(READING_ID, 0)]
    several = buttons(replies.emotion_keyboard(EN, reading([MIXED, SAD]), 2))
    assert several[-1] == PickFace(READING_ID, 2)


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        (NotAnImage(), "format"),
        (TruncatedImage("JPEG"), "cut off"),
        (DamagedImage("PNG"), "damaged"),
        (EmptyImage(), "empty"),
        (TooManyPixels(100_000_000, 51_000_000), "100 megapixels) than I can read; 51"),
        (PhotoTooLarge(10, 5), "too large"),
        (PhotoRefused("else"), "can’t read"),
    ],
)
def test_refused_photo_gets_its_reason(reason: PhotoRefused, words: str) -> None:
    assert words in plain(replies.photo_refused(EN, reason))


@pytest.mark.parametrize(
    "kind",
    ["animation", "sticker", "video", "video_note", "voice", "audio", "document", "other"],
)
def test_what_is_no_photo_is_answered_with_what_is_read(kind: replies.OtherKind) -> None:
    assert "I read photos; send one" in plain(replies.photos_only(EN, kind))


# Feedback


def test_correction_is_acknowledged_as_understood_with_undo() -> None:
    about = reading([MIXED, SAD])
    reply = replies.noted(EN, [recorded(about, feedback("sad", 1))], about)
    assert plain(reply) == "Thanks, noted as sad for face 1."
    assert buttons(reply.keyboard) == [Undo(501)]
    assert labels(reply.keyboard) == ["Undo"]


def test_only_face_needs_no_number() -> None:
    about = reading([MIXED])
    said = [recorded(about, feedback("happy", kind="confirmation"))]
    assert plain(replies.noted(EN, said, about)) == "Thanks, noted: happy is right."


def test_revision_names_both() -> None:
    about = reading([MIXED, SAD])
    said = recorded(about, feedback("fear", 2), previous=feedback("angry", 2))
    expected = "Changed: face 2 is now noted as afraid instead of angry."
    assert plain(replies.noted(EN, [said], about)) == expected


def test_repetition_is_said_to_be_one() -> None:
    about = reading([MIXED])
    said = recorded(about, feedback("sad"), repeated=True)
    assert "already" in plain(replies.noted(EN, [said], about))


def test_several_faces_are_undone_one_by_one() -> None:
    about = reading([MIXED, SAD, SURE])
    both = [recorded(about, feedback("sad", 1)), recorded(about, feedback("happy", 3))]
    reply = replies.noted(EN, both, about)
    assert len(plain(reply).splitlines()) == 2
    assert buttons(reply.keyboard) == [Undo(501), Undo(503)]
    assert labels(reply.keyboard) == ["Undo face 1", "Undo face 3"]


def test_who_speaks_about_several_faces_is_thanked_once() -> None:
    about = reading([MIXED, SAD])
    said = [
        recorded(about, feedback("sad", 1)),
        recorded(about, feedback("sad", 2, kind="confirmation")),
    ]
    assert plain(replies.noted(EN, said, about)).splitlines() == [
        "Thanks, noted as sad for face 1.",
        "Noted: sad is right for face 2.",
    ]


@BOTH
def test_feedback_on_a_hundred_faces_fits_into_a_message(texts: Texts) -> None:
    about = reading([MIXED] * 120)
    said = [
        recorded(about, feedback("sad", n), previous=feedback("disgust", n)) for n in range(1, 121)
    ]
    reply = replies.noted(texts, said, about)
    assert utf16(plain(reply)) <= 4096
    assert len(buttons(reply.keyboard)) <= 100


@pytest.mark.parametrize("outcome", ["undone", "already_undone", "superseded"])
def test_undo_says_what_it_did(outcome: str) -> None:
    done = Undone(feedback("sad", 2), outcome)  # type: ignore[arg-type]
    words = {"undone": "face 2 (sad)", "already_undone": "already", "superseded": "about face 2"}
    assert words[outcome] in plain(replies.undone(EN, done, reading([SURE, SURE])))


@pytest.mark.parametrize("outcome", ["undone", "already_undone", "superseded"])
def test_undo_numbers_no_face_where_there_is_one(outcome: str) -> None:
    done = Undone(feedback("sad", 1), outcome)  # type: ignore[arg-type]
    assert "face" not in plain(replies.undone(EN, done, reading([SURE])))


def test_which_face_offers_each_and_repeats_the_emotion() -> None:
    reply = replies.which_face(EN, question("sad"), reading([MIXED, SAD, SURE]))
    assert plain(reply) == "Which face is sad?"
    assert buttons(reply.keyboard) == [ChooseFace(77, n) for n in (1, 2, 3)]
    neutral = replies.which_face(EN, question(), reading([MIXED, SAD]))
    assert plain(neutral) == "Which face do you mean?"


@BOTH
def test_which_face_of_a_hundred_stays_within_telegrams_hundred_buttons(texts: Texts) -> None:
    reply = replies.which_face(texts, question("sad"), reading([MIXED] * 120))
    assert reply.keyboard is not None
    assert sum(len(row) for row in reply.keyboard.inline_keyboard) <= 100
    assert all(len(row) <= 8 for row in reply.keyboard.inline_keyboard)


def test_denied_emotion_is_not_offered_again() -> None:
    reply = replies.which_emotion(EN, reading([MIXED]), 1, "angry")
    assert "Not angry" in plain(reply)
    offered = {b.emotion for b in buttons(reply.keyboard) if isinstance(b, Correct)}
    assert offered == set(EMOTIONS) - {"angry"}


def test_did_you_mean_offers_what_was_named_first() -> None:
    reply = replies.did_you_mean(EN, reading([MIXED, SAD]), 2, ("sad", "fear"))
    offered = [b.emotion for b in buttons(reply.keyboard) if isinstance(b, Correct)]
    assert offered[:2] == ["sad", "fear"]
    assert sorted(offered) == sorted(EMOTIONS)


def test_unknown_emotion_is_answered_with_the_seven() -> None:
    reply = replies.unknown_emotion(EN, "bored", reading([MIXED]), None)
    assert "“bored”" in plain(reply)
    for emotion in EMOTIONS:
        assert EN.emotion(emotion) in plain(reply)
    assert len(buttons(reply.keyboard)) == 7


def test_unknown_emotion_of_an_unknown_face_has_no_buttons() -> None:
    assert replies.unknown_emotion(EN, "bored", reading([MIXED, SAD]), None).keyboard is None
    assert replies.unknown_emotion(EN, "bored", reading([MIXED, SAD]), 9).keyboard is None


def test_words_of_people_are_escaped_and_cut_short() -> None:
    reply = replies.unknown_emotion(EN, "<b>&" + "x" * 5000, reading([MIXED]), 1)
    assert "&lt;b&gt;&amp;xxx" in reply.text
    assert len(reply.text) < 400


def test_missing_face_is_answered_with_those_that_are_there() -> None:
    about = reading([MIXED, SAD, SURE])
    reply = replies.face_unknown(EN, 9, about, question("sad"))
    assert "no face 9. The faces are numbered 1 to 3" in plain(reply)
    assert buttons(reply.keyboard) == [ChooseFace(77, n) for n in (1, 2, 3)]
    assert "only one face" in plain(replies.face_unknown(EN, 2, reading([MIXED]), None))


# People


@BOTH
def test_consent_is_asked_with_the_whole_promise(texts: Texts) -> None:
    reply = replies.consent_question(texts)
    assert "/consent" in reply.text
    assert "/forgetme" in reply.text
    assert buttons(reply.keyboard) == [GiveConsent(), DeclineConsent()]
    assert utf16(plain(reply)) <= 4096


@pytest.mark.parametrize(
    ("consent", "offered"),
    [
        ("unknown", [GiveConsent(), DeclineConsent()]),
        ("asked", [GiveConsent(), DeclineConsent()]),
        ("withdrawn", [GiveConsent(), DeclineConsent()]),
        ("given", [DeclineConsent()]),
    ],
)
def test_consent_can_be_given_while_it_is_not_and_withdrawn_while_it_is(
    consent: Consent, offered: list[Button]
) -> None:
    assert buttons(replies.consent_status(EN, consent).keyboard) == offered


def test_given_consent_says_how_many_faces_are_kept() -> None:
    assert "1 face is kept" in plain(replies.consent_given(EN, 1))
    assert "3 faces are kept" in plain(replies.consent_given(EN, 3))


def test_forgetting_is_asked_about_and_counted() -> None:
    assert buttons(replies.forget_question(EN).keyboard) == [ForgetMe(), KeepMe()]
    erased = Erased({"people": 1, "readings": 3, "faces": 4, "feedback": 1})
    said = plain(replies.forgotten(EN, erased))
    assert "9 records" in said
    assert "3 readings, 1 piece of feedback" in said
    assert "model" not in said
    assert "nothing about you" in plain(replies.forgotten(EN, Erased({})))


def test_who_was_learnt_from_is_told_what_becomes_of_the_model() -> None:
    said = plain(replies.forgotten(EN, Erased({"people": 1}, versions=2)))
    assert "until the next training" in said


@BOTH
def test_help_of_an_administrator_has_more(texts: Texts) -> None:
    assert "/stats" in replies.help_(texts, admin=True).text
    assert "/stats" not in replies.help_(texts, admin=False).text
    names = [name for name, _ in replies.commands(texts, admin=False)]
    assert names == ["start", "help", "consent", "privacy", "forgetme", "model"]
    more = [name for name, _ in replies.commands(texts, admin=True)]
    assert more == [*names, "stats", "review"]


# Administration


@BOTH
def test_statistics_of_nothing_say_so(texts: Texts) -> None:
    reply = replies.statistics_reply(texts, NOTHING, None)
    assert "None" not in reply.text
    assert buttons(reply.keyboard) == [StatisticsRange(d) for d in (7, 30, 90, None)]


def scheduler(**changes: object) -> Schedule:
    """A scheduler that is alive and refused a candidate last night."""
    refused = Schedule(
        holder="host:1:abc",
        expression="0 3 * * *",
        timezone=None,
        minimum_feedback=1,
        seen_at=datetime(2026, 11, 22, 20, 0, tzinfo=UTC),
        alive=True,
        next_at=datetime(2026, 11, 23, 3, 0, tzinfo=UTC),
        fired_at=datetime(2026, 11, 22, 3, 4, tzinfo=UTC),
        outcome="refused",
        candidate="0123456789abcdef",
        detail="too few <faces>",
    )
    return replace(refused, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("known", "lines"),
    [
        ([], ["Retraining: no scheduler is known"]),
        (
            [scheduler()],
            [
                "Retraining: next on 2026-11-23 03:00 UTC",
                "Last on 2026-11-22 03:04: candidate 0123456789ab refused: too few &lt;faces&gt;",
            ],
        ),
        (
            [scheduler(fired_at=None, outcome=None)],
            ["Retraining: next on 2026-11-23 03:00 UTC"],
        ),
        (
            [scheduler(alive=False, outcome="promoted")],
            [
                "Retraining: no scheduler has been seen since 2026-11-22 20:00 UTC",
                "Last on 2026-11-22 03:04: candidate 0123456789ab passed the gate",
            ],
        ),
        (
            [scheduler(outcome=None), scheduler(outcome="rested", alive=False)],
            [
                "Retraining: at work since 2026-11-22 03:04 UTC",
                "Last on 2026-11-22 03:04: too little new feedback",
            ],
        ),
        (
            [scheduler(outcome="failed", detail="word " * 100)],
            [
                "Retraining: next on 2026-11-23 03:00 UTC",
                f"Last on 2026-11-22 03:04: failed: {'word ' * 39}word…",
            ],
        ),
        (
            [scheduler(outcome="busy")],
            [
                "Retraining: next on 2026-11-23 03:00 UTC",
                "Last on 2026-11-22 03:04: another retraining was at work",
            ],
        ),
        (
            [scheduler(outcome="stopped")],
            [
                "Retraining: next on 2026-11-23 03:00 UTC",
                "Last on 2026-11-22 03:04: stopped before its end",
            ],
        ),
    ],
)
def test_statistics_say_when_the_next_retraining_is_and_what_came_of_the_last(
    known: list[Schedule], lines: list[str]
) -> None:
    reply = replies.statistics_reply(EN, replace(NOTHING, schedules=tuple(known)), 7)
    said = reply.text.replace("<code>", "").replace("</code>", "").splitlines()
    assert said[-len(lines) :] == lines
    assert len(reply.text) < 1024


def test_statistics_say_how_many_readings_got_no_feedback() -> None:
    numbers = replace(
        NOTHING,
        readings=20,
        faces=31,
        people=1,
        confirmations=4,
        corrections=2,
        readings_with_feedback=5,
        readings_without_feedback=15,
        agreement=0.6,
        latency_p50_ms=340.4,
        latency_p95_ms=1250.0,
        model_version="0123456789abcdef",
    )
    said = plain(replies.statistics_reply(EN, numbers, 7))
    assert "The last 7 days" in said
    assert "20 photos with 31 faces, by 1 person" in said
    assert "Agreement: 60%, of the 5 with feedback; 15 got none." in said
    assert "340 ms" in said
    assert "1.2 s" in said
    assert "0123456789ab\n" in said
    assert utf16(said) <= 1024


def test_statistics_say_how_much_waits_for_review_if_anything_does() -> None:
    assert "/review" not in plain(replies.statistics_reply(EN, NOTHING, 7, 0))
    assert "1 piece of feedback waits for /review" in plain(
        replies.statistics_reply(EN, NOTHING, 7, 1)
    )
    assert "12 pieces of feedback wait" in plain(replies.statistics_reply(EN, NOTHING, 7, 12))


# Review


ITEM = ReviewItem(
    feedback_id=77,
    crop=b"",
    crowd=MIXED,
    kind="correction",
    emotion="sad",
    shares=None,
    others=("happy", "sad", "happy"),
    reasons=("streak", "against_confident", "disagree"),
    created_at=NOW,
)


def test_review_tells_what_was_answered_what_was_said_and_why_it_is_shown() -> None:
    said = plain(replies.review_reply(EN, ITEM, 12))
    assert said == (
        "12 pieces of feedback wait for review.\n\n"
        "I had said: “Of ten people, about 6 would say happy, 3 neutral, 1 surprised.”\n"
        "On 2026-11-22 somebody said: sad\n"
        "Others on this face: 2 happy, 1 sad\n\n"
        "Shown because this person says the same word again and again; "
        "it goes against a confident reading; people disagree about this face."
    )


def test_review_tells_agreement_and_mixtures_apart() -> None:
    agreed = replace(ITEM, kind="confirmation", emotion="happy")
    assert "somebody agreed: happy" in plain(replies.review_reply(EN, agreed, 1))
    mixture = replace(agreed, shares=(0.0, 0.0, 0.4, 0.6, 0.0, 0.0, 0.0))
    assert "somebody said: 60% happy, 40% afraid" in plain(replies.review_reply(EN, mixture, 1))


@BOTH
def test_review_offers_three_rulings_and_the_last_ones_undo(texts: Texts) -> None:
    rulings: list[Button] = [Rule(77, "accepted"), Rule(77, "rejected"), Rule(77, "skipped")]
    assert buttons(replies.review_reply(texts, ITEM, 2).keyboard) == [*rulings, EndReview()]
    again = replies.review_reply(texts, ITEM, 1, undoable=76)
    assert buttons(again.keyboard) == [*rulings, Unrule(76), EndReview()]
    assert buttons(replies.review_done(texts, 77).keyboard) == [Unrule(77)]
    assert replies.review_done(texts).keyboard is None
    assert replies.review_closed(texts, 3).keyboard is None


@BOTH
def test_review_with_every_reason_fits_under_a_picture(texts: Texts) -> None:
    every = replace(
        ITEM,
        crowd=EVEN,
        shares=EVEN,
        others=EMOTIONS * 3,
        reasons=get_args(ReviewReason),
    )
    said = plain(replies.review_reply(texts, every, 10_000, 1))
    assert "{" not in said
    assert utf16(said) <= 1024


@BOTH
def test_outcomes_of_a_ruling_fit_over_the_button(texts: Texts) -> None:
    said = {
        plain(replies.ruled(texts, outcome, verdict))
        for outcome in get_args(RulingOutcome)
        for verdict in get_args(RulingVerdict)
    }
    assert len(said) == 6
    said.add(plain(replies.ruling_taken_back(texts)))
    assert all(0 < utf16(one) <= 200 for one in said)


@BOTH
def test_every_message_fits_into_telegrams_limit_and_is_balanced(texts: Texts) -> None:
    simple = [
        replies.no_face, replies.face_too_small, replies.file_too_large, replies.download_failed,
        replies.not_understood, replies.no_reading, replies.reading_gone, replies.message_gone,
        replies.not_a_reading, replies.not_your_reading, replies.stale_button, replies.privacy,
        replies.consent_declined, replies.consent_withdrawn, replies.not_forgotten, replies.start,
        replies.apology, replies.not_admin, replies.unknown_command,
        replies.review_nothing, replies.review_in_private, replies.review_done,
    ]  # fmt: skip
    said = [make(texts) for make in simple]
    said += [replies.help_(texts, admin=True), replies.model_answering(texts, "a" * 64)]
    for reply in said:
        assert 0 < utf16(plain(reply)) <= 4096
        assert reply.text.count("<b>") == reply.text.count("</b>")
        assert "{" not in reply.text


@BOTH
def test_answers_to_buttons_fit_into_an_alert_of_200_characters(texts: Texts) -> None:
    for reply in (replies.stale_button(texts), replies.not_your_reading(texts)):
        assert utf16(plain(reply)) <= 200
        assert "<" not in reply.text


@BOTH
def test_labels_of_emotions_are_short_enough_for_a_phone(texts: Texts) -> None:
    assert all(
        len(label) <= 14
        for label in labels(replies.which_emotion(texts, reading([MIXED]), 1).keyboard)
    )
