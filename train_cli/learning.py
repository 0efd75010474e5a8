"""Moves an ensemble a little: its upper layers learn, on cached activations of the lower ones.

What is trained is the blend that will be served, calibration included, so that the members share
the error between them. The frozen lower layers are run once per copy of a face; a step then costs
the last stage alone. Three things hold the rest in place: batch normalisation keeps its
statistics, weights are pulled back to where they started (L2-SP, Li et al. 2018), and on other
faces the ensemble is asked to answer as it did (learning without forgetting, Li and Hoiem 2016):
base faces where there are some (dark experience replay, Buzzega et al. 2020), mixtures of the
feedback's own faces where there are none. Knows neither files nor the database.
"""

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, cast

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F

from fer_model.blend import Calibration, Calibrations
from fer_model.networks import FACE_SIDE, FaceNetwork, normalised
from fer_model.versions import Member
from train_cli.augmentation import Augmentation, augmented
from train_cli.progress import unheard

_CACHE_BATCH: Final = 64
_SMALLEST: Final = 1e-8
_COPIES: Final = 4096
"""Copies of faces of one kind that are cached at most: 130 MB of ResNet50's activations."""


OnStep = Callable[[int, int, float], None]
"""Told after every step: which of how many, and the mean loss so far. May raise, to stop."""


@dataclass(frozen=True)
class LearningSettings:
    """One retrain's knobs.

    Attributes:
        passes: How often each copy of a face is seen.
        least_steps: A few faces are seen more often, until there were this many steps.
        copies: Differently augmented copies of a face, fewer where there are thousands of faces.
        batch_size: Feedback faces a step; as many to keep stand beside them.
        learning_rate: Its peak; cosine decay to zero.
        momentum: Nesterov's.
        pull: L2 towards the starting weights, the weight of half the squared distance.
        keep: Weight of answering as before on the faces to keep.
        seed: Of every random draw.
    """

    passes: int = 4
    least_steps: int = 24
    copies: int = 4
    batch_size: int = 32
    learning_rate: float = 0.005
    momentum: float = 0.9
    pull: float = 0.01
    keep: float = 1.0
    gradient_clip: float = 5.0
    seed: int = 0
    augmentation: Augmentation = field(
        default_factory=lambda: Augmentation(rotation=8, scale=0.08, shift=0.05, erasing=0.15)
    )


@dataclass(frozen=True)
class Lesson:
    """Faces and what the blend should say about them.

    Attributes:
        crops: Grey uint8 (N, 1, 48, 48).
        crowd: float32 (N, 7), shares.
        label: float32 (N, 7), shares.
    """

    crops: Tensor
    crowd: Tensor
    label: Tensor

    def __len__(self) -> int:
        return len(self.crops)


def learn(
    members: Sequence[Member],
    calibrations: Calibrations,
    lesson: Lesson,
    replay: Lesson | None,
    settings: LearningSettings,
    device: torch.device,
    on_step: OnStep = unheard,
) -> list[Member]:
    """New members that answer `lesson` better; the given ones stay as they are.

    Args:
        members: The current version's, on the CPU.
        calibrations: The current version's; they stay fixed.
        lesson: The feedback.
        replay: Base faces, with what the current version and people say of them; None distils on
            mixtures of the lesson's faces instead.
        settings: How.
        device: Where.
        on_step: Told after every step; may raise, to stop.

    Raises:
        ValueError: The lesson is empty.
    """
    if not len(lesson):
        raise ValueError("nothing to learn from")
    random = torch.Generator().manual_seed(settings.seed)
    halves = [_halves(member, device) for member in members]
    new = _cached(halves, lesson, _copies(len(lesson), settings), settings, random, device)
    if replay is None:
        kept = _distilled(halves, calibrations, lesson, settings, random, device)
    else:
        copies = -(-len(new) // len(replay))  # as many as there are of the feedback
        kept = _cached(halves, replay, copies, settings, random, device)
    _fit(halves, calibrations, new, kept, settings, random, on_step)
    return [half.member_back() for half in halves]


def grey_face(crop: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A face crop (S, S, 3) as the grey uint8 (48, 48) that training works on."""
    grey = Image.fromarray(crop).convert("L")
    size = (FACE_SIDE, FACE_SIDE)
    return np.asarray(grey.resize(size, Image.Resampling.BILINEAR), dtype=np.uint8)


@dataclass
class _Half:
    """One member, cut in two; `upper` and the heads learn."""

    member: Member
    network: FaceNetwork
    lower: nn.Module
    upper: nn.Module
    start: list[Tensor]

    def learning(self) -> list[nn.Parameter]:
        network = self.network
        return [
            *self.upper.parameters(),
            *network.crowd_head.parameters(),
            *network.label_head.parameters(),
        ]

    def logits(self, activations: Tensor) -> tuple[Tensor, Tensor]:
        crowd, label = self.network.heads(self.upper(activations).flatten(1))
        return crowd, label

    def member_back(self) -> Member:
        return Member(self.network.cpu().eval(), self.member.side)


@dataclass(frozen=True)
class _Cache:
    """Copies of faces: per member the lower half's activations, and the targets of both heads."""

    activations: list[Tensor]
    crowd: Tensor
    label: Tensor

    def __len__(self) -> int:
        return len(self.crowd)


def _halves(member: Member, device: torch.device) -> _Half:
    network = copy.deepcopy(member.network).to(device).eval()
    lower, upper = halves_of(network)
    half = _Half(member, network, lower, upper, [])
    for parameter in network.parameters():
        parameter.requires_grad_(False)
    for parameter in half.learning():
        parameter.requires_grad_(True)
        half.start.append(parameter.detach().clone())
    return half


def halves_of(network: FaceNetwork) -> tuple[nn.Module, nn.Module]:
    """The backbone before and from its last stage on; both share its weights."""
    if network.architecture == "vgg19":
        features, pool = cast(nn.Sequential, network.backbone)
        layers = list(cast(nn.Sequential, features))
        pools = [i for i, layer in enumerate(layers) if isinstance(layer, nn.MaxPool2d)]
        place = pools[-2] + 1
        return nn.Sequential(*layers[:place]), nn.Sequential(*layers[place:], pool)
    children = dict(network.backbone.named_children())
    stem = ("conv1", "bn1", "relu", "maxpool", "layer1", "layer2", "layer3")
    return (
        nn.Sequential(*(children[name] for name in stem)),
        nn.Sequential(children["layer4"], children["avgpool"]),
    )


def _copies(faces: int, settings: LearningSettings) -> int:
    return max(1, min(settings.copies, _COPIES // faces))


def _cached(
    halves: Sequence[_Half],
    lesson: Lesson,
    copies: int,
    settings: LearningSettings,
    random: torch.Generator,
    device: torch.device,
) -> _Cache:
    crops = lesson.crops.repeat(copies, 1, 1, 1)
    return _Cache(
        _activations(halves, crops, settings, random, device),
        lesson.crowd.repeat(copies, 1).to(device),
        lesson.label.repeat(copies, 1).to(device),
    )


@torch.no_grad()
def _activations(
    halves: Sequence[_Half],
    crops: Tensor,
    settings: LearningSettings,
    random: torch.Generator,
    device: torch.device,
) -> list[Tensor]:
    """Each lower half's answer to one augmented copy of every crop, float16.

    All members see the same copy, or their mean would be trained on faces that nobody sees.
    """
    seeds = torch.randint(2**31, (len(crops),), generator=random).tolist()
    chunks: list[list[Tensor]] = [[] for _ in halves]
    for start in range(0, len(crops), _CACHE_BATCH):
        batch = crops[start : start + _CACHE_BATCH].to(device)
        for half, store in zip(halves, chunks, strict=True):
            draws = torch.Generator().manual_seed(seeds[start])
            faces = augmented(batch, half.member.side, settings.augmentation, draws)
            store.append(half.lower(normalised(faces)).half())
    return [torch.cat(chunk) for chunk in chunks]


@torch.no_grad()
def _distilled(
    halves: Sequence[_Half],
    calibrations: Calibrations,
    lesson: Lesson,
    settings: LearningSettings,
    random: torch.Generator,
    device: torch.device,
) -> _Cache:
    """Mixtures of two faces of the lesson each, with what the ensemble says of them now.

    They lie between the faces that were given, where no vote was cast. Source: mixup (Zhang et al.
    2018), for the inputs alone.
    """
    copies = _copies(len(lesson), settings)
    crops = lesson.crops.repeat(copies, 1, 1, 1).float()
    other = torch.randperm(len(crops), generator=random)
    share = 0.3 + 0.4 * torch.rand(len(crops), 1, 1, 1, generator=random)
    mixed = (crops * share + crops[other] * (1 - share)).round().to(torch.uint8)
    activations = _activations(halves, mixed, settings, random, device)
    crowd, label = [], []
    for start in range(0, len(mixed), _CACHE_BATCH):
        rows = slice(start, start + _CACHE_BATCH)
        answers = _answers(halves, calibrations, [member[rows] for member in activations])
        crowd.append(answers[0].exp())
        label.append(answers[1].exp())
    return _Cache(activations, torch.cat(crowd), torch.cat(label))


def _answers(
    halves: Sequence[_Half], calibrations: Calibrations, activations: Sequence[Tensor]
) -> tuple[Tensor, Tensor]:
    """Log-shares (N, 7) of both heads, blended as they are served."""
    pairs = [half.logits(values.float()) for half, values in zip(halves, activations, strict=True)]
    return (
        log_blend([crowd for crowd, _ in pairs], calibrations.crowd),
        log_blend([label for _, label in pairs], calibrations.label),
    )


def log_blend(logits: Sequence[Tensor], calibration: Calibration) -> Tensor:
    """Logarithm (N, 7) of `fer_model.blend.blended`, differentiable, of each member's (N, 7)."""
    mean = torch.stack(
        [
            weight * F.softmax(member / temperature, dim=1)
            for member, temperature, weight in zip(
                logits, calibration.temperatures, calibration.weights, strict=True
            )
        ]
    ).sum(0)
    log = (mean + _SMALLEST).log()
    last = calibration.sharpness * log + mean.new_tensor(calibration.biases)
    if calibration.exchange:
        last = last + log @ mean.new_tensor(calibration.exchange)
    return F.log_softmax(last, dim=1)


def _fit(
    halves: Sequence[_Half],
    calibrations: Calibrations,
    new: _Cache,
    kept: _Cache,
    settings: LearningSettings,
    random: torch.Generator,
    on_step: OnStep,
) -> None:
    parameters = [parameter for half in halves for parameter in half.learning()]
    origins = [origin for half in halves for origin in half.start]
    optimizer = torch.optim.SGD(
        parameters, lr=settings.learning_rate, momentum=settings.momentum, nesterov=True
    )
    per_pass = -(-len(new) // settings.batch_size)
    passes = max(settings.passes, -(-settings.least_steps // per_pass))
    steps = passes * per_pass
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    total, step = 0.0, 0
    for _ in range(passes):
        order = torch.randperm(len(new), generator=random)
        for places in torch.split(order, settings.batch_size):
            others = torch.randint(len(kept), (len(places),), generator=random)
            loss = _loss(halves, calibrations, new, places)
            loss = loss + settings.keep * _loss(halves, calibrations, kept, others)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
            torch.nn.utils.clip_grad_norm_(parameters, settings.gradient_clip)
            with torch.no_grad():
                for parameter, origin in zip(parameters, origins, strict=True):
                    if parameter.grad is not None:
                        parameter.grad.add_(parameter - origin, alpha=settings.pull)
            optimizer.step()
            schedule.step()
            step += 1
            total += float(loss.detach())
            on_step(step, steps, total / step)


def _loss(
    halves: Sequence[_Half], calibrations: Calibrations, cache: _Cache, places: Tensor
) -> Tensor:
    """Mean cross-entropy of both heads, nats, on the cached copies at `places`."""
    index = places.to(cache.crowd.device)
    crowd, label = _answers(halves, calibrations, [member[index] for member in cache.activations])
    return -(cache.crowd[index] * crowd + cache.label[index] * label).sum(1).mean()
