"""A retrain from feedback to a judged candidate: collect, learn, write, reload, compare, judge.

What is judged is the directory that will serve, read back from disk. A crash anywhere leaves the
current version serving: a candidate is whole on disk before the database hears of it, and it
changes nothing until it is promoted.
"""

import asyncio
import contextlib
import shutil
import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, Literal, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from sqlalchemy.exc import SQLAlchemyError

from fer_model.blend import blended
from fer_model.emotions import EMOTIONS
from fer_model.engine import Engine
from fer_model.errors import FerModelError
from fer_model.runtimes import Runtime
from fer_model.uris import version_uri
from fer_model.versions import (
    Member,
    VersionMetadata,
    draft_folder,
    load_members,
    publish_version,
    remove_unfinished,
    write_version,
)
from fer_model.versions import ModelVersion as VersionOnDisk
from store import feedback, runs, trust, versions
from store.engine import Database
from store.records import ModelVersion
from store.trust import DEFAULT_TRUST, TrustPolicy, weigh
from train_cli.errors import RunRefused, TookTooLong, in_one_line
from train_cli.gate import (
    GUARD,
    GatePolicy,
    PairedFaces,
    PairedResults,
    base_holds,
    judge,
)
from train_cli.learning import (
    STEPS_BACK,
    LearningSettings,
    Lesson,
    LowerLayers,
    as_far_as,
    between,
    grey_face,
    learn,
    upper_answers,
)
from train_cli.progress import unheard
from train_cli.registry import (
    HeldLease,
    current_version,
    first_of_line,
    start_of_retrain,
    trained_on,
    version_on_disk,
)
from train_cli.retrain_report import (
    Answers,
    RetrainReport,
    Weighing,
    changed_answers,
    compare,
    headline_figures,
    weighed,
)
from train_cli.served import engine_logits
from train_cli.splits import FaceSet, load_split
from train_cli.voting import PSEUDO_VOTES, Division, VotedFace, divide, vote_targets

RUN_KIND: Final = "retrain"

_REPLAY_LEAST: Final = 512
_REPLAY_PER_FACE: Final = 4
_REPLAY_MOST: Final = 4096
"""Base faces replayed: four per feedback face, within these bounds."""

_BASE_MOST: Final = 4000
"""Base validation faces compared, always the same, for asking about more would take longer than
learning. With 2 % of the answers changed, the 95 % bound on accuracy is 0.6 points wide with 1,500,
0.45 with FER2013's 2,732."""

_GUARD_MOST: Final = 2000
"""Base training faces, not replayed, by which a retrain decides how far it goes."""

Array = NDArray[np.float64]
Result = TypeVar("Result")
KeepGoing = Callable[[], None]
"""Raises to stop."""


@dataclass(frozen=True)
class RetrainSettings:
    """What one retrain is asked to do.

    Attributes:
        models: Folder that candidates are written to.
        base: Folder that `prepare` wrote: its training split is replayed, its validation split
            shows what was forgotten. None distils instead, and the gate will lack evidence.
        seed: Of every random draw.
        device: Where the networks run.
        runtime: What runs the versions that the gate compares: what will serve them.
        pseudo_votes: How many people the current version's blend counts as.
        learning: How the members move; its seed is replaced by `seed`.
        policy: What the gate asks for.
        trust: How much each piece of feedback counts; None: every piece counts 1.
    """

    models: Path
    base: Path | None = None
    seed: int = 0
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    runtime: Runtime = "auto"
    pseudo_votes: float = PSEUDO_VOTES
    learning: LearningSettings = field(default_factory=LearningSettings)
    policy: GatePolicy = field(default_factory=GatePolicy)
    trust: TrustPolicy | None = field(default_factory=TrustPolicy)


@dataclass(frozen=True)
class Plan:
    """What a retrain would do now.

    Attributes:
        current: The version that it starts from: the current one, unless that is void.
        first: The version that its line began with, or what may stand for that: the first of these
            that is on disk. Empty where it is the first itself.
        division: The faces to learn from and to be judged on.
        pieces: Active, consented feedback with a crop.
        confirmations: Of these.
        corrections: Of these.
        people: Who gave it.
        unreadable: Faces whose crop cannot be read.
        looked_at: Ids of all of it.
        weighing: What trust made of it; None: every piece counts 1.
        learnt: Names of the faces that `current`, or one before it, was trained on.
    """

    current: ModelVersion
    first: tuple[ModelVersion, ...]
    division: Division
    pieces: int
    confirmations: int
    corrections: int
    people: int
    unreadable: int
    looked_at: tuple[int, ...]
    weighing: Weighing | None
    learnt: frozenset[str]


@dataclass(frozen=True)
class Outcome:
    """A run and what came out; `report` is None where there was nothing to learn."""

    run_id: int
    report: RetrainReport | None


@dataclass
class Watcher:
    """Who is told how a retrain goes on. Called from another thread."""

    on_phase: Callable[[str], None] = unheard
    on_step: Callable[[int, int, float], None] = unheard


async def plan_retrain(database: Database, policy: TrustPolicy | None = DEFAULT_TRUST) -> Plan:
    """What a retrain would do now; only reads. Without a policy, every piece counts 1.

    Raises:
        NoCurrentVersion: None is registered yet, so nobody can have said anything.
        RunRefused: The current version is void, and there is none to start from in its place.
    """
    current = await start_of_retrain(database)
    async with database.readers() as session:
        said = await feedback.active_feedback_for_training(session)
        voices = await trust.voices(session)
        known = await trained_on(session, current)
        first = await first_of_line(session, current)
    trusted = None if policy is None else await asyncio.to_thread(weigh, voices, policy)
    weights = None if trusted is None else trusted.weights
    division = await asyncio.to_thread(divide, said, weights, known.people, known.faces)
    kinds = Counter(piece.kind for piece in said)
    return Plan(
        current=current,
        first=first,
        division=division,
        pieces=len(said),
        confirmations=kinds["confirmation"],
        corrections=kinds["correction"],
        people=len({piece.person_id for piece in said}),
        unreadable=division.unreadable,
        looked_at=tuple(piece.feedback_id for piece in said),
        weighing=None if trusted is None else weighed(voices, trusted),
        learnt=known.faces,
    )


async def retrain(
    database: Database,
    lease: HeldLease,
    settings: RetrainSettings,
    *,
    actor: str,
    watcher: Watcher | None = None,
    maximum: timedelta | None = None,
) -> Outcome:
    """Learns from all feedback that may be learnt from, and registers the judged candidate.

    The run is written down from its start; whatever ends it early is written down too. Every write
    checks the lease within its transaction, so that a process that was paused for long, and whose
    successor has been at work since, changes nothing.

    Args:
        database: What was said, and where the candidate is registered.
        lease: The right to retrain.
        settings: What to do.
        actor: Who does this.
        watcher: Who is told how it goes on.
        maximum: Time after which it stops at its next step; None lets it take its time.

    Raises:
        LeaseLost: Somebody else may be at work; no candidate was registered.
        TookTooLong: The same, and the lease is still held.
        VersionRefused: The current version cannot be read.
        SplitUnusable: The base split cannot be read.
    """
    stop_at = None if maximum is None else time.monotonic() + maximum.total_seconds()

    def go_on() -> None:
        lease.check()
        if stop_at is not None and time.monotonic() >= stop_at:
            raise TookTooLong(f"It took longer than {maximum}.")

    async with database.sessions.begin() as session:
        await runs.fail_abandoned_runs(session, RUN_KIND, lease=lease.lease)
        run = await runs.start_run(session, RUN_KIND, _arguments(settings), lease=lease.lease)
    try:
        await current_version(database)
        plan = await plan_retrain(database, settings.trust)
        if not plan.division.training:
            async with database.sessions.begin() as session:
                await runs.finish_run(session, run.run_id, {"candidate": None}, lease=lease.lease)
            return Outcome(run.run_id, None)
        work = _Retrain(settings, plan, watcher or Watcher())
        candidate, report = await _in_thread(work.done, go_on)
        document = report.to_json()
        async with database.sessions.begin() as session:
            await versions.add_candidate(
                session,
                candidate.digest,
                version_uri(candidate.path),
                parent_digest=plan.current.digest,
                figures=headline_figures(report),
                report=document,
                feedback_ids=candidate.metadata.feedback,
                lease=lease.lease,
                actor=actor,
            )
            await runs.finish_run(session, run.run_id, document, lease=lease.lease)
    except BaseException as error:
        interrupted = isinstance(error, asyncio.CancelledError)
        reason = "It was interrupted." if interrupted else in_one_line(error)
        with contextlib.suppress(SQLAlchemyError, OSError):  # the next run marks it then
            async with database.sessions.begin() as session:
                await runs.fail_run(session, run.run_id, reason)
        raise
    return Outcome(run.run_id, report)


async def _in_thread(work: Callable[[KeepGoing], Result], go_on: KeepGoing) -> Result:
    """What `work` returns; it is told to stop by `go_on`, and when this task is cancelled."""
    cancelled = threading.Event()

    def uncancelled() -> None:
        go_on()
        if cancelled.is_set():
            raise RunRefused("interrupted")

    task = asyncio.ensure_future(asyncio.to_thread(work, uncancelled))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        cancelled.set()
        await asyncio.wait([task])
        task.exception()  # seen: whatever it was, being cancelled comes first
        raise


class _Retrain:
    """The part of a retrain that computes, in one thread."""

    def __init__(self, settings: RetrainSettings, plan: Plan, watcher: Watcher) -> None:
        self._settings = settings
        self._plan = plan
        self._watcher = watcher
        self._seconds: dict[str, float] = {}
        self._share = 1.0
        self._training = plan.division.training
        self._holdout = plan.division.holdout

    def done(self, go_on: KeepGoing) -> tuple[VersionOnDisk, RetrainReport]:
        """The candidate on disk, and the report on it."""
        remove_unfinished(self._settings.models)
        parent = version_on_disk(self._plan.current)
        replayed, guard, base = self._base_faces()
        sets = {
            "trained": _crops_of(self._training),
            "holdout": _crops_of(self._holdout),
            "replay": None if replayed is None else _crops_of_set(replayed),
            "base": None if base is None else _crops_of_set(base),
        }
        before = self._timed("asking the current version", lambda: self._asked(parent, sets, go_on))
        priors = _priors(self._training, before["trained"], self._plan.learnt)
        lesson = _lesson(self._training, priors, self._settings.pseudo_votes)
        replay = None if replayed is None else _replay_lesson(replayed, before["replay"])
        start = load_members(parent)
        members = self._timed(
            "learning", lambda: self._learnt(start, parent, lesson, replay, go_on)
        )
        go_on()
        if replay is not None:
            members = self._timed(
                "holding the base", lambda: self._held_back(start, members, parent, guard, go_on)
            )
        sets["replay"] = None
        draft = draft_folder(self._settings.models)
        try:
            written = self._timed(
                "writing the candidate", lambda: self._written(draft, parent, members)
            )
            after = self._timed("asking the candidate", lambda: self._asked(written, sets, go_on))
            first = self._first_answers(sets["base"], go_on)
            report = self._report(written, replay is not None, base, before, after, first)
            go_on()
            return publish_version(written, self._settings.models), report
        finally:
            shutil.rmtree(draft, ignore_errors=True)

    def _base_faces(self) -> tuple[FaceSet | None, FaceSet | None, FaceSet | None]:
        """Faces to replay, to decide by how far to go, and for the gate."""
        if self._settings.base is None:
            return None, None, None
        folder = self._settings.base
        training = self._timed("reading base faces", lambda: load_split(folder, "train"))
        wanted = min(max(_REPLAY_LEAST, _REPLAY_PER_FACE * len(self._training)), _REPLAY_MOST)
        order = np.random.default_rng(self._settings.seed).permutation(len(training))
        apart = order[wanted : wanted + _GUARD_MOST]
        if bool(training.has_crowd.any()):
            apart = apart[training.has_crowd.numpy()[apart]]
        guard = training.subset(apart) if len(apart) >= GUARD.base_faces else None
        return training.subset(np.sort(order[:wanted])), guard, base_validation(folder)

    def _asked(
        self,
        version: VersionOnDisk,
        sets: dict[str, NDArray[np.uint8] | None],
        go_on: KeepGoing,
    ) -> dict[str, Answers]:
        kind: Literal["cpu", "cuda"] = "cuda" if self._settings.device.type == "cuda" else "cpu"
        runtime = self._settings.runtime
        calibrations = version.metadata.calibrations
        answers = {}
        with contextlib.closing(Engine.load(version.path, kind, runtime=runtime)) as engine:
            for name, crops in sets.items():
                if crops is None or not len(crops):
                    continue
                go_on()
                logits = engine_logits(engine, crops, lambda _faces: go_on())
                answers[name] = Answers(
                    blended(logits.crowd, calibrations.crowd),
                    blended(logits.label, calibrations.label),
                )
        return answers

    def _first_answers(self, crops: NDArray[np.uint8] | None, go_on: KeepGoing) -> Answers | None:
        """What the first version of the line says of base faces; None where the current one is it.

        Without any answer where none that could be asked is on disk.
        """
        if crops is None or not self._plan.first:
            return None
        first = _readable(self._plan.first)
        if first is None:
            nothing = np.zeros((0, len(EMOTIONS)))
            return Answers(nothing, nothing)
        return self._timed(
            "asking the first version", lambda: self._asked(first, {"base": crops}, go_on)
        )["base"]

    def _learnt(
        self,
        start: Sequence[Member],
        parent: VersionOnDisk,
        lesson: Lesson,
        replay: Lesson | None,
        go_on: KeepGoing,
    ) -> list[Member]:
        def on_step(step: int, steps: int, loss: float) -> None:
            go_on()
            self._watcher.on_step(step, steps, loss)

        settings = self._settings
        learning = replace(settings.learning, seed=settings.seed)
        calibrations = parent.metadata.calibrations
        return learn(
            start,
            calibrations,
            lesson,
            replay,
            learning,
            settings.device,
            on_step=on_step,
            on_batch=go_on,
        )

    def _held_back(
        self,
        start: Sequence[Member],
        learnt: Sequence[Member],
        parent: VersionOnDisk,
        guard: FaceSet | None,
        go_on: KeepGoing,
    ) -> list[Member]:
        """As far towards what was learnt as the guard's faces bear; unguarded, the least way."""
        if guard is None:
            self._share = STEPS_BACK[-1]
            return between(start, learnt, self._share)
        device, calibrations = self._settings.device, parent.metadata.calibrations
        seen = [LowerLayers(start, device, go_on).of_faces(guard.crops)]
        before, _ = upper_answers(start, calibrations, seen, device)
        said, people = base_shares(guard), np.arange(len(guard))

        def bearable(members: Sequence[Member]) -> bool:
            go_on()
            after, _ = upper_answers(members, calibrations, seen, device)
            return base_holds(PairedFaces(said, before, after, people), GUARD)

        members, self._share = as_far_as(start, learnt, bearable)
        return members

    def _written(
        self, draft: Path, parent: VersionOnDisk, members: Sequence[Member]
    ) -> VersionOnDisk:
        metadata = VersionMetadata(
            calibrations=parent.metadata.calibrations,
            created_at=datetime.now(UTC),
            flip_average=parent.metadata.flip_average,
            parent=parent.digest,
            feedback=tuple(sorted(i for face in self._training for i in face.feedback_ids)),
        )
        return write_version(draft, members, metadata, "fp16")

    def _report(
        self,
        candidate: VersionOnDisk,
        replayed: bool,
        base: FaceSet | None,
        before: dict[str, Answers],
        after: dict[str, Answers],
        first: Answers | None,
    ) -> RetrainReport:
        plan = self._plan
        votes = {"trained": _shares_of(self._training), "holdout": _shares_of(self._holdout)}
        labels = None
        if base is not None:
            votes["base"], labels = base_shares(base), base.labels.numpy()
        compared = {
            name: compare(said, before[name], after[name], labels if name == "base" else None)
            for name, said in votes.items()
            if len(said)
        }
        people = {"holdout": plan.division.holdout_people}
        weights = {"holdout": np.array([face.votes.sum() for face in self._holdout])}
        paired = {
            name: PairedFaces(
                votes[name],
                before[name].crowd,
                after[name].crowd,
                people.get(name, np.arange(len(votes[name]))),
                weights.get(name),
            )
            for name in ("holdout", "base")
            if name in compared
        }
        since_first = None
        if first is not None:
            some = slice(len(first.crowd))
            since_first = PairedFaces(
                votes["base"][some], first.crowd, after["base"].crowd[some], np.arange(some.stop)
            )
        verdict = judge(
            PairedResults(paired.get("holdout"), paired.get("base"), since_first),
            self._settings.policy,
        )
        return RetrainReport(
            parent=plan.current.digest,
            candidate=candidate.digest,
            seed=self._settings.seed,
            device=str(self._settings.device),
            pieces=plan.pieces,
            confirmations=plan.confirmations,
            corrections=plan.corrections,
            people=plan.people,
            unreadable=plan.unreadable,
            kept_by="replay" if replayed else "distillation",
            trained_faces=len(self._training),
            holdout_faces=len(self._holdout),
            weighing=plan.weighing,
            trained=compared["trained"],
            holdout=compared.get("holdout"),
            base=compared.get("base"),
            changes=changed_answers(
                [(before[k].crowd, after[k].crowd) for k in compared if k != "base"]
            ),
            verdict=verdict,
            seconds=self._seconds,
            looked_at=plan.looked_at,
            share=self._share,
        )

    def _timed(self, phase: str, part: Callable[[], Result]) -> Result:
        self._watcher.on_phase(phase)
        started = time.monotonic()
        result = part()
        self._seconds[phase] = round(time.monotonic() - started, 2)
        return result


def base_validation(folder: Path) -> FaceSet:
    """The validation faces that versions are compared on, of the folder that `prepare` wrote.

    Raises:
        SplitUnusable: There are none.
    """
    validation = load_split(folder, "validation")
    if bool(validation.has_crowd.any()):
        validation = validation.subset(np.flatnonzero(validation.has_crowd.numpy()))
    sample = np.random.default_rng(0).permutation(len(validation))[:_BASE_MOST]
    return validation.subset(np.sort(sample))


def _arguments(settings: RetrainSettings) -> dict[str, object]:
    return {
        "seed": settings.seed,
        "device": str(settings.device),
        "base": None if settings.base is None else str(settings.base.resolve()),
        "pseudo_votes": settings.pseudo_votes,
        "learning": asdict(settings.learning),
        "policy": asdict(settings.policy),
        "trust": None if settings.trust is None else asdict(settings.trust),
    }


def _crops_of(faces: Sequence[VotedFace]) -> NDArray[np.uint8] | None:
    return np.stack([face.crop for face in faces]) if faces else None


def _crops_of_set(faces: FaceSet) -> NDArray[np.uint8]:
    return faces.crops[:, 0].numpy()


def _readable(candidates: Sequence[ModelVersion]) -> VersionOnDisk | None:
    for version in candidates:
        with contextlib.suppress(FerModelError, RunRefused):
            return version_on_disk(version)
    return None


def _priors(faces: Sequence[VotedFace], blends: Answers, learnt: Collection[str]) -> Answers:
    """What the targets start from: what the current version says, (N, 7) each.

    Of a face that it has learnt, what the bot said before: else the voices it has learnt would be
    in the blend and in the votes, and one of them would count more with every retrain.
    """
    known = np.array([face.name in learnt for face in faces])[:, None]
    return Answers(
        np.where(known, np.stack([face.crowd for face in faces]), blends.crowd),
        np.where(known, np.stack([face.label for face in faces]), blends.label),
    )


def _lesson(faces: Sequence[VotedFace], blends: Answers, pseudo_votes: float) -> Lesson:
    votes = np.stack([face.votes for face in faces])
    return Lesson(
        torch.from_numpy(np.stack([grey_face(face.crop) for face in faces]))[:, None],
        _tensor(vote_targets(blends.crowd, votes, pseudo_votes)),
        _tensor(vote_targets(blends.label, votes, pseudo_votes)),
    )


def _replay_lesson(faces: FaceSet, blends: Answers) -> Lesson:
    """Half what the current version says, half what is known of the face.

    Source: dark experience replay with labels (DER++, Buzzega et al. 2020).
    """
    crowd = np.where(faces.has_crowd.numpy()[:, None], faces.crowd.numpy(), blends.crowd)
    label = np.eye(len(EMOTIONS))[faces.labels.numpy()]
    return Lesson(
        faces.crops,
        _tensor((crowd + blends.crowd) / 2),
        _tensor((label + blends.label) / 2),
    )


def _tensor(shares: Array) -> torch.Tensor:
    return torch.from_numpy(np.asarray(shares, np.float32))


def _shares_of(faces: Sequence[VotedFace]) -> Array:
    if not faces:
        return np.zeros((0, len(EMOTIONS)))
    votes = np.stack([face.votes for face in faces])
    return np.asarray(votes / votes.sum(axis=1, keepdims=True))


def base_shares(faces: FaceSet) -> Array:
    """What people said; what the label says where the split has no votes at all."""
    if bool(faces.has_crowd.any()):
        return faces.crowd.numpy().astype(np.float64)
    return np.asarray(np.eye(len(EMOTIONS))[faces.labels.numpy()])
