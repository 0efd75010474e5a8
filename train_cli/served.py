"""What a model version answers through the engine that serves it: what is judged is what serves."""

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fer_model.engine import Engine
from fer_model.runtimes import Runtime
from fer_model.versions import ModelVersion, load_members
from train_cli.ensembles import EnsembleLogits
from train_cli.progress import unheard

CHUNK: Final = 256
"""Faces between two words about progress, and two looks at whether to go on."""


def served_logits(
    version: ModelVersion,
    crops: Tensor,
    device: torch.device,
    flip: bool | None = None,
    runtime: Runtime = "auto",
    on_faces: Callable[[int], None] = unheard,
) -> EnsembleLogits:
    """The members' logits of uint8 crops (N, C, H, W), computed as the bot computes them.

    Args:
        version: As read from its directory.
        crops: C is 1 or 3.
        device: Where to.
        flip: Overrules what the version says about its mirror images.
        runtime: What runs the networks.
        on_faces: Told how many faces a member has just done.

    Raises:
        VersionRefused: The version cannot serve.
        RuntimeUnavailable: The runtime cannot run here.
    """
    if flip is not None:
        version = replace(version, metadata=replace(version.metadata, flip_average=flip))
    pixels = crops[:, 0] if crops.shape[1] == 1 else crops.permute(0, 2, 3, 1)
    with closing(Engine(version, load_members(version), str(device), runtime)) as engine:
        return engine_logits(
            engine,
            pixels.cpu().numpy(),
            lambda faces: on_faces(faces * len(version.members)),
        )


def engine_logits(
    engine: Engine,
    crops: NDArray[np.uint8] | Sequence[NDArray[np.uint8]],
    on_faces: Callable[[int], None] = unheard,
) -> EnsembleLogits:
    """The members' logits of at least one uint8 crop, each (S, S) or (S, S, 3), in chunks.

    `on_faces` is told after each chunk how many faces were in it; what it raises ends this.
    """
    chunks = []
    for start in range(0, len(crops), CHUNK):
        pixels = np.asarray(crops[start : start + CHUNK])
        chunks.append(engine.logits(pixels))
        on_faces(len(pixels))
    return EnsembleLogits(
        np.concatenate([chunk.crowd for chunk in chunks], axis=1),
        np.concatenate([chunk.label for chunk in chunks], axis=1),
    )
