"""Model versions for tests: the real architectures with random weights, small and quick."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import torch

from fer_model.blend import Calibration, Calibrations
from fer_model.networks import ARCHITECTURES, Architecture, FaceNetwork
from fer_model.versions import Member, ModelVersion, Precision, VersionMetadata, write_version

SIDE = 32
"""Px; a quarter of the shipped networks' work."""


def random_network(architecture: Architecture, seed: int = 0) -> FaceNetwork:
    """A network with weights of `seed` that passes a signal through: logits differ by face."""
    with torch.device("meta"):
        network = FaceNetwork(architecture)
    network.to_empty(device="cpu")
    generator = torch.Generator().manual_seed(seed)
    state = network.state_dict()
    for key, value in state.items():
        if value.ndim > 1:
            fan_in = value[0].numel()
            value.normal_(0, (2 / fan_in) ** 0.5, generator=generator)
        elif key.endswith("bn3.weight"):
            value.fill_(0.2)  # or ResNet's sixteen additions would grow without bound
        elif key.endswith("running_var") or (key.endswith("weight") and value.ndim == 1):
            value.fill_(1)
        else:
            value.zero_()
    return network.eval()


def random_members(seed: int = 0, side: int = SIDE) -> list[Member]:
    """Both members with weights of `seed`."""
    return [Member(random_network(name, seed), side) for name in ARCHITECTURES]


def random_metadata(members: int = 2) -> VersionMetadata:
    """Metadata with calibrations that change something."""
    calibration = Calibration((8.0,) * members, (1 / members,) * members)
    return VersionMetadata(
        calibrations=Calibrations(calibration, replace(calibration, sharpness=1.5)),
        created_at=datetime(2026, 11, 22, tzinfo=UTC),
        figures={"publictest.crowd_majority": 0.81},
    )


def write_random_version(
    folder: Path, seed: int = 0, precision: Precision = "fp16", side: int = SIDE
) -> ModelVersion:
    """A whole version in `folder`; another seed is another version. Takes about a second."""
    return write_version(folder, random_members(seed, side), random_metadata(), precision)
