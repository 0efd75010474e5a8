"""Photo to reply through the stand-in, start-up and memory of the bot: `python -m benchmarks.chat`.

The unmodified bot runs as a process of its own, as in the demo.
"""

import asyncio
import shutil
import time
from dataclasses import asdict
from pathlib import Path

import psutil
from rich.console import Console

from benchmarks.record import Timing, write
from bot.playground import Person, Playground
from bot.playground.demo import Stage, astronaut, environment_for, running_bot

ALONE = 20
CHATS = 20
ROUNDS = 3
FOLDER = Path("var/benchmark")


async def measure() -> dict[str, object]:
    """Start-up seconds, memory after it and after the load, and latencies."""
    photo = astronaut()
    async with Playground() as playground:
        stage = Stage(FOLDER, environment_for(playground, FOLDER), Console(stderr=True))
        await stage.command("bot", "db", "upgrade", quiet=True)
        started = time.perf_counter()
        async with running_bot(stage, playground) as process_id:
            startup = time.perf_counter() - started
            memory_at_start = _resident(process_id)
            ada = playground.person("Ada")
            first = await _answered(ada, photo)
            alone = [await _answered(ada, photo) for _ in range(ALONE)]
            crowd = [playground.add_person(f"P{n}", 5000 + n) for n in range(CHATS)]
            began = time.perf_counter()
            together: list[float] = []
            for _ in range(ROUNDS):
                together += await asyncio.gather(*(_answered(one, photo) for one in crowd))
            took = time.perf_counter() - began
            return {
                "startup_seconds": round(startup, 2),
                "resident_mib_at_start": memory_at_start,
                "resident_mib_after": _resident(process_id),
                "first_photo_ms": round(first * 1000, 1),
                "alone_ms": asdict(Timing.of(alone)),
                "chats_at_once": CHATS,
                "together_ms": asdict(Timing.of(together)),
                "photos_per_second_together": round(len(together) / took, 2),
            }


async def _answered(person: Person, photo: bytes) -> float:
    started = time.perf_counter()
    await person.send_photo(photo)
    while not (await person.next_message(120)).has_photo:
        pass
    return time.perf_counter() - started


def _resident(process_id: int) -> float:
    return round(psutil.Process(process_id).memory_info().rss / 2**20, 1)


def main() -> None:
    """Measures, prints and records."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    path = write("chat", asyncio.run(measure()))
    print(path.read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
