"""A retrain's report as a folder: `report.md`, `report.json`, `calibration.png`, `faces.png`.

The first three hold figures and nothing about a person. `faces.png` shows people, and is there only
when it was asked for.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from fer_model.versions import SHORT_DIGEST
from train_cli.pictures import before_and_after_picture
from train_cli.retrain_report import Comparison, RetrainReport, in_words

FACES: Final = "faces.png"
_CALIBRATION: Final = "calibration.png"


def write_page(folder: Path, report: RetrainReport, sheet: bytes | None) -> None:
    """Writes the report to `folder`, with the contact sheet or without; an earlier sheet goes.

    Raises:
        OSError: The folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / FACES).unlink(missing_ok=True)
    if sheet is not None:
        (folder / FACES).write_bytes(sheet)
    sets = {
        f"{name} ({both.faces} faces)": (both.before.reliability, both.after.reliability)
        for name, both in _compared(report)
    }
    (folder / _CALIBRATION).write_bytes(before_and_after_picture(sets, _title(report)))
    document = json.dumps(report.to_json(), indent=1)
    (folder / "report.json").write_text(document, encoding="utf-8")
    page = "\n".join(_markdown(report, sheet is not None)) + "\n"
    (folder / "report.md").write_text(page, encoding="utf-8")


def _title(report: RetrainReport) -> str:
    return f"candidate {report.candidate[:SHORT_DIGEST]} beside {report.parent[:SHORT_DIGEST]}"


def _compared(report: RetrainReport) -> Iterator[tuple[str, Comparison]]:
    """What was not learnt from first."""
    sets = (
        ("base validation", report.base),
        ("held-out feedback", report.holdout),
        ("faces learnt from", report.trained),
    )
    return ((name, comparison) for name, comparison in sets if comparison is not None)


def _markdown(report: RetrainReport, faces: bool) -> Iterator[str]:
    yield f"# {_title(report)[0].upper()}{_title(report)[1:]}"
    yield ""
    for line in in_words(report):
        yield f"- {line}"
    for name, comparison in _compared(report):
        yield f"\n## {name[0].upper()}{name[1:]}, {comparison.faces} faces\n"
        yield from _figures(comparison)
        yield ""
        yield from _classes(comparison)
    yield "\n## The gate\n"
    yield "| | check | found |"
    yield "| --- | --- | --- |"
    for check in report.verdict.checks:
        yield f"| {'✓' if check.passed else '✗'} | `{check.name}` | {check.reason} |"
    yield "\n## Calibration\n"
    yield "Shares that the versions predict against those that people gave.\n"
    yield f"![calibration before and after]({_CALIBRATION})"
    if faces:
        yield "\n## Faces whose answer changed\n"
        yield "Delete this picture when you have looked: it shows people.\n"
        yield f"![faces whose answer changed]({FACES})"
    yield "\n## Time\n"
    yield "| | seconds |"
    yield "| --- | --- |"
    for phase, seconds in report.seconds.items():
        yield f"| {phase} | {seconds:.1f} |"


def _figures(both: Comparison) -> Iterator[str]:
    old, new = both.before, both.after
    yield "| | before | after |"
    yield "| --- | --- | --- |"
    yield f"| crowd log-loss, nats | {old.log_loss:.3f} | {new.log_loss:.3f} |"
    yield f"| named as most people did | {old.accuracy:.1%} | {new.accuracy:.1%} |"
    yield f"| calibration error | {old.calibration_error:.3f} | {new.calibration_error:.3f} |"
    if old.label_accuracy is not None and new.label_accuracy is not None:
        yield f"| label | {old.label_accuracy:.1%} | {new.label_accuracy:.1%} |"


def _classes(both: Comparison) -> Iterator[str]:
    yield "| most people said | faces | named so before | after |"
    yield "| --- | --- | --- | --- |"
    for name, before in both.before.recall.items():
        faces, after = both.named.get(name), both.after.recall[name]
        if faces is None:
            yield f"| {name} | | {before:.1%} | {after:.1%} |"
            continue
        counts = (f"{round(share * faces)} ({share:.1%})" for share in (before, after))
        yield f"| {name} | {faces} | {' | '.join(counts)} |"
