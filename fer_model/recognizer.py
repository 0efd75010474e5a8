"""What the bot talks to: a recognizer. In this process now, on another machine later.

Knows no chats and no database. Requests that wait together are blended together.
"""

from typing import Protocol

from fer_model.engine import Engine
from fer_model.readings import Reading


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
    """A recognizer over an engine in this process.

    Args:
        engine: Loaded, better warmed up too; the recognizer closes it.
        workers: Threads that decode photos and find faces.
    """

    def __init__(self, engine: Engine, workers: int = 2) -> None:
        raise NotImplementedError

    @property
    def version(self) -> str:
        """Digest of the model version that new photos are read with."""
        raise NotImplementedError

    @property
    def engine(self) -> Engine:
        """The engine that new photos are read with."""
        raise NotImplementedError

    async def read(self, photo: bytes) -> Reading:
        """The photo's reading, wholly by the engine that was current when this was called.

        Raises:
            PhotoRefused: The photo cannot be read.
        """
        raise NotImplementedError

    async def swap(self, engine: Engine) -> None:
        """Reads new photos with `engine`; returns when the old one is drained and closed."""
        raise NotImplementedError

    async def close(self) -> None:
        """Drains what is being read, then closes the engine."""
        raise NotImplementedError
