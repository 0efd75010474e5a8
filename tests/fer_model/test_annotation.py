import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from fer_model.annotation import annotate
from fer_model.engine import Engine
from fer_model.readings import Reading

Pixels = NDArray[np.uint8]


def test_box_of_every_face_is_drawn_and_the_original_is_left(
    engine: Engine, couple: Pixels
) -> None:
    original = couple.copy()
    reading = engine.read(couple)
    drawn = np.asarray(annotate(couple, reading))
    assert np.array_equal(couple, original)
    assert drawn.shape == couple.shape
    assert len(reading.faces) == 2
    for face in reading.faces:
        middle = (face.box.left + face.box.right) // 2
        assert drawn[face.box.bottom - 1, middle].tolist() == [0, 166, 125]
        assert not np.array_equal(drawn[face.box.top - 8, face.box.left + 8], couple[0, 0])


def test_photo_without_faces_stays_as_it_is(astronaut: Pixels) -> None:
    nothing = Reading((), (), 512, 512, "0" * 64)
    assert np.array_equal(np.asarray(annotate(astronaut, nothing)), astronaut)


def test_pillow_image_is_copied(engine: Engine, astronaut: Pixels) -> None:
    image = Image.fromarray(astronaut)
    annotated = annotate(image, engine.read(image))
    assert np.array_equal(np.asarray(image), astronaut)
    assert not np.array_equal(np.asarray(annotated), astronaut)


def test_tag_of_a_face_at_the_upper_edge_stays_inside(engine: Engine, astronaut: Pixels) -> None:
    cut = np.ascontiguousarray(astronaut[62:])
    reading = engine.read(cut)
    assert reading.faces[0].box.top < 10
    drawn = np.asarray(annotate(cut, reading))
    box = reading.faces[0].box
    assert (drawn[box.top : box.top + 14, box.left : box.left + 30] == (0, 166, 125)).all(2).any()


def test_image_of_another_size_is_refused(engine: Engine, astronaut: Pixels) -> None:
    with pytest.raises(ValueError, match="not the reading's image"):
        annotate(astronaut[:100], engine.read(astronaut))
