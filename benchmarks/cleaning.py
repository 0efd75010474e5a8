"""What cleaning the training labels would be worth, by heads retrained on frozen features.

`python -m benchmarks.cleaning datasets/fer2013 runs/resnet50/best PREDICTIONS.csv` takes a
network's pooled features once (kept in --cache), fits both heads anew on all training faces,
without suspects, and with suspects relabelled, and judges them on validation. PREDICTIONS.csv is
what `train_cli evaluate --name train --predictions` writes. Every seed leaves out another tenth of
the training faces, the same for every variant; a gain's standard error is over validation faces,
paired. Heads only: what a cleaned backbone would gain on
top is not measured.
"""

import argparse
import statistics
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.record import write
from fer_model.emotions import EMOTION_COUNT, EMOTIONS
from fer_model.networks import network_input
from train_cli.distillation import read_teacher
from train_cli.ensembles import member_of_checkpoint
from train_cli.evaluating import judge
from train_cli.splits import FaceSet, load_split
from train_cli.suspects import Suspect, find_suspects
from train_cli.votes import crowd_majority, has_majority

_WIDTH = 256
"""Principal components kept of the features: nine tenths of ResNet50's variance."""
_STEPS = 80
_L2 = 1e-4
_LEFT_OUT = 0.1


@dataclass(frozen=True)
class _Run:
    """One seed's figures, and which validation faces (N,) its label head got right."""

    figures: dict[str, float]
    right: NDArray[np.bool_]


def main() -> None:
    """Measures, prints and records."""
    arguments = _arguments()
    torch.set_num_threads(1)
    training, validation = (load_split(arguments.split, name) for name in ("train", "validation"))
    seen, unseen = (
        _features(arguments.checkpoint, faces, arguments.cache, name)
        for faces, name in ((training, "train"), (validation, "validation"))
    )
    seen, unseen = _projected(seen, unseen)
    predicted = read_teacher(arguments.predictions, training).label.double().numpy()
    suspects = find_suspects(training, predicted / predicted.sum(1, keepdims=True))
    print(dict(Counter(suspect.kind for suspect in suspects)), flush=True)
    results: dict[str, dict[str, float]] = {}
    plainly: NDArray[np.float64] | None = None
    for name, labels in _variants(training, suspects, predicted).items():
        runs = [
            _run(seen, labels, training.crowd, unseen, validation, seed)
            for seed in range(arguments.seeds)
        ]
        right = np.mean([run.right for run in runs], axis=0)
        plainly = right if plainly is None else plainly  # the first variant: all faces
        results[name] = {
            "faces": int((labels >= 0).sum()),
            **_summary([run.figures for run in runs]),
            "label_gain": round(float((right - plainly).mean()), 4),
            "label_gain_se": round(float((right - plainly).std() / len(right) ** 0.5), 4),
        }
        print(name, results[name], flush=True)
    path = write(arguments.name, {"seeds": arguments.seeds, "variants": results})
    print(f"written to {path}")


def _variants(
    faces: FaceSet, suspects: list[Suspect], predicted: NDArray[np.float64]
) -> dict[str, NDArray[np.int64]]:
    """Labels (N,) by name of the variant; -1 leaves a face out."""
    labels = faces.labels.numpy()
    votes = faces.votes.numpy()
    junk = [s for s in suspects if s.decision == "drop"]
    odd = [s for s in suspects if s.kind in ("drawing", "cannot be told")]
    both = [s for s in suspects if s.kind == "label"]
    people = [s for s in suspects if s.kind == "label (people)"]
    network = [s for s in suspects if s.kind == "label (network)"]
    chance = np.random.default_rng(0).permutation(len(labels))[: len(both + people)]
    random = labels.copy()
    random[chance] = -1
    majority = np.where(has_majority(votes) & (crowd_majority(votes) >= 0), votes.argmax(1), labels)
    disagree = predicted.argmax(1) != labels
    return {
        "all faces": labels,
        "without non-faces and clear drawings": _without(labels, junk),
        "and without other drawings, untellable": _without(labels, junk + odd),
        "without labels that people and network contradict": _without(labels, both),
        "these relabelled": _relabelled(labels, both),
        "without labels that the network alone contradicts": _without(labels, network),
        "these relabelled by the network": _relabelled(labels, network),
        "without labels that people clearly contradict": _without(labels, both + people),
        "those relabelled by people": _relabelled(labels, both + people),
        "as many random faces left out": random,
        "every label the crowd's majority": majority.astype(np.int64),
        "without all that the network answers otherwise": np.where(disagree, -1, labels),
    }


def _without(labels: NDArray[np.int64], suspects: list[Suspect]) -> NDArray[np.int64]:
    kept = labels.copy()
    kept[[s.place for s in suspects]] = -1
    return kept


def _relabelled(labels: NDArray[np.int64], suspects: list[Suspect]) -> NDArray[np.int64]:
    mended = labels.copy()
    mended[[s.place for s in suspects]] = [EMOTIONS.index(s.suggestion) for s in suspects]
    return mended


def _run(
    seen: Tensor,
    labels: NDArray[np.int64],
    crowd: Tensor,
    unseen: Tensor,
    validation: FaceSet,
    seed: int,
) -> _Run:
    stays = np.random.default_rng(seed).random(len(labels)) >= _LEFT_OUT
    places = torch.from_numpy(np.flatnonzero(stays & (labels >= 0)))
    of_label, of_crowd = _heads(seen[places], torch.from_numpy(labels)[places], crowd[places])
    with torch.no_grad():
        label, shares = (F.softmax(h(unseen), 1).double().numpy() for h in (of_label, of_crowd))
    votes = validation.votes.numpy()
    figures = judge(shares, label, validation.labels.numpy(), votes, 0)
    people = figures.crowd
    if people is None:
        raise SystemExit("the validation faces have no votes")
    clear = has_majority(votes)
    measured = {
        "label_accuracy": figures.label.accuracy,
        "label_nll": figures.label.nll,
        "label_head_crowd_majority": float(
            (label.argmax(1) == crowd_majority(votes))[clear].mean()
        ),
        "crowd_majority_accuracy": people.majority_accuracy or 0.0,
        "crowd_nll": people.nll,
        "distance_to_people": people.distance_to_people or 0.0,
    }
    return _Run(measured, label.argmax(1) == validation.labels.numpy())


def _heads(features: Tensor, labels: Tensor, crowd: Tensor) -> tuple[nn.Linear, nn.Linear]:
    """Multinomial logistic regressions on the labels and on the shares of the votes."""
    heads = nn.Linear(features.shape[1], EMOTION_COUNT), nn.Linear(features.shape[1], EMOTION_COUNT)
    for head in heads:
        nn.init.zeros_(head.weight)
        nn.init.zeros_(head.bias)
    parameters = [p for head in heads for p in head.parameters()]
    optimizer = torch.optim.LBFGS(parameters, max_iter=_STEPS, line_search_fn="strong_wolfe")
    voted = crowd.sum(1).sum()

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = F.cross_entropy(heads[0](features), labels)
        loss = loss - (crowd * F.log_softmax(heads[1](features), 1)).sum() / voted
        loss = loss + _L2 * sum(head.weight.square().sum() for head in heads)
        loss.backward()
        return loss

    optimizer.step(closure)
    return heads


@torch.inference_mode()
def _features(checkpoint: Path, faces: FaceSet, cache: Path, name: str) -> Tensor:
    """Pooled features (N, W) without augmentation, computed in bfloat16 unless they are cached."""
    file = cache / f"features-{checkpoint.parent.name}-{name}.safetensors"
    if not file.is_file():
        member = member_of_checkpoint(checkpoint)
        network = member.network.to(memory_format=torch.channels_last)
        batches = []
        for batch in torch.split(faces.crops, 64):
            with torch.autocast("cpu", torch.bfloat16):
                batches.append(network.features(network_input(batch, member.side)).half())
        cache.mkdir(parents=True, exist_ok=True)
        save_file({"features": torch.cat(batches)}, file)
    return load_file(file)["features"].float()


def _projected(seen: Tensor, unseen: Tensor) -> tuple[Tensor, Tensor]:
    """Both on the training features' first principal components, scaled to unit variance."""
    middle = seen.mean(0)
    sample = seen[::4] - middle
    _, axes = torch.linalg.eigh(sample.T @ sample / len(sample))
    axes = axes[:, -_WIDTH:]
    projected = (seen - middle) @ axes
    scale = projected.std(0)
    return projected / scale, (unseen - middle) @ axes / scale


def _summary(runs: list[Mapping[str, float]]) -> dict[str, float]:
    """Means over the seeds, and the standard deviation of the label accuracy."""
    means = {key: round(statistics.mean(run[key] for run in runs), 4) for key in runs[0]}
    spread = statistics.stdev(run["label_accuracy"] for run in runs) if len(runs) > 1 else 0.0
    return means | {"label_accuracy_sd": round(spread, 4)}


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("split", type=Path)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("predictions", type=Path)
    parser.add_argument("--cache", type=Path, default=Path("var/review"))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--name", default="cleaning")
    return parser.parse_args()


if __name__ == "__main__":
    main()
