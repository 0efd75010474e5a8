"""What runs the networks fastest at equal accuracy: `python -m benchmarks.engines --help`.

Every variant sits loaded in a process of its own and is measured in turn, round after round, so
that the ratios hold even where the machine's speed drifts. Beside the wall clock stands the
processor time of all threads, which other programs on the machine disturb far less.

`plain` is what somebody writes who has never measured: torch eager, float32, the network as it was
trained, the face and then its mirror image. The variants with "onnxruntime" and "int8" exist here
alone, to be measured; they need `pip install onnx onnxruntime`. A variant that cannot run is
recorded with the reason.
"""

import argparse
import io
import multiprocessing
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import psutil
import torch
from numpy.typing import NDArray
from PIL import Image
from skimage import data

from benchmarks.record import Timing, write
from fer_model import Engine, load_members, read_version, shipped_version
from fer_model.blend import blended
from fer_model.engine import MemberLogits
from fer_model.networks import network_input
from fer_model.runtimes import RUNTIMES, folded
from fer_model.runtimes_layers import FACES, heads_of, layers_of, pair
from fer_model.versions import Member, ModelVersion
from train_cli.splits import load_split
from train_cli.votes import crowd_majority, has_majority

OTHERS = ("plain", "onnxruntime", "onnxruntime-int8", "openvino-int8")
REFERENCE = "torch"
"""Whose probabilities the others are compared with: float32, no other arithmetic."""

CALIBRATION_FACES = 256
"""Training faces that int8 takes its activations' ranges from; never test faces."""

BATCH = 32
CHUNK = 64
"""Faces that accuracy is measured on at once."""


class Answering(Protocol):
    """Whatever is measured."""

    def logits(self, crops: NDArray[np.uint8]) -> MemberLogits:
        """The members' logits of face crops."""
        ...


@dataclass(frozen=True)
class Job:
    """What a process is told at its start."""

    variant: str
    version: Path
    threads: int
    split: Path | None
    limit: int | None


class Plain:
    """Torch eager as a first draft has it."""

    def __init__(self, version: ModelVersion) -> None:
        self.members = load_members(version)
        self.flip = version.metadata.flip_average

    @torch.inference_mode()
    def logits(self, crops: NDArray[np.uint8]) -> MemberLogits:
        """The members' logits, a face and its mirror image one after the other."""
        crowd, label = [], []
        for member in self.members:
            faces = network_input(_planes(crops), member.side).contiguous()
            seen = [member.network(faces)]
            if self.flip:
                seen.append(member.network(faces.flip(-1)))
            crowd.append(torch.stack([one.crowd for one in seen]).mean(0).numpy())
            label.append(torch.stack([one.label for one in seen]).mean(0).numpy())
        return MemberLogits(np.stack(crowd), np.stack(label))


class Foreign:
    """Networks as functions from normalised faces (N, 3, S, S) to both heads' logits (N, 14)."""

    def __init__(
        self,
        version: ModelVersion,
        run: Callable[[Member], Callable[[NDArray[np.float32]], NDArray[np.float32]]],
    ) -> None:
        self.flip = version.metadata.flip_average
        self.members = [(member.side, run(member)) for member in load_members(version)]

    def logits(self, crops: NDArray[np.uint8]) -> MemberLogits:
        """The members' logits, a face and its mirror image together."""
        both = []
        for side, run in self.members:
            faces = network_input(_planes(crops), side).contiguous()
            views = torch.cat([faces, faces.flip(-1)]) if self.flip else faces
            both.append(run(views.numpy()).reshape(-1, len(crops), 14).mean(0))
        stacked = np.stack(both)
        return MemberLogits(stacked[..., :7], stacked[..., 7:])


def main() -> None:
    """Measures, prints and records."""
    options = _options()
    version = read_version(options.version or shipped_version())
    figures: dict[str, object] = {
        "version": version.short,
        "torch": torch.__version__,
        "threads": options.threads,
        "split": None if options.split is None else f"{options.split.name} validation",
        "variants": _measured(options, version),
    }
    path = write("engines", figures) if options.write else None
    print(f"written: {path}" if path else "nothing written: --no-write")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.engines",
        description="Speed, memory, start-up and accuracy of everything that can run the networks.",
        epilog="Example: python -m benchmarks.engines --split datasets/fer2013 --rounds 20",
    )
    parser.add_argument("--variants", nargs="+", default=[*OTHERS, *RUNTIMES[1:]])
    parser.add_argument("--version", type=Path, help="a model version; the shipped one by default")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=20, help="of 4 single faces and 1 batch each")
    parser.add_argument(
        "--split", type=Path, help="folder that prepare wrote; accuracy is of its validation faces"
    )
    parser.add_argument("--limit", type=int, help="only so many validation faces")
    parser.add_argument(
        "--write", action=argparse.BooleanOptionalAction, default=True, help="into results/"
    )
    return parser.parse_args()


def _measured(options: argparse.Namespace, version: ModelVersion) -> dict[str, object]:
    processes = {}
    results: dict[str, dict[str, object]] = {}
    context = multiprocessing.get_context("spawn")
    for name in options.variants:
        ours, theirs = context.Pipe()
        job = Job(name, version.path, options.threads, options.split, options.limit)
        context.Process(target=_serve, args=(theirs, job), daemon=True).start()
        theirs.close()  # or the end of a process that dies would go unnoticed
        results[name] = _asked(ours, "load")
        print(name, results[name], flush=True)
        if "unavailable" in results[name]:
            ours.send("stop")
        else:
            processes[name] = ours
    seconds: dict[str, dict[str, list[float]]] = {name: {} for name in processes}
    for _ in range(options.rounds):
        for name, ours in processes.items():
            for key, values in _asked(ours, "round").items():
                seconds[name].setdefault(key, []).extend(values)
    for name in processes:
        results[name] |= _speed(seconds[name])
        print(name, results[name], flush=True)
    if options.split is not None:
        _add_accuracy(processes, results)
    for ours in processes.values():
        ours.send("stop")
    _add_ratios(results)
    return dict(results)


def _speed(seconds: dict[str, list[float]]) -> dict[str, object]:
    speed: dict[str, object] = {
        f"{what}_ms": asdict(Timing.of(values)) for what, values in seconds.items() if values
    }
    for what in ("batch", "batch_cpu"):
        speed[f"{what}_faces_per_second"] = round(BATCH * 1000 / Timing.of(seconds[what]).p50, 1)
    return speed


def _add_accuracy(processes: dict[str, Connection], results: dict[str, dict[str, object]]) -> None:
    order = sorted(processes, key=lambda name: name != REFERENCE)
    reference: dict[str, Any] | None = None
    for name in order:
        answer = _asked(processes[name], "accuracy")
        heads = {head: answer.pop(head) for head in ("crowd", "label")}
        if name == REFERENCE:
            reference = heads
        if reference is not None:
            gaps = {head: np.abs(heads[head] - reference[head]) for head in heads}
            answer["largest_difference"] = round(float(max(g.max() for g in gaps.values())), 6)
            answer["mean_difference"] = float(f"{np.mean([g.mean() for g in gaps.values()]):.3g}")
            answer["other_emotion_named"] = int(
                (heads["crowd"].argmax(1) != reference["crowd"].argmax(1)).sum()
            )
        results[name] |= answer
        print(name, answer, flush=True)


def _add_ratios(results: dict[str, dict[str, object]]) -> None:
    """How many times the faces per second of `plain`, by the clock and by processor time."""
    for what in ("batch", "batch_cpu"):
        plain = results.get("plain", {}).get(f"{what}_faces_per_second")
        if isinstance(plain, float):
            for figures in results.values():
                own = figures.get(f"{what}_faces_per_second")
                if isinstance(own, float):
                    figures[f"{what}_against_plain"] = round(own / plain, 2)


def _asked(process: Connection, what: str) -> dict[str, Any]:
    process.send(what)
    answer: dict[str, Any] = process.recv()
    return answer


def _serve(parent: Connection, job: Job) -> None:
    """One variant in this process, doing what the parent asks until it says stop."""
    torch.set_num_threads(job.threads)
    random = np.random.default_rng(0)
    crops = random.integers(0, 256, (BATCH, 96, 96, 3), np.uint8)
    photo = _jpeg(data.astronaut())
    answering: Answering | None = None
    while (asked := parent.recv()) != "stop":
        if asked == "load":
            try:
                answering, answer = _loaded(job, crops)
            except Exception as error:  # noqa: BLE001  any of four foreign packages may fail
                answer = {"unavailable": f"{type(error).__name__}: {error}"[:200]}
        elif asked == "round":
            answer = _round(_known(answering), crops, photo)
        else:
            answer = _accuracy(_known(answering), job)
        parent.send(answer)


def _known(answering: Answering | None) -> Answering:
    if answering is None:
        raise RuntimeError("nothing is loaded")
    return answering


def _loaded(job: Job, crops: NDArray[np.uint8]) -> tuple[Answering, dict[str, Any]]:
    process = psutil.Process()
    before = process.memory_info().rss
    started, started_cpu = time.perf_counter(), time.process_time()
    answering = _variant(job)
    loaded, loaded_cpu = time.perf_counter(), time.process_time()
    answering.logits(crops[:1])
    first, first_cpu = time.perf_counter(), time.process_time()
    answering.logits(crops)
    return answering, {
        "load_seconds": round(loaded - started, 2),
        "load_cpu_seconds": round(loaded_cpu - started_cpu, 2),
        "first_answer_seconds": round(first - loaded, 3),
        "first_answer_cpu_seconds": round(first_cpu - loaded_cpu, 3),
        "resident_rise_mib": round((process.memory_info().rss - before) / 2**20),
    }


def _round(answering: Answering, crops: NDArray[np.uint8], photo: bytes) -> dict[str, list[float]]:
    seconds: dict[str, list[float]] = {
        key: [] for key in ("one", "one_cpu", "batch", "batch_cpu", "photo")
    }

    def measure(what: str, action: Callable[[], object]) -> None:
        started, started_cpu = time.perf_counter(), time.process_time()
        action()
        seconds[what].append(time.perf_counter() - started)
        if f"{what}_cpu" in seconds:
            seconds[f"{what}_cpu"].append(time.process_time() - started_cpu)

    for place in range(4):
        measure("one", lambda place=place: answering.logits(crops[place : place + 1]))
    measure("batch", lambda: answering.logits(crops))
    if isinstance(answering, Engine):
        measure("photo", lambda: answering.read(photo))
    return seconds


def _accuracy(answering: Answering, job: Job) -> dict[str, Any]:
    if job.split is None:
        raise RuntimeError("no split")
    faces = load_split(job.split, "validation", job.limit)
    crops = faces.crops.numpy()[:, 0]
    parts = [
        answering.logits(crops[start : start + CHUNK]) for start in range(0, len(crops), CHUNK)
    ]
    calibrations = read_version(job.version).metadata.calibrations
    crowd = blended(np.concatenate([part.crowd for part in parts], 1), calibrations.crowd)
    label = blended(np.concatenate([part.label for part in parts], 1), calibrations.label)
    votes = faces.votes.numpy()
    clear = has_majority(votes)
    agreed = (crowd.argmax(1) == crowd_majority(votes))[clear]
    return {
        "validation_faces": len(crops),
        "label_accuracy": round(float((label.argmax(1) == faces.labels.numpy()).mean()), 5),
        "crowd_majority": round(float(agreed.mean()), 5) if len(agreed) else None,
        "crowd": crowd,
        "label": label,
    }


def _variant(job: Job) -> Answering:
    if job.variant in RUNTIMES:
        return Engine.load(job.version, "cpu", runtime=job.variant)
    version = read_version(job.version)
    if job.variant == "plain":
        return Plain(version)
    if job.variant not in OTHERS:
        raise ValueError(f"no variant; there are {', '.join((*OTHERS, *RUNTIMES))}")
    runtime, _, precision = job.variant.partition("-")

    def run(member: Member) -> Callable[[NDArray[np.float32]], NDArray[np.float32]]:
        model = _onnx(member)
        if precision == "int8":
            model = _quantised(model, member.side, job)
        return _onnxruntime(model, job) if runtime == "onnxruntime" else _openvino(model, job)

    return Foreign(version, run)


def _onnxruntime(model: bytes, job: Job) -> Callable[[NDArray[np.float32]], NDArray[np.float32]]:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = job.threads
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    return lambda faces: session.run(None, {"faces": faces})[0]


def _openvino(model: bytes, job: Job) -> Callable[[NDArray[np.float32]], NDArray[np.float32]]:
    import sys

    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]  # see fer_model
    import openvino

    core = openvino.Core()
    settings = {"INFERENCE_NUM_THREADS": job.threads, "PERFORMANCE_HINT": "LATENCY"}
    request = core.compile_model(core.read_model(model), "CPU", settings).create_infer_request()

    def run(faces: NDArray[np.float32]) -> NDArray[np.float32]:
        request.infer([faces])
        answer: NDArray[np.float32] = request.get_output_tensor(0).data.copy()
        return answer

    return run


def _quantised(model: bytes, side: int, job: Job) -> bytes:
    """The ONNX model with int8 weights per channel and uint8 activations of the range seen."""
    from onnxruntime import quantization

    if job.split is None:
        raise ValueError("int8 is calibrated on training faces: name --split")
    faces = load_split(job.split, "train", CALIBRATION_FACES).crops
    batches = iter([{"faces": network_input(part, side).numpy()} for part in faces.split(32)])

    class Faces(quantization.CalibrationDataReader):  # type: ignore[misc]  # it ships no types
        def get_next(self) -> dict[str, NDArray[np.float32]] | None:
            return next(batches, None)

    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "float.onnx", Path(folder) / "int8.onnx"
        source.write_bytes(model)
        quantization.quantize_static(
            source,
            target,
            Faces(),
            quant_format=quantization.QuantFormat.QDQ,
            per_channel=True,
            activation_type=quantization.QuantType.QUInt8,
            weight_type=quantization.QuantType.QInt8,
        )
        return target.read_bytes()


def _onnx(member: Member) -> bytes:
    """The member's folded network as an ONNX model from "faces" to both heads' logits."""
    from onnx import TensorProto, helper, numpy_helper

    network = folded(member.network)
    nodes: list[Any] = []
    constants: list[Any] = []

    def constant(values: NDArray[np.float32]) -> str:
        name = f"constant{len(constants)}"
        constants.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name

    def node(kind: str, inputs: Sequence[str], **attributes: object) -> str:
        name = f"node{len(nodes)}"
        nodes.append(helper.make_node(kind, list(inputs), [name], name=name, **attributes))
        return name

    values = {FACES: "faces"}
    layers = layers_of(network)
    kinds = {"relu": "Relu", "add": "Add", "mean": "GlobalAveragePool"}
    for place, layer in enumerate(layers):
        taken = [values[source] for source in layer.inputs]
        module = layer.module
        if module is None:
            values[place] = node(kinds[layer.kind], taken)
            continue
        shape = {
            "strides": pair(module.stride),
            "pads": pair(module.padding) * 2,
            "kernel_shape": pair(module.kernel_size),
        }
        if isinstance(module, torch.nn.MaxPool2d):
            values[place] = node("MaxPool", taken, **shape)
            continue
        taken.append(constant(module.weight.numpy()))
        if module.bias is not None:
            taken.append(constant(module.bias.numpy()))
        values[place] = node("Conv", taken, **shape)
    heads = heads_of(network)
    flat = node("Flatten", [values[len(layers) - 1]], axis=1)
    logits = node("Gemm", [flat, constant(heads.weight), constant(heads.bias)], transB=1)
    graph = helper.make_graph(
        nodes,
        network.architecture,
        [
            helper.make_tensor_value_info(
                "faces", TensorProto.FLOAT, ["faces", 3, member.side, member.side]
            )
        ],
        [helper.make_tensor_value_info(logits, TensorProto.FLOAT, ["faces", 14])],
        constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    document: bytes = model.SerializeToString()
    return document


def _planes(crops: NDArray[np.uint8]) -> torch.Tensor:
    batch = torch.from_numpy(np.ascontiguousarray(crops))
    return batch.unsqueeze(1) if batch.ndim == 3 else batch.permute(0, 3, 1, 2)


def _jpeg(image: NDArray[np.uint8]) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "JPEG", quality=92)
    return buffer.getvalue()


if __name__ == "__main__":
    main()
