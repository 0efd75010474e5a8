"""The worker's side of the protocol in `benchmarks.peers_worker`, for every system in Python.

Imports nothing but the standard library and numpy: it also runs in the peers' own environments.
"""

import base64
import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any, TextIO

import numpy as np
from numpy.typing import NDArray

Faces = NDArray[np.uint8]
"""Grey face crops (N, S, S)."""

Answer = dict[str, list[float]] | None
"""A face's probabilities per head, in the order of the worker's classes; None for no answer."""


def claimed_stdout() -> TextIO:
    """Stdout for the protocol alone; whatever else is printed there from now on goes to stderr.

    To be called before a library is imported: they print what they like.
    """
    replies = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    return replies


def serve(
    replies: TextIO,
    classes: list[str],
    versions: dict[str, str],
    answer: Callable[[Faces], list[Answer]],
    prepared: Callable[[NDArray[np.uint8]], Callable[[], object]],
) -> None:
    """Answers requests on stdin until it ends.

    Args:
        replies: As `claimed_stdout` gives it.
        classes: What the probabilities are of, in their order.
        versions: What answers, by package.
        answer: An answer per face.
        prepared: Of one face crop (S, S): what is timed, from the crop in memory to its answer.
    """
    answer(np.full((1, 48, 48), 128, np.uint8))  # lazy set-up belongs to loading
    _say(replies, {"ready": {"classes": classes, "versions": versions}})
    for line in sys.stdin:
        try:
            reply = _reply(json.loads(line), answer, prepared)
        except Exception as error:  # noqa: BLE001  # the other side decides what it means
            reply = {"error": f"{type(error).__name__}: {error}"}
        _say(replies, reply)


def _reply(
    request: dict[str, Any],
    answer: Callable[[Faces], list[Answer]],
    prepared: Callable[[NDArray[np.uint8]], Callable[[], object]],
) -> dict[str, Any]:
    side = int(request["side"])
    rows = [np.frombuffer(base64.b64decode(face), np.uint8) for face in request["faces"]]
    faces = np.stack(rows).reshape(-1, side, side)
    if request["op"] == "answer":
        return {"answers": answer(faces)}
    if request["op"] == "time":
        return {"milliseconds": [_milliseconds(prepared(face)) for face in faces]}
    raise ValueError(f"unknown op {request['op']}")


def _milliseconds(action: Callable[[], object]) -> float:
    started = time.perf_counter()
    action()
    return (time.perf_counter() - started) * 1000


def _say(replies: TextIO, message: dict[str, Any]) -> None:
    replies.write(json.dumps(message) + "\n")
    replies.flush()
