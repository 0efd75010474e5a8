"""Readings and feedback for tests of words and pictures."""

from collections.abc import Sequence
from datetime import UTC, datetime

from store.records import Box, Face, Feedback, Question, Reading, Recorded, Statistics

MIXED = (0.0, 0.0, 0.02, 0.62, 0.0, 0.08, 0.28)
SURE = (0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0)
EVEN = (1 / 7,) * 7
FOUR = (0.1, 0.0, 0.1, 0.0, 0.4, 0.1, 0.3)
SAD = (0.1, 0.0, 0.1, 0.0, 0.8, 0.0, 0.0)
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
READING_ID = "a-B_c3d4E5f6"


def reading(
    blends: Sequence[tuple[float, ...]],
    *,
    boxes: Sequence[Box] | None = None,
    differing: tuple[str, ...] = (),
    size: tuple[int, int] = (800, 600),
) -> Reading:
    """A reading with a face per blend, on all of which the members differ like that."""
    places = boxes or [_place(number, size) for number in range(len(blends))]
    faces = tuple(
        Face(
            face_id=100 + number,
            reading_id=READING_ID,
            person_id=1,
            number=number,
            box=box,
            landmarks=((0.0, 0.0),) * 5,
            crowd=blend,
            label=blend,
            has_crop=False,
            differing=differing,
        )
        for number, (blend, box) in enumerate(zip(blends, places, strict=True), start=1)
    )
    return Reading(
        reading_id=READING_ID,
        person_id=1,
        chat_id=1,
        inbox_id=1,
        photo_index=0,
        file_id="file",
        file_unique_id="unique",
        photo_message_id=10,
        reply_message_id=11,
        model_version="f" * 64,
        status="read",
        width=size[0],
        height=size[1],
        latency_ms=120.0,
        created_at=NOW,
        faces=faces,
    )


def _place(index: int, size: tuple[int, int]) -> Box:
    width, height = size[0] / 12, size[1] / 8
    left, top = (index % 10 + 0.6) * width, (index // 10 % 7 + 0.4) * height
    return (left, top, left + width * 0.8, top + height * 0.8)


def feedback(emotion: str | None, face: int = 1, *, kind: str = "correction") -> Feedback:
    """What person 1 said about a face."""
    return Feedback(
        feedback_id=500 + face,
        face_id=100 + face,
        reading_id=READING_ID,
        face_number=face,
        person_id=1,
        kind=kind,  # type: ignore[arg-type]
        emotion=emotion,
        source="text",
        message=None,
        supersedes_id=None,
        active=True,
        created_at=NOW,
    )


def recorded(
    about: Reading,
    said: Feedback,
    *,
    previous: Feedback | None = None,
    repeated: bool = False,
) -> Recorded:
    """That feedback, as the store answers."""
    face = about.faces[said.face_number - 1]
    return Recorded(said, face, previous=previous, repeated=repeated, first=False)


def question(emotion: str | None = None) -> Question:
    """Which face?"""
    return Question(
        question_id=77,
        person_id=1,
        chat_id=1,
        reading_id=READING_ID,
        kind="which_face",
        face_number=None,
        emotion=emotion,
        source="text",
        message=None,
        created_at=NOW,
        answered_at=None,
    )


NOTHING = Statistics(
    since=None,
    readings=0,
    faces=0,
    people=0,
    confirmations=0,
    corrections=0,
    readings_with_feedback=0,
    readings_without_feedback=0,
    agreement=None,
    latency_p50_ms=None,
    latency_p95_ms=None,
    inbox_waiting=0,
    inbox_parked=0,
    model_version=None,
    schedules=(),
    days=(),
)
