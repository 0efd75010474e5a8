"""The engine: photos in, readings out. Loaded once, used from any thread."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fer_model.alignment import CROP_SIDE, face_crop
from fer_model.blend import blends
from fer_model.decoding import Photo, decode_photo
from fer_model.detection import Detector, FoundFaces
from fer_model.emotions import EMOTION_COUNT
from fer_model.errors import DeviceUnavailable, EngineClosed, FerModelError
from fer_model.networks import Logits, network_input
from fer_model.readings import Blend, Face, Reading
from fer_model.runtimes import Runner, Runtime, chosen_runtime, made_ready
from fer_model.versions import Member, ModelVersion, load_members, read_version, shipped_version

Device = Literal["cpu", "cuda", "auto"]

BATCH: Final = 64
"""Faces that go through a network at once, mirrored ones counted: bounds memory, and more is not
faster."""


@dataclass(frozen=True, slots=True)
class MemberLogits:
    """Every member's logits, each (M, N, 7), float32."""

    crowd: NDArray[np.float32]
    label: NDArray[np.float32]


@dataclass(frozen=True)
class _ReadyMember:
    """A member as a runtime made it ready, and the side of its input in px."""

    run: Runner
    side: int


@dataclass(frozen=True)
class Located:
    """A photo's faces before they are blended.

    Attributes:
        found: Where they are.
        crops: Their crops, uint8 (N, S, S, 3), in the same order.
        width: Of the image, px.
        height: Likewise.
    """

    found: FoundFaces
    crops: NDArray[np.uint8]
    width: int
    height: int


class Engine:
    """A loaded model version with its face detector; thread-safe. Made by `Engine.load`.

    Attributes:
        version: The model version that it answers with.
        device: Where the networks run.
        runtime: What runs them; never "auto".
    """

    def __init__(
        self,
        version: ModelVersion,
        members: Sequence[Member],
        device: str,
        runtime: Runtime = "auto",
    ) -> None:
        self.version = version
        self.device = torch.device(device)
        self.runtime = chosen_runtime(runtime, self.device)
        self._members = [
            _ReadyMember(
                made_ready(member.network, member.side, self.runtime, self.device), member.side
            )
            for member in members
        ]
        self._detector = Detector()
        self._closing = threading.Lock()

    @classmethod
    def load(
        cls,
        version: Path | None = None,
        device: Device = "cpu",
        threads: int | None = None,
        runtime: Runtime = "auto",
    ) -> Self:
        """An engine of the version at `version`; of the shipped one if there is none.

        Args:
            version: A model version's directory.
            device: "auto" takes CUDA where it is there.
            threads: How many threads torch may use, in this whole process; None leaves it.
            runtime: What runs the networks; see `fer_model.runtimes`.

        Raises:
            VersionRefused: The version cannot serve.
            DetectorMissing: The face detector's weights are not installed.
            DeviceUnavailable: No such device.
            RuntimeUnavailable: The runtime is not installed, or not for this machine.
        """
        chosen = _device(device)
        chosen_runtime(runtime, torch.device(chosen))
        if threads is not None:
            torch.set_num_threads(threads)
        checked = read_version(version if version is not None else shipped_version())
        return cls(checked, load_members(checked), chosen, runtime)

    def read(self, photo: Photo) -> Reading:
        """One photo's faces, each with its blend.

        Raises:
            PhotoRefused: The photo cannot be read; see `fer_model.errors` for why.
        """
        located = self.locate(photo)
        return self.reading(located, self.blend(located.crops))

    def read_many(self, photos: Sequence[Photo]) -> list[Reading | FerModelError]:
        """A reading per photo, or why it has none; the faces of all are blended together."""
        located: list[Located | FerModelError] = []
        for photo in photos:
            try:
                located.append(self.locate(photo))
            except FerModelError as error:
                located.append(error)
        crops = [item.crops for item in located if isinstance(item, Located)]
        answers = iter(self.blend(np.concatenate(crops)) if crops else [])
        return [
            self.reading(item, [next(answers) for _ in item.crops])
            if isinstance(item, Located)
            else item
            for item in located
        ]

    def locate(self, photo: Photo) -> Located:
        """The photo decoded, its faces found and cut out: all that needs no network of ours.

        Raises:
            PhotoRefused: The photo cannot be read.
        """
        image = decode_photo(photo)
        found = self._detector.find(image)
        crops = np.zeros((len(found.faces), CROP_SIDE, CROP_SIDE, 3), np.uint8)
        for crop, face in zip(crops, found.faces, strict=True):
            crop[:] = face_crop(image, face.landmarks)
        return Located(found, crops, width=image.shape[1], height=image.shape[0])

    def reading(self, located: Located, answers: Sequence[Blend]) -> Reading:
        """The reading of a located photo with the blends of its crops."""
        faces = tuple(
            Face(number, face.box, face.landmarks, face.score, blend)
            for number, (face, blend) in enumerate(
                zip(located.found.faces, answers, strict=True), start=1
            )
        )
        return Reading(
            faces, located.found.too_small, located.width, located.height, self.version.digest
        )

    def blend(self, crops: NDArray[np.uint8]) -> list[Blend]:
        """A blend per face crop, uint8 (N, S, S, 3) or grey (N, S, S)."""
        logits = self.logits(crops)
        return blends(logits.crowd, logits.label, self.version.metadata.calibrations)

    def logits(self, crops: NDArray[np.uint8]) -> MemberLogits:
        """The members' logits of face crops, uint8 (N, S, S, 3) or grey (N, S, S).

        Raises:
            ValueError: Not such crops.
            EngineClosed: The engine was closed.
        """
        with self._closing:
            members = list(self._members)
        if not members:
            raise EngineClosed
        if crops.dtype != np.uint8 or not (
            crops.ndim == 3 or (crops.ndim == 4 and crops.shape[3] == 3)
        ):
            raise ValueError(f"crops are uint8 (N, S, S, 3) or (N, S, S), not {crops.shape}")
        answers = [self._member_logits(member, crops) for member in members]
        return MemberLogits(
            np.stack([crowd for crowd, _ in answers]), np.stack([label for _, label in answers])
        )

    def warm_up(self) -> None:
        """Runs everything once, so that the first photo does not wait for lazy set-up."""
        self._detector.find(np.zeros((480, 640, 3), np.uint8))
        self.blend(np.zeros((1, CROP_SIDE, CROP_SIDE, 3), np.uint8))

    def close(self) -> None:
        """Lets go of the weights; later calls raise `EngineClosed`, calls under way finish."""
        with self._closing:
            self._members = []

    def _member_logits(
        self, member: _ReadyMember, crops: NDArray[np.uint8]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        size = BATCH // (2 if self.version.metadata.flip_average else 1)
        parts = [
            self._batch_logits(member, crops[start : start + size])
            for start in range(0, len(crops), size)
        ]
        if not parts:
            nothing = np.zeros((0, EMOTION_COUNT), np.float32)
            return nothing, nothing
        crowd, label = (
            torch.cat(heads).float().cpu().numpy() for heads in zip(*parts, strict=True)
        )
        return crowd, label

    @torch.inference_mode()
    def _batch_logits(self, member: _ReadyMember, crops: NDArray[np.uint8]) -> Logits:
        batch = torch.from_numpy(np.ascontiguousarray(crops)).to(self.device)
        planes = batch.unsqueeze(1) if batch.ndim == 3 else batch.permute(0, 3, 1, 2)
        views = _views(network_input(planes, member.side), self.version.metadata.flip_average)
        seen = member.run(torch.cat(views))  # together: one face is two, which is faster than twice
        shape = (len(views), len(batch), EMOTION_COUNT)
        return Logits(seen.crowd.view(shape).mean(0), seen.label.view(shape).mean(0))


def _views(faces: Tensor, flip: bool) -> list[Tensor]:
    """What is averaged for each face, each (N, 3, S, S), the face as it is first."""
    return [faces, faces.flip(-1)] if flip else [faces]


def _device(asked: Device) -> str:
    if asked == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if asked == "cpu" or (asked == "cuda" and torch.cuda.is_available()):
        return asked
    raise DeviceUnavailable(asked)
