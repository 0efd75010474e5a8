"""Simulated people's faces: real FER2013 faces that a version reads badly.

Two populations: every face darkened and turned, as bad phone pictures are; and the faces of one
emotion's hardest third, which a version was trained without. `python -m benchmarks.populations`
writes the split that such a version is trained on.
"""

import csv
import shutil
from pathlib import Path
from typing import Annotated, Final

import numpy as np
import typer
from numpy.typing import NDArray

from fer_model.blend import blended
from fer_model.emotions import EMOTIONS
from fer_model.engine import Engine
from fer_model.versions import read_version, shipped_version
from train_cli.splits import FaceSet, load_split

EMOTION: Final = "sad"
"""Whose hardest third is kept from training: neither rare nor, as happy, nearly always right."""

Array = NDArray[np.float64]


def hardest_third(faces: FaceSet, crowd: Array, emotion: str = EMOTION) -> NDArray[np.int64]:
    """Places of the third of the faces that most people name `emotion` for, the least so read.

    Args:
        faces: A split with votes.
        crowd: (N, 7), what a version says of them.
        emotion: Which.
    """
    place = EMOTIONS.index(emotion)
    said = faces.crowd.numpy()
    # Strictly most: a tie is nobody's emotion.
    strictly = said[:, place] > np.delete(said, place, axis=1).max(axis=1)
    shown = np.flatnonzero(faces.has_crowd.numpy() & strictly)
    hardest = shown[np.argsort(crowd[shown, place], kind="stable")[: len(shown) // 3]]
    return np.sort(hardest)


def with_twins(faces: FaceSet, places: NDArray[np.int64]) -> NDArray[np.int64]:
    """`places` and those of all faces with exactly the same pixels."""
    pixels = [crop.tobytes() for crop in faces.crops.numpy()]
    chosen = {pixels[place] for place in places}
    return np.flatnonzero([bytes_ in chosen for bytes_ in pixels])


def write_split_without(split: Path, out: Path, left_out: NDArray[np.int64]) -> None:
    """A copy of a prepared split whose training faces lack those at `left_out`; images are linked.

    `left_out.csv` holds the rows that are missing.
    """
    out.mkdir(parents=True, exist_ok=True)
    for name in ("train", "validation", "test"):
        link = out / name
        if not link.exists():
            link.symlink_to((split / name).resolve())
    for name in ("validation.csv", "test.csv"):
        shutil.copy2(split / name, out / name)
    with (split / "train.csv").open(newline="", encoding="utf-8") as handle:
        header, *rows = list(csv.reader(handle))
    missing = set(left_out.tolist())
    for name, wanted in (("train.csv", False), ("left_out.csv", True)):
        with (out / name).open("w", newline="", encoding="utf-8") as handle:
            writer = csv.writer(handle)
            writer.writerow(header)
            writer.writerows(row for place, row in enumerate(rows) if (place in missing) is wanted)


def main(
    split: Annotated[Path, typer.Option(help="Folder that `train_cli prepare` wrote.")],
    out: Annotated[Path, typer.Option(help="Folder for the split without the hardest third.")],
) -> None:
    """Write the split that the version without one emotion's hardest third is trained on."""
    faces = load_split(split, "train")
    version = read_version(shipped_version())
    engine = Engine.load(version.path, "cpu")
    said = engine.logits(faces.crops[:, 0].numpy()).crowd
    crowd = blended(said, version.metadata.calibrations.crowd)
    engine.close()
    hardest = with_twins(faces, hardest_third(faces, np.asarray(crowd)))
    write_split_without(split, out, hardest)
    typer.echo(f"{len(hardest)} {EMOTION} faces left out, {len(faces) - len(hardest)} to train on")


if __name__ == "__main__":
    typer.run(main)
