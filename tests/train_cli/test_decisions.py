from dataclasses import replace
from pathlib import Path

import pytest

from train_cli.decisions import Reviewed, read_decisions, write_decisions
from train_cli.errors import DataSetRefused

ROW = Reviewed(
    number="1",
    split="train",
    file="train/sad/sad_00001.png",
    source="train/sad/sad0.png",
    label="sad",
    kind="label",
    suggestion="happy",
    reason="9 of 10 people say happy; the network gives sad 2%",
    decision="keep",
)


def written(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_what_was_written_is_read_back(tmp_path: Path) -> None:
    rows = [ROW, replace(ROW, number="2", source="train/sad/sad1.png", decision="happy")]
    write_decisions(tmp_path / "d.csv", rows)
    assert list(read_decisions(tmp_path / "d.csv").values()) == rows


def test_source_label_and_decision_are_enough(tmp_path: Path) -> None:
    path = written(tmp_path / "d.csv", "decision,source,label\ndrop,train/sad/1.png,sad\n")
    assert read_decisions(path)["train/sad/1.png"].decision == "drop"


def test_what_spreadsheets_make_of_it_is_understood(tmp_path: Path) -> None:
    path = written(tmp_path / "d.csv", "\ufeffsource;label;decision\ntrain/sad/1.png;sad; DROP \n")
    assert read_decisions(path)["train/sad/1.png"].decision == "drop"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "lacks source, label, decision"),
        ("source,label\na,sad\n", "lacks decision"),
        ("source,label,decision\na,sad,bored\n", "line 2: unknown decision 'bored'; known are kee"),
        ("source,label,decision\na,sad,keep\na,sad,drop\n", "line 3: a is there twice"),
        ("source,label,decision\n,sad,keep\n", "line 2: no source"),
        ("source,label,decision\na,sad\n", "line 2: unknown decision ''"),
    ],
)
def test_a_bad_csv_is_refused_with_its_line(tmp_path: Path, text: str, reason: str) -> None:
    with pytest.raises(DataSetRefused, match=reason):
        read_decisions(written(tmp_path / "d.csv", text))


def test_what_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "d.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataSetRefused, match="no readable decisions"):
        read_decisions(tmp_path / "d.csv")
