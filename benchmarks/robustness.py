"""What photos do to the answers: `python -m benchmarks.robustness`.

    python -m benchmarks.robustness [--split datasets/fer2013] [--version DIR] [--limit 300]
    python -m benchmarks.robustness --contact-sheet var/faces.png

Validation faces, never the test split, under every condition of `benchmarks.conditions`: cut-out
faces directly to the networks, then the same faces pasted into photos that go through the whole
pipeline. Records benchmarks/results/robustness.json, draws docs/pictures/robustness.png and writes
the tables of docs/robustness.md anew. The same arguments give the same figures.

The contact sheet shows training faces above the crops that the pipeline makes of them: FER2013's
faces must not be published, so write it where git looks away.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.conditions import FACE_SIDE, Direct, InPhoto, direct_conditions, photo_conditions
from benchmarks.framing import corner_error
from benchmarks.record import write
from benchmarks.robustness_report import PAGE, PICTURE, picture, updated_page
from benchmarks.scenes import Scene
from fer_model import Engine
from fer_model.alignment import frame_of, lit
from fer_model.blend import Array
from fer_model.readings import Blend, Box, Face, Reading
from train_cli.evaluating import Figures, judge
from train_cli.splits import FaceSet, load_split
from train_cli.votes import emotion_shares

LIMIT = 300
"""Faces per condition: below 10 minutes on two idle cores."""

AT_ONCE = 32
SHEET_FACES = 16
SHEET_SIDE = 96


@dataclass(frozen=True)
class Answer:
    """How right the answers to a set of faces are, and how sure.

    Attributes:
        faces: How many.
        label: Label accuracy, 0 to 1.
        crowd: Crowd majority accuracy, 0 to 1; None where no face has a majority.
        nll: Mean cross-entropy with the shares of votes, nats.
        confidence: Mean share that the blend gives the emotion it names.
        people: Mean share of people who name that emotion: what the confidence ought to be.
        share_gap: Vote-share calibration gap, see `train_cli.evaluating.vote_share_gap`.
    """

    faces: int
    label: float
    crowd: float | None
    nll: float | None
    confidence: float
    people: float | None
    share_gap: float | None


@dataclass(frozen=True)
class Through:
    """What became of faces in photos.

    Attributes:
        photos: How many, one face in each.
        found: Share of the faces that were found.
        false_alarms: Further faces that were found, per photo.
        corner_error: Median distance of a crop's corners from the face's own, px of 48.
        answer: Figures on the faces that were found; None where there are none.
        direct: The same faces, cut-out and clean, read without the pipeline.
        end_to_end_label: Share of all photos whose face was found and its label named.
        end_to_end_crowd: Likewise against the crowd's majority.
    """

    photos: int
    found: float
    false_alarms: float
    corner_error: float | None
    answer: Answer | None
    direct: Answer | None
    end_to_end_label: float
    end_to_end_crowd: float | None


def main(arguments: Sequence[str] | None = None) -> None:
    """Measures, prints and records; or draws the contact sheet."""
    options = _parser().parse_args(arguments)
    faces = load_split(options.split, "validation", options.limit)
    engine = Engine.load(options.version, threads=options.threads)
    if options.threads:
        cv2.setNumThreads(options.threads)
    if options.contact_sheet:
        contact_sheet(engine, faces, options.contact_sheet, options.seed)
        return
    figures = measured(engine, faces, options.seed)
    if options.dry_run:
        return
    figures["limit"] = options.limit
    path = write("robustness", figures)
    PICTURE.write_bytes(picture(figures))
    PAGE.write_text(updated_page(PAGE.read_text(encoding="utf-8"), figures), encoding="utf-8")
    print(f"wrote {path}, {PICTURE} and the tables of {PAGE}")


def measured(engine: Engine, faces: FaceSet, seed: int) -> dict[str, Any]:
    """Every figure as plain values, printed as they come."""
    crops = faces.crops[:, 0].numpy()
    clean = engine.blend(crops)
    direct = []
    for condition in direct_conditions():
        blends = engine.blend(altered(crops, condition, seed))
        answer = answered(blends, faces)
        _say(condition.name, answer)
        direct.append(_named(condition, answer))
    photos = []
    for shown in photo_conditions():
        result = through_pipeline(engine, faces, clean, shown, seed)
        _say_photo(shown.name, result)
        photos.append({"condition": shown.name, **asdict(result)})
    return {
        "version": engine.version.short,
        "split": "validation",
        "faces": len(faces),
        "seed": seed,
        "torch": torch.__version__,
        "direct": direct,
        "photos": photos,
    }


def altered(crops: NDArray[np.uint8], condition: Direct, seed: int) -> NDArray[np.uint8]:
    """Faces (N, 48, 48) under a condition, then relit where the pipeline would relight them."""
    changed = [lit(condition.of(crop, number, seed)) for number, crop in enumerate(crops)]
    return np.stack(changed)


def answered(blends: Sequence[Blend], faces: FaceSet) -> Answer:
    """The figures of blends, in the order of the faces."""
    crowd = np.array([blend.crowd for blend in blends])
    label = np.array([blend.label for blend in blends])
    figures = judge(crowd, label, faces.labels.numpy(), faces.votes.numpy())
    return Answer(
        faces=len(faces),
        label=figures.label.accuracy,
        crowd=figures.crowd.majority_accuracy if figures.crowd else None,
        nll=figures.crowd.nll if figures.crowd else None,
        confidence=float(crowd.max(1).mean()),
        people=_people(crowd, faces),
        share_gap=figures.crowd.share_gap if figures.crowd else None,
    )


def through_pipeline(
    engine: Engine, faces: FaceSet, clean: Sequence[Blend], condition: InPhoto, seed: int
) -> Through:
    """What becomes of the faces in photos of this condition; `clean` are their direct blends."""
    found: list[tuple[int, Face, float]] = []
    others = 0
    for number, scene, reading in _readings(engine, faces, condition, seed):
        face = pasted_face(reading, scene)
        others += len(reading.faces) - (face is not None)
        if face is not None:
            error = corner_error(frame_of(face.landmarks), scene.face)
            found.append((number, face, error))
    places = [number for number, _, _ in found]
    some = faces.subset(places) if places else None
    answer = answered([face.blend for _, face, _ in found], some) if some else None
    return Through(
        photos=len(faces),
        found=len(found) / len(faces),
        false_alarms=others / len(faces),
        corner_error=float(np.median([error for _, _, error in found])) if found else None,
        answer=answer,
        direct=answered([clean[number] for number in places], some) if some else None,
        end_to_end_label=answer.label * len(found) / len(faces) if answer else 0.0,
        end_to_end_crowd=_of_all(answer, some, faces),
    )


def pasted_face(reading: Reading, scene: Scene) -> Face | None:
    """The face of the reading that is the scene's own, if it was found."""
    place = _own_place([face.box for face in reading.faces], scene)
    return None if place is None else reading.faces[place]


def contact_sheet(engine: Engine, faces: FaceSet, out: Path, seed: int) -> None:
    """Training faces in the first row; below, per condition, the crops the pipeline made of them.

    A face that was not found is black. Prints how bright, how contrasty and how sharp the crops
    are beside the faces.
    """
    places = np.linspace(0, len(faces) - 1, min(SHEET_FACES, len(faces))).astype(np.int64)
    shown = faces.subset(places)
    crops = shown.crops[:, 0].numpy()
    rows = [np.hstack([_for_sheet(crop) for crop in crops])]
    print(f"{'training faces':38} {_look(list(crops))}")
    for condition in photo_conditions():
        cut: list[NDArray[np.uint8] | None] = []
        for number, crop in enumerate(crops):
            scene = condition.scene(crop, number, seed)
            cut.append(_crop_of(engine, condition.file(scene), scene))
        rows.append(np.hstack([_for_sheet(crop) for crop in cut]))
        print(f"{condition.name:38} {_look([crop for crop in cut if crop is not None])}")
    out.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(out), np.vstack(rows))
    print(f"{out}: a row of training faces, then a row per line above")


def _readings(
    engine: Engine, faces: FaceSet, condition: InPhoto, seed: int
) -> Iterator[tuple[int, Scene, Reading]]:
    crops = faces.crops[:, 0].numpy()
    for start in range(0, len(crops), AT_ONCE):
        numbers = range(start, min(start + AT_ONCE, len(crops)))
        scenes = [condition.scene(crops[number], number, seed) for number in numbers]
        readings = engine.read_many([condition.file(scene) for scene in scenes])
        for number, scene, reading in zip(numbers, scenes, readings, strict=True):
            if not isinstance(reading, Reading):
                raise reading
            yield number, scene, reading


def _people(crowd: Array, faces: FaceSet) -> float | None:
    shares = emotion_shares(faces.votes.numpy())
    voted = shares.sum(1) > 0
    if not voted.any():
        return None
    named = crowd[voted].argmax(1)
    return float(shares[voted][np.arange(len(named)), named].mean())


def _of_all(answer: Answer | None, found: FaceSet | None, faces: FaceSet) -> float | None:
    """Crowd majority accuracy when a face that was not found counts as an error."""
    sought = _majorities(faces)
    if not sought:
        return None
    if answer is None or found is None or answer.crowd is None:
        return 0.0
    return answer.crowd * _majorities(found) / sought


def _majorities(faces: FaceSet) -> int:
    uniform = np.full((len(faces), 7), 1 / 7)
    figures: Figures = judge(uniform, uniform, faces.labels.numpy(), faces.votes.numpy())
    return figures.crowd.majority_faces if figures.crowd else 0


def _crop_of(engine: Engine, file: bytes, scene: Scene) -> NDArray[np.uint8] | None:
    located = engine.locate(file)
    place = _own_place([face.box for face in located.found.faces], scene)
    if place is None:
        return None
    grey = cv2.cvtColor(located.crops[place], cv2.COLOR_RGB2GRAY)
    small = cv2.resize(grey, (FACE_SIDE, FACE_SIDE), interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.uint8)


def _own_place(boxes: Sequence[Box], scene: Scene) -> int | None:
    """Which box is the scene's own face: its middle nearest, within half the face's side."""
    middles = [((box.left + box.right) / 2, (box.top + box.bottom) / 2) for box in boxes]
    apart = [float(np.hypot(x - scene.face.x, y - scene.face.y)) for x, y in middles]
    nearest = min(range(len(apart)), key=apart.__getitem__, default=None)
    return nearest if nearest is not None and apart[nearest] < scene.face.side / 2 else None


def _for_sheet(crop: NDArray[np.uint8] | None) -> NDArray[np.uint8]:
    if crop is None:
        return np.zeros((SHEET_SIDE, SHEET_SIDE), np.uint8)
    large = cv2.resize(crop, (SHEET_SIDE, SHEET_SIDE), interpolation=cv2.INTER_NEAREST)
    return np.asarray(large, np.uint8)


def _look(crops: Sequence[NDArray[np.uint8]]) -> str:
    if not crops:
        return "no face found"
    stack = np.stack(crops).astype(np.float64)
    edges = np.mean([cv2.Laplacian(crop, cv2.CV_64F).std() for crop in stack])
    deviation = stack.std(axis=(1, 2)).mean()
    return (
        f"{len(crops):3} faces, mean level {stack.mean():5.1f}, "
        f"deviation {deviation:4.1f}, sharpness {edges:5.1f}"
    )


def _named(condition: Direct, answer: Answer) -> dict[str, Any]:
    family = condition.family
    return {
        "condition": condition.name,
        "family": family.name if family else None,
        "unit": family.unit if family else None,
        "strength": condition.strength if family else None,
        **asdict(answer),
    }


def _say(name: str, answer: Answer) -> None:
    print(
        f"{name:38} label {_percent(answer.label)}  crowd {_percent(answer.crowd)}  "
        f"nll {_number(answer.nll)}  confidence {_percent(answer.confidence)}  "
        f"people {_percent(answer.people)}  gap {_number(answer.share_gap)}",
        flush=True,
    )


def _say_photo(name: str, result: Through) -> None:
    answer, direct = result.answer, result.direct
    print(
        f"{name:38} found {_percent(result.found)}  "
        f"label {_percent(answer and answer.label)} (direct {_percent(direct and direct.label)})  "
        f"crowd {_percent(answer and answer.crowd)} (direct {_percent(direct and direct.crowd)})  "
        f"end to end {_percent(result.end_to_end_label)} / {_percent(result.end_to_end_crowd)}  "
        f"nll {_number(answer and answer.nll)} (direct {_number(direct and direct.nll)})  "
        f"confidence {_percent(answer and answer.confidence)}  "
        f"corners {_number(result.corner_error)}  false {result.false_alarms:.3f}",
        flush=True,
    )


def _percent(share: float | None) -> str:
    return "    –" if share is None else f"{share:5.1%}"


def _number(value: float | None) -> str:
    return "    –" if value is None else f"{value:.3f}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.robustness",
        description="Accuracy and certainty on validation faces as photos get worse.",
        epilog="Example: python -m benchmarks.robustness --limit 100 --dry-run",
    )
    parser.add_argument("--split", type=Path, default=Path("datasets/fer2013"))
    parser.add_argument("--version", type=Path, help="a model version's folder; else the shipped")
    parser.add_argument("--limit", type=int, default=LIMIT, help="faces, evenly spread")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, help="of torch and OpenCV")
    parser.add_argument("--dry-run", action="store_true", help="print, record nothing")
    parser.add_argument("--contact-sheet", type=Path, metavar="OUT.png", help="draw this instead")
    return parser


if __name__ == "__main__":
    sys.exit(main())
