import gc
import subprocess
import sys
import weakref
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from fer_model import runtimes
from fer_model.engine import BATCH, Engine
from fer_model.errors import RuntimeUnavailable
from fer_model.networks import ARCHITECTURES, Architecture, Logits
from fer_model.runtimes import RUNTIMES, Runtime, chosen_runtime, folded, made_ready
from fer_model.runtimes_layers import FACES, heads_of, layers_of
from fer_model.versions import ModelVersion
from tests.versions import SIDE, random_network

CPU = torch.device("cpu")
ROOT = Path(__file__).resolve().parents[2]
GAPS = {"torch": 1e-3, "torch-bf16": 0.2, "openvino": 1e-3, "openvino-bf16": 0.2}
"""How far logits may be from those in float32 as trained, in standard deviations over faces: what
24 and 8 bits of mantissa leave."""


def faces(count: int, seed: int = 0) -> Tensor:
    """Smooth spots, for untrained networks see the same in any two squares of plain noise."""
    coarse = torch.randn(count, 3, 3, 3, generator=torch.Generator().manual_seed(seed))
    return F.interpolate(coarse * 2, (SIDE, SIDE), mode="bilinear")


def crops(count: int) -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (count, 96, 96, 3), np.uint8)


def gap(logits: NDArray[np.float32] | Tensor, exact: NDArray[np.float32] | Tensor) -> float:
    """The largest difference, over how much the exact logits (…, N, 7) differ from face to face."""
    one, other = torch.as_tensor(logits), torch.as_tensor(exact)
    return float((one - other).abs().max() / other.std(dim=-2).mean())


def needs(runtime: Runtime) -> None:
    try:
        chosen_runtime(runtime, CPU)
    except RuntimeUnavailable as error:
        pytest.skip(str(error))


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("runtime", GAPS)
def test_a_runtime_answers_as_the_network_that_was_trained(
    runtime: Runtime, architecture: Architecture
) -> None:
    if runtime != "torch-bf16":  # which torch emulates, slowly, where it is not native
        needs(runtime)
    batch = faces(5)
    with torch.no_grad():
        trained = random_network(architecture)(batch)
    answer = made_ready(random_network(architecture), SIDE, runtime, CPU)(batch)
    for seen, expected in zip(answer, trained, strict=True):
        assert seen.shape == (5, 7)
        assert seen.dtype == torch.float32
        assert gap(seen, expected) < GAPS[runtime]


@pytest.mark.parametrize("runtime", ["torch-bf16", "openvino"])
def test_threads_share_a_runner_and_get_their_own_answers(runtime: Runtime) -> None:
    if runtime == "openvino":
        needs(runtime)
    run = made_ready(random_network("vgg19"), SIDE, runtime, CPU)
    batches = [faces(1 + seed % 2, seed) for seed in range(8)]
    alone = [run(batch) for batch in batches]
    with ThreadPoolExecutor(4) as threads:
        together = list(threads.map(run, batches))
    for one, other in zip(alone, together, strict=True):
        assert torch.allclose(one.crowd, other.crowd, atol=1e-5)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_layers_computed_one_by_one_give_the_networks_logits(architecture: Architecture) -> None:
    network = folded(random_network(architecture))
    values: dict[int, Tensor] = {FACES: faces(2)}
    layers = layers_of(network)
    by_kind: dict[str, Callable[..., Tensor]] = {
        "relu": F.relu,
        "add": torch.add,
        "mean": lambda value: value.mean((2, 3), keepdim=True),
    }
    with torch.no_grad():
        for place, layer in enumerate(layers):
            step: Any = layer.module or by_kind[layer.kind]
            values[place] = step(*(values[taken].clone() for taken in layer.inputs))
        heads = heads_of(network)
        flat = values[len(layers) - 1].flatten(1)
        both = F.linear(flat, torch.from_numpy(heads.weight), torch.from_numpy(heads.bias))
        expected = torch.cat(network(values[FACES]), dim=1)
    assert torch.allclose(both, expected, rtol=1e-4, atol=1e-4)


def test_a_layer_of_no_known_kind_is_refused() -> None:
    network = folded(random_network("vgg19"))
    network.backbone.append(torch.nn.Sigmoid())  # type: ignore[operator]
    with pytest.raises(ValueError, match="Sigmoid"):
        layers_of(network)


@pytest.mark.parametrize(
    ("installed", "native", "expected"),
    [
        (True, True, "openvino-bf16"),
        (True, False, "openvino"),
        (False, True, "torch-bf16"),
        (False, False, "torch"),
    ],
)
def test_auto_takes_openvino_and_bfloat16_only_where_they_are_there(
    installed: bool, native: bool, expected: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runtimes, "_openvino_installed", lambda: installed)
    monkeypatch.setattr(runtimes, "native_bfloat16", lambda device: native)
    assert chosen_runtime("auto", CPU) == expected


@pytest.mark.parametrize(("native", "expected"), [(True, "torch-bf16"), (False, "torch-fp16")])
def test_auto_takes_half_precision_on_a_gpu(
    native: bool, expected: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runtimes, "native_bfloat16", lambda device: native)
    assert chosen_runtime("auto", torch.device("cuda")) == expected


def test_a_processor_is_asked_what_it_has(monkeypatch: pytest.MonkeyPatch) -> None:
    for has in ("avx512_bf16", "amx_bf16"):
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda has=has: {has: True})
        assert runtimes.native_bfloat16(CPU)
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx2": True})
    assert not runtimes.native_bfloat16(CPU)
    monkeypatch.delattr(torch.cpu, "get_capabilities")
    assert not runtimes.native_bfloat16(CPU)


@pytest.mark.parametrize(
    ("runtime", "device", "says"),
    [
        ("tensorrt", "cpu", "not one of"),
        ("torch-fp16", "cpu", "slower"),
        ("torch-bf16", "cpu", "no bfloat16"),
        ("openvino", "cuda", "CPU only"),
        ("openvino", "cpu", "pip install"),
        ("openvino-bf16", "cpu", "pip install"),
    ],
)
def test_a_runtime_that_cannot_run_here_is_refused_with_the_reason(
    runtime: Any, device: str, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runtimes, "native_bfloat16", lambda device: False)
    monkeypatch.setattr(runtimes.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(RuntimeUnavailable, match=says) as refused:
        chosen_runtime(runtime, torch.device(device))
    assert refused.value.runtime == runtime
    assert "\n" not in str(refused.value)


def test_a_wrong_runtime_is_refused_before_anything_is_loaded(tmp_path: Path) -> None:
    with pytest.raises(RuntimeUnavailable, match="tensorrt"):
        Engine.load(tmp_path, runtime="tensorrt")  # type: ignore[arg-type]


def test_a_failed_compilation_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_compiler(self: torch.nn.Module, **options: object) -> None:
        def fail(*arguments: object) -> None:
            raise OSError("g++ is not installed")

        self.forward = fail

    monkeypatch.setattr(torch.nn.Module, "compile", no_compiler)
    with pytest.raises(RuntimeUnavailable, match="cannot compile here"):
        made_ready(random_network("vgg19"), SIDE, "torch-compiled", CPU)


def test_the_engine_says_what_it_runs_on(engine: Engine, version: ModelVersion) -> None:
    assert engine.runtime == "torch"
    assert Engine.load(version.path).runtime in set(RUNTIMES) - {"auto"}


def test_the_default_runtime_answers_as_the_gate_and_the_figures_expect(
    engine: Engine, version: ModelVersion
) -> None:
    batch = np.stack([(f.permute(1, 2, 0).clamp(-2, 2) * 60 + 128).numpy() for f in faces(4)])
    default = Engine.load(version.path)
    exact, fast = engine.logits(batch.astype(np.uint8)), default.logits(batch.astype(np.uint8))
    assert fast.crowd.dtype == np.float32
    assert gap(fast.crowd, exact.crowd) < GAPS[default.runtime]
    assert gap(fast.label, exact.label) < GAPS[default.runtime]


def test_importing_openvino_tells_nobody() -> None:
    needs("openvino")
    code = (
        "import sys; from fer_model.runtimes_openvino import _openvino; _openvino(); "
        "sys.exit(' '.join(m for m, loaded in sys.modules.items() if 'telemetry' in m and loaded "
        "and not m.startswith('openvino.')) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr


def test_a_signal_finds_the_process_well_after_another_thread_let_a_network_go() -> None:
    # In a process of its own: where this fails, it dies.
    script = """
import gc, os, signal, threading
from fer_model.runtimes import folded
from fer_model.runtimes_openvino import OpenVinoRunner
from tests.versions import SIDE, random_network

signal.signal(signal.SIGTERM, lambda *_: print("heard"))
held = [OpenVinoRunner(folded(random_network("resnet50")), SIDE, bfloat16=False)]
def let_go():
    held.clear()
    gc.collect()
thread = threading.Thread(target=let_go)
thread.start()
thread.join()
os.kill(os.getpid(), signal.SIGTERM)
"""
    needs("openvino")
    ended = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (ended.returncode, ended.stdout) == (0, "heard\n"), ended.stderr


def test_a_face_and_its_mirror_image_go_through_a_network_together(
    version: ModelVersion,
) -> None:
    engine = Engine.load(version.path, runtime="torch")
    seen: list[int] = []
    member = engine._members[0]

    def counted(batch: Tensor) -> Logits:
        seen.append(len(batch))
        return Logits(torch.zeros(len(batch), 7), torch.zeros(len(batch), 7))

    object.__setattr__(member, "run", counted)
    engine.logits(crops(1))
    engine.logits(crops(BATCH))
    assert seen == [2, BATCH, BATCH]


@pytest.mark.parametrize("runtime", ["torch", "auto", "openvino"])
def test_closing_gives_the_networks_back(version: ModelVersion, runtime: Runtime) -> None:
    needs(runtime)
    engine = Engine.load(version.path, runtime=runtime)
    engine.warm_up()
    networks = [weakref.ref(member.run) for member in engine._members]
    engine.close()
    gc.collect()
    assert [network() for network in networks] == [None, None]
