"""A stand-in for the model, which needs no torch, and the readings that it answers."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from fer_model import Blend, Box, Face, Reading

VERSION = "f" * 64
LANDMARKS = ((40.0, 50.0), (60.0, 50.0), (50.0, 60.0), (42.0, 70.0), (58.0, 70.0))
# "Of ten people, about 6 would say happy, 3 neutral, 1 surprised."
HAPPY = (0.0, 0.0, 0.0, 0.6, 0.0, 0.1, 0.3)


def face(number: int, crowd: Sequence[float] = HAPPY, differing: tuple[str, ...] = ()) -> Face:
    """A face as `fer_model` reads it; the number also says where in the image it is."""
    left = 100 * (number - 1) + 20
    return Face(
        number=number,
        box=Box(left, 20, left + 60, 90),
        landmarks=tuple((x + left - 20, y) for x, y in LANDMARKS),
        score=0.95,
        blend=Blend(tuple(crowd), tuple(crowd), differing=differing),
    )


def reading(*crowds: Sequence[float], version: str = VERSION) -> Reading:
    """A photo's reading with a face per blend; one happy face if none is given."""
    faces = tuple(face(number, crowd) for number, crowd in enumerate(crowds or (HAPPY,), start=1))
    return Reading(faces, (), width=100 * len(faces) + 40, height=120, version=version)


@dataclass
class FakeRecognizer:
    """A recognizer that answers what it was told to, and remembers what it was asked.

    Attributes:
        answer: A reading, an error to raise, or a function of the photo's bytes that gives either.
        photos: The photos that were read.
        seconds: How long a reading takes.
        engines: What was swapped in.
    """

    answer: Reading | Exception | Callable[[bytes], Reading | Exception] = field(
        default_factory=reading
    )
    version: str = VERSION
    seconds: float = 0.0
    photos: list[bytes] = field(default_factory=list)
    engines: list[Any] = field(default_factory=list)

    async def read(self, photo: bytes) -> Reading:
        self.photos.append(photo)
        await asyncio.sleep(self.seconds)
        answer = self.answer(photo) if callable(self.answer) else self.answer
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def swap(self, engine: Any) -> None:
        self.engines.append(engine)
        self.version = engine.version.digest
