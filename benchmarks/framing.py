"""Where the eyes sit in a training face: measures `fer_model.alignment`'s numbers again.

    python -m benchmarks.framing DATASET [--faces 3000] [--sheet OUT.png]

DATASET is the folder with `train/<emotion>/*.jpg`, 48 px faces. Each is enlarged and given a
border, since YuNet needs some room around a face.
"""

import argparse
import random
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.scenes import bordered
from fer_model import alignment
from fer_model.alignment import face_crop, frame_of
from fer_model.detection import Detector
from fer_model.geometry import Square
from fer_model.readings import Landmarks

SIDE = 240
BORDER = 120


def main() -> None:
    """Prints the medians, and how far the crops' corners are from the true frame."""
    parser = argparse.ArgumentParser(description="Measures the framing of training faces.")
    parser.add_argument("dataset", type=Path)
    parser.add_argument("--faces", type=int, default=3000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--sheet", type=Path, help="write training faces above their crops")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    paths = sorted(options.dataset.glob("train/*/*.jpg"))
    random.Random(options.seed).shuffle(paths)
    detector = Detector()
    found: list[tuple[NDArray[np.uint8], Landmarks]] = []
    for path in paths[: options.faces]:
        image = enlarged(path)
        faces = detector.find(image).faces
        if len(faces) == 1:
            found.append((image, faces[0].landmarks))
    report([landmarks for _, landmarks in found], min(options.faces, len(paths)))
    if options.sheet:
        write_sheet(found[:12], options.sheet)


def enlarged(path: Path) -> NDArray[np.uint8]:
    """A training face of 240 px with 120 px of border, uint8 RGB (480, 480, 3)."""
    face = cv2.imread(str(path), cv2.IMREAD_COLOR_RGB)
    if face is None:
        raise SystemExit(f"{path} is no image")
    return bordered(np.asarray(face, np.uint8), SIDE, BORDER)


def report(landmarks: list[Landmarks], sought: int) -> None:
    """Prints what the constants of `fer_model.alignment` are and what they were found to be."""
    points = (np.asarray(landmarks) - BORDER) / SIDE  # (N, 5, 2), shares of the training face
    between = points[:, :2].mean(axis=1)
    measured = {
        "EYES_ACROSS": between[:, 0],
        "EYES_DOWN": between[:, 1],
        "EYE_DISTANCE": np.linalg.norm(points[:, 1] - points[:, 0], axis=1),
        "EYES_TO_MOUTH": np.linalg.norm(points[:, 3:].mean(axis=1) - between, axis=1),
    }
    print(f"{len(landmarks)} of {sought} training images show exactly one face")
    for name, values in measured.items():
        low, middle, high = np.percentile(values, [5, 50, 95])
        now = getattr(alignment, name)
        print(f"{name:14} median {middle:.3f} (5 % {low:.3f}, 95 % {high:.3f}), in use {now:.3f}")
    true = Square(BORDER + SIDE / 2, BORDER + SIDE / 2, SIDE)
    errors = [corner_error(frame_of(five), true) for five in landmarks]
    percentiles = ", ".join(f"{q} % {np.percentile(errors, q):.1f}" for q in (50, 95, 99))
    print(f"corners of the crop from the true frame, px of 48: {percentiles}")


def corner_error(frame: Square, true: Square) -> float:
    """Mean distance, in px of 48, of a frame's corners from those of the training face's own."""
    corners = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    apart = frame.to_image(corners, 1.0) - true.to_image(corners, 1.0)
    return float(np.hypot(apart[:, 0], apart[:, 1]).mean()) * 48 / true.side


def write_sheet(faces: list[tuple[NDArray[np.uint8], Landmarks]], out: Path) -> None:
    """A row of training faces above the row of their crops."""
    own = Square(BORDER + SIDE / 2, BORDER + SIDE / 2, SIDE)
    above = np.hstack([own.cut(image, 96) for image, _ in faces])
    below = np.hstack([face_crop(image, landmarks) for image, landmarks in faces])
    cv2.imwrite(str(out), cv2.cvtColor(np.vstack([above, below]), cv2.COLOR_RGB2BGR))


if __name__ == "__main__":
    main()
