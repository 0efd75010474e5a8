"""The one parser of feedback: what somebody wrote -> what they mean. Pure.

It knows neither which reading is meant nor who speaks. The worse mistake is to record what was not
meant, so a sentence counts only where every word of it is known to the vocabulary; asking back is
always allowed. The words are in `bot/vocabulary/`, one TOML file per language.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from bot.clauses import FACES, clauses_of, names_emotion
from bot.combining import combined
from bot.meanings import (
    Confirmation,
    Correction,
    FaceNamed,
    FacesNamed,
    Meaning,
    Mixture,
    NotFeedback,
    Rejection,
    Several,
    Unclear,
    UnknownEmotion,
    emotions_of,
    has_vote,
)
from bot.vocabulary.lexicon import LANGUAGES, Lexicon, Role, Word, lexicon, normalised
from bot.vocabulary.of_two import after_neither, choice_in, without_closer

LONGEST_TEXT: Final = 300
"""Characters; who writes more tells a story."""


def understand(text: str, face_count: int | None = None, languages: Sequence[str] = ()) -> Meaning:
    """What the text says about a reading's faces.

    It is read in every language at once, as people do not only write in the one that they set.
    Those count that leave the least of it unknown. Where one of these takes it for no feedback
    by a word that it knows, it is none; where two make different things of it, it is asked about.

    Args:
        text: As it was written.
        face_count: How many faces the reading has, if it is known: "the last one", "both" need it.
            Whether a number is one of them is judged later.
        languages: Codes of those that the person set. They decide nothing but in which order
            emotions are offered where the bot asks.
    """
    if len(text) > LONGEST_TEXT:
        return NotFeedback()
    plain = _DECIMAL.sub(_percent, _RANGE.sub(_written_out, normalised(text)))
    if len(plain) > LONGEST_TEXT:  # one character may stand for eighteen
        return NotFeedback()
    preferred = [code.replace("_", "-").split("-")[0].lower() for code in languages]
    heard = _heard(plain, face_count, mend=False)
    if all(unknown for unknown, _ in (one.lost for one in heard.values())):
        heard = _heard(plain, face_count, mend=True)
    fewest = min(one.lost for one in heard.values())
    likely = {code: one for code, one in heard.items() if one.lost == fewest}
    if any(one.refuses and one.meaning == NotFeedback() for one in likely.values()):
        return NotFeedback()
    spoken = sorted(likely, key=lambda code: code not in preferred)
    return _agreed([likely[code].meaning for code in spoken])


def understand_of_two(
    text: str,
    between: tuple[str, str],
    face_count: int | None = None,
    languages: Sequence[str] = (),
) -> Meaning:
    """What the text says where "is it closer to A or to B?" was asked; see `understand`.

    "The second" of a single face is the second emotion; "yes" is no answer, and asked about.
    """
    if len(text) > LONGEST_TEXT:
        return NotFeedback()
    match choice_in(text):
        case "first":
            return Correction(between[0])
        case "second":
            return Correction(between[1])
        case "both":
            return Mixture(between, (0.5, 0.5))
        case "neither":
            return Rejection()
    instead = after_neither(text)
    if instead:
        return _instead(understand(instead, face_count, languages), between)
    meaning = understand(without_closer(text), face_count, languages)
    match meaning:
        case FaceNamed(place) | Confirmation(int(place)) if face_count == 1 and place <= 2:
            return Correction(between[place - 1])
        case Confirmation(int()) if not any(letter.isdecimal() for letter in text):
            return Unclear(between)  # "yes, the first": the first face, or the first emotion?
        case Confirmation(None):
            return Unclear(between)
    return meaning


def _instead(meaning: Meaning, between: tuple[str, str]) -> Meaning:
    """What was named after "neither", if it is neither."""
    named = emotions_of(meaning)
    if not set(named).isdisjoint(between):
        return Unclear(named)
    return Rejection() if isinstance(meaning, NotFeedback | Confirmation) else meaning


_RANGE: Final = re.compile(r"(?<!\d)([1-9])\s*(?:[-~\u2013\u2014\u301c]|to)\s*([1-9])(?!\d)")
"""Faces from one to another: "1-3"."""
_DECIMAL: Final = re.compile(r"(?:(?<![\d.,])0[.,]|(?<!\S)\.)(\d{1,2})(?![\d.,]*\d|\s*[%\uff05])")


def _percent(share: re.Match[str]) -> str:
    """A share of one, "0.8", as the percentage that it is."""
    return f"{int(share[1].ljust(2, '0'))}%"


def _written_out(faces: re.Match[str]) -> str:
    """Faces from one to another, "1-3", as the list that it stands for."""
    first, last = int(faces[1]), int(faces[2])
    return ", ".join(map(str, range(first, last + 1))) if first < last else faces[0]


def _heard(text: str, face_count: int | None, *, mend: bool) -> "dict[str, _Understood]":
    return {code: _understand_in(lexicon(code), text, face_count, mend=mend) for code in LANGUAGES}


def _agreed(heard: Sequence[Meaning]) -> Meaning:
    """What all languages say that make anything of the text; where they differ, it is asked."""
    meanings = list(dict.fromkeys(one for one in heard if one != NotFeedback()))
    if len(meanings) <= 1:
        return meanings[0] if meanings else NotFeedback()
    named = [emotion for meaning in meanings for emotion in emotions_of(meaning)]
    faces = {getattr(meaning, "face", None) for meaning in meanings}
    return Unclear(tuple(dict.fromkeys(named)), faces.pop() if len(faces) == 1 else None)


@dataclass(frozen=True)
class _Understood:
    """What one language makes of a text.

    `lost` tells how little of it that is: characters unknown, then words guessed; `refuses` is
    whether a word was heard that makes it no feedback, so that it is not just a lack of any.
    """

    meaning: Meaning
    lost: tuple[int, int]
    refuses: bool = False


_LINK: Final = re.compile(r"://|www\.|@\w")
_QUESTION: Final = re.compile("[?\N{ARABIC QUESTION MARK}\N{INVERTED QUESTION MARK}]")


def _understand_in(words: Lexicon, text: str, face_count: int | None, *, mend: bool) -> _Understood:
    if _LINK.search(text):
        return _Understood(NotFeedback(), (0, 0), refuses=True)
    for ending in words.asserted:
        text = text.replace(ending, ending[:-1] + " ")
    *asked, last = _QUESTION.split(text)
    said = words.read(" ".join((*asked, last)), mend=mend)
    lost = (
        sum(len(word.text) for word in said if word.can_be(Role.UNKNOWN)),
        sum(word.guessed for word in said),
    )
    if asked:
        return _Understood(_question(words, text, last, face_count), lost, refuses=True)
    meaning = _WHOLE.get(words.whole(text))
    if meaning is not None:
        return _Understood(meaning, lost, refuses=meaning == NotFeedback())
    refuses = any(word.can_be(Role.STOP, Role.PAST) for word in said)
    return _Understood(_judged(said, face_count), lost, refuses)


_WHOLE: Final[Mapping[Role | None, Meaning]] = {
    Role.CONFIRM: Confirmation(),
    Role.REJECT: Rejection(),
    Role.DOUBT: Unclear(),
    Role.STOP: NotFeedback(),
}


def _question(words: Lexicon, text: str, last: str, face_count: int | None) -> Meaning:
    """A question is no feedback, but may be followed by some, or be none but in its mark."""
    softened = any(text.endswith(ending) for ending in words.softened)
    said = words.read(_QUESTION.sub(" ", text) if softened else last)
    if not softened and not last.strip():
        return _suggested(words.read(_QUESTION.sub(" ", text)))
    meaning = _WHOLE.get(words.whole(last)) or _judged(said, face_count)
    if isinstance(meaning, NotFeedback | FaceNamed | FacesNamed):
        return NotFeedback()
    if not softened and has_vote(meaning) and _is_of_the_face(said):
        return meaning
    return Unclear(tuple(dict.fromkeys(word.value for word in said if names_emotion(word))))


def _suggested(said: Sequence[Word]) -> Meaning:
    """A question of nothing but an emotion: "sad?"."""
    named = tuple(dict.fromkeys(word.value for word in said if word.can_be(Role.EMOTION)))
    is_bare = all(word.can_be(Role.EMOTION, Role.OR, Role.BREAK) for word in said)
    return Unclear(named) if named and is_bare else NotFeedback()


def _judged(said: Sequence[Word], face_count: int | None) -> Meaning:
    if not said or any(word.can_be(Role.STOP) for word in said) or _asks(said):
        return NotFeedback()
    of_photo = any(word.can_be(Role.PHOTO) for word in said)
    statement = _without_asides(said)
    if len(statement) < len(said) and not _is_past(statement, of_photo):
        meaning = _meant(statement, face_count, of_photo)
        is_weighed = isinstance(meaning, Mixture) and _is_weighed(statement)
        if has_vote(meaning) and (is_weighed or _is_of_the_face(statement)):
            return meaning
    if _is_past(said, of_photo):
        return NotFeedback()
    if any(word.can_be(Role.UNKNOWN, Role.REASON) for word in said):
        return _unknown_emotion(said) or _half_understood(said)
    return _meant(said, face_count, of_photo)


def _is_past(said: Sequence[Word], of_photo: bool) -> bool:
    tells = any(word.can_be(Role.PAST) for word in said)
    return tells and not (of_photo or _puts_right(said))


def _meant(said: Sequence[Word], face_count: int | None, of_photo: bool) -> Meaning:
    """The meaning of words that are all known."""
    if any(word.can_be(Role.IN_ORDER) for word in said):
        return _in_order(said, face_count)
    clauses = clauses_of(said, face_count, of_photo)
    meaning = NotFeedback() if clauses is None else combined(clauses)
    if isinstance(meaning, FacesNamed) and not _lists_faces(meaning.faces, face_count):
        return NotFeedback()
    return meaning


def _lists_faces(faces: Sequence[int], face_count: int | None) -> bool:
    """Whether numbers are a list of faces, and no time, score or countdown."""
    rising = all(one < other for one, other in pairwise(faces))
    return rising and (face_count is None or faces[-1] <= face_count)


_LIST: Final = (
    *(Role.BREAK, Role.AND, Role.BUT, Role.FILLER, Role.TALK, Role.NUMBER, Role.NOUN, Role.PEOPLE),
    *(Role.THIRD, Role.BE, Role.LOOK, Role.IN_ORDER, Role.ALL, Role.BOTH, Role.REJECT),
)


def _in_order(said: Sequence[Word], face_count: int | None) -> Meaning:
    """One emotion per face: "happy, happy, sad in that order"."""
    named = [word.value for word in said if names_emotion(word)]
    is_list = all(names_emotion(word) or word.can_be(*_LIST) for word in said)
    if not is_list or len(named) != face_count or len(named) < 2:
        return Unclear(tuple(dict.fromkeys(named)))
    return Several(tuple(Correction(emotion, at) for at, emotion in enumerate(named, 1)))


def _begins_with_no(said: Sequence[Word]) -> bool:
    words = (word for word in said if not word.can_be(Role.BREAK, Role.FILLER, Role.TALK))
    first = next(words, None)
    return first is not None and first.can_be(Role.REJECT)


def _puts_right(said: Sequence[Word]) -> bool:
    """A no, then an emotion: "wrong, I was sad" is of the photo, whatever its tense."""
    return _begins_with_no(said) and any(word.can_be(Role.EMOTION) for word in said)


def _is_of_the_face(said: Sequence[Word]) -> bool:
    """Whether what is said can be of nothing but the face: the rest of the text may be unknown."""
    if not any(word.can_be(Role.EMOTION, Role.CONFIRM) for word in said):
        return False
    names = any(word.can_be(Role.EMOTION) for word in said)
    looks = any(word.can_be(Role.LOOK) for word in said)
    of_self = any(word.can_be(Role.SELF, Role.OWN) for word in said)
    denies = any(word.can_be(Role.NOT, Role.REJECT) for word in said)
    is_feeling = any(word.can_be(Role.FEELING) for word in said) and any(
        word.can_be(Role.THIRD) for word in said
    )
    return any(word.can_be(Role.PHOTO, *FACES) for word in said) or (
        names and (denies or ((looks or is_feeling) and not of_self))
    )


_WEIGHING: Final = frozenset(
    {Role.HALF, Role.PERCENT, Role.PORTION, Role.PARTS, Role.MOSTLY, Role.LITTLE, Role.MIXED}
)


def _is_weighed(said: Sequence[Word]) -> bool:
    """Whether emotions are weighed, as nobody does who tells how they feel themselves."""
    weighs = any(word.can_be(*_WEIGHING) for word in said)
    return weighs and not any(word.can_be(Role.SELF, Role.OWN) for word in said)


_ENDS: Final = frozenset(",.;:!\n()、。…–—،؛।")
"""Marks between which an aside stands; a hyphen, a slash or an apostrophe joins words."""
_SAYS_NOTHING: Final = (
    *(Role.FILLER, Role.TALK, Role.NOUN, Role.PEOPLE, Role.THIRD, Role.SELF, Role.OWN, Role.BE),
    *(Role.LOOK, Role.NOT, Role.AND, Role.BUT, Role.PHOTO, Role.PAST, Role.BREAK),
    *(Role.REASON, Role.UNKNOWN),
)
_LONGEST_ASIDE: Final = 12  # words nobody knows; who writes more tells a story


def _without_asides(said: Sequence[Word]) -> Sequence[Word]:
    """The words but for whole clauses of unknown words, and of reasons, that judge nothing.

    All of them where such a clause may say something of the face after all.
    """
    kept: list[Word] = []
    unknown = 0
    for piece in _pieces(said):
        is_aside = any(word.can_be(Role.UNKNOWN, Role.REASON) for word in piece)
        if not is_aside:
            kept += piece
            continue
        unknown += sum(word.can_be(Role.UNKNOWN) for word in piece)
        if unknown > _LONGEST_ASIDE or not all(_says_nothing(word) for word in piece):
            return said
    return kept


def _pieces(said: Sequence[Word]) -> list[list[Word]]:
    """The words between marks; a reason or a "but" begins a new piece, or a reason ends one."""
    pieces: list[list[Word]] = [[]]
    for word in said:
        if word.can_be(Role.REASON, Role.BUT):
            pieces.append([])
        pieces[-1].append(word)
        if word.text in _ENDS or word.can_be(Role.CLOSING):
            pieces.append([])
    return pieces


def _says_nothing(word: Word) -> bool:
    judges = word.can_be(Role.CONFIRM, Role.REJECT, Role.EMOTION, Role.OTHER_EMOTION)
    return word.can_be(*_SAYS_NOTHING) and not judges


def _asks(said: Sequence[Word]) -> bool:
    """A question without its mark ("are you happy"), or an order ("look happy")."""
    return not said[0].opens


def _unknown_emotion(said: Sequence[Word]) -> Meaning | None:
    """Rejection, verb, and one last word that nobody knows: "no, she is hangry"."""
    words = [word for word in said if not word.can_be(Role.BREAK, Role.FILLER)]
    *before, last = words
    known = all(
        word.can_be(
            Role.REJECT, Role.THIRD, Role.NOUN, Role.PEOPLE, Role.NUMBER, Role.BE, Role.LOOK
        )
        for word in before
    )
    rejects = bool(before) and before[0].can_be(Role.REJECT)
    describes = len(before) > 1 and before[-1].can_be(Role.BE, Role.LOOK)
    if not (known and rejects and describes and last.can_be(Role.UNKNOWN)):
        return None
    numbers = [int(word.value) for word in before if word.can_be(Role.NUMBER)]
    return UnknownEmotion(last.text, numbers[0] if len(numbers) == 1 else None)


def _half_understood(said: Sequence[Word]) -> Meaning:
    """What has unknown words in it is never recorded; it is asked about if it may be feedback."""
    named = [word.value for word in said if names_emotion(word)]
    words = [word for word in said if not word.can_be(Role.BREAK, Role.FILLER, Role.TALK)]
    answers = any(
        word.can_be(Role.CONFIRM, Role.REJECT, Role.CONFIRM_EMOJI)
        and not word.can_be(Role.NUMBER, Role.FILLER, Role.NOT, Role.POSITION)
        for word in words[:1]
    )
    answers |= words[0].can_be(Role.REJECT)
    if words[0].can_be(Role.SELF) or _tells_a_story(words):
        return NotFeedback()
    tells = any(word.can_be(Role.LOOK, Role.BE, Role.PHOTO) for word in said)
    if named or answers or (tells and any(word.can_be(Role.OTHER_EMOTION) for word in said)):
        return Unclear(tuple(dict.fromkeys(named)))
    return NotFeedback()


_LEAST_OF_A_STORY: Final = 2  # unknown words


def _tells_a_story(words: Sequence[Word]) -> bool:
    """Whether half of it is unknown, and the predicate, which in Korean ends the sentence."""
    unknown = [word for word in words if word.can_be(Role.UNKNOWN)]
    ends_so = words[-1].can_be(Role.UNKNOWN) and "가" <= words[-1].text[-1] <= "힣"
    enough = len(unknown) >= max(_LEAST_OF_A_STORY, len(words) / 2)
    return ends_so and enough and not words[0].can_be(Role.REJECT)
