"""Alembic: the only thing that creates or changes a schema. Use `migrations.commands`."""
