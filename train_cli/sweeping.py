"""Searches the recipe's knobs: trains many short runs and lets Optuna choose the next.

The objective is a trial's least validation loss, both heads together, which early stopping and the
choice of epoch go by too; accuracies stand beside it. The first trials are the default recipe with
several seeds: their spread is the noise that a gain has to exceed. Then, if asked for, every idea
alone; then what TPE (Bergstra et al. 2011) proposes, stopped early where a pruner sees no hope.

The study is a SQLite file in the sweep's folder, shared by as many processes of one machine as
there are to train. A trial's process holds a lock on its folder, which the system lets go of when
the process dies, however it dies: whoever comes next finds the trial running but unlocked, marks it
failed, and takes its knobs and its checkpoint up again.
"""

import fcntl
import hashlib
import json
import logging
import math
import shutil
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import IO, Any, Final, Literal

import optuna
import torch
from optuna.pruners import BasePruner, HyperbandPruner, MedianPruner, NopPruner
from optuna.samplers import TPESampler
from optuna.storages import RDBStorage
from optuna.study import Study
from optuna.trial import FrozenTrial, Trial, TrialState, create_trial

from fer_model.checkpoints import read_checkpoint
from train_cli.distillation import Teacher
from train_cli.errors import RunRefused, SplitUnusable, TrainingDiverged
from train_cli.progress import unheard
from train_cli.search_space import (
    ADAMW,
    BY_HAND,
    SPACE,
    Choice,
    Knob,
    Value,
    alone,
    differing,
    domain,
    knob_of,
    point,
    suggested,
)
from train_cli.splits import FaceSet
from train_cli.training import EpochResult, TrainingSettings, split_digest, train

log = logging.getLogger(__name__)

Pruner = Literal["median", "hyperband", "none"]
Kind = Literal["default", "alone", "sampled"]
State = Literal["running", "complete", "pruned", "failed", "killed"]

STUDY: Final = "sweep"
_RANDOM_FIRST: Final = 10
"""Trials before TPE has enough results to go by; Optuna's own default."""
_FINISHED: Final = (TrialState.COMPLETE, TrialState.PRUNED)
_COUNTED: Final = (*_FINISHED, TrialState.RUNNING)
_STATES: Final[dict[TrialState, State]] = {
    TrialState.RUNNING: "running",
    TrialState.COMPLETE: "complete",
    TrialState.PRUNED: "pruned",
    TrialState.FAIL: "killed",
}


@dataclass(frozen=True)
class SweepSettings:
    """What is searched, and how.

    Attributes:
        base: The default recipe: what the first trials are, and where a knob that is not turned
            stands.
        knobs: Those turned.
        baselines: How many trials are the default recipe, each with another seed.
        one_by_one: Whether every idea comes alone before anything is sampled.
        pruner: Who ends sampled trials early: by the median of the others at the same epoch, by
            Hyperband (Li et al. 2018), or nobody.
    """

    base: TrainingSettings
    knobs: tuple[Knob, ...] = BY_HAND
    baselines: int = 3
    one_by_one: bool = False
    pruner: Pruner = "median"


@dataclass(frozen=True)
class Material:
    """What every trial is trained with: the same faces, the same start, the same device."""

    training: FaceSet
    validation: FaceSet
    device: torch.device
    backbone: Path | None = None
    start: Path | None = None
    teacher: Teacher | None = None
    compiled: bool = False


@dataclass(frozen=True)
class TrialResult:
    """One trial as it stands.

    Attributes:
        number: Counted from 0.
        kind: The default recipe, one idea alone, or sampled.
        reason: Why it was pruned, failed or killed; empty otherwise.
        knobs: Where those that the sweep turns stand, and what AdamW brings with it.
        seed: Of its run.
        best: Its epoch of least validation loss; None before the first epoch's end.
        losses: Validation loss of both heads after every epoch.
        folder: Its run's folder.
    """

    number: int
    kind: Kind
    state: State
    reason: str
    knobs: dict[Knob, Value]
    seed: int
    best: EpochResult | None
    losses: tuple[float, ...]
    folder: Path

    @property
    def loss(self) -> float | None:
        """The objective: least validation loss of both heads, nats."""
        return self.best.loss if self.best else None


@dataclass(frozen=True)
class Outcome:
    """How a sweep went.

    Attributes:
        trials: Those begun, in their order.
        importances: Each parameter's share in what sets the better sampled trials apart; empty
            below ten complete ones. Source: PED-ANOVA (Watanabe et al. 2023), which unlike fANOVA
            needs no forest and knows conditional parameters.
    """

    trials: tuple[TrialResult, ...]
    importances: dict[str, float]


@dataclass(frozen=True)
class Watcher:
    """Who is told of what happens in this process."""

    on_start: Callable[[int, int, Mapping[Knob, Value]], None] = unheard
    on_step: Callable[[int, int, float], None] = unheard
    on_epoch: Callable[[EpochResult], None] = unheard
    on_end: Callable[[TrialResult], None] = unheard


@dataclass
class _Claim:
    """A trial that this process trains, for as long as `lock` is open."""

    trial: Trial
    settings: TrainingSettings
    folder: Path
    lock: IO[bytes]
    kind: Kind


def sweep(
    settings: SweepSettings,
    material: Material,
    folder: Path,
    trials: int,
    *,
    resume: bool = False,
    watcher: Watcher | None = None,
) -> Outcome:
    """Trains until the study in `folder` has `trials` trials, and returns how all of them went.

    Several processes may work on one folder: each takes the next trial until there are enough.
    `resume` goes on with a study, or joins it; `trials` may be more than before.

    Raises:
        RunRefused: A study is in the folder already and `resume` was not asked for; or it was
            asked for and there is none, or one of other settings, faces or first weights.
        SplitUnusable: Fewer faces than the largest batch holds, or none to validate on.
        CheckpointUnusable: What the trials are to start from is unusable.
    """
    watcher = watcher or Watcher()
    _refuse_too_few(settings, material)
    study = _open(settings, _document(settings, material), folder, resume)
    while (claim := _claim(study, settings, folder, trials)) is not None:
        with claim.lock:
            watcher.on_start(claim.trial.number, trials, differing(claim.settings, settings.base))
            _run(study, claim, material, watcher)
        with _locked(folder):
            _tidy(study, folder)
        watcher.on_end(_result(study.trials[claim.trial.number], settings, folder))
    return Outcome(tuple(_results(study, settings, folder)), _importances(study))


def best_of(trials: Sequence[TrialResult]) -> TrialResult | None:
    """The complete trial of least loss."""
    complete = [trial for trial in trials if trial.state == "complete"]
    return min(complete, key=lambda trial: trial.loss or math.inf, default=None)


def first_trials(settings: SweepSettings, count: int) -> list[tuple[Kind, TrainingSettings]]:
    """The trials that are certain before any has a result: nothing is trained or written."""
    study = optuna.create_study(sampler=_sampler(settings, 0), pruner=NopPruner())
    _enqueue(study, settings)
    certain = max(_RANDOM_FIRST, len(study.trials))
    first: list[tuple[Kind, TrainingSettings]] = []
    for _ in range(min(count, certain)):
        study.sampler = _sampler(settings, len(study.trials))
        trial = study.ask()
        first.append((_kind(trial.user_attrs), _settings_of(trial, settings)))
    return first


def _results(study: Study, settings: SweepSettings, folder: Path) -> list[TrialResult]:
    begun = [trial for trial in study.trials if trial.state != TrialState.WAITING]
    return [_result(trial, settings, folder) for trial in begun]


def _importances(study: Study) -> dict[str, float]:
    """See `Outcome`."""
    complete = study.get_trials(states=(TrialState.COMPLETE,))
    sampled = [trial for trial in complete if _kind(trial.user_attrs) == "sampled"]
    if len(sampled) < _RANDOM_FIRST:
        return {}
    drawn = optuna.create_study()  # of the others, the knobs were set: they tell of no spread
    drawn.add_trials(sampled)
    better = min(0.5, max(0.1, 5 / len(sampled)))  # at least five, as its authors advise
    with _experimental():
        evaluator = optuna.importance.PedAnovaImportanceEvaluator(target_quantile=better)
        return optuna.importance.get_param_importances(drawn, evaluator=evaluator)


def _open(settings: SweepSettings, document: dict[str, Any], folder: Path, resume: bool) -> Study:
    folder.mkdir(parents=True, exist_ok=True)
    with _locked(folder):
        study = _existing(settings, folder)
        if study is None:
            if resume:
                raise RunRefused(f"{folder}: nothing to resume; start without --resume")
            return _created(settings, document, folder)
    if not resume:
        raise RunRefused(f"{folder} holds a sweep: go on with --resume, or name another folder")
    kept = study.user_attrs["sweep"]
    changed = sorted(key for key in document if kept.get(key) != document[key])
    if changed:
        raise RunRefused(f"{folder} was swept with another {', '.join(changed)}")
    return study


def _existing(settings: SweepSettings, folder: Path) -> Study | None:
    """The study, or None where there is none, or one whose making was cut short."""
    if not _database(folder).exists():
        return None
    storage = _storage(folder)
    if STUDY not in optuna.get_all_study_names(storage):
        return None
    study = optuna.load_study(
        study_name=STUDY,
        storage=storage,
        sampler=_sampler(settings, 0),
        pruner=_pruner(settings),
    )
    return study if "sweep" in study.user_attrs else None


def _created(settings: SweepSettings, document: dict[str, Any], folder: Path) -> Study:
    storage = _storage(folder)
    if STUDY in optuna.get_all_study_names(storage):  # a kill came before it was whole
        optuna.delete_study(study_name=STUDY, storage=storage)
    study = optuna.create_study(
        study_name=STUDY,
        storage=storage,
        direction="minimize",
        sampler=_sampler(settings, 0),
        pruner=_pruner(settings),
    )
    _enqueue(study, settings)
    study.set_user_attr("sweep", document)  # last: it says that the study is whole
    return study


def _enqueue(study: Study, settings: SweepSettings) -> None:
    base = settings.base
    for place in range(settings.baselines):
        attributes = {"kind": "default", "seed": base.seed + place}
        study.enqueue_trial(point(base, settings.knobs), user_attrs=attributes)
    for idea in alone(base, settings.knobs) if settings.one_by_one else []:
        study.enqueue_trial(point(idea, settings.knobs), user_attrs={"kind": "alone"})


def _claim(study: Study, settings: SweepSettings, folder: Path, trials: int) -> _Claim | None:
    """The next trial, held by this process; None where there are enough."""
    with _locked(folder):
        _take_up_the_dead(study, folder)
        if len(study.get_trials(deepcopy=False, states=_COUNTED)) >= trials:
            return None
        # A sampler of the trial's own: a resumed sweep does not draw the first values again.
        study.sampler = _sampler(settings, len(study.trials))
        trial = study.ask()
        trial.set_user_attr("folder", trial.user_attrs.get("folder", f"{trial.number:04d}"))
        run = folder / "trials" / trial.user_attrs["folder"]
        run.mkdir(parents=True, exist_ok=True)
        lock = (run / "lock").open("wb")
        fcntl.flock(lock, fcntl.LOCK_EX)  # free: whoever held it is dead, or never was
        kind = _kind(trial.user_attrs)
        return _Claim(trial, _settings_of(trial, settings), run, lock, kind)


def _settings_of(trial: Trial, settings: SweepSettings) -> TrainingSettings:
    chosen = suggested(trial, settings.knobs, settings.base)
    return replace(chosen, seed=trial.user_attrs.get("seed", settings.base.seed))


def _run(
    study: Study,
    claim: _Claim,
    material: Material,
    watcher: Watcher,
) -> None:
    """Trains the claimed trial and tells the study how it ended; other failures pass through."""
    trial = claim.trial

    def on_epoch(result: EpochResult) -> None:
        if not math.isfinite(result.loss):
            raise TrainingDiverged(f"the validation loss is {result.loss}")
        trial.report(result.loss, result.epoch)
        known = trial.user_attrs.get("best")
        if known is None or result.loss < EpochResult(**known).loss:
            trial.set_user_attr("best", asdict(result))
        watcher.on_epoch(result)
        last = result.epoch >= claim.settings.epochs
        if claim.kind == "sampled" and not last and trial.should_prune():
            raise optuna.TrialPruned(f"worse than others after epoch {result.epoch}")

    document = json.dumps(asdict(claim.settings), indent=1)
    (claim.folder / "settings.json").write_text(document, encoding="utf-8")
    try:
        history = train(
            claim.settings,
            material.training,
            material.validation,
            claim.folder,
            material.backbone,
            material.device,
            start=material.start,
            teacher=material.teacher,
            resume=read_checkpoint(claim.folder / "last") is not None,
            compiled=material.compiled,
            on_step=watcher.on_step,
            on_epoch=on_epoch,
        )
    except optuna.TrialPruned as pruned:
        _end(study, trial, str(pruned))
    except TrainingDiverged as diverged:
        _end(study, trial, f"diverged: {diverged}", failed=True)
    except torch.OutOfMemoryError:
        _end(study, trial, "out of memory", failed=True)
    else:
        best = min(history, key=lambda result: result.loss)
        trial.set_user_attr("best", asdict(best))
        study.tell(trial, best.loss)


def _end(study: Study, trial: Trial, reason: str, *, failed: bool = False) -> None:
    """Ends it as pruned: of a failed trial TPE would learn nothing, and go there again."""
    trial.set_user_attr("reason", reason)
    trial.set_user_attr("failed", failed)
    study.tell(trial, state=TrialState.PRUNED)


def _take_up_the_dead(study: Study, folder: Path) -> None:
    """Marks trials whose process is gone as failed, and puts their knobs back in the queue."""
    for dead in study.get_trials(states=(TrialState.RUNNING,)):
        run = folder / "trials" / dead.user_attrs.get("folder", f"{dead.number:04d}")
        if not _unheld(run / "lock"):
            continue
        study.tell(dead.number, state=TrialState.FAIL)
        study.add_trial(
            create_trial(
                state=TrialState.WAITING,
                params=dead.params,
                distributions=dead.distributions,
                user_attrs=dead.user_attrs,
                system_attrs=dead.system_attrs,
                intermediate_values=dead.intermediate_values,
            )
        )
        log.warning("trial %d was cut short; its knobs are tried again", dead.number)


def _tidy(study: Study, folder: Path) -> None:
    """Deletes the checkpoints of finished trials, but for the best one's averaged weights."""
    trials = study.get_trials(deepcopy=False)
    complete = [t for t in trials if t.state == TrialState.COMPLETE]
    best = min(complete, key=lambda t: t.value or math.inf, default=None)
    for trial in trials:
        run = folder / "trials" / trial.user_attrs.get("folder", "")
        if trial.state not in _FINISHED or not run.name:
            continue
        shutil.rmtree(run / "last", ignore_errors=True)
        if trial is not best:
            shutil.rmtree(run / "best", ignore_errors=True)


def _result(trial: FrozenTrial, settings: SweepSettings, folder: Path) -> TrialResult:
    attributes = trial.user_attrs
    best = attributes.get("best")
    state = "failed" if attributes.get("failed") else _STATES[trial.state]
    reason = attributes.get("reason", "")
    if state == "killed":
        reason = "its process ended; the knobs were tried again"
    return TrialResult(
        number=trial.number,
        kind=_kind(attributes),
        state=state,
        reason=reason,
        knobs=_knobs_of(trial),
        seed=attributes.get("seed", settings.base.seed),
        best=EpochResult(**best) if best else None,
        losses=tuple(loss for _, loss in sorted(trial.intermediate_values.items())),
        folder=folder / "trials" / attributes.get("folder", f"{trial.number:04d}"),
    )


def _knobs_of(trial: FrozenTrial) -> dict[Knob, Value]:
    """In the order of the search space; a trial killed at once may lack some."""
    found = {knob_of(name): value for name, value in trial.params.items()}
    if found.get("optimizer") == "adamw":
        found = {**ADAMW, **found}  # what it brings where it is not turned
    return {knob: found[knob] for knob in SPACE if knob in found}


def _kind(attributes: dict[str, Any]) -> Kind:
    kind: Kind = attributes.get("kind", "sampled")
    return kind


def _document(settings: SweepSettings, material: Material) -> dict[str, Any]:
    """What a study is held to: everything that its trials have in common."""
    start = material.backbone or material.start
    common = asdict(settings.base) | {
        "knobs": sorted(settings.knobs),
        "baselines": settings.baselines,
        "one_by_one": settings.one_by_one,
        "pruner": settings.pruner,
        "split": split_digest(material.training, material.validation),
        "start": _digest_of(start) if start else "",
        "teacher": material.teacher.digest if material.teacher else "",
    }
    document: dict[str, Any] = json.loads(json.dumps(common))
    return document


def _digest_of(start: Path) -> str:
    """SHA-256 of a weights file, or of all files of a checkpoint."""
    digest = hashlib.sha256()
    files = sorted(start.iterdir()) if start.is_dir() else [start]
    for path in files:
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()


def _refuse_too_few(settings: SweepSettings, material: Material) -> None:
    batches = domain("batch_size", settings.base.optimizer)
    sizes = [settings.base.batch_size]
    if "batch_size" in settings.knobs and isinstance(batches, Choice):
        sizes += [int(size) for size in batches.values]
    if len(material.training) < max(sizes) or not len(material.validation):
        raise SplitUnusable(
            f"{len(material.training)} training and {len(material.validation)} validation faces "
            f"are too few for batches of {max(sizes)}"
        )


def _sampler(settings: SweepSettings, number: int) -> TPESampler:
    seed = settings.base.seed * 10_000 + number
    with _experimental():  # `group`: the optimizers' own parameters are sampled jointly too
        return TPESampler(seed=seed, n_startup_trials=_RANDOM_FIRST, group=True)


def _pruner(settings: SweepSettings) -> BasePruner:
    epochs = settings.base.epochs
    if settings.pruner == "median":
        settling = 1 + epochs // 5  # the rate still rises, and the average forgets its start
        return MedianPruner(n_startup_trials=settings.baselines, n_warmup_steps=settling)
    if settings.pruner == "hyperband":
        return HyperbandPruner(min_resource=1, max_resource=epochs, reduction_factor=3)
    return NopPruner()


def _database(folder: Path) -> Path:
    return folder / "study.db"


def _storage(folder: Path) -> RDBStorage:
    waiting = {"connect_args": {"timeout": 60}}  # seconds, for another process's commit
    return RDBStorage(f"sqlite:///{_database(folder)}", engine_kwargs=waiting)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """One process at a time claims or tidies: the count of trials is exact."""
    with (folder / "lock").open("wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _unheld(lock: Path) -> bool:
    """Whether no process holds it, or there is none."""
    if not lock.exists():
        return True
    with lock.open("wb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True


@contextmanager
def _experimental() -> Iterator[None]:
    """For what Optuna calls experimental, of old, and warns of every time."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        yield
