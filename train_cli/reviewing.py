"""A review to be made: suspects as rows to edit and as contact sheets to look at."""

import csv
import shutil
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from fer_model.emotions import EMOTIONS
from train_cli.decisions import DROP, KEEP, Reviewed, write_decisions
from train_cli.errors import RunRefused, SplitUnusable
from train_cli.pictures import Tile, contact_sheet
from train_cli.preparing import SplitName
from train_cli.progress import unheard
from train_cli.splits import FaceSet
from train_cli.suspects import KINDS, Suspect, SuspectKind, find_suspects
from train_cli.votes import VOTE_COLUMNS

DECISIONS: Final = "decisions.csv"
_PER_SHEET: Final = 48
_MARKS: Final = {KEEP: "#c9ced6", DROP: "#d1495b"}
_RELABELLED: Final = "#3477c5"
_SHORT: Final = {"not_a_face": "no face", "unknown": "unsure"}
_NAMED: Final = 2
"""Answers named below a face."""

Probabilities = NDArray[np.float64]


@dataclass(frozen=True)
class ReviewedSplit:
    """One split with what is known of it.

    Attributes:
        sources: Paths in the data set as downloaded, by file.
        predicted: Probabilities (N, 7) of the labels by a network; None without.
    """

    name: SplitName
    faces: FaceSet
    sources: Mapping[str, str]
    predicted: Probabilities | None


@dataclass(frozen=True)
class Review:
    """All suspects, in the order of their numbers."""

    splits: tuple[ReviewedSplit, ...]
    suspects: tuple[tuple[ReviewedSplit, Suspect], ...]

    @property
    def counts(self) -> dict[str, dict[str, int]]:
        """Suspects by kind and split, kinds without any too."""
        counted = Counter((suspect.kind, split.name) for split, suspect in self.suspects)
        return {k: {s.name: counted[k, s.name] for s in self.splits} for k in KINDS}

    @property
    def decisions(self) -> dict[str, int]:
        """Rows by the decision that stands if nobody looks."""
        return dict(Counter(suspect.decision for _, suspect in self.suspects))


def review(splits: Sequence[ReviewedSplit], accepted: Collection[SuspectKind] = ()) -> Review:
    """The suspects of every split, by kind; training before validation, the doubtful first.

    For kinds that are `accepted`, the suggestion is the decision. Validation faces are kept,
    whatever is suspected: figures that cleaning is judged by must not move with it.
    """
    found = [
        (split, replace(suspect, decision=_decision(split, suspect, accepted)))
        for split in splits
        for suspect in find_suspects(split.faces, split.predicted)
    ]
    return Review(tuple(splits), tuple(sorted(found, key=lambda pair: KINDS.index(pair[1].kind))))


def _decision(split: ReviewedSplit, suspect: Suspect, accepted: Collection[SuspectKind]) -> str:
    if split.name != "train":
        return KEEP
    return suspect.suggestion if suspect.kind in accepted else suspect.decision


def sources_of(folder: Path, name: SplitName) -> dict[str, str]:
    """The published path of every face of a prepared split, by its file.

    Raises:
        SplitUnusable: The split has none.
    """
    table = folder / f"{name}.csv"
    try:
        with table.open(newline="", encoding="utf-8") as handle:
            return {row["file"]: row["source"] for row in csv.DictReader(handle)}
    except (OSError, KeyError) as error:
        raise SplitUnusable(f"{table}: no sources in it ({error})") from error


def read_predictions(paths: Sequence[Path], faces: FaceSet) -> Probabilities:
    """Probabilities (N, 7) of the labels from CSVs of `train_cli evaluate --predictions`.

    A face may be in any of them, so that folds can come from networks that have not seen them.

    Raises:
        SplitUnusable: One is no such CSV, or a face is in none or in two of them.
    """
    rows: dict[str, list[float]] = {}
    for path in paths:
        try:
            with path.open(newline="", encoding="utf-8") as handle:
                for row in csv.DictReader(handle):
                    if row["file"] in rows:
                        raise SplitUnusable(f"{path}: {row['file']} is predicted twice")
                    rows[row["file"]] = [float(row[f"label_{e}"]) for e in EMOTIONS]
        except (OSError, ValueError, KeyError, TypeError, csv.Error) as error:
            raise SplitUnusable(f"{path}: no readable predictions ({error})") from error
    missing = [file for file in faces.files if file not in rows]
    if missing:
        raise SplitUnusable(
            f"no predictions of {len(missing)} faces, {missing[0]} among them; write them with "
            "`train_cli evaluate --predictions`"
        )
    probabilities = np.array([rows[file] for file in faces.files])
    return np.asarray(probabilities / probabilities.sum(1, keepdims=True))


def rows_of(found: Review) -> Iterator[Reviewed]:
    """A row to edit per suspect, numbered from 1 as on the sheets."""
    for number, (split, suspect) in enumerate(found.suspects, start=1):
        file = split.faces.files[suspect.place]
        yield Reviewed(
            number=str(number),
            split=split.name,
            file=file,
            source=split.sources[file],
            label=EMOTIONS[int(split.faces.labels[suspect.place])],
            kind=suspect.kind,
            suggestion=suspect.suggestion,
            reason=suspect.reason,
            decision=suspect.decision,
        )


def write_review(
    found: Review, out: Path, most_sheets: int, on_faces: Callable[[int], None] = unheard
) -> list[Path]:
    """Writes decisions.csv and, per kind, at most `most_sheets` contact sheets; returns the sheets.

    Raises:
        RunRefused: `out` holds decisions already, which somebody may have edited, or cannot be
            written.
    """
    if (out / DECISIONS).exists():
        raise RunRefused(f"{out / DECISIONS} is there already; name another folder")
    sheets = []
    try:
        out.mkdir(parents=True, exist_ok=True)
        for path, content in _sheets(found, most_sheets, on_faces):
            (out / path).write_bytes(content)
            sheets.append(out / path)
        unfinished = out / f"{DECISIONS}.partial"
        write_decisions(unfinished, rows_of(found))
        shutil.move(unfinished, out / DECISIONS)
    except OSError as error:
        raise RunRefused(f"{out} cannot be written: {error}") from error
    return sheets


def _sheets(
    found: Review, most: int, on_faces: Callable[[int], None]
) -> Iterator[tuple[str, bytes]]:
    numbered = list(enumerate(found.suspects, start=1))
    for place, kind in enumerate(KINDS, start=1):
        mine = [(number, pair) for number, pair in numbered if pair[1].kind == kind]
        pages = [mine[i : i + _PER_SHEET] for i in range(0, len(mine), _PER_SHEET)]
        for page, tiles in enumerate(pages[:most], start=1):
            title = f"{kind}: {len(mine)} suspects, sheet {page} of {len(pages)}"
            legend = {
                _MARKS[KEEP]: "stays unless you decide otherwise",
                _MARKS[DROP]: "goes unless you decide otherwise",
                _RELABELLED: "takes the other label unless you decide otherwise",
            }
            pictured = [_tile(number, *pair) for number, pair in tiles]
            name = kind.replace(" ", "-").replace("(", "").replace(")", "")
            yield f"{place}-{name}-{page:03d}.png", contact_sheet(pictured, title, legend)
            on_faces(len(tiles))


def _tile(number: int, split: ReviewedSplit, suspect: Suspect) -> Tile:
    faces, place = split.faces, suspect.place
    label = EMOTIONS[int(faces.labels[place])]
    votes = faces.votes[place].numpy()
    lines = [
        f"{number}  {label} → {suspect.suggestion}",
        Path(faces.files[place]).name + ("" if split.name == "train" else f" ({split.name})"),
        "people: " + (_named(votes, VOTE_COLUMNS, "{:.0f} {}") if votes.any() else "not asked"),
    ]
    if split.predicted is not None:
        lines.append("net: " + _named(split.predicted[place] * 100, EMOTIONS, "{:.0f}% {}"))
    return Tile(
        faces.crops[place, 0].numpy(), tuple(lines), _MARKS.get(suspect.decision, _RELABELLED)
    )


def _named(amounts: NDArray[np.generic], names: Sequence[str], form: str) -> str:
    order = np.argsort(-np.asarray(amounts, dtype=np.float64), kind="stable")[:_NAMED]
    return ", ".join(
        form.format(amounts[i], _SHORT.get(names[i], names[i])) for i in order if amounts[i] >= 1
    )
