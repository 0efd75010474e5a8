"""What clauses mean together."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from bot.clauses import HUNDRED, Clause
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
)

_PARTS: Final = (Correction, Confirmation, Rejection, Mixture)


def combined(clauses: Sequence[Clause]) -> Meaning:
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


def _meaning(clause: Clause) -> Meaning:
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


def _tells_of_a_face(clause: Clause) -> bool:
    return bool(
        clause.is_described
        or clause.faces
        or clause.shares
        or clause.denied
        or any(clause.ranks)
        or clause.joined
        or clause.of_photo
    )


def _has_part(clause: Clause) -> bool:
    """Whether a single emotion was said to be but a part: "half sad", "60% sad"."""
    return bool(clause.halves) or (bool(clause.shares) and sum(clause.shares) not in HUNDRED)


def _mixture(clause: Clause, named: tuple[str, ...], face: int | None) -> Mixture | None:
    """Several emotions of which it was said how they mix; None where they only contradict."""
    if len(named) < 2 or clause.confirms:
        return None
    if clause.shares:
        is_whole = clause.weighs or sum(clause.shares) in HUNDRED
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


def _larger(clause: Clause) -> str | None:
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


def _other_emotion(clause: Clause, named: tuple[str, ...], face: int | None) -> Meaning:
    if named:
        return Unclear(named, face)
    if clause.by_self and not clause.rejects and not clause.faces:
        return NotFeedback()
    return UnknownEmotion(clause.others[0], face)
