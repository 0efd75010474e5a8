"""Which faces are told of together."""

import pytest

from bot.pages import FACES_PER_PAGE, faces_of_page, page_count, page_of_face
from tests.bot.samples import MIXED, reading


@pytest.mark.parametrize(
    ("faces", "pages"), [(1, 1), (4, 1), (5, 3), (8, 3), (9, 4), (12, 4), (60, 16)]
)
def test_crowd_has_a_summary_and_then_pages_of_four(faces: int, pages: int) -> None:
    assert page_count(reading([MIXED] * faces)) == pages


@pytest.mark.parametrize("count", [1, 4, 5, 12, 13, 60])
def test_every_face_is_on_its_page_and_on_no_other(count: int) -> None:
    about = reading([MIXED] * count)
    seen = []
    for page in range(page_count(about)):
        faces = faces_of_page(about, page)
        assert len(faces) <= FACES_PER_PAGE
        assert all(page_of_face(about, face.number) == page for face in faces)
        seen += [face.number for face in faces]
    assert seen == list(range(1, count + 1))


def test_summary_of_a_crowd_tells_of_no_single_face() -> None:
    assert faces_of_page(reading([MIXED] * 12), 0) == ()
