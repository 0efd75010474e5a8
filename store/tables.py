"""The tables. `migrations` creates and changes them; nothing else does.

Every row that can be traced to a person has a `person_id`, also where a foreign key would lead to
it, so that `people.erase_person` is one pass over the tables that have that column.
"""

from datetime import UTC, datetime

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    DateTime,
    Dialect,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Text,
    TypeDecorator,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from store.emotions import EMOTIONS

OWNER_COLUMN = "person_id"

INBOX_STATES = ("waiting", "claimed", "done", "parked")
CONSENT_STATES = ("unknown", "asked", "given", "withdrawn")
READING_STATES = ("read", "no_face", "face_too_small", "unreadable", "too_large")
FEEDBACK_KINDS = ("confirmation", "correction", "retraction")
FEEDBACK_SOURCES = ("text", "button", "reaction", "edit")
QUESTION_KINDS = ("which_face", "which_emotion", "which_of_two")
RULINGS = ("accepted", "rejected", "skipped")
VERSION_STATES = ("candidate", "current", "retired", "rejected")
VERSION_EVENTS = ("registered", "promoted", "rolled_back", "rejected")
RUN_STATES = ("running", "finished", "failed")
FIRING_OUTCOMES = ("promoted", "refused", "rested", "busy", "failed", "stopped")

NAMING_CONVENTION = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}


class UtcDateTime(TypeDecorator[datetime]):
    """Aware datetimes in UTC, also on SQLite, whose driver hands back naive ones."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(
        self,
        value: datetime | None,
        dialect: Dialect,  # noqa: ARG002 - SQLAlchemy passes it
    ) -> datetime | None:
        """Return the moment in UTC.

        Raises:
            ValueError: the datetime is naive, so nobody can say which moment it is.
        """
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a naive datetime was given where an aware one is needed")
        return value.astimezone(UTC)

    def process_result_value(
        self,
        value: datetime | None,
        dialect: Dialect,  # noqa: ARG002 - SQLAlchemy passes it
    ) -> datetime | None:
        """Return the moment, aware and in UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


# SQLite numbers rows by itself only in a column declared INTEGER.
RowId = BigInteger().with_variant(Integer(), "sqlite")
Json = JSON(none_as_null=True)


def one_of(column: str, values: tuple[str, ...]) -> str:
    """Return the SQL condition that a column holds one of these words."""
    return f"{column} IN ({', '.join(repr(value) for value in values)})"


class Base(DeclarativeBase):
    """Declarative base; its metadata names every constraint, so that migrations can drop them."""

    metadata = MetaData(naming_convention=NAMING_CONVENTION)


class PersonRow(Base):
    """Somebody who wrote to the bot; the id is Telegram's user id."""

    __tablename__ = "people"
    __table_args__ = (CheckConstraint(one_of("consent", CONSENT_STATES), name="consent"),)

    person_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    language: Mapped[str | None] = mapped_column(String(16))
    consent: Mapped[str] = mapped_column(String(16))
    consent_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    first_seen_at: Mapped[datetime] = mapped_column(UtcDateTime)
    forget_asked_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class InboxRow(Base):
    """One update as it came from Telegram; finished and parked rows have lost their payload.

    `person_id` has no foreign key: the update is kept before anything is known about its sender.
    """

    __tablename__ = "inbox"
    __table_args__ = (
        UniqueConstraint("bot_id", "update_id"),
        CheckConstraint(one_of("state", INBOX_STATES), name="state"),
        Index(
            "ix_inbox_unfinished",
            "bot_id",
            "ordering_key",
            "id",
            sqlite_where=text("state IN ('waiting', 'claimed')"),
            postgresql_where=text("state IN ('waiting', 'claimed')"),
        ),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    bot_id: Mapped[int] = mapped_column(BigInteger)
    update_id: Mapped[int] = mapped_column(BigInteger)
    person_id: Mapped[int | None] = mapped_column(BigInteger, index=True)
    ordering_key: Mapped[str] = mapped_column(String(64))
    payload: Mapped[dict[str, object] | None] = mapped_column(Json)
    state: Mapped[str] = mapped_column(String(16))
    attempts: Mapped[int] = mapped_column(Integer)
    received_at: Mapped[datetime] = mapped_column(UtcDateTime)
    available_at: Mapped[datetime] = mapped_column(UtcDateTime)
    lease_until: Mapped[datetime | None] = mapped_column(UtcDateTime)
    leased_by: Mapped[str | None] = mapped_column(String(128))
    finished_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    error: Mapped[str | None] = mapped_column(Text)


class ModelVersionRow(Base):
    """One released ensemble: an immutable directory named by its digest.

    `person_erased_at`: somebody was erased then, or withdrew their consent, whose feedback or face
    it, or a version that it descends from, was trained on. `deleted_at`: its files went then.
    """

    __tablename__ = "model_versions"
    __table_args__ = (
        CheckConstraint(one_of("state", VERSION_STATES), name="state"),
        Index(
            "uq_model_versions_current",
            "state",
            unique=True,
            sqlite_where=text("state = 'current'"),
            postgresql_where=text("state = 'current'"),
        ),
    )

    digest: Mapped[str] = mapped_column(String(128), primary_key=True)
    uri: Mapped[str] = mapped_column(Text)
    state: Mapped[str] = mapped_column(String(16))
    parent_digest: Mapped[str | None] = mapped_column(ForeignKey("model_versions.digest"))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    figures: Mapped[dict[str, object]] = mapped_column(Json)
    report: Mapped[dict[str, object]] = mapped_column(Json)
    person_erased_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    deleted_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class ModelEventRow(Base):
    """What happened to a version, who did it, and why; never changed."""

    __tablename__ = "model_events"
    __table_args__ = (CheckConstraint(one_of("event", VERSION_EVENTS), name="event"),)

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    digest: Mapped[str] = mapped_column(ForeignKey("model_versions.digest"), index=True)
    previous_digest: Mapped[str | None] = mapped_column(ForeignKey("model_versions.digest"))
    event: Mapped[str] = mapped_column(String(16))
    actor: Mapped[str] = mapped_column(String(128))
    reason: Mapped[str | None] = mapped_column(Text)
    override: Mapped[bool] = mapped_column(Boolean)
    verdict: Mapped[dict[str, object] | None] = mapped_column(Json)
    at: Mapped[datetime] = mapped_column(UtcDateTime)


class ReadingRow(Base):
    """One photo's result. A message can have several, told apart by `photo_index`."""

    __tablename__ = "readings"
    __table_args__ = (
        UniqueConstraint("inbox_id", "photo_index"),
        CheckConstraint(one_of("status", READING_STATES), name="status"),
        Index("ix_readings_chat_person", "chat_id", "person_id", "created_at"),
        Index("ix_readings_photo_message", "chat_id", "photo_message_id"),
        Index("ix_readings_reply_message", "chat_id", "reply_message_id"),
    )

    id: Mapped[str] = mapped_column(String(16), primary_key=True)
    person_id: Mapped[int] = mapped_column(ForeignKey("people.person_id"), index=True)
    chat_id: Mapped[int] = mapped_column(BigInteger)
    inbox_id: Mapped[int | None] = mapped_column(ForeignKey("inbox.id", ondelete="SET NULL"))
    photo_index: Mapped[int] = mapped_column(Integer)
    file_id: Mapped[str] = mapped_column(Text)
    file_unique_id: Mapped[str] = mapped_column(Text)
    photo_message_id: Mapped[int] = mapped_column(BigInteger)
    reply_message_id: Mapped[int | None] = mapped_column(BigInteger)
    model_version: Mapped[str] = mapped_column(ForeignKey("model_versions.digest"))
    status: Mapped[str] = mapped_column(String(16))
    width: Mapped[int | None] = mapped_column(Integer)
    height: Mapped[int | None] = mapped_column(Integer)
    latency_ms: Mapped[float | None] = mapped_column(Float)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)


class FaceRow(Base):
    """One face of a reading; box and landmarks in px of the photo, the crop only with consent."""

    __tablename__ = "faces"
    __table_args__ = (
        UniqueConstraint("reading_id", "number"),
        CheckConstraint("(crop IS NULL) = (crop_consented_at IS NULL)", name="crop_has_consent"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    reading_id: Mapped[str] = mapped_column(ForeignKey("readings.id", ondelete="CASCADE"))
    person_id: Mapped[int] = mapped_column(ForeignKey("people.person_id"), index=True)
    number: Mapped[int] = mapped_column(Integer)
    box_left: Mapped[float] = mapped_column(Float)
    box_top: Mapped[float] = mapped_column(Float)
    box_right: Mapped[float] = mapped_column(Float)
    box_bottom: Mapped[float] = mapped_column(Float)
    landmarks: Mapped[list[list[float]]] = mapped_column(Json)
    crowd: Mapped[list[float]] = mapped_column(Json)
    label: Mapped[list[float]] = mapped_column(Json)
    differing: Mapped[list[str] | None] = mapped_column(Json)
    crop: Mapped[bytes | None] = mapped_column(LargeBinary, deferred=True)
    crop_landmarks: Mapped[list[list[float]] | None] = mapped_column(Json)
    crop_consented_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class FeedbackRow(Base):
    """What one person says about one face; append-only, but for `active` and erasing.

    `shares` are seven, where the person named a mixture; `emotion` is then the largest.
    """

    __tablename__ = "feedback"
    __table_args__ = (
        CheckConstraint(one_of("kind", FEEDBACK_KINDS), name="kind"),
        CheckConstraint(one_of("source", FEEDBACK_SOURCES), name="source"),
        CheckConstraint(one_of("emotion", EMOTIONS), name="emotion"),
        CheckConstraint("(kind = 'retraction') = (emotion IS NULL)", name="emotion_given"),
        CheckConstraint("NOT (active AND kind = 'retraction')", name="retraction_inactive"),
        Index(
            "uq_feedback_active",
            "face_id",
            "person_id",
            unique=True,
            sqlite_where=text("active"),
            postgresql_where=text("active"),
        ),
        Index("ix_feedback_message", "chat_id", "message_id"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    face_id: Mapped[int] = mapped_column(ForeignKey("faces.id", ondelete="CASCADE"), index=True)
    person_id: Mapped[int] = mapped_column(ForeignKey("people.person_id"), index=True)
    kind: Mapped[str] = mapped_column(String(16))
    emotion: Mapped[str | None] = mapped_column(String(16))
    shares: Mapped[list[float] | None] = mapped_column(Json)
    source: Mapped[str] = mapped_column(String(16))
    chat_id: Mapped[int | None] = mapped_column(BigInteger)
    message_id: Mapped[int | None] = mapped_column(BigInteger)
    supersedes_id: Mapped[int | None] = mapped_column(
        ForeignKey("feedback.id", ondelete="SET NULL"), index=True
    )
    active: Mapped[bool] = mapped_column(Boolean)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)


class ModelVersionFeedbackRow(Base):
    """Which feedback a version was trained on."""

    __tablename__ = "model_version_feedback"

    digest: Mapped[str] = mapped_column(ForeignKey("model_versions.digest"), primary_key=True)
    feedback_id: Mapped[int] = mapped_column(
        ForeignKey("feedback.id", ondelete="CASCADE"), primary_key=True, index=True
    )
    person_id: Mapped[int] = mapped_column(ForeignKey("people.person_id"), index=True)


class RulingRow(Base):
    """What an admin made of a piece of feedback; the newest counts. `person_id` gave the feedback.

    `admin_id` is emptied when the admin is erased.
    """

    __tablename__ = "rulings"
    __table_args__ = (
        CheckConstraint(one_of("verdict", RULINGS), name="verdict"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    feedback_id: Mapped[int] = mapped_column(
        ForeignKey("feedback.id", ondelete="CASCADE"), index=True
    )
    person_id: Mapped[int] = mapped_column(ForeignKey("people.person_id"), index=True)
    verdict: Mapped[str] = mapped_column(String(16))
    admin_id: Mapped[int | None] = mapped_column(BigInteger)
    at: Mapped[datetime] = mapped_column(UtcDateTime)


class ReviewCardRow(Base):
    """A message in an admin's private chat that shows, or is about to show, a kept face.

    It is there for as long as the message may show it. `feedback_id` is emptied when the feedback
    is erased, and where the message is to go for another reason; `shown_at` is empty until the face
    is in the message. Whose face it is, it does not say. Those of an admin who was erased go when
    their messages have gone.
    """

    __tablename__ = "review_cards"
    __table_args__ = ({"sqlite_autoincrement": True},)

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    bot_id: Mapped[int] = mapped_column(BigInteger)
    admin_id: Mapped[int] = mapped_column(BigInteger)
    message_id: Mapped[int] = mapped_column(BigInteger)
    feedback_id: Mapped[int | None] = mapped_column(
        ForeignKey("feedback.id", ondelete="SET NULL"), index=True
    )
    shown_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class QuestionRow(Base):
    """Something the bot asked and waits for: which face, which emotion, or which of two.

    `between` are the two emotions of the last kind; `shares` are seven, where the person had named
    a mixture.
    """

    __tablename__ = "questions"
    __table_args__ = (
        CheckConstraint(one_of("kind", QUESTION_KINDS), name="kind"),
        CheckConstraint(one_of("source", FEEDBACK_SOURCES), name="source"),
        CheckConstraint(one_of("emotion", EMOTIONS), name="emotion"),
        Index("ix_questions_chat_person", "chat_id", "person_id", "id"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    person_id: Mapped[int] = mapped_column(ForeignKey("people.person_id"), index=True)
    chat_id: Mapped[int] = mapped_column(BigInteger)
    reading_id: Mapped[str] = mapped_column(
        ForeignKey("readings.id", ondelete="CASCADE"), index=True
    )
    kind: Mapped[str] = mapped_column(String(16))
    face_number: Mapped[int | None] = mapped_column(Integer)
    emotion: Mapped[str | None] = mapped_column(String(16))
    between: Mapped[list[str] | None] = mapped_column(Json)
    shares: Mapped[list[float] | None] = mapped_column(Json)
    source: Mapped[str] = mapped_column(String(16))
    message_id: Mapped[int | None] = mapped_column(BigInteger)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    answered_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class LeaseRow(Base):
    """A right that one process holds at a time; the token grows with every new holder."""

    __tablename__ = "leases"

    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    holder: Mapped[str] = mapped_column(String(128))
    token: Mapped[int] = mapped_column(BigInteger)
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime)


class TrainingRunRow(Base):
    """One training or retraining, with what it was asked and what came out."""

    __tablename__ = "training_runs"
    __table_args__ = (CheckConstraint(one_of("state", RUN_STATES), name="state"),)

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    kind: Mapped[str] = mapped_column(String(32))
    state: Mapped[str] = mapped_column(String(16))
    started_at: Mapped[datetime] = mapped_column(UtcDateTime)
    finished_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    arguments: Mapped[dict[str, object]] = mapped_column(Json)
    report: Mapped[dict[str, object] | None] = mapped_column(Json)
    error: Mapped[str | None] = mapped_column(Text)
    log: Mapped[str | None] = mapped_column(Text)


class ScheduleRow(Base):
    """A process that retrains by the clock: when it was last alive, fired, and will fire.

    `outcome` is empty while what was fired at `fired_at` is at work; `detail` is one line in
    English, nothing about people. `next_at` is empty once the process was stopped.
    """

    __tablename__ = "schedules"
    __table_args__ = (CheckConstraint(one_of("outcome", FIRING_OUTCOMES), name="outcome"),)

    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    holder: Mapped[str] = mapped_column(String(128), primary_key=True)
    expression: Mapped[str] = mapped_column(String(128))
    timezone: Mapped[str | None] = mapped_column(String(64))
    minimum_feedback: Mapped[int] = mapped_column(Integer)
    seen_at: Mapped[datetime] = mapped_column(UtcDateTime)
    next_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    fired_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    outcome: Mapped[str | None] = mapped_column(String(16))
    candidate: Mapped[str | None] = mapped_column(String(128))
    detail: Mapped[str | None] = mapped_column(Text)
