"""Words in clauses: which faces each is about, and what is said of them.

From left to right; a new face begins a new clause. Knows no meanings of whole texts.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from bot.vocabulary.lexicon import Role, Word


@dataclass
class Clause:
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
        """Whether an emotion was named, or denied."""
        return bool(self.named or self.pictured or self.denied or self.others)

    def is_said(self) -> bool:
        """Whether anything was said of a face."""
        return self.is_spoken() or self.confirms or self.rejects or self.is_same

    def is_complete(self) -> bool:
        """Whether it was said of which face."""
        return (bool(self.faces) or self.of_rest) and self.is_said()


def clauses_of(said: Sequence[Word], face_count: int | None, of_photo: bool) -> list[Clause] | None:
    """One clause per group of faces, or None where the sentence makes no sense as feedback."""
    weights = _weights_in(said, face_count)
    shares = weights or _shares_in(said)
    listener = _Listener(said, face_count, of_photo, shares, weighs=bool(weights))
    for at in range(len(said)):
        listener.hear(at)
        if _asks_within(said, at):
            return None
    return listener.heard()


_LEAST_BARE_SHARE: Final = 10
_WEIGHTS: Final = (3, 10, *range(99, 102))  # "2 to 1", "7 to 3"
HUNDRED: Final = range(99, 102)  # percent; thirds are rounded


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
    named = sum(names_emotion(word) for word in said)
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
    of_rest = total < min(HUNDRED) and any(word.can_be(Role.REST) for word in said)
    sums_up = len(bare) > 1 and total in HUNDRED
    return frozenset(bare) if sums_up or of_rest else marked


@dataclass
class _Listener:
    """Goes through a sentence word by word; `denies` while a "not" waits for what it denies."""

    said: Sequence[Word]
    face_count: int | None
    of_photo: bool
    shares: frozenset[int]
    clauses: list[Clause] = field(default_factory=lambda: [Clause()])
    denies: bool = False
    denied_last: bool = False
    outweighs: bool = False
    excludes: bool = False
    rank: int = 0
    saying: bool = False
    makes_sense: bool = True
    weighs: bool = False

    @property
    def clause(self) -> Clause:
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
                *FACES, Role.CONFIRM, Role.REJECT
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
        elif names_emotion(word):
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
            names_next = following is not None and names_emotion(following)
            self.clause.is_unclear |= following is None or (self.denied_last and names_next)
            self.clause.joined += 1
            self.saying = False
            self._rank_last()
        elif word.can_be(Role.MIXED):
            self.denied_last = False
            self.clause.joined += 1
            if (
                self.clause.ranks[-1:] == [-1]
                and following is not None
                and names_emotion(following)
            ):
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

    def heard(self) -> list[Clause] | None:
        """All clauses at the end of the sentence; None where it made no sense."""
        self.clause.is_unclear |= (self.denies or self.outweighs) and not self.clause.rejects
        self._rank_last()
        _complete(self.clauses, self.face_count)
        self.clauses += [
            Clause(faces=clause.excluded, rejects=clause.confirms, confirms=clause.rejects)
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
        return all(side is not None and names_emotion(side) for side in sides)

    def _is_face(self, at: int) -> bool:
        word = self.said[at]
        is_yes = _is_yes(word, _at(self.said, at + 1), self.said)
        return word.can_be(*FACES) and not is_yes and not self._is_noun(at)

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
            self.clauses.append(Clause())
        if self.saying and not self.clause.faces:
            self.clause.is_said_first = True
        if self.excludes:
            excluded = Clause()
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
            self.clauses.append(Clause())

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
            self.clauses.append(Clause())
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
            self.clauses.append(Clause(is_exception=True))

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


def _complete(clauses: list[Clause], face_count: int | None) -> None:
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
        if word.can_be(*FACES):
            return not word.can_be(Role.CONFIRM)
        if not word.can_be(Role.FILLER, Role.NOUN, Role.PEOPLE):
            return False
    return False


FACES: Final = (Role.NUMBER, Role.POSITION, Role.ALL, Role.BOTH)


def _at(said: Sequence[Word], index: int) -> Word | None:
    return said[index] if 0 <= index < len(said) else None


def names_emotion(word: Word) -> bool:
    """Whether a word may name one of the seven."""
    return word.can_be(Role.EMOTION, Role.EMOJI)


def _only_goes_on(word: Word, following: Word | None) -> bool:
    """Whether an ending that may join two emotions ("슬프고 화난") joins something else."""
    return word.can_be(Role.FILLER) and (following is None or not names_emotion(following))


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
        if names_emotion(word) or (word.can_be(Role.CONFIRM) and not word.can_be(Role.NUMBER)):
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
    if not names_emotion(following):
        return False
    previous = _at(said, at - 1)
    return not word.can_be(Role.UNCLEAR_REJECT) or (
        previous is not None and names_emotion(previous)
    )


def _deny_last(clause: Clause) -> None:
    if clause.named:
        clause.denied.append(clause.named.pop())
        clause.ranks.pop()
    elif clause.confirms:
        clause.confirms, clause.rejects = False, True
    else:
        clause.is_unclear = True


def _add_faces(clause: Clause, word: Word, following: Word | None, face_count: int | None) -> None:
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


def _describe(clause: Clause, word: Word, following: Word | None) -> None:
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
