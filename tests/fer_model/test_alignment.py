import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from fer_model.alignment import (
    CROP_SIDE,
    EYE_DISTANCE,
    EYES_ACROSS,
    EYES_DOWN,
    KEPT_SIDE,
    face_crop,
    face_of_kept,
    frame_of,
    kept_crop,
    lit,
)
from fer_model.decoding import decode_photo
from fer_model.detection import Detector
from fer_model.errors import NotAnImage, PhotoRefused
from fer_model.readings import Landmarks

Image = NDArray[np.uint8]


@pytest.fixture(scope="module")
def landmarks(astronaut: Image) -> Landmarks:
    (face,) = Detector().find(astronaut).faces
    return face.landmarks


def difference(one: Image, other: Image) -> float:
    return float(np.abs(one.astype(int) - other.astype(int)).mean())


def test_eyes_land_where_training_faces_have_them(astronaut: Image, landmarks: Landmarks) -> None:
    marked = astronaut.copy()
    for x, y in landmarks[:2]:
        cv2.circle(marked, (round(x), round(y)), 4, (255, 0, 255), -1)
    crop = face_crop(marked, landmarks, 200).astype(int)
    pink = (crop[..., 0] - crop[..., 1] > 150) & (crop[..., 2] - crop[..., 1] > 150)
    rows, columns = np.nonzero(pink)
    left, right = columns < 200 * EYES_ACROSS, columns >= 200 * EYES_ACROSS
    assert rows[left].mean() / 200 == pytest.approx(EYES_DOWN, abs=0.02)
    assert rows[right].mean() / 200 == pytest.approx(EYES_DOWN, abs=0.02)
    distance = (columns[right].mean() - columns[left].mean()) / 200
    assert distance == pytest.approx(EYE_DISTANCE, abs=0.03)


def test_crop_is_the_same_whatever_the_roll(astronaut: Image, landmarks: Landmarks) -> None:
    upright = face_crop(astronaut, landmarks)
    for degrees in (-45, -20, 30, 45):
        matrix = cv2.getRotationMatrix2D((256, 256), degrees, 1.0)
        turned = np.asarray(cv2.warpAffine(astronaut, matrix, (512, 512)), np.uint8)
        points = np.column_stack([landmarks, np.ones(5)]) @ matrix.T
        there = tuple((float(x), float(y)) for x, y in points)
        assert difference(face_crop(turned, there), upright) < 6


@pytest.mark.parametrize("times", [0.5, 2.0, 6.0])
def test_crop_is_the_same_whatever_the_size(
    times: float, astronaut: Image, landmarks: Landmarks
) -> None:
    side = round(512 * times)
    method = cv2.INTER_AREA if times < 1 else cv2.INTER_CUBIC
    resized = np.asarray(cv2.resize(astronaut, (side, side), interpolation=method), np.uint8)
    there = tuple((x * times, y * times) for x, y in landmarks)
    assert difference(face_crop(resized, there), face_crop(astronaut, landmarks)) < 6


def test_crop_has_the_asked_for_side(astronaut: Image, landmarks: Landmarks) -> None:
    for side in (CROP_SIDE, 96, 224):
        crop = face_crop(astronaut, landmarks, side)
        assert crop.shape == (side, side, 3)
        assert crop.dtype == np.uint8


def test_crop_is_as_sharp_as_a_face_brought_down_in_one_step(
    astronaut: Image, landmarks: Landmarks
) -> None:
    def sharpness(crop: Image) -> float:
        return float(cv2.Laplacian(cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY), cv2.CV_64F).std())

    frame = frame_of(landmarks)
    left, top = round(frame.x - frame.side / 2), round(frame.y - frame.side / 2)
    upright = astronaut[top : top + round(frame.side), left : left + round(frame.side)]
    straight = cv2.resize(upright, (CROP_SIDE, CROP_SIDE), interpolation=cv2.INTER_AREA)
    expected = sharpness(np.asarray(straight, np.uint8))
    assert sharpness(face_crop(astronaut, landmarks)) > 0.9 * expected
    assert sharpness(face_of_kept(kept_crop(astronaut, landmarks))) > 0.8 * expected


def test_turned_face_is_not_enlarged_as_its_eyes_move_together(landmarks: Landmarks) -> None:
    (left, right), rest = landmarks[:2], landmarks[2:]
    middle = ((left[0] + right[0]) / 2, (left[1] + right[1]) / 2)
    nearer = tuple((middle[0] + (x - middle[0]) / 4, middle[1]) for x, _ in (left, right))
    frontal, profile = frame_of(landmarks), frame_of((*nearer, *rest))
    assert profile.side > 0.7 * frontal.side  # a quarter, by the eyes alone


def test_frame_of_points_that_coincide_is_a_pixel_at_least() -> None:
    assert frame_of(((5.0, 5.0),) * 5).side >= 1


@pytest.mark.parametrize("points", [((1.0, 2.0),) * 4, ((float("nan"), 1.0),) * 5])
def test_landmarks_that_are_not_five_finite_points_are_refused(points: Landmarks) -> None:
    with pytest.raises(ValueError, match="five points"):
        frame_of(points)


def test_face_in_the_dark_is_cut_out_in_daylight(astronaut: Image, landmarks: Landmarks) -> None:
    direct = face_crop(astronaut, landmarks)
    assert lit(direct) is direct
    dark = np.asarray(np.round(astronaut * 0.08), np.uint8)
    crop = face_crop(dark, landmarks).astype(float).mean(2)
    assert crop.max() - crop.min() > 150
    assert np.corrcoef(crop.ravel(), direct.mean(2).ravel())[0, 1] > 0.97


def test_kept_crop_stays_as_dark_as_the_photo_and_its_face_is_lit(
    astronaut: Image, landmarks: Landmarks
) -> None:
    dark = np.asarray(np.round(astronaut * 0.15), np.uint8)
    kept = kept_crop(dark, landmarks)
    assert decode_photo(kept).max() < 60
    assert difference(face_of_kept(kept), face_crop(dark, landmarks)) < 12


def test_kept_crop_gives_the_face_crop_back(astronaut: Image, landmarks: Landmarks) -> None:
    direct = face_crop(astronaut, landmarks)
    assert difference(face_of_kept(kept_crop(astronaut, landmarks)), direct) < 3


def test_kept_crop_gives_larger_faces_than_the_networks_take_today(
    astronaut: Image, landmarks: Landmarks
) -> None:
    kept = kept_crop(astronaut, landmarks)
    assert difference(face_of_kept(kept, 224), face_crop(astronaut, landmarks, 224)) < 3


def test_kept_crop_is_a_small_photo_with_a_margin(astronaut: Image, landmarks: Landmarks) -> None:
    kept = kept_crop(astronaut, landmarks)
    assert len(kept) < 120_000
    assert decode_photo(kept).shape == (KEPT_SIDE, KEPT_SIDE, 3)


def test_bytes_that_are_no_kept_crop_are_refused(astronaut: Image, landmarks: Landmarks) -> None:
    kept = kept_crop(astronaut, landmarks)
    with pytest.raises(PhotoRefused):
        face_of_kept(kept[: len(kept) // 2])
    with pytest.raises(NotAnImage, match="kept crop"):
        face_of_kept(kept_crop_of_another_size())


def kept_crop_of_another_size() -> bytes:
    encoded = cv2.imencode(".png", np.zeros((96, 96, 3), np.uint8))[1]
    return encoded.tobytes()
