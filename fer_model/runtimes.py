"""How a member's network is run: by OpenVINO on a CPU, by torch on a GPU and as the fallback.

Knows no photos, versions or blends: normalised faces in, both heads' logits out. Measured against
each other by `python -m benchmarks.engines`.
"""

import importlib.util
from collections.abc import Callable, Mapping
from typing import Final, Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from fer_model.errors import RuntimeUnavailable
from fer_model.networks import FaceNetwork, Logits

Runtime = Literal[
    "auto", "torch", "torch-bf16", "torch-fp16", "torch-compiled", "openvino", "openvino-bf16"
]
"""What runs the networks, and in which arithmetic where that is not float32.

`auto` is the fastest at equal accuracy, see `chosen_runtime`; `torch-compiled` compiles torch's
fastest arithmetic at load, which takes minutes and a C++ compiler.
"""
RUNTIMES: Final[tuple[Runtime, ...]] = get_args(Runtime)

Runner = Callable[[Tensor], Logits]
"""A network made ready: the float32 logits of normalised faces (N, 3, S, S), on its device.

May be called from several threads at once. What it holds is given back with its last reference.
"""


def chosen_runtime(asked: Runtime, device: torch.device) -> Runtime:
    """What `asked` comes to on this machine; `auto` is OpenVINO on a CPU, where it is installed.

    In bfloat16 where that is native; emulated it is slower than float32. A GPU without it takes
    float16.

    Raises:
        RuntimeUnavailable: It is no runtime, or cannot run here.
    """
    if asked not in RUNTIMES:
        raise RuntimeUnavailable(asked, f"not one of {', '.join(RUNTIMES)}")
    if asked == "auto" and device.type == "cpu" and _openvino_installed():
        return "openvino-bf16" if native_bfloat16(device) else "openvino"
    if asked == "auto":
        return _fastest_torch(device)
    if asked.startswith("openvino") and device.type != "cpu":
        raise RuntimeUnavailable(asked, "it runs on the CPU only")
    if asked.startswith("openvino") and not _openvino_installed():
        raise RuntimeUnavailable(asked, "install it with: pip install openvino")
    if asked == "torch-fp16" and device.type == "cpu":
        raise RuntimeUnavailable(asked, "on the CPU float16 is slower than float32")
    if asked.endswith("-bf16") and not native_bfloat16(device):
        raise RuntimeUnavailable(asked, f"this {device.type} has no bfloat16 arithmetic")
    return asked


def native_bfloat16(device: torch.device) -> bool:
    """Whether the device computes in bfloat16 itself instead of emulating it."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    ask = getattr(torch.cpu, "get_capabilities", None)  # not in every torch that we allow
    capabilities: Mapping[str, bool] = ask() if ask is not None else {}
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))


def made_ready(network: FaceNetwork, side: int, runtime: Runtime, device: torch.device) -> Runner:
    """The network, which is used up, as `runtime` runs it; `side` is that of its faces in px.

    Args:
        network: In evaluation mode and float32; its batch normalisation is folded.
        side: Of the faces, px.
        runtime: As `chosen_runtime` answered.
        device: Where to.

    Raises:
        RuntimeUnavailable: It cannot run here after all.
    """
    folded(network)
    if runtime.startswith("openvino"):
        from fer_model.runtimes_openvino import OpenVinoRunner

        return OpenVinoRunner(network, side, bfloat16=runtime == "openvino-bf16")
    if runtime == "torch-compiled":
        return _compiled(network, side, device)
    return _TorchRunner(network, device, _DTYPES[runtime])


def folded(network: FaceNetwork) -> FaceNetwork:
    """The network, in place, with its batch normalisation folded into the convolutions."""
    network.eval().requires_grad_(requires_grad=False)
    _fold(network.backbone)
    return network


_DTYPES: Final[dict[Runtime, torch.dtype]] = {
    "torch": torch.float32,
    "torch-bf16": torch.bfloat16,
    "torch-fp16": torch.float16,
}


class _TorchRunner:
    """Torch's eager mode, channels last; the heads stay in float32."""

    def __init__(self, network: FaceNetwork, device: torch.device, dtype: torch.dtype) -> None:
        # Casting the weights once: autocast would cast them anew for every batch.
        network.backbone.to(device, dtype, memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's types lack it
        network.crowd_head.to(device)
        network.label_head.to(device)
        self.network = network
        self.device = device
        self.dtype = dtype

    @torch.inference_mode()
    def __call__(self, faces: Tensor) -> Logits:
        ready = faces.to(self.device, self.dtype, memory_format=torch.channels_last)
        return self.network.heads(self.network.features(ready))


def _compiled(network: FaceNetwork, side: int, device: torch.device) -> Runner:
    """The eager runner with its backbone compiled; on CUDA replayed as a graph per batch size.

    The CUDA side is untested: the project has no such machine.
    """
    runner = _TorchRunner(network, device, _DTYPES[_fastest_torch(device)])
    graphs = device.type == "cuda"
    network.backbone.compile(dynamic=not graphs, mode="reduce-overhead" if graphs else "default")
    try:
        runner(torch.zeros(2, 3, side, side))
    except Exception as error:  # torch's compilers raise anything, most often for want of one
        reason = f"torch cannot compile here ({type(error).__name__})"
        raise RuntimeUnavailable("torch-compiled", reason) from error
    return runner


def _openvino_installed() -> bool:
    return importlib.util.find_spec("openvino") is not None


def _fastest_torch(device: torch.device) -> Runtime:
    if native_bfloat16(device):
        return "torch-bf16"
    return "torch-fp16" if device.type == "cuda" else "torch"


def _fold(module: nn.Module) -> None:
    # In both backbones a convolution is followed, among its siblings, by its own normalisation.
    previous: tuple[str, nn.Module] | None = None
    for name, child in list(module.named_children()):
        if isinstance(child, nn.BatchNorm2d) and previous and isinstance(previous[1], nn.Conv2d):
            setattr(module, previous[0], fuse_conv_bn_eval(previous[1], child))
            setattr(module, name, nn.Identity())
        else:
            _fold(child)
        previous = name, child
