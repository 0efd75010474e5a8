"""A member's backbone as a plain list of layers, for runtimes that are not torch.

Both backbones need five kinds of layer only, once batch normalisation is folded. Following them is
a matter of milliseconds, where torch's exporters take seconds and two packages more.
"""

import operator
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import fx, nn

from fer_model.networks import FaceNetwork

Kind = Literal["convolution", "relu", "max_pool", "mean", "add"]

FACES: Final = -1
"""As a layer's input: the normalised faces, not another layer."""


@dataclass(frozen=True)
class Layer:
    """One layer of a backbone, in the order in which they are computed.

    Attributes:
        kind: "mean" is over height and width, which stay as 1; "add" has two inputs.
        inputs: Places of the layers that it takes, or FACES.
        module: The convolution or pooling with its numbers; None for the other kinds.
    """

    kind: Kind
    inputs: tuple[int, ...]
    module: nn.Conv2d | nn.MaxPool2d | None = None


@dataclass(frozen=True)
class Heads:
    """Both heads as one matrix: crowd in rows 0 to 6, label in rows 7 to 13.

    Attributes:
        weight: float32 (14, W).
        bias: float32 (14,).
    """

    weight: NDArray[np.float32]
    bias: NDArray[np.float32]


def layers_of(network: FaceNetwork) -> list[Layer]:
    """The layers of the folded network's backbone; the last gives (N, W, 1, 1).

    Raises:
        ValueError: A layer is of none of the five kinds.
    """
    graph = fx.symbolic_trace(network.backbone)
    modules = dict(graph.named_modules())
    layers: list[Layer] = []
    places: dict[fx.Node, int] = {}
    for node in graph.graph.nodes:
        taken = tuple(places[value] for value in node.args if isinstance(value, fx.Node))
        module = modules.get(str(node.target)) if node.op == "call_module" else None
        if node.op == "placeholder":
            places[node] = FACES
        elif node.op == "output":
            break
        elif isinstance(module, nn.Identity) or node.target is torch.flatten:
            places[node] = taken[0]
        else:
            layers.append(_layer(node, module, taken))
            places[node] = len(layers) - 1
    return layers


def heads_of(network: FaceNetwork) -> Heads:
    """The network's heads."""
    linears = (network.crowd_head, network.label_head)
    return Heads(
        torch.cat([linear.weight for linear in linears]).detach().numpy(),
        torch.cat([linear.bias for linear in linears]).detach().numpy(),
    )


def pair(size: int | tuple[int, ...] | str) -> list[int]:
    """Height and width of what torch writes as one number or as two.

    Raises:
        ValueError: A padding by name, which neither backbone has.
    """
    if size in ("same", "valid"):
        raise ValueError(f"padding {size!r} is not followed")
    return [size, size] if isinstance(size, int) else [int(number) for number in size]


def _layer(node: fx.Node, module: nn.Module | None, inputs: tuple[int, ...]) -> Layer:
    if isinstance(module, nn.Conv2d) and module.groups == 1:
        return Layer("convolution", inputs, module)
    if isinstance(module, nn.MaxPool2d) and not module.ceil_mode:
        return Layer("max_pool", inputs, module)
    if isinstance(module, nn.ReLU):
        return Layer("relu", inputs)
    if isinstance(module, nn.AdaptiveAvgPool2d) and module.output_size in (1, (1, 1)):
        return Layer("mean", inputs)
    if node.target in (operator.add, operator.iadd, torch.add) and len(inputs) == 2:
        return Layer("add", inputs)
    raise ValueError(f"{node.target} ({type(module).__name__}) is no layer of our backbones")
