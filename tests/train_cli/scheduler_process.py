"""A scheduler in a process of its own, as `train_cli schedule` runs one, but quicker.

`python -m tests.train_cli.scheduler_process URL MODELS EVERY FIRINGS [LEASE [PAUSE_AT]]`

Networks are tiny, learning is brief, whatever is better passes the gate. It says that it is ready
and reads from stdin when to fire first; from then on it does so every so many seconds, FIRINGS
times. Each firing's outcome is one line on stdout. With
PAUSE_AT, it stops itself (SIGSTOP) right before that step, the first time: `commit` is the
transaction that registers the candidate, `promote` the one that makes it current.
"""

import asyncio
import logging
import os
import signal
import sys
from collections import OrderedDict
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import torch
from apscheduler.triggers.interval import IntervalTrigger
from torch import nn

from fer_model import networks
from store import schedules
from store.engine import open_database
from tests.train_cli.feedback_rows import BRIEF, LENIENT
from train_cli import retraining, scheduling
from train_cli.heartbeat import Heartbeat
from train_cli.registry import LEASE_DURATION, this_process
from train_cli.retraining import RetrainSettings
from train_cli.scheduling import FiringRules, fire, keep_schedule


def use_small_networks() -> None:
    """ResNet50's stages with one convolution in each; OpenVINO would follow the shipped ones."""
    torch.set_num_threads(1)
    logging.getLogger("apscheduler").setLevel(logging.ERROR)
    networks._BACKBONES["resnet50"] = small_resnet  # type: ignore[index]


def small_resnet(_stem: networks.Stem) -> tuple[nn.Module, int]:
    """The stand-in, and how many features it has."""
    stages = {
        f"layer{number}": nn.Sequential(
            nn.Conv2d(8, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8), nn.ReLU()
        )
        for number in range(1, 5)
    }
    children: dict[str, nn.Module] = {
        "conv1": nn.Conv2d(3, 8, 3, stride=4, padding=1, bias=False),
        "bn1": nn.BatchNorm2d(8),
        "relu": nn.ReLU(),
        "maxpool": nn.MaxPool2d(2),
        **stages,
        "avgpool": nn.AdaptiveAvgPool2d(1),
        "flat": nn.Flatten(),
    }
    return nn.Sequential(OrderedDict(children)), 8


def pause_before(step: str) -> None:
    """Have this process stop itself before that step, once."""
    owner: Any = retraining.versions if step == "commit" else scheduling
    name = "add_candidate" if step == "commit" else "promote"
    original = getattr(owner, name)

    async def paused(*arguments: Any, **named: Any) -> Any:
        setattr(owner, name, original)
        print("pausing", flush=True)
        os.kill(os.getpid(), signal.SIGSTOP)
        return await original(*arguments, **named)

    setattr(owner, name, paused)


async def main(
    url: str, models: str, every: str, firings: str, lease: str = "", pause: str = ""
) -> None:
    """Fires so many times and ends."""
    use_small_networks()
    if pause:
        pause_before(pause)
    database = open_database(url)
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    duration = timedelta(seconds=float(lease)) if lease else LEASE_DURATION
    rules = FiringRules(lease=duration)
    settings = RetrainSettings(
        Path(models),
        Path(models).with_name("split"),
        learning=BRIEF,
        policy=LENIENT,
        runtime="torch",
    )
    heart = Heartbeat(database, this_process(), "* * * * *", None, rules.minimum_feedback)
    left = [int(firings)]

    async def job() -> None:
        await heart.fired()
        firing = await fire(database, settings, rules, lambda line: print(f"# {line}", flush=True))
        await heart.ended(firing.outcome, candidate=firing.candidate, detail=firing.detail)
        print(firing.outcome, firing.said, flush=True)
        left[0] -= 1
        if not left[0]:
            stop.set()

    def left_out(line: str) -> None:
        print("left-out", line, flush=True)
        left[0] -= 1
        if not left[0]:
            stop.set()

    print("ready", flush=True)
    first = datetime.fromisoformat((await asyncio.to_thread(sys.stdin.readline)).strip())
    trigger = IntervalTrigger(seconds=float(every), start_date=first)
    await keep_schedule(trigger, job, stop, left_out, first=first, beat=heart.beat)
    async with database.readers() as session:
        assert await schedules.schedules(session, schedules.RETRAIN)
    await database.close()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
