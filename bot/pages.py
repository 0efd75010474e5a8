"""Which faces of a reading are told of together, in words and in pictures."""

import math
from typing import Final

from store.records import Face, Reading

FACES_PER_PAGE: Final = 4
"""More charts than that are too small to read on a phone."""


def page_count(reading: Reading) -> int:
    """How many pages a reading has, at least 1."""
    if len(reading.faces) <= FACES_PER_PAGE:
        return 1
    return 1 + math.ceil(len(reading.faces) / FACES_PER_PAGE)


def page_of_face(reading: Reading, face: int) -> int:
    """The page that tells of this face."""
    return 0 if page_count(reading) == 1 else (face - 1) // FACES_PER_PAGE + 1


def faces_of_page(reading: Reading, page: int) -> tuple[Face, ...]:
    """The faces that a page tells of one by one; none on the page that sums up a crowd."""
    if page_count(reading) == 1:
        return reading.faces
    last = page * FACES_PER_PAGE
    return reading.faces[max(last - FACES_PER_PAGE, 0) : last]
