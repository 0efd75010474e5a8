"""From text to words with roles, by the vocabulary of one language. Knows no grammar."""

import tomllib
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from enum import Enum, auto
from functools import cache, lru_cache
from importlib import resources
from typing import Any, Final, TypeAlias

from rapidfuzz.distance import OSA

from bot.vocabulary.korean import conjugated
from store.emotions import EMOTIONS

LANGUAGES: Final = ("en", "ko", "es", "de", "fr", "pt", "ru", "ja", "zh", "hi", "ar", "id")
BORROWED: Final = "en"
"""People who write in another language type this one's emotions too: "happy 아니고 sad"."""

Vocabulary: TypeAlias = Mapping[str, Any]


class Role(Enum):
    """What a word can do in a sentence about faces."""

    EMOTION = auto()
    FEELING = auto()  # an emotion by its noun: "that is rage" is no remark on what happened
    EMOJI = auto()  # an emotion as well, but also mere decoration
    OTHER_EMOTION = auto()
    OTHER_EMOJI = auto()  # an OTHER_EMOTION, but beside words mere decoration
    CONFIRM = auto()
    CONFIRM_EMOJI = auto()
    FINE = auto()  # a yes, but only after a face: "2 is fine"
    REJECT = auto()
    UNCLEAR_REJECT = auto()  # a REJECT that may negate what follows at once
    NOT = auto()
    NOT_BEFORE = auto()  # denies what stands before it
    THAN = auto()  # what follows is less so
    THAN_BEFORE = auto()  # what stands before it is less so
    NUMBER = auto()
    POSITION = auto()
    ALL = auto()
    BOTH = auto()
    REST = auto()  # all faces but those that are named, or the one; or what is left of 100 %
    EXCEPT = auto()  # the face that follows is none of those before it
    SAME = auto()  # of this face the same holds as of those before it
    IN_ORDER = auto()  # one emotion per face, from left to right
    NOUN = auto()
    PEOPLE = auto()
    THIRD = auto()
    REMARK = auto()  # a THIRD that, before "is", may be said of anything
    SELF = auto()
    OWN = auto()  # "my": of somebody who may not be in the photo
    BOT = auto()
    PHOTO = auto()  # "in this photo": what is said, also of oneself, is said of the face
    PAST = auto()  # no feedback, unless of the photo
    BE = auto()
    LOOK = auto()
    AND = auto()
    MIXED = auto()  # that they are mixed, wherever it stands
    OR = auto()
    BUT = auto()
    HALF = auto()
    PERCENT = auto()
    MOSTLY = auto()
    LITTLE = auto()
    PORTION = auto()  # a share in a word: "a quarter"
    PARTS = auto()  # a weight: "two parts"
    FILLER = auto()
    TALK = auto()  # thanks, laughter, swearing: beside feedback it changes nothing
    CLOSING = auto()  # with it a reason ends
    REASON = auto()  # what follows is why: beside a whole statement it changes nothing
    BREAK = auto()  # punctuation
    DOUBT = auto()
    MOOD = auto()  # asked about unless something else tells that the face is meant
    STOP = auto()  # whoever says this gives no feedback
    UNKNOWN = auto()


@dataclass(frozen=True)
class Word:
    """One word, or several that stand together in a list.

    `roles` are all that it can have. `value` is the emotion, the face's number or its position.
    """

    text: str
    roles: frozenset[Role]
    value: str = ""
    opens: bool = True
    plural: bool = False
    guessed: bool = False

    def can_be(self, *roles: Role) -> bool:
        """Whether it has one of these roles."""
        return not self.roles.isdisjoint(roles)


@dataclass(frozen=True)
class Token:
    """The smallest piece of a text: a word, a number, a mark, or one character of an Asian script.

    `run` counts the pieces of writing between spaces and marks; `starts` is whether it begins one.
    """

    text: str
    run: int
    starts: bool


@dataclass(frozen=True)
class Mood:
    """How a mood is written, decomposed, and which emotion it is; "" if none of the seven."""

    written: str
    emotion: str


Key: TypeAlias = tuple[str, ...]


@dataclass(frozen=True)
class Lexicon:
    """The words of one language and the emoji, ready to be looked up.

    `endings` count within a piece of writing, and of two syllables or more where nothing else is
    known. A language that has them is one where a piece counts only if all of it is known, and
    where a word of one syllable takes only the endings in `short`.
    """

    contractions: Mapping[str, str]
    words: Mapping[Key, Word]
    endings: Mapping[Key, Word]
    reach: Mapping[str, int]
    whole_messages: Mapping[Key, Role]
    cries: frozenset[Key]
    letters: Mapping[str, str]
    laughs: tuple[str, ...]
    softened: Sequence[str] = ()
    asserted: Sequence[str] = ()
    short: frozenset[str] = frozenset()
    closing: tuple[str, ...] = ()
    pieces: frozenset[str] = frozenset()
    moods: Mapping[str, Sequence[Mood]] = field(default_factory=dict)

    def read(self, text: str, *, mend: bool = False) -> tuple[Word, ...]:
        """The words of a normalised text, in order; what no list has is `UNKNOWN`.

        With `mend` a few of those are taken for the emotion that they nearly are.
        """
        tokens = self._tokens(text)
        return tuple(self._mended(list(self._cut(tokens)), tokens, mend))

    def whole(self, text: str) -> Role | None:
        """The role of a text that means something only as a whole message."""
        tokens = [token.text for token in self._tokens(text)]
        said = [token for token in tokens if token not in _PUNCTUATION]
        if tuple(said) in self.cries and "!" in tokens:
            return Role.DOUBT
        return self.whole_messages.get(tuple(said))

    def _tokens(self, text: str) -> list[Token]:
        tokens: list[Token] = []
        for token in _tokens_of(_replaced(text, self.letters)):
            spelt = self._spelt(token.text)
            known = spelt in self.pieces or "'" not in spelt
            full = self.contractions.get(spelt, spelt if known else spelt.replace("'", " ")).split()
            tokens += [Token(one, token.run, token.starts) for one in full]
        return tokens

    def _spelt(self, token: str) -> str:
        """The token without letters held down ("saaaad"), where that makes it known."""
        if token in self.pieces or len(token) < _HELD or token.isdecimal():
            return token
        for times in (2, 1):
            shorter = _shortened(token, times)
            if shorter in self.pieces:
                return shorter
        return token

    def _cut(self, tokens: Sequence[Token]) -> Iterator[tuple[Word, int]]:
        """The words and their runs.

        The longest that fits; in a language with endings whichever leaves the least unknown.
        """
        best: list[tuple[int, Word, int]] = [(0, _NOTHING, 0)] * (len(tokens) + 1)
        for start in reversed(range(len(tokens)) if self.endings else ()):
            found = [
                (length * word.can_be(Role.UNKNOWN) + best[start + length][0], word, length)
                for word, length in self._at(tokens, start)
                if length > 1 or not self._makes_another(word, best[start + 1][1], tokens, start)
            ]
            best[start] = min(found, key=lambda one: one[0])
        start = 0
        while start < len(tokens):
            _, word, length = best[start] if self.endings else (0, *next(self._at(tokens, start)))
            yield word, tokens[start].run
            start += length

    def _at(self, tokens: Sequence[Token], start: int) -> Iterator[tuple[Word, int]]:
        """What may begin at a token, and its length in tokens, the longest first."""
        glued = bool(self.endings) and not tokens[start].starts
        for length in range(min(self.reach.get(tokens[start].text, 0), len(tokens) - start), 0, -1):
            key = tuple(token.text for token in tokens[start : start + length])
            ending, word = self.endings.get(key), self.words.get(key)
            if glued and ending is not None:
                yield ending, length
            elif word is not None and not (glued and _is_chance(word, tokens[start:][:length])):
                yield word, length
            elif ending is not None and length > 1:
                yield ending, length
        yield _unlisted(tokens[start].text, self.laughs), 1

    def _makes_another(self, word: Word, after: Word, tokens: Sequence[Token], start: int) -> bool:
        """Whether an ending makes another word of one of one syllable: "화제", "이야기"."""
        begins = tokens[start].starts and len(word.text) == 1
        if not begins or start + 1 == len(tokens) or tokens[start + 1].starts:
            return False
        is_ending = self.endings.get(tuple(after.text.replace(" ", ""))) is after
        return is_ending and after.text not in self.short and word.can_be(*_JUDGING, *_SLIGHT)

    def _mended(
        self, found: Sequence[tuple[Word, int]], tokens: Sequence[Token], mend: bool
    ) -> Iterator[Word]:
        """The words, those of a piece that is not wholly known as one unknown word."""
        lost = {run for word, run in found if word.can_be(Role.UNKNOWN)}
        mend = mend and len(lost) <= _MOST_MENDED
        glued = _hangul_of(tokens, lost) if self.endings else {}
        closing = {run for run, written in glued.items() if self._closes(written)}
        for at, (word, run) in enumerate(found):
            if run in glued:
                written, glued[run] = glued[run], ""
                if written:
                    yield from self._guess_glued(written, mend)
                is_last = at + 1 == len(found) or found[at + 1][1] != run
                if _is_kept(word, is_last=is_last and run not in closing):
                    yield word
            elif mend and word.can_be(Role.UNKNOWN):
                yield self._guess(word.text) or word
            else:
                yield word

    def _guess(self, written: str) -> Word | None:
        """The one emotion that is written nearly so; None where none is, or two are."""
        # In Arabic nearly every letter less or more makes another word.
        if unicodedata.name(written[0], "").startswith("ARABIC") or written in _never_slips():
            return None
        form = unicodedata.normalize("NFD", written)
        near = {
            mood.emotion for mood in self.moods.get(form[0], ()) if _is_misspelt(form, mood.written)
        }
        if len(near) != 1 or near == {""}:
            return None
        return Word(written, frozenset({Role.EMOTION}), near.pop(), guessed=True)

    def _guess_glued(self, written: str, mend: bool) -> Iterator[Word]:
        """A misspelt stem with known endings, else one unknown word."""
        mend = mend and len(written) <= _LONGEST_MISSPELT
        for length in range(len(written), 1, -1) if mend else ():
            if length == len(written) or self._is_ending(written[length:]):
                guessed = self._guess(written[:length])
                if guessed is not None:
                    yield guessed
                    return
        closing = {Role.CLOSING} if self._closes(written) else set()
        yield Word(written, frozenset({Role.UNKNOWN} | closing))

    def _closes(self, written: str) -> bool:
        return bool(self.closing) and written.endswith(self.closing)

    def _is_ending(self, rest: str) -> bool:
        tokens = [Token(one, 0, False) for one in rest]
        return not any(word.can_be(Role.UNKNOWN, Role.STOP) for word, _ in self._cut(tokens))


_NOTHING: Final = Word("", frozenset())
_HELD: Final = 3  # times a letter stands in a row before it was held down
_MOST_MENDED: Final = 2
_SHORTEST_MISSPELT: Final = 5
_LONGEST_MISSPELT: Final = 12  # syllables of one piece
_LONG: Final = 8  # letters, from which on one may be wrong
_VERY_LONG: Final = 11  # letters, from which on there may be two slips
_PUNCTUATION: Final = frozenset(",.;:!\n、。!…~-–—()\"“”#=*/'[]«»・।،؛|>+&•@×`‘<¡")


def _hangul_of(tokens: Sequence[Token], runs: AbstractSet[int]) -> dict[int, str]:
    """What is written in those of the runs that are Hangul."""
    written: dict[int, str] = {}
    for token in tokens:
        if token.run in runs and _is_hangul(token.text):
            written[token.run] = written.get(token.run, "") + token.text
    return written


def _is_chance(word: Word, tokens: Sequence[Token]) -> bool:
    """Whether a word within a piece is its last letters, and perhaps the first of the next."""
    crosses = any(token.starts for token in tokens)
    return len(tokens) == 1 or (crosses and word.can_be(Role.STOP, *_JUDGING, *_FACES))


_FACES: Final = (Role.NUMBER, Role.POSITION, Role.ALL, Role.BOTH)
_SLIGHT: Final = (Role.FILLER, Role.THIRD, Role.ALL)
_JUDGING: Final = (Role.EMOTION, Role.OTHER_EMOTION, Role.CONFIRM, Role.REJECT)


def _is_kept(word: Word, *, is_last: bool) -> bool:
    """Whether a word counts although the piece that it is in is not wholly known."""
    if word.can_be(Role.EMOTION):
        return len(word.text) > 1
    return word.can_be(Role.STOP) and (is_last or len(word.text) > 1)


def _is_misspelt(written: str, known: str) -> bool:
    """Whether it is the same word with a slip of the fingers.

    One letter too many, too few, or two swapped; two slips, or a wrong letter, in a long word
    only: in a short one that makes another word ("angel" is not "anger"). The last letter is right:
    there endings differ ("please" is not "pleased"). So is the first.
    """
    if min(len(written), len(known)) < _SHORTEST_MISSPELT or written[-1] != known[-1]:
        return False
    slips = 1 if len(known) < _VERY_LONG else 2
    if OSA.distance(written, known, score_cutoff=slips) > slips:
        return False
    replaced = len(written) == len(known) and sorted(written) != sorted(known)
    return not replaced or len(known) >= _LONG


def _shortened(token: str, times: int) -> str:
    kept: list[str] = []
    for letter in token:
        if kept[-times:] != [letter] * times:
            kept.append(letter)
    return "".join(kept)


# The variation selectors, skin tones, sexes, keycap and the joiner of emoji say nothing here.
_DECORATION: Final = frozenset("\ufe0e\ufe0f\u20e3\u200d♀♂\u0640") | {
    chr(code) for code in range(0x1F3FB, 0x1F400)
}
_BARE: Final = ("LATIN", "CYRILLIC", "ARABIC")
"""Scripts whose marks above and below are often left out: "colere", "веселый", "اول"."""


def normalised(text: str) -> str:
    """Lower case, one form per letter, without accents, invisible characters and skin tones."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    folded = folded.replace("\N{RIGHT SINGLE QUOTATION MARK}", "'").replace("ß", "ss")
    letters: list[str] = []
    bare = False
    for letter in unicodedata.normalize("NFD", folded):
        category = unicodedata.category(letter)
        if category == "Cf" or letter in _DECORATION:
            continue
        if category == "Mn":
            if bare:
                continue
        else:
            bare = unicodedata.name(letter, "").startswith(_BARE)
        letters.append(letter)
    return unicodedata.normalize("NFC", "".join(letters)).strip()


def tokenised(text: str) -> Iterator[Token]:
    """The tokens of a normalised text."""
    run, current, kind = 0, "", ""
    fresh = True
    for at, letter in enumerate(text):
        now = _kind(letter)
        joins = letter == "'" and kind == "word" and _kind(text[at + 1 : at + 2]) == "word"
        if current and now != kind and not joins:
            yield Token(current, run, True)
            current = ""
        if joins or now in ("word", "digits"):
            if kind not in ("word", "digits") or now != kind:
                run += 1
            current, kind = current + letter, "word" if joins else now
            fresh = True
            continue
        if now == "character":
            if kind != "character":
                # What is glued to a word in other letters begins nothing: "sad임".
                run, fresh = run + 1, kind != "word"
            yield Token(letter, run, fresh)
            fresh = False
        elif now == "mark":
            run += 1
            yield Token(letter, run, True)
        kind = now
    if current:
        yield Token(current, run, True)


@lru_cache(maxsize=2 * len(LANGUAGES))
def _tokens_of(text: str) -> tuple[Token, ...]:
    """The tokens, kept for the next language that reads the same text."""
    return tuple(tokenised(text))


@lru_cache(maxsize=4096)
def _kind(letter: str) -> str:
    if not letter:
        return ""
    if letter == "\n":
        return "mark"
    if letter.isspace():
        return "space"
    if letter.isdecimal():
        return "digits"
    category = unicodedata.category(letter)
    if category[0] not in "LM":
        return "mark"
    return "character" if _is_asian(letter) else "word"


def _is_asian(letter: str) -> bool:
    return unicodedata.name(letter, "").startswith(("CJK", "HIRAGANA", "KATAKANA", "HANGUL"))


def _is_hangul(text: str) -> bool:
    return unicodedata.name(text[0], "").startswith("HANGUL")


def _replaced(text: str, letters: Mapping[str, str]) -> str:
    for old, new in letters.items():
        text = text.replace(old, new)
    return text


@lru_cache(maxsize=len(LANGUAGES))
def lexicon(language: str) -> Lexicon:
    """The lexicon of one of `LANGUAGES`."""
    borrowed = {} if language == BORROWED else _read(BORROWED)["emotions"]
    return build(_read(language), _read("emoji"), borrowed)


@cache
def _never_slips() -> frozenset[str]:
    """Words of all languages that are nearly an emotion of one, and are meant as they stand."""
    listed = (_read(code).get("slips", {}).get("never", ()) for code in LANGUAGES)
    return frozenset(normalised(word) for words in listed for word in words)


def build(
    vocabulary: Vocabulary, emoji: Vocabulary, borrowed: Mapping[str, Sequence[str]] | None = None
) -> Lexicon:
    """A lexicon from the content of a language's file, of the emoji's, and of borrowed emotions."""
    letters = vocabulary.get("letters", {})
    verbs = vocabulary["verbs"]

    def key_of(text: str) -> Key:
        return tuple(one.text for one in tokenised(_replaced(normalised(text), letters)))

    never_first = {key_of(one) for one in verbs.get("never_first", ())}
    plural = {key_of(one) for one in verbs.get("plural", ())}
    words: dict[Key, Word] = {}
    for text, role, value in _entries(vocabulary, emoji):
        for spelling in _spellings(text, vocabulary):
            key = key_of(spelling)
            earlier = words.get(key, Word(" ".join(key), frozenset()))
            words[key] = Word(
                earlier.text,
                earlier.roles | {role},
                earlier.value or value,
                opens=key not in never_first,
                plural=key in plural,
            )
    for emotion, texts in (borrowed or {}).items():
        for text in texts:
            words.setdefault(key_of(text), Word(text, frozenset({Role.EMOTION}), emotion))
    endings = {
        key_of(text): Word(text, frozenset(roles))
        for name, roles in _ENDINGS
        for entry in vocabulary.get("endings", {}).get(name, ())
        for text in _written(entry)
    }
    idioms = {key_of(one) for texts in vocabulary.get("idioms", {}).values() for one in texts}
    whole = {
        key_of(text): role
        for part, role in _WHOLE_MESSAGES
        for text in vocabulary.get(part, {}).get("alone", ())
    }
    contractions = {
        _replaced(normalised(short), letters): _replaced(normalised(full), letters)
        for short, full in vocabulary.get("contractions", {}).items()
    }
    pieces = {piece for key in words for piece in key} | contractions.keys()
    return Lexicon(
        contractions,
        words,
        endings,
        _reach([*words, *endings]),
        whole,
        frozenset(key_of(text) for text in vocabulary.get("doubt", {}).get("cries", ())),
        letters,
        tuple(emoji["laughs"]),
        tuple(vocabulary.get("questions", {}).get("softened", ())),
        tuple(vocabulary.get("questions", {}).get("asserted", ())),
        frozenset(vocabulary.get("endings", {}).get("short", ())),
        tuple(vocabulary.get("asides", {}).get("closing", ())),
        pieces=frozenset(pieces),
        moods=_moods({key: word for key, word in words.items() if key not in idioms}),
    )


def _reach(keys: Iterable[Key]) -> Mapping[str, int]:
    """How long an entry that begins with a token is at most, in tokens."""
    reach: dict[str, int] = {}
    for key in keys:
        if key:
            reach[key[0]] = max(len(key), reach.get(key[0], 0))
    return reach


def _moods(words: Mapping[Key, Word]) -> Mapping[str, Sequence[Mood]]:
    """Every mood that is one piece of writing, by its first letter."""
    moods: dict[str, list[Mood]] = {}
    for key, word in words.items():
        whole = len(key) == 1 or all(_is_hangul(piece) for piece in key)
        if whole and word.can_be(Role.EMOTION, Role.OTHER_EMOTION):
            form = unicodedata.normalize("NFD", "".join(key))
            emotion = word.value if word.can_be(Role.EMOTION) else ""
            moods.setdefault(form[0], []).append(Mood(form, emotion))
    return moods


_ENDINGS: Final = (
    ("glued", {Role.FILLER}),
    ("and", {Role.FILLER, Role.AND}),
    ("moods", {Role.MOOD}),
    ("be", {Role.BE}),
    ("look", {Role.LOOK}),
    ("photo", {Role.LOOK, Role.PHOTO}),
    ("stop", {Role.STOP}),
)
_WHOLE_MESSAGES: Final = (
    ("confirm", Role.CONFIRM),
    ("reject", Role.REJECT),
    ("doubt", Role.DOUBT),
    ("not_feedback", Role.STOP),
)


def _spellings(text: str, vocabulary: Vocabulary) -> Iterator[str]:
    yield text
    respelt = _replaced(text, vocabulary.get("spellings", {}))
    if respelt != text:
        yield respelt


def _read(name: str) -> Vocabulary:
    file = resources.files("bot.vocabulary").joinpath(f"{name}.toml")
    return tomllib.loads(file.read_text(encoding="utf-8"))


_LISTS: Final = (
    ("faces", "all", Role.ALL),
    ("faces", "both", Role.BOTH),
    ("faces", "rest", Role.REST),
    ("faces", "except", Role.EXCEPT),
    ("faces", "same", Role.SAME),
    ("faces", "in_order", Role.IN_ORDER),
    ("faces", "nouns", Role.NOUN),
    ("faces", "people", Role.PEOPLE),
    ("feelings", "words", Role.FEELING),
    ("speakers", "third", Role.THIRD),
    ("speakers", "remark", Role.REMARK),
    ("speakers", "self", Role.SELF),
    ("speakers", "own", Role.OWN),
    ("speakers", "bot", Role.BOT),
    ("confirm", "words", Role.CONFIRM),
    ("confirm", "of_faces", Role.FINE),
    ("reject", "words", Role.REJECT),
    ("reject", "unclear_before_emotion", Role.UNCLEAR_REJECT),
    ("negate", "before", Role.NOT),
    ("negate", "after", Role.NOT_BEFORE),
    ("compare", "before", Role.THAN),
    ("compare", "after", Role.THAN_BEFORE),
    ("verbs", "be", Role.BE),
    ("verbs", "look", Role.LOOK),
    ("time", "photo", Role.PHOTO),
    ("time", "past", Role.PAST),
    ("join", "and", Role.AND),
    ("join", "mixed", Role.MIXED),
    ("join", "or", Role.OR),
    ("join", "but", Role.BUT),
    ("shares", "half", Role.HALF),
    ("shares", "percent", Role.PERCENT),
    ("shares", "mostly", Role.MOSTLY),
    ("shares", "little", Role.LITTLE),
    ("asides", "reasons", Role.REASON),
    ("fillers", "words", Role.FILLER),
    ("talk", "words", Role.TALK),
    ("doubt", "words", Role.DOUBT),
    ("doubt", "moods", Role.MOOD),
    ("not_feedback", "phrases", Role.STOP),
)
_WITH_PREFIXES: Final = frozenset(
    {Role.NOUN, Role.PEOPLE, Role.POSITION, Role.NUMBER, Role.EMOTION, Role.ALL, Role.BOTH}
)


def _entries(vocabulary: Vocabulary, emoji: Vocabulary) -> Iterable[tuple[str, Role, str]]:
    prefixes = ("", *vocabulary.get("prefixes", {}).get("words", ()))
    stems = ("", *vocabulary.get("endings", {}).get("stems", ()))
    for text, role, value in _listed(vocabulary):
        for form in _written(text, stems):
            for prefix in prefixes if role in _WITH_PREFIXES else ("",):
                written = prefix + form
                yield written, role, written if role is Role.OTHER_EMOTION else value
    for emotion in EMOTIONS:
        yield from _each(emoji["emotions"][emotion], Role.EMOJI, emotion)
    for sign in emoji["unclear"]:
        yield sign, Role.OTHER_EMOTION, sign
        yield sign, Role.OTHER_EMOJI, sign
    yield from _each(emoji["confirm"], Role.CONFIRM_EMOJI)
    yield from _each(emoji["reject"], Role.REJECT)
    yield from _each(emoji["negate"], Role.NOT)
    yield from _each(emoji["talk"], Role.TALK)
    yield from _each(emoji["percent"], Role.PERCENT)
    yield from _each(sorted(_PUNCTUATION), Role.BREAK)


def _written(entry: str, stems: Sequence[str] = ("",)) -> Iterable[str]:
    """All that an entry stands for: "슬프다*" for its forms, "trist*" for all endings of stems."""
    if entry.endswith("다*"):
        return sorted(conjugated(entry.removesuffix("다*")))
    stem = entry.removesuffix("*")
    return (entry,) if stem == entry else [stem + ending for ending in stems]


def _listed(vocabulary: Vocabulary) -> Iterable[tuple[str, Role, str]]:
    for emotion in EMOTIONS:
        yield from _each(vocabulary["emotions"][emotion], Role.EMOTION, emotion)
        yield from _each(vocabulary.get("idioms", {}).get(emotion, ()), Role.EMOTION, emotion)
    for word in vocabulary["others"]["words"]:
        yield word, Role.OTHER_EMOTION, ""
    for word in vocabulary["faces"].get("other", ()):
        yield word, Role.REST, "one"
    for number, texts in vocabulary["faces"].get("numbers", {}).items():
        yield from _each(texts, Role.NUMBER, number)
    for position, texts in vocabulary["faces"].get("positions", {}).items():
        yield from _each(texts, Role.POSITION, position)
    for name, role in (("portions", Role.PORTION), ("parts", Role.PARTS)):
        for weight, texts in vocabulary["shares"].get(name, {}).items():
            yield from _each(texts, role, weight)
    for part, name, role in _LISTS:
        yield from _each(vocabulary.get(part, {}).get(name, ()), role)


def _each(texts: Sequence[str], role: Role, value: str = "") -> Iterable[tuple[str, Role, str]]:
    for text in texts:
        yield text, role, value


_HIGHEST_NUMBER: Final = 999  # of a face; a longer number is a year, a time, a telephone's


@lru_cache(maxsize=4096)
def _unlisted(token: str, laughs: tuple[str, ...]) -> Word:
    if token.isdecimal() and len(token) <= len(str(_HIGHEST_NUMBER)) and int(token) > 0:
        return Word(token, frozenset({Role.NUMBER}), str(int(token)))
    if len(token) > 1 and any(_repeats(token, unit) for unit in laughs):
        return Word(token, frozenset({Role.TALK}))
    return Word(token, frozenset({Role.UNKNOWN}))


def _repeats(token: str, unit: str) -> bool:
    """Whether the token is the unit several times over, the last time perhaps in part."""
    if not token.startswith(unit):
        return False
    times = len(token) // len(unit)
    return times > 1 and (unit * (times + 1)).startswith(token)
