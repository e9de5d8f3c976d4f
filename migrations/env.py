"""Runs migrations with the application's own engine, on PostgreSQL and SQLite alike."""

from __future__ import annotations

from alembic import context
from flask import current_app
from sqlalchemy import text

db = current_app.extensions["migrate"].db
configure_args = current_app.extensions["migrate"].configure_args

# Any number that only migrations use: two `flask db upgrade` at once take turns.
MIGRATION_LOCK = 7_203_451


def run_migrations() -> None:
    """Migrate in one transaction, so that a migration that is killed leaves the old schema whole."""
    # As every writer on SQLite: the lock is taken before the version is read.
    with db.engine.execution_options(orderapp_writes=True).connect() as connection:
        if connection.dialect.name == "postgresql":
            # The limits that keep requests short don't suit building an index.
            connection.execute(text("SET statement_timeout = 0"))
            connection.execute(text("SET lock_timeout = 0"))
            connection.commit()
        context.configure(
            connection=connection,
            target_metadata=db.metadata,
            transactional_ddl=True,
            compare_server_default=True,
            **configure_args,
        )
        with context.begin_transaction():
            if connection.dialect.name == "postgresql":
                connection.execute(text(f"SELECT pg_advisory_xact_lock({MIGRATION_LOCK})"))
            context.run_migrations()
        connection.invalidate()


if context.is_offline_mode():
    raise SystemExit("orderapp: migrations need the database; `--sql` is not supported")
run_migrations()
