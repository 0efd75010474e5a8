"""What comes out: a photo's reading, its faces, and each face's blend. Plain values, no torch."""

import math
from dataclasses import dataclass
from typing import Final, NamedTuple

from fer_model.emotions import EMOTION_COUNT, EMOTIONS

PEOPLE: Final = 10
"""How many people a blend is told in: "of ten people, about 6 would say happy"."""

Landmarks = tuple[tuple[float, float], ...]
"""Five points, x then y, px of the image: the eye on the image's left, the eye on its right, the
nose tip, the left and the right corner of the mouth."""


class Box(NamedTuple):
    """A face's place in px of the image, inside it; `right` and `bottom` are exclusive."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def width(self) -> int:
        """Width in px."""
        return self.right - self.left

    @property
    def height(self) -> int:
        """Height in px."""
        return self.bottom - self.top


@dataclass(frozen=True, slots=True)
class Blend:
    """What the ensemble answers for one face.

    Attributes:
        crowd: Share of people who would name each emotion, in the order of `EMOTIONS`; sums to 1.
        label: Probability of each emotion as FER2013's label; sums to 1.
        disagreement: How far apart the members' crowd answers are, 0 (the same) to 1.
        differing: The emotion that each member says most people would name, where these are not the
            same and the disagreement is large enough to be told; else empty.
    """

    crowd: tuple[float, ...]
    label: tuple[float, ...]
    disagreement: float = 0.0
    differing: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for row in (self.crowd, self.label):
            if len(row) != EMOTION_COUNT or not math.isclose(sum(row), 1.0, abs_tol=1e-4):
                raise ValueError(f"not {EMOTION_COUNT} shares that sum to 1: {row}")

    def of_ten(self) -> tuple[int, ...]:
        """How many of ten people would name each emotion: seven whole numbers that sum to ten.

        Source: the largest-remainder method (Hamilton); ties go to the larger share, then to the
        earlier emotion.
        """
        quotas = [share * PEOPLE for share in self.crowd]
        people = [math.floor(quota) for quota in quotas]
        by_remainder = sorted(
            range(EMOTION_COUNT),
            key=lambda i: (people[i] - quotas[i], -quotas[i], i),
        )
        for i in by_remainder[: PEOPLE - sum(people)]:
            people[i] += 1
        return tuple(people)

    @property
    def top(self) -> str:
        """The emotion that most people would name."""
        return EMOTIONS[self.crowd.index(max(self.crowd))]

    @property
    def confidence(self) -> float:
        """The share of people who would name `top`."""
        return max(self.crowd)


@dataclass(frozen=True, slots=True)
class Face:
    """One face of a photo.

    Attributes:
        number: From 1, left to right.
        box: Where it is.
        landmarks: Its five points.
        score: The detector's confidence that this is a face, 0 to 1.
        blend: What its expression is.
    """

    number: int
    box: Box
    landmarks: Landmarks
    score: float
    blend: Blend


@dataclass(frozen=True, slots=True)
class Reading:
    """One photo's result.

    No face at all: `faces` and `too_small` are both empty. Only faces too small to read: `faces`
    is empty and `too_small` is not.

    Attributes:
        faces: Left to right.
        too_small: Boxes of faces that were seen but are too small to read.
        width: Of the image as decoded, in px; boxes and landmarks are in these.
        height: Likewise.
        version: Digest of the model version that answered.
    """

    faces: tuple[Face, ...]
    too_small: tuple[Box, ...]
    width: int
    height: int
    version: str
