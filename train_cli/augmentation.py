"""Augmentation of a whole batch of faces on its device, each face with its own draw.

torchvision's v2 transforms draw once per call, that is once per batch; here one affine grid
carries a rotation, scale, shift and flip per face.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

_Draw = Callable[[float, float], Tensor]


@dataclass(frozen=True)
class Augmentation:
    """Ranges that each face draws from, uniformly.

    Attributes:
        rotation: Largest angle to either side, degrees.
        scale: Largest change of size, as a share of it.
        shift: Largest shift along either axis, as a share of the side.
        brightness: Largest change of brightness, in units of full scale.
        contrast: Largest change of contrast, as a share of it.
        erasing: Probability that a rectangle is blanked out.
        flip: Probability of a mirrored face.
    """

    rotation: float = 12.0
    scale: float = 0.12
    shift: float = 0.08
    brightness: float = 0.15
    contrast: float = 0.3
    erasing: float = 0.3
    flip: float = 0.5


def augmented(
    crops: Tensor, side: int, strength: Augmentation, generator: torch.Generator
) -> Tensor:
    """Grey faces (N, 1, side, side) in 0 to 1, varied, of uint8 crops (N, 1, H, W)."""
    faces = crops.float() / 255
    count, device = len(faces), faces.device

    def draw(low: float, high: float) -> Tensor:
        sample = torch.rand(count, generator=generator, device=generator.device).to(device)
        return low + (high - low) * sample

    angle = draw(-1, 1) * math.radians(strength.rotation)
    size = 1 + draw(-1, 1) * strength.scale
    mirror = torch.where(draw(0, 1) < strength.flip, -1.0, 1.0)
    cosine, sine = torch.cos(angle) / size, torch.sin(angle) / size
    theta = torch.stack(
        (
            torch.stack((cosine * mirror, -sine, draw(-2, 2) * strength.shift), 1),
            torch.stack((sine * mirror, cosine, draw(-2, 2) * strength.shift), 1),
        ),
        1,
    )
    grid = F.affine_grid(theta, [count, 1, side, side], align_corners=False)
    faces = F.grid_sample(faces, grid, mode="bilinear", padding_mode="border", align_corners=False)
    mean = faces.mean((1, 2, 3), keepdim=True)
    contrast = (1 + draw(-1, 1) * strength.contrast).view(-1, 1, 1, 1)
    brightness = (draw(-1, 1) * strength.brightness).view(-1, 1, 1, 1)
    faces = ((faces - mean) * contrast + mean + brightness).clamp(0, 1)
    return torch.where(_erased(count, side, strength.erasing, draw), mean, faces)


def _erased(count: int, side: int, probability: float, draw: _Draw) -> Tensor:
    """Mask (N, 1, side, side) of one rectangle, 15 to 40 % of the side long, per chosen face."""
    width, height = draw(0.15, 0.4) * side, draw(0.15, 0.4) * side
    left, top = draw(0, 1) * (side - width), draw(0, 1) * (side - height)
    chosen = draw(0, 1) < probability
    place = torch.arange(side, device=left.device).float()
    across = (place >= left[:, None]) & (place < (left + width)[:, None])
    down = (place >= top[:, None]) & (place < (top + height)[:, None])
    return (down[:, None, :, None] & across[:, None, None, :]) & chosen.view(count, 1, 1, 1)
