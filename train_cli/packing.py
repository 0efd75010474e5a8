"""Trained members in, one model version out: quantised, calibrated, judged, written.

The calibrations are fitted to the logits of the weights as they will be read back from disk, so
that what was judged is what serves. Everything is fitted on validation faces only.
"""

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

from fer_model.blend import Calibrations, fit_calibration, fit_exchange
from fer_model.emotions import EMOTION_COUNT
from fer_model.versions import (
    Member,
    ModelVersion,
    Precision,
    VersionMetadata,
    load_members,
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
from train_cli.evaluating import Figures
from train_cli.progress import unheard
from train_cli.splits import FaceSet

FOLDS: Final = 5
"""Parts that validation is judged in, each with calibrations fitted on the other four."""


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
    """

    version: ModelVersion | None
    bytes: int
    calibrations: Calibrations
    served: Mapping[str, Figures]
    full: Mapping[str, Figures]
    test: Mapping[str, Figures]
    test_leak_free: Mapping[str, Figures]


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
    on_faces: Callable[[int], None] = unheard,
) -> PackReport:
    """A model version of `members` in the folder `out`; with `out` None it only reports.

    `test` is measured when everything is fitted, for the figures that the version carries.

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
        served_members = load_members(draft)
        size = _size(draft)
    served = ensemble_logits(served_members, validation.crops, device, flip, on_faces)
    calibrations = fitted(served, validation)
    test_figures: dict[str, Figures] = {}
    leak_free: dict[str, Figures] = {}
    if test is not None:
        on_test = ensemble_logits(served_members, test.crops, device, flip, on_faces)
        answers = answers_of(on_test, names, calibrations)
        test_figures = judged(answers, test, seed)
        leak_free = judged_leak_free(answers, test, seed)
    report = PackReport(
        version=None,
        bytes=size,
        calibrations=calibrations,
        served=judged(out_of_fold(served, names, validation, seed), validation, seed),
        full=judged(out_of_fold(full, names, validation, seed), validation, seed),
        test=test_figures,
        test_leak_free=leak_free,
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
    label = fit_calibration(logits.label, labels)
    return Calibrations(
        crowd=fit_calibration(logits.crowd[:, voted], faces.crowd.numpy()[voted]),
        label=fit_exchange(label, logits.label, labels),
    )


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
    return flat


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
