import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks.conditions import FAMILIES, InPhoto
from benchmarks.framing import corner_error
from benchmarks.scenes import HEIGHT, WIDTH, bordered, scene_of
from fer_model.alignment import frame_of
from fer_model.decoding import decode_photo
from fer_model.detection import Detector
from fer_model.geometry import Square

Image = NDArray[np.uint8]


@pytest.mark.parametrize("side", [36, 48, 192])
@pytest.mark.parametrize("degrees", [0, -30])
def test_face_stands_where_the_scene_says(side: int, degrees: float, face: Image) -> None:
    scene = scene_of(face, side, degrees, np.random.default_rng(1))
    assert scene.image.shape == (HEIGHT, WIDTH, 3)
    assert scene.face.side == side
    assert np.degrees(scene.face.angle) == pytest.approx(degrees)
    back = scene.face.cut(scene.image, 48).astype(float) @ [0.299, 0.587, 0.114]
    inner = np.s_[4:44, 4:44]
    assert np.corrcoef(back[inner].ravel(), face[inner].ravel())[0, 1] > 0.97
    assert np.abs(back[inner] - face[inner]).mean() < 11


def test_face_has_a_colour_and_stands_in_front_of_something(face: Image) -> None:
    scene = scene_of(face, 192, 0, np.random.default_rng(0))
    red, _, blue = scene.face.widened(0.8).cut(scene.image, 48).mean(axis=(0, 1))
    assert red > blue * 1.1
    assert scene.image.std() > 20


def test_same_draw_gives_the_same_scene_and_another_one_another(face: Image) -> None:
    one, same, other = (scene_of(face, 96, 0, np.random.default_rng(s)) for s in (2, 2, 3))
    assert np.array_equal(one.image, same.image)
    assert one.face == same.face
    assert one.face != other.face


def test_face_that_does_not_fit_is_refused(face: Image) -> None:
    with pytest.raises(ValueError, match="does not fit"):
        scene_of(face, 500, 0, np.random.default_rng(0))


def test_border_repeats_the_face_s_edge(face: Image) -> None:
    large = bordered(face, 96, 10)
    assert large.shape == (116, 116)
    assert (large[10:-10, :10] == large[10:-10, 10:11]).all()


@pytest.mark.parametrize("degrees", [0, 30])
def test_pasted_face_is_found_and_framed(degrees: float, face: Image) -> None:
    condition = InPhoto(degrees=degrees)
    scene = condition.scene(face, 0, seed=0)
    (found,) = Detector().find(decode_photo(condition.file(scene))).faces
    assert corner_error(frame_of(found.landmarks), scene.face) < 5


def test_corruption_of_a_photo_scales_with_its_face(face: Image) -> None:
    blur = next(family for family in FAMILIES if family.name == "blur")
    crops = []
    for side in (96, 192):
        condition = InPhoto(side, family=blur, strength=1.5)
        scene = condition.scene(face, 0, seed=0)
        crops.append(scene.face.cut(scene.image, 48).astype(float))
    assert np.abs(crops[0] - crops[1]).mean() < 4


def test_face_keeps_its_place_across_conditions_of_one_size(face: Image) -> None:
    glasses = next(family for family in FAMILIES if family.name == "sunglasses")
    plain, covered = InPhoto(), InPhoto(family=glasses, strength=0.2)
    assert plain.scene(face, 7, 0).face == covered.scene(face, 7, 0).face


def test_corner_error_is_zero_for_the_same_square_and_counts_px_of_48() -> None:
    square = Square(100, 100, 96)
    assert corner_error(square, square) == 0
    assert corner_error(Square(102, 100, 96), square) == pytest.approx(1)
