"""Ids for IN (…), in lists that one statement can take."""

from collections.abc import Iterable, Iterator
from typing import Final

MOST_IDS: Final = 10_000
"""A statement has 32,767 parameters at most. Source: PostgreSQL's protocol, Int16 in Bind."""


def batches(ids: Iterable[int]) -> Iterator[list[int]]:
    """Yield the ids, the smallest first, at most `MOST_IDS` at a time."""
    ordered = sorted(ids)
    for start in range(0, len(ordered), MOST_IDS):
        yield ordered[start : start + MOST_IDS]
