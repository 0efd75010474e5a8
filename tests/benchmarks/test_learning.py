"""`benchmarks.learning`, on generated faces and random networks."""

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from benchmarks import learning, people
from benchmarks.learning import (
    Job,
    Learnt,
    Lineage,
    Settings,
    claimed,
    divided,
    done,
    finished,
    jobs,
    key_of,
    left,
    retrained,
    weights_of,
)
from benchmarks.learning_report import draw, face_bound, loss_bound, summary
from benchmarks.learning_worlds import (
    CPU,
    AskedFaces,
    ReplayedFaces,
    Sources,
    SpokenOfFaces,
    World,
    dark_and_turned,
    third,
)
from benchmarks.people import FIRST_DAY, Piece
from fer_model.blend import Calibration, Calibrations
from fer_model.emotions import EMOTIONS
from fer_model.versions import Member
from tests.train_cli.generated import face_set
from tests.versions import random_network
from train_cli.gate import GatePolicy
from train_cli.learning import CachedFaces, LearningSettings, LowerLayers, upper_answers

SIDE = 32
SOFT = Calibrations(Calibration((8.0,), (1.0,)), Calibration((8.0,), (1.0,)))
BRIEF = LearningSettings(passes=1, least_steps=2, copies=2, batch_size=8)
ANYTHING = GatePolicy(
    holdout_faces=1,
    holdout_people=1,
    level=1,
    base_faces=1,
    accuracy_margin=9,
    loss_margin=99,
    rare_share=0,
    calibration_margin=9,
    first_accuracy_margin=9,
    first_loss_margin=99,
)
NOTHING = GatePolicy(holdout_faces=9999)


@pytest.fixture(scope="module")
def tiny() -> World:
    members = (Member(random_network("resnet50"), SIDE),)
    lower = LowerLayers(members, CPU)

    def asked(first: int) -> AskedFaces:
        faces = face_set(4, first)
        views = (lower.of_faces(faces.crops), lower.of_faces(faces.crops, mirrored=True))
        answers = upper_answers(members, SOFT, views, CPU)
        votes = faces.votes.numpy()[:, :7].astype(np.float64)
        return AskedFaces(votes, faces.crops, views, answers)

    def copies(first: int) -> tuple[Tensor, ...]:
        random = torch.Generator().manual_seed(0)
        seen = lower.of_copies(face_set(4, first).crops, 2, BRIEF.augmentation, random)
        return tuple(one.view(2, -1, *one.shape[1:]) for one in seen)

    replayed = asked(100)
    known = torch.from_numpy(replayed.said.astype(np.float32)).repeat(2, 1)
    replay = ReplayedFaces(
        CachedFaces(tuple(one.flatten(0, 1) for one in copies(100)), known, known),
        replace(replayed, views=replayed.views[:1]),
    )
    return World(
        "dark_and_turned",
        members,
        SOFT,
        SpokenOfFaces(asked(0), copies(0)),
        replay,
        asked(500),
        asked(200),
        asked(300),
        asked(400),
    )


@pytest.fixture
def brief(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        learning, "Settings", lambda **given: Settings(BRIEF, policy=ANYTHING, **given)
    )


def piece(person: int, face: int, emotion: str = "sad", minutes: int = 0) -> Piece:
    at = FIRST_DAY + timedelta(minutes=minutes)
    return Piece(person, face, False, EMOTIONS.index(emotion), at, "honest")


def some_pieces(meets: World, seed: int = 0) -> list[Piece]:
    asked = meets.spoken_of.asked
    random = np.random.default_rng(seed)
    return people.feedback(asked.votes, asked.at_start[0], 20, people.Crowd(), random)


def test_what_is_learnt_from_and_what_is_held_out_share_no_face_and_nobody() -> None:
    said = [piece(p, face) for face in range(60) for p in (face % 20 + 1, (face * 7) % 20 + 1)]
    training, holdout = divided(said, np.ones(len(said)))
    assert len(training) > 0
    assert len(holdout) > 0
    assert not set(training.places.tolist()) & set(holdout.places.tolist())
    assert not set(training.people.tolist()) & set(holdout.people.tolist())


def test_pieces_that_weigh_nothing_are_in_neither_part() -> None:
    training, holdout = divided([piece(1, 0), piece(2, 1)], np.zeros(2))
    assert len(training) == len(holdout) == 0


def test_trust_can_only_take_weight_away_and_confirmations_count_twice(tiny: World) -> None:
    said = some_pieces(tiny)
    blends = tiny.spoken_of.asked.at_start[0]
    alike = weights_of(said, blends, Settings(trust=None))
    assert alike.tolist() == [2.0 if one.confirms else 1.0 for one in said]
    trusted = weights_of(said, blends, Settings())
    assert ((trusted >= 0) & (trusted <= alike)).all()


def test_refused_candidate_leaves_the_current_version_serving(tiny: World) -> None:
    said = some_pieces(tiny)
    learnt = retrained(
        tiny.members, tiny, said, Settings(BRIEF, NOTHING), 0, tiny.spoken_of.asked.at_start[0]
    )
    assert not learnt.passed
    assert "enough_holdout_faces" in learnt.failed
    assert learnt.served is tiny.members
    assert learnt.candidate is not tiny.members


def test_passed_candidate_serves_and_the_same_seed_gives_the_same_one(tiny: World) -> None:
    settings = Settings(BRIEF, replace(ANYTHING, level=2), trust=None)
    said = some_pieces(tiny)

    def answers() -> np.ndarray:
        learnt = retrained(tiny.members, tiny, said, settings, 3, tiny.spoken_of.asked.at_start[0])
        return tiny.answers(tiny.unseen, learnt.candidate)[0]

    assert np.array_equal(answers(), answers())


def test_later_retrain_starts_from_what_the_first_version_said_and_is_held_to_it(
    tiny: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    priors: list[np.ndarray] = []
    targets = learning.vote_targets

    def noted(blends: np.ndarray, *others: Any) -> np.ndarray:
        priors.append(blends)
        return targets(blends, *others)

    asked = tiny.spoken_of.asked
    first = np.roll(asked.at_start[0], 1, axis=1)
    said = some_pieces(tiny)
    monkeypatch.setattr(learning, "vote_targets", noted)
    monkeypatch.setattr(learning, "_HOLDOUT_CHECKS", ())
    policy = replace(ANYTHING, level=2, first_accuracy_margin=-2)
    settings = Settings(BRIEF, policy, trust=None)

    def found(lineage: Lineage | None) -> Learnt:
        priors.clear()
        return retrained(tiny.members, tiny, said, settings, 0, asked.at_start[0], lineage)

    earlier = found(None)
    places = sorted(earlier.places)
    assert np.allclose(priors[0], asked.at_start[0][places])
    lineage = Lineage(frozenset(places[:1]), (first, first), tiny.gate_base.at_start[0])
    later = found(lineage)
    assert np.allclose(priors[0][0], first[places[0]])
    assert np.allclose(priors[0][1:], asked.at_start[0][places[1:]])
    assert set(later.failed) - set(earlier.failed) == {"base_accuracy_holds_since_first"}


def test_version_at_the_start_is_not_asked_twice(tiny: World) -> None:
    assert tiny.answers(tiny.unseen, tiny.members) is tiny.unseen.at_start


def test_thirds_of_a_world_of_nothing_new_share_no_face(tiny: World) -> None:
    whole = replace(tiny, name="nothing_new", unseen=tiny.spoken_of.asked)
    one, other = third(whole, 1), third(whole, 2)
    counts = [len(one.spoken_of.asked), len(one.gate_base), len(one.unseen)]
    assert sum(counts) == len(whole.unseen)
    rows = np.concatenate(
        [faces.at_start[0] for faces in (one.spoken_of.asked, one.gate_base, one.unseen)]
    )
    assert len(np.unique(rows, axis=0)) == len(np.unique(whole.unseen.at_start[0], axis=0))
    assert not np.array_equal(one.unseen.at_start[0], other.unseen.at_start[0])


def test_dark_and_turned_faces_are_new_ones_and_always_the_same() -> None:
    crops = face_set(1).crops
    changed = dark_and_turned(crops, 1)
    assert changed.shape == crops.shape
    assert changed.dtype == torch.uint8
    assert not torch.equal(changed, crops)
    assert torch.equal(changed, dark_and_turned(crops, 1))
    assert not torch.equal(changed, dark_and_turned(crops, 2))


def lines_of(job: Job, meets: World, work: Path) -> list[dict[str, Any]]:
    return list(done(job, Sources(work, work, work, work), lambda _name: meets))


@pytest.mark.usefixtures("brief")
def test_line_says_what_serves_after_the_gate(tiny: World, tmp_path: Path) -> None:
    (line,) = lines_of(Job("honest", "dark_and_turned", 0, 20), tiny, tmp_path)
    for name in ("unseen", "unseen_base"):
        chosen = "candidate" if line["passed"] else "current"
        assert line[name]["served"] == line[name][chosen]
    assert json.loads(json.dumps(line)) == line


@pytest.mark.usefixtures("brief")
def test_without_base_faces_nothing_is_served(tiny: World, tmp_path: Path) -> None:
    (line,) = lines_of(Job("without_base", "dark_and_turned", 0, 20), tiny, tmp_path)
    assert "enough_base_faces" in line["failed"]
    assert line["unseen"]["served"] == line["unseen"]["current"]
    assert line["unseen"]["candidate"] != line["unseen"]["current"]


@pytest.mark.usefixtures("brief")
def test_gate_of_the_whole_base_compares_all_its_faces(
    tiny: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    met: list[World] = []

    def spied(current: tuple[Member, ...], meets: World, *others: Any) -> Learnt:
        met.append(meets)
        return retrained(current, meets, *others)

    monkeypatch.setattr(learning, "retrained", spied)
    (line,) = lines_of(Job("whole_base", "dark_and_turned", 0, 20), tiny, tmp_path)
    asked = met[0].gate_base
    parts = tiny.gate_base, tiny.unseen_base
    assert np.array_equal(asked.votes, np.concatenate([part.votes for part in parts]))
    assert torch.equal(asked.crops, torch.cat([part.crops for part in parts]))
    again = upper_answers(tiny.members, SOFT, asked.views, CPU)
    assert np.allclose(again, asked.at_start, atol=1e-6)
    (row,) = summary([line])["whole_base"]
    assert (row["seeds"], row["accepted"]) == (1, int(line["passed"]))


@pytest.mark.usefixtures("brief")
def test_written_version_answers_nearly_as_was_reckoned(
    tiny: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(learning, "AMOUNTS", (20,))
    (line,) = lines_of(Job("honest", "dark_and_turned", 10, 20), tiny, tmp_path)
    for name in ("unseen", "unseen_base"):
        assert line["written"][name]["share_differs_most"] < 0.05
    assert summary([line])["written"]["dark_and_turned"] == line["written"]


@pytest.mark.usefixtures("brief")
def test_nights_go_on_where_they_stopped(
    tiny: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(learning, "NIGHTS", 3)
    monkeypatch.setattr(learning, "_NIGHTLY_GUARD", 28)
    job = Job("nights", "dark_and_turned", 0, 20)
    whole = lines_of(job, tiny, tmp_path / "whole")
    assert [line["night"] for line in whole] == [1, 2, 3]
    cut = done(job, Sources(*[tmp_path / "cut"] * 4), lambda _name: tiny)
    first = next(cut)
    del cut
    rest = lines_of(job, tiny, tmp_path / "cut")
    for line in (*whole, first, *rest):
        line.pop("cpu_seconds")
    assert [first, *rest] == whole


def test_every_job_is_left_until_its_line_is_there(tmp_path: Path) -> None:
    path = tmp_path / "lines.jsonl"
    assert left(path) == jobs()
    assert len({job.key for job in jobs()}) == len(jobs())
    first = jobs()[0]
    line = {name: getattr(first, name) for name in Job.__dataclass_fields__}
    path.write_text(json.dumps(line) + '\n{"scenario": "hon', encoding="utf-8")
    assert len(finished(path)) == 1
    assert key_of(finished(path)[0]) == first.key
    assert left(path) == jobs()[1:]


def test_job_belongs_to_one_process_until_it_lets_go(tmp_path: Path) -> None:
    job = jobs()[0]
    with claimed(job, tmp_path) as mine, claimed(job, tmp_path) as other:
        assert mine
        assert not other
    with claimed(job, tmp_path) as mine:
        assert mine


def line(scenario: str, seed: int, served: float, base: float, **more: object) -> dict[str, object]:
    """A line of a version that was at 60 and 85 %, and what serves now."""
    candidate = {"accuracy": served, "log_loss": 1.0, "calibration_error": 0.02}
    after = {"accuracy": base, "log_loss": 0.8, "calibration_error": 0.02}
    job = Job(scenario, "dark_and_turned", seed, 2000)
    return {
        **{name: getattr(job, name) for name in Job.__dataclass_fields__},
        "passed": True,
        "failed": [],
        "said": 2000,
        "cpu_seconds": 1.0,
        "unseen": {
            "faces": 100,
            "current": candidate | {"accuracy": 0.6},
            "candidate": candidate,
            "served": candidate,
        },
        "unseen_base": {
            "faces": 400,
            "current": after | {"accuracy": 0.85},
            "candidate": after,
            "served": after,
            "lost": {"mean": 0.01, "deviation": 0.2},
        },
        **more,
    }


def test_bounds_are_students_over_seeds_and_normal_over_faces() -> None:
    assert loss_bound([0.1, 0.3]) == pytest.approx(0.2 + 6.314 * 0.1)
    assert loss_bound([0.1]) is None
    assert face_bound(line("honest", 0, 0.7, 0.84)) == pytest.approx(1 + 1.6449)


def test_summary_says_gain_and_loss_in_points_of_what_is_served() -> None:
    found = summary([line("honest", seed, 0.66 + seed / 100, 0.848) for seed in range(2)])
    (row,) = found["honest"]
    assert row["gain_points"] == pytest.approx(6.5)
    assert row["base_loss_points"] == pytest.approx(0.2)
    assert row["accepted"] == row["seeds"] == 2
    assert found["chance"] is None


def test_attacked_runs_are_compared_with_the_honest_run_of_their_seed() -> None:
    attacked = line("attacked", 1, 0.64, 0.85, manner="trolls")
    found = summary(
        [
            line("honest", 0, 0.9, 0.85),
            line("honest", 1, 0.66, 0.85),
            attacked,
            attacked | {"seed": 7},
        ]
    )
    (row,) = found["attacked"]
    assert row["seeds"] == 1
    assert row["behind_honest_points"] == pytest.approx(2.0)


def test_promotions_by_chance_count_only_where_something_got_worse() -> None:
    worse = line("chance", 0, 0.59, 0.85)
    better = line("chance", 1, 0.61, 0.85)
    refused = {k: v for k, v in line("chance", 2, 0.5, 0.8).items() if not k.startswith("unseen")}
    found = summary([worse, better, refused | {"passed": False}])["chance"]
    assert (found["runs"], found["promoted"]) == (3, 2)
    assert found["promoted_and_worse_by_accuracy"] == 1


def test_picture_is_drawn(tmp_path: Path) -> None:
    night = line("nights", 0, 0.66, 0.85, night=1)
    draw(summary([line("honest", 0, 0.7, 0.85), night]), tmp_path / "learning.png")
    assert (tmp_path / "learning.png").stat().st_size > 1000
