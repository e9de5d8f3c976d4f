"""Archives: finished orders may leave the database, once they are in a file, and with all of their history.

Revision ID: 0005
Revises: 0004

A later migration that rebuilds one of these tables, or orders, on SQLite (batch mode) has to create its triggers again.
"""

import sqlalchemy as sa
from alembic import op

from orderapp.models.base import UtcDateTime

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

HISTORY = ("attempts", "audit_entries")
ARCHIVED = "EXISTS (SELECT 1 FROM archived_orders WHERE archived_orders.order_id = OLD.order_id)"

# A plan is kept for as long as the connection, also one that was made while the table was empty: by its index from the
# beginning.
# Each row for itself: what isn't archived stays, whatever else the statement deletes.
REFUSE_DELETE_ON_POSTGRESQL = f"""
CREATE FUNCTION refuse_loss_of_history() RETURNS trigger LANGUAGE plpgsql SET enable_seqscan = off AS $$
BEGIN
    IF {ARCHIVED} THEN
        RETURN OLD;
    END IF;
    RAISE EXCEPTION '% is append-only: permission denied for %', TG_TABLE_NAME, TG_OP
        USING ERRCODE = 'insufficient_privilege';
END
$$
"""
# As the unique constraint that guards the numbers of the orders that are there.
REFUSE_NUMBER_ON_POSTGRESQL = """
CREATE FUNCTION refuse_archived_number() RETURNS trigger LANGUAGE plpgsql SET enable_seqscan = off AS $$
BEGIN
    IF EXISTS (SELECT 1 FROM archived_orders WHERE archived_orders.number = NEW.number) THEN
        RAISE EXCEPTION 'order number % was used before, by an archived order', NEW.number
            USING ERRCODE = 'unique_violation';
    END IF;
    RETURN NEW;
END
$$
"""


def upgrade() -> None:
    """Make the tables, and let what is archived be deleted."""
    op.create_table(
        "archives",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("started_at", UtcDateTime(), nullable=False),
        sa.Column("file", sa.String(length=500), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_archives")),
    )
    op.create_table(
        "archived_orders",
        sa.Column("order_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.String(length=32), nullable=False),
        sa.Column("archive_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.ForeignKeyConstraint(["archive_id"], ["archives.id"], name=op.f("fk_archived_orders_archive_id")),
        sa.PrimaryKeyConstraint("order_id", name=op.f("pk_archived_orders")),
        sa.UniqueConstraint("number", name=op.f("uq_archived_orders_number")),
    )
    if op.get_bind().dialect.name == "postgresql":
        op.execute(REFUSE_DELETE_ON_POSTGRESQL)
        op.execute(REFUSE_NUMBER_ON_POSTGRESQL)
        for table in HISTORY:
            _replace_on_postgresql(table, "UPDATE OR TRUNCATE")
            op.execute(
                f"CREATE TRIGGER {table}_archived_only BEFORE DELETE ON {table} "
                "FOR EACH ROW EXECUTE FUNCTION refuse_loss_of_history()"
            )
        op.execute(
            "CREATE TRIGGER orders_number_is_new BEFORE INSERT ON orders "
            "FOR EACH ROW EXECUTE FUNCTION refuse_archived_number()"
        )
        return
    for table in HISTORY:
        op.execute(f"DROP TRIGGER {table}_append_only_delete")
        _refuse_on_sqlite(table, f"WHEN NOT {ARCHIVED}")
    op.execute(
        "CREATE TRIGGER orders_number_is_new BEFORE INSERT ON orders "
        "WHEN EXISTS (SELECT 1 FROM archived_orders WHERE archived_orders.number = NEW.number) "
        "BEGIN SELECT RAISE(ABORT, 'the order number was used before, by an archived order'); END"
    )


def downgrade() -> None:
    """Forget which orders were archived; no history may be deleted any more."""
    op.execute("DROP TRIGGER orders_number_is_new" + _on("orders"))
    for table in HISTORY:
        if op.get_bind().dialect.name == "postgresql":
            op.execute(f"DROP TRIGGER {table}_archived_only ON {table}")
            _replace_on_postgresql(table, "UPDATE OR DELETE OR TRUNCATE")
        else:
            op.execute(f"DROP TRIGGER {table}_append_only_delete")
            _refuse_on_sqlite(table, "")
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP FUNCTION refuse_loss_of_history()")
        op.execute("DROP FUNCTION refuse_archived_number()")
    op.drop_table("archived_orders")
    op.drop_table("archives")


def _on(table: str) -> str:
    return f" ON {table}" if op.get_bind().dialect.name == "postgresql" else ""


def _replace_on_postgresql(table: str, events: str) -> None:
    op.execute(f"DROP TRIGGER {table}_append_only ON {table}")
    op.execute(
        f"CREATE TRIGGER {table}_append_only BEFORE {events} ON {table} "
        "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change_of_history()"
    )


def _refuse_on_sqlite(table: str, when: str) -> None:
    op.execute(
        f"CREATE TRIGGER {table}_append_only_delete BEFORE DELETE ON {table} {when} "
        f"BEGIN SELECT RAISE(ABORT, '{table} is append-only: permission denied for DELETE'); END"
    )
