import pytest
import typer

from benchmarks.input_size import VARIANTS, Variant, _times


@pytest.mark.parametrize("name", VARIANTS.split(","))
def test_a_variant_is_called_what_it_is_named(name: str) -> None:
    assert Variant.named(name).name == name


@pytest.mark.parametrize("name", ["", "resnet50", "resnet50:big", "vgg19:48:coarser", "alexnet:64"])
def test_what_is_no_variant_is_refused_with_an_example(name: str) -> None:
    with pytest.raises(typer.BadParameter, match="resnet50:96"):
        Variant.named(name)


def test_every_variant_is_timed() -> None:
    variants = [Variant("resnet50", 32), Variant("resnet50", 32, "finer")]
    times = _times(variants)
    assert set(times) == {"resnet50:32", "resnet50:32:finer"}
    assert all(timing["p50"] > 0 for timing in times.values())
