"""Accuracy against milliseconds for input sizes and stems: `python -m benchmarks.input_size`.

Every variant is trained for a few epochs from ImageNet weights on the same faces of the training
split with the same recipe, measured on the same faces of the validation split, and timed in turn
with the others. The networks that come out are far from finished: what is compared is how much a
size or a stem brings at equal training, not what it would reach.
"""

import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import torch
import typer

from benchmarks.record import Timing, write
from fer_model.networks import Architecture, FaceNetwork, Stem
from train_cli.splits import FaceSet, load_split
from train_cli.training import EpochResult, TrainingSettings, train

ROUNDS = 25
_RATES: dict[Architecture, float] = {"vgg19": 0.01, "resnet50": 0.02}


@dataclass(frozen=True)
class Variant:
    """One member at one input size: `resnet50:96`, or `resnet50:48:finer`."""

    architecture: Architecture
    side: int
    stem: Stem = "original"

    @classmethod
    def named(cls, name: str) -> "Variant":
        """The variant of that name.

        Raises:
            typer.BadParameter: It is none.
        """
        architecture, _, rest = name.partition(":")
        side, _, stem = rest.partition(":")
        stem = stem or "original"
        if architecture not in _RATES or not side.isdigit() or stem not in ("original", "finer"):
            raise typer.BadParameter(f"{name} is no variant; resnet50:96 or vgg19:48:finer is one")
        return cls(architecture, int(side), stem)  # type: ignore[arg-type]  # checked above

    @property
    def name(self) -> str:
        """As it is named on the command line."""
        ending = ":finer" if self.stem == "finer" else ""
        return f"{self.architecture}:{self.side}{ending}"


VARIANTS = (
    "resnet50:48,resnet50:64,resnet50:96,resnet50:112,resnet50:48:finer,"
    "vgg19:48,vgg19:64,vgg19:96,vgg19:112"
)


def main(
    split: Annotated[Path, typer.Option(help="Folder that `train_cli prepare` wrote.")],
    resnet50: Annotated[Path, typer.Option(help="Its ImageNet weights.")],
    vgg19: Annotated[Path, typer.Option(help="Likewise.")],
    variants: Annotated[str, typer.Option(help="Which, by comma.")] = VARIANTS,
    faces: Annotated[int, typer.Option(help="Training faces.", min=64)] = 4096,
    epochs: Annotated[int, typer.Option(help="Passes over them.", min=1)] = 4,
    seeds: Annotated[int, typer.Option(help="Runs per variant.", min=1)] = 1,
    threads: Annotated[int, typer.Option(help="CPU threads.", min=1)] = 1,
) -> None:
    """Train, measure and time every variant; results in benchmarks/results/input_size.json."""
    chosen = [Variant.named(name) for name in variants.split(",")]
    torch.set_num_threads(threads)
    training, validation = load_split(split, "train", faces), load_split(split, "validation")
    backbones: dict[Architecture, Path] = {"resnet50": resnet50, "vgg19": vgg19}
    milliseconds = _times(chosen)
    rows: list[dict[str, Any]] = []
    for variant in chosen:
        results = [
            _trained(variant, training, validation, backbones[variant.architecture], epochs, seed)
            for seed in range(seeds)
        ]
        rows.append(
            {
                "variant": variant.name,
                "one_face_ms": milliseconds[variant.name],
                "label_accuracy": [r.label_accuracy for r in results],
                "crowd_accuracy": [r.crowd_accuracy for r in results],
                "loss": [r.loss for r in results],
            }
        )
        typer.echo(_line(rows[-1]))
        write(
            "input_size",
            {
                "faces": len(training),
                "validation_faces": len(validation),
                "epochs": epochs,
                "threads": threads,
                "torch": torch.__version__,
                "variants": rows,
            },
        )


def _times(variants: Sequence[Variant]) -> dict[str, dict[str, float]]:
    """Forward pass of one face, float32, milliseconds by variant, in turn with the others."""
    networks = {
        variant.name: (
            FaceNetwork(variant.architecture, stem=variant.stem).eval(),
            torch.rand(1, 3, variant.side, variant.side),
        )
        for variant in variants
    }
    seconds: dict[str, list[float]] = {name: [] for name in networks}
    for turn in range(ROUNDS + 1):
        for name, (network, face) in networks.items():
            started = time.perf_counter()
            with torch.inference_mode():
                network(face)
            if turn:  # the first is for warming up
                seconds[name].append(time.perf_counter() - started)
    return {name: asdict(Timing.of(found)) for name, found in seconds.items()}


def _trained(
    variant: Variant,
    training: FaceSet,
    validation: FaceSet,
    backbone: Path,
    epochs: int,
    seed: int,
) -> EpochResult:
    settings = TrainingSettings(
        variant.architecture,
        side=variant.side,
        stem=variant.stem,
        epochs=epochs,
        learning_rate=_RATES[variant.architecture],
        ema=0.99,  # so few steps would leave a longer average behind
        seed=seed,
    )
    with tempfile.TemporaryDirectory() as folder:
        history = train(settings, training, validation, Path(folder), backbone, torch.device("cpu"))
    return history[-1]


def _line(row: dict[str, Any]) -> str:
    label, crowd = (sum(row[key]) / len(row[key]) for key in ("label_accuracy", "crowd_accuracy"))
    return (
        f"{row['variant']}: {row['one_face_ms']['p50']} ms, label {100 * label:.2f} %, "
        f"crowd majority {100 * crowd:.2f} %"
    )


if __name__ == "__main__":
    typer.run(main)
