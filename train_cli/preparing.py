"""A downloaded data set in, a checked and split one out, with a reason for every image left out.

Knows the layouts that FER2013 is passed around in (folders or a zip of them, one folder per
emotion, with or without `train/` and `test/` above) and nothing about training.
"""

import csv
import hashlib
import io
import json
import os
import shutil
import struct
import warnings
import zipfile
import zlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fer_model.emotions import EMOTIONS
from train_cli.decisions import DROP, KEEP, Reviewed
from train_cli.errors import DataSetRefused
from train_cli.progress import unheard
from train_cli.votes import VOTE_COLUMNS, VotesTable, read_votes

SplitName = Literal["train", "validation", "test"]
SPLITS: Final[tuple[SplitName, ...]] = ("train", "validation", "test")
SplitScheme = Literal["official", "8:1:1"]

_FOLDER_SYNONYMS: Final = {
    "anger": "angry",
    "happiness": "happy",
    "sadness": "sad",
    "surprised": "surprise",
    "fearful": "fear",
    "disgusted": "disgust",
}
IMAGE_SUFFIXES: Final = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp"})
_SPLIT_FOLDERS: Final[dict[str, SplitName]] = {
    "train": "train",
    "training": "train",
    "test": "test",
    "publictest": "test",
    "validation": "validation",
    "val": "validation",
    "valid": "validation",
}
BLANK_CONTRAST: Final = 3.0
"""Standard deviation of grey levels (0 to 255) below which an image shows nothing.

FER2013 has a dozen blank squares (deviation 0); its faintest real face deviates by 5.
"""
_VALIDATION_SHARE: Final = 0.1
_MAX_SIDE: Final = 4096
_MAX_BYTES: Final = 32 * 2**20
"""Of one file; a face crop has a few kilobytes, and a zip may announce anything."""

UNREADABLE: Final = (
    OSError,
    ValueError,
    SyntaxError,  # Pillow's word for a broken PNG
    EOFError,
    RuntimeError,  # zipfile's word for an encrypted file
    NotImplementedError,  # zipfile's word for an unknown compression
    struct.error,
    zlib.error,
    zipfile.BadZipFile,
    Image.DecompressionBombError,
    Image.DecompressionBombWarning,
)
_ARCHIVE_LITTER: Final = "__MACOSX"
"""The folder in which macOS hides a shadow `._name.jpg` of every file of a zip."""

_Read = Callable[[], bytes]


@dataclass(frozen=True)
class Sample:
    """One labelled face of the data set as downloaded.

    `name` is its own in the prepared data set, by the published label whatever a review decides.
    """

    source: str
    label: str
    origin: SplitName | None
    jpeg: bytes = field(repr=False)
    suffix: str
    pixels: str
    votes: tuple[int, ...] | None = None
    name: str = ""


@dataclass(frozen=True)
class Dropped:
    """An image left out, and why."""

    source: str
    reason: str


@dataclass(frozen=True)
class ReviewApplied:
    """How many decisions of a review did what.

    Attributes:
        held_out: Would change a face to be validated or tested on, and were not followed.
    """

    kept: int
    dropped: int
    relabelled: int
    held_out: int


@dataclass(frozen=True)
class PreparationReport:
    """What was found, dropped and written.

    Attributes:
        found: Files in the data set, of whatever kind.
        dropped: How many of them were left out, by reason.
        splits: Images per split and emotion.
        with_votes: Images with votes, over all splits.
        test_identical_to_training: Test images that are also in the training split, pixel by
            pixel; kept, because the published test is what others report, and marked.
        missing: Emotions without a single image.
        scheme: How it was split.
        seed: Of the random choice.
        review: What the decisions changed; None without any.
    """

    found: int
    dropped: dict[str, int]
    splits: dict[str, dict[str, int]]
    with_votes: int
    test_identical_to_training: int
    missing: tuple[str, ...]
    scheme: SplitScheme
    seed: int
    review: ReviewApplied | None = None


def prepare(
    source: Path,
    out: Path | None,
    scheme: SplitScheme = "official",
    votes: Path | None = None,
    seed: int = 0,
    on_files: Callable[[int], None] = unheard,
    decisions: Mapping[str, Reviewed] | None = None,
) -> tuple[PreparationReport, list[Dropped]]:
    """Checks, cleans and splits the data set at `source` (a folder or a zip) into `out`.

    Writes `<split>/<emotion>/<published emotion>_<number>.<suffix>`, one CSV per split,
    `dropped.csv` and `report.json`, beside their place, and renames them into it: `out` is either
    whole or not there. With `out` None it only reports. `on_files` is told how many more files
    were read.

    `decisions` of a review, by source, drop or relabel training faces after the split, so that
    the other splits are those of the same seed without them, byte for byte.

    Raises:
        DataSetRefused: Nothing usable, an unknown class, a zip that reaches outside itself, no
            train and test folder for `official`, an `out` that is in use, or decisions on other
            images than these or on a published test image.
    """
    if out is not None:
        _refuse_taken(source, out)
    table = read_votes(votes) if votes is not None else None
    dropped: list[Dropped] = []
    samples = list(_read(source, scheme == "official", dropped, on_files))
    found = len(samples) + len(dropped)
    if not samples:
        counts = _by_reason(dropped)
        seen = ", ".join(f"{count} {reason}" for reason, count in counts.items()) or "empty"
        raise DataSetRefused(f"{source}: no labelled face image in it ({seen})")
    if table is not None:
        samples = _with_votes(samples, table)
    if scheme == "official":
        split = _official(samples, dropped, seed)
        known = {s.pixels for s in samples if s.origin in ("train", "validation")}
    else:
        split = _proportional(_without_duplicates(samples, dropped), seed)
        known = set()
    split = {name: split[name] for name in SPLITS}
    _name_files(split)
    review = None
    if decisions is not None:
        _refuse_foreign(decisions, split, dropped, scheme)
        split, review = _as_reviewed(split, decisions, dropped)
    report = PreparationReport(
        found=found,
        dropped=_by_reason(dropped),
        splits={name: _by_label(split[name]) for name in SPLITS},
        with_votes=sum(s.votes is not None for name in SPLITS for s in split[name]),
        test_identical_to_training=sum(sample.pixels in known for sample in split["test"]),
        missing=tuple(e for e in EMOTIONS if not any(s.label == e for s in samples)),
        scheme=scheme,
        seed=seed,
        review=review,
    )
    if out is not None:
        _write_whole(out, split, known, report, dropped)
    return report, dropped


def emotion_of_folder(name: str) -> str | None:
    """The emotion that a folder of that name holds, FER2013's or FER+'s word for it, or None."""
    emotion = _FOLDER_SYNONYMS.get(name.lower(), name.lower())
    return emotion if emotion in EMOTIONS else None


def _by_reason(dropped: Iterable[Dropped]) -> dict[str, int]:
    return dict(Counter(item.reason.split(":")[0] for item in dropped))


def _by_label(samples: Iterable[Sample]) -> dict[str, int]:
    counts = Counter(sample.label for sample in samples)
    return {emotion: counts[emotion] for emotion in EMOTIONS}


def _read(
    source: Path, published_test: bool, dropped: list[Dropped], on_files: Callable[[int], None]
) -> Iterator[Sample]:
    """The images at `source`; a published test split keeps its blank ones, to stay comparable."""
    unknown: Counter[str] = Counter()
    for name, read in _files(source):
        on_files(1)
        path = PurePosixPath(name)
        if path.suffix.lower() not in IMAGE_SUFFIXES or _ARCHIVE_LITTER in path.parts:
            dropped.append(Dropped(name, "not an image"))
            continue
        label = emotion_of_folder(path.parent.name)
        if label is None:
            unknown[path.parent.name] += 1
            continue
        try:
            content = read()
            grey = _grey(content)
        except UNREADABLE as error:
            dropped.append(Dropped(name, f"unreadable: {error}"))
            continue
        digest = hashlib.sha256(repr(grey.shape).encode() + grey.tobytes()).hexdigest()
        origin = _SPLIT_FOLDERS.get(path.parent.parent.name.lower())
        if float(grey.std()) < BLANK_CONTRAST and not (published_test and origin == "test"):
            dropped.append(Dropped(name, "blank"))
            continue
        yield Sample(name, label, origin, content, path.suffix.lower(), digest)
    if unknown:
        named = ", ".join(f"{name or 'top level'} ({count})" for name, count in unknown.items())
        raise DataSetRefused(
            f"{source}: images in folders that are no emotion: {named}; "
            f"known are {', '.join(EMOTIONS)}"
        )


def _files(source: Path) -> Iterator[tuple[str, _Read]]:
    """Every file's path inside `source`, in order, with how to read it."""
    if source.is_dir():
        for path in sorted(p for p in source.rglob("*") if p.is_file()):
            yield path.relative_to(source).as_posix(), path.read_bytes
        return
    try:
        archive = zipfile.ZipFile(source)
    except (OSError, zipfile.BadZipFile) as error:
        raise DataSetRefused(f"{source}: neither a folder nor a readable zip ({error})") from error
    with archive:
        for entry in sorted(archive.infolist(), key=lambda e: e.filename):
            if entry.is_dir():
                continue
            parts = PurePosixPath(entry.filename.replace("\\", "/")).parts
            if not parts or parts[0] == "/" or ".." in parts or ":" in parts[0]:
                raise DataSetRefused(f"{source}: {entry.filename!r} reaches outside the archive")
            yield entry.filename, partial(_read_entry, archive, entry)


def _read_entry(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bytes:
    if entry.file_size > _MAX_BYTES:
        raise ValueError(f"{entry.file_size:,} bytes is no face crop")
    return archive.read(entry)


def _grey(content: bytes) -> NDArray[np.uint8]:
    with warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        with Image.open(io.BytesIO(content)) as image:
            if max(image.size) > _MAX_SIDE:
                raise ValueError(f"{image.size[0]}x{image.size[1]} px is no face crop")
            return np.asarray(image.convert("L"), dtype=np.uint8)


def _with_votes(samples: Sequence[Sample], table: VotesTable) -> list[Sample]:
    voted = [replace(sample, votes=table.of(sample.source)) for sample in samples]
    if not any(sample.votes for sample in voted):
        raise DataSetRefused("the votes CSV names none of these images")
    return voted


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
    dropped += [Dropped(s.source, "in neither train nor test") for s in samples if s.origin is None]
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


def _name_files(split: dict[SplitName, list[Sample]]) -> None:
    """Numbers the faces of an emotion through all splits."""
    numbers: Counter[str] = Counter()
    for samples in split.values():
        for place, sample in enumerate(samples):
            numbers[sample.label] += 1
            name = f"{sample.label}_{numbers[sample.label]:05d}"
            samples[place] = replace(sample, name=name)


def _refuse_foreign(
    decisions: Mapping[str, Reviewed],
    split: Mapping[SplitName, Sequence[Sample]],
    dropped: Sequence[Dropped],
    scheme: SplitScheme,
) -> None:
    """Raises `DataSetRefused` for decisions that cannot be meant for this data set."""
    left_out = {item.source: item.reason for item in dropped}
    labels = {sample.source: sample.label for samples in split.values() for sample in samples}
    published_test = {s.source for s in split["test"]} if scheme == "official" else set()
    for source, row in decisions.items():
        if source in left_out:
            raise DataSetRefused(f"decisions: {source} is left out anyway ({left_out[source]})")
        if source not in labels:
            raise DataSetRefused(f"decisions: {source} is not in this data set")
        if source in published_test:
            raise DataSetRefused(
                f"decisions: {source} is a test image; the published test is never altered"
            )
        if row.label != labels[source]:
            raise DataSetRefused(
                f"decisions: {source} is labelled {labels[source]} here, not {row.label!r}"
            )


def _as_reviewed(
    split: Mapping[SplitName, list[Sample]],
    decisions: Mapping[str, Reviewed],
    dropped: list[Dropped],
) -> tuple[dict[SplitName, list[Sample]], ReviewApplied]:
    """The split with its training faces dropped and relabelled as decided."""
    train: list[Sample] = []
    counts: Counter[str] = Counter()
    for sample in split["train"]:
        row = decisions.get(sample.source)
        if row is None or row.decision in (KEEP, sample.label):
            counts["kept"] += row is not None
            train.append(sample)
        elif row.decision == DROP:
            counts["dropped"] += 1
            dropped.append(Dropped(sample.source, f"review: {row.reason or row.kind or 'dropped'}"))
        else:
            counts["relabelled"] += 1
            train.append(replace(sample, label=row.decision))
    held_out = [s for name in ("validation", "test") for s in split[name] if s.source in decisions]
    changed = [s for s in held_out if decisions[s.source].decision not in (KEEP, s.label)]
    applied = ReviewApplied(
        kept=counts["kept"] + len(held_out) - len(changed),
        dropped=counts["dropped"],
        relabelled=counts["relabelled"],
        held_out=len(changed),
    )
    return {**split, "train": train}, applied


def _refuse_taken(source: Path, out: Path) -> None:
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise DataSetRefused(f"{out} is not empty; nothing is overwritten: name another folder")
    if source.resolve() in (out.resolve(), *out.resolve().parents):
        raise DataSetRefused(f"{out} lies inside the data set; name a folder outside it")


def _write_whole(
    out: Path,
    split: dict[SplitName, list[Sample]],
    training_pixels: set[str],
    report: PreparationReport,
    dropped: Sequence[Dropped],
) -> None:
    partial_folder = out.with_name(f".{out.name}.{os.getpid()}.partial")
    try:
        partial_folder.mkdir(parents=True)
        _write(partial_folder, split, training_pixels, report, dropped)
        partial_folder.replace(out)
    except OSError as error:
        raise DataSetRefused(f"{out} cannot be written: {error}") from error
    finally:
        shutil.rmtree(partial_folder, ignore_errors=True)


def _write(
    out: Path,
    split: dict[SplitName, list[Sample]],
    training_pixels: set[str],
    report: PreparationReport,
    dropped: Sequence[Dropped],
) -> None:
    for name in SPLITS:
        with (out / f"{name}.csv").open("w", newline="", encoding="utf-8") as handle:
            table = csv.writer(handle)
            table.writerow(("file", "label", "identical_to_training", "source", *VOTE_COLUMNS))
            for sample in split[name]:
                file = Path(name, sample.label, sample.name + sample.suffix)
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
