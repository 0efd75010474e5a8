import io
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image as PillowImage

from benchmarks import robustness, robustness_report
from benchmarks.conditions import Direct, InPhoto, direct_conditions, photo_conditions
from benchmarks.robustness import answered, pasted_face, through_pipeline
from benchmarks.scenes import Scene
from fer_model.alignment import CROP_SIDE, EYE_DISTANCE, EYES_ACROSS, EYES_DOWN, EYES_TO_MOUTH
from fer_model.detection import FoundFace, FoundFaces
from fer_model.engine import Located
from fer_model.geometry import Square
from fer_model.readings import Blend, Box, Face, Reading
from train_cli.splits import FaceSet

Image = NDArray[np.uint8]

HAPPY, SAD = 3, 4


def blend_of(place: int, share: float = 0.7) -> Blend:
    row = [(1 - share) / 6] * 7
    row[place] = share
    return Blend(tuple(row), tuple(row))


def faces_of(crops: Image, labels: list[int]) -> FaceSet:
    votes = torch.zeros(len(labels), 10)
    for row, label in enumerate(labels):
        votes[row, label], votes[row, (label + 1) % 7] = 8, 2
    return FaceSet(
        torch.from_numpy(crops)[:, None],
        torch.tensor(labels),
        votes,
        tuple(map(str, labels)),
        np.zeros(len(labels), bool),
    )


class OracleEngine:
    """Calls every face happy; finds the faces that it is told of, one photo after the other."""

    version = SimpleNamespace(short="0123456789ab")

    def __init__(self, places: Sequence[Square | None]) -> None:
        self._places = iter(places)

    def blend(self, crops: Image) -> list[Blend]:
        return [blend_of(HAPPY) for _ in crops]

    def read_many(self, files: list[bytes]) -> list[Reading]:
        return [
            Reading(
                tuple(Face(1, f.box, f.landmarks, f.score, blend_of(HAPPY)) for f in self._found()),
                (),
                960,
                720,
                "0" * 64,
            )
            for _ in files
        ]

    def locate(self, file: bytes) -> Located:
        found = self._found()
        crops = np.full((len(found), CROP_SIDE, CROP_SIDE, 3), 77, np.uint8)
        return Located(FoundFaces(found, ()), crops, 960, 720)

    def _found(self) -> tuple[FoundFace, ...]:
        place = next(self._places)
        if place is None:
            return ()
        eyes = [(EYES_ACROSS - EYE_DISTANCE / 2, EYES_DOWN)]
        eyes.append((EYES_ACROSS + EYE_DISTANCE / 2, EYES_DOWN))
        mouth = [(EYES_ACROSS - 0.1, EYES_DOWN + EYES_TO_MOUTH)]
        mouth.append((EYES_ACROSS + 0.1, EYES_DOWN + EYES_TO_MOUTH))
        points = place.to_image(np.array([*eyes, (0.5, 0.5), *mouth]), 1.0)
        x, y, half = round(place.x), round(place.y), round(place.side / 3)
        box = Box(x - half, y - half, x + half, y + half)
        return (FoundFace(box, tuple(map(tuple, points.tolist())), 0.9),)


def places_of(faces: FaceSet, *conditions: InPhoto) -> list[Square]:
    crops = faces.crops[:, 0].numpy()
    return [c.scene(crop, number, 0).face for c in conditions for number, crop in enumerate(crops)]


@pytest.fixture
def some(face: Image) -> FaceSet:
    bright = np.maximum(face, 40)
    return faces_of(np.stack([np.roll(bright, n, 1) for n in range(4)]), [HAPPY, SAD, HAPPY, HAPPY])


def test_answer_tells_confidence_from_what_people_say(some: FaceSet) -> None:
    answer = answered([blend_of(HAPPY, 0.7)] * 4, some)
    assert answer.faces == 4
    assert answer.label == answer.crowd == 0.75
    assert answer.confidence == pytest.approx(0.7)
    assert answer.people == pytest.approx((3 * 0.8 + 0.0) / 4)


def test_face_that_is_not_found_counts_as_an_error(some: FaceSet) -> None:
    _, second, _, fourth = places_of(some, InPhoto())
    engine = OracleEngine([None, second, None, fourth])
    clean = engine.blend(some.crops.numpy())
    result = through_pipeline(engine, some, clean, InPhoto(), 0)  # type: ignore[arg-type]
    assert result.photos == 4
    assert result.found == 0.5
    assert result.answer is not None
    assert result.direct is not None
    assert result.answer.faces == result.direct.faces == 2
    assert result.corner_error == pytest.approx(0, abs=1e-6)
    # Faces 2 and 4 are found, sad and happy, and both are called happy.
    assert result.answer.label == 0.5
    assert result.end_to_end_label == 0.25
    assert result.end_to_end_crowd == 0.25


def test_photos_without_any_face_give_no_figures_but_a_share(some: FaceSet) -> None:
    engine = OracleEngine([None] * 4)
    result = through_pipeline(engine, some, [blend_of(HAPPY)] * 4, InPhoto(), 0)  # type: ignore[arg-type]
    assert (result.found, result.answer, result.corner_error) == (0, None, None)
    assert (result.end_to_end_label, result.end_to_end_crowd) == (0, 0)


def reading_with(*boxes: Box) -> Reading:
    landmarks = ((0.0, 0.0),) * 5
    faces = tuple(Face(n, b, landmarks, 0.9, blend_of(HAPPY)) for n, b in enumerate(boxes, 1))
    return Reading(faces, (), 960, 720, "0" * 64)


def test_pasted_face_is_the_nearest_within_half_its_side() -> None:
    scene = Scene(np.zeros((720, 960, 3), np.uint8), Square(300, 300, 100))
    far, near, nearest = Box(400, 300, 480, 380), Box(290, 250, 390, 350), Box(255, 255, 345, 345)
    found = pasted_face(reading_with(far, near, nearest), scene)
    assert found is not None
    assert found.box == nearest
    assert pasted_face(reading_with(far), scene) is None
    assert pasted_face(reading_with(), scene) is None


@pytest.fixture
def figures() -> dict[str, object]:
    answer = {
        "faces": 4,
        "label": 0.5,
        "crowd": 0.25,
        "nll": 1.0,
        "confidence": 0.7,
        "people": 0.6,
        "share_gap": 0.1,
    }
    nothing = {"found": 0.0, "answer": None, "direct": None, "corner_error": None}
    found = {"found": 1.0, "answer": answer, "direct": answer, "corner_error": 4.25}
    ends = {"photos": 4, "false_alarms": 0.0, "end_to_end_label": 0.5, "end_to_end_crowd": 0.25}
    shown = [c.name for c in photo_conditions()]
    return {
        "version": "0123456789ab",
        "faces": 4,
        "seed": 0,
        "direct": [robustness._named(c, robustness.Answer(**answer)) for c in direct_conditions()],
        "photos": [{"condition": shown[0], **nothing, **ends}]
        + [{"condition": name, **found, **ends} for name in shown[1:]],
    }


def test_tables_name_the_version_and_every_condition(figures: dict[str, object]) -> None:
    page = robustness_report.tables(figures)
    assert "`0123456789ab`" in page
    lines = page.splitlines()
    for condition in direct_conditions():
        if condition.family:
            start = f"| {condition.family.name} | {condition.strength:g} ("
            assert sum(line.startswith(start) for line in lines) == 1
    for shown in photo_conditions():
        assert sum(line.startswith(f"| {shown.name} |") for line in lines) == 1
    widths = {line.count("|") for line in lines if line.startswith("|")}
    assert widths == {9}


def test_page_changes_between_its_marks_only(figures: dict[str, object]) -> None:
    begin, end = robustness_report.BEGIN, robustness_report.END
    page = f"# Before\n{begin}\nold\n{end}\nafter {end}\n"
    updated = robustness_report.updated_page(page, figures)
    assert updated.startswith(f"# Before\n{begin}\nVersion `0123456789ab`")
    assert updated.endswith(f"|\n{end}\nafter {end}\n")
    assert "old" not in updated
    assert robustness_report.updated_page(updated, figures) == updated
    with pytest.raises(ValueError, match="figures"):
        robustness_report.updated_page("# no marks", figures)


def test_page_of_the_repository_has_its_marks(figures: dict[str, object]) -> None:
    page = robustness_report.PAGE.read_text(encoding="utf-8")
    assert "0123456789ab" in robustness_report.updated_page(page, figures)


def test_picture_is_drawn_even_where_no_face_was_found(figures: dict[str, object]) -> None:
    with PillowImage.open(io.BytesIO(robustness_report.picture(figures))) as image:
        assert image.format == "PNG"
        assert image.width > 1000


def test_picture_has_a_frame_per_corruption_and_its_legends(figures: dict[str, Any]) -> None:
    axes = robustness_report.drawn(figures).axes
    families = {row["family"] for row in figures["direct"]} - {None}
    titled = [one.get_title() for one in axes if one.axison]
    assert sorted(titled) == sorted([*families, ""])  # and the bars
    assert sum(one.get_legend() is not None for one in axes) == 2


def test_contact_sheet_has_a_row_of_faces_and_one_per_photo_condition(
    tmp_path: Path, some: FaceSet, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "new" / "sheet.png"
    places: list[Square | None] = [*places_of(some, *photo_conditions())]
    places[1] = None
    robustness.contact_sheet(OracleEngine(places), some, out, 0)  # type: ignore[arg-type]
    sheet = cv2.imread(str(out), cv2.IMREAD_GRAYSCALE)
    assert sheet is not None
    rows = 1 + len(photo_conditions())
    assert sheet.shape == (rows * robustness.SHEET_SIDE, 4 * robustness.SHEET_SIDE)
    first = cv2.resize(sheet[:96, :96], (48, 48), interpolation=cv2.INTER_AREA)
    assert np.array_equal(first, some.crops[0, 0].numpy())
    assert [int(sheet[100, 96 * place + 50]) for place in range(4)] == [77, 0, 77, 77]
    assert "mean level" in capsys.readouterr().out


def test_altered_faces_differ_by_face_and_repeat_by_seed(some: FaceSet) -> None:
    crops = some.crops[:, 0].numpy()
    noise = next(c for c in direct_conditions() if c.family and c.family.name == "sensor noise")
    one, same = (robustness.altered(crops, noise, 0) for _ in range(2))
    assert np.array_equal(one, same)
    assert not np.array_equal(one[0], one[2])
    assert np.array_equal(robustness.altered(crops, Direct(), 0), crops)


def test_dry_run_prints_and_records_nothing(
    monkeypatch: pytest.MonkeyPatch, some: FaceSet, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(robustness, "load_split", lambda *_: some)
    monkeypatch.setattr(robustness.Engine, "load", lambda *_, **__: OracleEngine([None] * 4))
    monkeypatch.setattr(robustness, "direct_conditions", lambda: [Direct()])
    monkeypatch.setattr(robustness, "photo_conditions", lambda: [InPhoto()])
    monkeypatch.setattr(robustness, "write", lambda *_: pytest.fail("recorded"))
    robustness.main(["--dry-run", "--limit", "4"])
    printed = capsys.readouterr().out
    assert "clean" in printed
    assert "192 px" in printed
