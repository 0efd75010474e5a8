"""A downloaded data set in, a checked and split one out, with a reason for every image left out.

Knows the layouts that FER2013 is passed around in (folders or a zip of them, one folder per
emotion, with or without `train/` and `test/` above) and nothing about training.
"""

import csv
import hashlib
import io
import json
import zipfile
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Final, Literal

import numpy as np
from PIL import Image, UnidentifiedImageError

from fer_model.emotions import EMOTIONS
from train_cli.errors import DataSetRefused

SplitName = Literal["train", "validation", "test"]
SPLITS: Final[tuple[SplitName, ...]] = ("train", "validation", "test")
SplitScheme = Literal["official", "8:1:1"]

VOTE_COLUMNS: Final = (*EMOTIONS, "contempt", "unknown", "not_a_face")
"""What ten people could answer. Source: FER+ (Barsoum et al. 2016)."""

_VOTES_FROM: Final = {
    "anger": "angry",
    "happiness": "happy",
    "sadness": "sad",
    "NF": "not_a_face",
}
_FOLDER_SYNONYMS: Final = {
    "anger": "angry",
    "happiness": "happy",
    "sadness": "sad",
    "surprised": "surprise",
    "fearful": "fear",
    "disgusted": "disgust",
}
_IMAGE_SUFFIXES: Final = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp"})
_SPLIT_FOLDERS: Final[dict[str, SplitName]] = {
    "train": "train",
    "training": "train",
    "test": "test",
    "publictest": "test",
    "validation": "validation",
}
BLANK_CONTRAST: Final = 3.0
"""Standard deviation of grey levels (0 to 255) below which an image shows nothing.

FER2013 has a dozen blank squares (deviation 0); its faintest real face deviates by 5.
"""
_VALIDATION_SHARE: Final = 0.1
_MAX_SIDE: Final = 4096


@dataclass(frozen=True)
class Sample:
    """One labelled face of the data set as downloaded."""

    source: str
    label: str
    origin: SplitName | None
    jpeg: bytes = field(repr=False)
    suffix: str
    pixels: str
    votes: tuple[int, ...] | None = None


@dataclass(frozen=True)
class Dropped:
    """An image left out, and why."""

    source: str
    reason: str


@dataclass(frozen=True)
class PreparationReport:
    """What was found, dropped and written; counts are of images."""

    found: int
    dropped: dict[str, int]
    splits: dict[str, dict[str, int]]
    with_votes: int
    test_identical_to_training: int
    scheme: SplitScheme
    seed: int


def prepare(
    source: Path,
    out: Path | None,
    scheme: SplitScheme = "official",
    votes: Path | None = None,
    seed: int = 0,
) -> tuple[PreparationReport, list[Dropped]]:
    """Checks, cleans and splits the data set at `source` (a folder or a zip) into `out`.

    Writes `<split>/<emotion>/<emotion>_<number>.<suffix>`, one CSV per split, `dropped.csv` and
    `report.json`; with `out` None it only reports.

    Raises:
        DataSetRefused: Nothing usable, an unknown class, or no test folder for `official`.
    """
    dropped: list[Dropped] = []
    samples = list(_read(source, scheme == "official", dropped))
    found = len(samples) + len(dropped)
    if not samples:
        raise DataSetRefused(f"{source}: no labelled face image in it ({found} files looked at)")
    if votes is not None:
        samples = _with_votes(samples, votes)
    split = _official(samples, dropped, seed) if scheme == "official" else None
    if split is None:
        split = _proportional(_without_duplicates(samples, dropped), seed)
    known = {s.pixels for s in samples if s.origin != "test"} if scheme == "official" else set()
    leaked = sum(sample.pixels in known for sample in split["test"])
    report = PreparationReport(
        found=found,
        dropped=dict(Counter(item.reason.split(":")[0] for item in dropped)),
        splits={name: dict(Counter(s.label for s in split[name])) for name in SPLITS},
        with_votes=sum(s.votes is not None for name in SPLITS for s in split[name]),
        test_identical_to_training=leaked,
        scheme=scheme,
        seed=seed,
    )
    if out is not None:
        _write(out, split, known, report, dropped)
    return report, dropped


def _read(source: Path, published_test: bool, dropped: list[Dropped]) -> Iterator[Sample]:
    """The images at `source`; a published test split keeps its blank ones, to stay comparable."""
    unknown: Counter[str] = Counter()
    for name, content in _files(source):
        path = PurePosixPath(name)
        if path.suffix.lower() not in _IMAGE_SUFFIXES:
            continue
        folder = path.parent.name.lower()
        label = _FOLDER_SYNONYMS.get(folder, folder)
        if label not in EMOTIONS:
            unknown[path.parent.name] += 1
            continue
        above = path.parent.parent.name.lower()
        try:
            grey = _grey(content)
        except (OSError, ValueError, UnidentifiedImageError, Image.DecompressionBombError) as error:
            dropped.append(Dropped(name, f"unreadable: {error}"))
            continue
        digest = hashlib.sha256(repr(grey.shape).encode() + grey.tobytes()).hexdigest()
        origin = _SPLIT_FOLDERS.get(above)
        if float(grey.std()) < BLANK_CONTRAST and not (published_test and origin == "test"):
            dropped.append(Dropped(name, "blank"))
            continue
        yield Sample(name, label, origin, content, path.suffix.lower(), digest)
    if unknown:
        named = ", ".join(f"{name or 'top level'} ({count})" for name, count in unknown.items())
        raise DataSetRefused(
            f"{source}: images in folders that are no emotion: {named}; known are {EMOTIONS}"
        )


def _files(source: Path) -> Iterator[tuple[str, bytes]]:
    try:
        if source.is_dir():
            for path in sorted(p for p in source.rglob("*") if p.is_file()):
                yield path.relative_to(source).as_posix(), path.read_bytes()
            return
        with zipfile.ZipFile(source) as archive:
            for entry in sorted(archive.infolist(), key=lambda e: e.filename):
                if not entry.is_dir():
                    yield entry.filename, archive.read(entry)
    except (OSError, zipfile.BadZipFile) as error:
        raise DataSetRefused(f"{source}: neither a folder nor a readable zip ({error})") from error


def _grey(content: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(content)) as image:
        if max(image.size) > _MAX_SIDE:
            raise ValueError(f"{image.size[0]}x{image.size[1]} px is no face crop")
        return np.asarray(image.convert("L"))


def _with_votes(samples: Sequence[Sample], votes: Path) -> list[Sample]:
    """The samples with the votes of `votes`, a CSV keyed by the file's path in the data set."""
    try:
        with votes.open(newline="", encoding="utf-8") as handle:
            table = {
                row.pop("file"): {_VOTES_FROM.get(k, k): int(v) for k, v in row.items()}
                for row in csv.DictReader(handle)
            }
    except (OSError, ValueError, KeyError) as error:
        raise DataSetRefused(f"{votes}: not a votes CSV ({error})") from error
    return [
        replace(s, votes=tuple(counts.get(c, 0) for c in VOTE_COLUMNS))
        if (counts := table.get(_key(s.source)))
        else s
        for s in samples
    ]


def _key(source: str) -> str:
    """The last three parts of a path: split, emotion and file name."""
    return "/".join(PurePosixPath(source).parts[-3:])


def _without_duplicates(samples: Iterable[Sample], dropped: list[Dropped]) -> list[Sample]:
    """One sample per distinct picture; none where its copies disagree without a majority."""
    groups: dict[str, list[Sample]] = defaultdict(list)
    for sample in samples:
        groups[sample.pixels].append(sample)
    kept: list[Sample] = []
    for group in groups.values():
        (label, count), *others = Counter(s.label for s in group).most_common()
        if others and others[0][1] == count:
            dropped += [Dropped(s.source, "identical images of different labels") for s in group]
            continue
        first = next(s for s in group if s.label == label)
        kept.append(first)
        dropped += [
            Dropped(s.source, f"duplicate: of {first.source}") for s in group if s is not first
        ]
    return kept


def _official(
    samples: Sequence[Sample], dropped: list[Dropped], seed: int
) -> dict[SplitName, list[Sample]]:
    """The published split: its test images untouched, validation carved out of training."""
    test = [s for s in samples if s.origin == "test"]
    training = [s for s in samples if s.origin in ("train", "validation")]
    if not test or not training:
        raise DataSetRefused("the official split needs a train/ and a test/ folder; try 8:1:1")
    train, validation = _carve(_without_duplicates(training, dropped), _VALIDATION_SHARE, seed)
    return {"train": train, "validation": validation, "test": test}


def _proportional(samples: Sequence[Sample], seed: int) -> dict[SplitName, list[Sample]]:
    rest, test = _carve(samples, 0.1, seed)
    train, validation = _carve(rest, 1 / 9, seed + 1)
    return {"train": train, "validation": validation, "test": test}


def _carve(samples: Sequence[Sample], share: float, seed: int) -> tuple[list[Sample], list[Sample]]:
    """Splits off a stratified share; `samples` hold each picture once."""
    random = np.random.default_rng(seed)
    kept: list[Sample] = []
    carved: list[Sample] = []
    for label in EMOTIONS:
        members = [s for s in samples if s.label == label]
        order = random.permutation(len(members))
        count = round(len(members) * share)
        carved += [members[i] for i in sorted(order[:count])]
        kept += [members[i] for i in sorted(order[count:])]
    return kept, carved


def _write(
    out: Path,
    split: dict[SplitName, list[Sample]],
    training_pixels: set[str],
    report: PreparationReport,
    dropped: Sequence[Dropped],
) -> None:
    out.mkdir(parents=True, exist_ok=True)
    numbers: Counter[str] = Counter()
    for name in SPLITS:
        with (out / f"{name}.csv").open("w", newline="", encoding="utf-8") as handle:
            table = csv.writer(handle)
            table.writerow(("file", "label", "identical_to_training", "source", *VOTE_COLUMNS))
            for sample in split[name]:
                numbers[sample.label] += 1
                number = numbers[sample.label]
                file = Path(name, sample.label, f"{sample.label}_{number:05d}{sample.suffix}")
                (out / file).parent.mkdir(parents=True, exist_ok=True)
                (out / file).write_bytes(sample.jpeg)
                leaked = name == "test" and sample.pixels in training_pixels
                votes = sample.votes if sample.votes is not None else [""] * len(VOTE_COLUMNS)
                table.writerow((file.as_posix(), sample.label, int(leaked), sample.source, *votes))
    with (out / "dropped.csv").open("w", newline="", encoding="utf-8") as handle:
        rows = csv.writer(handle)
        rows.writerow(("source", "reason"))
        rows.writerows((item.source, item.reason) for item in dropped)
    (out / "report.json").write_text(json.dumps(asdict(report), indent=1), encoding="utf-8")
