"""`python -m benchmarks.learning`: what learning from corrections does, on real faces.

Simulated people (`benchmarks.people`) speak about real faces (`benchmarks.learning_worlds`);
targets, trust, learning and the gate are those that a retrain uses. What counts is what is served
after the gate: where it refuses, the current version's figures. Every finished run is a line of
JSON, so that a stop loses nothing; `--summary` makes the table and the picture of them.
"""

import fcntl
import json
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Final

import numpy as np
import torch
import typer
from numpy.typing import NDArray

from benchmarks import people
from benchmarks.learning_worlds import (
    CPU,
    AskedFaces,
    Name,
    Sources,
    World,
    cut_down,
    joined,
    starting_with,
    third,
    world,
)
from benchmarks.people import Crowd, Habits, Piece
from fer_model.blend import blended
from fer_model.emotions import EMOTIONS
from fer_model.engine import Engine
from fer_model.versions import Member, VersionMetadata, write_version
from store.trust import TrustPolicy, Voice, weigh
from train_cli.gate import (
    GUARD,
    GatePolicy,
    PairedFaces,
    PairedResults,
    Verdict,
    base_holds,
    calibration_error,
    judge,
    log_loss,
    matches,
)
from train_cli.learning import STEPS_BACK, LearningSettings, Lesson, as_far_as, learn, learn_cached
from train_cli.served import engine_logits
from train_cli.voting import CONFIRMATION_WEIGHT, PSEUDO_VOTES, sides, vote_targets

Array = NDArray[np.float64]
Line = dict[str, Any]

CHANCES: Final = 200
SEEDS: Final[dict[Name, range]] = {
    "dark_and_turned": range(10, 15),
    "hard_sad": range(5),
    "nothing_new": range(CHANCES),
}
"""Of the two populations; others were used up while settings were chosen."""

AMOUNTS: Final = (250, 500, 1000, 2000)
NIGHTS: Final = 30

_UNSEEN: Final = ("unseen", "unseen_base")

_FIRST: Final = 6
"""Attacked runs that come before the cheap ones: one seed."""

NIGHTLY: Final = 20
"""New pieces a night: the fewest that `train_cli schedule` starts a retrain for."""

_NIGHTLY_REPLAY: Final = 1500
_NIGHTLY_GUARD: Final = 1000
"""Fewer than a retrain's, for there are thirty."""

_CHEAP: Final = LearningSettings(copies=1, passes=1, least_steps=0, batch_size=32)
"""For the 200 runs, which do not step back by base faces either: three quarters of the way."""

_CHANCE_PIECES: Final = 500

HABITS: Final[dict[Name, Habits]] = {
    "dark_and_turned": Habits(),
    "nothing_new": Habits(),
    # Few faces, so each is seen by more people.
    "hard_sad": Habits(shared=0.9, viewers=(4, 9)),
}


@dataclass(frozen=True)
class Settings:
    """What a retrain would be told."""

    learning: LearningSettings = field(default_factory=LearningSettings)
    policy: GatePolicy = field(default_factory=GatePolicy)
    pseudo_votes: float = PSEUDO_VOTES
    confirmation: float = CONFIRMATION_WEIGHT
    trust: TrustPolicy | None = field(default_factory=TrustPolicy)


@dataclass(frozen=True)
class Said:
    """What was said about some faces, by face.

    Attributes:
        places: (N,), which faces.
        votes: (N, 7), weighted.
        people: (N,), one of those who spoke about each.
    """

    places: NDArray[np.int64]
    votes: Array
    people: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.places)

    @property
    def shares(self) -> Array:
        """(N, 7)."""
        return np.asarray(self.votes / self.votes.sum(axis=1, keepdims=True))


@dataclass(frozen=True)
class Learnt:
    """What came out of one retrain.

    Attributes:
        served: What serves after the gate decided.
        candidate: What was judged.
        passed: Whether the gate passed it.
        failed: The checks that it failed, of those that were looked at: where held-out feedback
            refuses already, nobody asks about the base.
        share: How far it went of what was learnt.
        places: Which faces were learnt from.
        held_out: Faces.
    """

    served: tuple[Member, ...]
    candidate: tuple[Member, ...]
    passed: bool
    failed: tuple[str, ...]
    share: float
    places: frozenset[int]
    held_out: int


@dataclass(frozen=True)
class Lineage:
    """What earlier retrains, whose candidates serve by now, leave to the next one.

    Attributes:
        learnt: Places of the faces that were learnt from.
        read: What the first version said of all faces that people speak about, crowd and label.
        base: What it said of the gate's base faces, (N, 7).
    """

    learnt: frozenset[int]
    read: tuple[Array, Array]
    base: Array


def weights_of(pieces: Sequence[Piece], blends: Array, settings: Settings) -> Array:
    """What each piece counts (N,): by trust, 0 to 1, and more if it confirms."""
    more = np.where([piece.confirms for piece in pieces], settings.confirmation, 1.0)
    if settings.trust is None:
        return more
    voices = [
        Voice(
            feedback_id=place,
            person_id=piece.person,
            face=f"{piece.face}#1",
            kind="confirmation" if piece.confirms else "correction",
            shares=tuple(float(piece.emotion == other) for other in range(len(EMOTIONS))),
            crowd=tuple(blends[piece.face].tolist()),
            ruling=None,
            created_at=piece.at,
        )
        for place, piece in enumerate(pieces)
    ]
    weights = weigh(voices, settings.trust).weights
    return np.asarray(more * [weights[place] for place in range(len(pieces))])


def divided(pieces: Sequence[Piece], weights: Array) -> tuple[Said, Said]:
    """What is learnt from, and what is held out: nobody, and no face, is in both."""
    where = sides([(piece.person, piece.face) for piece in pieces])
    parts = {
        side: [
            (piece, weight)
            for piece, weight, its in zip(pieces, weights.tolist(), where, strict=True)
            if its == side
        ]
        for side in ("training", "holdout")
    }
    return _by_face(parts["training"]), _by_face(parts["holdout"])


def _by_face(pieces: Sequence[tuple[Piece, float]]) -> Said:
    votes: dict[int, Array] = {}
    first: dict[int, int] = {}
    for piece, weight in pieces:
        if weight > 0:
            votes.setdefault(piece.face, np.zeros(len(EMOTIONS)))[piece.emotion] += weight
            first.setdefault(piece.face, piece.person)
    places = sorted(votes)
    return Said(
        np.array(places, np.int64),
        np.stack([votes[place] for place in places]) if places else np.zeros((0, len(EMOTIONS))),
        np.array([first[place] for place in places], np.int64),
    )


def retrained(
    current: tuple[Member, ...],
    meets: World,
    pieces: Sequence[Piece],
    settings: Settings,
    seed: int,
    read: Array,
    lineage: Lineage | None = None,
) -> Learnt:
    """One retrain from `current`, on what people said when the bot read the faces as `read`.

    `lineage` is None where `current` is the first version.
    """
    asked = meets.spoken_of.asked
    training, holdout = divided(pieces, weights_of(pieces, read, settings))
    at = training.places
    crowd, label = meets.answers(asked.at(at), current)
    if lineage is not None:
        known = np.isin(at, sorted(lineage.learnt))[:, None]
        crowd, label = (
            np.where(known, first[at], now)
            for first, now in zip(lineage.read, (crowd, label), strict=True)
        )
    learning = replace(settings.learning, seed=seed)
    lesson = meets.spoken_of.lesson(
        at,
        vote_targets(crowd, training.votes, settings.pseudo_votes),
        vote_targets(label, training.votes, settings.pseudo_votes),
        learning.copies,
    )
    replay = meets.replay.lesson(*meets.answers(meets.replay.first, current))
    farthest = learn_cached(current, meets.calibrations, lesson, replay, learning, CPU)
    found, share = as_far_as(
        current,
        farthest,
        lambda members: base_holds(_compared(meets.guard, current, members, meets), GUARD),
        STEPS_BACK if len(meets.guard) else STEPS_BACK[:1],
    )
    candidate = tuple(found)
    held = asked.at(holdout.places)
    on_holdout = _paired(held, holdout, current, candidate, meets)
    failed = _failed(judge(PairedResults(on_holdout, None), settings.policy), _HOLDOUT_CHECKS)
    if not failed:
        base = meets.gate_base
        on_base = _compared(base, current, candidate, meets)
        first = None if lineage is None else replace(on_base, before=lineage.base)
        failed = _failed(judge(PairedResults(on_holdout, on_base, first), settings.policy))
    served = current if failed else candidate
    places = frozenset(at.tolist())
    return Learnt(served, candidate, not failed, failed, share, places, len(holdout))


def retrained_without_base(
    meets: World, pieces: Sequence[Piece], settings: Settings, seed: int, read: Array
) -> Learnt:
    """As `retrained` where no base is configured: distilled, and always refused."""
    training, holdout = divided(pieces, weights_of(pieces, read, settings))
    faces = meets.spoken_of.asked.at(training.places)
    crowd, label = (
        torch.from_numpy(vote_targets(said, training.votes, settings.pseudo_votes)).float()
        for said in faces.at_start
    )
    lesson = Lesson(faces.crops, crowd, label)
    learning = replace(settings.learning, seed=seed)
    candidate = tuple(learn(meets.members, meets.calibrations, lesson, None, learning, CPU))
    held = meets.spoken_of.asked.at(holdout.places)
    on_holdout = _paired(held, holdout, meets.members, candidate, meets)
    failed = _failed(judge(PairedResults(on_holdout, None), settings.policy))
    places = frozenset(training.places.tolist())
    return Learnt(meets.members, candidate, False, failed, 1.0, places, len(holdout))


_HOLDOUT_CHECKS: Final = ("enough_holdout_faces", "enough_holdout_people", "better_on_holdout")


def _failed(verdict: Verdict, among: Sequence[str] | None = None) -> tuple[str, ...]:
    return tuple(
        check.name
        for check in verdict.checks
        if not check.passed and (among is None or check.name in among)
    )


def _compared(
    faces: AskedFaces, current: Sequence[Member], candidate: Sequence[Member], meets: World
) -> PairedFaces:
    before, _ = meets.answers(faces, current)
    after, _ = meets.answers(faces, candidate)
    return PairedFaces(faces.said, before, after, np.arange(len(faces)))


def _paired(
    faces: AskedFaces,
    said: Said,
    current: Sequence[Member],
    candidate: Sequence[Member],
    meets: World,
) -> PairedFaces | None:
    if not len(faces):
        return None
    before, _ = meets.answers(faces, current)
    after, _ = meets.answers(faces, candidate)
    return PairedFaces(said.shares, before, after, said.people, said.votes.sum(axis=1))


def figures(said: Array, crowd: Array) -> Line:
    """A version's figures, of what it says, (N, 7), and what people say, shares (N, 7)."""
    return {
        "accuracy": round(float(matches(said, crowd).mean()), 5),
        "log_loss": round(float(log_loss(said, crowd).mean()), 5),
        "calibration_error": round(calibration_error(said, crowd), 5),
    }


@dataclass(frozen=True)
class Job:
    """One run: a retrain, or all nights of one.

    Attributes:
        scenario: Which row of the table.
        population: Which world.
        seed: Of the people and of learning.
        pieces: Of feedback.
        manner: Who is among the people, beside the honest.
        trust: Whether pieces are weighted by trust.
    """

    scenario: str
    population: Name
    seed: int
    pieces: int
    manner: str = "honest"
    trust: bool = True

    @property
    def key(self) -> str:
        """Its name in the lines."""
        trust = "" if self.trust else " without trust"
        return f"{self.scenario} {self.population} {self.manner}{trust} {self.pieces} #{self.seed}"


MANNERS: Final[dict[str, Crowd]] = {
    "honest": Crowd(),
    "careless": Crowd(careless=0.1),
    "trolls": Crowd(trolls=0.2),
    "ring": Crowd(ring=30),
}


def jobs() -> list[Job]:
    """Everything, what matters most first."""
    most = AMOUNTS[-1]
    dark: Name = "dark_and_turned"
    populations: tuple[Name, ...] = (dark, "hard_sad")
    seeds = [(name, seed) for name in populations for seed in SEEDS[name]]
    attacked = [
        Job("attacked", dark, seed, most, manner, trust)
        for seed in SEEDS[dark]
        for trust in (True, False)
        for manner in MANNERS
        if manner != "honest"
    ]
    return [
        *(Job("honest", name, seed, most) for name, seed in seeds),
        Job("nights", dark, SEEDS[dark][0], NIGHTLY * NIGHTS),
        *attacked[:_FIRST],
        *(Job("chance", "nothing_new", seed, _CHANCE_PIECES) for seed in SEEDS["nothing_new"]),
        *attacked[_FIRST:],
        *(Job("without_base", name, SEEDS[name][0], most) for name in populations),
        *(Job("honest", name, seed, few) for few in AMOUNTS[:-1] for name, seed in seeds),
        *(Job("whole_base", name, seed, most) for name, seed in seeds),
    ]


def done(job: Job, sources: Sources, worlds: Callable[[Name], World]) -> Iterator[Line]:
    """The lines of one job, one for each night if it has nights."""
    if job.scenario == "nights":
        yield from _nights(job, worlds(job.population), sources.work)
        return
    meets = worlds(job.population)
    if job.scenario == "chance":
        meets = third(meets, job.seed)
    if job.scenario == "whole_base":  # as a retrain, which need keep no base faces unseen
        meets = replace(meets, gate_base=joined(meets.gate_base, meets.unseen_base))
    started = time.process_time()
    pieces, blends = _spoken(job, meets)
    settings = Settings(trust=TrustPolicy() if job.trust else None)
    if job.scenario == "chance":
        settings = replace(settings, learning=_CHEAP)
    if job.scenario == "without_base":
        learnt = retrained_without_base(meets, pieces, settings, job.seed, blends)
    else:
        learnt = retrained(meets.members, meets, pieces, settings, job.seed, blends)
    line = _line(job, pieces, learnt)
    if job.scenario != "chance" or learnt.passed:  # else the current version serves on
        line |= _compared_unseen(meets, learnt, _on_unseen(meets, meets.members))
    if job == Job("honest", job.population, SEEDS[job.population][0], AMOUNTS[-1]):
        line["written"] = _written(meets, learnt.candidate, sources.work / "versions")
    yield line | {"cpu_seconds": round(time.process_time() - started, 1)}


def _written(meets: World, candidate: Sequence[Member], folder: Path) -> Line:
    """The candidate as a version on disk, asked by the engine, beside what was reckoned."""
    metadata = VersionMetadata(meets.calibrations, datetime.now(UTC))
    version = write_version(folder, list(candidate), metadata)
    with closing(Engine.load(version.path, "cpu")) as engine:
        found: Line = {"runtime": engine.runtime}
        for name in _UNSEEN:
            faces: AskedFaces = getattr(meets, name)
            logits = engine_logits(engine, faces.crops[:, 0].numpy())
            served = blended(logits.crowd, meets.calibrations.crowd)
            reckoned, _ = meets.answers(faces, candidate)
            found[name] = {
                "served": figures(faces.said, served),
                "reckoned": figures(faces.said, reckoned),
                "other_emotion": int((served.argmax(axis=1) != reckoned.argmax(axis=1)).sum()),
                "share_differs_mean": round(float(np.abs(served - reckoned).mean()), 5),
                "share_differs_most": round(float(np.abs(served - reckoned).max()), 5),
            }
    return found


def _spoken(job: Job, meets: World) -> tuple[list[Piece], Array]:
    asked = meets.spoken_of.asked
    blends, _ = asked.at_start
    crowd = replace(MANNERS[job.manner], habits=HABITS[job.population])
    random = np.random.default_rng(job.seed)
    return people.feedback(asked.votes, blends, job.pieces, crowd, random), blends


def _line(job: Job, pieces: Sequence[Piece], learnt: Learnt) -> Line:
    return asdict(job) | {
        "said": len(pieces),
        "people": len({piece.person for piece in pieces}),
        "confirmations": sum(piece.confirms for piece in pieces),
        "manners": dict(Counter(piece.manner for piece in pieces)),
        "learnt_from": len(learnt.places),
        "held_out": learnt.held_out,
        "share": learnt.share,
        "passed": learnt.passed,
        "failed": list(learnt.failed),
    }


def _on_unseen(meets: World, members: Sequence[Member]) -> dict[str, Array]:
    """What a version says of faces that nobody chose by."""
    return {name: meets.answers(getattr(meets, name), members)[0] for name in _UNSEEN}


def _compared_unseen(meets: World, learnt: Learnt, serving: dict[str, Array]) -> Line:
    """The version at the start, the candidate, and what serves: the candidate or `serving`.

    `serving` is brought up to date.
    """
    found: Line = {}
    start, candidate = _on_unseen(meets, meets.members), _on_unseen(meets, learnt.candidate)
    if learnt.passed:
        serving |= candidate
    for name in _UNSEEN:
        said = getattr(meets, name).said
        lost = matches(said, start[name]).astype(float) - matches(said, serving[name])
        found[name] = {
            "faces": len(said),
            "current": figures(said, start[name]),
            "candidate": figures(said, candidate[name]),
            "served": figures(said, serving[name]),
            "lost": {"mean": float(lost.mean()), "deviation": float(lost.std(ddof=1))},
        }
    return found


def _nights(job: Job, meets: World, work: Path) -> Iterator[Line]:
    """Every night learns from all that was said by then, from what serves after the last one."""
    pieces, blends = _spoken(job, meets)
    places = sorted({piece.face for piece in pieces})
    pieces = [replace(piece, face=places.index(piece.face)) for piece in pieces]
    tonight = cut_down(meets, np.array(places), _NIGHTLY_REPLAY, _NIGHTLY_GUARD)
    first = Lineage(frozenset(), tonight.spoken_of.asked.at_start, tonight.gate_base.at_start[0])
    lineage: Lineage | None = None
    kept = work / f"nights-{job.pieces}-{job.seed}.pt"
    last = 0
    if kept.is_file():
        state = torch.load(kept, weights_only=True)
        last = int(state["night"])
        pairs = zip(meets.members, state["members"], strict=False)  # none until the first promotion
        if found := tuple(_with_state(member, its) for member, its in pairs):
            tonight = starting_with(tonight, found)
            lineage = replace(first, learnt=frozenset(state["learnt"]))
    serving = _on_unseen(meets, tonight.members if last else meets.members)
    said: list[Piece] = []
    for night, portion in enumerate(people.by_night(pieces, NIGHTS), start=1):
        said += portion
        if night <= last:
            continue
        started = time.process_time()
        seed = 1000 * job.seed + night
        read = blends[places]
        learnt = retrained(tonight.members, tonight, said, Settings(), seed, read, lineage)
        line = _line(job, said, learnt) | _compared_unseen(meets, learnt, serving)
        if learnt.passed:
            tonight = starting_with(tonight, learnt.served)
            before = lineage.learnt if lineage else frozenset()
            lineage = replace(first, learnt=learnt.places | before)
        promoted = () if tonight.members is meets.members else tonight.members
        members = [member.network.state_dict() for member in promoted]
        known = sorted(lineage.learnt) if lineage else []
        state = {"night": night, "members": members, "learnt": known}
        work.mkdir(parents=True, exist_ok=True)
        torch.save(state, kept.with_suffix(".partial"))
        kept.with_suffix(".partial").rename(kept)
        yield line | {"night": night, "cpu_seconds": round(time.process_time() - started, 1)}


def _with_state(member: Member, state: dict[str, Any]) -> Member:
    network = type(member.network)(member.network.architecture, stem=member.network.stem)
    network.load_state_dict(state)
    return Member(network.eval(), member.side)


def finished(path: Path) -> list[Line]:
    """The lines so far; one that a stop cut short is left out."""
    if not path.is_file():
        return []
    lines = []
    for text in path.read_text(encoding="utf-8").splitlines():
        try:
            lines.append(json.loads(text))
        except ValueError:
            continue
    return lines


def key_of(line: Line) -> str:
    """The key of the job that a line is of."""
    return Job(**{name: line[name] for name in Job.__dataclass_fields__}).key


def left(path: Path) -> list[Job]:
    """The jobs that are not finished."""
    nights = Counter(key_of(line) for line in finished(path) if "night" in line)
    over = {key_of(line) for line in finished(path) if "night" not in line}
    over |= {key for key, count in nights.items() if count >= NIGHTS}
    return [job for job in jobs() if job.key not in over]


@contextmanager
def claimed(job: Job, work: Path) -> Iterator[bool]:
    """Whether this process has the job for itself; a process that dies lets go of it."""
    folder = work / "claims"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / job.key).open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            yield False
        else:
            yield True


def main(
    split: Annotated[Path, typer.Option(help="Folder that `prepare` wrote.")] = Path(
        "datasets/fer2013"
    ),
    without: Annotated[Path, typer.Option(help="What benchmarks.populations wrote.")] = Path(
        "runs/without-hard-sad"
    ),
    without_version: Annotated[
        Path, typer.Option(help="Folder of the version that was trained on it.")
    ] = Path("runs/without-version"),
    work: Annotated[Path, typer.Option(help="Folder for activations and lines.")] = Path(
        "runs/learning"
    ),
    scenario: Annotated[str | None, typer.Option(help="Only this one.")] = None,
    summary: Annotated[bool, typer.Option(help="Only the table of what is finished.")] = False,
) -> None:
    """Run what is left to run, a line of JSON each; then write the results.

    Start it once per core: processes share the work.
    """
    from benchmarks.learning_report import write_results

    torch.set_num_threads(1)  # a process per core shares the work better than threads do
    sources = Sources(split, without, _version_in(without_version), work)
    work.mkdir(parents=True, exist_ok=True)
    path = work / "lines.jsonl"
    kept: dict[Name, World] = {}

    def worlds(name: Name) -> World:
        if name not in kept:
            kept.clear()  # one at a time: gigabytes
            kept[name] = world(name, sources)
        return kept[name]

    for job in [] if summary else left(path):
        if scenario not in (None, job.scenario):
            continue
        with claimed(job, work) as mine:
            if not mine or job not in left(path):
                continue
            for line in done(job, sources, worlds):
                with path.open("a", encoding="utf-8") as out:
                    out.write(json.dumps(line) + "\n")
                typer.echo(f"{job.key}: {'passed' if line['passed'] else line['failed']}")
    write_results(finished(path))


def _version_in(folder: Path) -> Path:
    return next(path.parent for path in sorted(folder.glob("*/version.json")))


if __name__ == "__main__":
    typer.run(main)
