"""What people said about faces, as training targets and as a person-disjoint holdout.

A correction is one more vote: it moves a face's target, it does not overturn it. Knows no networks.
"""

import contextlib
import hashlib
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from fer_model.alignment import face_of_kept
from fer_model.emotions import EMOTIONS
from fer_model.errors import PhotoRefused
from store.records import TrainingFace
from store.trust import one_hot

PSEUDO_VOTES: Final = 3.0
"""How many people the current version's blend counts as: with three, one voice has a quarter."""

HOLDOUT_SHARE: Final = 0.25
HOLDOUT_PEOPLE: Final = 8
"""From this many people on, a share of them is held out; fewer are all learnt from."""


@dataclass(frozen=True)
class VotedFace:
    """One face with everything that counts about it, whoever sent its photo.

    Attributes:
        face_id: The first of its rows.
        feedback_ids: The feedback that counts.
        people: Who gave it.
        votes: (7,), how many people named each emotion, everybody as much as they are trusted.
        kinds: How many confirmations and corrections.
        crop: uint8 (S, S, 3), as the engine is given it.
    """

    face_id: int
    feedback_ids: tuple[int, ...]
    people: tuple[int, ...]
    votes: NDArray[np.float64]
    kinds: Counter[str]
    crop: NDArray[np.uint8]


@dataclass(frozen=True)
class Division:
    """Faces to learn from, and faces to be judged on; nobody is in both.

    Attributes:
        training: Learnt from.
        holdout: Not learnt from.
        holdout_people: int (len(holdout),), equal for faces of the same circle of people.
    """

    training: tuple[VotedFace, ...]
    holdout: tuple[VotedFace, ...]
    holdout_people: NDArray[np.int64]


def voted_faces(
    feedback: Iterable[TrainingFace], weights: Mapping[int, float] | None = None
) -> tuple[tuple[VotedFace, ...], int]:
    """The faces that feedback speaks about, by id, and how many have a crop that is unreadable.

    The same face of the same photo is one face, whoever sent it. A face about which nothing counts
    is left out.

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
    for voices in by_face.values():
        crop = _readable(voices)
        if crop is None:
            unreadable += 1
            continue
        votes = np.zeros(len(EMOTIONS))
        for voice in voices:
            weight = 1.0 if weights is None else weights[voice.feedback_id]
            votes += weight * np.array(voice.shares or one_hot(voice.emotion))
        faces.append(
            VotedFace(
                face_id=min(voice.face_id for voice in voices),
                feedback_ids=tuple(voice.feedback_id for voice in voices),
                people=tuple(sorted({voice.person_id for voice in voices})),
                votes=votes,
                kinds=Counter(voice.kind for voice in voices),
                crop=crop,
            )
        )
    return tuple(sorted(faces, key=lambda face: face.face_id)), unreadable


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
    faces: Sequence[VotedFace],
    trained_people: Collection[int] = (),
    share: float = HOLDOUT_SHARE,
    least_people: int = HOLDOUT_PEOPLE,
) -> Division:
    """Holds out a share of the people, always the same ones.

    Who spoke about the same face is one circle and stays together. A circle's side follows from
    its smallest person id alone, so that tomorrow's current version was not trained on tomorrow's
    holdout; a circle with anybody of `trained_people`, whom the current version or its ancestors
    were trained on, is never held out. With fewer circles than `least_people` nobody is.
    """
    circle = _circles(faces)
    known = {circle[person] for person in trained_people if person in circle}
    enough = len(set(circle.values())) >= least_people
    training, holdout, people = [], [], []
    for face in faces:
        root = circle[face.people[0]]
        if enough and root not in known and _draw(root) < share:
            holdout.append(face)
            people.append(root)
        else:
            training.append(face)
    return Division(tuple(training), tuple(holdout), np.array(people, dtype=np.int64))


def _circles(faces: Iterable[VotedFace]) -> dict[int, int]:
    """The smallest person id of everybody's circle."""
    smallest: dict[int, int] = {}

    def root(person: int) -> int:
        while smallest.setdefault(person, person) != person:
            person = smallest[person]
        return person

    for face in faces:
        roots = {root(person) for person in face.people}
        for other in roots:
            smallest[other] = min(roots)
    return {person: root(person) for person in list(smallest)}


def _draw(person: int) -> float:
    """A number in 0 to 1 that belongs to the person for good."""
    return int.from_bytes(hashlib.sha256(str(person).encode()).digest()[:8]) / 2**64
