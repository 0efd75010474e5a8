"""The two ensemble members: torchvision's VGG19 and ResNet50, globally pooled, with two heads.

A network knows neither photos nor files: float tensors in, logits out.
"""

from collections.abc import Iterator, Mapping
from typing import Final, Literal, NamedTuple, cast, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fer_model.emotions import EMOTION_COUNT
from fer_model.torchvision_guard import declare_missing_operators

declare_missing_operators()

from torchvision import models  # noqa: E402  needs the operators declared above

Architecture = Literal["vgg19", "resnet50"]
ARCHITECTURES: Final[tuple[Architecture, ...]] = get_args(Architecture)

Stem = Literal["original", "finer"]
"""`finer` skips the backbone's first reduction to half size: ResNet50's first stride, VGG19's first
pooling. Every later map is twice as fine, for about four times the arithmetic."""
STEMS: Final[tuple[Stem, ...]] = get_args(Stem)

FACE_SIDE: Final = 48
"""Side of a FER2013 face in px: the detail that the networks were trained on."""

IMAGENET_MEAN: Final = (0.485, 0.456, 0.406)
IMAGENET_STD: Final = (0.229, 0.224, 0.225)
"""Source: torchvision's `ImageClassification` preset, which the backbones were trained with."""


class Logits(NamedTuple):
    """Both heads' logits, each (N, 7)."""

    crowd: Tensor
    label: Tensor


class FaceNetwork(nn.Module):
    """One ensemble member: a backbone, global average pooling, and the crowd and label heads.

    Args:
        architecture: Which backbone.
        dropout: Share of pooled features dropped in training, 0 to 1.
        stem: Whether the first reduction is skipped; weights fit either way.
    """

    def __init__(
        self, architecture: Architecture, dropout: float = 0.0, stem: Stem = "original"
    ) -> None:
        super().__init__()
        self.architecture: Architecture = architecture
        self.stem: Stem = stem
        self.backbone, width = _BACKBONES[architecture](stem)
        self.dropout = nn.Dropout(dropout)
        self.crowd_head = nn.Linear(width, EMOTION_COUNT)
        self.label_head = nn.Linear(width, EMOTION_COUNT)

    def features(self, faces: Tensor) -> Tensor:
        """Pooled features (N, W) of normalised faces (N, 3, S, S)."""
        pooled: Tensor = self.backbone(faces)
        return pooled.flatten(1)

    def heads(self, features: Tensor) -> Logits:
        """Logits of pooled features (N, W), in float32 whatever the backbone ran in."""
        kept = self.dropout(features.float())
        with torch.autocast(kept.device.type, enabled=False):
            return Logits(self.crowd_head(kept), self.label_head(kept))

    def forward(self, faces: Tensor) -> Logits:
        """Logits of normalised faces (N, 3, S, S); see `network_input`."""
        return self.heads(self.features(faces))


def network_input(crops: Tensor, side: int) -> Tensor:
    """Normalised float32 faces (N, 3, side, side) of uint8 crops (N, C, H, W), C being 1 or 3.

    Crops are made grey and brought down to the 48 px of the training faces first: the networks
    have never seen finer detail, nor colour.
    """
    return normalised(_at_side(_grey(crops), side))


def normalised(grey: Tensor) -> Tensor:
    """Grey faces (N, 1, S, S) in 0 to 1 as the three ImageNet-normalised channels (N, 3, S, S)."""
    mean = grey.new_tensor(IMAGENET_MEAN).view(1, 3, 1, 1)
    std = grey.new_tensor(IMAGENET_STD).view(1, 3, 1, 1)
    return ((grey - mean) / std).contiguous(memory_format=torch.channels_last)


def start_from_imagenet(network: FaceNetwork, weights: Mapping[str, Tensor]) -> None:
    """Copies ImageNet weights with torchvision's key names into the backbone.

    VGG16's thirteen convolutions are accepted for VGG19: the fourth convolution of stages 3, 4
    and 5 starts as the identity, which a preceding ReLU makes exact. Batch normalisation, which
    VGG16's file lacks, starts as the identity too; see `calibrate_batch_norm`.

    Raises:
        ValueError: A weight of the backbone is neither in the file nor derivable from it.
    """
    if network.architecture == "vgg19":
        _start_vgg19(network.backbone, weights)
        return
    missing, unexpected = network.backbone.load_state_dict(dict(weights), strict=False)
    left = [key for key in missing if not key.endswith("num_batches_tracked")]
    left += [key for key in unexpected if not key.startswith("fc.")]
    if left:
        raise ValueError(f"not ImageNet weights of {network.architecture}: {sorted(left)[:3]}")
    for norm in _batch_norms(network):
        # The first variance of the Keras weights, about 1e5, is infinite in a float16 file.
        # Statistics are relearnt within an epoch; an infinity would stay one for ever.
        if norm.running_var is not None and not norm.running_var.isfinite().all():
            norm.reset_running_stats()


@torch.no_grad()
def calibrate_batch_norm(network: FaceNetwork, faces: Tensor) -> None:
    """Sets every batch normalisation to pass `faces` (N, 3, S, S) through unchanged.

    Its running statistics become those of the batch, and its scale and shift undo them, so that
    a network grown from weights without batch normalisation starts as the function it was.
    """
    network.eval()  # or each forward pass would mix the unbiased variance into the statistics

    def match(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        norm = cast(nn.BatchNorm2d, module)
        values = inputs[0].float()
        mean = values.mean(dim=(0, 2, 3))
        variance = values.var(dim=(0, 2, 3), unbiased=False)
        cast(Tensor, norm.running_mean).copy_(mean)
        cast(Tensor, norm.running_var).copy_(variance)
        norm.weight.copy_((variance + norm.eps).sqrt())
        norm.bias.copy_(mean)

    handles = [norm.register_forward_pre_hook(match) for norm in _batch_norms(network)]
    try:
        network(faces)
    finally:
        for handle in handles:
            handle.remove()


def _vgg19(stem: Stem) -> tuple[nn.Module, int]:
    features = models.vgg19_bn().features
    if stem == "finer":
        first = next(place for place, m in enumerate(features) if isinstance(m, nn.MaxPool2d))
        features[first] = nn.Identity()
    return nn.Sequential(features, nn.AdaptiveAvgPool2d(1)), 512


def _resnet50(stem: Stem) -> tuple[nn.Module, int]:
    network = models.resnet50()
    if stem == "finer":
        network.conv1.stride = (1, 1)
    # Strides as in the original paper (He et al. 2015), which the ImageNet weights at hand were
    # trained with; they also cost a quarter less than torchvision's.
    for stage in (network.layer2, network.layer3, network.layer4):
        first = cast(models.resnet.Bottleneck, stage[0])
        first.conv1.stride = (2, 2)
        first.conv2.stride = (1, 1)
    width = network.fc.in_features
    network.fc = nn.Identity()  # the heads take its place
    return network, width


_BACKBONES: Final = {"vgg19": _vgg19, "resnet50": _resnet50}


def _start_vgg19(backbone: nn.Module, weights: Mapping[str, Tensor]) -> None:
    features = cast(nn.Sequential, cast(nn.Sequential, backbone)[0])
    if any(key.endswith("running_mean") for key in weights):  # torchvision's own VGG19_BN
        kept = {key.removeprefix("features."): value for key, value in weights.items()}
        features.load_state_dict({k: v for k, v in kept.items() if k[0].isdigit()})
        return
    stages = list(_vgg_stages(features))
    kept = {key: value for key, value in weights.items() if not key.startswith("classifier.")}
    convolutions = [value for _, value in sorted(kept.items(), key=_vgg_key)]
    pairs = list(zip(convolutions[0::2], convolutions[1::2], strict=True))
    count = sum(len(stage) for stage in stages)
    if len(pairs) not in (13, count):
        raise ValueError(f"not VGG16's or VGG19's convolutions: {len(pairs)} of them")
    grown = len(pairs) == 13
    with torch.no_grad():
        source = iter(pairs)
        for stage in stages:
            for place, convolution in enumerate(stage):
                offset = cast(Tensor, convolution.bias)
                if grown and place == 3:
                    nn.init.dirac_(convolution.weight)
                    offset.zero_()
                    continue
                weight, bias = next(source)
                convolution.weight.copy_(weight)
                offset.copy_(bias)


def _vgg_key(item: tuple[str, Tensor]) -> tuple[int, bool]:
    """Orders `features.<place>.weight` and `.bias` by place, the weight first."""
    place, kind = item[0].split(".")[-2:]
    return int(place), kind == "bias"


def _vgg_stages(features: nn.Sequential) -> Iterator[list[nn.Conv2d]]:
    stage: list[nn.Conv2d] = []
    for layer in features:
        if isinstance(layer, nn.Conv2d):
            stage.append(layer)
        elif isinstance(layer, nn.MaxPool2d | nn.Identity):  # the latter under a finer stem
            yield stage
            stage = []


def _batch_norms(network: nn.Module) -> Iterator[nn.BatchNorm2d]:
    return (module for module in network.modules() if isinstance(module, nn.BatchNorm2d))


def _grey(crops: Tensor) -> Tensor:
    """Luma in 0 to 1, (N, 1, H, W). Source: ITU-R BT.601, as Pillow's mode L."""
    scaled = crops.float() / 255
    if scaled.shape[1] == 1:
        return scaled
    return (scaled * scaled.new_tensor((0.299, 0.587, 0.114)).view(1, 3, 1, 1)).sum(1, keepdim=True)


def _at_side(grey: Tensor, side: int) -> Tensor:
    for target in (FACE_SIDE, side):
        if grey.shape[-2:] != (target, target):
            grey = F.interpolate(
                grey, (target, target), mode="bilinear", align_corners=False, antialias=True
            )
    return grey
