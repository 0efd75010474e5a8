"""Results as JSON files in benchmarks/results/, each with where and when it was measured."""

import json
import os
import platform
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True)
class Timing:
    """Times of one thing measured repeatedly, milliseconds."""

    p50: float
    p95: float
    runs: int

    @classmethod
    def of(cls, seconds: Sequence[float]) -> "Timing":
        """The median and 95th percentile of the runs."""
        ordered = sorted(seconds)
        place = min(len(ordered) - 1, round(0.95 * (len(ordered) - 1)))
        return cls(
            round(statistics.median(ordered) * 1000, 2),
            round(ordered[place] * 1000, 2),
            len(ordered),
        )


def timed(action: Callable[[], object], runs: int, warmup: int = 3) -> Timing:
    """How long `action` takes, `runs` times after `warmup` uncounted ones."""
    for _ in range(warmup):
        action()
    seconds = []
    for _ in range(runs):
        started = time.perf_counter()
        action()
        seconds.append(time.perf_counter() - started)
    return Timing.of(seconds)


def write(name: str, figures: Mapping[str, Any]) -> Path:
    """Writes `benchmarks/results/<name>.json` and returns its path."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    document = {
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": {
            "processor": _processor(),
            "cores": os.cpu_count(),
            "python": platform.python_version(),
        },
        **figures,
    }
    path.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    return path


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor())
