"""`python -m benchmarks.asking`: what a question of two is worth, asked well or asked at random.

Simulated people answer about real validation faces, each as one of the ten whom FER+ asked. First,
what the answer does to the face itself: its blend with that vote, judged by the nine others. Then
what it does to a version that learns from the answers, on other faces of a population that it reads
badly. Criteria are cut off on one half of the faces and judged on the other. Lower layers are kept
in `--cache`, so that an interrupted run goes on; docs/asking.md tells what came out.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Final

import numpy as np
import torch
import typer
from numpy.typing import NDArray

from benchmarks import corruptions, record
from fer_model.blend import blended, differing, disagreement
from fer_model.emotions import EMOTION_COUNT, EMOTIONS
from fer_model.engine import Engine
from fer_model.versions import ModelVersion, load_members, read_version, shipped_version
from store.asking import POLICY, between, is_doubtful, lead
from train_cli.learning import (
    CachedFaces,
    LearningSettings,
    LowerLayers,
    learn_cached,
    upper_answers,
)
from train_cli.splits import FaceSet, load_split
from train_cli.votes import VOTE_COLUMNS
from train_cli.voting import vote_targets

Array = NDArray[np.float64]
Places = NDArray[np.int64]

BUDGETS: Final = (0.05, 0.1, 0.2)
"""Shares of the readings that are asked about."""

INSISTING: Final = (1.0, 0.5, 0.0)
"""How many of those who would name a third emotion say "neither" and name it; the others take one
of the two, either as often."""

USUAL: Final = 0.5

BLEND_VOTES: Final = 3.0
"""How many people a blend counts as beside an answer. More than a retrain takes it for
(`train_cli.voting.PSEUDO_VOTES`): there the many faces steady the few votes on each."""

RESAMPLES: Final = 2000

GAMMA: Final = 3.0
DEGREES: Final = 30.0
"""The population that is read badly: darkened, and turned to either side."""

REPLAYED: Final = 1500
"""Training faces on which the version is asked to answer as before."""


@dataclass(frozen=True)
class Asked:
    """Faces as the bot sees them, and what ten people said.

    Attributes:
        crowd: (N, 7), the blends.
        label: (N, 7), likewise.
        apart: (N,), how far the members are from each other.
        differing: Per face what each member would say, where they differ.
        votes: (N, 10), in the order of `VOTE_COLUMNS`; at least two of the seven in every row.
        between: (N, 2), places of the two emotions that the bot would ask about.
    """

    crowd: Array
    label: Array
    apart: Array
    differing: tuple[tuple[str, ...], ...]
    votes: Array
    between: Places

    def __len__(self) -> int:
        return len(self.crowd)


@dataclass(frozen=True)
class Worth:
    """What an answer is expected to change per face, over who is asked; each (N,).

    Attributes:
        accuracy: Of the leading emotion, as the most named one of the nine others; ties shared.
        agreement: Share of the nine others who name the leading emotion.
        log_loss: Fall of the log-loss against the nine others, nats.
        answered: Chance that one of the seven is named.
        in_pair: Chance that whoever is asked had one of the two in mind.
    """

    accuracy: Array
    agreement: Array
    log_loss: Array
    answered: Array
    in_pair: Array


SHIPPED: Final = "readers differ, then smallest lead"
"""The policy's criterion."""

Criterion = Callable[[Asked], Array]
"""How much each face (N,) is worth a question: the largest are asked about."""


def leads(faces: Asked) -> Array:
    """How far ahead each leading emotion is."""
    return np.array([lead(row) for row in faces.crowd])


def entropies(faces: Asked) -> Array:
    """Entropy of the blends, nats."""
    return np.asarray(-(faces.crowd * np.log(np.maximum(faces.crowd, 1e-12))).sum(1))


CRITERIA: Final[Mapping[str, Criterion]] = {
    SHIPPED: lambda faces: np.array([bool(told) for told in faces.differing]) - leads(faces),
    "smallest lead": lambda faces: -leads(faces),
    "entropy": entropies,
    "readers apart": lambda faces: faces.apart,
}


def worth(faces: Asked, insisting: float = USUAL) -> Worth:
    """What asking about each face is worth, exactly: over all ten whom one could have asked."""
    count, rows = len(faces), np.arange(len(faces))
    sums = {name: np.zeros(count) for name in (field.name for field in fields(Worth))}
    before = faces.crowd.argmax(1)
    for column in range(len(VOTE_COLUMNS)):
        chance = faces.votes[:, column] / faces.votes.sum(1)
        others = faces.votes[:, :EMOTION_COUNT].copy()
        if column < EMOTION_COUNT:
            others[:, column] = np.maximum(others[:, column] - 1, 0)
        shares = others / others.sum(1, keepdims=True)
        inside = (faces.between == column).any(1)
        sums["in_pair"] += chance * inside
        own = column if column < EMOTION_COUNT else -1
        answers = [(np.full(count, own), np.where(inside, 1.0, insisting))]
        answers += [
            (faces.between[:, place], np.where(inside, 0.0, (1 - insisting) / 2))
            for place in (0, 1)
        ]
        for answer, likely in answers:
            weight = chance * likely
            after = with_vote(faces.crowd, answer)
            best = after.argmax(1)
            gained = _credit(best, others) - _credit(before, others)
            sums["accuracy"] += weight * gained
            sums["agreement"] += weight * (shares[rows, best] - shares[rows, before])
            fall = (shares * (_log(after) - _log(faces.crowd))).sum(1)
            sums["log_loss"] += weight * fall
            sums["answered"] += weight * (answer >= 0)
    return Worth(**sums)


def with_vote(blends: Array, answers: Places) -> Array:
    """The blends (N, 7) with one person's vote on each; an answer of -1 is no vote."""
    votes = np.zeros_like(blends)
    given = answers >= 0
    votes[given, answers[given]] = 1
    return vote_targets(blends, votes, BLEND_VOTES)


def drawn_answers(faces: Asked, insisting: float, random: np.random.Generator) -> Places:
    """One person's answer per face (N,): a place in `EMOTIONS`, -1 where they named none."""
    shares = faces.votes / faces.votes.sum(1, keepdims=True)
    drawn = (random.random((len(faces), 1)) > shares.cumsum(1)).sum(1)
    inside = (faces.between == drawn[:, None]).any(1)
    yields = ~inside & (random.random(len(faces)) >= insisting)
    either = faces.between[np.arange(len(faces)), random.integers(0, 2, len(faces))]
    named = np.where(drawn < EMOTION_COUNT, drawn, -1)
    return np.where(yields, either, named)


def halves(count: int) -> tuple[Places, Places]:
    """Places of the faces to choose on, and of those to judge on."""
    order = np.random.default_rng(0).permutation(count)
    return np.sort(order[: count // 2]), np.sort(order[count // 2 :])


def part_of(faces: Asked, places: Places) -> Asked:
    """The faces at `places`."""
    return Asked(
        faces.crowd[places],
        faces.label[places],
        faces.apart[places],
        tuple(faces.differing[place] for place in places),
        faces.votes[places],
        faces.between[places],
    )


def asked_faces(version: ModelVersion, crops: NDArray[np.uint8], votes: Array) -> Asked:
    """Faces, grey (N, S, S), as the version sees them through the engine that serves it."""
    engine = Engine(version, load_members(version), "cpu")
    logits = engine.logits(crops)
    engine.close()
    calibrations = version.metadata.calibrations
    crowd = blended(logits.crowd, calibrations.crowd)
    told = tuple(differing(logits.crowd, calibrations))
    pairs = [between(row.tolist(), names) for row, names in zip(crowd, told, strict=True)]
    return Asked(
        crowd=crowd,
        label=blended(logits.label, calibrations.label),
        apart=disagreement(logits.crowd, calibrations.crowd),
        differing=told,
        votes=votes,
        between=np.array([[EMOTIONS.index(name) for name in pair] for pair in pairs]),
    )


def at_once(faces: Asked, insisting: float = USUAL) -> dict[str, Any]:
    """What questions are worth to the faces themselves, per criterion and budget."""
    choose, judge = (part_of(faces, places) for places in halves(len(faces)))
    measured, chosen_by = worth(judge, insisting), worth(choose, insisting)
    random = np.random.default_rng(1)
    draws = random.integers(0, len(judge), (RESAMPLES, len(judge)))
    table: dict[str, Any] = {"random": _mean(measured, np.ones(len(judge), bool))}
    for name, criterion in CRITERIA.items():
        limits = np.quantile(criterion(choose), [1 - budget for budget in BUDGETS])
        table[name] = {
            f"{budget:.0%}": {
                "on_the_half_to_choose_on": _mean(chosen_by, criterion(choose) >= limit),
                **_row(measured, criterion(judge) >= limit, draws, float(limit)),
            }
            for budget, limit in zip(BUDGETS, limits, strict=True)
        }
    doubtful = [
        is_doubtful(row.tolist(), told)
        for row, told in zip(judge.crowd, judge.differing, strict=True)
    ]
    table["as shipped"] = _row(measured, np.array(doubtful), draws, POLICY.closest)
    return table


def _row(measured: Worth, chosen: NDArray[np.bool_], draws: Places, limit: float) -> dict[str, Any]:
    """Means over the chosen faces, and bootstrap intervals of what they are above random ones."""
    row: dict[str, Any] = {"limit": round(limit, 4), "asked": round(float(chosen.mean()), 4)}
    row |= _mean(measured, chosen)
    for name in ("accuracy", "agreement", "log_loss"):
        values = getattr(measured, name)
        drawn, kept = values[draws], chosen[draws]
        above = (drawn * kept).sum(1) / kept.sum(1) - drawn.mean(1)
        row[f"{name}_above_random"] = [
            round(float(q), 4) for q in np.quantile(above, (0.025, 0.975))
        ]
    return row


def _mean(measured: Worth, chosen: NDArray[np.bool_]) -> dict[str, float]:
    return {
        field.name: round(float(getattr(measured, field.name)[chosen].mean()), 4)
        for field in fields(Worth)
    }


def _credit(said: Places, votes: Array) -> Array:
    """1 where `said` (N,) is what most of `votes` (N, 7) name, its share of a tie, else 0."""
    most = votes == votes.max(1, keepdims=True)
    return np.asarray(most[np.arange(len(said)), said] / most.sum(1))


def _log(shares: Array) -> Array:
    return np.asarray(np.log(np.maximum(shares, 1e-12)))


# After learning


@dataclass(frozen=True)
class Schooling:
    """What learning from answers needs, seen by the lower layers once.

    Attributes:
        version: The one that learns.
        faces: The whole population.
        copies: Of the population's faces, augmented; a tuple per copy, a tensor per member.
        views: Of the population's faces, plain and mirrored, to be judged by.
        kept: Training faces and what the version says of them.
    """

    version: ModelVersion
    faces: Asked
    copies: tuple[tuple[torch.Tensor, ...], ...]
    views: tuple[tuple[torch.Tensor, ...], ...]
    kept: CachedFaces


def after_learning(school: Schooling, questions: int, seed: int) -> dict[str, Any]:
    """Crowd accuracy and log-loss on unseen faces after learning from so many answers.

    Two thirds of the population, others per seed, may be asked about; the rest judges.
    """
    random = np.random.default_rng(100 + seed)
    order = random.permutation(len(school.faces))
    pool, unseen = order[: len(order) * 2 // 3], order[len(order) * 2 // 3 :]
    answers = drawn_answers(school.faces, USUAL, random)
    by_worth = np.argsort(-CRITERIA[SHIPPED](part_of(school.faces, pool)), kind="stable")
    chosen = {
        "random": random.permutation(pool)[:questions],
        SHIPPED: pool[by_worth[:questions]],
    }
    row: dict[str, Any] = {"seed": seed, "unseen": len(unseen)}
    row["before"] = _judged(school, None, unseen)
    for name, places in chosen.items():
        row[name] = _judged(school, _taught(school, places, answers[places], seed), unseen)
    return row


def _taught(school: Schooling, places: Places, answers: Places, seed: int) -> list[Any]:
    said = answers >= 0
    places, answers = places[said], answers[said]
    index = torch.from_numpy(places)
    crowd = with_vote(school.faces.crowd[places], answers)
    label = with_vote(school.faces.label[places], answers)
    new = CachedFaces(
        tuple(
            torch.cat([copy[member][index] for copy in school.copies])
            for member in range(len(school.copies[0]))
        ),
        torch.from_numpy(np.tile(crowd, (len(school.copies), 1))).float(),
        torch.from_numpy(np.tile(label, (len(school.copies), 1))).float(),
    )
    calibrations = school.version.metadata.calibrations
    settings = LearningSettings(seed=seed)
    members = load_members(school.version)
    return list(
        learn_cached(members, calibrations, new, school.kept, settings, torch.device("cpu"))
    )


def _judged(school: Schooling, members: list[Any] | None, unseen: Places) -> dict[str, float]:
    index = torch.from_numpy(unseen)
    views = [[member[index] for member in view] for view in school.views]
    crowd, _ = upper_answers(
        members or load_members(school.version),
        school.version.metadata.calibrations,
        views,
        torch.device("cpu"),
    )
    votes = school.faces.votes[unseen, :EMOTION_COUNT]
    shares = votes / votes.sum(1, keepdims=True)
    return {
        "accuracy": round(float(_credit(crowd.argmax(1), votes).mean()), 4),
        "log_loss": round(float(-(shares * _log(crowd)).sum(1).mean()), 4),
    }


def shifted(crops: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Grey faces (N, S, S) darkened and turned to either side, always the same way."""
    sides = np.random.default_rng(2).choice([-DEGREES, DEGREES], len(crops))
    return np.stack(
        [
            corruptions.turned(corruptions.darkened(crop, GAMMA), degrees)
            for crop, degrees in zip(crops, sides, strict=True)
        ]
    )


def _voted(faces: FaceSet) -> tuple[NDArray[np.uint8], Array]:
    """Crops and votes of the faces that at least two people named one of the seven for."""
    votes = faces.votes.numpy().astype(np.float64)
    known = votes[:, :EMOTION_COUNT].sum(1) >= 2
    return faces.crops[:, 0].numpy()[known], votes[known]


def _remembered(path: Path, make: Callable[[], Any]) -> Any:
    if not path.exists():
        part = path.with_suffix(".part")
        torch.save(make(), part)
        part.rename(path)
    return torch.load(path, weights_only=False)


def _school(version: ModelVersion, split: Path, cache: Path) -> Schooling:
    crops, votes = _voted(load_split(split, "validation"))
    dark = shifted(crops)
    faces = _remembered(cache / "dark.pt", lambda: asked_faces(version, dark, votes))
    lower = LowerLayers(load_members(version), torch.device("cpu"))
    pixels = torch.from_numpy(dark)[:, None]
    settings = LearningSettings()

    def copy(seed: int) -> Any:
        draws = torch.Generator().manual_seed(seed)
        return lower.of_copies(pixels, 1, settings.augmentation, draws)

    def kept() -> CachedFaces:
        base = load_split(split, "train", limit=REPLAYED)
        seen = asked_faces(version, base.crops[:, 0].numpy(), np.ones((len(base), 10)))
        draws = torch.Generator().manual_seed(3)
        return CachedFaces(
            lower.of_copies(base.crops, 1, settings.augmentation, draws),
            torch.from_numpy(seen.crowd).float(),
            torch.from_numpy(seen.label).float(),
        )

    return Schooling(
        version,
        faces,
        tuple(_remembered(cache / f"copy{n}.pt", partial(copy, n)) for n in (0, 1)),
        (
            _remembered(cache / "view.pt", lambda: lower.of_faces(pixels)),
            _remembered(cache / "mirror.pt", lambda: lower.of_faces(pixels, mirrored=True)),
        ),
        _remembered(cache / "kept.pt", kept),
    )


def main(
    split: Annotated[Path, typer.Option(help="Folder that `train_cli prepare` wrote.")],
    cache: Annotated[Path, typer.Option(help="Folder for what need not be computed twice.")],
    questions: Annotated[int, typer.Option(help="Answers that are learnt from.")] = 400,
    seeds: Annotated[int, typer.Option(help="Runs of learning; 0 leaves it out.")] = 5,
) -> None:
    """Measure both and write `benchmarks/results/asking.json`."""
    cache.mkdir(parents=True, exist_ok=True)
    version = read_version(shipped_version())
    crops, votes = _voted(load_split(split, "validation"))
    faces = _remembered(cache / "plain.pt", lambda: asked_faces(version, crops, votes))
    figures: dict[str, Any] = {
        "version": version.digest,
        "faces": len(faces),
        "pseudo_votes": BLEND_VOTES,
        "at_once": {f"insisting {share}": at_once(faces, share) for share in INSISTING},
    }
    record.write("asking", figures)
    if seeds:
        school = _school(version, split, cache)
        figures["after_learning"] = {
            "questions": questions,
            "seeds": [
                _remembered(
                    cache / f"learnt-{questions}-{seed}.pt",
                    partial(after_learning, school, questions, seed),
                )
                for seed in range(seeds)
            ],
        }
        record.write("asking", figures)


if __name__ == "__main__":
    typer.run(main)
