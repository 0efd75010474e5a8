"""Model versions: immutable directories, each named by the digest of what is in it.

    <digest>/
        vgg19.safetensors      one file per ensemble member
        resnet50.safetensors
        version.json           everything else: see `VersionMetadata`

Written beside its place, fsynced and renamed, so that a version is either whole or not there.
Never pickle: nothing in a version is executed.
"""

import contextlib
import hashlib
import json
import math
import os
import shutil
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Final, Literal, get_args

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from fer_model.blend import DIFFER_FROM, Calibration, Calibrations
from fer_model.emotions import EMOTIONS
from fer_model.errors import (
    LabelOrderMismatch,
    VersionDamaged,
    VersionFormatUnknown,
    VersionMissing,
)
from fer_model.networks import ARCHITECTURES, STEMS, Architecture, FaceNetwork, Stem

DOCUMENT: Final = "version.json"

FORMAT: Final = 2
"""Number of the layout above as it is written. Format 2 may give a member another stem and a
calibration an exchange: a program that does not know of them would answer something else."""

_READABLE: Final = (1, FORMAT)
"""Formats that are read; a version of another is refused."""

Precision = Literal["int8", "fp16", "fp32"]
PRECISIONS: Final[tuple[Precision, ...]] = get_args(Precision)

SHORT_DIGEST: Final = 12
"""Hex digits of a digest that are shown to people."""

_PARTIAL: Final = ".partial-"
_DELETED: Final = ".deleted-"
_DRAFT: Final = ".draft-"
_LEFT_AFTER_S: Final = {_PARTIAL: 3600.0, _DELETED: 3600.0, _DRAFT: 24 * 3600.0}
"""Writing and deleting take seconds, judging a draft takes minutes: what is older was left behind
by a process that was killed."""

_SCALE: Final = ".scale"
_INT8_MOST: Final = 127
_CLIPPINGS: Final = (1.0, 0.95, 0.9, 0.85, 0.8, 0.75, 0.7)


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
    stem: Stem = "original"


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
            members, figures or weights that are not finite, or a time without its zone.
    """
    _check(members, metadata)
    records = tuple(
        MemberRecord(m.network.architecture, m.side, precision, m.network.stem) for m in members
    )
    folder.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix=_PARTIAL, dir=folder))
    try:
        for member in members:
            tensors = packed(member.network.state_dict(), precision)
            save_file(tensors, partial / f"{member.network.architecture}.safetensors")
        document = json.dumps(
            _to_json(records, metadata), indent=1, sort_keys=True, allow_nan=False
        )
        (partial / DOCUMENT).write_text(document + "\n", encoding="utf-8")
        for file in partial.iterdir():
            file.chmod(0o644)
            _sync(file)
        partial.chmod(0o755)
        _sync(partial)
        path = folder / _digest(partial)
        try:
            partial.rename(path)
        except OSError:
            if not path.is_dir():
                raise
        _sync(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)  # gone where it was renamed
    return read_version(path)


def draft_folder(folder: Path) -> Path:
    """A new hidden place in `folder`, for a version that nobody is to find there yet."""
    folder.mkdir(parents=True, exist_ok=True)
    return Path(tempfile.mkdtemp(prefix=_DRAFT, dir=folder))


def publish_version(version: ModelVersion, folder: Path) -> ModelVersion:
    """The version, moved out of its draft folder into `folder` in one step, and durable there."""
    path = folder.resolve() / version.digest
    try:
        version.path.rename(path)
    except OSError:
        if not path.is_dir():
            raise
    _sync(folder)
    shutil.rmtree(version.path.parent, ignore_errors=True)
    return replace(version, path=path)


def delete_version(path: Path) -> None:
    """Deletes a version's directory; it is never there in part, whenever the process dies.

    It loses its name first; what a crash leaves of it then is for `remove_unfinished`.
    """
    hidden = Path(tempfile.mkdtemp(prefix=_DELETED, dir=path.parent))
    path.rename(hidden)  # takes the empty directory's place, in one step
    _sync(path.parent)
    shutil.rmtree(hidden, ignore_errors=True)


def remove_unfinished(folder: Path) -> int:
    """Removes what killed processes have left half-written or half-deleted; returns how much.

    No such thing is ever loadable.
    """
    removed = 0
    for prefix, after in _LEFT_AFTER_S.items():
        for left in folder.glob(f"{prefix}*"):
            with contextlib.suppress(OSError):
                if time.time() - left.stat().st_mtime > after:
                    shutil.rmtree(left)
                    removed += 1
    return removed


def read_version(path: Path) -> ModelVersion:
    """The version at `path`, its digest, format, label order and shapes checked.

    Raises:
        VersionRefused: It cannot serve; see `fer_model.errors` for which and why.
    """
    path = path.resolve()
    if not path.is_dir():
        raise VersionMissing(path)
    if not (path / DOCUMENT).is_file():
        raise VersionMissing(path, f"no {DOCUMENT} in it")
    if _digest(path) != path.name:
        raise VersionDamaged(path, "its content does not match its name")
    try:
        document = json.loads((path / DOCUMENT).read_text(encoding="utf-8"))
        found, labels = document["format"], document["labels"]
        if found not in _READABLE:
            raise VersionFormatUnknown(path, found, FORMAT)
        if tuple(labels) != EMOTIONS:
            raise LabelOrderMismatch(path, tuple(labels))
        version = _from_json(path, document)
        for member in version.members:
            _check_shapes(version, member)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, SafetensorError) as error:
        raise VersionDamaged(path, f"{type(error).__name__}: {error}") from error
    return version


def load_members(version: ModelVersion) -> list[Member]:
    """The version's members in float32 on the CPU, in evaluation mode.

    Raises:
        VersionRefused: A file changed since the version was read.
    """
    return [_load(version, record) for record in version.members]


def shipped_version() -> Path:
    """Directory of the version that this package ships.

    Raises:
        VersionMissing: The package was installed without its weights.
    """
    folder = Path(__file__).parent / "weights"
    shipped = sorted(path.parent for path in folder.glob(f"*/{DOCUMENT}"))
    if len(shipped) != 1:
        raise VersionMissing(folder, f"{len(shipped)} shipped model versions instead of one")
    return shipped[0]


def packed(state: Mapping[str, Tensor], precision: Precision) -> dict[str, Tensor]:
    """A network's state as it is stored.

    Convolutions and heads take the precision; what is small or spans many magnitudes (biases,
    batch normalisation) stays in float32. "int8" means one float32 scale per output channel,
    beside the weight as `<key>.scale`, symmetric around zero.

    Raises:
        ValueError: A weight is not finite, or not in float16's range.
    """
    tensors: dict[str, Tensor] = {}
    for key, value in state.items():
        weight = value.detach().cpu().contiguous()
        if weight.is_floating_point() and not bool(weight.isfinite().all()):
            raise ValueError(f"{key} is not finite")
        if weight.ndim < 2 or precision == "fp32":
            tensors[key] = weight
        elif precision == "fp16":
            tensors[key] = weight.half()
            if not bool(tensors[key].isfinite().all()):
                raise ValueError(f"{key} does not fit into float16")
        else:
            tensors[key], tensors[key + _SCALE] = _quantised(weight.float())
    return tensors


def unpacked(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A network's float32 state, back from what `packed` returned."""
    state: dict[str, Tensor] = {}
    for key, value in tensors.items():
        if key.endswith(_SCALE):
            continue
        if value.dtype == torch.int8:
            scale = tensors[key + _SCALE]
            state[key] = value.float() * scale.view(-1, *(1,) * (value.ndim - 1))
        else:
            state[key] = value.float() if value.is_floating_point() else value
    return state


def _quantised(weight: Tensor) -> tuple[Tensor, Tensor]:
    """Int8 weights and their scale per output channel, with the least squared error.

    Clipping a channel's few largest weights a little makes all others finer: of a handful of
    clippings each channel takes its best.
    """
    flat = weight.flatten(1)
    largest = flat.abs().amax(dim=1).clamp_min(torch.finfo(torch.float32).tiny * 128)
    best_scale = largest / _INT8_MOST
    best_error = torch.full_like(largest, float("inf"))
    for share in _CLIPPINGS:
        scale = largest * share / _INT8_MOST
        rounded = (flat / scale[:, None]).round().clamp(-_INT8_MOST, _INT8_MOST)
        error = (rounded * scale[:, None] - flat).square().sum(dim=1)
        better = error < best_error
        best_scale = torch.where(better, scale, best_scale)
        best_error = torch.where(better, error, best_error)
    rounded = (flat / best_scale[:, None]).round().clamp(-_INT8_MOST, _INT8_MOST)
    return rounded.to(torch.int8).view_as(weight), best_scale


def _load(version: ModelVersion, record: MemberRecord) -> Member:
    try:
        state = unpacked(load_file(version.path / f"{record.architecture}.safetensors"))
        with torch.device("meta"):  # no memory and no random numbers for what is replaced
            network = FaceNetwork(record.architecture, stem=record.stem)
        network.load_state_dict(state, assign=True)
    except FileNotFoundError as error:
        raise VersionMissing(version.path, f"no {record.architecture}.safetensors in it") from error
    except (OSError, RuntimeError, KeyError, SafetensorError) as error:
        raise VersionDamaged(version.path, f"{record.architecture}: {error}") from error
    return Member(network.eval(), record.side)


def _check_shapes(version: ModelVersion, record: MemberRecord) -> None:
    with torch.device("meta"):
        expected = {
            k: list(v.shape) for k, v in FaceNetwork(record.architecture).state_dict().items()
        }
    with safe_open(version.path / f"{record.architecture}.safetensors", "pt") as file:
        found = {
            key: list(file.get_slice(key).get_shape())
            for key in file.keys()  # noqa: SIM118  no mapping
            if not key.endswith(_SCALE)
        }
    wrong = [key for key in expected.keys() | found.keys() if expected.get(key) != found.get(key)]
    if wrong:
        raise ValueError(f"{record.architecture} has other weights: {min(wrong)}")


def _check(members: Sequence[Member], metadata: VersionMetadata) -> None:
    architectures = [member.network.architecture for member in members]
    if not members or len(set(architectures)) != len(members):
        raise ValueError(f"a version has one member per architecture, not {architectures}")
    for calibration in (metadata.calibrations.crowd, metadata.calibrations.label):
        if len(calibration.weights) != len(members):
            raise ValueError(f"{len(calibration.weights)} weights for {len(members)} members")
    if metadata.created_at.tzinfo is None:
        raise ValueError("created_at has no time zone")
    if not all(math.isfinite(figure) for figure in metadata.figures.values()):
        raise ValueError("a figure is not finite")


def _to_json(records: Sequence[MemberRecord], metadata: VersionMetadata) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "labels": list(EMOTIONS),
        "members": [asdict(record) for record in records],
        "calibrations": asdict(metadata.calibrations),
        "flip_average": metadata.flip_average,
        "figures": dict(metadata.figures),
        "parent": metadata.parent,
        "feedback": list(metadata.feedback),
        "created_at": metadata.created_at.isoformat(),
    }


def _from_json(path: Path, document: Mapping[str, Any]) -> ModelVersion:
    members = tuple(
        MemberRecord(m["architecture"], int(m["side"]), m["precision"], m.get("stem", "original"))
        for m in document["members"]
    )
    for member in members:
        if member.architecture not in ARCHITECTURES or member.precision not in PRECISIONS:
            raise ValueError(f"unknown member {member}")
        if member.stem not in STEMS:  # a newer program's, say
            raise ValueError(f"unknown member {member}")
        if member.side < 1:
            raise ValueError(f"a side of {member.side} px")
    calibrations = document["calibrations"]
    metadata = VersionMetadata(
        calibrations=Calibrations(
            _calibration(calibrations["crowd"], len(members)),
            _calibration(calibrations["label"], len(members)),
            float(calibrations.get("differ_from", DIFFER_FROM)),
        ),
        created_at=datetime.fromisoformat(document["created_at"]),
        flip_average=bool(document["flip_average"]),
        figures=dict(document["figures"]),
        parent=document["parent"],
        feedback=tuple(document["feedback"]),
    )
    return ModelVersion(path, path.name, members, metadata)


def _calibration(values: Mapping[str, Any], members: int) -> Calibration:
    if len(values["weights"]) != members:
        raise ValueError("calibrated for another number of members")
    return Calibration(
        tuple(values["temperatures"]),
        tuple(values["weights"]),
        float(values["sharpness"]),
        tuple(values["biases"]),
        tuple(tuple(row) for row in values.get("exchange", ())),
    )


def _digest(path: Path) -> str:
    """SHA-256 over the directory's files: of each its name, its size and its content."""
    digest = hashlib.sha256()
    for file in sorted(p for p in path.iterdir() if p.suffix in (".json", ".safetensors")):
        digest.update(f"{file.name}\0{file.stat().st_size}\0".encode())
        with file.open("rb") as content:
            while block := content.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
