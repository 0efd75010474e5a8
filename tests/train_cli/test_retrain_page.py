"""`train_cli.retrain_page`."""

import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.train_cli.test_retrain_report import REPORT
from train_cli.errors import RunRefused
from train_cli.retrain_page import write_page
from train_cli.retrain_report import Answers, RetrainReport, compare

SAID = np.eye(7)[[4, 4, 4, 0]]
BEFORE = np.eye(7)[[3, 3, 4, 0]] * 0.86 + 0.02
AFTER = np.eye(7)[[4, 4, 4, 1]] * 0.86 + 0.02
COMPARED = compare(SAID, Answers(BEFORE, BEFORE), Answers(AFTER, AFTER), np.array([4, 4, 4, 0]))
MEASURED = replace(REPORT, trained=COMPARED, holdout=COMPARED, base=COMPARED)


def test_the_page_says_in_words_and_per_emotion_what_changed(tmp_path: Path) -> None:
    write_page(tmp_path, MEASURED, None)
    page = (tmp_path / "report.md").read_text()
    assert page.startswith("# Candidate cdcdcdcd")
    assert "## Base validation, 4 faces" in page
    assert "| sad | 3 | 1 (33.3%) | 3 (100.0%) |" in page
    assert "| angry | 1 | 1 (100.0%) | 0 (0.0%) |" in page
    assert "| ✓ | `better` | it is better |" in page
    assert "| learning | 1.0 |" in page
    assert {p.name for p in tmp_path.iterdir()} == {"report.md", "report.json", "calibration.png"}


def test_its_json_is_the_report_and_is_read_back(tmp_path: Path) -> None:
    write_page(tmp_path, MEASURED, None)
    assert RetrainReport.from_json(json.loads((tmp_path / "report.json").read_text())) == MEASURED


def test_something_else_than_a_report_is_refused_by_the_first_thing_that_it_lacks() -> None:
    with pytest.raises(RunRefused, match="verdict"):
        RetrainReport.from_json({k: v for k, v in REPORT.to_json().items() if k != "verdict"})


def test_calibration_is_drawn_for_every_set_of_faces(tmp_path: Path) -> None:
    widths = []
    for report in (MEASURED, replace(MEASURED, base=None, holdout=None)):
        write_page(tmp_path, report, None)
        picture = (tmp_path / "calibration.png").read_bytes()
        widths.append(Image.open(io.BytesIO(picture)).width)
    assert widths[0] == 3 * widths[1]


def test_a_sheet_of_faces_goes_when_the_report_is_written_without(tmp_path: Path) -> None:
    write_page(tmp_path, MEASURED, b"png")
    assert (tmp_path / "faces.png").read_bytes() == b"png"
    assert "![faces whose answer changed](faces.png)" in (tmp_path / "report.md").read_text()
    write_page(tmp_path, MEASURED, None)
    assert not (tmp_path / "faces.png").exists()
    assert "faces.png" not in (tmp_path / "report.md").read_text()
