"""Our own engine as a worker: `our_worker.py THREADS [VERSION]`.

Timed is `Engine.blend` of one crop: scaling, both members, mirror image if the version averages
with it, calibration.
"""

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from worker_loop import Answer, Faces, claimed_stdout, serve

from fer_model import Engine
from fer_model.emotions import EMOTIONS


def main() -> None:
    """Loads and serves."""
    replies = claimed_stdout()
    threads, *rest = sys.argv[1:]
    engine = Engine.load(Path(rest[0]) if rest else None, threads=int(threads))

    def answer(faces: Faces) -> list[Answer]:
        return [
            {"label": list(blend.label), "crowd": list(blend.crowd)}
            for blend in engine.blend(faces)
        ]

    def prepared(face: NDArray[np.uint8]) -> Callable[[], object]:
        crops = face[None]
        return lambda: engine.blend(crops)

    versions = {"model": engine.version.short, "torch": torch.__version__}
    serve(replies, list(EMOTIONS), versions, answer, prepared)


if __name__ == "__main__":
    main()
