"""The one parser of feedback: what somebody wrote -> what they mean. Pure.

It knows neither which reading is meant nor who speaks. The worse mistake is to record what was not
meant, so a sentence counts only where every word of it is known to the vocabulary; asking back is
always allowed. The words are in `bot/vocabulary/`, one TOML file per language.
"""

import re
from collections.abc import Sequence
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
    plain = _RANGE.sub(_written_out, normalised(text))
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
    match words.whole(text):
        case Role.CONFIRM:
            return _Understood(Confirmation(), lost)
        case Role.REJECT:
            return _Understood(Rejection(), lost)
        case Role.DOUBT:
            return _Understood(Unclear(), lost)
        case Role.STOP:
            return _Understood(NotFeedback(), lost, refuses=True)
    refuses = any(word.can_be(Role.STOP, Role.PAST) for word in said)
    return _Understood(_judged(said, face_count), lost, refuses)


def _question(words: Lexicon, text: str, last: str, face_count: int | None) -> Meaning:
    """A question is no feedback, but may be followed by some, or be none but in its mark."""
    softened = any(text.endswith(ending) for ending in words.softened)
    said = words.read(_QUESTION.sub(" ", text) if softened else last)
    meaning = _judged(said, face_count)
    if isinstance(meaning, NotFeedback | FaceNamed | FacesNamed):
        return NotFeedback()
    return Unclear(tuple(dict.fromkeys(word.value for word in said if _names(word))))


@dataclass
class _Clause:
    """What has been said so far about some faces, while it is being read."""

    faces: list[int] = field(default_factory=list)
    subjects: set[str] = field(default_factory=set)
    named: list[str] = field(default_factory=list)
    pictured: list[str] = field(default_factory=list)
    denied: list[str] = field(default_factory=list)
    others: list[str] = field(default_factory=list)
    shares: list[int] = field(default_factory=list)
    halves: int = 0
    joined: int = 0
    is_ordered: bool = False
    is_limited: bool = False
    is_of_another: bool = False
    confirms: bool = False
    confirms_by_emoji: bool = False
    rejects: bool = False
    by_self: bool = False
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

    def is_complete(self) -> bool:
        return bool(self.faces) and (self.is_spoken() or self.confirms or self.rejects)


def _judged(said: Sequence[Word], face_count: int | None) -> Meaning:
    if not said or any(word.can_be(Role.STOP) for word in said) or _asks(said):
        return NotFeedback()
    of_photo = any(word.can_be(Role.PHOTO) for word in said)
    if any(word.can_be(Role.PAST) for word in said) and not of_photo:
        return NotFeedback()
    if any(word.can_be(Role.UNKNOWN) for word in said):
        return _unknown_emotion(said) or _half_understood(said)
    clauses = _clauses(said, face_count, of_photo)
    meaning = NotFeedback() if clauses is None else _combined(clauses)
    if isinstance(meaning, FacesNamed) and not _lists_faces(meaning.faces, face_count):
        return NotFeedback()
    return meaning


def _lists_faces(faces: Sequence[int], face_count: int | None) -> bool:
    """Whether numbers are a list of faces, and no time, score or countdown."""
    rising = all(one < other for one, other in pairwise(faces))
    return rising and (face_count is None or faces[-1] <= face_count)


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
    listener = _Listener(said, face_count, of_photo, _shares_in(said))
    for at in range(len(said)):
        listener.hear(at)
        if _asks_within(said, at):
            return None
    return listener.heard()


_LEAST_OF_A_STORY: Final = 2  # unknown words
_LEAST_BARE_SHARE: Final = 10
_WHOLE: Final = range(99, 102)  # percent; thirds are rounded


def _shares_in(said: Sequence[Word]) -> frozenset[int]:
    """Where the numbers stand that are no face's: "60%", and "70 happy 30 surprised"."""
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
    return frozenset(bare) if len(bare) > 1 and total in _WHOLE else marked


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
    makes_sense: bool = True

    @property
    def clause(self) -> _Clause:
        return self.clauses[-1]

    def hear(self, at: int) -> None:
        word, following = self.said[at], _at(self.said, at + 1)
        self.clause.is_unclear |= word.can_be(Role.DOUBT)
        self.clause.has_talk |= word.can_be(Role.TALK)
        self.clause.is_mood |= word.can_be(Role.MOOD)
        if word.can_be(Role.BUT, Role.LITTLE):
            # "Yes, but a bit sad": neither the blend nor sad.
            self.clause.is_limited |= self.clause.confirms
        if word.can_be(Role.BREAK, Role.BUT):
            self._pause()
        elif at in self.shares:
            self.clause.shares.append(int(word.value))
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
        elif word.can_be(*_FACES) and not _is_yes(word, following, self.said):
            self._point(word, following)
        elif _names(word):
            self._name(word, at)
        elif word.can_be(Role.OTHER_EMOTION):
            self._name_other(word)
        elif word.can_be(Role.CONFIRM, Role.CONFIRM_EMOJI, Role.REJECT):
            self._judge(word)
        elif word.can_be(Role.AND) and not _only_goes_on(word, following):
            # "not sad and angry": both denied, or only the first?
            names_next = following is not None and _names(following)
            self.clause.is_unclear |= following is None or (self.denied_last and names_next)
            self.clause.joined += 1
        elif word.can_be(Role.MIXED):
            self.clause.joined += 1
        elif word.can_be(Role.MOSTLY):
            self.clause.is_ordered |= not self.clause.named
        elif word.can_be(Role.LITTLE):
            self.clause.is_ordered |= bool(self.clause.named)
        else:
            _describe(self.clause, word, following)
            self.clause.of_photo = self.of_photo
            if self.of_photo:
                self.clause.by_self = self.clause.is_remark = False

    def heard(self) -> list[_Clause] | None:
        """All clauses at the end of the sentence; None where it made no sense."""
        self.clause.is_unclear |= (self.denies or self.outweighs) and not self.clause.rejects
        spoken = any(clause.is_spoken() or clause.rejects for clause in self.clauses)
        if not self.makes_sense or (self.denies and not spoken):
            return None
        return self.clauses

    def _pause(self) -> None:
        self.clause.is_unclear |= self.denies or self.outweighs
        self.denies = self.outweighs = self.denied_last = False

    def _point(self, word: Word, following: Word | None) -> None:
        if self.clause.is_complete():
            self._pause()
            self.clauses.append(_Clause())
        _add_faces(self.clause, word, following, self.face_count)

    def _name(self, word: Word, at: int) -> None:
        previous = _at(self.said, at - 1)
        if self.outweighs:
            self.clause.is_unclear |= not self.clause.named
            self.outweighs = False
        elif self.denies:
            self.clause.denied.append(word.value)
            self.denied_last, self.denies = True, False
        elif word.can_be(Role.EMOTION):
            self.clause.is_unclear |= self.clause.is_of_another
            self.clause.named.append(word.value)
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
        else:
            self.clause.is_unclear = True

    def _judge(self, word: Word) -> None:
        if word.can_be(Role.CONFIRM, Role.CONFIRM_EMOJI):
            if self.denies:
                self.denies, self.clause.rejects = False, True
                return
            self.clause.confirms = True
            self.clause.confirms_by_emoji = word.can_be(Role.CONFIRM_EMOJI)
            return
        # "happy, no, sad": who takes a word back in the middle of a sentence is asked.
        self.clause.is_unclear |= bool(self.clause.named or self.clause.pictured) or self.denies
        self.clause.rejects = True


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
        in_passing = (clause.by_self or clause.is_remark) and not (clause.rejects or clause.faces)
        return Unclear(named, face) if in_passing else mixture or Correction(named[0], face)
    if clause.by_self and not (clause.rejects or clause.denied):
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
        or clause.is_ordered
        or clause.joined
        or clause.of_photo
    )


def _has_part(clause: _Clause) -> bool:
    """Whether a single emotion was said to be but a part: "half sad", "60% sad"."""
    return bool(clause.halves) or (bool(clause.shares) and sum(clause.shares) not in _WHOLE)


def _mixture(clause: _Clause, named: tuple[str, ...], face: int | None) -> Mixture | None:
    """Several emotions of which it was said how they mix; None where they only contradict."""
    if len(named) < 2 or clause.confirms:
        return None
    if clause.shares:
        if len(clause.shares) != len(named) or sum(clause.shares) not in _WHOLE:
            return None
        total = sum(clause.shares)
        return Mixture(named, tuple(share / total for share in clause.shares), face)
    if len(named) > 2:
        return None
    if clause.halves:
        return Mixture(named, (0.5, 0.5), face) if clause.halves == 2 else None
    if clause.is_ordered:
        return Mixture(named, (), face)
    return Mixture(named, (0.5, 0.5), face) if clause.joined else None


def _other_emotion(clause: _Clause, named: tuple[str, ...], face: int | None) -> Meaning:
    if named:
        return Unclear(named, face)
    if clause.by_self and not clause.rejects and not clause.faces:
        return NotFeedback()
    return UnknownEmotion(clause.others[0], face)
