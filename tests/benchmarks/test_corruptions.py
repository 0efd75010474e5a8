import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks import corruptions as c
from benchmarks.conditions import FAMILIES, Direct, Family, direct_conditions, photo_conditions
from fer_model.alignment import EYE_DISTANCE, EYES_ACROSS, EYES_DOWN, EYES_TO_MOUTH
from fer_model.geometry import Square

Image = NDArray[np.uint8]


def draw(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def difference(one: Image, other: Image) -> float:
    return float(np.abs(one.astype(float) - other).mean())


def detail(image: Image) -> float:
    return float(cv2.Laplacian(image, cv2.CV_64F).std())


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
class TestEveryFamily:
    def test_leaves_its_input_alone_and_keeps_shape_and_type(
        self, family: Family, face: Image, whole: Square
    ) -> None:
        before = face.copy()
        for image in (face, np.repeat(face[..., None], 3, axis=2)):
            changed = family.change(image, whole, family.strengths[0], draw())
            assert changed.shape == image.shape
            assert changed.dtype == np.uint8
        assert np.array_equal(face, before)

    def test_is_the_same_for_the_same_draw(
        self, family: Family, face: Image, whole: Square
    ) -> None:
        strength = family.strengths[-1]
        once, again = (family.change(face, whole, strength, draw(5)) for _ in range(2))
        assert np.array_equal(once, again)

    def test_changes_the_face_more_the_stronger_it_is(
        self, family: Family, face: Image, whole: Square
    ) -> None:
        def distance(strength: float) -> float:
            return np.mean(
                [difference(family.change(face, whole, strength, draw(s)), face) for s in range(8)]
            )

        if family.name == "framing":  # from too small to too large
            assert distance(0.8) > distance(0.9) > 0
            assert distance(1.3) > distance(1.15) > 0
            return
        distances = [distance(strength) for strength in family.strengths]
        assert distances[0] > 0
        assert distances == sorted(distances)


def test_blur_keeps_brightness_and_takes_detail(face: Image) -> None:
    soft = c.blurred(face, 1.5)
    assert soft.mean() == pytest.approx(face.mean(), abs=3)
    assert detail(soft) < 0.3 * detail(face)


def test_gamma_keeps_black_white_and_the_order_of_levels() -> None:
    levels = np.arange(256, dtype=np.uint8).reshape(16, 16)
    dark = c.darkened(levels, 3)
    assert dark[0, 0] == 0
    assert dark[-1, -1] == 255
    assert (np.diff(dark.ravel().astype(int)) >= 0).all()
    assert dark[8, 0] == round(255 * (128 / 255) ** 3)


def test_light_scales_levels_and_burns_out_what_exceeds_white(face: Image) -> None:
    assert difference(c.exposed(face, 0.25), np.round(face / 4)) < 0.5
    bright = c.exposed(face, 3)
    assert (bright[face > 85] == 255).all()


def test_contrast_shrinks_around_the_mean(face: Image) -> None:
    flat = c.flattened(face, 0.25)
    assert flat.mean() == pytest.approx(face.mean(), abs=1)
    assert flat.std() == pytest.approx(face.std() / 4, rel=0.05)


def test_noise_is_unbiased_has_the_named_deviation_and_grows_with_light() -> None:
    grey = np.full((200, 200), 128, np.uint8)
    noise = c.noisy(grey, 20, draw()).astype(float) - 128
    assert noise.std() == pytest.approx(20, rel=0.03)
    assert noise.mean() == pytest.approx(0, abs=0.5)
    dark = c.noisy(np.full((200, 200), 60, np.uint8), 20, draw()).std()
    assert dark < 0.85 * noise.std()
    colour = c.noisy(np.full((50, 50, 3), 128, np.uint8), 20, draw()).astype(float)
    assert abs(np.corrcoef(colour[..., 0].ravel(), colour[..., 1].ravel())[0, 1]) < 0.1


def test_compression_leaves_smooth_images_alone_and_makes_blocks() -> None:
    smooth = np.full((48, 48), 90, np.uint8)
    assert difference(c.compressed(smooth, 5), smooth) < 8
    rough = draw().integers(0, 256, (48, 48)).astype(np.uint8)
    assert difference(c.compressed(rough, 5), rough) > difference(c.compressed(rough, 90), rough)
    assert len(c.jpeg(rough, 10)) < len(c.jpeg(rough, 90))


def test_rotation_is_clockwise_as_seen_and_keeps_the_middle() -> None:
    image = np.zeros((49, 49), np.uint8)
    image[4:9, 22:27] = 255  # a mark at the top
    right = c.turned(image, 90)
    rows, columns = np.nonzero(right > 128)
    assert (rows.mean(), columns.mean()) == pytest.approx((24, 42), abs=1)


def test_rotation_there_and_back_gives_the_middle_of_the_face_back(face: Image) -> None:
    back = c.turned(c.turned(face, 20), -20)
    assert difference(back[14:34, 14:34], face[14:34, 14:34]) < 12


def test_low_resolution_holds_no_more_than_its_pixels() -> None:
    checks = (np.indices((48, 48)).sum(0) % 2 * 255).astype(np.uint8)
    assert c.coarse(checks, 12).std() < 2
    ramp = np.tile(np.linspace(0, 255, 48).astype(np.uint8), (48, 1))
    assert difference(c.coarse(ramp, 12), ramp) < 5


def test_zoom_enlarges_around_the_middle(face: Image) -> None:
    assert difference(c.zoomed(face, 1.0), face) < 1
    closer = c.zoomed(face, 2.0)
    small = cv2.resize(closer, (24, 24), interpolation=cv2.INTER_AREA)
    assert difference(np.asarray(small, np.uint8), face[12:36, 12:36]) < 6


def at(face: Square, across: float, down: float) -> tuple[int, int]:
    x, y = face.to_image(np.array([[across, down]]), 1.0)[0]
    return int(y), int(x)


EYES = [(EYES_ACROSS - EYE_DISTANCE / 2, EYES_DOWN), (EYES_ACROSS + EYE_DISTANCE / 2, EYES_DOWN)]
MOUTH = (EYES_ACROSS, EYES_DOWN + EYES_TO_MOUTH)


@pytest.mark.parametrize("angle", [0.0, 0.5, -0.8])
def test_sunglasses_hide_both_eyes_and_leave_the_mouth(angle: float) -> None:
    image = np.full((300, 400, 3), 150, np.uint8)
    place = Square(210, 140, 120, angle)
    covered = c.sunglasses(image, place, 0.14)
    for eye in EYES:
        assert (covered[at(place, *eye)] == c.DARK_GLASS).all()
    assert (covered[at(place, *MOUTH)] == 150).all()
    assert 0.03 < (covered != image).any(-1).sum() / 120**2 < 0.3


@pytest.mark.parametrize("angle", [0.0, 0.5, -0.8])
def test_mask_hides_the_mouth_and_leaves_the_eyes(angle: float) -> None:
    image = np.full((300, 400, 3), 100, np.uint8)
    place = Square(210, 140, 120, angle)
    for top in (0.7, 0.55):
        covered = c.mask(image, place, top)
        assert (covered[at(place, *MOUTH)] > 150).all()
        for eye in EYES:
            assert (covered[at(place, *eye)] == 100).all()


def test_hand_covers_one_side_with_the_brightness_of_the_face() -> None:
    image = np.full((48, 48), 140, np.uint8)
    image[:, :4] = 0
    sides = set()
    for seed in range(12):
        covered = c.hand(image, Square(24, 24, 48), 0.35, draw(seed))
        changed = covered != image
        assert 0.05 < changed.mean() < 0.35
        assert 100 < covered[changed].mean() < 145
        sides.add(bool(np.nonzero(changed)[1].mean() < 24))
    assert sides == {True, False}


def test_every_condition_has_a_name_of_its_own() -> None:
    for conditions in (direct_conditions(), photo_conditions()):
        names = [condition.name for condition in conditions]
        assert len(names) == len(set(names))


def test_draws_differ_between_faces_and_seeds_but_not_between_runs(face: Image) -> None:
    noise = next(family for family in FAMILIES if family.name == "sensor noise")
    condition = Direct(noise, 20)
    assert np.array_equal(condition.of(face, 3, seed=0), condition.of(face, 3, seed=0))
    assert not np.array_equal(condition.of(face, 3, seed=0), condition.of(face, 4, seed=0))
    assert not np.array_equal(condition.of(face, 3, seed=0), condition.of(face, 3, seed=1))
