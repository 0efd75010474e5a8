"""Moves an ensemble a little: its upper layers learn, on cached activations of the lower ones.

What is trained is the blend that will be served, calibration included, so that the members share
the error between them. The frozen lower layers are run once per copy of a face (`LowerLayers`); a
step then costs the last stage alone (`learn_cached`). Three things hold the rest in place: batch
normalisation keeps its statistics, weights are pulled back a little to where they started (L2-SP,
Li et al. 2018), and on other faces the ensemble is asked to answer as it did (learning without
forgetting, Li and Hoiem 2016): base faces where there are some (dark experience replay, Buzzega et
al. 2020), mixtures of the feedback's own faces where there are none. Knows neither files nor the
database.
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
from fer_model.networks import FACE_SIDE, FaceNetwork, network_input, normalised
from fer_model.runtimes import folded, native_bfloat16
from fer_model.versions import Member
from train_cli.augmentation import Augmentation, augmented
from train_cli.progress import unheard

_CACHE_BATCH: Final = 64
_SMALLEST: Final = 1e-8
STEPS_BACK: Final = (0.75, 0.5, 0.35, 0.25, 0.18, 0.12)
"""Shares of the way from the current version to what was learnt, farthest first. Never all of it:
the last quarter teaches little and costs base faces most (docs/learning.md)."""

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
        pull: L2 towards the starting weights, the weight of half the squared distance; past the
            momentum, so that 0.01 takes back a thousandth of the way.
        keep: Weight of answering as before on the faces to keep.
        seed: Of every random draw.
    """

    passes: int = 4
    least_steps: int = 24
    copies: int = 2
    batch_size: int = 64
    learning_rate: float = 0.02
    momentum: float = 0.9
    pull: float = 0.01
    keep: float = 4.0
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


@dataclass(frozen=True)
class CachedFaces:
    """Copies of faces as the lower layers leave them, and what the blend should say of them.

    Attributes:
        activations: Per member, float16 (N, C, H, W).
        crowd: float32 (N, 7), shares.
        label: float32 (N, 7), shares.
    """

    activations: tuple[Tensor, ...]
    crowd: Tensor
    label: Tensor

    def __len__(self) -> int:
        return len(self.crowd)


class LowerLayers:
    """An ensemble's frozen layers, made fast: all that ever sees a face's pixels.

    Learning never changes them, so that what they say of a face holds for every version that
    descends from one.

    Args:
        members: Copied; their batch normalisation is folded, in bfloat16 where that is native.
        device: Where to.
        on_batch: Called before every batch of faces; may raise, to stop.
    """

    def __init__(
        self,
        members: Sequence[Member],
        device: torch.device,
        on_batch: Callable[[], None] = unheard,
    ) -> None:
        self._device = device
        self._on_batch = on_batch
        self._dtype = _arithmetic(device)
        self._sides = [member.side for member in members]
        self._layers = [self._ready(member) for member in members]

    def _ready(self, member: Member) -> nn.Module:
        lower, _ = halves_of(folded(copy.deepcopy(member.network)))
        # torch's types lack the memory format
        return lower.to(self._device, self._dtype, memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]

    def of_copies(
        self, crops: Tensor, copies: int, augmentation: Augmentation, random: torch.Generator
    ) -> tuple[Tensor, ...]:
        """Activations of `copies` augmented copies of every crop, copy after copy, float16.

        All members see the same copy, or their mean would be trained on faces that nobody sees.

        Args:
            crops: Grey uint8 (N, 1, 48, 48).
            copies: How many.
            augmentation: How they differ.
            random: Every draw is from it.
        """
        crops = crops.repeat(copies, 1, 1, 1)
        seeds = torch.randint(2**31, (len(crops),), generator=random).tolist()

        def faces(rows: slice, side: int) -> Tensor:
            draws = torch.Generator().manual_seed(seeds[rows.start])
            return normalised(augmented(crops[rows].to(self._device), side, augmentation, draws))

        return self._cached(len(crops), faces)

    def of_faces(self, crops: Tensor, *, mirrored: bool = False) -> tuple[Tensor, ...]:
        """Activations of the crops, uint8 (N, C, H, W), as the engine shows them, float16."""

        def faces(rows: slice, side: int) -> Tensor:
            seen = network_input(crops[rows].to(self._device), side)
            return seen.flip(-1) if mirrored else seen

        return self._cached(len(crops), faces)

    @torch.no_grad()
    def _cached(self, count: int, faces: Callable[[slice, int], Tensor]) -> tuple[Tensor, ...]:
        cached: list[list[Tensor]] = [[] for _ in self._layers]
        for start in range(0, count, _CACHE_BATCH):
            self._on_batch()
            rows = slice(start, start + _CACHE_BATCH)
            for layers, side, parts in zip(self._layers, self._sides, cached, strict=True):
                seen = faces(rows, side).to(self._dtype, memory_format=torch.channels_last)
                parts.append(layers(seen).half())
        return tuple(torch.cat(parts) for parts in cached)


def learn(
    members: Sequence[Member],
    calibrations: Calibrations,
    lesson: Lesson,
    replay: Lesson | None,
    settings: LearningSettings,
    device: torch.device,
    on_step: OnStep = unheard,
    on_batch: Callable[[], None] = unheard,
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
        on_batch: Called before every batch of faces that the lower layers see; likewise.

    Raises:
        ValueError: The lesson is empty.
    """
    if not len(lesson):
        raise ValueError("nothing to learn from")
    random = torch.Generator().manual_seed(settings.seed)
    lower = LowerLayers(members, device, on_batch)
    copies = _copies(len(lesson), settings)
    new = _cached(lower, lesson, copies, settings, random)
    if replay is None:
        kept = _distilled(members, calibrations, lower, lesson, settings, random, device)
    else:
        copies = -(-len(new) // len(replay))  # as many as there are of the feedback
        kept = _cached(lower, replay, copies, settings, random)
    return learn_cached(members, calibrations, new, kept, settings, device, on_step)


def learn_cached(
    members: Sequence[Member],
    calibrations: Calibrations,
    new: CachedFaces,
    kept: CachedFaces,
    settings: LearningSettings,
    device: torch.device,
    on_step: OnStep = unheard,
) -> list[Member]:
    """As `learn`, of copies of faces that `LowerLayers` of these members, or of an ancestor, saw.

    `new` are those to learn, `kept` those to answer as before.

    Raises:
        ValueError: There is nothing new.
    """
    if not len(new):
        raise ValueError("nothing to learn from")
    random = torch.Generator().manual_seed(settings.seed)
    halves = [_half(member, device) for member in members]
    _fit(halves, calibrations, new, kept, settings, random, on_step)
    return [half.member_back() for half in halves]


def between(start: Sequence[Member], end: Sequence[Member], share: float) -> list[Member]:
    """Members whose weights are `share` of the way from `start` to `end`.

    Source: weight-space ensembles for fine-tuning (WiSE-FT, Wortsman et al. 2022): halfway, most of
    what was learnt is there and most of what was known still is.
    """
    return [_between(one, other, share) for one, other in zip(start, end, strict=True)]


def as_far_as(
    start: Sequence[Member],
    end: Sequence[Member],
    bearable: Callable[[Sequence[Member]], bool],
    shares: Sequence[float] = STEPS_BACK,
) -> tuple[list[Member], float]:
    """The members farthest on the way from `start` to `end` that are bearable, and how far.

    Found by halving, as if all that is nearer to `start` were bearable too. Where none of `shares`
    is, that of the least: whoever judges will refuse it.
    """
    low, high = 0, len(shares) - 1
    while low < high:
        middle = (low + high) // 2
        if bearable(between(start, end, shares[middle])):
            high = middle
        else:
            low = middle + 1
    return between(start, end, shares[low]), shares[low]


def _between(start: Member, end: Member, share: float) -> Member:
    network = copy.deepcopy(end.network)
    state = start.network.state_dict()
    with torch.no_grad():
        for key, value in network.state_dict().items():
            if value.is_floating_point():
                value.lerp_(state[key], 1 - share)
    return Member(network, end.side)


def upper_answers(
    members: Sequence[Member],
    calibrations: Calibrations,
    views: Sequence[Sequence[Tensor]],
    device: torch.device,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """What the blend says of cached faces, crowd and label, each (N, 7).

    Args:
        members: On the CPU.
        calibrations: Theirs.
        views: Activations per view and member, as `LowerLayers.of_faces` gives them; a face's
            logits are the mean of its views', as the engine averages a face and its mirror image.
        device: Where.
    """
    halves = [_half(member, device) for member in members]
    crowd: list[Tensor] = []
    label: list[Tensor] = []
    with torch.no_grad():
        for place, half in enumerate(halves):
            seen = [_logits(half, view[place]) for view in views]
            crowd.append(torch.stack([pair[0] for pair in seen]).mean(0))
            label.append(torch.stack([pair[1] for pair in seen]).mean(0))
    return (
        log_blend(crowd, calibrations.crowd).exp().double().cpu().numpy(),
        log_blend(label, calibrations.label).exp().double().cpu().numpy(),
    )


def grey_face(crop: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A face crop (S, S, 3) as the grey uint8 (48, 48) that training works on."""
    grey = Image.fromarray(crop).convert("L")
    size = (FACE_SIDE, FACE_SIDE)
    return np.asarray(grey.resize(size, Image.Resampling.BILINEAR), dtype=np.uint8)


@dataclass
class _Half:
    """One member without its lower layers; `upper` and the heads learn."""

    member: Member
    network: FaceNetwork
    upper: nn.Module
    dtype: torch.dtype
    start: list[Tensor]

    def learning(self) -> list[nn.Parameter]:
        network = self.network
        return [
            *self.upper.parameters(),
            *network.crowd_head.parameters(),
            *network.label_head.parameters(),
        ]

    def logits(self, activations: Tensor) -> tuple[Tensor, Tensor]:
        seen = activations.to(self.dtype, memory_format=torch.channels_last)
        with torch.autocast(seen.device.type, self.dtype, enabled=self.dtype != torch.float32):
            features = self.upper(seen).flatten(1)
        crowd, label = self.network.heads(features)
        return crowd, label

    def member_back(self) -> Member:
        self.upper.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]  # torch's types lack it
        return Member(self.network.cpu().eval(), self.member.side)


def _arithmetic(device: torch.device) -> torch.dtype:
    return torch.bfloat16 if native_bfloat16(device) else torch.float32


def _half(member: Member, device: torch.device) -> _Half:
    network = copy.deepcopy(member.network).to(device).eval()
    _, upper = halves_of(network)
    upper.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's types lack it
    half = _Half(member, network, upper, _arithmetic(device), [])
    for parameter in network.parameters():
        parameter.requires_grad_(False)
    for parameter in half.learning():
        parameter.requires_grad_(True)
        half.start.append(parameter.detach().clone())
    return half


def _logits(half: _Half, activations: Tensor) -> tuple[Tensor, Tensor]:
    parts = [half.logits(part) for part in torch.split(activations, _CACHE_BATCH)]
    return torch.cat([crowd for crowd, _ in parts]), torch.cat([label for _, label in parts])


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
    lower: LowerLayers,
    lesson: Lesson,
    copies: int,
    settings: LearningSettings,
    random: torch.Generator,
) -> CachedFaces:
    return CachedFaces(
        lower.of_copies(lesson.crops, copies, settings.augmentation, random),
        lesson.crowd.repeat(copies, 1),
        lesson.label.repeat(copies, 1),
    )


@torch.no_grad()
def _distilled(
    members: Sequence[Member],
    calibrations: Calibrations,
    lower: LowerLayers,
    lesson: Lesson,
    settings: LearningSettings,
    random: torch.Generator,
    device: torch.device,
) -> CachedFaces:
    """Mixtures of two faces of the lesson each, with what the ensemble says of them now.

    They lie between the faces that were given, where no vote was cast. Source: mixup (Zhang et al.
    2018), for the inputs alone.
    """
    copies = _copies(len(lesson), settings)
    crops = lesson.crops.repeat(copies, 1, 1, 1).float()
    other = torch.randperm(len(crops), generator=random)
    share = 0.3 + 0.4 * torch.rand(len(crops), 1, 1, 1, generator=random)
    mixed = (crops * share + crops[other] * (1 - share)).round().to(torch.uint8)
    activations = lower.of_copies(mixed, 1, settings.augmentation, random)
    crowd, label = upper_answers(members, calibrations, [activations], device)
    return CachedFaces(
        activations,
        torch.from_numpy(crowd.astype(np.float32)),
        torch.from_numpy(label.astype(np.float32)),
    )


def _answers(
    halves: Sequence[_Half], calibrations: Calibrations, activations: Sequence[Tensor]
) -> tuple[Tensor, Tensor]:
    """Log-shares (N, 7) of both heads, blended as they are served."""
    pairs = [half.logits(values) for half, values in zip(halves, activations, strict=True)]
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
    new: CachedFaces,
    kept: CachedFaces,
    settings: LearningSettings,
    random: torch.Generator,
    on_step: OnStep,
) -> None:
    parameters = [parameter for half in halves for parameter in half.learning()]
    origins = [origin for half in halves for origin in half.start]
    optimizer = torch.optim.SGD(
        parameters, lr=settings.learning_rate, momentum=settings.momentum, nesterov=True, fused=True
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
            loss = _loss(halves, calibrations, (new, places), (kept, others), settings.keep)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
            torch.nn.utils.clip_grad_norm_(parameters, settings.gradient_clip)
            (rate,) = schedule.get_last_lr()
            optimizer.step()
            schedule.step()
            with torch.no_grad():
                for parameter, origin in zip(parameters, origins, strict=True):
                    parameter.lerp_(origin, rate * settings.pull)
            step += 1
            total += float(loss.detach())
            on_step(step, steps, total / step)


def _loss(
    halves: Sequence[_Half],
    calibrations: Calibrations,
    new: tuple[CachedFaces, Tensor],
    kept: tuple[CachedFaces, Tensor],
    keep: float,
) -> Tensor:
    """Mean cross-entropy of both heads, nats, on new copies and, weighted, on kept ones.

    In one batch: a step through so few layers takes as long to read the weights as to use them.
    """
    device = next(halves[0].network.parameters()).device

    def both(rows: Callable[[CachedFaces], Tensor]) -> Tensor:
        return torch.cat([rows(cache)[places] for cache, places in (new, kept)]).to(device)

    activations = [both(lambda cache, i=i: cache.activations[i]) for i in range(len(halves))]  # type: ignore[misc]  # a default that mypy cannot type
    crowd, label = _answers(halves, calibrations, activations)
    losses = -(both(lambda c: c.crowd) * crowd + both(lambda c: c.label) * label).sum(1)
    learnt = len(new[1])
    return losses[:learnt].mean() + keep * losses[learnt:].mean()
