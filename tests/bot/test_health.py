import os
import subprocess
import sys
from pathlib import Path

import pytest

from bot.errors import NotAlive
from bot.health import LONGEST_SILENCE_S, beat, check_alive


def test_a_fresh_heartbeat_is_alive(tmp_path: Path) -> None:
    beat(tmp_path / "heartbeat")
    assert check_alive(tmp_path / "heartbeat") < 5


def test_no_heartbeat_is_not_alive(tmp_path: Path) -> None:
    with pytest.raises(NotAlive, match="is the bot running"):
        check_alive(tmp_path / "heartbeat")


def test_an_old_heartbeat_is_not_alive(tmp_path: Path) -> None:
    heartbeat = tmp_path / "heartbeat"
    beat(heartbeat)
    os.utime(heartbeat, (1000, 1000))
    assert check_alive(heartbeat, now=1000 + LONGEST_SILENCE_S - 1) == LONGEST_SILENCE_S - 1
    with pytest.raises(NotAlive, match="91 s ago"):
        check_alive(heartbeat, now=1000 + LONGEST_SILENCE_S + 1)


def test_a_heartbeat_that_cannot_be_written_is_no_error(tmp_path: Path) -> None:
    beat(tmp_path / "nowhere" / "heartbeat")


def test_the_health_command_loads_neither_torch_nor_telegram(tmp_path: Path) -> None:
    beat(tmp_path / "heartbeat")
    code = (
        "import sys\n"
        "from bot.cli import app\n"
        "app(['health'], standalone_mode=False)\n"
        "sys.exit(', '.join(m for m in ('torch', 'telegram', 'cv2') if m in sys.modules) or 0)"
    )
    environment = os.environ | {"FEELBACK_HEARTBEAT": str(tmp_path / "heartbeat")}
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[2],
        env=environment,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("alive ")
