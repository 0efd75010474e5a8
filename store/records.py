"""What the store's functions take and return: frozen dataclasses, detached from any session."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal, TypeAlias

Consent: TypeAlias = Literal["unknown", "asked", "given", "withdrawn"]
ReadingStatus: TypeAlias = Literal["read", "no_face", "face_too_small", "unreadable", "too_large"]
FeedbackKind: TypeAlias = Literal["confirmation", "correction", "retraction"]
FeedbackSource: TypeAlias = Literal["text", "button", "reaction", "edit"]
QuestionKind: TypeAlias = Literal["which_face", "which_emotion", "which_of_two"]
RulingVerdict: TypeAlias = Literal["accepted", "rejected", "skipped"]
VersionState: TypeAlias = Literal["candidate", "current", "retired", "rejected"]
VersionEvent: TypeAlias = Literal["registered", "promoted", "rolled_back", "rejected"]
RulingOutcome: TypeAlias = Literal["ruled", "repeated", "already_ruled", "gone", "own"]
ReviewReason: TypeAlias = Literal[
    "ring", "streak", "burst", "distrusted", "against_confident", "disagree", "unsure", "alone"
]
RunState: TypeAlias = Literal["running", "finished", "failed"]
FiringOutcome: TypeAlias = Literal["promoted", "refused", "rested", "busy", "failed", "stopped"]
Box: TypeAlias = tuple[float, float, float, float]
Landmarks: TypeAlias = tuple[tuple[float, float], ...]
Probabilities: TypeAlias = tuple[float, ...]
JsonObject: TypeAlias = Mapping[str, object]


@dataclass(frozen=True)
class Claim:
    """One update, claimed by one worker until its lease ends.

    `attempt` counts from 1. More attempts than allowed means that earlier ones died without a
    word: fail it at once instead of trying again.
    """

    inbox_id: int
    bot_id: int
    update_id: int
    person_id: int | None
    ordering_key: str
    payload: JsonObject
    attempt: int
    worker: str


@dataclass(frozen=True)
class Person:
    """Somebody who wrote to the bot; `person_id` is Telegram's user id.

    `forget_asked_at`: the bot asked then whether to erase everything, and has no answer.
    """

    person_id: int
    language: str | None
    consent: Consent
    consent_at: datetime | None
    first_seen_at: datetime
    forget_asked_at: datetime | None = None


@dataclass(frozen=True)
class NewFace:
    """One face as `fer_model` saw it.

    Box is left, top, right, bottom and landmarks are (5, 2), x then y, both in px of the photo;
    crowd and label are seven probabilities each; `differing` is what each ensemble member would
    say, where they differ.
    """

    box: Box
    landmarks: Landmarks
    crowd: Probabilities
    label: Probabilities
    differing: tuple[str, ...] = ()


@dataclass(frozen=True)
class NewReading:
    """One photo's result, ready to be written; faces are in order, left to right."""

    person_id: int
    chat_id: int
    inbox_id: int | None
    file_id: str
    file_unique_id: str
    photo_message_id: int
    model_version: str
    faces: tuple[NewFace, ...] = ()
    status: ReadingStatus = "read"
    photo_index: int = 0
    width: int | None = None
    height: int | None = None
    latency_ms: float | None = None


@dataclass(frozen=True)
class Face:
    """One face of a reading, numbered from 1, left to right; without its crop."""

    face_id: int
    reading_id: str
    person_id: int
    number: int
    box: Box
    landmarks: Landmarks
    crowd: Probabilities
    label: Probabilities
    has_crop: bool
    differing: tuple[str, ...] = ()


@dataclass(frozen=True)
class FaceToKeep:
    """A face to be cropped from its photo, which Telegram gives again by `file_id`."""

    face: Face
    file_id: str


@dataclass(frozen=True)
class Reading:
    """One photo's result, with its faces in the order of their numbers."""

    reading_id: str
    person_id: int
    chat_id: int
    inbox_id: int | None
    photo_index: int
    file_id: str
    file_unique_id: str
    photo_message_id: int
    reply_message_id: int | None
    model_version: str
    status: ReadingStatus
    width: int | None
    height: int | None
    latency_ms: float | None
    created_at: datetime
    faces: tuple[Face, ...]


@dataclass(frozen=True)
class MessageRef:
    """The message by which something was said."""

    chat_id: int
    message_id: int


@dataclass(frozen=True)
class Feedback:
    """What one person said about one face; `emotion` is None for a retraction only.

    `shares` are seven, where the person named a mixture; `emotion` is then its largest.
    """

    feedback_id: int
    face_id: int
    reading_id: str
    face_number: int
    person_id: int
    kind: FeedbackKind
    emotion: str | None
    source: FeedbackSource
    message: MessageRef | None
    supersedes_id: int | None
    active: bool
    created_at: datetime
    shares: Probabilities | None = None


@dataclass(frozen=True)
class Recorded:
    """Feedback as it now stands.

    `previous` is what it revised. `repeated`: the same had been said already, nothing was written.
    `first`: the person's first feedback ever, after which consent is asked.
    """

    feedback: Feedback
    face: Face
    previous: Feedback | None
    repeated: bool
    first: bool


@dataclass(frozen=True)
class Undone:
    """What an undo did: `superseded` means that a later feedback stands, and was left alone."""

    feedback: Feedback
    outcome: Literal["undone", "already_undone", "superseded"]


@dataclass(frozen=True)
class FeedbackCounts:
    """How many pieces of active feedback there are, and from how many people."""

    confirmations: int
    corrections: int
    people: int
    trainable: int


@dataclass(frozen=True)
class TrainingFace:
    """One piece of active feedback from somebody who consents, with the face that it is about.

    `face` is equal for the same face of the same photo, whoever sent it. `crop` is an encoded
    image; `crop_landmarks` are (5, 2) in px of the crop where they were kept; `crowd` and `label`
    are what `model_version` answered; `shares` are seven, where the person named a mixture and
    `emotion` is its largest; `asked` tells that the bot had asked the person about this face.
    """

    feedback_id: int
    face_id: int
    face: str
    reading_id: str
    person_id: int
    kind: FeedbackKind
    emotion: str
    crowd: Probabilities
    label: Probabilities
    model_version: str
    crop: bytes
    crop_landmarks: Landmarks | None
    created_at: datetime
    shares: Probabilities | None = None
    asked: bool = False


@dataclass(frozen=True)
class ReviewItem:
    """One piece of feedback that waits for an admin's ruling, without any trace of who gave it.

    `crop` is an encoded image of the face; `crowd` is what was answered; `shares` are seven, where
    a mixture was named, and `emotion` is then the largest. `others` are what other people named on
    the same face, one emotion a person; `reasons` say why it is shown, the weightiest first.
    """

    feedback_id: int
    crop: bytes
    crowd: Probabilities
    kind: FeedbackKind
    emotion: str
    shares: Probabilities | None
    others: tuple[str, ...]
    reasons: tuple[ReviewReason, ...]
    created_at: datetime


@dataclass(frozen=True)
class ReviewCounts:
    """How many pieces of feedback wait for a ruling, and how many were accepted or rejected."""

    waiting: int
    accepted: int
    rejected: int


@dataclass(frozen=True)
class Ruling:
    """The newest word of an admin on a piece of feedback; `admin_id` None: they were erased."""

    feedback_id: int
    verdict: RulingVerdict
    admin_id: int | None
    at: datetime


@dataclass(frozen=True)
class Question:
    """Something the bot asked one person about one reading.

    `emotion` is what the person had named (None: they agreed, or named none), `face_number` the
    face they meant, `message` the message that made the bot ask, `source` how it came; `shares` are
    seven, where they had named a mixture. `between` are the two emotions of a question of two,
    which nobody's words made the bot ask.
    """

    question_id: int
    person_id: int
    chat_id: int
    reading_id: str
    kind: QuestionKind
    face_number: int | None
    emotion: str | None
    source: FeedbackSource
    message: MessageRef | None
    created_at: datetime
    answered_at: datetime | None
    shares: Probabilities | None = None
    between: tuple[str, str] | None = None


@dataclass(frozen=True)
class PastQuestion:
    """A question of two that was put to somebody; `answered` if they spoke about its face since."""

    asked_at: datetime
    answered: bool


@dataclass(frozen=True)
class Erased:
    """How many rows of each table were erased, and how many model versions are void by it."""

    rows: Mapping[str, int]
    versions: int = 0

    @property
    def total(self) -> int:
        """The sum over all tables."""
        return sum(self.rows.values())


@dataclass(frozen=True)
class ModelVersion:
    """One released ensemble and where it is in its life.

    `person_erased_at`: since then it is void, for somebody was erased, or withdrew their consent,
    whom it or an ancestor was trained on. `deleted_at`: its files are gone, its figures are kept.
    """

    digest: str
    uri: str
    state: VersionState
    parent_digest: str | None
    created_at: datetime
    figures: JsonObject
    report: JsonObject
    person_erased_at: datetime | None = None
    deleted_at: datetime | None = None

    @property
    def void(self) -> bool:
        """Whether it must not serve any more, and be the start of nothing."""
        return self.person_erased_at is not None


@dataclass(frozen=True)
class ModelEvent:
    """What happened to a version; `previous_digest` is the version that it replaced."""

    digest: str
    previous_digest: str | None
    event: VersionEvent
    actor: str
    reason: str | None
    override: bool
    verdict: JsonObject | None
    at: datetime


@dataclass(frozen=True)
class Verdict:
    """What the promotion gate said, with everything it looked at."""

    passed: bool
    report: JsonObject


@dataclass(frozen=True)
class Lease:
    """A right held by one process until `expires_at`; the token is larger for every new holder."""

    name: str
    holder: str
    token: int
    expires_at: datetime


@dataclass(frozen=True)
class Run:
    """One training or retraining."""

    run_id: int
    kind: str
    state: RunState
    started_at: datetime
    finished_at: datetime | None
    arguments: JsonObject
    report: JsonObject | None
    error: str | None
    log: str | None


@dataclass(frozen=True)
class ReviewMessage:
    """A message of a review, in an admin's private chat with a bot."""

    bot_id: int
    admin_id: int
    message_id: int


@dataclass(frozen=True)
class ReviewCard:
    """A message that shows a kept face to an admin; `shown_at` is None where it was about to."""

    card_id: int
    message: ReviewMessage
    shown_at: datetime | None


@dataclass(frozen=True)
class Schedule:
    """A process that retrains by the clock.

    Attributes:
        holder: Its name, which no other process has.
        expression: Five fields as in crontab(5).
        timezone: Of these; None is its host's.
        minimum_feedback: New pieces without which it does nothing.
        seen_at: When it last said that it is alive.
        alive: It did so lately and was not stopped.
        next_at: When it fires next; None once it was stopped.
        fired_at: When it last fired.
        outcome: Of that; None while it is at work.
        candidate: The version's digest that came out.
        detail: One line in English, nothing about people.
    """

    holder: str
    expression: str
    timezone: str | None
    minimum_feedback: int
    seen_at: datetime
    alive: bool
    next_at: datetime | None
    fired_at: datetime | None
    outcome: FiringOutcome | None
    candidate: str | None
    detail: str | None


@dataclass(frozen=True)
class Day:
    """One UTC day's numbers."""

    day: date
    readings: int
    confirmations: int
    corrections: int


@dataclass(frozen=True)
class Statistics:
    """The numbers behind `/stats`; feedback counts are of feedback that stands.

    `agreement` is the share, 0 to 1, of the readings with feedback on which all feedback confirms;
    None where no reading got any. Latencies are None where no reading was timed. `schedules` are
    the processes that retrain, as they are now.
    """

    since: datetime | None
    readings: int
    faces: int
    people: int
    confirmations: int
    corrections: int
    readings_with_feedback: int
    readings_without_feedback: int
    agreement: float | None
    latency_p50_ms: float | None
    latency_p95_ms: float | None
    inbox_waiting: int
    inbox_parked: int
    model_version: str | None
    schedules: tuple[Schedule, ...]
    days: tuple[Day, ...]
