"""What the parser makes of the corpus's phrases: its meanings, written in the corpus's notation."""

from collections.abc import Iterable

from bot.meanings import (
    Confirmation,
    Correction,
    FaceNamed,
    FacesNamed,
    Meaning,
    Mixture,
    NotFeedback,
    Part,
    Rejection,
    Several,
)
from bot.understanding import understand
from tests.bot.corpus import Phrase
from tests.bot.corpus.figures import Verdict, judge


def verdicts(phrases: Iterable[Phrase]) -> list[Verdict]:
    """Return what becomes of each phrase, read without knowing the writer's language."""
    return [judge(one, notation_of(understand(one.text, len(one.read)))) for one in phrases]


def notation_of(meaning: Meaning) -> str:
    """Return a meaning as `meaning_of` reads it."""
    match meaning:
        case Correction() | Confirmation() | Rejection() | Mixture():
            return _part(meaning)
        case Several(parts):
            return "; ".join(map(_part, parts))
        case FaceNamed(face):
            return f"face {face}"
        case NotFeedback() | FacesNamed():  # several faces answer "which face?", and nothing else
            return "none"
        case _:
            return "ask"


def _part(part: Part) -> str:
    whose = "" if part.face is None else f"{part.face}: "
    return whose + _said(part)


def _said(part: Part) -> str:
    match part:
        case Correction(emotion):
            return emotion
        case Confirmation():
            return "confirmed"
        case Rejection(_, denied):
            return f"not {denied}" if denied else "rejected"
        case Mixture(emotions, ()):
            return " > ".join(emotions)
        case Mixture(emotions, shares):
            weighted = zip(emotions, shares, strict=True)
            return " + ".join(f"{emotion} {100 * share:.6f}" for emotion, share in weighted)
