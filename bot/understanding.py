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
    clauses = [_Clause()]
    denies = denied_last = False
    for at, word in enumerate(said):
        clause = clauses[-1]
        previous = said[at - 1] if at else None
        following = said[at + 1] if at + 1 < len(said) else None
        if word.can_be(Role.BREAK, Role.BUT):
            clause.is_unclear |= denies
            denies = False
        elif word.can_be(Role.OR):
            denies |= denied_last
        elif word.can_be(Role.AND):
            # "not sad and angry": both denied, or only the first?
            clause.is_unclear |= denied_last and following is not None and _names(following)
        elif _denies_backwards(said, at):
            _deny_last(clause)
            denied_last = True
        elif word.can_be(Role.NOT):
            denies = True
        elif word.can_be(Role.NUMBER, Role.POSITION, Role.ALL, Role.BOTH) and not _is_yes(
            word, said, at
        ):
            if clause.is_complete():
                clause.is_unclear |= denies
                denies = False
                clause = _Clause()
                clauses.append(clause)
            _add_faces(clause, word, following, face_count)
        elif _names(word):
            into = clause.denied if denies else clause.named
            if word.can_be(Role.EMOJI, Role.LAUGHTER) and not denies:
                into = clause.pictured
            into.append(word.value)
            if previous is not None and previous.can_be(Role.UNCLEAR_REJECT):
                clause.is_unclear = True
            denied_last, denies = denies, False
        elif word.can_be(Role.OTHER_EMOTION):
            if denies:
                return None
            clause.others.append(word.value)
        elif word.can_be(Role.CONFIRM, Role.CONFIRM_EMOJI):
            clause.rejects |= denies
            clause.confirms |= not denies
            denies = False
        elif word.can_be(Role.REJECT):
            if denies:
                return None
            # "happy, no, sad": they change their mind; which one holds is asked.
            clause.is_unclear |= clause.is_spoken()
            clause.rejects = True
        else:
            _describe(clause, word, following)
        if _asks_within(word, previous, following, said, at):
            return None
    clauses[-1].is_unclear |= denies and not clauses[-1].rejects
    if denies and not any(clause.is_spoken() or clause.rejects for clause in clauses):
        return None
    return clauses


def _names(word: Word) -> bool:
    return word.can_be(Role.EMOTION, Role.EMOJI, Role.LAUGHTER)


def _is_yes(word: Word, said: Sequence[Word], at: int) -> bool:
    """Whether a word that can be a number as well ("ne" in Korean) is a plain yes here."""
    following = said[at + 1] if at + 1 < len(said) else None
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
    clause.is_described |= word.can_be(Role.BE, Role.LOOK)
    clause.about_people |= word.can_be(Role.PEOPLE)
    # "I look sad" tells of the face; "I am sad" perhaps only of me.
    looks = following is not None and following.can_be(Role.LOOK)
    clause.by_self |= word.can_be(Role.SELF) and not looks
    clause.of_bot |= word.can_be(Role.BOT)
    clause.is_unclear |= word.can_be(Role.DOUBT)


def _asks_within(
    word: Word, previous: Word | None, following: Word | None, said: Sequence[Word], at: int
) -> bool:
    """A verb before its subject at the beginning of a sentence: "no, are you sad"."""
    begins = previous is None or previous.can_be(Role.BREAK)
    subject = following is not None and following.can_be(Role.THIRD, Role.SELF, Role.BOT)
    more = at + 2 < len(said)
    return begins and subject and more and not word.opens


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
        about_self = clause.by_self and not (clause.rejects or clause.faces)
        return Unclear(named, face) if about_self else Correction(named[0], face)
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
