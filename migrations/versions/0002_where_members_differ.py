"""What each ensemble member would say of a face, where they differ."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0002"
down_revision: str | None = "0001"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Add the column; faces read before have nothing in it."""
    op.add_column("faces", sa.Column("differing", sa.JSON(), nullable=True))


def downgrade() -> None:
    """Drop the column, in place: a table copied by Alembic would take its feedback along."""
    op.drop_column("faces", "differing")
