"""Trained members in, one model version out: quantised, calibrated, judged, written.

The calibrations are fitted to the logits of the weights as they will be read back from disk, by
the engine that serves them, so that what was judged is what serves. Everything is fitted on
validation faces only.
"""

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

from fer_model.blend import (
    Calibrations,
    differing,
    disagreement,
    fit_calibration,
    fit_exchange,
)
from fer_model.emotions import EMOTION_COUNT
from fer_model.runtimes import Runtime
from fer_model.versions import (
    Member,
    ModelVersion,
    Precision,
    VersionMetadata,
    write_version,
)
from train_cli.ensembles import (
    BLEND,
    Answers,
    EnsembleLogits,
    answers_of,
    ensemble_logits,
    judged,
    judged_leak_free,
)
from train_cli.errors import CheckpointUnusable, SplitUnusable
from train_cli.evaluating import Figures, crowd_figures
from train_cli.progress import unheard
from train_cli.served import served_logits
from train_cli.splits import FaceSet

FOLDS: Final = 5
"""Parts that validation is judged in, each with calibrations fitted on the other four."""

DIFFERING: Final = 0.2
"""Share of validation faces at whose disagreement members may be said to differ; they also have to
name different emotions, which leaves about a third of these. Source: from 0.1 to 0.25 the answers
where it is said are right equally seldom (50 to 55 %, elsewhere 85 to 87 %)."""


@dataclass(frozen=True)
class Doubt:
    """What it is worth on validation that members are said to differ.

    Attributes:
        said: Share of faces where it is said.
        majority_where_said: Crowd majority accuracy there; None without such faces.
        majority_elsewhere: The same for the other faces.
    """

    said: float
    majority_where_said: float | None
    majority_elsewhere: float | None


@dataclass(frozen=True)
class PackReport:
    """A packed version and what was measured on it; figures by member name and `BLEND`.

    Attributes:
        version: What was written; None for a dry run.
        bytes: Size of its weights and metadata on disk.
        calibrations: As fitted on the whole validation split.
        served: Validation figures of the artefact, each face judged by calibrations that were
            fitted without it.
        full: The same for the members as trained, in float32.
        test: Figures on the test split, as published; empty where it was not asked for.
        test_leak_free: Without its images that are pixel-identical to training images.
        doubt: What saying that the members differ is worth, judged as `served` is.
    """

    version: ModelVersion | None
    bytes: int
    calibrations: Calibrations
    served: Mapping[str, Figures]
    full: Mapping[str, Figures]
    test: Mapping[str, Figures]
    test_leak_free: Mapping[str, Figures]
    doubt: Doubt


def pack(
    members: Sequence[Member],
    validation: FaceSet,
    out: Path | None,
    precision: Precision,
    flip: bool,
    device: torch.device,
    *,
    test: FaceSet | None = None,
    seed: int = 0,
    runtime: Runtime = "auto",
    on_faces: Callable[[int], None] = unheard,
) -> PackReport:
    """A model version of `members` in the folder `out`; with `out` None it only reports.

    `test` is measured when everything is fitted, for the figures that the version carries.
    `runtime` is what will run the networks.

    Raises:
        CheckpointUnusable: Two members of one architecture.
        SplitUnusable: Too few validation faces, or too few with votes, to fit anything on.
    """
    names = [member.network.architecture for member in members]
    if len(set(names)) < len(names):
        raise CheckpointUnusable(f"a version has one member of each architecture, not {names}")
    if int(validation.has_crowd.sum()) < FOLDS * 2:
        raise SplitUnusable(
            f"{int(validation.has_crowd.sum())} validation faces have votes; the crowd head is "
            "calibrated on them: run `train_cli prepare` with --votes"
        )
    full = ensemble_logits(members, validation.crops, device, flip, on_faces)
    created_at = datetime.now(UTC)
    with tempfile.TemporaryDirectory(prefix="pack-") as scratch:
        neutral = VersionMetadata(Calibrations.neutral(len(members)), created_at, flip)
        draft = write_version(Path(scratch), members, neutral, precision)
        size = _size(draft)
        served = served_logits(draft, validation.crops, device, flip, runtime, on_faces)
        on_test = (
            None
            if test is None
            else served_logits(draft, test.crops, device, flip, runtime, on_faces)
        )
    calibrations = fitted(served, validation)
    test_figures: dict[str, Figures] = {}
    leak_free: dict[str, Figures] = {}
    if test is not None and on_test is not None:
        answers = answers_of(on_test, names, calibrations)
        test_figures = judged(answers, test, seed)
        leak_free = judged_leak_free(answers, test, seed)
    served_answers = out_of_fold(served, names, validation, seed)
    report = PackReport(
        version=None,
        bytes=size,
        calibrations=calibrations,
        served=judged(served_answers, validation, seed),
        full=judged(out_of_fold(full, names, validation, seed), validation, seed),
        test=test_figures,
        test_leak_free=leak_free,
        doubt=doubt_of(served_answers[BLEND], differing(served.crowd, calibrations), validation),
    )
    if out is None:
        return report
    metadata = VersionMetadata(calibrations, created_at, flip, figures_of(report))
    for member in members:
        member.network.cpu()
    version = write_version(out, members, metadata, precision)
    return replace(report, version=version, bytes=_size(version))


def fitted(logits: EnsembleLogits, faces: FaceSet) -> Calibrations:
    """Both heads' calibrations: the crowd head on shares of votes, the label head on labels.

    The label head alone gets an exchange: to the crowd head it adds nothing out of fold.
    """
    voted, labels = faces.has_crowd.numpy(), faces.labels.numpy()
    crowd = fit_calibration(logits.crowd[:, voted], faces.crowd.numpy()[voted])
    label = fit_calibration(logits.label, labels)
    return Calibrations(
        crowd=crowd,
        label=fit_exchange(label, logits.label, labels),
        differ_from=float(np.quantile(disagreement(logits.crowd, crowd), 1 - DIFFERING)),
    )


def doubt_of(blend: Answers, said: Sequence[tuple[str, ...]], faces: FaceSet) -> Doubt:
    """How often the blend names what most people said, where members differ and elsewhere."""
    told = np.array([len(emotions) > 0 for emotions in said])
    figures = [
        crowd_figures(blend.crowd[rows], faces.votes.numpy()[rows]) for rows in (told, ~told)
    ]
    there, elsewhere = (found.majority_accuracy if found else None for found in figures)
    return Doubt(float(told.mean()), there, elsewhere)


def figures_of(report: PackReport) -> dict[str, float]:
    """The report's headline figures by dotted name, as a version's metadata carries them."""
    flat: dict[str, float] = {}
    for split, figures in (
        ("validation", report.served),
        ("test", report.test),
        ("test.leak_free", report.test_leak_free),
    ):
        for name, measured in figures.items():
            flat |= measured.flat(split if name == BLEND else f"{split}.{name}")
    doubt = {f"validation.differing.{name}": v for name, v in asdict(report.doubt).items()}
    return flat | {name: value for name, value in doubt.items() if value is not None}


def out_of_fold(
    logits: EnsembleLogits, names: Sequence[str], faces: FaceSet, seed: int
) -> dict[str, Answers]:
    """Everybody's answers to `faces`, each face's by calibrations fitted on the other folds."""
    fold = np.random.default_rng(seed).permutation(len(faces)) % FOLDS
    whole = {name: _empty(len(faces)) for name in (*names, BLEND)}
    for part in range(FOLDS):
        inside = np.flatnonzero(fold == part)
        outside = np.flatnonzero(fold != part)
        calibrations = fitted(_at(logits, outside), faces.subset(outside))
        for name, answers in answers_of(_at(logits, inside), names, calibrations).items():
            whole[name].crowd[inside] = answers.crowd
            whole[name].label[inside] = answers.label
    return whole


def _size(version: ModelVersion) -> int:
    return sum(file.stat().st_size for file in version.path.iterdir())


def _at(logits: EnsembleLogits, places: NDArray[np.int64]) -> EnsembleLogits:
    return EnsembleLogits(logits.crowd[:, places], logits.label[:, places])


def _empty(count: int) -> Answers:
    return Answers(np.empty((count, EMOTION_COUNT)), np.empty((count, EMOTION_COUNT)))
