"""The first schema."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0001"
down_revision: str | None = None
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Create every table."""
    op.create_table(
        "inbox",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("bot_id", sa.BigInteger(), nullable=False),
        sa.Column("update_id", sa.BigInteger(), nullable=False),
        sa.Column("person_id", sa.BigInteger(), nullable=True),
        sa.Column("ordering_key", sa.String(length=64), nullable=False),
        sa.Column("payload", sa.JSON(), nullable=True),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("received_at", MOMENT, nullable=False),
        sa.Column("available_at", MOMENT, nullable=False),
        sa.Column("lease_until", MOMENT, nullable=True),
        sa.Column("leased_by", sa.String(length=128), nullable=True),
        sa.Column("finished_at", MOMENT, nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "state IN ('waiting', 'claimed', 'done', 'parked')", name=op.f("ck_inbox_state")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_inbox")),
        sa.UniqueConstraint("bot_id", "update_id", name=op.f("uq_inbox_bot_id_update_id")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_inbox_person_id", "inbox", ["person_id"])
    op.create_index(
        "ix_inbox_unfinished",
        "inbox",
        ["bot_id", "ordering_key", "id"],
        sqlite_where=sa.text("state IN ('waiting', 'claimed')"),
        postgresql_where=sa.text("state IN ('waiting', 'claimed')"),
    )

    op.create_table(
        "leases",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("holder", sa.String(length=128), nullable=False),
        sa.Column("token", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_leases")),
    )
    op.create_table(
        "model_versions",
        sa.Column("digest", sa.String(length=128), nullable=False),
        sa.Column("uri", sa.Text(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("parent_digest", sa.String(length=128), nullable=True),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("figures", sa.JSON(), nullable=False),
        sa.Column("report", sa.JSON(), nullable=False),
        sa.CheckConstraint(
            "state IN ('candidate', 'current', 'retired', 'rejected')",
            name=op.f("ck_model_versions_state"),
        ),
        sa.ForeignKeyConstraint(
            ["parent_digest"],
            ["model_versions.digest"],
            name=op.f("fk_model_versions_parent_digest_model_versions"),
        ),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_model_versions")),
    )
    op.create_index(
        "uq_model_versions_current",
        "model_versions",
        ["state"],
        unique=True,
        sqlite_where=sa.text("state = 'current'"),
        postgresql_where=sa.text("state = 'current'"),
    )

    op.create_table(
        "people",
        sa.Column("person_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("language", sa.String(length=16), nullable=True),
        sa.Column("consent", sa.String(length=16), nullable=False),
        sa.Column("consent_at", MOMENT, nullable=True),
        sa.Column("first_seen_at", MOMENT, nullable=False),
        sa.CheckConstraint(
            "consent IN ('unknown', 'asked', 'given', 'withdrawn')", name=op.f("ck_people_consent")
        ),
        sa.PrimaryKeyConstraint("person_id", name=op.f("pk_people")),
    )
    op.create_table(
        "training_runs",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("started_at", MOMENT, nullable=False),
        sa.Column("finished_at", MOMENT, nullable=True),
        sa.Column("arguments", sa.JSON(), nullable=False),
        sa.Column("report", sa.JSON(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("log", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "state IN ('running', 'finished', 'failed')", name=op.f("ck_training_runs_state")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_training_runs")),
    )
    op.create_table(
        "model_events",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("digest", sa.String(length=128), nullable=False),
        sa.Column("previous_digest", sa.String(length=128), nullable=True),
        sa.Column("event", sa.String(length=16), nullable=False),
        sa.Column("actor", sa.String(length=128), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("override", sa.Boolean(), nullable=False),
        sa.Column("verdict", sa.JSON(), nullable=True),
        sa.Column("at", MOMENT, nullable=False),
        sa.CheckConstraint(
            "event IN ('registered', 'promoted', 'rolled_back', 'rejected')",
            name=op.f("ck_model_events_event"),
        ),
        sa.ForeignKeyConstraint(
            ["digest"],
            ["model_versions.digest"],
            name=op.f("fk_model_events_digest_model_versions"),
        ),
        sa.ForeignKeyConstraint(
            ["previous_digest"],
            ["model_versions.digest"],
            name=op.f("fk_model_events_previous_digest_model_versions"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_model_events")),
    )
    op.create_index("ix_model_events_digest", "model_events", ["digest"])

    op.create_table(
        "readings",
        sa.Column("id", sa.String(length=16), nullable=False),
        sa.Column("person_id", sa.BigInteger(), nullable=False),
        sa.Column("chat_id", sa.BigInteger(), nullable=False),
        sa.Column("inbox_id", ROW_ID, nullable=True),
        sa.Column("photo_index", sa.Integer(), nullable=False),
        sa.Column("file_id", sa.Text(), nullable=False),
        sa.Column("file_unique_id", sa.Text(), nullable=False),
        sa.Column("photo_message_id", sa.BigInteger(), nullable=False),
        sa.Column("reply_message_id", sa.BigInteger(), nullable=True),
        sa.Column("model_version", sa.String(length=128), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("width", sa.Integer(), nullable=True),
        sa.Column("height", sa.Integer(), nullable=True),
        sa.Column("latency_ms", sa.Float(), nullable=True),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.CheckConstraint(
            "status IN ('read', 'no_face', 'face_too_small', 'unreadable', 'too_large')",
            name=op.f("ck_readings_status"),
        ),
        sa.ForeignKeyConstraint(
            ["inbox_id"], ["inbox.id"], name=op.f("fk_readings_inbox_id_inbox"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["model_version"],
            ["model_versions.digest"],
            name=op.f("fk_readings_model_version_model_versions"),
        ),
        sa.ForeignKeyConstraint(
            ["person_id"], ["people.person_id"], name=op.f("fk_readings_person_id_people")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_readings")),
        sa.UniqueConstraint(
            "inbox_id", "photo_index", name=op.f("uq_readings_inbox_id_photo_index")
        ),
    )
    op.create_index("ix_readings_chat_person", "readings", ["chat_id", "person_id", "created_at"])
    op.create_index("ix_readings_created_at", "readings", ["created_at"])
    op.create_index("ix_readings_person_id", "readings", ["person_id"])
    op.create_index("ix_readings_photo_message", "readings", ["chat_id", "photo_message_id"])
    op.create_index("ix_readings_reply_message", "readings", ["chat_id", "reply_message_id"])

    op.create_table(
        "faces",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("reading_id", sa.String(length=16), nullable=False),
        sa.Column("person_id", sa.BigInteger(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("box_left", sa.Float(), nullable=False),
        sa.Column("box_top", sa.Float(), nullable=False),
        sa.Column("box_right", sa.Float(), nullable=False),
        sa.Column("box_bottom", sa.Float(), nullable=False),
        sa.Column("landmarks", sa.JSON(), nullable=False),
        sa.Column("crowd", sa.JSON(), nullable=False),
        sa.Column("label", sa.JSON(), nullable=False),
        sa.Column("crop", sa.LargeBinary(), nullable=True),
        sa.Column("crop_landmarks", sa.JSON(), nullable=True),
        sa.Column("crop_consented_at", MOMENT, nullable=True),
        sa.CheckConstraint(
            "(crop IS NULL) = (crop_consented_at IS NULL)", name=op.f("ck_faces_crop_has_consent")
        ),
        sa.ForeignKeyConstraint(
            ["person_id"], ["people.person_id"], name=op.f("fk_faces_person_id_people")
        ),
        sa.ForeignKeyConstraint(
            ["reading_id"],
            ["readings.id"],
            name=op.f("fk_faces_reading_id_readings"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_faces")),
        sa.UniqueConstraint("reading_id", "number", name=op.f("uq_faces_reading_id_number")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_faces_person_id", "faces", ["person_id"])

    op.create_table(
        "questions",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("person_id", sa.BigInteger(), nullable=False),
        sa.Column("chat_id", sa.BigInteger(), nullable=False),
        sa.Column("reading_id", sa.String(length=16), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("face_number", sa.Integer(), nullable=True),
        sa.Column("emotion", sa.String(length=16), nullable=True),
        sa.Column("source", sa.String(length=16), nullable=False),
        sa.Column("message_id", sa.BigInteger(), nullable=True),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("answered_at", MOMENT, nullable=True),
        sa.CheckConstraint(
            "emotion IN ('angry', 'disgust', 'fear', 'happy', 'sad', 'surprise', 'neutral')",
            name=op.f("ck_questions_emotion"),
        ),
        sa.CheckConstraint(
            "kind IN ('which_face', 'which_emotion')", name=op.f("ck_questions_kind")
        ),
        sa.CheckConstraint(
            "source IN ('text', 'button', 'reaction', 'edit')", name=op.f("ck_questions_source")
        ),
        sa.ForeignKeyConstraint(
            ["person_id"], ["people.person_id"], name=op.f("fk_questions_person_id_people")
        ),
        sa.ForeignKeyConstraint(
            ["reading_id"],
            ["readings.id"],
            name=op.f("fk_questions_reading_id_readings"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_questions")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_questions_chat_person", "questions", ["chat_id", "person_id", "id"])
    op.create_index("ix_questions_person_id", "questions", ["person_id"])
    op.create_index("ix_questions_reading_id", "questions", ["reading_id"])

    op.create_table(
        "feedback",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("face_id", ROW_ID, nullable=False),
        sa.Column("person_id", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("emotion", sa.String(length=16), nullable=True),
        sa.Column("source", sa.String(length=16), nullable=False),
        sa.Column("chat_id", sa.BigInteger(), nullable=True),
        sa.Column("message_id", sa.BigInteger(), nullable=True),
        sa.Column("supersedes_id", ROW_ID, nullable=True),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.CheckConstraint(
            "(kind = 'retraction') = (emotion IS NULL)", name=op.f("ck_feedback_emotion_given")
        ),
        sa.CheckConstraint(
            "NOT (active AND kind = 'retraction')", name=op.f("ck_feedback_retraction_inactive")
        ),
        sa.CheckConstraint(
            "emotion IN ('angry', 'disgust', 'fear', 'happy', 'sad', 'surprise', 'neutral')",
            name=op.f("ck_feedback_emotion"),
        ),
        sa.CheckConstraint(
            "kind IN ('confirmation', 'correction', 'retraction')", name=op.f("ck_feedback_kind")
        ),
        sa.CheckConstraint(
            "source IN ('text', 'button', 'reaction', 'edit')", name=op.f("ck_feedback_source")
        ),
        sa.ForeignKeyConstraint(
            ["face_id"], ["faces.id"], name=op.f("fk_feedback_face_id_faces"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["person_id"], ["people.person_id"], name=op.f("fk_feedback_person_id_people")
        ),
        sa.ForeignKeyConstraint(
            ["supersedes_id"],
            ["feedback.id"],
            name=op.f("fk_feedback_supersedes_id_feedback"),
            ondelete="SET NULL",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_feedback")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_feedback_created_at", "feedback", ["created_at"])
    op.create_index("ix_feedback_face_id", "feedback", ["face_id"])
    op.create_index("ix_feedback_message", "feedback", ["chat_id", "message_id"])
    op.create_index("ix_feedback_person_id", "feedback", ["person_id"])
    op.create_index("ix_feedback_supersedes_id", "feedback", ["supersedes_id"])
    op.create_index(
        "uq_feedback_active",
        "feedback",
        ["face_id", "person_id"],
        unique=True,
        sqlite_where=sa.text("active"),
        postgresql_where=sa.text("active"),
    )

    op.create_table(
        "model_version_feedback",
        sa.Column("digest", sa.String(length=128), nullable=False),
        sa.Column("feedback_id", ROW_ID, nullable=False),
        sa.Column("person_id", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["digest"],
            ["model_versions.digest"],
            name=op.f("fk_model_version_feedback_digest_model_versions"),
        ),
        sa.ForeignKeyConstraint(
            ["feedback_id"],
            ["feedback.id"],
            name=op.f("fk_model_version_feedback_feedback_id_feedback"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["person_id"],
            ["people.person_id"],
            name=op.f("fk_model_version_feedback_person_id_people"),
        ),
        sa.PrimaryKeyConstraint("digest", "feedback_id", name=op.f("pk_model_version_feedback")),
    )
    op.create_index(
        "ix_model_version_feedback_feedback_id", "model_version_feedback", ["feedback_id"]
    )
    op.create_index("ix_model_version_feedback_person_id", "model_version_feedback", ["person_id"])


def downgrade() -> None:
    """Drop everything; indexes go with their tables."""
    op.drop_table("model_version_feedback")
    op.drop_table("feedback")
    op.drop_table("questions")
    op.drop_table("faces")
    op.drop_table("readings")
    op.drop_table("model_events")
    op.drop_table("training_runs")
    op.drop_table("people")
    op.drop_table("model_versions")
    op.drop_table("leases")
    op.drop_table("inbox")
