"""The PyPI library `fer` as a worker; runs in its own environment.

What its source asks for (fer/fer.py, 25.10.3): an image in BGR order and a face's rectangle; it
turns the image grey, widens the rectangle by `offsets` on every side, scales what is inside to
64 px and into -1 to 1. The rectangle here is the whole crop. The default offsets of 10 px are for
the tight boxes of its own detector and for larger faces: around 48 px they would be half of what
the network sees, so they are 0, which the constructor offers: 65.0 instead of 50.3 % on PublicTest.
Everything else is its default, the quantised network included. Its answers are taken before it
rounds them to two decimals.
"""

import os
from collections.abc import Callable
from importlib.metadata import version

import numpy as np
from numpy.typing import NDArray
from worker_loop import Answer, Faces, claimed_stdout, serve

PACKAGES = ("fer", "tensorflow-cpu", "opencv-contrib-python-headless", "numpy")


def main() -> None:
    """Loads and serves."""
    replies = claimed_stdout()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    from fer.fer import FER

    recognizer = FER(offsets=(0, 0))
    classify = recognizer._classify_emotions
    heard: list[NDArray[np.float32]] = []

    def listening(faces: NDArray[np.float32]) -> NDArray[np.float32]:
        said = np.asarray(classify(faces))
        heard[:] = said
        return said

    recognizer._classify_emotions = listening

    def read(image: NDArray[np.uint8]) -> bool:
        rectangle = (0, 0, image.shape[1], image.shape[0])
        return bool(recognizer.detect_emotions(image, [rectangle]))

    def answer(faces: Faces) -> list[Answer]:
        return [{"label": heard[0].tolist()} if read(_bgr(face)) else None for face in faces]

    def prepared(face: NDArray[np.uint8]) -> Callable[[], object]:
        image = _bgr(face)
        return lambda: read(image)

    versions = {name: version(name) for name in PACKAGES}
    serve(replies, list(FER._get_labels().values()), versions, answer, prepared)


def _bgr(face: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.repeat(face[:, :, None], 3, axis=2)


if __name__ == "__main__":
    main()
