"""The corpus itself: large, balanced, well-formed; and its figures count what they say."""

import re
import tomllib
from collections import Counter
from typing import Any

import pytest

from store.emotions import EMOTIONS
from tests.bot.corpus import (
    BLIND_LANGUAGES,
    FOLDER,
    LANGUAGES,
    CorpusDamaged,
    FaceMissing,
    Meaning,
    Phrase,
    Rejected,
    Vote,
    blind,
    building,
    corpus,
    held_out,
    is_held_out,
    meaning_of,
    phrase_of,
)
from tests.bot.corpus.figures import figures, judge

ONE = ("happy",)
THREE = ("happy", "sad", "neutral")


def phrase(meant: str, read: tuple[str, ...] = ONE, also: tuple[str, ...] = ()) -> Phrase:
    said = tuple(meaning_of(one, read) for one in also)
    return Phrase("text", "en", read, meaning_of(meant, read), said)


def spoken_in(language: str) -> list[Phrase]:
    return [one for one in corpus() if one.language == language]


def share_of_no_feedback(phrases: list[Phrase] | tuple[Phrase, ...]) -> float:
    return sum(not one.meant.is_feedback for one in phrases) / len(phrases)


def emotions_of(meaning: Meaning) -> set[str]:
    return {emotion for vote in meaning.votes for emotion, _ in vote.shares}


# What there is


def test_there_are_phrases_enough() -> None:
    assert len(corpus()) >= 900
    assert len(spoken_in("en")) >= 300
    assert len(spoken_in("ko")) >= 300


def test_every_file_belongs_to_a_language_that_is_loaded() -> None:
    files = {file.relative_to(FOLDER).as_posix() for file in FOLDER.rglob("*.toml")}
    written_later = {f"blind/{code}" for code in BLIND_LANGUAGES} | {
        f"blind/held_out/{code}" for code in BLIND_LANGUAGES
    }
    first = {f"{part}{code}" for part in ("", "held_out/") for code in LANGUAGES}
    assert files == {f"{name}.toml" for name in first | written_later}


@pytest.mark.parametrize("part", [False, True])
def test_phrases_written_later_are_many_new_and_half_no_feedback(part: bool) -> None:
    phrases = blind(held_out=part)
    assert len(phrases) >= 500
    assert {one.held_out for one in phrases} == {part}
    assert share_of_no_feedback(phrases) == pytest.approx(0.5, abs=0.03)
    assert not {(one.language, one.text) for one in phrases} & {
        (one.language, one.text) for one in corpus()
    }


def test_half_of_them_are_not_feedback() -> None:
    assert share_of_no_feedback(corpus()) == pytest.approx(0.5, abs=0.03)
    assert share_of_no_feedback(building()) == pytest.approx(0.5, abs=0.03)
    assert share_of_no_feedback(held_out()) == pytest.approx(0.5, abs=0.03)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_has_phrases_of_every_kind(language: str) -> None:
    phrases = spoken_in(language)
    assert len(phrases) >= 40
    assert share_of_no_feedback(phrases) == pytest.approx(0.5, abs=0.05)
    assert {one.meant.kind for one in phrases} >= {"said", "ask", "none"}
    assert any(one.meant.rejected and not one.meant.votes for one in phrases)
    assert any(len(vote.shares) > 1 for one in phrases for vote in one.meant.votes)
    assert any(len(one.read) > 1 and one.meant.votes for one in phrases)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_emotion_is_meant_in_every_language(language: str) -> None:
    meant = [emotion for one in spoken_in(language) for emotion in emotions_of(one.meant)]
    assert set(meant) == set(EMOTIONS)


def test_a_third_is_held_out() -> None:
    assert len(held_out()) / len(corpus()) == pytest.approx(1 / 3, abs=0.03)
    for language in LANGUAGES:
        phrases = spoken_in(language)
        assert 0.2 < sum(one.held_out for one in phrases) / len(phrases) < 0.47, language


def test_what_is_held_out_is_not_among_what_is_built_with() -> None:
    seen = {one.text.casefold() for one in building() if len(one.text) > 3}
    assert [one.text for one in held_out() if one.text.casefold() in seen] == []


def test_asking_back_is_seldom_as_good_as_recording() -> None:
    to_record = [one for one in corpus() if one.meant.votes]
    asked = [one for one in to_record if any(other.kind == "ask" for other in one.also)]
    assert len(asked) < len(to_record) / 3


def test_most_of_what_is_no_feedback_sounds_like_it() -> None:
    """Where `also` lets the bot ask, a word of feedback is in it: those are the hard ones."""
    plain = [one for one in corpus() if not one.meant.is_feedback and not one.also]
    hard = [one for one in corpus() if not one.meant.is_feedback and one.also]
    assert len(hard) > len(plain)


def test_only_a_handful_of_texts_are_in_several_languages() -> None:
    languages = Counter(text for text, _ in {(one.text, one.language) for one in corpus()})
    assert sum(count > 1 for count in languages.values()) <= 10


# What is refused


@pytest.mark.parametrize(
    "entry",
    [
        {"meant": "sad"},
        {"text": "sad"},
        {"text": " ", "meant": "none"},
        {"text": "sad", "meant": "sda"},
        {"text": "sad", "meant": "sad 60 + sad 40"},
        {"text": "sad", "meant": "sad > sad"},
        {"text": "sad", "meant": "sad", "also": ["sad"]},
        {"text": "sad", "meant": "confirmed", "also": ["happy"]},
        {"text": "sad", "meant": "2: sad"},
        {"text": "sad", "meant": "left: sad"},
        {"text": "sad", "meant": "middle: sad", "read": ["sad", "happy"]},
        {"text": "sad", "meant": "1: sad; left: happy", "read": ["sad", "happy"]},
        {"text": "sad", "meant": "sad; 2: happy", "read": ["sad", "happy"]},
        {"text": "sad", "meant": "sad", "read": []},
        {"text": "sad", "meant": "sad", "read": ["bored"]},
        {"text": "sad", "meant": "sad", "reed": ["sad"]},
    ],
)
def test_a_damaged_entry_is_refused(entry: dict[str, Any]) -> None:
    with pytest.raises(CorpusDamaged):
        phrase_of(entry, "en", held_out=is_held_out("en", entry.get("text", "")))


def test_a_phrase_in_the_wrong_part_is_refused() -> None:
    with pytest.raises(CorpusDamaged, match="other part"):
        phrase_of({"text": "sad", "meant": "sad"}, "en", held_out=not is_held_out("en", "sad"))


def test_the_entries_of_the_readme_are_well_formed() -> None:
    readme = (FOLDER / "README.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```toml\n(.*?)```", readme, re.DOTALL)
    assert len(blocks) == 1
    for entry in tomllib.loads(blocks[0])["phrases"]:
        phrase_of(entry, "en", held_out=is_held_out("en", entry["text"]))


def test_the_readme_gives_nothing_away_that_is_held_out() -> None:
    readme = (FOLDER / "README.md").read_text(encoding="utf-8").casefold()
    known = {one.text.casefold() for one in building()}
    quoted = {words.strip("?!.") for words in re.findall(r'"([^"]+)"', readme)}
    assert [
        one.text
        for one in held_out()
        if (text := one.text.casefold()) not in known
        and (text.strip("?!.") in quoted - set(EMOTIONS) or (len(text) > 8 and text in readme))
    ] == []


# What the notation means


def test_confirming_is_naming_what_was_read() -> None:
    assert meaning_of("confirmed", ("sad",)) == meaning_of("sad", ("sad",))
    assert meaning_of("2: confirmed", THREE) == meaning_of("2: sad", THREE)


def test_sides_are_face_numbers() -> None:
    said = meaning_of("left: sad; middle: fear; right: not angry", THREE)
    assert said.votes == (Vote(1, (("sad", 1.0),)), Vote(2, (("fear", 1.0),)))
    assert said.rejected == (Rejected(3, "angry"),)


def test_weights_become_shares() -> None:
    assert meaning_of("angry 2 + disgust 2", ONE).votes[0].shares == (
        ("angry", 0.5),
        ("disgust", 0.5),
    )


def test_a_face_that_is_not_there_is_missing() -> None:
    with pytest.raises(FaceMissing):
        meaning_of("4: sad", THREE)


# What the figures count


def test_the_annotator_would_score_in_full() -> None:
    got = figures(judge(one, notation_of(one.meant)) for one in corpus())
    assert (got.parsed_as_meant_share, got.recorded_not_meant) == (1.0, 0)
    assert (got.recorded_as_meant, got.asked_needlessly) == (got.to_record, 0)


def test_every_other_answer_that_is_as_good_scores_too() -> None:
    wrong = [
        one.text
        for one in corpus()
        for other in one.also
        if not (verdict := judge(one, notation_of(other))).as_meant or verdict.recorded_not_meant
    ]
    assert wrong == []


@pytest.mark.parametrize("outcome", ["none", "ask", "confirmed", "sad"])
def test_one_answer_to_everything_fails(outcome: str) -> None:
    got = figures(judge(one, outcome) for one in corpus())
    assert got.parsed_as_meant_share < 0.65
    assert (got.recorded_not_meant_share > 0.5) == (outcome in ("confirmed", "sad"))


@pytest.mark.parametrize(
    ("meant", "outcome"),
    [
        ("sad", "sad"),
        ("happy", "confirmed"),
        ("rejected", "ask"),
        ("ask", "rejected"),
        ("not angry", "rejected"),
        ("sad 60 + fear 40", "sad 62 + fear 38"),
        ("sad > fear", "sad 70 + fear 30"),
        ("none", "none"),
    ],
)
def test_it_is_as_meant(meant: str, outcome: str) -> None:
    verdict = judge(phrase(meant), outcome)
    assert verdict.as_meant
    assert not verdict.recorded_not_meant


@pytest.mark.parametrize(
    ("meant", "outcome"),
    [
        ("sad", "ask"),
        ("sad", "none"),
        ("none", "ask"),
        ("none", "rejected"),
        ("not angry", "not sad"),
        ("rejected", "none"),
    ],
)
def test_it_is_not_as_meant_but_nothing_is_recorded(meant: str, outcome: str) -> None:
    verdict = judge(phrase(meant), outcome)
    assert not verdict.as_meant
    assert not verdict.recorded_not_meant


@pytest.mark.parametrize(
    ("meant", "outcome"),
    [
        ("sad", "angry"),
        ("none", "confirmed"),
        ("rejected", "confirmed"),
        ("not happy", "happy"),
        ("ask", "sad"),
        ("sad 60 + fear 40", "sad"),
        ("sad 60 + fear 40", "sad 50 + fear 50"),
        ("sad > fear", "sad 50 + fear 50"),
        ("sad > fear", "fear 60 + sad 40"),
    ],
)
def test_it_is_recorded_and_not_meant(meant: str, outcome: str) -> None:
    verdict = judge(phrase(meant), outcome)
    assert not verdict.as_meant
    assert verdict.recorded_not_meant


@pytest.mark.parametrize(
    ("meant", "outcome", "as_meant", "not_meant"),
    [
        ("1: sad; 3: happy", "3: happy; 1: sad", True, False),
        ("1: sad; 3: happy", "1: sad", False, False),
        ("1: sad; 3: happy", "1: sad; 2: happy; 3: happy", False, True),
        ("1: sad; 3: happy", "1: happy; 3: sad", False, True),
        ("right: fear", "3: fear", True, False),
        ("sad", "sad", True, False),
        ("sad", "2: sad", False, True),
        ("confirmed", "confirmed", True, False),
        ("confirmed", "happy", False, False),
        ("all: confirmed", "1: happy; 2: sad; 3: neutral", True, False),
        ("1: confirmed; 2: rejected", "1: confirmed", False, False),
        ("ask", "7: sad", True, False),
        ("ask", "sad", True, False),
        ("face 2", "ask", True, False),
        ("face 2", "face 3", False, False),
        ("2: rejected", "3: rejected", False, False),
        ("2: rejected", "rejected", True, False),
    ],
)
def test_faces_count(meant: str, outcome: str, as_meant: bool, not_meant: bool) -> None:
    verdict = judge(phrase(meant, THREE), outcome)
    assert (verdict.as_meant, verdict.recorded_not_meant) == (as_meant, not_meant)


def test_what_is_as_good_is_as_meant() -> None:
    lenient = phrase("none", also=("ask", "surprise"))
    assert judge(lenient, "ask").as_meant
    assert judge(lenient, "surprise").as_meant
    assert not judge(lenient, "surprise").recorded_not_meant
    assert judge(lenient, "sad").recorded_not_meant


def test_the_counts_add_up() -> None:
    got = figures(
        [
            judge(phrase("sad"), "sad"),
            judge(phrase("sad"), "ask"),
            judge(phrase("none"), "ask"),
            judge(phrase("none"), "sad"),
        ]
    )
    assert (got.phrases, got.as_meant, got.recorded_not_meant) == (4, 1, 1)
    assert (got.to_record, got.recorded_as_meant) == (2, 1)
    assert (got.not_feedback, got.asked_needlessly) == (2, 1)


def notation_of(meaning: Meaning) -> str:
    if meaning.kind != "said":
        return f"face {meaning.named}" if meaning.kind == "face" else meaning.kind
    parts = [(one.face, shares_of(one)) for one in meaning.votes]
    parts += [
        (one.face, f"not {one.denied}" if one.denied else "rejected") for one in meaning.rejected
    ]
    return "; ".join(what if face is None else f"{face}: {what}" for face, what in parts)


def shares_of(vote: Vote) -> str:
    if vote.ordered:
        return " > ".join(emotion for emotion, _ in vote.shares)
    if len(vote.shares) < 2:
        return vote.shares[0][0] if vote.shares else "confirmed"
    return " + ".join(f"{emotion} {share:.6f}" for emotion, share in vote.shares)
