"""Which conditions `benchmarks.robustness` reads faces under, and how strong each is."""

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np

from benchmarks import corruptions
from benchmarks.corruptions import Image
from benchmarks.scenes import Scene, scene_of
from fer_model.geometry import Square

FACE_SIDE: Final = 48

Change = Callable[[Image, Square, float, np.random.Generator], Image]
"""An image, the face in it, the strength, a generator: the image changed."""


@dataclass(frozen=True)
class Family:
    """One corruption at several strengths.

    Attributes:
        name: For people.
        unit: What a strength counts.
        strengths: From the mildest on.
        change: What it does; lengths are in px of a 48 px face, however large it is.
        inherent: Whether it exists only on a cut-out face, since a photo's face is cut out anew.
    """

    name: str
    unit: str
    strengths: tuple[float, ...]
    change: Change
    inherent: bool = False


def _px(face: Square) -> float:
    """Px of the image per px of a 48 px face."""
    return face.side / FACE_SIDE


def _either(random: np.random.Generator) -> float:
    return 1.0 if random.random() < 0.5 else -1.0


FAMILIES: Final = (
    Family(
        "blur",
        "σ, px of 48",
        (0.5, 1, 1.5, 2),
        lambda image, face, sigma, _: corruptions.blurred(image, sigma * _px(face)),
    ),
    Family(
        "JPEG",
        "quality",
        (40, 20, 10, 5),
        lambda image, _, quality, __: corruptions.compressed(image, round(quality)),
    ),
    Family(
        "darkness, gamma",
        "exponent",
        (1.5, 2, 3, 4),
        lambda image, _, gamma, __: corruptions.darkened(image, gamma),
    ),
    Family(
        "darkness, exposure",
        "times the light",
        (0.5, 0.25, 0.12, 0.06),
        lambda image, _, light, __: corruptions.exposed(image, light),
    ),
    Family(
        "overexposure",
        "times the light",
        (1.5, 2, 3),
        lambda image, _, light, __: corruptions.exposed(image, light),
    ),
    Family(
        "low contrast",
        "times the contrast",
        (0.5, 0.25, 0.12, 0.06),
        lambda image, _, contrast, __: corruptions.flattened(image, contrast),
    ),
    Family(
        "sensor noise",
        "σ, levels at middle grey",
        (5, 10, 20, 40),
        lambda image, _, sigma, random: corruptions.noisy(image, sigma, random),
    ),
    Family(
        "rotation",
        "degrees to either side",
        (10, 20, 30),
        lambda image, _, degrees, random: corruptions.turned(image, degrees * _either(random)),
        inherent=True,
    ),
    Family(
        "framing",
        "times the size",
        (0.8, 0.9, 1.15, 1.3),
        lambda image, _, times, __: corruptions.zoomed(image, times),
        inherent=True,
    ),
    Family(
        "low resolution",
        "px of the face",
        (24, 16, 12),
        lambda image, _, side, __: corruptions.coarse(image, round(side)),
        inherent=True,
    ),
    Family(
        "sunglasses",
        "lens height, share of the side",
        (0.14, 0.2, 0.26),
        lambda image, face, height, _: corruptions.sunglasses(image, face, height),
    ),
    Family(
        "mask over the mouth",
        "its upper edge, share of the side",
        (0.7, 0.62, 0.55),
        lambda image, face, top, _: corruptions.mask(image, face, top),
    ),
    Family(
        "hand",
        "width, share of the side",
        (0.25, 0.35, 0.45),
        corruptions.hand,
    ),
)


@dataclass(frozen=True)
class Direct:
    """A cut-out face under one corruption; without a family, as it is."""

    family: Family | None = None
    strength: float = 0.0

    @property
    def name(self) -> str:
        """For people and for the seed."""
        return f"{self.family.name} {self.strength:g}" if self.family else "clean"

    def of(self, face: Image, number: int, seed: int) -> Image:
        """The face `number`, grey (48, 48), under this condition."""
        if self.family is None:
            return face
        whole = Square(FACE_SIDE / 2, FACE_SIDE / 2, FACE_SIDE)
        random = _generator(seed, self.name, number)
        return self.family.change(face, whole, self.strength, random)


@dataclass(frozen=True)
class InPhoto:
    """A face pasted into a photo, which then goes through the whole pipeline.

    Attributes:
        side: Of the face in the photo, px.
        degrees: By which it is turned, to either side.
        family: What happens to the photo after that.
        strength: Of the family.
        quality: Of the JPEG file.
    """

    side: int = 192
    degrees: float = 0.0
    family: Family | None = None
    strength: float = 0.0
    quality: int = 85

    @property
    def name(self) -> str:
        """For people and for the seed."""
        parts = [f"{self.side} px"]
        if self.degrees:
            parts.append(f"turned {self.degrees:g}°")
        if self.family:
            parts.append(f"{self.family.name} {self.strength:g}")
        if self.quality != InPhoto.quality:
            parts.append(f"JPEG {self.quality}")
        return ", ".join(parts)

    def scene(self, face: Image, number: int, seed: int) -> Scene:
        """The photo of the face `number`, grey (48, 48), before it becomes a file.

        Where a face stands depends on its number and size alone, so that conditions compare.
        """
        place = _generator(seed, f"{self.side} px", number)
        scene = scene_of(face, self.side, self.degrees * _either(place), place)
        if self.family is None:
            return scene
        random = _generator(seed, self.name, number)
        return Scene(self.family.change(scene.image, scene.face, self.strength, random), scene.face)

    def file(self, scene: Scene) -> bytes:
        """The photo as people send it."""
        return corruptions.jpeg(scene.image, self.quality)


def direct_conditions() -> list[Direct]:
    """The clean face first, then every family at every strength."""
    return [Direct(), *(Direct(family, s) for family in FAMILIES for s in family.strengths)]


def photo_conditions() -> list[InPhoto]:
    """Sizes, rotations, files, then corruptions of a photo whose face is 192 px wide."""
    named = {family.name: family for family in FAMILIES}
    return [
        *(InPhoto(side) for side in (384, 192, 96, 48, 36)),
        *(InPhoto(degrees=degrees) for degrees in (15, 30, 45)),
        *(InPhoto(96, quality=quality) for quality in (30, 10)),
        *(
            InPhoto(family=named[name], strength=strength)
            for name, strength in (
                ("blur", 1.5),
                ("darkness, gamma", 3.0),
                ("darkness, exposure", 0.12),
                ("darkness, exposure", 0.06),
                ("low contrast", 0.12),
                ("sensor noise", 40.0),
                ("sunglasses", 0.2),
                ("mask over the mouth", 0.62),
                ("hand", 0.35),
            )
        ),
    ]


def _generator(seed: int, name: str, number: int) -> np.random.Generator:
    return np.random.default_rng([seed, zlib.crc32(name.encode()), number])
