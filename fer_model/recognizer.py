"""What the bot talks to: a recognizer. In this process now, on another machine later.

Knows no chats and no database. Faces of photos that wait together are blended together.
"""

import asyncio
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from fer_model.engine import BATCH, Engine
from fer_model.errors import EngineClosed
from fer_model.readings import Blend, Reading


class Recognizer(Protocol):
    """Reads photos without blocking the event loop."""

    @property
    def version(self) -> str:
        """Digest of the model version that new photos are read with."""
        ...

    async def read(self, photo: bytes) -> Reading:
        """The photo's reading.

        Raises:
            PhotoRefused: The photo cannot be read.
        """
        ...


class InProcessRecognizer:
    """A recognizer over an engine in this process, to be used from one event loop.

    Args:
        engine: Loaded, better warmed up too; the recognizer closes it.
        workers: Threads that decode photos and find faces.
    """

    def __init__(self, engine: Engine, workers: int = 2) -> None:
        self._workers = workers
        self._lane = _Lane(engine, workers)

    @property
    def version(self) -> str:
        """Digest of the model version that new photos are read with."""
        return self._lane.engine.version.digest

    @property
    def engine(self) -> Engine:
        """The engine that new photos are read with."""
        return self._lane.engine

    async def read(self, photo: bytes) -> Reading:
        """The photo's reading, wholly by the engine that was current when this was called.

        Raises:
            PhotoRefused: The photo cannot be read.
            EngineClosed: The recognizer was closed.
        """
        return await self._lane.read(photo)

    async def swap(self, engine: Engine) -> None:
        """Reads new photos with `engine`; returns when the old one is drained and closed."""
        old, self._lane = self._lane, _Lane(engine, self._workers)
        await old.drain()

    async def close(self) -> None:
        """Drains what is being read, then closes the engine."""
        await self._lane.drain()


class _Lane:
    """One engine with its threads, from its first photo to its last."""

    def __init__(self, engine: Engine, workers: int) -> None:
        self.engine = engine
        self._locating = ThreadPoolExecutor(workers, "locate")
        self._blending = _Blending(engine)
        self._under_way = 0
        self._draining = False
        self._idle = asyncio.Event()
        self._idle.set()

    async def read(self, photo: bytes) -> Reading:
        if self._draining:
            raise EngineClosed
        self._under_way += 1
        self._idle.clear()
        try:
            loop = asyncio.get_running_loop()
            located = await loop.run_in_executor(self._locating, self.engine.locate, photo)
            answers = await asyncio.wrap_future(self._blending.submit(located.crops))
            return self.engine.reading(located, answers)
        finally:
            self._under_way -= 1
            if self._under_way == 0:
                self._idle.set()

    async def drain(self) -> None:
        self._draining = True
        await self._idle.wait()
        await asyncio.to_thread(self._shut_down)

    def _shut_down(self) -> None:
        # Photos whose readers gave up may still be in the threads: they finish first.
        self._locating.shutdown()
        self._blending.close()
        self.engine.close()


class _Blending:
    """Blends face crops on one thread; what queues up while it works goes through together."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._thread = ThreadPoolExecutor(1, "blend")
        self._waiting: deque[tuple[NDArray[np.uint8], Future[list[Blend]]]] = deque()

    def submit(self, crops: NDArray[np.uint8]) -> "Future[list[Blend]]":
        """The blends of one photo's crops (N, S, S, 3), when they are ready."""
        answer: Future[list[Blend]] = Future()
        if len(crops) == 0:
            answer.set_result([])
            return answer
        self._waiting.append((crops, answer))
        self._thread.submit(self._blend_waiting)
        return answer

    def close(self) -> None:
        """Returns when everything that was submitted is answered."""
        self._thread.shutdown()

    def _blend_waiting(self) -> None:
        """Answers what waits, up to a batch; the photos' own calls find nothing left to do."""
        photos: list[tuple[NDArray[np.uint8], Future[list[Blend]]]] = []
        size = 0
        while self._waiting and (not photos or size + len(self._waiting[0][0]) <= BATCH):
            crops, answer = self._waiting.popleft()
            if answer.set_running_or_notify_cancel():
                photos.append((crops, answer))
                size += len(crops)
        if not photos:
            return
        try:
            blends = iter(self._engine.blend(np.concatenate([crops for crops, _ in photos])))
        except Exception:  # noqa: BLE001  whatever it was, it must not fail its neighbours
            for crops, answer in photos:
                self._blend_alone(crops, answer)
            return
        for crops, answer in photos:
            answer.set_result([next(blends) for _ in crops])

    def _blend_alone(self, crops: NDArray[np.uint8], answer: "Future[list[Blend]]") -> None:
        try:
            answer.set_result(self._engine.blend(crops))
        except Exception as error:  # noqa: BLE001  it reaches whoever awaits this photo
            answer.set_exception(error)
