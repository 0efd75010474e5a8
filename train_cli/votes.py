"""What ten people called each face: the columns, the file they come in, and who won.

Arrays of votes are float32 (N, 10) in the order of `VOTE_COLUMNS`; a row of zeros is a face that
nobody voted on.
"""

import csv
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath
from typing import Final

import numpy as np
from numpy.typing import NDArray

from fer_model.emotions import EMOTION_COUNT, EMOTIONS
from train_cli.errors import DataSetRefused

VOTE_COLUMNS: Final = (*EMOTIONS, "contempt", "unknown", "not_a_face")
"""What ten people could answer. Source: FER+ (Barsoum et al. 2016)."""

Votes = tuple[int, ...]
"""One face's votes in the order of `VOTE_COLUMNS`."""

_FERPLUS_NAMES: Final = {
    "anger": "angry",
    "happiness": "happy",
    "sadness": "sad",
    "NF": "not_a_face",
}
_CONTEMPT: Final = VOTE_COLUMNS.index("contempt")


class VotesTable:
    """Votes by file, found by as much of its path as tells it from every other.

    FER2013's file names alone do not: a few belong to two pictures of different emotions. A path
    that is there twice with different votes has none: nobody knows whose they are.

    Args:
        rows: Paths in the data set as published (`train/angry/Training_1.jpg`) with their votes.
    """

    def __init__(self, rows: Iterable[tuple[str, Votes]]) -> None:
        found: dict[tuple[str, ...], set[Votes]] = defaultdict(set)
        paths: dict[tuple[str, ...], set[str]] = defaultdict(set)
        for path, votes in rows:
            for key in _keys(path):
                found[key].add(votes)
                paths[key].add(path)
        self._votes = {
            key: votes.pop()
            for key, votes in found.items()
            if len(votes) == 1 and len(paths[key]) == 1
        }

    def __len__(self) -> int:
        return len(self._votes)

    def of(self, path: str) -> Votes | None:
        """The votes on the image at `path`, None where there are none."""
        keys = [*_keys(path), (PurePosixPath(path).name,)]  # the last for bare names in the CSV
        return next((self._votes[key] for key in keys if key in self._votes), None)


def read_votes(path: Path) -> VotesTable:
    """The votes in a CSV with a column `file` and one per answer, FER+'s names or ours.

    Raises:
        DataSetRefused: It is no such CSV; the message says where and why.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as handle:
            rows = csv.DictReader(handle)
            names = [_FERPLUS_NAMES.get(name, name) for name in rows.fieldnames or ()]
            missing = [name for name in ("file", *EMOTIONS) if name not in names]
            if missing:
                raise DataSetRefused(f"{path}: no votes CSV, it lacks {', '.join(missing)}")
            table = VotesTable((row["file"], _votes_of(row)) for row in rows)
    except (OSError, ValueError, TypeError, csv.Error) as error:
        raise DataSetRefused(f"{path}: no readable votes CSV ({error})") from error
    if not len(table):
        raise DataSetRefused(f"{path}: no votes in it")
    return table


def emotion_shares(votes: NDArray[np.float32]) -> NDArray[np.float64]:
    """Shares (N, 7) of the votes for the seven emotions; zeros where nobody named one."""
    seven = votes[:, :EMOTION_COUNT].astype(np.float64)
    return np.asarray(seven / np.maximum(seven.sum(1, keepdims=True), 1))


def crowd_majority(votes: NDArray[np.float32]) -> NDArray[np.int64]:
    """The place in `EMOTIONS` most people named, per row of votes (N, 10); -1 for contempt.

    Contempt, which we do not predict, stays a winner that no answer can match. Rows that mostly
    went to `unknown` or `not_a_face`, and ties, have no majority: use `has_majority`.
    """
    winner = votes[:, : _CONTEMPT + 1].argmax(1)
    return np.where(winner == _CONTEMPT, -1, winner).astype(np.int64)


def has_majority(votes: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Whether (N,) one emotion, or contempt, was named more often than every other answer."""
    ordered = np.sort(votes, axis=1)
    clear = ordered[:, -1] > ordered[:, -2]
    return np.asarray(clear & (votes.argmax(1) <= _CONTEMPT))


def ferplus_majority(
    votes: NDArray[np.float32],
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """FER+'s own majority: its winner (N,), -1 for contempt, and which rows it keeps (N,).

    Single votes are outliers and do not count; the winner needs more than half of the rest, and
    rows won by `unknown` or `not_a_face` are left out.

    Source: Barsoum et al. 2016, mode "majority" of `_process_data` in microsoft/FERPlus.
    """
    counted = np.where(votes > 1, votes, 0)
    winner = counted.argmax(1)
    kept = (counted.max(1) > counted.sum(1) / 2) & (winner <= _CONTEMPT)
    return np.where(winner == _CONTEMPT, -1, winner).astype(np.int64), np.asarray(kept)


def _votes_of(row: Mapping[str, str]) -> Votes:
    named = {_FERPLUS_NAMES.get(k, k): v for k, v in row.items() if k != "file"}
    votes = tuple(int(named.get(column) or 0) for column in VOTE_COLUMNS)
    if min(votes) < 0:
        raise ValueError(f"{row['file']} has a negative count of votes")
    return votes


def _keys(path: str) -> list[tuple[str, ...]]:
    """Split, emotion and name; emotion and name; the name alone where it is all there is."""
    parts = PurePosixPath(path).parts[-3:]
    return [parts[-count:] for count in (3, 2) if len(parts) >= count] or [parts]
