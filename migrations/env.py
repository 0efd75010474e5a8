"""What Alembic runs, at module level as it demands, on the connection that `commands` opened."""

from typing import Literal

from alembic import context
from alembic.autogenerate.api import AutogenContext

from store.tables import Base, UtcDateTime


def plain_types(kind: str, item: object, _context: AutogenContext) -> str | Literal[False]:
    """Write our own column types into migrations as what they are in the database."""
    if kind == "type" and isinstance(item, UtcDateTime):
        return "sa.DateTime(timezone=True)"
    return False


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    render_as_batch=True,
    render_item=plain_types,
    compare_server_default=True,
)
with context.begin_transaction():
    context.run_migrations()
