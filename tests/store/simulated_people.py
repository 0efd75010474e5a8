"""People who speak about faces, honestly or not, as `store.trust` would see them.

The faces are drawn, not real ones, but from what the shipped version answered 1,400 faces of the
validation split that ten people each had voted on: how often it is confident, and how often a
person then agrees. `docs/trust.md` has the figures of the real ones.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from store.emotions import EMOTIONS
from store.trust import Trusted, Voice, face_name
from tests.store.rows import NOON

Manner = Literal["honest", "careless", "troll", "ring", "hidden ring"]
Array = NDArray[np.float64]

ANGRY, HAPPY, SAD = (EMOTIONS.index(name) for name in ("angry", "happy", "sad"))
SHOWN = np.array([0.1, 0.02, 0.06, 0.33, 0.12, 0.12, 0.25])
"""How often most people name each emotion."""


@dataclass(frozen=True)
class Faces:
    """Photographed faces: what people would say (N, 7), and what the bot reads (N, 7)."""

    votes: Array
    crowd: Array


@dataclass(frozen=True)
class Piece:
    """A voice, and whether it was meant to mislead or was not meant at all."""

    voice: Voice
    manner: Manner
    honest: bool


def draw_faces(
    random: np.random.Generator, count: int, *, sharpness: float = 0.95, error: float = 0.03
) -> Faces:
    """Faces on whose top emotion about 78 % agree, happy ones more, read with calibrated doubt.

    A smaller `sharpness` is what darkness does: fewer readings are confident. `error` is how far
    the reading is from what people say.
    """
    top = random.choice(7, count, p=SHOWN)
    agreement = np.where(top == HAPPY, random.beta(18, 1.5, count), random.beta(5, 2, count))
    rest = random.dirichlet(np.full(7, 0.7), count)
    rest[np.arange(count), top] = 0
    rest /= rest.sum(axis=1, keepdims=True)
    votes = rest * (1 - agreement[:, None])
    votes[np.arange(count), top] = agreement
    seen = votes**sharpness + error * random.dirichlet(np.full(7, 0.5), count)
    return Faces(votes, seen / seen.sum(axis=1, keepdims=True))


def draw_misread(random: np.random.Generator, count: int) -> Faces:
    """Sad faces that are read as neutral without confidence: only one in 25 reaches 80 %."""
    votes = random.dirichlet([0.4, 0.1, 0.4, 0.1, 7, 0.1, 2], count)
    crowd = random.dirichlet([0.5, 0.1, 0.4, 0.2, 2.6, 0.3, 5.5], count)
    return Faces(votes, crowd)


def speak(
    random: np.random.Generator, faces: Faces, people: dict[Manner, int], shared: float = 0.3
) -> list[Piece]:
    """5 to 20 pieces of everybody, who correct twice as often as they confirm; by time."""
    manners = [manner for manner, count in people.items() for _ in range(count)]
    happy = np.flatnonzero(faces.votes.argmax(axis=1) == HAPPY)
    seen: list[int] = []
    pieces: list[Piece] = []
    fresh = iter(random.permutation(len(faces.votes)).tolist())
    for person, manner in enumerate(random.permutation(np.array(manners)).tolist()):
        moment = NOON + timedelta(days=float(random.uniform(0, 20)))
        wanted = int(random.integers(5, 21))
        while wanted:
            moment += timedelta(minutes=float(random.exponential(30)))
            if manner == "ring":
                face = int(random.choice(happy))
            elif seen and random.random() < shared:
                face = seen[random.integers(len(seen))]
            else:
                face = next(fresh)
            said = _said(random, faces.votes[face], manner)
            agrees = said == faces.crowd[face].argmax()
            if random.random() > (0.3 if agrees else 0.6):
                continue
            seen.append(face)
            wanted -= 1
            pieces.append(
                Piece(
                    Voice(
                        feedback_id=len(pieces),
                        person_id=person,
                        face=face_name(f"photo {face}", 1),
                        kind="confirmation" if agrees else "correction",
                        shares=tuple(np.eye(7)[said].tolist()),
                        crowd=tuple(faces.crowd[face].tolist()),
                        ruling=None,
                        created_at=moment,
                    ),
                    manner,
                    manner == "honest"
                    or (manner == "hidden ring" and int(faces.votes[face].argmax()) != HAPPY),
                )
            )
    return pieces


def _said(random: np.random.Generator, votes: Array, manner: str) -> int:
    if manner == "careless":
        return int(random.integers(7))
    if manner == "troll":
        return ANGRY
    if manner in ("ring", "hidden ring") and votes.argmax() == HAPPY:
        return SAD
    return int(random.choice(7, p=votes / votes.sum()))


def kept(pieces: list[Piece], trusted: Trusted) -> tuple[float, float]:
    """Mean weight of what was honest, and of what was not (nan where all was)."""
    return tuple(_means(pieces, trusted))  # type: ignore[return-value]


def _means(pieces: list[Piece], trusted: Trusted) -> Iterator[float]:
    for honest in (True, False):
        weights = [
            trusted.weights[piece.voice.feedback_id] for piece in pieces if piece.honest is honest
        ]
        yield float(np.mean(weights)) if weights else float("nan")
