"""What `torchrun` starts in the tests: `train_cli` on small networks, or several runs in turn.

`-m tests.train_cli.workers_program train ...` is the command line, `... dying train ...` the same
with a second worker that ends in mid-training; `... every FOLDER` trains in each of `WAYS`, and
both real members, and leaves every run in a folder of its own.
"""

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Final
from unittest import mock

import torch
from torch import nn

from fer_model import networks
from tests.train_cli.generated import backbones, face_set
from train_cli import distributed, training
from train_cli.augmentation import Augmentation
from train_cli.cli import app
from train_cli.training import EpochResult, TrainingSettings, train

CPU: Final = torch.device("cpu")
SMALL: Final = TrainingSettings(
    "resnet50",
    side=32,
    epochs=3,
    batch_size=15,  # uneven: eight faces and seven
    learning_rate=0.05,
    ema=0.9,
    precision="fp32",
    dropout=0.3,
    mixup=0.2,
    label_disturbance=0.1,
    class_weighting=0.5,
    augmentation=Augmentation(noise=5.0),
)
REAL: Final = replace(SMALL, epochs=1, batch_size=5, learning_rate=0.01, mixup=0.0)


KILLED: Final = 9
"""How a worker that dies ends."""


class Killed(BaseException):
    """What a kill looks like from inside."""


def small() -> Any:
    """Both members with a small backbone, inside."""
    return mock.patch.dict(networks._BACKBONES, dict(backbones()))


@contextmanager
def exact() -> Iterator[None]:
    """Backbones in float64: from noise, deep batch normalisation magnifies rounding 100,000 times.

    One process in float32 does not end where it would with its input changed by 1e-7 either.
    """

    def doubled(make: Callable[[networks.Stem], tuple[nn.Module, int]]) -> Any:
        def backbone(stem: networks.Stem) -> tuple[nn.Module, int]:
            network, width = make(stem)
            return network.double(), width

        return backbone

    def features(network: networks.FaceNetwork, faces: torch.Tensor) -> torch.Tensor:
        pooled: torch.Tensor = network.backbone(faces.double())
        return pooled.flatten(1)

    makers = {name: doubled(make) for name, make in networks._BACKBONES.items()}
    with (
        mock.patch.dict(networks._BACKBONES, makers),
        mock.patch.object(networks.FaceNetwork, "features", features),
    ):
        yield


def real(
    architecture: networks.Architecture,
    folder: Path,
    workers: distributed.Workers = distributed.ALONE,
) -> None:
    """Two steps of a member as it is, in `folder`."""
    settings = replace(REAL, architecture=architecture)
    faces = face_set(2).subset(range(10)), face_set(1, first=100)
    with exact():
        train(settings, *faces, folder, None, CPU, workers=workers)


@contextmanager
def without(what: str) -> Iterator[None]:
    """Several workers that do not share one of the things they must, or all of them."""
    plain: dict[str, Any] = {
        "gradients": ("DistributedDataParallel", lambda network, *_: network),
        "statistics": ("SharedBatchNorm", mock.Mock(of=lambda norm: norm)),
        "masks": ("SharedDropout", lambda p, _: nn.Dropout(p)),
    }
    if what not in plain:
        yield
        return
    name, broken = plain[what]
    with mock.patch.object(distributed, name, broken):
        yield


def run_of(
    settings: TrainingSettings,
    folder: Path,
    workers: distributed.Workers = distributed.ALONE,
    *,
    resume: bool = False,
    killed: bool = False,
) -> list[EpochResult]:
    """Generated faces learnt from; `killed` ends it after the first epoch."""

    def stop(result: EpochResult) -> None:
        raise Killed

    faces = face_set(8), face_set(3, first=100)
    more: dict[str, Any] = {"on_epoch": stop} if killed else {}
    return train(settings, *faces, folder, None, CPU, workers=workers, resume=resume, **more)


WAYS: Final[Sequence[str]] = ("whole", "gradients", "statistics", "masks", "resumed", "cut")


def every(folder: Path, workers: distributed.Workers) -> None:
    """Each way to train, and both real members for a few steps."""
    for way in WAYS:
        resume, killed = way == "resumed", way == "cut"
        with small(), without(way), suppress(Killed):
            run_of(SMALL, folder / way, workers, resume=resume, killed=killed)
    for architecture in networks.ARCHITECTURES:
        real(architecture, folder / architecture, workers)


@contextmanager
def dying(workers: distributed.Workers) -> Iterator[None]:
    """The second worker ends, as by a kill, in its third step."""
    calls = []
    draw = training.disturbed

    def die(*arguments: Any) -> torch.Tensor:
        calls.append(1)
        if workers.rank == 1 and len(calls) == 3:
            os._exit(KILLED)
        return draw(*arguments)

    with mock.patch.object(training, "disturbed", die):
        yield


def main() -> None:
    """As the module's docstring says."""
    torch.set_num_threads(1)
    workers = distributed.workers_named(os.environ)
    if sys.argv[1] == "every":
        with distributed.joined(workers, CPU):
            every(Path(sys.argv[2]), workers)
        return
    ending = nullcontext()
    if sys.argv[1] == "dying":
        del sys.argv[1]
        ending = dying(workers)
    with small(), ending:
        app()


if __name__ == "__main__":
    main()
