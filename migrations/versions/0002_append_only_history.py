"""history is append-only: the database itself refuses to change or delete attempts and audit entries

Revision ID: 0002
Revises: 0001

A later migration that rebuilds one of these tables on SQLite (batch mode) has to create its triggers again.
"""

from __future__ import annotations

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

TABLES = ("attempts", "audit_entries")
EVENTS = ("UPDATE", "DELETE")

REFUSE_ON_POSTGRESQL = """
CREATE FUNCTION refuse_change_of_history() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only: permission denied for %', TG_TABLE_NAME, TG_OP
        USING ERRCODE = 'insufficient_privilege';
END
$$
"""


def upgrade() -> None:
    """Refuse UPDATE and DELETE, on PostgreSQL TRUNCATE as well (SQLite has none)."""
    if op.get_bind().dialect.name == "postgresql":
        op.execute(REFUSE_ON_POSTGRESQL)
        for table in TABLES:
            op.execute(
                f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} "
                "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change_of_history()"
            )
        return
    for table in TABLES:
        for event in EVENTS:
            op.execute(
                f"CREATE TRIGGER {table}_append_only_{event.lower()} BEFORE {event} ON {table} "
                f"BEGIN SELECT RAISE(ABORT, '{table} is append-only: permission denied for {event}'); END"
            )


def downgrade() -> None:
    """Take the triggers away; the tables stay as they are."""
    if op.get_bind().dialect.name == "postgresql":
        for table in TABLES:
            op.execute(f"DROP TRIGGER {table}_append_only ON {table}")
        op.execute("DROP FUNCTION refuse_change_of_history()")
        return
    for table in TABLES:
        for event in EVENTS:
            op.execute(f"DROP TRIGGER {table}_append_only_{event.lower()}")
