"""What a model version answers through the engine that serves it: what is judged is what serves."""

from collections.abc import Callable
from dataclasses import replace
from typing import Final

import numpy as np
import torch
from torch import Tensor

from fer_model.engine import Engine
from fer_model.runtimes import Runtime
from fer_model.versions import ModelVersion, load_members
from train_cli.ensembles import EnsembleLogits
from train_cli.progress import unheard

_CHUNK: Final = 256
"""Faces between two words about progress."""


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
    engine = Engine(version, load_members(version), str(device), runtime)
    crowd, label = [], []
    try:
        for part in torch.split(crops, _CHUNK):
            pixels = part[:, 0] if part.shape[1] == 1 else part.permute(0, 2, 3, 1)
            logits = engine.logits(pixels.cpu().numpy())
            crowd.append(logits.crowd)
            label.append(logits.label)
            on_faces(len(part) * len(logits.crowd))
    finally:
        engine.close()
    return EnsembleLogits(np.concatenate(crowd, axis=1), np.concatenate(label, axis=1))
