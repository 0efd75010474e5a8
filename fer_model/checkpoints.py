"""Checkpoints of a training run: safetensors beside one JSON, never pickle.

The JSON names its weights file and is written last, by an atomic rename: a run killed at any
moment leaves the previous checkpoint or the new one, never half of each.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from fer_model.emotions import EMOTIONS
from fer_model.errors import CheckpointDamaged, LabelOrderMismatch

_JSON: Final = "checkpoint.json"


@dataclass(frozen=True)
class Checkpoint:
    """One member's weights (and whatever resuming needs) with their metadata."""

    tensors: Mapping[str, Tensor]
    metadata: Mapping[str, Any]

    def part(self, prefix: str) -> dict[str, Tensor]:
        """The tensors below `prefix.`, without it."""
        cut = len(prefix) + 1
        return {k[cut:]: v for k, v in self.tensors.items() if k.startswith(f"{prefix}.")}


def write_checkpoint(folder: Path, checkpoint: Checkpoint, step: int) -> None:
    """Replaces the checkpoint in `folder`; the folder is made where it is missing."""
    folder.mkdir(parents=True, exist_ok=True)
    weights = folder / f"step-{step:08d}.safetensors"
    save_file({k: v.contiguous() for k, v in checkpoint.tensors.items()}, weights)
    _sync(weights)
    document = {
        "weights": weights.name,
        "labels": list(EMOTIONS),
        "step": step,
        "metadata": dict(checkpoint.metadata),
    }
    partial = folder / f"{_JSON}.partial"
    partial.write_text(json.dumps(document, indent=1), encoding="utf-8")
    _sync(partial)
    partial.replace(folder / _JSON)
    _sync(folder)
    for old in folder.glob("step-*.safetensors"):
        if old.name != weights.name:
            old.unlink()


def read_checkpoint(folder: Path) -> Checkpoint | None:
    """The checkpoint in `folder`, or None where there is none.

    Raises:
        CheckpointDamaged: Its files are incomplete or unreadable.
        LabelOrderMismatch: It was written for another order of emotions.
    """
    document = folder / _JSON
    if not document.exists():
        return None
    try:
        content = json.loads(document.read_text(encoding="utf-8"))
        labels, metadata = content["labels"], content["metadata"]
        tensors = load_file(folder / content["weights"])
    except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
        raise CheckpointDamaged(folder, str(error)) from error
    if tuple(labels) != EMOTIONS:
        raise LabelOrderMismatch(folder, tuple(labels))
    return Checkpoint(tensors, metadata)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
