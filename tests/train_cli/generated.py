"""Generated faces and data sets: tiny, and told apart by more than chance."""

import io
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import nn

from fer_model.emotions import EMOTIONS
from fer_model.networks import Stem
from train_cli.splits import FaceSet
from train_cli.votes import VOTE_COLUMNS

SIDE = 48


def face(emotion: str, number: int) -> NDArray[np.uint8]:
    """Grey (48, 48): noise of `number` with a bright stripe where the emotion has its own."""
    place = EMOTIONS.index(emotion)
    random = np.random.default_rng((place, number))
    pixels = random.integers(40, 120, (SIDE, SIDE), dtype=np.uint8)
    pixels[4 + 6 * place : 8 + 6 * place] += 120
    return pixels


def png(pixels: NDArray[np.uint8]) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "png")
    return file.getvalue()


def files_of(counts: Mapping[str, int], first: int = 0, prefix: str = "") -> dict[str, bytes]:
    """`counts` distinct pictures per emotion, by path."""
    return {
        f"{prefix}{emotion}/{emotion}{number}.png": png(face(emotion, number))
        for emotion, count in counts.items()
        for number in range(first, first + count)
    }


def official(train: int, test: int) -> dict[str, bytes]:
    """So many pictures of every emotion, in FER2013's folders."""
    return files_of(dict.fromkeys(EMOTIONS, train), prefix="train/") | files_of(
        dict.fromkeys(EMOTIONS, test), first=1000, prefix="test/"
    )


def as_folder(folder: Path, files: Mapping[str, bytes]) -> Path:
    for path, content in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
    return folder


def as_zip(path: Path, files: Mapping[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def votes_csv(path: Path, files: Sequence[str]) -> Path:
    """Eight of ten people name the folder's emotion, two say neutral (or angry, of a neutral)."""
    names = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
    lines = ["file," + ",".join(names) + ",contempt,unknown,NF"]
    for file in files:
        counts = dict.fromkeys(names, 0)
        emotion = file.split("/")[-2]
        counts[emotion] += 8
        counts["angry" if emotion == "neutral" else "neutral"] += 2
        lines.append(",".join([file, *(str(counts[name]) for name in names), "0", "0", "0"]))
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def face_set(per_emotion: int, first: int = 0, votes: bool = True) -> FaceSet:
    """So many faces of every emotion, each with nine votes for it and one for the next."""
    pairs = [(e, n) for n in range(first, first + per_emotion) for e in EMOTIONS]
    labels = torch.tensor([EMOTIONS.index(emotion) for emotion, _ in pairs])
    counts = torch.zeros(len(pairs), len(VOTE_COLUMNS))
    if votes:
        counts[torch.arange(len(pairs)), labels] = 9
        counts[torch.arange(len(pairs)), (labels + 1) % len(EMOTIONS)] += 1
    return FaceSet(
        torch.from_numpy(np.stack([face(*pair) for pair in pairs]))[:, None],
        labels,
        counts,
        tuple(f"{emotion}/{number}.png" for emotion, number in pairs),
        np.zeros(len(pairs), dtype=np.bool_),
    )


def small_backbone(_stem: Stem) -> tuple[nn.Module, int]:
    """A stand-in for a backbone: two convolutions with batch normalisation, 16 features."""
    return (
        nn.Sequential(
            nn.Conv2d(3, 8, 3, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(8),
            nn.ReLU(),
            nn.Conv2d(8, 16, 3, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(16),
            nn.ReLU(),
            nn.AdaptiveMaxPool2d((7, 1)),
            nn.Flatten(),
        ),
        112,
    )


def backbones() -> Iterator[tuple[str, Callable[[Stem], tuple[nn.Module, int]]]]:
    """The stand-in under both members' names."""
    yield "vgg19", small_backbone
    yield "resnet50", small_backbone
