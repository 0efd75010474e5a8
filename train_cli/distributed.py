"""Several workers that train one network together, as `torchrun` starts them.

They take one step where one process would take it, up to rounding: every worker draws the whole
batch (which faces, their variations, blends and dropout), and sends its own part of it through the
network. What depends on the whole batch is shared: the statistics of batch normalisation, the loss
and the gradients. Knows neither faces nor losses.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final, TypeVar

import torch
from torch import Tensor, distributed, nn
from torch.nn import functional as F
from torch.nn.parallel import DistributedDataParallel

from fer_model.errors import FerModelError
from train_cli.errors import EndedElsewhere, TrainingError, WorkersUnusable

Answer = TypeVar("Answer")

_PATIENCE: Final = timedelta(hours=1)
"""How long a worker waits for another: longer than the first takes to validate."""
_LOST: Final = re.compile(r"gloo|nccl|connection (closed|reset)|broken pipe", re.IGNORECASE)
"""What torch says, in a bare RuntimeError, when another worker is gone."""


@dataclass(frozen=True)
class Workers:
    """Which of how many workers this process is.

    Attributes:
        rank: Its place among all; the first, 0, validates, writes and speaks.
        world: How many there are, on all hosts.
        local_rank: Its place among those of its host, which is its GPU's number.
    """

    rank: int = 0
    world: int = 1
    local_rank: int = 0

    @property
    def alone(self) -> bool:
        """Whether one process does all the work, and nothing is to be shared."""
        return self.world == 1

    @property
    def is_first(self) -> bool:
        """Whether this is the worker that validates, writes and speaks."""
        return self.rank == 0

    def part(self, count: int) -> slice:
        """This worker's places of a batch of `count`; parts differ by one face at most."""
        return slice(count * self.rank // self.world, count * (self.rank + 1) // self.world)

    def together(self, action: Callable[[], Answer]) -> Answer:
        """What `action` returns, once it has succeeded in every worker.

        Raises:
            WorkersUnusable: It failed elsewhere; what it raises here is raised as it is.
        """
        if self.alone:
            return action()
        answer, failure = None, None
        try:
            answer = action()
        except (TrainingError, FerModelError, OSError) as error:
            failure = error
        reasons: list[str | None] = [None] * self.world
        distributed.all_gather_object(reasons, None if failure is None else str(failure))
        if failure is not None:
            raise failure
        for rank, reason in enumerate(reasons):
            if reason is not None:
                raise WorkersUnusable(f"worker {rank}: {reason}")
        return answer  # type: ignore[return-value]  # without a failure it is there

    def first(self, action: Callable[[], Answer]) -> Answer:
        """What `action` returns in the first worker, the only one to run it.

        Raises:
            WorkersUnusable: It failed there, where what it raises is raised as it is.
        """
        if self.alone:
            return action()
        answer: list[Any] = [self.together(action if self.is_first else lambda: None)]
        distributed.broadcast_object_list(answer, src=0)
        return answer[0]  # type: ignore[no-any-return]  # it went out as an Answer


ALONE: Final = Workers()


def workers_named(environment: Mapping[str, str]) -> Workers:
    """Who this process is, as `torchrun` says in the environment; alone without it.

    Source: torchrun's documented variables RANK, WORLD_SIZE and LOCAL_RANK.
    """
    if "RANK" not in environment or "WORLD_SIZE" not in environment:
        return ALONE
    rank, world = int(environment["RANK"]), int(environment["WORLD_SIZE"])
    return Workers(rank, world, int(environment.get("LOCAL_RANK", rank)))


@contextmanager
def joined(workers: Workers, device: torch.device) -> Iterator[None]:
    """The workers can hear each other inside: NCCL between GPUs, gloo between CPUs.

    A failure that all have in common is left to the first to tell.

    Raises:
        WorkersUnusable: They do not find each other, or one of them has ended.
        EndedElsewhere: In all but the first, in place of an expected failure.
    """
    if workers.alone:
        yield
        return
    backend = "cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo"
    try:
        if device.type == "cuda":
            torch.cuda.set_device(device)
        distributed.init_process_group(backend, timeout=_PATIENCE)
        yield
    except (TrainingError, FerModelError, OSError) as error:
        if workers.is_first:
            raise
        raise EndedElsewhere("the first worker says why") from error
    except RuntimeError as error:
        if not _LOST.search(str(error)):
            raise
        if workers.is_first:
            raise WorkersUnusable("another worker has ended: it or torchrun says why") from error
        raise EndedElsewhere("another worker says why") from error
    finally:
        if distributed.is_initialized():
            distributed.destroy_process_group()


def own_device(workers: Workers, device: torch.device) -> torch.device:
    """The worker's device of a kind that all were told: its own GPU, or the CPU.

    Raises:
        WorkersUnusable: The host has fewer GPUs than workers, or all were told to take one.
    """
    if workers.alone or device.type != "cuda":
        return device
    if str(device) != "cuda":
        raise WorkersUnusable(f"{device} cannot serve {workers.world} workers; say --device cuda")
    if workers.local_rank >= torch.cuda.device_count():
        raise WorkersUnusable(
            f"worker {workers.rank} has no GPU: this host has {torch.cuda.device_count()}"
        )
    return torch.device("cuda", workers.local_rank)


def shared_network(workers: Workers, network: nn.Module, device: torch.device) -> nn.Module:
    """The network as it takes steps: `network` itself, or one whose gradients all workers average.

    Batch normalisation and dropout of `network` are replaced in place by layers that see the
    whole batch; its parameters, buffers and their names stay.
    """
    if workers.alone:
        return network
    if device.type == "cuda":
        nn.SyncBatchNorm.convert_sync_batchnorm(network)  # type: ignore[no-untyped-call]  # torch's
    else:
        _replace(network, nn.BatchNorm2d, SharedBatchNorm.of)
    _replace(network, nn.Dropout, lambda dropout: SharedDropout(dropout.p, workers))
    return DistributedDataParallel(network, [device] if device.type == "cuda" else None)


def whole_batch(workers: Workers, part: Tensor, count: int) -> Tensor:
    """The rows (count, C) of all workers, of which the gradient reaches this one's `part` alone.

    A loss of all rows is then the same number in every worker, and the sum of the workers'
    gradients is that of one process, however uneven the parts.
    """
    if workers.alone:
        return part
    mine = workers.part(count)
    rows = part.new_zeros(count, *part.shape[1:])
    rows[mine] = part.detach()
    distributed.all_reduce(rows)
    return torch.cat((rows[: mine.start], part, rows[mine.stop :]))


class SharedBatchNorm(nn.BatchNorm2d):
    """Batch normalisation by the statistics of all workers' parts, on a CPU.

    torch's own SyncBatchNorm, which takes its place on GPUs, has no kernel for a CPU.
    """

    @classmethod
    def of(cls, norm: nn.BatchNorm2d) -> "SharedBatchNorm":
        """The same layer, with the very parameters and buffers of `norm`."""
        shared = cls(norm.num_features, norm.eps, norm.momentum)
        shared.weight, shared.bias = norm.weight, norm.bias
        shared.running_mean, shared.running_var = norm.running_mean, norm.running_var
        shared.num_batches_tracked = norm.num_batches_tracked
        return shared.train(norm.training)

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002  torch's name
        """Normalised `input` (N, C, H, W), N being this worker's part of the batch."""
        if not self.training:
            return super().forward(input)
        values = input.to(torch.promote_types(input.dtype, torch.float32))
        sums = torch.cat((values.sum((0, 2, 3)), values.new_tensor([values[:, 0].numel()])))
        sums = _summed(sums)
        count = sums[-1].detach()
        mean = sums[:-1] / count
        centred = values - mean.view(1, -1, 1, 1)
        # From the shared mean: the mean square less the squared mean would cancel digits.
        variance = _summed(centred.square().sum((0, 2, 3))) / count
        self._remember(mean.detach(), variance.detach() * count / (count - 1))
        scale = self.weight * torch.rsqrt(variance + self.eps)
        return (centred * scale.view(1, -1, 1, 1) + self.bias.view(1, -1, 1, 1)).to(input.dtype)

    @torch.no_grad()
    def _remember(self, mean: Tensor, variance: Tensor) -> None:
        if self.running_mean is None or self.running_var is None or self.momentum is None:
            return
        self.running_mean.lerp_(mean, self.momentum)
        self.running_var.lerp_(variance, self.momentum)
        if self.num_batches_tracked is not None:
            self.num_batches_tracked += 1


class SharedDropout(nn.Dropout):
    """Dropout that draws the mask of the whole batch and applies this worker's part of it."""

    def __init__(self, p: float, workers: Workers) -> None:
        super().__init__(p)
        self._workers = workers

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002  torch's name
        """`input` (N, W), N being this worker's part, with some numbers dropped."""
        if not self.training or self.p == 0:
            return input
        count = torch.tensor(len(input), device=input.device)
        distributed.all_reduce(count)
        whole = input.new_ones(int(count), *input.shape[1:])
        return input * F.dropout(whole, self.p)[self._workers.part(len(whole))]


class _Summed(torch.autograd.Function):
    """The sum over all workers, differentiable: each one's gradient is the sum of all of theirs.

    Source: torch.distributed.nn.functional.all_reduce, which torch 2.13 deprecates.
    """

    @staticmethod
    def forward(_: Any, part: Tensor) -> Tensor:
        """The sum of every worker's `part`."""
        whole = part.clone()
        distributed.all_reduce(whole)
        return whole

    @staticmethod
    def backward(_: Any, *gradients: Tensor) -> Tensor:
        """The sum of the gradients that reached every worker's copy."""
        whole = gradients[0].contiguous().clone()
        distributed.all_reduce(whole)
        return whole


def _summed(part: Tensor) -> Tensor:
    whole: Tensor = _Summed.apply(part)  # type: ignore[no-untyped-call]  # torch leaves it untyped
    return whole


def _replace(
    module: nn.Module, kind: type[nn.Module], replacement: Callable[[Any], nn.Module]
) -> None:
    for name, child in module.named_children():
        if type(child) is kind:
            setattr(module, name, replacement(child))
        else:
            _replace(child, kind, replacement)
