"""The one parser of feedback: what somebody wrote -> what they mean. Pure.

It knows neither which reading is meant nor who speaks. The worse mistake is to record what was not
meant, so a sentence counts only where every word of it is known to the vocabulary; asking back is
always allowed. The words are in `bot/vocabulary/`, one TOML file per language.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Final, TypeAlias

from bot.vocabulary.lexicon import LANGUAGES, Lexicon, Role, Word, lexicon, normalised
from bot.vocabulary.of_two import after_neither, choice_in, without_closer


@dataclass(frozen=True)
class Correction:
    """The face shows this emotion; `face` is None where no face was named.

    Naming what the blend's top is anyway is a correction here, and a confirmation to the store.
    """

    emotion: str
    face: int | None = None


@dataclass(frozen=True)
class Confirmation:
    """The blend is right."""

    face: int | None = None


@dataclass(frozen=True)
class Rejection:
    """The blend is wrong, and the right emotion is still to be asked for.

    `denied` is the emotion that it is not: "not angry".
    """

    face: int | None = None
    denied: str | None = None


@dataclass(frozen=True)
class Mixture:
    """The face shows several emotions: "60% sad 40% fear".

    `shares` sum to 1; they are empty where only the order was told, the largest first: "mostly
    sad, a bit scared".
    """

    emotions: tuple[str, ...]
    shares: tuple[float, ...] = ()
    face: int | None = None


@dataclass(frozen=True)
class FaceNamed:
    """Nothing but a face: "2", "the second one"; the answer to "which face?"."""

    face: int


@dataclass(frozen=True)
class FacesNamed:
    """Nothing but several faces: "1 and 2", "both"."""

    faces: tuple[int, ...]


@dataclass(frozen=True)
class UnknownEmotion:
    """A correction to something that is none of the seven: "wrong, she is bored"."""

    word: str
    face: int | None = None


@dataclass(frozen=True)
class Unclear:
    """Feedback, or nearly, but which cannot be told: "sad or angry", "I am sad". Ask.

    `emotions` are those that were named, in that order, if any.
    """

    emotions: tuple[str, ...] = ()
    face: int | None = None


@dataclass(frozen=True)
class Several:
    """One meaning per face, each with a different face, in the order they were written."""

    parts: "tuple[Part, ...]"


@dataclass(frozen=True)
class NotFeedback:
    """Anything else."""


Part: TypeAlias = Correction | Confirmation | Rejection | Mixture
Meaning: TypeAlias = (
    Part | Several | FaceNamed | FacesNamed | UnknownEmotion | Unclear | NotFeedback
)
_PARTS: Final = (Correction, Confirmation, Rejection, Mixture)


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
    named = _emotions_of(meaning)
    if not set(named).isdisjoint(between):
        return Unclear(named)
    return Rejection() if isinstance(meaning, NotFeedback | Confirmation) else meaning


_RANGE: Final = re.compile(r"(?<!\d)([1-9])\s*(?:[-~\u2013\u2014\u301c]|to)\s*([1-9])(?!\d)")


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
    named = [emotion for meaning in meanings for emotion in _emotions_of(meaning)]
    faces = {getattr(meaning, "face", None) for meaning in meanings}
    return Unclear(tuple(dict.fromkeys(named)), faces.pop() if len(faces) == 1 else None)


def _emotions_of(meaning: Meaning) -> tuple[str, ...]:
    match meaning:
        case Correction(emotion):
            return (emotion,)
        case Mixture(emotions) | Unclear(emotions):
            return emotions
        case _:
            return ()


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
    if not softened and _has_vote(meaning) and _is_of_the_face(said):
        return meaning
    return Unclear(tuple(dict.fromkeys(word.value for word in said if _names(word))))


def _suggested(said: Sequence[Word]) -> Meaning:
    """A question of nothing but an emotion: "sad?"."""
    named = tuple(dict.fromkeys(word.value for word in said if word.can_be(Role.EMOTION)))
    is_bare = all(word.can_be(Role.EMOTION, Role.OR, Role.BREAK) for word in said)
    return Unclear(named) if named and is_bare else NotFeedback()


@dataclass
class _Clause:
    """What has been said so far about some faces, while it is being read."""

    faces: list[int] = field(default_factory=list)
    subjects: set[str] = field(default_factory=set)
    named: list[str] = field(default_factory=list)
    ranks: list[int] = field(default_factory=list)
    pictured: list[str] = field(default_factory=list)
    denied: list[str] = field(default_factory=list)
    others: list[str] = field(default_factory=list)
    signs: list[str] = field(default_factory=list)
    shares: list[int] = field(default_factory=list)
    halves: int = 0
    joined: int = 0
    weighs: bool = False
    of_rest: bool = False
    of_one: bool = False
    is_exception: bool = False
    is_same: bool = False
    is_said_first: bool = False
    excluded: list[int] = field(default_factory=list)
    is_limited: bool = False
    is_of_another: bool = False
    confirms: bool = False
    confirms_by_emoji: bool = False
    rejects: bool = False
    by_self: bool = False
    of_own: bool = False
    of_bot: bool = False
    is_remark: bool = False
    about_people: bool = False
    is_described: bool = False
    is_unclear: bool = False
    is_mood: bool = False
    has_talk: bool = False
    of_photo: bool = False

    def is_spoken(self) -> bool:
        return bool(self.named or self.pictured or self.denied or self.others)

    def is_said(self) -> bool:
        return self.is_spoken() or self.confirms or self.rejects or self.is_same

    def is_complete(self) -> bool:
        return (bool(self.faces) or self.of_rest) and self.is_said()


def _judged(said: Sequence[Word], face_count: int | None) -> Meaning:
    if not said or any(word.can_be(Role.STOP) for word in said) or _asks(said):
        return NotFeedback()
    of_photo = any(word.can_be(Role.PHOTO) for word in said)
    statement = _without_asides(said)
    if len(statement) < len(said) and not _is_past(statement, of_photo):
        meaning = _meant(statement, face_count, of_photo)
        is_weighed = isinstance(meaning, Mixture) and _is_weighed(statement)
        if _has_vote(meaning) and (is_weighed or _is_of_the_face(statement)):
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
    clauses = _clauses(said, face_count, of_photo)
    meaning = NotFeedback() if clauses is None else _combined(clauses)
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
    named = [word.value for word in said if _names(word)]
    is_list = all(_names(word) or word.can_be(*_LIST) for word in said)
    if not is_list or len(named) != face_count or len(named) < 2:
        return Unclear(tuple(dict.fromkeys(named)))
    return Several(tuple(Correction(emotion, at) for at, emotion in enumerate(named, 1)))


def _has_vote(meaning: Meaning) -> bool:
    """Whether there is something to record in it."""
    parts = meaning.parts if isinstance(meaning, Several) else (meaning,)
    return any(isinstance(part, Correction | Confirmation | Mixture) for part in parts)


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
    return any(word.can_be(Role.PHOTO, *_FACES) for word in said) or (
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
    *(
        Role.LOOK,
        Role.NOT,
        Role.AND,
        Role.BUT,
        Role.PHOTO,
        Role.PAST,
        Role.BREAK,
        Role.REASON,
        Role.UNKNOWN,
    ),
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
    named = [word.value for word in said if _names(word)]
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


def _tells_a_story(words: Sequence[Word]) -> bool:
    """Whether half of it is unknown, and the predicate, which in Korean ends the sentence."""
    unknown = [word for word in words if word.can_be(Role.UNKNOWN)]
    ends_so = words[-1].can_be(Role.UNKNOWN) and "가" <= words[-1].text[-1] <= "힣"
    enough = len(unknown) >= max(_LEAST_OF_A_STORY, len(words) / 2)
    return ends_so and enough and not words[0].can_be(Role.REJECT)


def _clauses(said: Sequence[Word], face_count: int | None, of_photo: bool) -> list[_Clause] | None:
    """One clause per group of faces, or None where the sentence makes no sense as feedback."""
    weights = _weights_in(said, face_count)
    shares = weights or _shares_in(said)
    listener = _Listener(said, face_count, of_photo, shares, weighs=bool(weights))
    for at in range(len(said)):
        listener.hear(at)
        if _asks_within(said, at):
            return None
    return listener.heard()


_LEAST_OF_A_STORY: Final = 2  # unknown words
_LEAST_BARE_SHARE: Final = 10
_WEIGHTS: Final = (3, 10, *range(99, 102))  # "2 to 1", "7 to 3"
_HUNDRED: Final = range(99, 102)  # percent; thirds are rounded


def _shares_in(said: Sequence[Word]) -> frozenset[int]:
    """Where the numbers stand that are no face's: "60%", "70 happy 30 surprised", "a quarter"."""
    portions = frozenset(at for at, word in enumerate(said) if word.can_be(Role.PORTION))
    parts = frozenset(at for at, word in enumerate(said) if word.can_be(Role.PARTS))
    if portions or parts:
        return portions | parts | _percents_in(said)
    return _percents_in(said)


def _weights_in(said: Sequence[Word], face_count: int | None) -> frozenset[int]:
    """Where numbers stand that weigh the emotions of a single face: "sad 2, angry 1", "7:3"."""
    numbers = frozenset(at for at, word in enumerate(said) if word.can_be(Role.NUMBER))
    named = sum(_names(word) for word in said)
    judges = any(
        word.can_be(Role.CONFIRM, Role.REJECT, Role.NOUN, Role.PERCENT, Role.PORTION, Role.PARTS)
        for word in said
    )
    total = sum(int(said[at].value) for at in numbers)
    fits = len(numbers) == named > 1 and total in _WEIGHTS
    return numbers if face_count == 1 and fits and not judges else frozenset()


def _percents_in(said: Sequence[Word]) -> frozenset[int]:
    numbers = [at for at, word in enumerate(said) if word.can_be(Role.NUMBER)]
    marked = frozenset(
        at
        for at in numbers
        if any(
            other is not None and other.can_be(Role.PERCENT)
            for other in (_at(said, at + 1), _at(said, at - 1) if at + 1 == len(said) else None)
        )
    )
    bare = {at for at in numbers if int(said[at].value) >= _LEAST_BARE_SHARE} | marked
    total = sum(int(said[at].value) for at in bare)
    of_rest = total < min(_HUNDRED) and any(word.can_be(Role.REST) for word in said)
    sums_up = len(bare) > 1 and total in _HUNDRED
    return frozenset(bare) if sums_up or of_rest else marked


@dataclass
class _Listener:
    """Goes through a sentence word by word; `denies` while a "not" waits for what it denies."""

    said: Sequence[Word]
    face_count: int | None
    of_photo: bool
    shares: frozenset[int]
    clauses: list[_Clause] = field(default_factory=lambda: [_Clause()])
    denies: bool = False
    denied_last: bool = False
    outweighs: bool = False
    excludes: bool = False
    rank: int = 0
    saying: bool = False
    makes_sense: bool = True
    weighs: bool = False

    @property
    def clause(self) -> _Clause:
        return self.clauses[-1]

    def hear(self, at: int) -> None:
        word, following = self.said[at], _at(self.said, at + 1)
        self.clause.is_unclear |= word.can_be(Role.DOUBT)
        self.clause.has_talk |= word.can_be(Role.TALK)
        self.clause.of_own |= word.can_be(Role.OWN)
        self.clause.is_mood |= word.can_be(Role.MOOD)
        if word.can_be(Role.BUT, Role.LITTLE):
            # "Yes, but a bit sad": neither the blend nor sad.
            self.clause.is_limited |= self.clause.confirms
        if word.text == ">" and self._is_between_emotions(at):
            self.rank = 1
        if word.can_be(Role.BREAK, Role.BUT):
            self._pause()
            self.saying = False
            self.clause.joined += word.can_be(Role.AND)
        elif at in self.shares:
            self.clause.shares.append(int(word.value))
            self.clause.weighs |= word.can_be(Role.PARTS) or self.weighs
        elif word.can_be(Role.PERCENT):
            self.clause.is_unclear |= at - 1 not in self.shares and at + 1 not in self.shares
        elif word.can_be(Role.HALF):
            self.clause.halves += 1
        elif word.can_be(Role.OR):
            self.denies |= self.denied_last
            self.clause.is_unclear |= following is None or following.can_be(
                *_FACES, Role.CONFIRM, Role.REJECT
            )
        elif word.can_be(Role.THAN):
            self.outweighs = True
        elif word.can_be(Role.THAN_BEFORE):
            self._outweigh_last()
        elif _denies_backwards(self.said, at):
            _deny_last(self.clause)
            self.denied_last = True
        elif _denies_onwards(self.said, at):
            self.denies = True
        elif word.can_be(Role.REST):
            self._point_to_rest(word)
        elif word.can_be(Role.BOTH) and self.face_count == 1:
            self.clause.joined += 1
        elif self._is_face(at):
            self._point(word, following)
            if word.can_be(Role.EXCEPT):
                self._except()
        elif word.can_be(Role.EXCEPT):
            self._except()
        elif word.can_be(Role.SAME):
            self.clause.is_same = True
        elif _names(word):
            self._begin_next(judges_ahead=False)
            self._name(word, at)
            self.saying = True
        elif word.can_be(Role.OTHER_EMOJI):
            self.clause.signs.append(word.value)
        elif word.can_be(Role.OTHER_EMOTION):
            self._name_other(word)
        elif word.can_be(Role.CONFIRM, Role.CONFIRM_EMOJI, Role.REJECT):
            self._begin_next(judges_ahead=_is_of_next(self.said, at))
            self._judge(word)
            self.saying = True
        elif word.can_be(Role.AND) and not _only_goes_on(word, following):
            # "not sad and angry": both denied, or only the first?
            names_next = following is not None and _names(following)
            self.clause.is_unclear |= following is None or (self.denied_last and names_next)
            self.clause.joined += 1
            self.saying = False
            self._rank_last()
        elif word.can_be(Role.MIXED):
            self.denied_last = False
            self.clause.joined += 1
            if self.clause.ranks[-1:] == [-1] and following is not None and _names(following):
                self.rank = 1  # "약간 슬픔이 섞인 분노"
        elif word.can_be(Role.MOSTLY, Role.LITTLE):
            self.rank = 1 if word.can_be(Role.MOSTLY) else -1
        elif word.can_be(Role.FINE):
            self._find_fine()
        else:
            _describe(self.clause, word, following)
            self.clause.of_photo = self.of_photo
            if self.of_photo:
                self.clause.by_self = self.clause.of_own = self.clause.is_remark = False

    def heard(self) -> list[_Clause] | None:
        """All clauses at the end of the sentence; None where it made no sense."""
        self.clause.is_unclear |= (self.denies or self.outweighs) and not self.clause.rejects
        self._rank_last()
        _complete(self.clauses, self.face_count)
        self.clauses += [
            _Clause(faces=clause.excluded, rejects=clause.confirms, confirms=clause.rejects)
            for clause in self.clauses
            if clause.excluded and (clause.confirms or clause.rejects)
        ]
        spoken = any(clause.is_spoken() or clause.rejects for clause in self.clauses)
        if not self.makes_sense or (self.denies and not spoken):
            return None
        return self.clauses

    def _pause(self) -> None:
        self.clause.is_unclear |= self.denies or self.outweighs
        self.denies = self.outweighs = self.denied_last = False
        self._rank_last()

    def _rank_last(self) -> None:
        """What was "mostly", or "a bit", and is followed by no emotion, is the one before it."""
        if self.rank and self.clause.ranks:
            self.clause.ranks[-1] = self.rank
            self.rank = 0

    def _is_between_emotions(self, at: int) -> bool:
        sides = (_at(self.said, at - 1), _at(self.said, at + 1))
        return all(side is not None and _names(side) for side in sides)

    def _is_face(self, at: int) -> bool:
        word = self.said[at]
        is_yes = _is_yes(word, _at(self.said, at + 1), self.said)
        return word.can_be(*_FACES) and not is_yes and not self._is_noun(at)

    def _is_noun(self, at: int) -> bool:
        """Whether a "one" that may be a number is none: that needs others, and to come first."""
        if not self.said[at].can_be(Role.NOUN):
            return False
        previous = _at(self.said, at - 1)
        begins = previous is None or previous.can_be(Role.BREAK, Role.AND, Role.TALK)
        numbers = [
            one for one in self.said if one.can_be(Role.NUMBER) and not one.can_be(Role.NOUN)
        ]
        return not (begins and numbers)

    def _point(self, word: Word, following: Word | None) -> None:
        if self.clause.is_complete() and not (self.clause.is_exception and not self.clause.faces):
            self._pause()
            self.clauses.append(_Clause())
        if self.saying and not self.clause.faces:
            self.clause.is_said_first = True
        if self.excludes:
            excluded = _Clause()
            _add_faces(excluded, word, following, self.face_count)
            kept, left_out = self.clause.faces, excluded.faces
            if word.can_be(Role.ALL):  # Korean says "but 2 all"
                kept, left_out = left_out, kept
            self.clause.faces = [face for face in kept if face not in left_out]
            self.clause.excluded = left_out
            self.clause.is_unclear |= excluded.is_unclear or not self.clause.faces
            self.excludes = False
            return
        _add_faces(self.clause, word, following, self.face_count)

    def _begin_next(self, *, judges_ahead: bool) -> None:
        """After a pause the next face's emotion follows: "sad on the left, happy on the right"."""
        is_next = self.clause.is_said_first or judges_ahead
        if is_next and self.clause.is_complete() and not self.saying:
            self._pause()
            self.clauses.append(_Clause())

    def _point_to_rest(self, word: Word) -> None:
        if self.clause.named and not self.clause.faces and not self.clause.shares:
            self.rank = 1  # "a bit angry, otherwise neutral"
            return
        left = 100 - sum(self.clause.shares)
        if self.clause.shares and not self.clause.weighs and left > 0:
            self.clause.shares.append(left)
            return
        if self.clause.is_complete():
            self._pause()
            self.clauses.append(_Clause())
        self.clause.of_rest = True
        self.clause.of_one = bool(word.value)

    def _find_fine(self) -> None:
        if self.clause.is_said() or not (self.clause.faces or self.clause.of_rest):
            self.clause.has_talk = True
        elif self.denies:
            self.denies, self.clause.rejects = False, True
        else:
            self.clause.confirms = True

    def _except(self) -> None:
        """Leave a face out ("all but 2 are sad"), or tell of it ("all are right but 2")."""
        if not self.clause.faces:
            self.clause.is_unclear = True
        elif not self.clause.is_said():
            self.excludes = True
        else:
            self._pause()
            self.clauses.append(_Clause(is_exception=True))

    def _name(self, word: Word, at: int) -> None:
        previous = _at(self.said, at - 1)
        if self.outweighs:
            self.clause.is_unclear |= not self.clause.named
            self.outweighs = False
        elif self.denies:
            self.clause.denied.append(word.value)
            self.denied_last, self.denies = True, False
        elif word.can_be(Role.EMOTION):
            is_new = word.value not in self.clause.named
            self.clause.is_unclear |= self.clause.is_of_another and is_new
            self.clause.is_remark &= not word.can_be(Role.FEELING)
            if word.value in self.clause.named and self.clause.joined:
                self.rank = 1  # "sad and angry, more sad"
            self.clause.named.append(word.value)
            self.clause.ranks.append(self.rank)
            self.rank = 0
        else:
            self.clause.pictured.append(word.value)
        self.clause.is_unclear |= (
            previous is not None
            and previous.can_be(Role.UNCLEAR_REJECT)
            and not word.can_be(Role.EMOJI)
            and not self.denied_last
        )

    def _name_other(self, word: Word) -> None:
        if self.outweighs:
            self.outweighs = False
            return
        self.makes_sense &= not self.denies
        self.clause.others.append(word.value)

    def _outweigh_last(self) -> None:
        if self.clause.named:
            self.clause.named.pop()
            self.clause.ranks.pop()
        else:
            self.clause.is_unclear = True

    def _judge(self, word: Word) -> None:
        if word.can_be(Role.CONFIRM, Role.CONFIRM_EMOJI):
            if self.denies:
                self.denies, self.clause.rejects = False, True
                return
            by_emoji = word.can_be(Role.CONFIRM_EMOJI)
            by_word = self.clause.confirms and not self.clause.confirms_by_emoji
            self.clause.confirms_by_emoji = by_emoji and not by_word
            self.clause.confirms = True
            return
        # "happy, no, sad": who takes a word back in the middle of a sentence is asked.
        self.clause.is_unclear |= bool(self.clause.named or self.clause.pictured) or self.denies
        self.clause.rejects = True


def _complete(clauses: list[_Clause], face_count: int | None) -> None:
    """Say of the rest, of exceptions and of "the same" what follows from the other clauses."""
    named = {face for clause in clauses for face in clause.faces}
    for before, clause in zip([None, *clauses], clauses, strict=False):
        if clause.of_rest:
            clause.faces = [face for face in range(1, (face_count or 0) + 1) if face not in named]
            clause.is_unclear |= not (named and clause.faces)
            clause.is_unclear |= clause.of_one and len(clause.faces) > 1
        if clause.is_same:
            clause.is_unclear |= before is None or clause.is_spoken()
            if before is not None:
                clause.named, clause.ranks = [*before.named], [*before.ranks]
                clause.denied, clause.shares = [*before.denied], [*before.shares]
                clause.confirms, clause.rejects = before.confirms, before.rejects
                clause.joined, clause.halves = before.joined, before.halves
        if clause.is_exception and before is not None:
            before.faces = [face for face in before.faces if face not in clause.faces]
            clause.is_unclear |= not (clause.faces and before.faces)
            if not clause.is_said():
                clause.rejects, clause.confirms = not before.rejects, before.rejects


def _is_of_next(said: Sequence[Word], at: int) -> bool:
    """Whether a yes or a no is of the face that is named after it: "and right about 2"."""
    for word in said[at + 1 :]:
        if word.can_be(*_FACES):
            return not word.can_be(Role.CONFIRM)
        if not word.can_be(Role.FILLER, Role.NOUN, Role.PEOPLE):
            return False
    return False


_FACES: Final = (Role.NUMBER, Role.POSITION, Role.ALL, Role.BOTH)


def _at(said: Sequence[Word], index: int) -> Word | None:
    return said[index] if 0 <= index < len(said) else None


def _names(word: Word) -> bool:
    return word.can_be(Role.EMOTION, Role.EMOJI)


def _only_goes_on(word: Word, following: Word | None) -> bool:
    """Whether an ending that may join two emotions ("슬프고 화난") joins something else."""
    return word.can_be(Role.FILLER) and (following is None or not _names(following))


def _is_yes(word: Word, following: Word | None, said: Sequence[Word]) -> bool:
    """Whether a word that can be a face as well is a plain yes here.

    "Ne" is a number in Korean, and "right" a place where another one is named: "left sad, right
    happy".
    """
    if not word.can_be(Role.CONFIRM):
        return False
    if word.can_be(Role.POSITION):
        return not any(one.can_be(Role.POSITION) and one.value != word.value for one in said)
    return following is None or not following.can_be(Role.NOUN)


def _denies_backwards(said: Sequence[Word], at: int) -> bool:
    """Whether the word denies what stands before it, as Korean does."""
    if not said[at].can_be(Role.NOT_BEFORE):
        return False
    for word in reversed(said[:at]):
        if _names(word) or (word.can_be(Role.CONFIRM) and not word.can_be(Role.NUMBER)):
            return True
        if not word.can_be(Role.BE, Role.LOOK, Role.NOUN, Role.FILLER):
            return False
    return False


def _denies_onwards(said: Sequence[Word], at: int) -> bool:
    """Whether a "not" denies what follows; Spanish "no" and its like may be a plain no as well."""
    word = said[at]
    if not word.can_be(Role.NOT):
        return False
    if not word.can_be(Role.REJECT):
        return True
    following = next((one for one in said[at + 1 :] if not one.can_be(Role.FILLER)), None)
    if following is None:
        return False
    if following.can_be(Role.BE, Role.LOOK):
        return True
    if not _names(following):
        return False
    previous = _at(said, at - 1)
    return not word.can_be(Role.UNCLEAR_REJECT) or (previous is not None and _names(previous))


def _deny_last(clause: _Clause) -> None:
    if clause.named:
        clause.denied.append(clause.named.pop())
        clause.ranks.pop()
    elif clause.confirms:
        clause.confirms, clause.rejects = False, True
    else:
        clause.is_unclear = True


def _add_faces(clause: _Clause, word: Word, following: Word | None, face_count: int | None) -> None:
    if word.can_be(Role.ALL, Role.BOTH):
        if len(clause.faces) > 1:
            pass  # "1 and 2 both"
        elif face_count is None or (word.can_be(Role.BOTH) and face_count != 2):
            clause.is_unclear = True
        else:
            clause.faces += range(1, face_count + 1)
        return
    if word.can_be(Role.NUMBER):
        face: int | None = int(word.value)
    else:
        face = _at_position(word.value, face_count)
    # "Two are sad", "the two on the left": how many there are, or which one?
    counts = following is not None and (
        (following.plural and not clause.faces)
        or (word.can_be(Role.NUMBER) and following.can_be(Role.POSITION))
    )
    if face is None or counts:
        clause.is_unclear = True
    else:
        clause.faces.append(face)


def _at_position(position: str, face_count: int | None) -> int | None:
    """The number of the face at a place; faces are numbered from left to right."""
    if position == "left":
        return 1
    if position == "middle":
        return None if not face_count or face_count % 2 == 0 else face_count // 2 + 1
    if position == "before_last":
        return face_count - 1 if face_count and face_count > 1 else None
    return face_count


def _describe(clause: _Clause, word: Word, following: Word | None) -> None:
    is_before = following.can_be if following is not None else lambda *_: False
    clause.is_described |= word.can_be(Role.BE, Role.LOOK)
    if word.can_be(Role.THIRD, Role.PEOPLE):
        # "He is sad and she is happy" mixes nothing.
        clause.is_of_another |= bool(clause.named) and word.text not in clause.subjects
        clause.subjects.add(word.text)
    clause.about_people |= word.can_be(Role.PEOPLE)
    # "I look sad" tells of the face; "I am sad" perhaps only of me.
    clause.by_self |= word.can_be(Role.SELF) and not is_before(Role.LOOK)
    # "That's sad" is said of a story, or of the whole photo.
    clause.is_remark |= word.can_be(Role.REMARK) and is_before(Role.BE)
    clause.of_bot |= word.can_be(Role.BOT)


def _asks_within(said: Sequence[Word], at: int) -> bool:
    """A verb before its subject at the beginning of a sentence: "no, are you sad"."""
    previous, following = _at(said, at - 1), _at(said, at + 1)
    begins = previous is None or previous.can_be(Role.BREAK)
    subject = following is not None and following.can_be(Role.THIRD, Role.SELF, Role.BOT)
    return begins and subject and at + 2 < len(said) and not said[at].opens


def _combined(clauses: Sequence[_Clause]) -> Meaning:
    """The meaning of all clauses together; one that is unclear makes the whole unclear."""
    meanings: list[Meaning] = []
    for clause in clauses:
        meaning = _meaning(clause)
        faces: Sequence[int | None] = clause.faces or [None]
        if isinstance(meaning, _PARTS):
            meanings += [replace(meaning, face=face) for face in faces]
        elif isinstance(meaning, FaceNamed | FacesNamed) and len(clauses) > 1:
            meanings.append(Unclear())
        else:
            meanings.append(meaning)
    if len(meanings) == 1:
        return meanings[0]
    parts = [part for part in meanings if isinstance(part, _PARTS)]
    faces = [part.face for part in parts]
    if len(parts) == len(meanings) and None not in faces and len(set(faces)) == len(faces):
        return Several(tuple(parts))
    for meaning in meanings:
        if isinstance(meaning, NotFeedback | UnknownEmotion):
            return meaning
    named = [emotion for clause in clauses for emotion in (*clause.named, *clause.pictured)]
    return Unclear(tuple(dict.fromkeys(named)))


def _meaning(clause: _Clause) -> Meaning:
    face = clause.faces[0] if len(clause.faces) == 1 else None
    # Beside words an emoji may be decoration: "yes 😊", "thanks 😊".
    decorates = clause.confirms or (clause.has_talk and not clause.rejects)
    pictured = [] if decorates else clause.pictured
    named = tuple(dict.fromkeys((*clause.named, *pictured)))
    if clause.signs and not (clause.is_said() or clause.has_talk):
        clause = replace(clause, others=clause.signs)
    if clause.of_bot and (named or clause.denied or clause.others):
        return NotFeedback()
    if clause.has_talk and clause.confirms_by_emoji and not clause.named:
        return NotFeedback()
    if clause.others:
        return _other_emotion(clause, named, face)
    mixture = _mixture(clause, named, face)
    contradicts = (
        (clause.confirms and (clause.rejects or clause.denied))
        or (clause.confirms and not {*clause.pictured} <= {*clause.named, "happy"})
        or (len(named) > 1 and mixture is None)
        or (len(named) == 1 and _has_part(clause))
        or (clause.is_limited and bool(clause.named) and not clause.faces)
        or not set(named).isdisjoint(clause.denied)
        or (bool(pictured) and not clause.named and clause.by_self)
    )
    is_unclear = clause.is_unclear or (clause.is_mood and not _tells_of_a_face(clause))
    says_something = named or clause.denied or clause.faces or clause.confirms or clause.rejects
    if contradicts or (is_unclear and says_something):
        return Unclear(named, face)
    if named:
        of_others = clause.by_self or clause.of_own or clause.is_remark
        in_passing = of_others and not (clause.rejects or clause.faces)
        return Unclear(named, face) if in_passing else mixture or Correction(named[0], face)
    if clause.by_self and not clause.rejects:
        return NotFeedback()
    if clause.denied:
        return Rejection(face, clause.denied[0] if len(clause.denied) == 1 else None)
    if clause.rejects or clause.confirms:
        if clause.about_people or clause.halves:
            return Unclear((), face)
        return Rejection(face) if clause.rejects else Confirmation(face)
    if not clause.faces or clause.is_described:
        return NotFeedback()
    return FaceNamed(face) if face is not None else FacesNamed(tuple(clause.faces))


def _tells_of_a_face(clause: _Clause) -> bool:
    return bool(
        clause.is_described
        or clause.faces
        or clause.shares
        or clause.denied
        or any(clause.ranks)
        or clause.joined
        or clause.of_photo
    )


def _has_part(clause: _Clause) -> bool:
    """Whether a single emotion was said to be but a part: "half sad", "60% sad"."""
    return bool(clause.halves) or (bool(clause.shares) and sum(clause.shares) not in _HUNDRED)


def _mixture(clause: _Clause, named: tuple[str, ...], face: int | None) -> Mixture | None:
    """Several emotions of which it was said how they mix; None where they only contradict."""
    if len(named) < 2 or clause.confirms:
        return None
    if clause.shares:
        is_whole = clause.weighs or sum(clause.shares) in _HUNDRED
        if len(clause.shares) != len(named) or not is_whole:
            return None
        total = sum(clause.shares)
        return Mixture(named, tuple(share / total for share in clause.shares), face)
    if len(named) > 2:
        return None
    if clause.halves:
        return Mixture(named, (0.5, 0.5), face) if clause.halves == 2 else None
    larger = _larger(clause)
    if larger is not None:
        smaller = next(emotion for emotion in named if emotion != larger)
        return Mixture((larger, smaller), (), face)
    return Mixture(named, (0.5, 0.5), face) if clause.joined else None


def _larger(clause: _Clause) -> str | None:
    """Which of two emotions is the larger, where that was said.

    "A bit sad and angry" may be a bit of both: what comes first is the smaller one only beside
    one that is "mostly" so.
    """
    ranks: dict[str, int] = {}
    for emotion, rank in zip(clause.named, clause.ranks, strict=True):
        ranks[emotion] = rank or ranks.get(emotion, 0)
    if len(ranks) != 2:
        return None
    (first, one), (second, other) = ranks.items()
    if other > one and other > 0:
        return second
    return first if one > other else None


def _other_emotion(clause: _Clause, named: tuple[str, ...], face: int | None) -> Meaning:
    if named:
        return Unclear(named, face)
    if clause.by_self and not clause.rejects and not clause.faces:
        return NotFeedback()
    return UnknownEmotion(clause.others[0], face)
