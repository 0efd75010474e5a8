"""Our side of the protocol with the systems that are compared, each a process of its own.

A message is one line of JSON. A worker first says, within `START_SECONDS`,

    {"ready": {"classes": [names], "versions": {package: version}}}

the system itself first among the packages, and then answers every request, in order:

    {"op": "answer", "side": S, "faces": [base64 of S * S grey bytes, ...]}
        {"answers": [{"label": [probabilities]} or null, ...]}
    {"op": "time", "side": S, "faces": [...]}
        {"milliseconds": [each face's own, from the crop in memory to its answer, ...]}

Probabilities are in the order of `classes`. A system with a second head for the crowd's answer adds
"crowd" to "label"; null is a face that its network did not answer. A request that fails is answered
by {"error": "why"}. Whatever a worker's libraries print goes to its log.
"""

import base64
import json
import os
import queue
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
import psutil
from numpy.typing import NDArray

from fer_model.emotions import EMOTION_COUNT, EMOTIONS

START_SECONDS: Final = 600.0
"""What a worker has to load in. TensorFlow takes ten seconds, on a busy machine two minutes."""

REQUEST_SECONDS: Final = 30.0
FACE_SECONDS: Final = 10.0
"""What a worker has for a request and, besides, for each of its faces: far above what any needs."""

OTHER_NAMES: Final = {"fearful": "fear", "disgusted": "disgust", "surprised": "surprise"}
"""What others call an emotion of ours. Source: face-api's `FACE_EXPRESSION_LABELS`."""


class PeerFailed(Exception):
    """A system could not be measured; the message is one line for people.

    NotInstalled      its environment is not there
    InstallFailed     its environment could not be made
    WorkerDied        its process ended
    WorkerSilent      its process did not answer in time
    AnswerMalformed   its process said something else than the protocol allows
    FacesRefused      its process could not answer a request
    """


class WorkerDied(PeerFailed):
    """The process ended before it answered."""


class WorkerSilent(PeerFailed):
    """The process did not answer in time."""


class AnswerMalformed(PeerFailed):
    """The process said something else than the protocol allows."""


class FacesRefused(PeerFailed):
    """The process answered a request with its error."""


@dataclass(frozen=True)
class Answers:
    """What a system says about N faces, in the order of `EMOTIONS`.

    Attributes:
        label: Probabilities (N, 7); rows sum to one, those without an answer are zeros.
        crowd: Likewise, of its head for the crowd; the same where it has but one.
    """

    label: NDArray[np.float64]
    crowd: NDArray[np.float64]

    @property
    def answered(self) -> NDArray[np.bool_]:
        """Whether (N,) the face has an answer."""
        return np.asarray(self.label.sum(1) > 0)


def columns_of(classes: Sequence[str]) -> list[int]:
    """Where in `classes` each of `EMOTIONS` stands.

    Raises:
        ValueError: They are not those seven.
    """
    named = [OTHER_NAMES.get(name, name) for name in classes]
    if sorted(named) != sorted(EMOTIONS):
        raise ValueError(f"classes {', '.join(classes)}")
    return [named.index(emotion) for emotion in EMOTIONS]


class Worker:
    """A running system; a context manager that ends its process.

    Attributes:
        versions: What answers, by package; the system itself first.
        load_seconds: From the start of the process to its first answer.
        resident_mib_loaded: Its memory then.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        log: Path,
        environment: Mapping[str, str] | None = None,
        start_seconds: float = START_SECONDS,
        face_seconds: float = FACE_SECONDS,
        request_seconds: float = REQUEST_SECONDS,
    ) -> None:
        """Starts it and waits until it is ready.

        Raises:
            PeerFailed: It does not start.
        """
        self._name, self._log = name, log
        self._face_seconds, self._request_seconds = face_seconds, request_seconds
        log.parent.mkdir(parents=True, exist_ok=True)
        started = time.perf_counter()
        with log.open("wb") as errors:
            try:
                self._process = subprocess.Popen(
                    list(command),
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=errors,
                    env={**os.environ, **(environment or {})},
                )
            except OSError as error:
                raise WorkerDied(f"{name} does not start: {error}") from error
        self._lines: queue.Queue[bytes | None] = queue.Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        try:
            ready = self._next(start_seconds).get("ready")
            if not isinstance(ready, dict) or not isinstance(ready.get("versions"), dict):
                raise AnswerMalformed(self._line("did not say that it is ready"))
            self._columns = self._columns_of(ready.get("classes"))
            self.versions = {str(name): str(one) for name, one in ready["versions"].items()}
            self.load_seconds = time.perf_counter() - started
            self.resident_mib_loaded = self.resident_mib()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends the process, whatever it is doing."""
        self._process.kill()
        self._process.wait()
        self._reader.join()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                try:
                    pipe.close()
                except BrokenPipeError:  # a request that it never read was still in there
                    continue

    def answers(self, crops: NDArray[np.uint8]) -> Answers:
        """What it says about grey crops (N, S, S).

        Raises:
            PeerFailed: It does not answer as it should.
        """
        rows = self._ask("answer", crops, "answers")
        label = np.zeros((len(crops), EMOTION_COUNT))
        crowd = np.zeros_like(label)
        for place, row in enumerate(rows):
            if row is None:
                continue
            if not isinstance(row, dict) or "label" not in row:
                raise AnswerMalformed(self._line(f"answered {row!r:.60}"))
            label[place] = self._probabilities(row["label"])
            crowd[place] = self._probabilities(row.get("crowd", row["label"]))
        return Answers(label, crowd)

    def milliseconds(self, crops: NDArray[np.uint8]) -> list[float]:
        """How long each of the grey crops (N, S, S) takes, one at a time, by its own clock.

        Raises:
            PeerFailed: It does not answer as it should.
        """
        times = self._ask("time", crops, "milliseconds")
        if not all(isinstance(one, int | float) and one >= 0 for one in times):
            raise AnswerMalformed(self._line("answered times that are none"))
        return [float(one) for one in times]

    def resident_mib(self) -> float:
        """The memory that its process holds now.

        Raises:
            WorkerDied: It is gone.
        """
        try:
            return round(float(psutil.Process(self._process.pid).memory_info().rss) / 2**20, 1)
        except psutil.NoSuchProcess as error:
            raise self._died() from error

    def _probabilities(self, row: object) -> NDArray[np.float64]:
        try:
            numbers = np.asarray(row, np.float64)
        except (TypeError, ValueError) as error:
            raise AnswerMalformed(self._line(f"answered {row!r:.60}")) from error
        if numbers.shape != (EMOTION_COUNT,) or not np.isfinite(numbers).all():
            raise AnswerMalformed(self._line("answered other than seven finite numbers"))
        if numbers.min() < 0 or numbers.sum() <= 0:
            raise AnswerMalformed(self._line("answered probabilities that are none"))
        return np.asarray(numbers[self._columns] / numbers.sum())

    def _columns_of(self, classes: object) -> list[int]:
        try:
            if not isinstance(classes, list):
                raise TypeError("no classes")
            return columns_of(classes)
        except (TypeError, ValueError) as error:
            raise AnswerMalformed(self._line(f"has other classes than ours: {error}")) from error

    def _ask(self, operation: str, crops: NDArray[np.uint8], named: str) -> list[Any]:
        faces = [base64.b64encode(crop.tobytes()).decode() for crop in crops]
        request = {"op": operation, "side": crops.shape[1], "faces": faces}
        # A worker that neither reads nor answers fills the pipe: writing must not wait for it.
        writer = threading.Thread(target=self._write, args=(request,), daemon=True)
        writer.start()
        reply = self._next(self._request_seconds + self._face_seconds * len(crops))
        writer.join()
        if "error" in reply:
            raise FacesRefused(self._line(f"could not answer: {reply['error']}"))
        listed = reply.get(named)
        if not isinstance(listed, list):
            raise AnswerMalformed(self._line(f"said {str(reply)[:60]} where {named} belong"))
        if len(listed) != len(crops):
            raise AnswerMalformed(self._line(f"answered {len(listed)} faces of {len(crops)}"))
        return listed

    def _write(self, request: dict[str, Any]) -> None:
        stdin = self._process.stdin
        try:
            if stdin is not None:
                stdin.write(json.dumps(request).encode() + b"\n")
                stdin.flush()
        except (OSError, ValueError):
            return  # the missing answer says that it died

    def _read(self) -> None:
        if self._process.stdout is not None:
            for line in self._process.stdout:
                self._lines.put(line)
        self._lines.put(None)

    def _next(self, seconds: float) -> dict[str, Any]:
        try:
            line = self._lines.get(timeout=seconds)
        except queue.Empty as error:
            self._process.kill()  # whoever still writes to it must not wait
            raise WorkerSilent(self._line(f"did not answer within {seconds:.0f} s")) from error
        if line is None:
            self._lines.put(None)  # for whoever asks it again
            raise self._died()
        try:
            message = json.loads(line)
        except ValueError as error:
            raise AnswerMalformed(self._line(f"said {line[:60]!r}")) from error
        if not isinstance(message, dict):
            raise AnswerMalformed(self._line(f"said {line[:60]!r}"))
        return message

    def _died(self) -> WorkerDied:
        try:
            code = self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:  # it closed its stdout and lives on
            self._process.kill()
            code = self._process.wait()
        lines = self._log.read_text(encoding="utf-8", errors="replace").split("\n")
        last = next((line.strip() for line in reversed(lines) if line.strip()), "it said nothing")
        return WorkerDied(self._line(f"ended with exit code {code}: {last[:200]}"))

    def _line(self, what: str) -> str:
        return f"{self._name} {what} (log: {self._log})"
