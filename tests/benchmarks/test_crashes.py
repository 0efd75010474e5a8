"""`benchmarks.crashes`: which points are chosen, and seven real kills."""

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from benchmarks.crashes import spread
from benchmarks.crashes_steps import KINDS, Kind

STEPS: dict[Kind, int] = {
    "write": 20,
    "fsync": 12,
    "rename": 4,
    "commit": 30,
    "swap": 10,
    "training": 14,
    "evaluation": 18,
}


def test_points_are_spread_over_the_kinds_and_within_each() -> None:
    points = spread(STEPS, 50)
    assert len(points) == len(set(points)) == 50
    assert Counter(point.kind for point in points) == {
        "write": 8,
        "fsync": 8,
        "rename": 4,
        "commit": 8,
        "swap": 8,
        "training": 7,
        "evaluation": 7,
    }
    assert [point.number for point in points if point.kind == "commit"] == [
        1, 4, 8, 12, 16, 19, 23, 27
    ]  # fmt: skip
    assert all(0 <= point.number < STEPS[point.kind] for point in points)


def test_there_are_no_more_points_than_steps() -> None:
    assert len(spread(STEPS, 1000)) == sum(STEPS.values())


@pytest.mark.slow
def test_kill_9_at_one_step_of_each_kind_loses_nothing(tmp_path: Path) -> None:
    out = tmp_path / "crashes.json"
    done = subprocess.run(
        [
            *(sys.executable, "-m", "benchmarks.crashes"),
            *("--kills", str(len(KINDS)), "--jobs", "3", "--lease", "10", "--out", str(out)),
        ],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(out.read_text(encoding="utf-8"))
    assert found["passed"] == found["kills"] == len(KINDS)
    assert {one["kind"] for one in found["trials"]} == set(KINDS)
    order = found["order_of_one_run"]
    # The power may fail, too: everything is on disk before it gets its name, and that before the
    # database hears of it.
    renamed = order.index("after rename of .partial to the version")
    published = order.index("after rename of the version to the version")
    synced = [place for place, what in enumerate(order) if what.startswith("after fsync")]
    assert {order[place] for place in synced if place < renamed} >= {
        "after fsync of version.json",
        "after fsync of resnet50.safetensors",
        "after fsync of .partial",
    }
    told = order.index("before commit", published)
    assert "after fsync of models" in order[published:told]
