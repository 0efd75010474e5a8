"""Lets `import torchvision` succeed beside a CPU-only torch.

The torchvision wheel on PyPI is built against CUDA. Beside a CPU-only torch its compiled
operators cannot be loaded, and `import torchvision` then dies while it registers fake kernels
for them (`operator torchvision::nms does not exist`). Declaring the two schemas first is enough:
this project uses torchvision's networks and transforms, none of its compiled operators.
"""

import contextlib

import torch

_SCHEMAS = {
    "torchvision::nms": "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "torchvision::qnms": "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
}


def declare_missing_operators() -> None:
    """Declares the schemas that torchvision's import expects; does nothing where they exist.

    Call it before the first `import torchvision`.
    """
    for name, schema in _SCHEMAS.items():
        namespace, operator = name.split("::")
        if hasattr(getattr(torch.ops, namespace), operator):
            continue
        with contextlib.suppress(RuntimeError):  # declared meanwhile by torchvision itself
            torch.library.define(name, schema)
