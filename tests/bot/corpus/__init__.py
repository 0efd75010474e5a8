"""What people type to the bot after a reading, and what each text means: the corpus, checked.

Knows no parser. A text's meaning is written in a small notation ("2: sad", "sad 60 + fear 40",
"not angry", "ask", "none"); README.md beside this file says what every form of it means.
"""

import hashlib
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

from store.emotions import EMOTIONS

FOLDER: Final = Path(__file__).parent
LANGUAGES: Final = (
    *("en", "ko", "es", "de", "fr", "pt", "ru", "ja", "zh", "hi", "ar", "id"),
    "emoji",
)
BLIND: Final = FOLDER / "blind"
BLIND_LANGUAGES: Final = ("en", "ko")
MOST_FACES: Final = 3
DEFAULT_READ: Final = ("happy",)

Kind: TypeAlias = Literal["said", "ask", "face", "none"]


class CorpusDamaged(Exception):
    """An entry or a file of the corpus breaks its rules; the message says where and which."""


class FaceMissing(CorpusDamaged):
    """A face was named that the photo has not got."""


@dataclass(frozen=True)
class Vote:
    """What a face shows, in the speaker's word.

    Attributes:
        face: Its number; None in a photo of several where the speaker named none.
        shares: Emotion and share, which sum to 1; empty for "as you read it" where no face was
            named, as what was read then depends on the face.
        ordered: Only the order of the shares was said ("mostly sad"), the largest first.
    """

    face: int | None
    shares: tuple[tuple[str, float], ...]
    ordered: bool = False


@dataclass(frozen=True)
class Rejected:
    """The reading of a face is wrong, without what it is instead; `denied` is what it is not."""

    face: int | None
    denied: str | None = None


@dataclass(frozen=True)
class Meaning:
    """What a text means, every side ("left") already a face's number.

    Attributes:
        kind: "said" where there are votes or rejections; "ask" where nothing but a question back
            is right; "face" where a face was named and nothing else; "none": not feedback.
        votes: One per face.
        rejected: One per face, none of them a vote's.
        named: The face of the kind "face".
    """

    kind: Kind
    votes: tuple[Vote, ...] = ()
    rejected: tuple[Rejected, ...] = ()
    named: int | None = None

    @property
    def is_feedback(self) -> bool:
        """Whether the text is about the reading at all."""
        return self.kind != "none"


@dataclass(frozen=True)
class Phrase:
    """One text with its situation and its meaning.

    Attributes:
        text: As it was typed.
        language: The stem of its file; a phrase in two languages is where it was filed.
        read: Top emotion of each face, left to right: face 1 first.
        meant: What an annotator takes it to mean.
        also: Other outcomes that are as good.
        note: Why, where a reader would wonder.
        held_out: Not shown to who builds the parser.
    """

    text: str
    language: str
    read: tuple[str, ...]
    meant: Meaning
    also: tuple[Meaning, ...] = ()
    note: str = ""
    held_out: bool = False

    @property
    def meanings(self) -> tuple[Meaning, ...]:
        """All that are right, the one that is meant first."""
        return (self.meant, *self.also)


# The notation

_MIX: Final = re.compile(r"[a-z]+ [0-9]+(?:\.[0-9]+)?(?: \+ [a-z]+ [0-9]+(?:\.[0-9]+)?)+")
_SIDES: Final = ("left", "middle", "right")


def meaning_of(notation: str, read: Sequence[str]) -> Meaning:
    """Return what the notation says of a photo whose faces were read as `read`.

    "confirmed" becomes a vote for what was read, where the face is known.

    Raises:
        FaceMissing: it names a face that is not there.
        CorpusDamaged: it is no such notation, or speaks twice about one face.
    """
    if notation == "none":
        return Meaning("none")
    if notation == "ask":
        return Meaning("ask")
    if notation.startswith("face "):
        return Meaning("face", named=_face(notation.removeprefix("face "), read))
    votes: list[Vote] = []
    rejected: list[Rejected] = []
    for part in notation.split("; "):
        whose, colon, what = part.rpartition(": ")
        faces = _faces(whose, read) if colon else (1 if len(read) == 1 else None,)
        for face in faces:
            if what == "rejected" or what.startswith("not "):
                rejected.append(Rejected(face, _denied(what)))
            else:
                votes.append(_vote(what, face, read))
    spoken = [vote.face for vote in votes] + [one.face for one in rejected]
    if len(set(spoken)) < len(spoken) or (None in spoken and len(spoken) > 1):
        raise CorpusDamaged(f"{notation!r} speaks twice about one face, or about one unnamed")
    return Meaning("said", tuple(votes), tuple(rejected))


def _faces(whose: str, read: Sequence[str]) -> tuple[int | None, ...]:
    if whose == "all":
        return tuple(range(1, len(read) + 1))
    return (_face(whose, read),)


def _face(whose: str, read: Sequence[str]) -> int:
    count = len(read)
    if whose in _SIDES:
        if count == 1 or (whose == "middle" and count % 2 == 0):
            raise FaceMissing(f"no face of {count} is the {whose} one")
        return {"left": 1, "middle": (count + 1) // 2, "right": count}[whose]
    if not whose.isdecimal() or not 1 <= int(whose) <= count:
        raise FaceMissing(f"there is no face {whose!r} among {count}")
    return int(whose)


def _denied(what: str) -> str | None:
    return None if what == "rejected" else _emotion(what.removeprefix("not "))


def _vote(what: str, face: int | None, read: Sequence[str]) -> Vote:
    if what == "confirmed":
        return Vote(face, () if face is None else ((read[face - 1], 1.0),))
    if " > " in what:
        emotions = [_emotion(one) for one in what.split(" > ")]
        _check_differ(emotions, what)
        return Vote(face, tuple((one, 1 / len(emotions)) for one in emotions), ordered=True)
    if _MIX.fullmatch(what):
        weights = {_emotion(one.split()[0]): float(one.split()[1]) for one in what.split(" + ")}
        _check_differ([one.split()[0] for one in what.split(" + ")], what)
        total = sum(weights.values())
        return Vote(face, tuple((one, weight / total) for one, weight in weights.items()))
    return Vote(face, ((_emotion(what), 1.0),))


def _emotion(word: str) -> str:
    if word not in EMOTIONS:
        raise CorpusDamaged(f"{word!r} is no emotion and no notation")
    return word


def _check_differ(emotions: Sequence[str], what: str) -> None:
    if len(set(emotions)) < len(emotions):
        raise CorpusDamaged(f"{what!r} names an emotion twice")


# Files


@cache
def corpus() -> tuple[Phrase, ...]:
    """Return every phrase, language by language, those that are held out last.

    Raises:
        CorpusDamaged: a file or an entry breaks a rule of README.md.
    """
    every = tuple(
        phrase
        for held_out in (False, True)
        for language in LANGUAGES
        for phrase in _phrases_in(file_of(language, held_out=held_out), held_out)
    )
    _check_unique(every)
    return every


@cache
def blind(*, held_out: bool) -> tuple[Phrase, ...]:
    """Return the phrases written later by others, who had not seen the parser: of one part.

    Raises:
        CorpusDamaged: a file or an entry breaks a rule of README.md.
    """
    phrases = tuple(
        phrase
        for language in BLIND_LANGUAGES
        for phrase in _phrases_in(file_of(language, held_out=held_out, folder=BLIND), held_out)
    )
    _check_unique((*corpus(), *phrases))
    return phrases


def building() -> tuple[Phrase, ...]:
    """Return the phrases that the parser may be built with."""
    return tuple(phrase for phrase in corpus() if not phrase.held_out)


def held_out() -> tuple[Phrase, ...]:
    """Return the phrases that the parser is judged by, and that its author has not read."""
    return tuple(phrase for phrase in corpus() if phrase.held_out)


def is_held_out(language: str, text: str) -> bool:
    """Return whether a phrase is of the third that is held out: by chance, the same every time."""
    digest = hashlib.sha256(f"{language}\n{text}".encode()).digest()
    return int.from_bytes(digest[:8], "big") % 3 == 0


def file_of(language: str, *, held_out: bool, folder: Path = FOLDER) -> Path:
    """Return the file with a language's phrases of one part."""
    return (folder / "held_out" if held_out else folder) / f"{language}.toml"


def _phrases_in(file: Path, held_out: bool) -> Iterator[Phrase]:
    language = file.stem
    content = tomllib.loads(file.read_text(encoding="utf-8"))
    if content.keys() != {"held_out", "phrases"} or content["held_out"] is not held_out:
        raise CorpusDamaged(f"{file}: needs `held_out` as its folder says, `phrases`, no more")
    for entry in content["phrases"]:
        try:
            yield phrase_of(entry, language, held_out=held_out)
        except CorpusDamaged as error:
            raise CorpusDamaged(f"{file}: {entry.get('text', entry)!r}: {error}") from error


def phrase_of(entry: Mapping[str, Any], language: str, *, held_out: bool) -> Phrase:
    """Return one entry of a file as a phrase.

    Raises:
        CorpusDamaged: it breaks a rule of README.md.
    """
    if not {"text", "meant"} <= entry.keys() <= {"text", "read", "meant", "also", "note"}:
        raise CorpusDamaged("an entry has text and meant, may have read, also, note, and no more")
    text = entry["text"]
    read = tuple(entry.get("read", DEFAULT_READ))
    if not text.strip():
        raise CorpusDamaged("the text is empty")
    if not 1 <= len(read) <= MOST_FACES or not set(read) <= set(EMOTIONS):
        raise CorpusDamaged(f"read has 1 to {MOST_FACES} of the seven emotions")
    if is_held_out(language, text) is not held_out:
        raise CorpusDamaged("belongs into the other part: see README.md, Held out")
    meant = meaning_of(entry["meant"], read)
    also = tuple(meaning_of(one, read) for one in entry.get("also", ()))
    if len({meant, *also}) < 1 + len(also):
        raise CorpusDamaged("also repeats a meaning")
    return Phrase(text, language, read, meant, also, entry.get("note", ""), held_out)


def _check_unique(phrases: Sequence[Phrase]) -> None:
    seen: set[tuple[str, str, tuple[str, ...]]] = set()
    for phrase in phrases:
        key = (phrase.language, phrase.text, phrase.read)
        if key in seen:
            raise CorpusDamaged(f"{phrase.language}: {phrase.text!r} is there twice")
        seen.add(key)
