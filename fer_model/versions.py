"""Model versions: immutable directories, each named by the digest of what is in it.

    <digest>/
        vgg19.safetensors      one file per ensemble member
        resnet50.safetensors
        version.json           everything else: see `VersionMetadata`

Written beside its place, fsynced and renamed, so that a version is either whole or not there.
Never pickle: nothing in a version is executed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Final, Literal, get_args

from fer_model.blend import Calibrations
from fer_model.networks import Architecture, FaceNetwork

FORMAT: Final = 1
"""Number of the layout above; a version of another number is refused."""

Precision = Literal["int8", "fp16", "fp32"]
PRECISIONS: Final[tuple[Precision, ...]] = get_args(Precision)

SHORT_DIGEST: Final = 12
"""Hex digits of a digest that are shown to people."""


@dataclass(frozen=True)
class Member:
    """One ensemble member as trained: its network and the side of its input in px."""

    network: FaceNetwork
    side: int


@dataclass(frozen=True, slots=True)
class MemberRecord:
    """What a version says about one of its members."""

    architecture: Architecture
    side: int
    precision: Precision


@dataclass(frozen=True, slots=True)
class VersionMetadata:
    """What a version knows about itself beside its weights.

    Attributes:
        calibrations: Both heads' calibrations, members in the order in which they are written.
        created_at: With a time zone.
        flip_average: Whether a face's logits are the mean of it and its mirror image.
        figures: What was measured on it, by name ("publictest.crowd_majority").
        parent: Digest of the version that it was trained from.
        feedback: Ids of the feedback that it was trained on.
    """

    calibrations: Calibrations
    created_at: datetime
    flip_average: bool = True
    figures: Mapping[str, float] = field(default_factory=dict)
    parent: str | None = None
    feedback: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class ModelVersion:
    """A version on disk that was found whole.

    Attributes:
        path: Its directory.
        digest: Its name: 64 hex digits, SHA-256 of its content.
        members: In the order of the calibrations.
        metadata: What it knows about itself.
    """

    path: Path
    digest: str
    members: tuple[MemberRecord, ...]
    metadata: VersionMetadata

    @property
    def short(self) -> str:
        """The digest as people are shown it."""
        return self.digest[:SHORT_DIGEST]


def write_version(
    folder: Path,
    members: Sequence[Member],
    metadata: VersionMetadata,
    precision: Precision = "fp16",
) -> ModelVersion:
    """A new version in `folder`, durable and whole when this returns.

    The same content written twice is the same version: the second call finds the first.

    Raises:
        ValueError: No members, two of one architecture, calibrations for another number of
            members, or weights that are not finite.
    """
    raise NotImplementedError


def read_version(path: Path) -> ModelVersion:
    """The version at `path`, its digest, format, label order and shapes checked.

    Raises:
        VersionRefused: It cannot serve; see `fer_model.errors` for which and why.
    """
    raise NotImplementedError


def load_members(version: ModelVersion) -> list[Member]:
    """The version's members in float32 on the CPU, in evaluation mode.

    Raises:
        VersionRefused: A file changed since the version was read.
    """
    raise NotImplementedError


def shipped_version() -> Path:
    """Directory of the version that this package ships.

    Raises:
        VersionMissing: The package was installed without its weights.
    """
    raise NotImplementedError
