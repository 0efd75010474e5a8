import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from fer_model.emotions import EMOTIONS
from fer_model.engine import Engine
from fer_model.errors import (
    DeviceUnavailable,
    EngineClosed,
    NotAnImage,
    TruncatedImage,
    VersionMissing,
)
from fer_model.networks import network_input
from fer_model.readings import Reading
from fer_model.versions import ModelVersion, load_members
from tests.versions import write_random_version

Pixels = NDArray[np.uint8]
Encode = Callable[..., bytes]


def crops(count: int, seed: int = 0) -> Pixels:
    return np.random.default_rng(seed).integers(0, 256, (count, 96, 96, 3), np.uint8)


def close(one: Reading, other: Reading) -> bool:
    return all(
        math.isclose(a, b, abs_tol=1e-5)
        for f, g in zip(one.faces, other.faces, strict=True)
        for a, b in zip(f.blend.crowd + f.blend.label, g.blend.crowd + g.blend.label, strict=True)
    )


def test_reading_has_a_blend_per_face_and_the_version(engine: Engine, couple: Pixels) -> None:
    reading = engine.read(couple)
    assert [face.number for face in reading.faces] == [1, 2]
    assert reading.version == engine.version.digest
    assert (reading.width, reading.height) == (1024, 612)
    for face in reading.faces:
        assert sum(face.blend.crowd) == pytest.approx(1)
        assert sum(face.blend.label) == pytest.approx(1)
        assert face.blend.top in EMOTIONS
        assert 0 <= face.blend.disagreement <= 1


def test_mirrored_faces_get_the_same_blend_when_flips_are_averaged(
    engine: Engine, couple: Pixels
) -> None:
    one, other = engine.read(couple).faces
    assert one.blend.crowd == pytest.approx(other.blend.crowd, abs=0.1)


def test_bytes_path_pillow_image_and_array_are_read_alike(
    engine: Engine, astronaut: Pixels, encode: Encode, tmp_path: Path
) -> None:
    content = encode(astronaut, "PNG")
    path = tmp_path / "photo.png"
    path.write_bytes(content)
    expected = engine.read(astronaut)
    for photo in (content, path, str(path), Image.fromarray(astronaut)):
        assert engine.read(photo) == expected


def test_photo_without_faces_has_an_empty_reading(engine: Engine) -> None:
    reading = engine.read(np.full((300, 400, 3), 200, np.uint8))
    assert reading.faces == ()
    assert reading.too_small == ()


def test_photo_with_a_face_too_small_says_so(engine: Engine, astronaut: Pixels) -> None:
    reading = engine.read(np.ascontiguousarray(astronaut[::5, ::5]))
    assert reading.faces == ()
    assert len(reading.too_small) == 1


def test_bad_photo_does_not_fail_its_neighbours(
    engine: Engine, astronaut: Pixels, couple: Pixels, encode: Encode
) -> None:
    good = encode(astronaut, "JPEG")
    answers = engine.read_many([good, b"no photo", couple, good[: len(good) // 2], good])
    assert isinstance(answers[1], NotAnImage)
    assert isinstance(answers[3], TruncatedImage)
    alone = engine.read(good), engine.read(couple)
    for answer, expected in zip(
        (answers[0], answers[2], answers[4]), (*alone, alone[0]), strict=True
    ):
        assert isinstance(answer, Reading)
        assert close(answer, expected)


def test_reading_nothing_or_only_bad_photos_works(engine: Engine) -> None:
    assert engine.read_many([]) == []
    (answer,) = engine.read_many([b"no photo"])
    assert isinstance(answer, NotAnImage)


def test_folding_normalisation_into_convolutions_changes_no_answer(version: ModelVersion) -> None:
    batch = crops(3)
    answers = Engine.load(version.path, runtime="torch").logits(batch)
    planes = torch.from_numpy(batch).permute(0, 3, 1, 2)
    with torch.no_grad():
        for row, member in enumerate(load_members(version)):
            faces = network_input(planes, member.side)
            seen, mirrored = member.network(faces), member.network(faces.flip(-1))
            crowd = ((seen.crowd + mirrored.crowd) / 2).numpy()
            label = ((seen.label + mirrored.label) / 2).numpy()
            assert np.allclose(answers.crowd[row], crowd, rtol=1e-3, atol=1e-3)
            assert np.allclose(answers.label[row], label, rtol=1e-3, atol=1e-3)


def test_many_crops_are_blended_as_they_are_alone(engine: Engine) -> None:
    batch = crops(70)  # more than one batch
    logits = engine.logits(batch)
    assert logits.crowd.shape == logits.label.shape == (2, 70, 7)
    for place in (0, 63, 64, 69):
        alone = engine.logits(batch[place : place + 1])
        assert np.allclose(alone.crowd[:, 0], logits.crowd[:, place], rtol=1e-3, atol=1e-3)
    assert len(engine.blend(batch)) == 70


def test_grey_crops_are_read_like_grey_rgb(engine: Engine) -> None:
    grey = np.random.default_rng(0).integers(0, 256, (2, 48, 48), np.uint8)
    colour = np.repeat(grey[..., None], 3, axis=3)
    assert np.allclose(engine.logits(grey).crowd, engine.logits(colour).crowd, rtol=1e-3, atol=1e-3)


def test_no_crops_have_no_blends(engine: Engine) -> None:
    assert engine.blend(np.zeros((0, 96, 96, 3), np.uint8)) == []


@pytest.mark.parametrize(
    "wrong",
    [np.zeros((1, 96, 96, 3), np.float32), np.zeros((96, 96), np.uint8), np.zeros((1, 9, 9, 4))],
)
def test_crops_of_another_kind_are_refused(engine: Engine, wrong: Pixels) -> None:
    with pytest.raises(ValueError, match="uint8"):
        engine.blend(wrong)


def test_eight_threads_get_the_same_answer(
    engine: Engine, astronaut: Pixels, couple: Pixels
) -> None:
    photos = [astronaut, couple] * 8
    alone = engine.read(astronaut), engine.read(couple)
    with ThreadPoolExecutor(8) as threads:
        together = list(threads.map(engine.read, photos))
    for answer, expected in zip(together, alone * 8, strict=True):
        assert [face.box for face in answer.faces] == [face.box for face in expected.faces]
        assert close(answer, expected)


def test_closed_engine_reads_no_more(version: ModelVersion, astronaut: Pixels) -> None:
    engine = Engine.load(version.path)
    engine.warm_up()
    engine.close()
    engine.close()
    with pytest.raises(EngineClosed):
        engine.read(astronaut)


def test_missing_version_is_refused(tmp_path: Path) -> None:
    with pytest.raises(VersionMissing):
        Engine.load(tmp_path / "nowhere")


def test_unknown_device_is_refused_before_anything_is_loaded(tmp_path: Path) -> None:
    with pytest.raises(DeviceUnavailable, match="tpu"):
        Engine.load(tmp_path, "tpu")  # type: ignore[arg-type]


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has CUDA")
def test_cuda_is_refused_where_it_is_not_and_auto_takes_the_cpu(version: ModelVersion) -> None:
    with pytest.raises(DeviceUnavailable):
        Engine.load(version.path, "cuda")
    assert Engine.load(version.path, "auto").device.type == "cpu"


def test_another_version_answers_otherwise(
    engine: Engine, astronaut: Pixels, tmp_path: Path
) -> None:
    other = Engine.load(write_random_version(tmp_path, seed=7).path, runtime="torch")
    one, two = engine.read(astronaut), other.read(astronaut)
    assert one.version != two.version
    assert one.faces[0].blend != two.faces[0].blend
    assert one.faces[0].box == two.faces[0].box
