"""For learning safely: mixtures, rulings, review, questions of two, schedules, people erased."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from alembic.operations import BatchOperations

revision: str = "0003"
down_revision: str | None = "0002"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

MOMENT = sa.DateTime(timezone=True)
ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

KINDS = ("which_face", "which_emotion")


def upgrade() -> None:
    """Add three tables and the columns; rows from before have nothing in them."""
    op.add_column("people", sa.Column("forget_asked_at", MOMENT, nullable=True))
    op.add_column("feedback", sa.Column("shares", sa.JSON(), nullable=True))
    op.add_column("model_versions", sa.Column("person_erased_at", MOMENT, nullable=True))
    op.add_column("model_versions", sa.Column("deleted_at", MOMENT, nullable=True))
    op.create_table(
        "rulings",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("feedback_id", ROW_ID, nullable=False),
        sa.Column("person_id", sa.BigInteger(), nullable=False),
        sa.Column("verdict", sa.String(length=16), nullable=False),
        sa.Column("admin_id", sa.BigInteger(), nullable=True),
        sa.Column("at", MOMENT, nullable=False),
        sa.CheckConstraint(
            "verdict IN ('accepted', 'rejected', 'skipped')", name=op.f("ck_rulings_verdict")
        ),
        sa.ForeignKeyConstraint(
            ["feedback_id"],
            ["feedback.id"],
            name=op.f("fk_rulings_feedback_id_feedback"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["person_id"], ["people.person_id"], name=op.f("fk_rulings_person_id_people")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rulings")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_rulings_feedback_id", "rulings", ["feedback_id"])
    op.create_index("ix_rulings_person_id", "rulings", ["person_id"])
    op.create_table(
        "review_cards",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("bot_id", sa.BigInteger(), nullable=False),
        sa.Column("admin_id", sa.BigInteger(), nullable=False),
        sa.Column("message_id", sa.BigInteger(), nullable=False),
        sa.Column("feedback_id", ROW_ID, nullable=True),
        sa.Column("shown_at", MOMENT, nullable=True),
        sa.ForeignKeyConstraint(
            ["feedback_id"],
            ["feedback.id"],
            name=op.f("fk_review_cards_feedback_id_feedback"),
            ondelete="SET NULL",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_review_cards")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_review_cards_feedback_id", "review_cards", ["feedback_id"])
    op.create_table(
        "schedules",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("holder", sa.String(length=128), nullable=False),
        sa.Column("expression", sa.String(length=128), nullable=False),
        sa.Column("timezone", sa.String(length=64), nullable=True),
        sa.Column("minimum_feedback", sa.Integer(), nullable=False),
        sa.Column("seen_at", MOMENT, nullable=False),
        sa.Column("next_at", MOMENT, nullable=True),
        sa.Column("fired_at", MOMENT, nullable=True),
        sa.Column("outcome", sa.String(length=16), nullable=True),
        sa.Column("candidate", sa.String(length=128), nullable=True),
        sa.Column("detail", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "outcome IN ('promoted', 'refused', 'rested', 'busy', 'failed', 'stopped')",
            name=op.f("ck_schedules_outcome"),
        ),
        sa.PrimaryKeyConstraint("name", "holder", name=op.f("pk_schedules")),
    )
    with op.batch_alter_table("questions") as questions:
        questions.add_column(sa.Column("between", sa.JSON(), nullable=True))
        questions.add_column(sa.Column("shares", sa.JSON(), nullable=True))
        _kinds(questions, (*KINDS, "which_of_two"))


def downgrade() -> None:
    """Drop them again; feedback keeps its largest emotion."""
    op.execute("DELETE FROM questions WHERE kind = 'which_of_two'")
    with op.batch_alter_table("questions") as questions:
        _kinds(questions, KINDS)
        questions.drop_column("shares")
        questions.drop_column("between")
    op.drop_table("schedules")
    op.drop_table("review_cards")
    op.drop_table("rulings")
    # In place: a table copied by Alembic would take along what refers to it.
    op.drop_column("model_versions", "deleted_at")
    op.drop_column("model_versions", "person_erased_at")
    op.drop_column("feedback", "shares")
    op.drop_column("people", "forget_asked_at")


def _kinds(questions: BatchOperations, kinds: Sequence[str]) -> None:
    name = op.f("ck_questions_kind")
    questions.drop_constraint(name, type_="check")
    listed = ", ".join(repr(kind) for kind in kinds)
    questions.create_check_constraint(name, f"kind IN ({listed})")
