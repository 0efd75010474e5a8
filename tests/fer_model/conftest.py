"""A real photograph, and an engine whose networks are real but untrained."""

import io
from collections.abc import Callable, Iterator

import numpy as np
import pytest
import skimage.data
import torch
from numpy.typing import NDArray
from PIL import Image

from fer_model.engine import Engine
from fer_model.versions import ModelVersion
from tests.versions import write_random_version

Encode = Callable[..., bytes]


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def version(tmp_path_factory: pytest.TempPathFactory) -> ModelVersion:
    return write_random_version(tmp_path_factory.mktemp("versions"))


@pytest.fixture(scope="session")
def engine(version: ModelVersion) -> Iterator[Engine]:
    """In float32 on every machine, so that faces are read alike alone and among others."""
    engine = Engine.load(version.path, runtime="torch")
    yield engine
    engine.close()


@pytest.fixture(scope="session")
def astronaut() -> NDArray[np.uint8]:
    """One smiling woman, (512, 512, 3)."""
    image: NDArray[np.uint8] = skimage.data.astronaut()
    return image


@pytest.fixture(scope="session")
def couple(astronaut: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The same woman twice, the one on the right mirrored and lower, (612, 1024, 3)."""
    canvas = np.full((612, 1024, 3), 128, np.uint8)
    canvas[:512, :512] = astronaut
    canvas[100:, 512:] = astronaut[:, ::-1]
    return canvas


@pytest.fixture(scope="session")
def encode() -> Encode:
    def encoded(image: NDArray[np.uint8] | Image.Image, kind: str, **options: object) -> bytes:
        picture = image if isinstance(image, Image.Image) else Image.fromarray(image)
        file = io.BytesIO()
        picture.save(file, kind, **options)
        return file.getvalue()

    return encoded
