"""Simulated people: what they would say of faces that ten real people were asked about.

Who looks at a face draws one of the votes that FER+ gathered for it, sees what the bot read, and
says so where the two differ; where they agree, mostly nothing. Pure: the same seed, the same
pieces.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from fer_model.emotions import EMOTIONS

Array = NDArray[np.float64]

Manner = Literal["honest", "careless", "troll", "ring"]
"""`careless` names any emotion, `troll` always angry, `ring` calls happy sad, on purpose."""

FIRST_DAY: Final = datetime(2026, 1, 5, tzinfo=UTC)


@dataclass(frozen=True)
class Habits:
    """How people use the bot; shares 0 to 1.

    Attributes:
        least: Pieces of feedback that somebody gives at least.
        most: And at most.
        shared: Share of faces that several people see.
        viewers: How many people see a shared face, from and to.
        corrects: Share of disagreements that are said.
        confirms: Share of agreements that are said: rarer, for nothing is wrong.
        days: Over how many days people arrive.
        stays: Over how many days one person's pieces are spread, at most.
    """

    least: int = 5
    most: int = 20
    shared: float = 0.3
    viewers: tuple[int, int] = (2, 5)
    corrects: float = 0.6
    confirms: float = 0.3
    days: int = 14
    stays: int = 5


@dataclass(frozen=True)
class Crowd:
    """Who is among the people.

    Attributes:
        careless: Share of the people who name any emotion.
        trolls: Share of the people who always say angry.
        ring: How many accounts, beside the others, call happy faces sad; three of them at a time
            about the same face.
        habits: Everybody's.
    """

    careless: float = 0.0
    trolls: float = 0.0
    ring: int = 0
    habits: Habits = field(default_factory=Habits)


@dataclass(frozen=True)
class Piece:
    """One piece of feedback.

    Attributes:
        person: From 1 on.
        face: Its place among the faces.
        confirms: Whether it is what the bot had said.
        emotion: Its place in `EMOTIONS`.
        at: When.
        manner: Of who gave it.
    """

    person: int
    face: int
    confirms: bool
    emotion: int
    at: datetime
    manner: Manner


def feedback(
    votes: Array, blends: Array, pieces: int, crowd: Crowd, random: np.random.Generator
) -> list[Piece]:
    """What people say of faces, in the order of time; the ring's pieces come on top.

    A face is shown once; nobody speaks about one twice. There are fewer pieces than asked for where
    the faces do not suffice. The honest say the same whoever else is there.

    Args:
        votes: (N, 7), how many of the ten named each emotion; every row has some.
        blends: (N, 7), what the bot says.
        pieces: How many.
        crowd: Who they are.
        random: Every draw is from it.
    """
    habits = crowd.habits
    people = -(-2 * pieces // (habits.least + habits.most)) + 1
    left = random.integers(habits.least, habits.most + 1, people)
    arrives = random.integers(0, habits.days, people)
    # Who is careless or a troll follows from a rank, so that the others stay as they are.
    rank = (random.permutation(people) + 0.5) / people
    manners = [_manner(crowd, float(place)) for place in rank]
    said: list[Piece] = []
    for face, viewers in _shown(len(votes), habits, random):
        ready = np.flatnonzero(left > 0)
        if len(said) >= pieces or not len(ready):
            break
        for person in random.permutation(ready)[:viewers]:
            draws = random.random(3)
            drawn = int(random.choice(len(EMOTIONS), p=votes[face] / votes[face].sum()))
            emotion = _said(manners[person], drawn, float(draws[0]))
            agrees = emotion == int(blends[face].argmax())
            # Whether they speak follows their vote, so that manners change words alone.
            seen = drawn == int(blends[face].argmax())
            if draws[1] >= (habits.confirms if seen else habits.corrects):
                continue
            left[person] -= 1
            day = int(arrives[person]) + int(draws[2] * habits.stays)
            at = _moment(day, random)
            said.append(Piece(int(person) + 1, face, agrees, emotion, at, manners[person]))
    said = said[:pieces]
    said += _ring(blends, crowd, people, random)
    return sorted(said, key=lambda piece: (piece.at, piece.person, piece.face))


def by_night(pieces: Sequence[Piece], nights: int) -> list[list[Piece]]:
    """The pieces in `nights` equal portions, in the order of time."""
    ends = [len(pieces) * night // nights for night in range(nights + 1)]
    return [list(pieces[start:end]) for start, end in pairwise(ends)]


def _manner(crowd: Crowd, rank: float) -> Manner:
    if rank < crowd.careless:
        return "careless"
    return "troll" if rank < crowd.careless + crowd.trolls else "honest"


def _said(manner: Manner, drawn: int, chance: float) -> int:
    if manner == "troll":
        return EMOTIONS.index("angry")
    return int(chance * len(EMOTIONS)) if manner == "careless" else drawn


def _shown(faces: int, habits: Habits, random: np.random.Generator) -> Iterator[tuple[int, int]]:
    """Faces in random order, each with how many people see it."""
    least, most = habits.viewers
    for face in random.permutation(faces):
        shared = random.random() < habits.shared
        yield int(face), int(random.integers(least, most + 1)) if shared else 1


def _ring(blends: Array, crowd: Crowd, people: int, random: np.random.Generator) -> list[Piece]:
    """Three accounts at a time about the same face that is read as happy; as much as others say."""
    if not crowd.ring:
        return []
    habits = crowd.habits
    happy, sad = EMOTIONS.index("happy"), EMOTIONS.index("sad")
    targets = random.permutation(np.flatnonzero(blends.argmax(axis=1) == happy))
    each = (habits.least + habits.most) // 2
    said = []
    for place, face in enumerate(targets[: crowd.ring * each // 3]):
        for other in range(3):
            member = people + 1 + (3 * place + other) % crowd.ring
            at = _moment(int(random.integers(habits.days)), random)
            said.append(Piece(member, int(face), False, sad, at, "ring"))
    return said


def _moment(day: int, random: np.random.Generator) -> datetime:
    """Some time between 8 and 24 o'clock."""
    return FIRST_DAY + timedelta(days=day, hours=8, seconds=int(random.integers(16 * 3600)))
