"""Counts the steps of a retrain, or of a bot that swaps a version in, and dies at one of them.

For `benchmarks.crashes`: the programs are wrapped from outside, and know nothing of it. A step is a
moment between two system calls that matter; the process kills itself there with SIGKILL, which
nobody can catch. Half-written files are half-written: what is there when it dies is cut in half.
"""

import asyncio
import json
import os
import pathlib
import shutil
import signal
import threading
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from aiosqlite import Connection

import fer_model.versions
import train_cli.retraining
from fer_model.engine import Engine
from fer_model.recognizer import InProcessRecognizer, _Lane
from store import versions
from train_cli.progress import OnStep

Kind = Literal["write", "fsync", "rename", "commit", "swap", "training", "evaluation"]
KINDS: Final[tuple[Kind, ...]] = (
    "write",
    "fsync",
    "rename",
    "commit",
    "swap",
    "training",
    "evaluation",
)


@dataclass(frozen=True)
class Point:
    """One step: the how-manieth of its kind, from 0."""

    kind: Kind
    number: int


class Steps:
    """Writes every step into a file, and ends the process at the one that is asked for.

    Args:
        log: One JSON list per step is appended: kind, number, what it is.
        die_at: None counts only.
    """

    def __init__(self, log: Path, die_at: Point | None = None) -> None:
        self._log = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        self._die_at = die_at
        self._seen: Counter[Kind] = Counter()
        self._lock = threading.RLock()

    def step(self, kind: Kind, what: str, last_act: Callable[[], object] | None = None) -> None:
        """One step was reached; `last_act` is what the process would have got to before it died."""
        with self._lock:
            point = Point(kind, self._seen[kind])
            self._seen[kind] += 1
            os.write(self._log, json.dumps([kind, point.number, what]).encode() + b"\n")
            if point == self._die_at:
                if last_act is not None:
                    last_act()
                os.kill(os.getpid(), signal.SIGKILL)

    def around(self, owner: Any, name: str, kind: Kind, what: Callable[..., str]) -> None:
        """Makes the function `owner.name` take a step before and one after."""
        original = getattr(owner, name)

        def stepping(*args: Any, **kwargs: Any) -> Any:
            said = what(*args, **kwargs)
            self.step(kind, f"before {said}")
            result = original(*args, **kwargs)
            self.step(kind, f"after {said}")
            return result

        setattr(owner, name, stepping)

    def around_async(self, owner: Any, name: str, kind: Kind, what: str) -> None:
        """The same for a coroutine function; renewals of the lease come by the clock: no steps."""
        original: Callable[..., Awaitable[Any]] = getattr(owner, name)

        async def stepping(*args: Any, **kwargs: Any) -> Any:
            task = asyncio.current_task()
            if task is not None and getattr(task.get_coro(), "__name__", "") == "_renew":
                return await original(*args, **kwargs)
            self.step(kind, f"before {what}")
            result = await original(*args, **kwargs)
            self.step(kind, f"after {what}")
            return result

        setattr(owner, name, stepping)


def in_a_retrain(steps: Steps) -> None:
    """Wraps everything that `train_cli retrain` and `models promote` do to disk and database."""
    _writing(steps)
    names: dict[int, str] = {}
    opened = os.open

    def open_and_remember(path: Any, *args: Any, **kwargs: Any) -> int:
        descriptor = opened(path, *args, **kwargs)
        names[descriptor] = _name(path)
        return descriptor

    os.open = open_and_remember
    steps.around(os, "fsync", "fsync", lambda fd: f"fsync of {names.get(fd, 'a file')}")
    steps.around(os, "rename", "rename", lambda a, b, **_: f"rename of {_name(a)} to {_name(b)}")
    steps.around_async(Connection, "commit", "commit", "commit")
    steps.around_async(versions, "_make_current", "swap", "making the candidate current")
    _training(steps)
    steps.around(Engine, "load", "evaluation", lambda path, *_, **__: f"loading {_name(path)}")
    steps.around(Engine, "logits", "evaluation", lambda _, crops: f"asking about {len(crops)}")
    steps.around(train_cli.retraining, "judge", "evaluation", lambda *_: "the gate")


def in_a_bot(steps: Steps) -> None:
    """Wraps what a bot does to swap a version in."""
    steps.around(Engine, "load", "swap", lambda path, *_, **__: f"the bot loading {_name(path)}")
    steps.around(Engine, "warm_up", "swap", lambda *_: "the bot warming up")
    steps.around_async(InProcessRecognizer, "swap", "swap", "the bot's swap")
    steps.around_async(_Lane, "drain", "swap", "the bot draining the old version")


def _writing(steps: Steps) -> None:
    save_file = fer_model.versions.save_file
    write_text = Path.write_text

    def halve(path: Path) -> None:
        os.truncate(path, path.stat().st_size // 2)

    def save(tensors: Any, path: Path) -> None:
        steps.step("write", f"before writing {path.name}")
        save_file(tensors, path)
        steps.step("write", f"half of {path.name} written", lambda: halve(path))
        steps.step("write", f"all of {path.name} written")

    def write(path: Path, *args: Any, **kwargs: Any) -> int:
        steps.step("write", f"before writing {path.name}")
        count = write_text(path, *args, **kwargs)
        steps.step("write", f"half of {path.name} written", lambda: halve(path))
        steps.step("write", f"all of {path.name} written")
        return count

    fer_model.versions.save_file = save  # type: ignore[attr-defined]
    pathlib.Path.write_text = write  # type: ignore[assignment,method-assign]
    steps.around(os, "mkdir", "write", lambda path, *_, **__: f"making {_name(path)}")
    steps.around(shutil, "rmtree", "write", lambda path, **_: f"removing {_name(path)}")


def _training(steps: Steps) -> None:
    learn = train_cli.retraining.learn

    def stepping(*args: Any, on_step: OnStep, **named: Any) -> Any:
        def step(number: int, of: int, loss: float) -> None:
            steps.step("training", f"step {number} of {of}")
            on_step(number, of, loss)

        steps.step("training", "before the first step")
        learnt = learn(*args, on_step=step, **named)
        steps.step("training", "learnt")
        return learnt

    train_cli.retraining.learn = stepping


def _name(path: Any) -> str:
    """The last part of a path, a digest cut short."""
    name = Path(os.fspath(path)).name
    if name.startswith("."):
        return name.partition("-")[0]
    return "the version" if len(name) == 64 else name
