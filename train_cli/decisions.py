"""The CSV of a review: written with what stands if nobody looks, edited by a person, read back.

Knows neither how suspects are found nor what a decision changes.
"""

import csv
from collections.abc import Iterable, Mapping
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from typing import Final

from fer_model.emotions import EMOTIONS
from train_cli.errors import DataSetRefused

KEEP: Final = "keep"
DROP: Final = "drop"
VERDICTS: Final = (KEEP, DROP, *EMOTIONS)


@dataclass(frozen=True)
class Reviewed:
    """One row: a face, why it was looked at, and what is to become of it.

    Attributes:
        number: On the contact sheets; empty where a person added the row.
        split: Where the face was when it was reviewed.
        file: In the prepared data set that was reviewed.
        source: In the data set as downloaded; this is what `prepare` goes by.
        label: The published one.
        suggestion: `drop` or an emotion.
        decision: `keep`, `drop` or an emotion.
    """

    number: str
    split: str
    file: str
    source: str
    label: str
    kind: str
    suggestion: str
    reason: str
    decision: str


_COLUMNS: Final = tuple(field.name for field in fields(Reviewed))
_NEEDED: Final = ("source", "label", "decision")


def write_decisions(path: Path, rows: Iterable[Reviewed]) -> None:
    """Writes the rows as a CSV with a heading."""
    with path.open("w", newline="", encoding="utf-8") as handle:
        table = csv.writer(handle)
        table.writerow(_COLUMNS)
        table.writerows(astuple(row) for row in rows)


def read_decisions(path: Path) -> dict[str, Reviewed]:
    """The rows by source; only `source`, `label` and `decision` need to be there.

    Spreadsheets' byte order mark, semicolons and capitals are understood.

    Raises:
        DataSetRefused: It is no such CSV, names a face twice, or holds an unknown decision; the
            message says in which line.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataSetRefused(f"{path}: no readable decisions ({error})") from error
    heading = lines[0] if lines else ""
    rows = csv.DictReader(lines, delimiter=";" if heading.count(";") > heading.count(",") else ",")
    missing = [name for name in _NEEDED if name not in (rows.fieldnames or ())]
    if missing:
        raise DataSetRefused(f"{path}: no decisions CSV, it lacks {', '.join(missing)}")
    decisions: dict[str, Reviewed] = {}
    try:
        for row in rows:
            reviewed = _reviewed(row)
            if reviewed.source in decisions:
                raise ValueError(f"{reviewed.source} is there twice")
            decisions[reviewed.source] = reviewed
    except (ValueError, csv.Error) as error:
        raise DataSetRefused(f"{path}, line {rows.line_num}: {error}") from error
    return decisions


def _reviewed(row: Mapping[str, str | None]) -> Reviewed:
    cells = {name: (row.get(name) or "").strip() for name in _COLUMNS}
    cells["decision"] = cells["decision"].lower()
    if cells["decision"] not in VERDICTS:
        known = ", ".join(VERDICTS)
        raise ValueError(f"unknown decision {cells['decision']!r}; known are {known}")
    if not cells["source"]:
        raise ValueError("no source")
    return Reviewed(**cells)
