import pytest
import torch
from torch import Tensor, nn
from torchvision import models

from fer_model.networks import (
    ARCHITECTURES,
    Architecture,
    FaceNetwork,
    calibrate_batch_norm,
    network_input,
    normalised,
    start_from_imagenet,
)


@pytest.fixture(scope="module")
def vgg16() -> nn.Sequential:
    torch.manual_seed(0)
    features: nn.Sequential = models.vgg16().features
    return features.eval()


@pytest.fixture(scope="module")
def faces() -> Tensor:
    crops = torch.randint(0, 256, (4, 1, 48, 48), generator=torch.Generator().manual_seed(0))
    return network_input(crops.to(torch.uint8), 48)


def named(features: nn.Sequential) -> dict[str, Tensor]:
    return {f"features.{key}": value.detach() for key, value in features.state_dict().items()}


def test_vgg19_grown_from_vgg16_starts_as_the_function_it_was(
    vgg16: nn.Sequential, faces: Tensor
) -> None:
    network = FaceNetwork("vgg19")
    start_from_imagenet(network, named(vgg16))
    calibrate_batch_norm(network, faces)
    with torch.inference_mode():
        expected = vgg16(faces).mean((2, 3))
        grown = network.eval().features(faces)
    torch.testing.assert_close(grown, expected, rtol=1e-3, atol=1e-5)
    assert float(expected.std()) > 0


def test_a_whole_vgg16_with_its_classifier_is_taken_for_its_convolutions(
    vgg16: nn.Sequential,
) -> None:
    weights = named(vgg16)
    whole = weights | {
        "classifier.0.weight": torch.zeros(4, 4),
        "classifier.0.bias": torch.zeros(4),
    }
    network = FaceNetwork("vgg19")
    start_from_imagenet(network, whole)
    first = network.backbone[0][0].weight  # type: ignore[index]
    assert torch.equal(first, weights["features.0.weight"])


def test_without_calibrated_batch_norm_the_grown_network_is_another_function(
    vgg16: nn.Sequential, faces: Tensor
) -> None:
    network = FaceNetwork("vgg19")
    start_from_imagenet(network, named(vgg16))
    with torch.inference_mode():
        uncalibrated = network.train().features(faces)
        expected = vgg16(faces).mean((2, 3))
    assert not torch.allclose(uncalibrated, expected, rtol=1e-2)


def test_vgg19_takes_its_own_weights_as_they_are() -> None:
    weights = {f"features.{k}": v for k, v in models.vgg19_bn().features.state_dict().items()}
    network = FaceNetwork("vgg19")
    start_from_imagenet(network, weights)
    first = network.backbone[0][0].weight  # type: ignore[index]
    assert torch.equal(first, weights["features.0.weight"])


def test_resnet50_takes_torchvisions_weights_and_no_infinite_variance() -> None:
    weights = dict(models.resnet50().state_dict())
    weights["bn1.running_var"] = weights["bn1.running_var"].clone().fill_(float("inf"))
    network = FaceNetwork("resnet50")
    start_from_imagenet(network, weights)
    state = network.backbone.state_dict()
    assert torch.equal(state["layer4.2.conv3.weight"], weights["layer4.2.conv3.weight"])
    assert bool(state["bn1.running_var"].isfinite().all())


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_weights_of_something_else_are_refused(architecture: Architecture) -> None:
    network = FaceNetwork(architecture)
    nothing = torch.zeros(1)
    with pytest.raises(ValueError, match="not "):
        start_from_imagenet(network, {"features.0.weight": nothing, "features.0.bias": nothing})


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_finer_stem_has_the_same_weights_and_maps_twice_as_fine(
    architecture: Architecture, faces: Tensor
) -> None:
    original, finer = FaceNetwork(architecture), FaceNetwork(architecture, stem="finer")
    finer.load_state_dict(original.state_dict())
    sides = []
    for network in (original, finer):
        last = [m for m in network.modules() if isinstance(m, nn.Conv2d)][-1]
        last.register_forward_hook(lambda _m, _i, output: sides.append(output.shape[-1]))
        with torch.inference_mode():
            network.eval()(faces)
    assert sides[1] in (2 * sides[0], 2 * sides[0] - 1)


def test_vgg19_with_a_finer_stem_grows_from_vgg16_too(vgg16: nn.Sequential, faces: Tensor) -> None:
    network = FaceNetwork("vgg19", stem="finer")
    start_from_imagenet(network, named(vgg16))
    finer = nn.Sequential(*vgg16)
    finer[4] = nn.Identity()
    calibrate_batch_norm(network, faces)
    with torch.inference_mode():
        torch.testing.assert_close(
            network.eval().features(faces), finer(faces).mean((2, 3)), rtol=1e-3, atol=1e-5
        )


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_both_heads_answer_for_every_face(architecture: Architecture, faces: Tensor) -> None:
    network = FaceNetwork(architecture).eval()
    with torch.inference_mode():
        logits = network(faces)
    assert logits.crowd.shape == logits.label.shape == (4, 7)
    assert logits.crowd.dtype == torch.float32


def test_crops_become_grey_at_48_px_before_they_take_the_input_side() -> None:
    crops = torch.zeros(1, 3, 96, 96, dtype=torch.uint8)
    crops[:, 0] = 255
    faces = network_input(crops, 64)
    assert faces.shape == (1, 3, 64, 64)
    expected = normalised(torch.full((1, 1, 64, 64), 0.299))
    torch.testing.assert_close(faces, expected, atol=1e-4, rtol=0)


def test_training_and_serving_see_a_training_face_alike() -> None:
    crops = torch.randint(0, 256, (1, 1, 48, 48), dtype=torch.uint8)
    assert torch.equal(network_input(crops, 48), normalised(crops.float() / 255))
    coloured = network_input(crops.expand(-1, 3, -1, -1), 48)
    torch.testing.assert_close(coloured, network_input(crops, 48), atol=1e-5, rtol=0)
