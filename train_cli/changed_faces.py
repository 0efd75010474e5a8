"""The faces that a candidate reads as another emotion than its parent, as a contact sheet.

Made when somebody asks for it and stored nowhere: both versions are asked again about the crops
that are still in the database, so that nobody is on it who has used /forgetme or taken consent
back.
"""

import asyncio
from collections.abc import Collection, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from fer_model.blend import blended
from fer_model.emotions import EMOTIONS
from fer_model.engine import Engine
from fer_model.runtimes import Runtime
from fer_model.versions import SHORT_DIGEST
from fer_model.versions import ModelVersion as VersionOnDisk
from store import feedback, versions
from store.engine import Database
from store.records import Run
from train_cli.errors import RunRefused
from train_cli.evaluating import total_variation
from train_cli.gate import matches
from train_cli.pictures import Tile, contact_sheet
from train_cli.registry import version_on_disk
from train_cli.retrain_report import RetrainReport
from train_cli.retraining import base_shares, base_validation
from train_cli.served import engine_logits
from train_cli.voting import VotedFace, voted_faces

MOST: Final = 40
"""Faces on the sheet."""

Array = NDArray[np.float64]
Source = Literal["learnt from", "not learnt from", "base validation"]

_BETTER: Final = ("#2e9e5b", "now as most people said")
_WORSE: Final = ("#d43c3c", "no longer as most people said")
_EITHER: Final = ("#c9ced6", "either way")


@dataclass(frozen=True)
class FacesOf:
    """Some faces of one source.

    Attributes:
        source: Which.
        crops: What the engine is given, each uint8 (S, S) or (S, S, 3), all alike.
        said: (N, 7), shares of the people who spoke.
    """

    source: Source
    crops: Sequence[NDArray[np.uint8]]
    said: Array


@dataclass(frozen=True)
class ChangedFace:
    """One face that is read as another emotion now; shares (7,)."""

    source: Source
    crop: NDArray[np.uint8]
    said: Array
    before: Array
    after: Array

    @property
    def change(self) -> float:
        """Half the summed differences of shares, 0 to 1."""
        return float(total_variation(self.before[None], self.after[None])[0])


async def changed_faces_sheet(database: Database, run: Run, runtime: Runtime) -> bytes:
    """The sheet of a finished retrain, as PNG.

    Raises:
        RunRefused: The run has no candidate.
        VersionRefused: One of the two versions is not on disk any more.
        SplitUnusable: The base split that it was compared on is gone.
    """
    report = finished_report(run)
    async with database.readers() as session:
        parent = await versions.version(session, report.parent)
        candidate = await versions.version(session, report.candidate)
        learnt = set(await versions.feedback_of_version(session, report.candidate))
        said = await feedback.active_feedback_for_training(session)
    looked_at = set(report.looked_at)
    base = run.arguments.get("base") if report.base is not None else None

    def drawn() -> bytes:
        faces, _ = voted_faces([piece for piece in said if piece.feedback_id in looked_at])
        groups = feedback_faces(faces, learnt)
        if isinstance(base, str):
            groups.append(_base_faces(Path(base)))
        old, new = version_on_disk(parent), version_on_disk(candidate)
        changed = [
            face
            for group in groups
            for face in changed_faces(
                group, _asked(old, group.crops, runtime), _asked(new, group.crops, runtime)
            )
        ]
        return faces_sheet(changed, report)

    return await asyncio.to_thread(drawn)


def finished_report(run: Run) -> RetrainReport:
    """The report of a run that came to a candidate.

    Raises:
        RunRefused: It did not.
    """
    if run.report is None or run.report.get("candidate") is None:
        raise RunRefused(f"run {run.run_id} has no candidate: there is nothing to report on")
    return RetrainReport.from_json(run.report)


def feedback_faces(faces: Sequence[VotedFace], learnt: Collection[int]) -> list[FacesOf]:
    """The feedback's faces, by whether any of the feedback `learnt` from is about them.

    The others were held out, or nothing that was said about them was trusted.
    """
    groups: dict[Source, list[VotedFace]] = {"learnt from": [], "not learnt from": []}
    for face in faces:
        known = any(piece in learnt for piece in face.feedback_ids)
        groups["learnt from" if known else "not learnt from"].append(face)
    return [
        FacesOf(
            source,
            [face.crop for face in some],
            np.stack([face.votes / face.votes.sum() for face in some]),
        )
        for source, some in groups.items()
        if some
    ]


def changed_faces(group: FacesOf, before: Array, after: Array) -> list[ChangedFace]:
    """Those whose top emotion is another, of both versions' shares (N, 7)."""
    moved = np.flatnonzero(before.argmax(axis=1) != after.argmax(axis=1))
    return [
        ChangedFace(group.source, group.crops[n], group.said[n], before[n], after[n])
        for n in moved.tolist()
    ]


def faces_sheet(changed: Sequence[ChangedFace], report: RetrainReport) -> bytes:
    """The sheet as PNG, the largest changes first, at most `MOST` of them."""
    largest = sorted(changed, key=lambda face: -face.change)[:MOST]
    pair = f"{report.parent[:SHORT_DIGEST]} → {report.candidate[:SHORT_DIGEST]}"
    title = f"{pair}: {len(changed)} faces are read as another emotion"
    if len(changed) > MOST:
        title += f", the {MOST} largest changes"
    return contact_sheet([_tile(face) for face in largest], title, dict((_BETTER, _WORSE, _EITHER)))


def _tile(face: ChangedFace) -> Tile:
    old, new = int(face.before.argmax()), int(face.after.argmax())
    people = [f"{EMOTIONS[n]} {face.said[n]:.0%}" for n in np.argsort(-face.said) if face.said[n]]
    was, now = (bool(matches(face.said[None], a[None])[0]) for a in (face.before, face.after))
    mark = _EITHER if was == now else _BETTER if now else _WORSE
    return Tile(
        face.crop,
        (
            f"{EMOTIONS[old]} → {EMOTIONS[new]}",
            *(f"{EMOTIONS[n]}: {face.before[n]:.0%} → {face.after[n]:.0%}" for n in (old, new)),
            f"people: {people[0]}",
            f"    {', '.join(people[1:3])}",
            face.source,
        ),
        mark[0],
    )


def _base_faces(folder: Path) -> FacesOf:
    faces = base_validation(folder)
    return FacesOf("base validation", list(faces.crops[:, 0].numpy()), base_shares(faces))


def _asked(version: VersionOnDisk, crops: Sequence[NDArray[np.uint8]], runtime: Runtime) -> Array:
    """The version's crowd shares (N, 7)."""
    with closing(Engine.load(version.path, "cpu", runtime=runtime)) as engine:
        logits = engine_logits(engine, crops)
    return blended(logits.crowd, version.metadata.calibrations.crowd)
