"""Ensembles, from checkpoints or model versions, and what they answer to a set of faces."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fer_model.blend import Array, Calibrations, blended, tempered
from fer_model.checkpoints import read_checkpoint
from fer_model.networks import STEMS, Architecture, FaceNetwork, Stem
from fer_model.versions import Member, load_members, read_version, shipped_version
from train_cli.errors import CheckpointUnusable
from train_cli.evaluating import Figures, judge
from train_cli.progress import unheard
from train_cli.splits import FaceSet
from train_cli.training import predict

BLEND: Final = "blend"
"""How figures call the whole ensemble beside its members."""


@dataclass(frozen=True)
class Ensemble:
    """Members with all that turns their logits into a blend.

    Attributes:
        title: What it is, for people.
        members: As loaded.
        calibrations: Members in the same order.
        flip: Whether a face's logits are the mean of it and its mirror image.
    """

    title: str
    members: tuple[Member, ...]
    calibrations: Calibrations
    flip: bool

    @property
    def names(self) -> tuple[str, ...]:
        """The members' architectures."""
        return tuple(member.network.architecture for member in self.members)


@dataclass(frozen=True)
class Answers:
    """Both heads' probabilities, each (N, 7)."""

    crowd: Array
    label: Array


@dataclass(frozen=True)
class EnsembleLogits:
    """Every member's logits, each float32 (M, N, 7)."""

    crowd: NDArray[np.float32]
    label: NDArray[np.float32]


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
        stem: Stem = settings.get("stem", "original")  # runs before there was a choice have none
        if stem not in STEMS:
            raise ValueError(f"unknown stem {stem}")
        network = FaceNetwork(architecture, stem=stem)
        network.load_state_dict(dict(checkpoint.tensors))
        return Member(network.eval(), int(settings["side"]))
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise CheckpointUnusable(f"{folder}: no member of ours ({error})") from error


def ensemble_of_checkpoints(folders: Sequence[Path]) -> Ensemble:
    """Trained members as they are: no temperatures, equal weights.

    Raises:
        CheckpointUnusable: As `member_of_checkpoint`.
    """
    members = tuple(member_of_checkpoint(folder) for folder in folders)
    title = ", ".join(str(folder) for folder in folders)
    return Ensemble(title, members, Calibrations.neutral(len(members)), flip=False)


def ensemble_of_version(path: Path | None) -> Ensemble:
    """The model version at `path`, or the shipped one, exactly as it serves.

    Raises:
        VersionRefused: It cannot serve.
    """
    version = read_version(path if path is not None else shipped_version())
    return Ensemble(
        f"model version {version.short}",
        tuple(load_members(version)),
        version.metadata.calibrations,
        version.metadata.flip_average,
    )


def answers_of(
    logits: EnsembleLogits, names: Sequence[str], calibrations: Calibrations
) -> dict[str, Answers]:
    """Each member's tempered answers by its name, then the whole ensemble's as `BLEND`."""
    alone = zip(
        names,
        tempered(logits.crowd, calibrations.crowd),
        tempered(logits.label, calibrations.label),
        strict=True,
    )
    together = Answers(
        blended(logits.crowd, calibrations.crowd), blended(logits.label, calibrations.label)
    )
    return {name: Answers(crowd, label) for name, crowd, label in alone} | {BLEND: together}


def judged(answers: Mapping[str, Answers], faces: FaceSet, seed: int = 0) -> dict[str, Figures]:
    """Everybody's figures on `faces`, by the names in `answers`."""
    labels, votes = faces.labels.numpy(), faces.votes.numpy()
    return {name: judge(a.crowd, a.label, labels, votes, seed) for name, a in answers.items()}


def judged_leak_free(
    answers: Mapping[str, Answers], faces: FaceSet, seed: int = 0
) -> dict[str, Figures]:
    """The figures without faces that are identical to training ones; empty if there are none."""
    clean = np.flatnonzero(~faces.identical_to_training)
    if len(clean) in (0, len(faces)):
        return {}
    kept = {name: Answers(a.crowd[clean], a.label[clean]) for name, a in answers.items()}
    return judged(kept, faces.subset(clean), seed)


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
