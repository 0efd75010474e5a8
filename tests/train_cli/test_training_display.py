import io
from collections.abc import Sequence

import pytest
from rich.console import Console

from train_cli.training import EpochResult, TrainingSettings
from train_cli.training_display import TrainingDisplay, training_display

SETTINGS = TrainingSettings("vgg19", 48, epochs=3, batch_size=50, learning_rate=0.01, warmup=0.1)
STEPS = 30


class Clock:
    """Time that passes when told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def result(epoch: int, loss: float) -> EpochResult:
    return EpochResult(epoch, 2.0, loss, 1.0, 0.5 + epoch / 100, 0.7, 33.0)


def terminal(height: int = 40) -> Console:
    return Console(file=io.StringIO(), force_terminal=True, width=80, height=height)


def written(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def text(console: Console, display: TrainingDisplay) -> str:
    """What the live page shows now, without its colours."""
    plain = Console(file=io.StringIO(), width=80, height=console.height)
    plain.print(display)
    return written(plain)


def walk(display: TrainingDisplay, clock: Clock, steps: Sequence[int]) -> None:
    """Takes these steps, two seconds each."""
    for step in steps:
        clock.now += 2.0
        display.on_step(step, STEPS, 1.234)


def test_a_terminal_sees_both_bars_the_pace_and_the_time_left() -> None:
    clock, console = Clock(), terminal()
    with training_display(console, SETTINGS, clock=clock) as display:
        walk(display, clock, range(1, 6))
        page = text(console, display)
    assert "epoch 1/3" in page
    assert "5/10" in page
    assert "0:00:10 left" in page  # five more steps of two seconds in this epoch
    assert "5/30" in page
    assert "0:00:50 left" in page
    assert "loss 1.234" in page
    assert "25 faces/s" in page
    assert "learning rate 0.00997" in page  # two steps past the warm-up


def test_every_epoch_starts_its_bar_anew_and_ends_with_validating() -> None:
    clock, console = Clock(), terminal()
    with training_display(console, SETTINGS, clock=clock) as display:
        walk(display, clock, range(1, 11))
        assert "epoch 1/3, validating" in text(console, display)
        display.on_epoch(result(1, 0.9))
        walk(display, clock, range(11, 13))
        page = text(console, display)
    assert "epoch 2/3 " in page
    assert "2/10" in page
    assert "12/30" in page


def test_the_table_shows_the_epochs_so_far_and_marks_the_best() -> None:
    clock, console = Clock(), terminal()
    with training_display(console, SETTINGS, [result(1, 0.7)], clock) as display:
        display.on_epoch(result(2, 0.9))
        page = text(console, display).splitlines()
    assert [line.split()[0] for line in page if "33" in line] == ["1", "2"]
    assert [line.split()[0] for line in page if line.rstrip().endswith("best")] == ["1"]


def test_on_a_low_terminal_the_last_epochs_and_the_best_one_are_shown() -> None:
    clock, console = Clock(), terminal(height=14)
    earlier = [result(n, 0.5 if n == 2 else 0.9) for n in range(1, 20)]
    with training_display(console, SETTINGS, earlier, clock) as display:
        walk(display, clock, range(1, 3))
        page = text(console, display).splitlines()
    assert [line.split()[0] for line in page if "33" in line] == ["2", "17", "18", "19"]
    assert len(page) < 14
    assert any("faces/s" in line for line in page)


def test_the_live_page_goes_when_the_run_ends_and_stays_when_it_breaks_off() -> None:
    """The last thing that Rich writes for a page to go is: up a line, erase it."""
    ended, broken = terminal(), terminal()
    with training_display(ended, SETTINGS, [result(1, 0.7)]):
        pass
    with (
        pytest.raises(KeyboardInterrupt),
        training_display(broken, SETTINGS, [result(1, 0.7)]),
    ):
        raise KeyboardInterrupt
    assert written(ended).endswith("\x1b[1A\x1b[2K")
    assert not written(broken).endswith("\x1b[2K")
    assert "validation" in written(broken)


def test_a_log_gets_plain_lines() -> None:
    console = Console(file=io.StringIO(), width=80)
    with training_display(console, SETTINGS) as display:
        for step in range(1, STEPS + 1):
            display.on_step(step, STEPS, 1.234)
        display.on_epoch(result(3, 0.9))
    first, last, epoch = written(console).splitlines()
    assert (first, last) == ("vgg19: step 1/30, loss 1.234", "vgg19: step 30/30, loss 1.234")
    assert epoch.startswith("epoch 3/3: train loss 2.000, validation loss 1.900, label 53.00%,")
