"""Augmentation of a whole batch of faces on its device, each face with its own draw.

torchvision's v2 transforms draw once per call, that is once per batch; here one affine grid
carries a rotation, scale, shift and flip per face.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

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
        photographed: Share of the faces to which all that follows happens; the others stay clean.
        blur: Largest deviation of a Gaussian blur, px of a 48 px face.
        coarse: Probability that a face is brought down to one of `COARSE_SIDES` and back up.
        gamma: Largest exponent of the levels, as a power of two to either side: 1 draws from
            1/2 to 2, darker and brighter alike.
        glare: Largest gain of light, in doublings of it; what exceeds white is lost.
        dimming: Largest loss of light, in halvings of it: 3 draws from all of it to an eighth.
        fading: Largest loss of contrast, in halvings of it.
        noise: Largest deviation of sensor noise at middle grey, levels of 255.
        jpeg: Probability of JPEG compression, at a quality from `JPEG_QUALITIES`.
    """

    rotation: float = 12.0
    scale: float = 0.12
    shift: float = 0.08
    brightness: float = 0.15
    contrast: float = 0.3
    erasing: float = 0.3
    flip: float = 0.5
    photographed: float = 0.5
    blur: float = 0.0
    coarse: float = 0.0
    gamma: float = 0.0
    glare: float = 0.0
    dimming: float = 0.0
    fading: float = 0.0
    noise: float = 0.0
    jpeg: float = 0.0


COARSE_SIDES: Final = (32, 24, 18, 14, 12)
"""Px that a face of low resolution may have."""

JPEG_QUALITIES: Final = (8.0, 70.0)
"""Range of the quality that a compressed face draws from."""

READ_NOISE: Final = 0.2
"""Share of the noise's variance that does not depend on the light, as in `benchmarks`."""


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
    faces = torch.where(_erased(count, side, strength.erasing, draw), mean, faces)
    # Nothing is drawn for what is off: a run of before these steps goes on as it began.
    if not any(
        (
            strength.blur,
            strength.coarse,
            strength.gamma,
            strength.glare,
            strength.dimming,
            strength.fading,
            strength.noise,
            strength.jpeg,
        )
    ):
        return faces
    chosen = (draw(0, 1) < strength.photographed).view(-1, 1, 1, 1)
    return torch.where(chosen, _photographed(faces, strength, draw, generator), faces)


def _photographed(
    faces: Tensor, strength: Augmentation, draw: _Draw, generator: torch.Generator
) -> Tensor:
    """What a camera and a file do to faces (N, 1, S, S), in their order."""
    px = faces.shape[-1] / 48
    if strength.blur:
        faces = _blurred(faces, draw(0, strength.blur) * px)
    if strength.coarse:
        faces = _coarse(faces, draw(0, 1) < strength.coarse, draw(0, 1))
    if strength.gamma:
        exponent = 2 ** draw(-strength.gamma, strength.gamma)
        faces = faces ** exponent.view(-1, 1, 1, 1)
    if strength.glare:
        faces = (faces * (2 ** draw(0, strength.glare)).view(-1, 1, 1, 1)).clamp(0, 1)
    if strength.fading:
        mean = faces.mean((1, 2, 3), keepdim=True)
        faces = mean + (faces - mean) * (0.5 ** draw(0, strength.fading)).view(-1, 1, 1, 1)
    if strength.dimming:
        faces = faces * (0.5 ** draw(0, strength.dimming)).view(-1, 1, 1, 1)
    if strength.noise:
        grain = torch.randn(faces.shape, generator=generator, device=generator.device)
        sigma = (draw(0, strength.noise) / 255).view(-1, 1, 1, 1)
        variance = sigma**2 * (READ_NOISE + (1 - READ_NOISE) * faces * 2)
        faces = (faces + grain.to(faces.device) * variance.sqrt()).clamp(0, 1)
    if strength.jpeg:
        chosen = draw(0, 1) < strength.jpeg
        faces = torch.where(chosen.view(-1, 1, 1, 1), _jpeg(faces, draw(*JPEG_QUALITIES)), faces)
    return faces


def _blurred(faces: Tensor, sigma: Tensor) -> Tensor:
    """Faces (N, 1, S, S), each under a Gaussian of its own deviation (N,), px."""
    reach = max(1, math.ceil(3 * float(sigma.max())))
    offset = torch.arange(-reach, reach + 1, device=faces.device)
    weights = torch.exp(-(offset**2) / (2 * sigma.clamp(min=1e-3)[:, None] ** 2))
    weights = (weights / weights.sum(1, keepdim=True)).view(-1, 1, 1, 2 * reach + 1)
    one = F.pad(faces, (reach,) * 4, mode="replicate").transpose(0, 1)  # (1, N, H, W)
    across = F.conv2d(one, weights, groups=len(faces))
    return F.conv2d(across, weights.transpose(2, 3), groups=len(faces)).transpose(0, 1)


def _coarse(faces: Tensor, chosen: Tensor, place: Tensor) -> Tensor:
    """The `chosen` faces at low resolution; `place`, 0 to 1, says at which of the sides."""
    whole = faces.shape[-1]
    which = torch.where(chosen, (place * len(COARSE_SIDES)).long(), -1)
    out = faces.clone()
    for number, side in enumerate(COARSE_SIDES):
        rows = which == number
        if bool(rows.any()):
            small = F.interpolate(faces[rows], side, mode="area")
            out[rows] = F.interpolate(small, whole, mode="bilinear", align_corners=False)
    return out


def _jpeg(faces: Tensor, quality: Tensor) -> Tensor:
    """Faces (N, 1, S, S) in 0 to 1 as JPEG's luminance returns them, quality (N,) of 1 to 99.

    Source: ITU-T T.81, A.3 and table K.1; the quality's scale is libjpeg's.
    """
    side = faces.shape[-1]
    missing = -side % 8
    padded = F.pad(faces * 255 - 128, (0, missing, 0, missing), mode="replicate")
    count, blocks = len(faces), padded.shape[-1] // 8
    tiles = padded.view(count, blocks, 8, blocks, 8).transpose(2, 3)  # (N, B, B, 8, 8)
    cosines, steps = _cosines(faces), faces.new_tensor(_LUMINANCE_STEPS).view(8, 8)
    percent = torch.where(quality < 50, 5000 / quality, 200 - 2 * quality).view(-1, 1, 1, 1, 1)
    scaled = ((steps * percent + 50) / 100).floor().clamp(1, 255)
    kept = (cosines @ tiles @ cosines.T / scaled).round() * scaled
    back = (cosines.T @ kept @ cosines).transpose(2, 3).reshape(count, 1, side + missing, -1)
    return ((back + 128).round().clamp(0, 255) / 255)[..., :side, :side]


def _cosines(like: Tensor) -> Tensor:
    """The orthonormal cosine transform of eight values, (8, 8)."""
    place = torch.arange(8, dtype=like.dtype, device=like.device)
    rows = torch.cos((2 * place[None] + 1) * place[:, None] * math.pi / 16) / 2
    rows[0] /= math.sqrt(2)
    return rows


# fmt: off
_LUMINANCE_STEPS: Final = (
    16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55,
    14, 13, 16, 24, 40, 57, 69, 56, 14, 17, 22, 29, 51, 87, 80, 62,
    18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113, 92,
    49, 64, 78, 87, 103, 121, 120, 101, 72, 92, 95, 98, 112, 100, 103, 99,
)
# fmt: on


def _erased(count: int, side: int, probability: float, draw: _Draw) -> Tensor:
    """Mask (N, 1, side, side) of one rectangle, 15 to 40 % of the side long, per chosen face."""
    width, height = draw(0.15, 0.4) * side, draw(0.15, 0.4) * side
    left, top = draw(0, 1) * (side - width), draw(0, 1) * (side - height)
    chosen = draw(0, 1) < probability
    place = torch.arange(side, device=left.device).float()
    across = (place >= left[:, None]) & (place < (left + width)[:, None])
    down = (place >= top[:, None]) & (place < (top + height)[:, None])
    return (down[:, None, :, None] & across[:, None, None, :]) & chosen.view(count, 1, 1, 1)
