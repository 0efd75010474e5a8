"""How long one face and a batch of 32 take: `python -m benchmarks.speed`.

Each member alone and both together, in turn within one run, so that the ratios hold even where
the machine's speed drifts.
"""

import io
from dataclasses import asdict

import numpy as np
import torch
from PIL import Image
from skimage import data

from benchmarks.record import Timing, timed, write
from fer_model import Engine, load_members
from fer_model.networks import network_input

ROUNDS = 40
BATCH_ROUNDS = 8


def main() -> None:
    """Measures, prints and records."""
    engine = Engine.load()
    engine.warm_up()
    photo = _jpeg(data.astronaut())
    crop = np.random.default_rng(0).integers(0, 256, (1, 96, 96, 3), dtype=np.uint8)
    crops = np.repeat(crop, 32, axis=0)
    figures: dict[str, object] = {
        "version": engine.version.short,
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "one_face_network_alone_ms": asdict(timed(lambda: engine.logits(crop), ROUNDS)),
        "one_photo_bytes_to_blend_ms": asdict(timed(lambda: engine.read(photo), ROUNDS)),
    }
    batch = timed(lambda: engine.logits(crops), BATCH_ROUNDS, warmup=1)
    figures["batch_of_32_ms"] = asdict(batch)
    figures["batch_of_32_faces_per_second"] = round(32 / batch.p50 * 1000, 1)
    figures["members_alone_one_face_ms"] = _members(engine)
    path = write("speed", figures)
    print(path.read_text(encoding="utf-8"))


def _members(engine: Engine) -> dict[str, object]:
    timings: dict[str, object] = {}
    crop = torch.randint(0, 256, (1, 1, 96, 96), dtype=torch.uint8)
    for member in load_members(engine.version):
        network = member.network.to(memory_format=torch.channels_last).eval()
        faces = network_input(crop, member.side)

        def once(network: torch.nn.Module = network, faces: torch.Tensor = faces) -> None:
            with torch.inference_mode():
                network(faces)

        timing: Timing = timed(once, ROUNDS)
        timings[member.network.architecture] = asdict(timing)
    return timings


def _jpeg(image: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "JPEG", quality=92)
    return buffer.getvalue()


if __name__ == "__main__":
    main()
