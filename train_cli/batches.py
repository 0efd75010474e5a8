"""What a training step is fed: which faces, how often, blended with which others.

Source of the remedies for rare emotions: the student project that this one comes from weighted the
loss and multiplied *disgust*; what each was worth here stands in docs/log.md.
"""

from typing import Literal

import torch
from torch import Tensor

from fer_model.emotions import EMOTION_COUNT

Mixing = Literal["mixup", "cutmix"]


def epoch_order(labels: Tensor, oversampling: float, random: torch.Generator) -> Tensor:
    """Places (N,) of one epoch's faces in random order.

    With `oversampling` x, faces are drawn with replacement in proportion to frequency⁻ˣ of their
    label; at 0 every face comes once.
    """
    if oversampling == 0:
        return torch.randperm(len(labels), generator=random)
    shares = _frequencies(labels)[labels.cpu()].pow(-oversampling)
    return torch.multinomial(shares, len(labels), replacement=True, generator=random)


def class_weights(labels: Tensor, exponent: float) -> Tensor:
    """Weight (7,) of every emotion, frequency⁻ˣ, averaging to one over the faces."""
    frequencies = _frequencies(labels)
    weights = frequencies.clamp(min=1 / max(1, len(labels))).pow(-exponent)
    return weights / (frequencies * weights).sum()


def disturbed(label: Tensor, share: float, random: torch.Generator) -> Tensor:
    """Label targets (N, 7) with a `share` of the rows replaced by a label drawn evenly.

    Source: DisturbLabel (Xie et al. 2016).
    """
    if share == 0:
        return label
    count = len(label)
    chosen = torch.rand(count, generator=random) < share
    drawn = torch.randint(EMOTION_COUNT, (count,), generator=random)
    noise = torch.nn.functional.one_hot(drawn, EMOTION_COUNT).to(label)
    return torch.where(chosen.to(label.device)[:, None], noise, label)


def mixed(
    faces: Tensor,
    label: Tensor,
    crowd: Tensor,
    mixup: float,
    cutmix: float,
    random: torch.Generator,
) -> tuple[Tensor, Tensor, Tensor]:
    """Faces (N, 1, S, S) blended in pairs, their targets (N, 7) in the same proportion.

    `mixup` and `cutmix` are both parameters of their Beta distribution; 0 turns one off.

    Source: mixup (Zhang et al. 2018), CutMix (Yun et al. 2019).
    """
    kinds: list[tuple[Mixing, float]] = [("mixup", mixup), ("cutmix", cutmix)]
    wanted = [(kind, alpha) for kind, alpha in kinds if alpha > 0]
    if not wanted:
        return faces, label, crowd
    kind, alpha = wanted[int(torch.randint(len(wanted), (), generator=random))]
    partner = torch.randperm(len(faces), generator=random).to(faces.device)
    kept = _beta(alpha, random)
    if kind == "mixup":
        faces = kept * faces + (1 - kept) * faces[partner]
    else:
        faces, kept = _pasted(faces, faces[partner], kept, random)
    return (
        faces,
        kept * label + (1 - kept) * label[partner],
        kept * crowd + (1 - kept) * crowd[partner],
    )


def _frequencies(labels: Tensor) -> Tensor:
    counts = torch.bincount(labels.cpu(), minlength=EMOTION_COUNT)
    return counts / counts.sum()


def _beta(alpha: float, random: torch.Generator) -> float:
    """One draw from Beta(alpha, alpha): a gamma variate's share of the sum of two."""
    one, two = torch._standard_gamma(torch.full((2,), alpha), generator=random).tolist()
    return float(one / (one + two)) if one + two > 0 else 0.5


def _pasted(
    faces: Tensor, others: Tensor, kept: float, random: torch.Generator
) -> tuple[Tensor, float]:
    """`faces` with one rectangle of `others`, and the share of the face that is left."""
    side = faces.shape[-1]
    half = side * (1 - kept) ** 0.5 / 2
    across, down = (torch.rand(2, generator=random) * side).tolist()
    left, right = (round(min(max(across + end, 0), side)) for end in (-half, half))
    top, bottom = (round(min(max(down + end, 0), side)) for end in (-half, half))
    pasted = faces.clone()
    pasted[..., top:bottom, left:right] = others[..., top:bottom, left:right]
    return pasted, 1 - (right - left) * (bottom - top) / side**2
