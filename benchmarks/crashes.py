"""`python -m benchmarks.crashes`: kill -9 at 50 points of a retrain, and what is left each time.

A tiny job on SQLite: a random ResNet50 of 32 px, a face each of 14 people, a base split of nine.
One undisturbed run says which steps there are; then, for points spread evenly over them, a process
is killed there, and it is checked that the current version serves, that nothing half-written can be
loaded, that the next run gets the lease in time, marks the dead one as failed and succeeds.
"""

import argparse
import asyncio
import json
import os
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter, defaultdict
from collections.abc import Callable, Coroutine, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from datetime import timedelta
from itertools import chain
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from sqlalchemy import text

from benchmarks import record
from benchmarks.crashes_steps import KINDS, Kind, Point, Steps, in_a_bot, in_a_retrain
from bot.serving import ModelWatcher, load_current
from fer_model.engine import Engine
from fer_model.errors import VersionRefused
from fer_model.recognizer import InProcessRecognizer
from fer_model.uris import version_path
from fer_model.versions import load_members, read_version
from migrations import commands
from store import runs, versions
from store.engine import open_database
from store.errors import LeaseTaken
from tests.train_cli.feedback_rows import (
    BRIEF,
    LENIENT,
    say,
    serve,
    write_small_version,
    write_split,
)
from train_cli.pruning import prune
from train_cli.registry import held_lease, promote
from train_cli.retraining import RetrainSettings, retrain

KILLS: Final = 50
LEASE_S: Final = 8.0
"""Of the retrain, instead of two minutes, so that 50 successors need not wait that long."""

PEOPLE: Final = 14
LONGEST_S: Final = 300.0
PAUSE_S: Final = 0.1


@dataclass(frozen=True)
class Place:
    """One trial's folder: its database, its models, and what its processes report."""

    folder: Path
    lease_s: float

    @property
    def url(self) -> str:
        """Of its database."""
        return f"sqlite:///{self.folder / 'feelback.db'}"

    @property
    def models(self) -> Path:
        """Where candidates go."""
        return self.folder / "models"

    @property
    def settings(self) -> RetrainSettings:
        """A retrain of seconds, which the gate passes."""
        base = self.folder.parent / "split"
        return RetrainSettings(self.models, base, runtime="torch", learning=BRIEF, policy=LENIENT)


@dataclass(frozen=True)
class Trial:
    """One kill: where it was, and what was found after it.

    Attributes:
        kind, number, what, whom: The step, and whether trainer or bot was killed.
        killed: SIGKILL ended it, and nothing else.
        serves: The current version was loaded and answered, after the kill and after the next run.
        loadable: Directories under their final names, all whole; None where one was not.
        hidden: Directories that the killed process left, none of them loadable.
        one_current: The database is sound, with one current version.
        marked: The killed run was marked as failed by the next; None where none was open.
        lease_s: How long the next run waited for the lease.
        next_ok: The next run finished, and its candidate serves.
    """

    kind: Kind
    number: int
    what: str
    whom: str
    killed: bool
    serves: bool
    loadable: int | None
    hidden: int
    one_current: bool
    marked: bool | None
    lease_s: float
    next_ok: bool

    @property
    def passed(self) -> bool:
        """Whether nothing was lost."""
        return all(
            (
                self.killed,
                self.serves,
                self.loadable is not None,
                self.one_current,
                self.marked is not False,
                self.next_ok,
            )
        )


# What the processes do


async def _prepare(place: Place) -> None:
    """A database with feedback, whose current version is a base outside the models' folder."""
    database = open_database(place.url)
    base = write_small_version(place.folder.parent / "base")
    write_split(place.folder.parent / "split")
    await serve(database, base.path)
    for person in range(PEOPLE):
        await say(database, base.digest, person)
    await database.close()


async def _work(place: Place) -> None:
    """What a scheduler does in one firing, under a short lease."""
    database = open_database(place.url)
    lease_for = timedelta(seconds=place.lease_s)
    async with held_lease(database, duration=lease_for) as lease:
        await prune(database, place.models, lease, print)
        report = (await retrain(database, lease, place.settings, actor="crashes")).report
        if report is not None and report.verdict.passed:
            await promote(database, report.candidate, actor="crashes", under=lease)
    await database.close()


async def _work_next(place: Place) -> None:
    """The same, tried until the dead process's lease has run out; says how long that took."""
    began = time.monotonic()
    while True:
        try:
            database = open_database(place.url)
            async with held_lease(database, name="retrain", duration=timedelta(seconds=1)):
                pass
            await database.close()
            break
        except LeaseTaken:
            await database.close()
            await asyncio.sleep(PAUSE_S)
    waited = time.monotonic() - began
    await _work(place)
    (place.folder / "waited.json").write_text(json.dumps(waited), encoding="utf-8")


async def _bot(place: Place, wrap: Callable[[], None]) -> None:
    """A bot that serves, and swaps in what is promoted meanwhile; `wrap` is called before that."""
    database = open_database(place.url)
    recognizer = InProcessRecognizer(await load_current(database, _load))
    watcher = ModelWatcher(database, recognizer, _load, timedelta(seconds=PAUSE_S))
    wrap()
    (place.folder / "ready").touch()
    while not (place.folder / "go").exists():  # noqa: ASYNC110  another process says so
        await asyncio.sleep(PAUSE_S)
    await watcher.look()
    await recognizer.close()
    await database.close()


async def _check(place: Place) -> None:
    """What is found on disk and in the database, and whether a bot that starts now answers."""
    database = open_database(place.url)
    engine = await load_current(database, _load)
    answers = engine.logits(np.full((1, 160, 160, 3), 128, np.uint8))
    async with database.readers() as session:
        known = await versions.versions(session)
        latest = await runs.runs(session)
        sound = (await session.execute(text("PRAGMA integrity_check"))).scalar() == "ok"
    current = [one.digest for one in known if one.state == "current"]
    found = {
        "serves": bool(np.isfinite(answers.crowd[0]).all()) and [engine.version.digest] == current,
        "one_current": sound and len(current) == 1,
        "current": current,
        "registered_loads": all(_whole(version_path(one.uri)) for one in known),
        "runs": [run.state for run in latest],
        **_on_disk(place.models),
    }
    engine.close()
    await database.close()
    (place.folder / "found.json").write_text(json.dumps(found), encoding="utf-8")


def _on_disk(models: Path) -> dict[str, Any]:
    seen = sorted(models.iterdir()) if models.is_dir() else []
    hidden = [path for path in seen if path.name.startswith(".")]
    final = [path for path in seen if not path.name.startswith(".")]
    return {
        "hidden": len(hidden),
        "final": len(final),
        "whole": all(_whole(path) for path in final),
        "hidden_refused": not any(_whole(path) for path in hidden),
    }


def _whole(path: Path) -> bool:
    try:
        load_members(read_version(path))
    except VersionRefused:
        return False
    return True


def _load(uri: str) -> Engine:
    engine = Engine.load(version_path(uri), "cpu", 1, "torch")
    engine.warm_up()
    return engine


# Starting and killing them


def _forked(
    job: Callable[[], Coroutine[Any, Any, None]],
    log: Path,
    wrap: Callable[[], None] | None = None,
) -> int:
    """Starts a process that does the job and nothing else; returns its id.

    It is forked from this one, which has imported everything and started no thread of torch's.
    """
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        os.dup2(output, 1)
        os.dup2(output, 2)
        signal.alarm(int(LONGEST_S))
        torch.set_num_threads(1)
        if wrap is not None:
            wrap()
        asyncio.run(job())
        code = 0
    except BaseException:  # noqa: BLE001  the parent's stack must not go on here
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _ended(child: int) -> int:
    """How the process ended: its exit code, negative for a signal."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _done(job: Callable[[], Coroutine[Any, Any, None]], log: Path) -> None:
    code = _ended(_forked(job, log))
    if code != 0:
        raise RuntimeError(f"ended with {code}: {log.read_text(encoding='utf-8')[-2000:]}")


def _new_place(template: Path, name: str, lease_s: float) -> Place:
    place = Place(template.parent / name, lease_s)
    shutil.copytree(template, place.folder)
    return place


def _steps_of(place: Place) -> list[tuple[Kind, int, str]]:
    lines = (place.folder / "steps").read_text(encoding="utf-8").splitlines()
    return [tuple(json.loads(line)) for line in lines]


def _run_bot(place: Place, wrap: Callable[[], None]) -> int:
    """A bot beside a trainer that promotes; returns how the bot ended."""
    log = place.folder / "log"
    bot = _forked(lambda: _bot(place, wrap), log)
    while not (place.folder / "ready").exists():
        time.sleep(PAUSE_S)
        if os.waitpid(bot, os.WNOHANG)[0]:
            raise RuntimeError(log.read_text(encoding="utf-8")[-2000:])
    _done(lambda: _work(place), log)
    (place.folder / "go").touch()
    return _ended(bot)


def trial(template: Path, point: Point, whom: str, lease_s: float) -> Trial:
    """One kill and everything after it."""
    place = _new_place(template, f"{whom}-{point.kind}-{point.number}", lease_s)
    log = place.folder / "log"
    steps = place.folder / "steps"

    def in_trainer() -> None:
        in_a_retrain(Steps(steps, point))

    def in_bot() -> None:
        in_a_bot(Steps(steps, point))

    if whom == "bot":
        code = _run_bot(place, in_bot)
    else:
        code = _ended(_forked(lambda: _work(place), log, in_trainer))
    kind, number, what = _steps_of(place)[-1]
    before = _checked(place)
    _done(lambda: _work_next(place), log)
    after = _checked(place)
    waited = json.loads((place.folder / "waited.json").read_text(encoding="utf-8"))
    result = Trial(
        kind=kind,
        number=number,
        what=what,
        whom=whom,
        killed=code == -signal.SIGKILL and Point(kind, number) == point,
        serves=before["serves"] and after["serves"],
        loadable=before["final"] if _only_whole(before) and _only_whole(after) else None,
        hidden=before["hidden"],
        one_current=before["one_current"] and after["one_current"],
        marked=_marked(before["runs"], after["runs"]),
        lease_s=round(waited, 2),
        next_ok=after["runs"][0] == "finished" and after["current"] != before["current"],
    )
    if result.passed:
        shutil.rmtree(place.folder)
    return result


def _checked(place: Place) -> dict[str, Any]:
    _done(lambda: _check(place), place.folder / "log")
    return dict(json.loads((place.folder / "found.json").read_text(encoding="utf-8")))


def _only_whole(found: dict[str, Any]) -> bool:
    return bool(found["whole"] and found["hidden_refused"] and found["registered_loads"])


def _marked(before: Sequence[str], after: Sequence[str]) -> bool | None:
    if "running" not in before:
        return None
    return "running" not in after and after.count("failed") == before.count("running")


# Which, and the whole


def spread(steps: dict[Kind, int], kills: int) -> list[Point]:
    """`kills` points: as many of each kind as there are, if possible, evenly over its steps."""
    wanted = dict.fromkeys(steps, 0)
    for _ in range(min(kills, sum(steps.values()))):
        open_kinds = [kind for kind in steps if wanted[kind] < steps[kind]]
        wanted[min(open_kinds, key=lambda kind: wanted[kind])] += 1
    return list(chain.from_iterable(_evenly(kind, steps[kind], wanted[kind]) for kind in steps))


def _evenly(kind: Kind, count: int, wanted: int) -> Iterator[Point]:
    for place in range(wanted):
        yield Point(kind, place * count // wanted + count // (2 * wanted))


def crashes(kills: int, lease_s: float, jobs: int, folder: Path) -> dict[str, Any]:
    """Every trial, and what they add up to."""
    template = Place(folder / "template", lease_s)
    template.folder.mkdir()
    commands.upgrade(template.url)
    _done(lambda: _prepare(template), folder / "log")
    counted = _new_place(template.folder, "counted", lease_s)
    wrap = lambda: in_a_retrain(Steps(counted.folder / "steps"))  # noqa: E731
    if code := _ended(_forked(lambda: _work(counted), counted.folder / "log", wrap)):
        raise RuntimeError(f"{code}: {(counted.folder / 'log').read_text(encoding='utf-8')}")
    whole = _steps_of(counted)
    steps = Counter(kind for kind, _, _ in whole)
    bot = _new_place(template.folder, "counted-bot", lease_s)
    _run_bot(bot, lambda: in_a_bot(Steps(bot.folder / "steps")))
    bot_steps = len(_steps_of(bot))
    in_order = {kind: steps[kind] for kind in KINDS}
    in_order["swap"] += bot_steps
    points = [
        (Point(point.kind, point.number - steps["swap"]), "bot")
        if point.kind == "swap" and point.number >= steps["swap"]
        else (point, "trainer")
        for point in spread(in_order, kills)
    ]
    trials = []
    with ThreadPoolExecutor(jobs) as at_once:
        for done in at_once.map(
            lambda one: trial(template.folder, one[0], one[1], lease_s), points
        ):
            trials.append(done)
            print(f"{len(trials):3} {'ok' if done.passed else 'FAILED'} {done}", file=sys.stderr)
    return _summed_up(whole, in_order, bot_steps, trials, lease_s)


def _summed_up(
    whole: Sequence[tuple[Kind, int, str]],
    steps: dict[Kind, int],
    bot_steps: int,
    trials: Sequence[Trial],
    lease_s: float,
) -> dict[str, Any]:
    by_kind: defaultdict[str, list[Trial]] = defaultdict(list)
    for one in trials:
        by_kind[one.kind].append(one)
    return {
        "kills": len(trials),
        "passed": sum(one.passed for one in trials),
        "served": sum(one.serves for one in trials),
        "half_written_loadable": sum(one.loadable is None for one in trials),
        "next_run_succeeded": sum(one.next_ok for one in trials),
        "open_runs_left": sum(one.marked is not None for one in trials),
        "open_runs_marked_failed": sum(one.marked is True for one in trials),
        "lease_s": lease_s,
        "longest_wait_for_the_lease_s": max(one.lease_s for one in trials),
        "steps": steps | {"of_these_in_the_bot": bot_steps},
        "kills_by_kind": {
            kind: {"kills": len(rows), "passed": sum(one.passed for one in rows)}
            for kind, rows in by_kind.items()
        },
        "order_of_one_run": [what for _, _, what in whole],
        "trials": [asdict(one) for one in trials],
    }


def main() -> None:
    """Kill, check, print, and write `benchmarks/results/crashes.json` or what `--out` says."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.crashes", description=__doc__)
    parser.add_argument("--kills", type=int, default=KILLS)
    parser.add_argument("--lease", type=float, default=LEASE_S, help="seconds")
    parser.add_argument("--jobs", type=int, default=2, help="trials at a time")
    parser.add_argument("--out", type=Path, help="instead of benchmarks/results/crashes.json")
    arguments = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    with tempfile.TemporaryDirectory(prefix="crashes-", ignore_cleanup_errors=True) as folder:
        found = crashes(arguments.kills, arguments.lease, arguments.jobs, Path(folder))
    if arguments.out is None:
        record.write("crashes", found)
    else:
        arguments.out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print(json.dumps({k: v for k, v in found.items() if not isinstance(v, list)}, indent=1))
    sys.exit(found["passed"] != found["kills"])


if __name__ == "__main__":
    main()
