"""Soft targets: what a teacher and ten voters say of the faces that a member learns from.

FER2013's labels are one opinion each, and ten votes are ten: both are noisy. A teacher (the version
that serves, or a larger one) has seen every other face, and the votes are known in training only,
so that both together tell more about a face's label than the face alone (generalised distillation,
Lopez-Paz et al. 2016).
"""

import csv
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fer_model.emotions import EMOTION_COUNT, EMOTIONS
from train_cli.errors import SplitUnusable
from train_cli.splits import FaceSet

_SMALLEST: Final = 1e-4
"""Probabilities are kept off zero before their logarithm is taken."""


@dataclass(frozen=True)
class Teacher:
    """A teacher's reading of faces, from the CSV that `train_cli evaluate --predictions` writes.

    Attributes:
        label: float32 (N, 7), probabilities of the data set's label.
        crowd: float32 (N, 7), shares of people.
        digest: SHA-256 of the file, 64 hexadecimal digits.
    """

    label: Tensor
    crowd: Tensor
    digest: str


@dataclass(frozen=True)
class Targets:
    """What both heads learn towards, each float32 (N, 7); rows of zeros say nothing."""

    label: Tensor
    crowd: Tensor


def read_teacher(path: Path, faces: FaceSet) -> Teacher:
    """The predictions in `path` for exactly these faces, in their order.

    Raises:
        SplitUnusable: It is no such CSV, or a face is missing from it.
    """
    try:
        content = path.read_bytes()
        rows = {row["file"]: row for row in csv.DictReader(content.decode().splitlines())}
        mine = [rows[file] for file in faces.files]
        heads = [
            [[float(row[f"{head}_{emotion}"]) for emotion in EMOTIONS] for row in mine]
            for head in ("label", "crowd")
        ]
    except KeyError as error:
        raise SplitUnusable(
            f"{path}: {error} is missing; write it with `train_cli evaluate --name train "
            "--predictions` on the same split"
        ) from error
    except (OSError, ValueError) as error:
        raise SplitUnusable(f"{path}: no readable predictions ({error})") from error
    label, crowd = (torch.tensor(head, dtype=torch.float32) for head in heads)
    return Teacher(label, crowd, hashlib.sha256(content).hexdigest())


def hard_targets(faces: FaceSet) -> Targets:
    """The label alone, and the shares of the votes."""
    return Targets(F.one_hot(faces.labels, EMOTION_COUNT).float(), faces.crowd)


def soft_targets(faces: FaceSet, teacher: Teacher, weight: float, teacher_votes: float) -> Targets:
    """Targets softened by a teacher.

    The label's is `1 - weight` times the label and `weight` times `label_given` teacher and votes.
    The crowd's is the mean of a Dirichlet: the teacher as `teacher_votes` people, and the votes.
    Faces that nobody voted on keep a crowd target of zeros.
    """
    hard = hard_targets(faces)
    label = (1 - weight) * hard.label + weight * label_given(faces, teacher)
    votes = faces.votes[:, :EMOTION_COUNT]
    posterior = votes + teacher_votes * teacher.crowd
    crowd = posterior / posterior.sum(1, keepdim=True).clamp(min=1e-6)
    return Targets(label, crowd * faces.has_crowd[:, None])


def label_given(faces: FaceSet, teacher: Teacher) -> Tensor:
    """Probabilities (N, 7) of each face's label given the teacher's reading and people's votes.

    A multinomial logistic regression on the teacher's log-probabilities and the shares of all ten
    answers, a few hundred parameters for tens of thousands of faces.
    """
    shares = faces.votes / faces.votes.sum(1, keepdim=True).clamp(min=1)
    seen = torch.cat((teacher.label.clamp(min=_SMALLEST).log(), shares), 1)
    regression = nn.Linear(seen.shape[1], EMOTION_COUNT)
    nn.init.zeros_(regression.weight)
    nn.init.zeros_(regression.bias)
    optimizer = torch.optim.LBFGS(
        regression.parameters(), max_iter=200, line_search_fn="strong_wolfe"
    )

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = F.cross_entropy(regression(seen), faces.labels)
        loss = loss + 1e-4 * regression.weight.square().sum()
        loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        return loss

    optimizer.step(closure)  # type: ignore[no-untyped-call]  # torch leaves it untyped
    with torch.no_grad():
        return F.softmax(regression(seen), 1)
