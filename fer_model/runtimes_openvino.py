"""A member's network compiled by OpenVINO for this machine's CPU.

The network is handed over layer by layer, so that loading converts and writes nothing.
"""

import functools
import importlib
import sys
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor

from fer_model.emotions import EMOTION_COUNT
from fer_model.networks import FaceNetwork, Logits
from fer_model.runtimes_layers import FACES, Layer, heads_of, layers_of, pair

_CHANNELS: Final = 3


class OpenVinoRunner:
    """A compiled network; as many calls run at once as threads make them.

    Args:
        network: Folded, float32, on the CPU.
        side: Of its faces, px.
        bfloat16: Compute in bfloat16 instead of float32; the heads too.
    """

    def __init__(self, network: FaceNetwork, side: int, *, bfloat16: bool) -> None:
        self._compiled = _core().compile_model(
            _model(network, side),
            "CPU",
            {
                "INFERENCE_PRECISION_HINT": "bf16" if bfloat16 else "f32",
                "INFERENCE_NUM_THREADS": torch.get_num_threads(),
                "PERFORMANCE_HINT": "LATENCY",
                "ENABLE_CPU_PINNING": False,  # the trainer and the bot's other work share the cores
            },
        )
        self._idle: list[Any] = []  # a request serves one call at a time; append and pop are atomic

    def __call__(self, faces: Tensor) -> Logits:
        """The logits of normalised faces (N, 3, S, S)."""
        try:
            request = self._idle.pop()
        except IndexError:
            request = self._compiled.create_infer_request()
        request.infer([np.ascontiguousarray(faces.numpy())])
        both = torch.from_numpy(request.get_output_tensor(0).data.copy())  # the next call's memory
        self._idle.append(request)
        return Logits(both[:, :EMOTION_COUNT], both[:, EMOTION_COUNT:])


@functools.cache
def _core() -> Any:
    # One for the whole process. OpenVINO's CPU plugin gives the thread that loads it a stack for
    # signals, and frees that stack when the last core and model go, in whatever thread they do: the
    # next signal in the first thread, a SIGTERM say, would then kill the process without a word.
    return _openvino().Core()


def _openvino() -> Any:
    # Importing openvino reports the import to its maker through this package, which openvino does
    # without where it is missing. A program that reads faces tells nobody that it runs.
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]  # None: not there
    return importlib.import_module("openvino")


def _model(network: FaceNetwork, side: int) -> Any:
    openvino = _openvino()
    op = importlib.import_module("openvino.opset13")
    faces = op.parameter([-1, _CHANNELS, side, side], np.float32)
    values: dict[int, Any] = {FACES: faces}
    layers = layers_of(network)
    for place, layer in enumerate(layers):
        values[place] = _node(op, layer, [values[taken] for taken in layer.inputs])
    heads = heads_of(network)
    flat = op.squeeze(values[len(layers) - 1], op.constant(np.array([2, 3])))
    logits = op.add(
        op.matmul(flat, op.constant(heads.weight), transpose_a=False, transpose_b=True),
        op.constant(heads.bias[None]),
    )
    return openvino.Model([logits], [faces], network.architecture)


def _node(op: Any, layer: Layer, inputs: list[Any]) -> Any:
    module = layer.module
    if layer.kind == "add":
        return op.add(*inputs)
    if layer.kind == "relu":
        return op.relu(inputs[0])
    if layer.kind == "mean":
        return op.reduce_mean(inputs[0], op.constant(np.array([2, 3])), keep_dims=True)
    if isinstance(module, torch.nn.Conv2d):
        padding = pair(module.padding)
        convolved = op.convolution(
            inputs[0],
            op.constant(module.weight.numpy()),
            pair(module.stride),
            padding,
            padding,
            pair(module.dilation),
        )
        if module.bias is None:
            return convolved
        return op.add(convolved, op.constant(module.bias.numpy().reshape(1, -1, 1, 1)))
    if isinstance(module, torch.nn.MaxPool2d):
        padding = pair(module.padding)
        pooled = op.max_pool(
            inputs[0],
            pair(module.stride),
            pair(module.dilation),
            padding,
            padding,
            pair(module.kernel_size),
        )
        return pooled.output(0)  # the second is where each maximum was
    raise ValueError(f"{layer.kind} without its numbers")
