"""The engine: photos in, readings out. Loaded once, used from any thread."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray

from fer_model.decoding import Photo
from fer_model.errors import FerModelError
from fer_model.readings import Blend, Reading
from fer_model.versions import ModelVersion

Device = Literal["cpu", "cuda", "auto"]


@dataclass(frozen=True, slots=True)
class MemberLogits:
    """Every member's logits, each (M, N, 7), float32."""

    crowd: NDArray[np.float32]
    label: NDArray[np.float32]


class Engine:
    """A loaded model version with its face detector; thread-safe."""

    version: ModelVersion

    @classmethod
    def load(
        cls, version: Path | None = None, device: Device = "cpu", threads: int | None = None
    ) -> Self:
        """An engine of the version at `version`; of the shipped one if there is none.

        Args:
            version: A model version's directory.
            device: "auto" takes CUDA where it is there.
            threads: How many threads torch may use, in this whole process; None leaves it.

        Raises:
            VersionRefused: The version cannot serve.
            DetectorMissing: The face detector's weights are not installed.
            DeviceUnavailable: No such device.
        """
        raise NotImplementedError

    def read(self, photo: Photo) -> Reading:
        """One photo's faces, each with its blend.

        Raises:
            PhotoRefused: The photo cannot be read; see `fer_model.errors` for why.
        """
        raise NotImplementedError

    def read_many(self, photos: Sequence[Photo]) -> list[Reading | FerModelError]:
        """A reading per photo, or why it has none; the faces of all are blended together."""
        raise NotImplementedError

    def blend(self, crops: NDArray[np.uint8]) -> list[Blend]:
        """A blend per face crop, uint8 (N, S, S, 3) or grey (N, S, S)."""
        raise NotImplementedError

    def logits(self, crops: NDArray[np.uint8]) -> MemberLogits:
        """The members' logits of face crops, uint8 (N, S, S, 3) or grey (N, S, S)."""
        raise NotImplementedError

    def warm_up(self) -> None:
        """Runs everything once, so that the first photo does not wait for lazy set-up."""
        raise NotImplementedError

    def close(self) -> None:
        """Lets go of the weights; later calls raise `EngineClosed`."""
        raise NotImplementedError
