"""Trains one ensemble member on a prepared split.

Recipe: ImageNet backbone, SGD with Nesterov momentum, linear warm-up and cosine decay, both heads
at once (label head: smoothed cross-entropy with FER2013's label; crowd head: cross-entropy with
the shares of ten voters), an exponential moving average of the weights, which is what is
validated and shipped. Results with hardware and dates: docs/log.md.
"""

import hashlib
import json
import logging
import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from functools import partial
from pathlib import Path
from typing import Any, Final, Literal

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor
from torch.nn import functional as F
from torch.optim.swa_utils import AveragedModel

from fer_model.checkpoints import Checkpoint, read_checkpoint, write_checkpoint
from fer_model.networks import (
    Architecture,
    FaceNetwork,
    Logits,
    Stem,
    calibrate_batch_norm,
    network_input,
    normalised,
    start_from_imagenet,
)
from train_cli.augmentation import Augmentation, augmented
from train_cli.batches import class_weights, disturbed, epoch_order, mixed
from train_cli.distillation import Targets, Teacher, hard_targets, soft_targets
from train_cli.distributed import ALONE, Workers, shared_network, whole_batch
from train_cli.errors import CheckpointUnusable, SplitUnusable, TrainingDiverged, WorkersUnusable
from train_cli.progress import unheard
from train_cli.splits import FaceSet
from train_cli.votes import crowd_majority, has_majority

log = logging.getLogger(__name__)

Precision = Literal["bf16", "fp32"]
Optimizer = Literal["sgd", "adamw"]
_EVALUATION_BATCH: Final = 128
_DROPOUT_SEED: Final = 500
"""Keeps dropout, which draws from the global generator, off the augmentation's own sequence."""


@dataclass(frozen=True)
class TrainingSettings:
    """One run's knobs.

    Attributes:
        architecture: Which member.
        side: Input side, px.
        stem: Whether the backbone's first reduction is skipped.
        epochs: Passes over the training faces.
        batch_size: Faces a step.
        learning_rate: Its peak, after the warm-up.
        warmup: Share of all steps over which the rate rises.
        optimizer: SGD with Nesterov momentum, or AdamW, whose rates are about a hundredth.
        weight_decay: L2 on convolution and linear weights, not on biases and normalisation.
        ema: Decay of the averaged weights per step.
        label_smoothing: Of the label head's targets.
        label_disturbance: Share of label targets that a step replaces by an even one's draw
            (DisturbLabel, Xie et al. 2016).
        class_weighting: Exponent x: in the label head's loss a face weighs frequency⁻ˣ of its
            label.
        oversampling: Exponent x: faces are drawn in proportion to frequency⁻ˣ of their label, every
            copy augmented anew; 1 shows all emotions equally often.
        mixup: Both parameters of the Beta distribution that blends faces in pairs (Zhang et al.
            2018); 0: never.
        cutmix: Likewise for pasting a rectangle of one face into another (Yun et al. 2019). With
            both, every step takes one of them at random.
        crowd_weight: Weight of the crowd head's loss beside the label head's.
        dropout: On pooled features.
        teacher: SHA-256 of the predictions that soften the targets; empty: none do.
        teacher_weight: Of the softened label beside the label itself, 0 to 1.
        teacher_votes: How many people the teacher counts as beside those who voted.
        patience: Epochs without a better validation loss before stopping; 0 never stops early.
        precision: Arithmetic of the backbone.
    """

    architecture: Architecture
    side: int
    stem: Stem = "original"
    epochs: int = 10
    batch_size: int = 64
    learning_rate: float = 0.02
    optimizer: Optimizer = "sgd"
    warmup: float = 0.08
    weight_decay: float = 5e-4
    momentum: float = 0.9
    ema: float = 0.998
    label_smoothing: float = 0.1
    label_disturbance: float = 0.0
    class_weighting: float = 0.0
    oversampling: float = 0.0
    mixup: float = 0.0
    cutmix: float = 0.0
    crowd_weight: float = 1.0
    dropout: float = 0.3
    gradient_clip: float = 5.0
    teacher: str = ""
    teacher_weight: float = 0.5
    teacher_votes: float = 4.0
    patience: int = 0
    precision: Precision = "bf16"
    seed: int = 0
    augmentation: Augmentation = field(default_factory=Augmentation)


@dataclass(frozen=True)
class EpochResult:
    """What one epoch gave; losses in nats, shares 0 to 1, all on validation but `train_loss`.

    The crowd head's figures are None where nobody voted on a validation face.
    """

    epoch: int
    train_loss: float
    label_loss: float
    crowd_loss: float | None
    label_accuracy: float
    crowd_accuracy: float | None
    seconds: float

    @property
    def loss(self) -> float:
        """Both heads' validation loss, what early stopping and the choice of epoch go by."""
        return self.label_loss + (self.crowd_loss or 0.0)


@dataclass(frozen=True)
class _OnDevice:
    """The training faces where they are learnt: the whole set, crops as uint8."""

    crops: Tensor
    labels: Tensor
    label: Tensor
    crowd: Tensor

    @classmethod
    def of(cls, faces: FaceSet, targets: Targets, device: torch.device) -> "_OnDevice":
        return cls(
            faces.crops.to(device), faces.labels, targets.label.to(device), targets.crowd.to(device)
        )


@dataclass
class _State:
    """What a run carries from step to step."""

    network: FaceNetwork
    averaged: AveragedModel
    optimizer: torch.optim.Optimizer
    split: str
    step: int = 0
    epoch: int = 0
    best: EpochResult | None = None
    history: list[EpochResult] = field(default_factory=list)


def train(
    settings: TrainingSettings,
    training: FaceSet,
    validation: FaceSet,
    run: Path,
    backbone: Path | None,
    device: torch.device,
    *,
    start: Path | None = None,
    teacher: Teacher | None = None,
    resume: bool = False,
    compiled: bool = False,
    workers: Workers = ALONE,
    on_step: Callable[[int, int, float], None] = unheard,
    on_epoch: Callable[[EpochResult], None] = unheard,
) -> list[EpochResult]:
    """Trains to the end and returns every epoch's result.

    `run` receives `last/` (weights, averages, momentum: enough to resume), `best/` (the averaged
    weights of the best epoch) and `history.json`. Every epoch draws from its own seed, so that a
    resumed run takes the same steps as an uninterrupted one. `start` is an earlier run's `best/`
    to start from in place of `backbone`; `teacher` softens the targets. `compiled` runs the steps
    through torch.compile, which is faster on a GPU and slower on a CPU (docs/log.md). Of several
    `workers`, which have joined, each takes its part of every batch; the first one alone reads and
    writes `run` and validates, and all return the same.

    Raises:
        CheckpointUnusable: `resume` without a checkpoint, or with one of other settings or another
            split; or a run is in the folder already and `resume` was not asked for.
            Or `backbone` or `start` holds no weights of this architecture, or `start` has seen
            other faces than these: some of them may be among those to validate on.
        SplitUnusable: Fewer faces than one batch holds, or none to validate on.
        TrainingDiverged: The loss is no longer a number.
        WorkersUnusable: Fewer faces a step than workers, or it failed in another one.
    """
    if len(training) < settings.batch_size or not len(validation):
        raise SplitUnusable(
            f"{len(training)} training and {len(validation)} validation faces are too few for "
            f"batches of {settings.batch_size}"
        )
    if settings.batch_size < workers.world:
        raise WorkersUnusable(
            f"{workers.world} workers are too many for batches of {settings.batch_size}"
        )
    torch.manual_seed(settings.seed)
    settings = replace(settings, teacher=teacher.digest if teacher else "")
    split = split_digest(training, validation)
    earlier = workers.first(partial(_earlier, run, resume))
    state = workers.together(partial(_start, settings, training, backbone, start, device, split))
    if earlier is not None:
        _resume(state, earlier, run, settings)
    steps = settings.epochs * (len(training) // settings.batch_size)
    train_faces = _OnDevice.of(training, targets_of(training, settings, teacher), device)
    shared = shared_network(workers, state.network, device)
    stepping: Callable[[Tensor], Logits] = torch.compile(shared) if compiled else shared
    while state.epoch < settings.epochs and not _stalled(state, settings.patience):
        started = time.monotonic()
        loss = _epoch(state, stepping, settings, train_faces, steps, workers, on_step)
        state.epoch += 1
        averaged = state.averaged.module
        result = workers.first(
            partial(validate, averaged, settings, validation, device, state.epoch, loss, started)
        )
        state.history.append(result)
        if state.best is None or result.loss < state.best.loss:
            state.best = result
            workers.first(partial(_write_best, state, run, settings))
        workers.first(partial(_write_last, state, run, settings))
        on_epoch(result)
    return state.history


def validate(
    network: torch.nn.Module,
    settings: TrainingSettings,
    faces: FaceSet,
    device: torch.device,
    epoch: int,
    train_loss: float,
    started: float,
) -> EpochResult:
    """The averaged network's losses and accuracies on `faces`."""
    logits = predict(network, faces.crops, settings.side, device, settings.precision)
    known = faces.has_crowd
    votes = faces.votes.numpy()
    clear = has_majority(votes)
    agreed = (logits.crowd.argmax(1).numpy() == crowd_majority(votes))[clear]
    crowd_loss = F.cross_entropy(logits.crowd[known], faces.crowd[known]) if known.any() else None
    return EpochResult(
        epoch=epoch,
        train_loss=train_loss,
        label_loss=float(F.cross_entropy(logits.label, faces.labels)),
        crowd_loss=None if crowd_loss is None else float(crowd_loss),
        label_accuracy=float((logits.label.argmax(1) == faces.labels).float().mean()),
        crowd_accuracy=float(agreed.mean()) if len(agreed) else None,
        seconds=time.monotonic() - started,
    )


@torch.inference_mode()
def predict(
    network: torch.nn.Module,
    crops: Tensor,
    side: int,
    device: torch.device,
    precision: Precision = "fp32",
    flip: bool = False,
    on_faces: Callable[[int], None] = unheard,
) -> Logits:
    """Both heads' logits of uint8 crops (N, C, H, W), on the CPU.

    With `flip`, the mean of the logits of each crop and its mirror image. `on_faces` is told
    after every batch how many faces it had.
    """
    network.eval()
    crowd, label = [], []
    for batch in torch.split(crops, _EVALUATION_BATCH):
        faces = network_input(batch.to(device), side)
        with torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16"):
            answer = network(faces)
            if flip:
                mirrored = network(faces.flip(3))
                answer = Logits(*((a + b) / 2 for a, b in zip(answer, mirrored, strict=True)))
        crowd.append(answer.crowd.float().cpu())
        label.append(answer.label.float().cpu())
        on_faces(len(batch))
    return Logits(torch.cat(crowd), torch.cat(label))


def both_heads_loss(
    logits: Logits,
    label: Tensor,
    crowd: Tensor,
    settings: TrainingSettings,
    weights: Tensor | None = None,
) -> Tensor:
    """Mean loss over the batch, nats, of target shares `label` and `crowd`, each (N, 7).

    `weights` (7,) are those of the emotions in the label head's part.

    Faces that nobody voted on (crowd rows of zeros) count for the label head only.
    """
    of_label = F.cross_entropy(
        logits.label, label, weight=weights, label_smoothing=settings.label_smoothing
    )
    voted = crowd.sum(1)
    per_face = -(crowd * F.log_softmax(logits.crowd, 1)).sum(1)
    return of_label + settings.crowd_weight * per_face.sum() / voted.sum().clamp(min=1)


def targets_of(faces: FaceSet, settings: TrainingSettings, teacher: Teacher | None) -> Targets:
    """What both heads learn towards on these faces."""
    if teacher is None:
        return hard_targets(faces)
    return soft_targets(faces, teacher, settings.teacher_weight, settings.teacher_votes)


def learning_rate_factor(step: int, steps: int, warmup: float) -> float:
    """Share of the peak rate: a linear rise, then half a cosine down to zero."""
    rise = max(1, round(steps * warmup))
    if step < rise:
        return (step + 1) / rise
    return 0.5 * (1 + math.cos(math.pi * (step - rise) / max(1, steps - rise)))


def ema_decay(step: int, longest: float) -> float:
    """Decay of the average at `step`: short at first, so that the start is forgotten."""
    return min(longest, (1 + step) / (10 + step))


def split_digest(training: FaceSet, validation: FaceSet) -> str:
    """SHA-256 of which faces are learnt from and which are not: a run belongs to one split."""
    digest = hashlib.sha256()
    for faces in (training, validation):
        digest.update(faces.crops.numpy().tobytes())
        digest.update(faces.labels.numpy().tobytes())
    return digest.hexdigest()


def _start(
    settings: TrainingSettings,
    training: FaceSet,
    backbone: Path | None,
    start: Path | None,
    device: torch.device,
    split: str,
) -> _State:
    network = FaceNetwork(settings.architecture, settings.dropout, settings.stem)
    if start is not None:
        _start_from_run(network, start, split)
    elif backbone is not None:
        weights = _imagenet(backbone)
        try:
            start_from_imagenet(network, weights)
        except (ValueError, RuntimeError) as error:
            raise CheckpointUnusable(f"{backbone}: {error}") from error
        if settings.architecture == "vgg19" and not _has_batch_norm(weights):
            calibrate_batch_norm(network, network_input(training.crops[:256], settings.side))
    network.to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # stub
    decayed = [p for p in network.parameters() if p.ndim > 1]
    plain = [p for p in network.parameters() if p.ndim <= 1]
    groups = [
        {"params": decayed, "weight_decay": settings.weight_decay},
        {"params": plain, "weight_decay": 0.0},
    ]
    rate = settings.learning_rate
    optimizer: torch.optim.Optimizer
    if settings.optimizer == "adamw":
        optimizer = torch.optim.AdamW(groups, lr=rate)
    else:
        optimizer = torch.optim.SGD(groups, lr=rate, momentum=settings.momentum, nesterov=True)
    averaged = AveragedModel(network, avg_fn=None, multi_avg_fn=None, use_buffers=True)
    return _State(network, averaged, optimizer, split)


def _imagenet(path: Path) -> dict[str, Tensor]:
    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise CheckpointUnusable(f"{path}: no ImageNet weights ({error})") from error


def _start_from_run(network: FaceNetwork, start: Path, split: str) -> None:
    checkpoint = read_checkpoint(start)
    if checkpoint is None:
        raise CheckpointUnusable(f"{start}: no checkpoint to start from; name a run's best/")
    if checkpoint.metadata.get("split", split) != split:
        raise CheckpointUnusable(
            f"{start} was trained on another split: faces it has seen would validate it"
        )
    trained = checkpoint.metadata["settings"]["architecture"]
    if trained != network.architecture:
        raise CheckpointUnusable(f"{start} is of a {trained}, not of a {network.architecture}")
    try:
        network.load_state_dict(dict(checkpoint.tensors))
    except RuntimeError as error:
        raise CheckpointUnusable(f"{start}: no averaged weights; name a run's best/") from error


def _has_batch_norm(weights: Mapping[str, Tensor]) -> bool:
    return any(key.endswith("running_mean") for key in weights)


def _epoch(
    state: _State,
    stepping: Callable[[Tensor], Logits],
    settings: TrainingSettings,
    faces: _OnDevice,
    steps: int,
    workers: Workers,
    on_step: Callable[[int, int, float], None],
) -> float:
    device = faces.crops.device
    seed = settings.seed * 1000 + state.epoch
    random = torch.Generator().manual_seed(seed)
    torch.manual_seed(seed + _DROPOUT_SEED)
    state.network.train()
    total, count = 0.0, 0
    order = epoch_order(faces.labels, settings.oversampling, random)
    weights = class_weights(faces.labels, settings.class_weighting).to(device)
    for places in _batches(order, settings.batch_size):
        index = places.to(device)
        for group in state.optimizer.param_groups:
            factor = learning_rate_factor(state.step, steps, settings.warmup)
            group["lr"] = settings.learning_rate * factor
        varied = augmented(faces.crops[index], settings.side, settings.augmentation, random)
        label = disturbed(faces.label[index], settings.label_disturbance, random)
        varied, label, crowd = mixed(
            varied, label, faces.crowd[index], settings.mixup, settings.cutmix, random
        )
        with torch.autocast(device.type, torch.bfloat16, enabled=settings.precision == "bf16"):
            part = stepping(normalised(varied[workers.part(len(varied))]))
        logits = Logits(*(whole_batch(workers, head, len(varied)) for head in part))
        loss = both_heads_loss(logits, label, crowd, settings, weights)
        value = float(loss.detach())
        if not math.isfinite(value):
            raise TrainingDiverged(f"the loss is {value} at step {state.step}; lower the rate")
        state.optimizer.zero_grad(set_to_none=True)
        # Workers average their gradients, of which each one's is its part of the whole.
        (loss * workers.world).backward()  # type: ignore[no-untyped-call]  # torch's omission
        torch.nn.utils.clip_grad_norm_(state.network.parameters(), settings.gradient_clip)
        state.optimizer.step()
        _average(state, ema_decay(state.step, settings.ema))
        state.step += 1
        total, count = total + value, count + 1
        on_step(state.step, steps, total / count)
    return total / max(1, count)


@torch.no_grad()
def _average(state: _State, decay: float) -> None:
    mine = list(state.averaged.module.state_dict().values())
    theirs = list(state.network.state_dict().values())
    floats = [(a, b) for a, b in zip(mine, theirs, strict=True) if a.is_floating_point()]
    torch._foreach_lerp_([a for a, _ in floats], [b for _, b in floats], 1 - decay)
    for a, b in zip(mine, theirs, strict=True):
        if not a.is_floating_point():
            a.copy_(b)


def _batches(order: Tensor, size: int) -> Iterator[Tensor]:
    return iter(torch.split(order[: len(order) - len(order) % size], size))


def _stalled(state: _State, patience: int) -> bool:
    return bool(patience and state.best and state.epoch - state.best.epoch >= patience)


def _write_last(state: _State, run: Path, settings: TrainingSettings) -> None:
    tensors = {f"network.{k}": v for k, v in state.network.state_dict().items()}
    tensors |= {f"averaged.{k}": v for k, v in state.averaged.module.state_dict().items()}
    for place, parameter in enumerate(_parameters(state.optimizer)):
        for name, value in state.optimizer.state[parameter].items():
            if isinstance(value, Tensor):
                tensors[f"optimizer.{place}.{name}"] = value
    write_checkpoint(run / "last", Checkpoint(tensors, _metadata(state, settings)), state.step)
    history = [asdict(result) for result in state.history]
    (run / "history.json").write_text(json.dumps(history, indent=1), encoding="utf-8")


def _write_best(state: _State, run: Path, settings: TrainingSettings) -> None:
    tensors = state.averaged.module.state_dict()
    write_checkpoint(run / "best", Checkpoint(tensors, _metadata(state, settings)), state.step)


def _metadata(state: _State, settings: TrainingSettings) -> dict[str, Any]:
    return {
        "settings": asdict(settings),
        "split": state.split,
        "step": state.step,
        "epoch": state.epoch,
        "best": asdict(state.best) if state.best else None,
        "history": [asdict(result) for result in state.history],
        "torch": torch.__version__,
    }


def _earlier(run: Path, resume: bool) -> Checkpoint | None:
    """Where the run in that folder stopped, or None for a new one, whose folder is there then."""
    run.mkdir(parents=True, exist_ok=True)  # a folder that cannot be written fails now, not later
    checkpoint = read_checkpoint(run / "last")
    if resume and checkpoint is None:
        raise CheckpointUnusable(f"{run / 'last'}: nothing to resume; start without --resume")
    if checkpoint is not None and not resume:
        raise CheckpointUnusable(f"{run} holds a run: go on with --resume, or name another folder")
    return checkpoint


def _resume(state: _State, checkpoint: Checkpoint, run: Path, settings: TrainingSettings) -> None:
    metadata = checkpoint.metadata
    wanted = json.loads(json.dumps(asdict(settings)))
    defaults = {knob.name: knob.default for knob in fields(settings)}  # for knobs added since
    differing = sorted(
        key
        for key in wanted
        if key != "epochs"  # a run may be cut short or drawn out: the rate falls accordingly
        and metadata["settings"].get(key, defaults.get(key)) != wanted[key]
    )
    if differing:
        raise CheckpointUnusable(f"{run / 'last'} was trained with another {', '.join(differing)}")
    if metadata.get("split", state.split) != state.split:  # runs before splits were noted have none
        raise CheckpointUnusable(
            f"{run / 'last'} was trained on another split: faces it has seen would validate it"
        )
    state.network.load_state_dict(checkpoint.part("network"))
    state.averaged.module.load_state_dict(checkpoint.part("averaged"))
    for place, parameter in enumerate(_parameters(state.optimizer)):
        kept = checkpoint.part(f"optimizer.{place}")
        if f"momentum.{place}" in checkpoint.tensors:  # as it was written before there was AdamW
            kept["momentum_buffer"] = checkpoint.tensors[f"momentum.{place}"]
        for name, value in kept.items():
            on = value if name == "step" else value.to(parameter.device)
            state.optimizer.state[parameter][name] = on
    state.step, state.epoch = metadata["step"], metadata["epoch"]
    state.history = [EpochResult(**entry) for entry in metadata["history"]]
    state.best = EpochResult(**metadata["best"]) if metadata["best"] else None


def _parameters(optimizer: torch.optim.Optimizer) -> Iterator[torch.nn.Parameter]:
    return (parameter for group in optimizer.param_groups for parameter in group["params"])
