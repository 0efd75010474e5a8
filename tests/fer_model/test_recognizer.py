import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from fer_model.engine import Engine
from fer_model.errors import EngineClosed, NotAnImage
from fer_model.readings import Blend
from fer_model.recognizer import InProcessRecognizer
from fer_model.versions import ModelVersion, load_members
from tests.versions import write_random_version

Encode = Callable[..., bytes]


class WatchedEngine(Engine):
    """An engine that can be held before it blends, and that remembers its batches."""

    def __init__(self, version: ModelVersion) -> None:
        super().__init__(version, load_members(version), "cpu")
        self.batches: list[int] = []
        self.open = threading.Event()
        self.open.set()
        self.refused_size: int | None = None
        self.closed = False

    def blend(self, crops: NDArray[np.uint8]) -> list[Blend]:
        assert self.open.wait(30)
        self.batches.append(len(crops))
        if self.refused_size is not None and len(crops) > self.refused_size:
            raise MemoryError
        return super().blend(crops)

    def close(self) -> None:
        self.closed = True
        super().close()


@pytest.fixture
def watched(version: ModelVersion) -> WatchedEngine:
    return WatchedEngine(version)


@pytest.fixture
async def recognizer(watched: WatchedEngine) -> AsyncIterator[InProcessRecognizer]:
    recognizer = InProcessRecognizer(watched)
    yield recognizer
    watched.open.set()
    await recognizer.close()


@pytest.fixture(scope="module")
def photo(astronaut: NDArray[np.uint8], encode: Encode) -> bytes:
    return encode(astronaut, "JPEG", quality=95)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110  worker threads set no event
            await asyncio.sleep(0.01)


async def test_photo_is_read_as_the_engine_reads_it(
    recognizer: InProcessRecognizer, watched: WatchedEngine, photo: bytes
) -> None:
    assert await recognizer.read(photo) == watched.read(photo)
    assert recognizer.version == watched.version.digest


async def test_faces_that_wait_together_are_blended_together(
    recognizer: InProcessRecognizer, watched: WatchedEngine, photo: bytes
) -> None:
    watched.open.clear()
    reads = [asyncio.create_task(recognizer.read(photo)) for _ in range(6)]
    await until(lambda: len(recognizer._lane._blending._waiting) == 5)
    watched.open.set()
    readings = await asyncio.gather(*reads)
    assert watched.batches == [1, 5]
    assert {reading.faces[0].box for reading in readings} == {readings[0].faces[0].box}


async def test_bad_photo_fails_alone(recognizer: InProcessRecognizer, photo: bytes) -> None:
    answers = await asyncio.gather(
        recognizer.read(photo),
        recognizer.read(b"no"),
        recognizer.read(photo),
        return_exceptions=True,
    )
    assert isinstance(answers[1], NotAnImage)
    assert answers[0].faces[0].box == answers[2].faces[0].box


async def test_batch_that_fails_is_tried_again_one_by_one(
    recognizer: InProcessRecognizer, watched: WatchedEngine, photo: bytes
) -> None:
    watched.refused_size = 1
    watched.open.clear()
    reads = [asyncio.create_task(recognizer.read(photo)) for _ in range(4)]
    await until(lambda: len(recognizer._lane._blending._waiting) == 3)
    watched.open.set()
    readings = await asyncio.gather(*reads)
    assert all(len(reading.faces) == 1 for reading in readings)
    assert watched.batches == [1, 3, 1, 1, 1]


async def test_failure_of_the_engine_reaches_the_reader(
    recognizer: InProcessRecognizer, watched: WatchedEngine, photo: bytes
) -> None:
    watched.refused_size = 0
    with pytest.raises(MemoryError):
        await recognizer.read(photo)


async def test_photo_without_faces_needs_no_batch(
    recognizer: InProcessRecognizer, watched: WatchedEngine, encode: Encode
) -> None:
    reading = await recognizer.read(encode(np.full((300, 400, 3), 90, np.uint8), "PNG"))
    assert reading.faces == ()
    assert watched.batches == []


async def test_event_loop_stays_free_while_a_photo_is_read(
    recognizer: InProcessRecognizer, watched: WatchedEngine, photo: bytes
) -> None:
    watched.open.clear()
    read = asyncio.create_task(recognizer.read(photo))
    await asyncio.sleep(0.05)
    assert not read.done()
    watched.open.set()
    assert (await read).faces


async def test_swap_lets_the_old_engine_finish_and_new_photos_go_to_the_new_one(
    recognizer: InProcessRecognizer, watched: WatchedEngine, photo: bytes, tmp_path: Path
) -> None:
    other = WatchedEngine(write_random_version(tmp_path, seed=3))
    watched.open.clear()
    before = asyncio.create_task(recognizer.read(photo))
    await asyncio.sleep(0)
    swap = asyncio.create_task(recognizer.swap(other))
    await asyncio.sleep(0)
    after = await recognizer.read(photo)
    assert recognizer.version == after.version == other.version.digest
    assert not swap.done()
    assert not watched.closed
    watched.open.set()
    assert (await before).version == watched.version.digest
    await swap
    assert watched.closed
    assert not other.closed


async def test_reader_that_gives_up_does_not_block_the_drain(
    recognizer: InProcessRecognizer, watched: WatchedEngine, photo: bytes
) -> None:
    watched.open.clear()
    reads = [asyncio.create_task(recognizer.read(photo)) for _ in range(3)]
    await until(lambda: len(recognizer._lane._blending._waiting) == 2)
    for read in reads:
        read.cancel()
    await asyncio.gather(*reads, return_exceptions=True)
    watched.open.set()
    async with asyncio.timeout(30):
        await recognizer.close()
    assert watched.closed
    assert watched.batches == [1]


async def test_closed_recognizer_reads_no_more(
    recognizer: InProcessRecognizer, photo: bytes
) -> None:
    await recognizer.close()
    with pytest.raises(EngineClosed):
        await recognizer.read(photo)
