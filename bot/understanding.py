"""The one parser of feedback: what somebody wrote -> what they mean. Pure.

It knows neither which reading is meant nor who speaks. The worse mistake is to record what was not
meant, so a sentence counts only where every word of it is known to the vocabulary; asking back is
always allowed. The words are in `bot/vocabulary/`, one TOML file per language.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final, TypeAlias

from bot.vocabulary.lexicon import LANGUAGES, Lexicon, Role, Word, lexicon


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
class FaceNamed:
    """Nothing but a face: "2", "the second one"; the answer to "which face?"."""

    face: int


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


Part: TypeAlias = Correction | Confirmation | Rejection
Meaning: TypeAlias = Part | Several | FaceNamed | UnknownEmotion | Unclear | NotFeedback


LONGEST_TEXT: Final = 300
"""Characters; who writes more tells a story."""


def understand(text: str, face_count: int | None = None, languages: Sequence[str] = ()) -> Meaning:
    """What the text says about a reading's faces.

    Args:
        text: As it was written.
        face_count: How many faces the reading has, if it is known: "the last one", "both" need it.
            Whether a number is one of them is judged later.
        languages: Codes to try first, the person's own; then the others.
    """
    if len(text) > LONGEST_TEXT:
        return NotFeedback()
    preferred = [code.replace("_", "-").split("-")[0].lower() for code in languages]
    order = [*(code for code in preferred if code in LANGUAGES), *LANGUAGES]
    for language in dict.fromkeys(order):
        meaning = _understand_in(lexicon(language), text, face_count)
        if not isinstance(meaning, NotFeedback):
            return meaning
    return NotFeedback()


_QUESTION: Final = re.compile(
    "[?\N{FULLWIDTH QUESTION MARK}\N{ARABIC QUESTION MARK}\N{INVERTED QUESTION MARK}]"
)
_SENTENCE: Final = re.compile(r"(?<=[.!\n])\s+")


def _understand_in(words: Lexicon, text: str, face_count: int | None) -> Meaning:
    if _QUESTION.search(text):
        return NotFeedback()
    match words.whole(text):
        case Role.CONFIRM:
            return Confirmation()
        case Role.REJECT:
            return Rejection()
    meaning = _judged(words.read(text), face_count)
    if not isinstance(meaning, NotFeedback):
        return meaning
    # "Wrong, she is sad. Her cat ran away.": not wholly understood, but worth asking about.
    first, *others = _SENTENCE.split(text.strip(), maxsplit=1)
    if others:
        said = words.read(first)
        begun = _judged(said, face_count)
        if isinstance(begun, Correction) and _leads_with_rejection(said):
            return Unclear((begun.emotion,), begun.face)
    return NotFeedback()


def _leads_with_rejection(said: Sequence[Word]) -> bool:
    return bool(said) and said[0].can_be(Role.REJECT)


@dataclass
class _Clause:
    """What has been said so far about some faces, while it is being read."""

    faces: list[int] = field(default_factory=list)
    named: list[str] = field(default_factory=list)
    pictured: list[str] = field(default_factory=list)
    denied: list[str] = field(default_factory=list)
    others: list[str] = field(default_factory=list)
    confirms: bool = False
    rejects: bool = False
    by_self: bool = False
    of_bot: bool = False
    is_remark: bool = False
    about_people: bool = False
    is_described: bool = False
    is_unclear: bool = False

    def is_spoken(self) -> bool:
        return bool(self.named or self.pictured or self.denied or self.others)

    def is_complete(self) -> bool:
        return bool(self.faces) and (self.is_spoken() or self.confirms or self.rejects)


def _judged(said: Sequence[Word], face_count: int | None) -> Meaning:
    if not said or any(word.can_be(Role.STOP) for word in said) or _asks(said):
        return NotFeedback()
    if _is_laughter(said):
        return NotFeedback()
    if any(word.can_be(Role.UNKNOWN) for word in said):
        return _unknown_emotion(said)
    clauses = _clauses(said, face_count)
    return NotFeedback() if clauses is None else _combined(clauses)


def _asks(said: Sequence[Word]) -> bool:
    """A question without its mark ("are you happy"), or an order ("look happy")."""
    return not said[0].opens


def _is_laughter(said: Sequence[Word]) -> bool:
    signs = [word for word in said if not word.can_be(Role.BREAK)]
    return len(signs) > 1 and all(word.can_be(Role.LAUGHTER) for word in signs)


def _unknown_emotion(said: Sequence[Word]) -> Meaning:
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
        return NotFeedback()
    numbers = [int(word.value) for word in before if word.can_be(Role.NUMBER)]
    return UnknownEmotion(last.text, numbers[0] if len(numbers) == 1 else None)


def _clauses(said: Sequence[Word], face_count: int | None) -> list[_Clause] | None:
    """One clause per group of faces, or None where the sentence makes no sense as feedback."""
    listener = _Listener(said, face_count)
    for at in range(len(said)):
        listener.hear(at)
        if _asks_within(said, at):
            return None
    return listener.heard()


@dataclass
class _Listener:
    """Goes through a sentence word by word; `denies` while a "not" waits for what it denies."""

    said: Sequence[Word]
    face_count: int | None
    clauses: list[_Clause] = field(default_factory=lambda: [_Clause()])
    denies: bool = False
    denied_last: bool = False
    makes_sense: bool = True

    @property
    def clause(self) -> _Clause:
        return self.clauses[-1]

    def hear(self, at: int) -> None:
        word, following = self.said[at], _at(self.said, at + 1)
        self.clause.is_unclear |= word.can_be(Role.DOUBT)
        if word.can_be(Role.BREAK, Role.BUT):
            self._pause()
        elif word.can_be(Role.OR):
            self.denies |= self.denied_last
            self.clause.is_unclear |= following is not None and following.can_be(*_FACES)
        elif word.can_be(Role.AND):
            # "not sad and angry": both denied, or only the first?
            names_next = following is not None and _names(following)
            self.clause.is_unclear |= self.denied_last and names_next
        elif _denies_backwards(self.said, at):
            _deny_last(self.clause)
            self.denied_last = True
        elif word.can_be(Role.NOT):
            self.denies = True
        elif word.can_be(*_FACES) and not _is_yes(word, following):
            self._point(word, following)
        elif _names(word):
            self._name(word, _at(self.said, at - 1))
        elif word.can_be(Role.OTHER_EMOTION):
            self.makes_sense &= not self.denies
            self.clause.others.append(word.value)
        elif word.can_be(Role.CONFIRM, Role.CONFIRM_EMOJI, Role.REJECT):
            self._judge(word)
        else:
            _describe(self.clause, word, following)

    def heard(self) -> list[_Clause] | None:
        """All clauses at the end of the sentence; None where it made no sense."""
        self.clause.is_unclear |= self.denies and not self.clause.rejects
        spoken = any(clause.is_spoken() or clause.rejects for clause in self.clauses)
        if not self.makes_sense or (self.denies and not spoken):
            return None
        return self.clauses

    def _pause(self) -> None:
        self.clause.is_unclear |= self.denies
        self.denies = False

    def _point(self, word: Word, following: Word | None) -> None:
        if self.clause.is_complete():
            self._pause()
            self.clauses.append(_Clause())
        _add_faces(self.clause, word, following, self.face_count)

    def _name(self, word: Word, previous: Word | None) -> None:
        if self.denies:
            self.clause.denied.append(word.value)
        elif word.can_be(Role.EMOTION):
            self.clause.named.append(word.value)
        else:
            self.clause.pictured.append(word.value)
        self.clause.is_unclear |= previous is not None and previous.can_be(Role.UNCLEAR_REJECT)
        self.denied_last, self.denies = self.denies, False

    def _judge(self, word: Word) -> None:
        if not word.can_be(Role.REJECT):
            self.clause.rejects |= self.denies
            self.clause.confirms |= not self.denies
            self.denies = False
            return
        self.makes_sense &= not self.denies
        # "happy, no, sad": they change their mind; which one holds is asked.
        self.clause.is_unclear |= self.clause.is_spoken()
        self.clause.rejects = True


_FACES: Final = (Role.NUMBER, Role.POSITION, Role.ALL, Role.BOTH)


def _at(said: Sequence[Word], index: int) -> Word | None:
    return said[index] if 0 <= index < len(said) else None


def _names(word: Word) -> bool:
    return word.can_be(Role.EMOTION, Role.EMOJI, Role.LAUGHTER)


def _is_yes(word: Word, following: Word | None) -> bool:
    """Whether a word that can be a number as well ("ne" in Korean) is a plain yes here."""
    counts = following is not None and following.can_be(Role.NOUN)
    return word.can_be(Role.CONFIRM) and not counts


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


def _deny_last(clause: _Clause) -> None:
    if clause.named:
        clause.denied.append(clause.named.pop())
    elif clause.confirms:
        clause.confirms, clause.rejects = False, True
    else:
        clause.is_unclear = True


def _add_faces(clause: _Clause, word: Word, following: Word | None, face_count: int | None) -> None:
    if word.can_be(Role.ALL, Role.BOTH):
        if face_count is None or (word.can_be(Role.BOTH) and face_count != 2):
            clause.is_unclear = True
        else:
            clause.faces += range(1, face_count + 1)
        return
    if word.can_be(Role.NUMBER):
        face: int | None = int(word.value)
    else:
        face = _at_position(word.value, face_count)
    if face is None or (not clause.faces and following is not None and following.plural):
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
        if isinstance(meaning, Correction | Confirmation | Rejection):
            meanings += [replace(meaning, face=face) for face in faces]
        elif isinstance(meaning, FaceNamed) and len(clauses) > 1:
            meanings.append(Unclear())
        else:
            meanings.append(meaning)
    if len(meanings) == 1:
        return meanings[0]
    parts = [part for part in meanings if isinstance(part, Correction | Confirmation | Rejection)]
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
    # Beside words an emoji may be decoration: "yes 😊", "wrong 😂".
    spoken = clause.confirms or clause.rejects or clause.by_self
    pictured = [] if clause.confirms else clause.pictured
    named = tuple(dict.fromkeys((*clause.named, *pictured)))
    only_pictured = bool(pictured) and not clause.named
    if clause.of_bot and (named or clause.denied or clause.others):
        return NotFeedback()
    if clause.others:
        return _other_emotion(clause, named, face)
    contradicts = (
        (clause.confirms and (clause.rejects or clause.denied))
        or len(named) > 1
        or not set(named).isdisjoint(clause.denied)
        or (only_pictured and spoken)
    )
    says_something = named or clause.denied or clause.faces or clause.confirms or clause.rejects
    if contradicts or (clause.is_unclear and says_something):
        return Unclear(named, face)
    if named:
        in_passing = (clause.by_self or clause.is_remark) and not (clause.rejects or clause.faces)
        return Unclear(named, face) if in_passing else Correction(named[0], face)
    if clause.by_self and not clause.rejects:
        return NotFeedback()
    if clause.denied:
        return Rejection(face, clause.denied[0] if len(clause.denied) == 1 else None)
    if clause.rejects or clause.confirms:
        if clause.about_people:
            return Unclear((), face)
        return Rejection(face) if clause.rejects else Confirmation(face)
    if face is not None and not clause.is_described:
        return FaceNamed(face)
    return NotFeedback()


def _other_emotion(clause: _Clause, named: tuple[str, ...], face: int | None) -> Meaning:
    if named:
        return Unclear(named, face)
    if clause.by_self and not clause.rejects:
        return NotFeedback()
    return UnknownEmotion(clause.others[0], face)
