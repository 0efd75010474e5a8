"""What people said about faces, as training targets and as a person-disjoint holdout.

A correction is one more vote: it moves a face's target, it does not overturn it. Knows no networks.
"""

import contextlib
import hashlib
from collections import Counter, defaultdict
from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from fer_model.alignment import face_of_kept
from fer_model.emotions import EMOTIONS
from fer_model.errors import PhotoRefused
from store.records import TrainingFace
from store.trust import one_hot

Side = Literal["training", "holdout"]

PSEUDO_VOTES: Final = 1.3
"""How many people the current version's blend counts as: about as few as leave an emotion of nine
in ten on top when one voice names another. Source: docs/learning.md; with three, 2,000 pieces
taught a third as much."""

CONFIRMATION_WEIGHT: Final = 2.0
"""A confirmation stands for those who agreed and said nothing: who sees a mistake speaks about
twice as often as who sees none. Counted alike, what people send in would say that the bot is wrong
more often than it is, and both learning and the holdout would believe it. An assumption, not
measured on people; source of the correction: inverse propensity weights (Horvitz and Thompson
1952). It is not for who was asked which of two it is, and would have spoken either way, nor for
a mixture, which corrects as much as it confirms."""

HOLDOUT_SHARE: Final = 0.25
HOLDOUT_PEOPLE: Final = 8
"""From this many people on, a share of them is held out; fewer are all learnt from."""


@dataclass(frozen=True)
class VotedFace:
    """One face with everything that counts about it, whoever sent its photo.

    Attributes:
        face_id: The first of its rows.
        name: Equal for the same face of the same photo, whoever sent it.
        feedback_ids: The feedback that counts.
        people: Who gave it.
        votes: (7,), how many people named each emotion, everybody as much as they are trusted.
        kinds: How many confirmations and corrections.
        crop: uint8 (S, S, 3), as the engine is given it.
        crowd: (7,), what the bot answered when the first of them spoke ...
        label: (7,), ... with either calibration.
    """

    face_id: int
    name: str
    feedback_ids: tuple[int, ...]
    people: tuple[int, ...]
    votes: NDArray[np.float64]
    kinds: Counter[str]
    crop: NDArray[np.uint8]
    crowd: NDArray[np.float64]
    label: NDArray[np.float64]


@dataclass(frozen=True)
class Division:
    """Faces to learn from, and faces to be judged on; nobody is in both.

    Attributes:
        training: Learnt from.
        holdout: Not learnt from.
        holdout_people: int (len(holdout),), one of those who spoke about each.
        unreadable: Faces whose crop cannot be read.
    """

    training: tuple[VotedFace, ...]
    holdout: tuple[VotedFace, ...]
    holdout_people: NDArray[np.int64]
    unreadable: int = 0


def voted_faces(
    feedback: Iterable[TrainingFace], weights: Mapping[int, float] | None = None
) -> tuple[tuple[VotedFace, ...], int]:
    """The faces that feedback speaks about, by id, and how many have a crop that is unreadable.

    The same face of the same photo is one face, whoever sent it. A face about which nothing counts
    is left out. Confirmations count more, see `CONFIRMATION_WEIGHT`.

    Args:
        feedback: What stands.
        weights: How much each piece counts, by feedback id, others not at all; None: every piece
            counts 1.
    """
    by_face: dict[str, list[TrainingFace]] = defaultdict(list)
    for said in feedback:
        if weights is None or weights.get(said.feedback_id, 0.0) > 0:
            by_face[said.face].append(said)
    faces, unreadable = [], 0
    for name, voices in by_face.items():
        crop = _readable(voices)
        if crop is None:
            unreadable += 1
            continue
        votes = np.zeros(len(EMOTIONS))
        for voice in voices:
            weight = 1.0 if weights is None else weights[voice.feedback_id]
            if _goes_for_the_silent(voice):
                weight *= CONFIRMATION_WEIGHT
            votes += weight * np.array(voice.shares or one_hot(voice.emotion))
        faces.append(
            VotedFace(
                face_id=min(voice.face_id for voice in voices),
                name=name,
                feedback_ids=tuple(voice.feedback_id for voice in voices),
                people=tuple(sorted({voice.person_id for voice in voices})),
                votes=votes,
                kinds=Counter(voice.kind for voice in voices),
                crop=crop,
                crowd=np.array(voices[0].crowd),
                label=np.array(voices[0].label),
            )
        )
    return tuple(sorted(faces, key=lambda face: face.face_id)), unreadable


def _goes_for_the_silent(voice: TrainingFace) -> bool:
    """Whether others who agreed would have said nothing: neither asked, nor naming a mixture."""
    return voice.kind == "confirmation" and not voice.asked and voice.shares is None


def _readable(voices: Iterable[TrainingFace]) -> NDArray[np.uint8] | None:
    """The face as it was kept for the first of them whose crop can be read."""
    for voice in voices:
        with contextlib.suppress(PhotoRefused):
            return face_of_kept(voice.crop)
    return None


def vote_targets(
    blends: NDArray[np.float64], votes: NDArray[np.float64], pseudo_votes: float = PSEUDO_VOTES
) -> NDArray[np.float64]:
    """Training targets (N, 7): the mean of `pseudo_votes` people who say the blend, and the votes.

    Source: the mean of a Dirichlet posterior whose prior is the blend.
    """
    counts = blends * pseudo_votes + votes
    return np.asarray(counts / counts.sum(axis=1, keepdims=True))


def divide(
    feedback: Sequence[TrainingFace],
    weights: Mapping[int, float] | None = None,
    trained_people: Collection[int] = (),
    trained_faces: Collection[Hashable] = (),
) -> Division:
    """The faces to learn from and to be judged on; see `sides` and `voted_faces`."""
    spoken = [(said.person_id, said.face) for said in feedback]
    where = sides(spoken, trained_people, trained_faces)
    training, lost = voted_faces(_at(feedback, where, "training"), weights)
    holdout, lost_too = voted_faces(_at(feedback, where, "holdout"), weights)
    people = np.array([face.people[0] for face in holdout], dtype=np.int64)
    return Division(training, holdout, people, lost + lost_too)


def sides(
    spoken: Sequence[tuple[int, Hashable]],
    trained_people: Collection[int] = (),
    trained_faces: Collection[Hashable] = (),
    share: float = HOLDOUT_SHARE,
    least_people: int = HOLDOUT_PEOPLE,
) -> list[Side | None]:
    """Where each piece counts: to learn from, to judge on, or nowhere.

    A person's side follows from their id alone, so that tomorrow's current version was not trained
    on tomorrow's holdout; whom it was trained on is never held out, and of fewer than
    `least_people` nobody is. A face is on the side of whoever spoke of it first, and what people
    of the other side say of it counts nowhere: neither a face nor a person is on both sides, and
    nobody can draw others to their side by speaking of the same face. A face that was trained on
    is never judged on, even where whoever spoke of it first has taken that back.

    Args:
        spoken: Person and face of each piece, the oldest first.
        trained_people: Whom the current version or its ancestors were trained on.
        trained_faces: Which faces they were.
        share: Of the people who are held out.
        least_people: See above.
    """
    people = {person for person, _ in spoken}
    known = set(trained_people)
    held = {p for p in people if p not in known and _draw(p) < share}
    if len(people) < least_people:
        held = set()
    learnt = set(trained_faces)
    first: dict[Hashable, int] = {}
    found: list[Side | None] = []
    for person, face in spoken:
        owner = first.setdefault(face, person)
        side: Side = "holdout" if person in held else "training"
        of_face: Side = "holdout" if owner in held and face not in learnt else "training"
        found.append(side if side == of_face else None)
    return found


def _at(
    feedback: Sequence[TrainingFace], where: Sequence[Side | None], side: Side
) -> list[TrainingFace]:
    return [said for said, its in zip(feedback, where, strict=True) if its == side]


def _draw(person: int) -> float:
    """A number in 0 to 1 that belongs to the person for good."""
    return int.from_bytes(hashlib.sha256(str(person).encode()).digest()[:8]) / 2**64
