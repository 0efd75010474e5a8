"""The one place that asks for the time; every function can be given another `now`."""

from datetime import UTC, datetime


def moment(now: datetime | None) -> datetime:
    """Return `now`, or the present moment in UTC where none is given."""
    return datetime.now(UTC) if now is None else now
