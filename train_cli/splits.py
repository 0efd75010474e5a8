"""Prepared splits and labelled folders as arrays: every face in memory, as uint8."""

import csv
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from fer_model.emotions import EMOTIONS
from fer_model.networks import FACE_SIDE
from train_cli.errors import SplitUnusable
from train_cli.preparing import IMAGE_SUFFIXES, UNREADABLE, emotion_of_folder
from train_cli.votes import VOTE_COLUMNS, VotesTable

_T = TypeVar("_T")

_COLUMNS: Final = ("file", "label", "identical_to_training", *VOTE_COLUMNS)


@dataclass(frozen=True)
class FaceSet:
    """Labelled faces.

    Attributes:
        crops: Grey uint8 (N, 1, 48, 48).
        labels: int64 (N,), places in `EMOTIONS`.
        votes: float32 (N, 10), people who named each of `VOTE_COLUMNS`; zeros where unknown.
        files: N paths.
        identical_to_training: bool (N,), pixel-identical to an image of the training split.
    """

    crops: Tensor
    labels: Tensor
    votes: Tensor
    files: tuple[str, ...]
    identical_to_training: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def crowd(self) -> Tensor:
        """Shares (N, 7) of the votes for the seven emotions; zeros where nobody voted for one."""
        seven = self.votes[:, : len(EMOTIONS)]
        return seven / seven.sum(1, keepdim=True).clamp(min=1)

    @property
    def has_crowd(self) -> Tensor:
        """Whether (N,) at least one vote went to one of the seven emotions."""
        return self.votes[:, : len(EMOTIONS)].sum(1) > 0

    def subset(self, places: Sequence[int] | NDArray[np.int64]) -> "FaceSet":
        """The faces at `places`, in that order."""
        index = torch.as_tensor(np.asarray(places, dtype=np.int64))
        return FaceSet(
            self.crops[index],
            self.labels[index],
            self.votes[index],
            tuple(self.files[int(i)] for i in index),
            self.identical_to_training[index.numpy()],
        )


def load_split(folder: Path, name: str, limit: int | None = None) -> FaceSet:
    """The faces of `<folder>/<name>.csv`, as `train_cli prepare` writes it.

    Raises:
        SplitUnusable: The CSV, a column of it or one of its images is missing or cannot be read,
            or a label is unknown.
    """
    table = folder / f"{name}.csv"
    try:
        with table.open(newline="", encoding="utf-8") as handle:
            rows = _spread(list(csv.DictReader(handle)), limit)
    except OSError as error:
        raise SplitUnusable(f"{table} is missing: run `train_cli prepare` first") from error
    except (ValueError, csv.Error) as error:
        raise SplitUnusable(f"{table}: no readable CSV ({error})") from error
    if not rows:
        raise SplitUnusable(f"{table} names no faces")
    if lacking := [column for column in _COLUMNS if column not in rows[0]]:
        raise SplitUnusable(f"{table}: no prepared split, it lacks {', '.join(lacking)}")
    if unknown := {str(row["label"]) for row in rows} - set(EMOTIONS):
        raise SplitUnusable(f"{table}: no emotion we know: {', '.join(sorted(unknown))}")
    try:
        labels = [EMOTIONS.index(row["label"]) for row in rows]
        votes = [[float(row[column] or 0) for column in VOTE_COLUMNS] for row in rows]
        crops = np.stack([read_crop(folder / row["file"]) for row in rows])
        leaked = np.array([row["identical_to_training"] == "1" for row in rows])
    except (OSError, ValueError, TypeError) as error:
        raise SplitUnusable(f"{table}: {error}") from error
    return FaceSet(
        torch.from_numpy(crops)[:, None],
        torch.tensor(labels),
        torch.tensor(votes, dtype=torch.float32),
        tuple(row["file"] for row in rows),
        leaked,
    )


def load_folder(folder: Path, votes: VotesTable | None = None, limit: int | None = None) -> FaceSet:
    """The faces of a folder with one folder per emotion in it, at whatever depth.

    Whether they were trained on is not known: `identical_to_training` is false throughout.

    Raises:
        SplitUnusable: An image lies in a folder that is no emotion or cannot be read, or there
            is none at all.
    """
    images = sorted(p for p in folder.rglob("*") if p.suffix.lower() in IMAGE_SUFFIXES)
    unknown = Counter(p.parent.name for p in images if emotion_of_folder(p.parent.name) is None)
    if unknown:
        named = ", ".join(f"{name} ({count})" for name, count in unknown.items())
        raise SplitUnusable(
            f"{folder}: images in folders that are no emotion: {named}; "
            f"known are {', '.join(EMOTIONS)}"
        )
    if not images:
        raise SplitUnusable(f"{folder}: no images in folders named like {', '.join(EMOTIONS)}")
    files = _spread(images, limit)
    labels = [emotion_of_folder(path.parent.name) or "" for path in files]
    found = [votes.of(path.resolve().as_posix()) if votes else None for path in files]
    return FaceSet(
        torch.from_numpy(np.stack([_readable_crop(path) for path in files]))[:, None],
        torch.tensor([EMOTIONS.index(label) for label in labels]),
        torch.tensor([row or (0,) * len(VOTE_COLUMNS) for row in found], dtype=torch.float32),
        tuple(path.relative_to(folder).as_posix() for path in files),
        np.zeros(len(files), dtype=np.bool_),
    )


def _readable_crop(path: Path) -> NDArray[np.uint8]:
    try:
        return read_crop(path)
    except UNREADABLE as error:
        raise SplitUnusable(f"{path}: unreadable: {error}") from error


def _spread(rows: Sequence[_T], limit: int | None) -> Sequence[_T]:
    """At most `limit` rows, evenly from the first to the last, so that every emotion is there."""
    if limit is None or limit >= len(rows):
        return rows
    return [rows[place * len(rows) // limit] for place in range(limit)]


def read_crop(path: Path) -> NDArray[np.uint8]:
    """One face image as grey uint8 (48, 48)."""
    with Image.open(path) as image:
        grey = image.convert("L")
        if grey.size != (FACE_SIDE, FACE_SIDE):
            grey = grey.resize((FACE_SIDE, FACE_SIDE), Image.Resampling.BILINEAR)
        return np.asarray(grey, dtype=np.uint8)
