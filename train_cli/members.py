"""Ensemble members, from checkpoints or model versions, and what they answer to a set of faces."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fer_model.checkpoints import read_checkpoint
from fer_model.networks import Architecture, FaceNetwork
from fer_model.versions import Member
from train_cli.errors import CheckpointUnusable
from train_cli.progress import unheard
from train_cli.training import predict


@dataclass(frozen=True)
class EnsembleLogits:
    """Every member's logits, each float32 (M, N, 7)."""

    crowd: NDArray[np.float32]
    label: NDArray[np.float32]

    def member(self, place: int) -> "EnsembleLogits":
        """Those of one member alone, each (1, N, 7)."""
        return EnsembleLogits(self.crowd[place : place + 1], self.label[place : place + 1])


def member_of_checkpoint(folder: Path) -> Member:
    """The averaged network that a run's `best/` holds, in float32 on the CPU.

    Raises:
        CheckpointUnusable: No checkpoint there, or not one of a trained member.
        FerModelError: It is damaged or of other labels.
    """
    checkpoint = read_checkpoint(folder)
    if checkpoint is None:
        raise CheckpointUnusable(f"{folder}: no checkpoint there; name a run's `best` folder")
    if any(key.startswith("averaged.") for key in checkpoint.tensors):
        raise CheckpointUnusable(f"{folder} is for resuming; name the run's `best` folder")
    try:
        settings = checkpoint.metadata["settings"]
        architecture: Architecture = settings["architecture"]
        if architecture not in get_args(Architecture):
            raise ValueError(f"unknown architecture {architecture}")
        network = FaceNetwork(architecture)
        network.load_state_dict(dict(checkpoint.tensors))
        return Member(network.eval(), int(settings["side"]))
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise CheckpointUnusable(f"{folder}: no member of ours ({error})") from error


def ensemble_logits(
    members: Sequence[Member],
    crops: Tensor,
    device: torch.device,
    flip: bool,
    on_faces: Callable[[int], None] = unheard,
) -> EnsembleLogits:
    """The members' logits of uint8 crops (N, C, H, W), in float32 arithmetic.

    `on_faces` is told how many faces a member has just done.
    """
    answers = []
    for member in members:
        network = member.network.to(device)
        answers.append(predict(network, crops, member.side, device, "fp32", flip, on_faces))
    return EnsembleLogits(
        torch.stack([answer.crowd for answer in answers]).numpy(),
        torch.stack([answer.label for answer in answers]).numpy(),
    )
