"""Circuits and paces of the systems; drift and staff's word on effects; keys that die, surplus effects.

Revision ID: 0003
Revises: 0002
"""

import sqlalchemy as sa
from alembic import op

from orderapp.models.base import UtcDateTime

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

# What staff gave up before there were books: compensations, and settlements of orders that are still confirmed.
GIVEN_UP_BEFORE = """
INSERT INTO overrides (order_id, task_id, system, key, word, reason, actor, said_at)
SELECT tasks.order_id, tasks.id, tasks.system, tasks.key, 'given_up', 'see the acts on this task', 'staff',
    COALESCE(tasks.finished_at, tasks.created_at)
FROM tasks JOIN orders ON orders.id = tasks.order_id
WHERE tasks.state = 'cancelled'
    AND (tasks.kind = 'compensate' OR (tasks.kind = 'settle' AND orders.state = 'confirmed'))
"""


def upgrade() -> None:
    """Add them."""
    op.create_table(
        "circuits",
        sa.Column("system", sa.String(length=32), nullable=False),
        sa.Column("state", sa.String(length=9), nullable=False),
        sa.Column("changed_at", UtcDateTime(), nullable=False),
        sa.Column("reason", sa.String(length=200), nullable=False),
        sa.Column("probe_at", UtcDateTime(), nullable=False),
        sa.Column("order_probe_at", UtcDateTime(), nullable=False),
        sa.Column("check_at", UtcDateTime(), nullable=False),
        sa.Column("probe_pause_seconds", sa.Integer(), nullable=False),
        sa.Column("recovered_at", UtcDateTime(), nullable=True),
        sa.Column("pulled_task_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("pulled_until", UtcDateTime(), nullable=True),
        sa.CheckConstraint("state IN ('closed', 'open', 'half_open')", name=op.f("ck_circuits_state_known")),
        sa.CheckConstraint("probe_pause_seconds >= 1", name=op.f("ck_circuits_pauses")),
        sa.PrimaryKeyConstraint("system", name=op.f("pk_circuits")),
    )
    op.create_table(
        "paces",
        sa.Column("system", sa.String(length=32), nullable=False),
        sa.Column("next_call_at", UtcDateTime(), nullable=False),
        sa.Column("tasks_held_until", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("system", name=op.f("pk_paces")),
    )
    op.create_table(
        "reconciliations",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("started_at", UtcDateTime(), nullable=False),
        sa.Column("since_at", UtcDateTime(), nullable=False),
        sa.Column("reached_at", UtcDateTime(), nullable=True),
        sa.Column("reached_order_id", sa.Uuid(), nullable=True),
        sa.Column("lease_until", UtcDateTime(), nullable=True),
        sa.Column("fencing", sa.Integer(), nullable=False),
        sa.Column("finished_at", UtcDateTime(), nullable=True),
        sa.Column("counts", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reconciliations")),
    )
    with op.batch_alter_table("reconciliations", schema=None) as batch_op:
        batch_op.create_index("ix_reconciliations_newest", ["started_at"], unique=False)

    op.create_table(
        "drifts",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("order_id", sa.Uuid(), nullable=False),
        sa.Column("placement_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("system", sa.String(length=32), nullable=False),
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("ours", sa.String(length=200), nullable=False),
        sa.Column("theirs", sa.String(length=200), nullable=False),
        sa.Column("repair", sa.String(length=20), nullable=False),
        sa.Column("state", sa.String(length=9), nullable=False),
        sa.Column("seen", sa.Integer(), nullable=False),
        sa.Column("found_at", UtcDateTime(), nullable=False),
        sa.Column("last_seen_at", UtcDateTime(), nullable=False),
        sa.Column("task_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("settled_at", UtcDateTime(), nullable=True),
        sa.CheckConstraint("state IN ('open', 'repairing', 'gone')", name=op.f("ck_drifts_state_known")),
        sa.CheckConstraint("seen >= 1", name=op.f("ck_drifts_seen_once")),
        sa.ForeignKeyConstraint(["order_id"], ["orders.id"], name=op.f("fk_drifts_order_id")),
        sa.ForeignKeyConstraint(["placement_id"], ["placements.id"], name=op.f("fk_drifts_placement_id")),
        sa.ForeignKeyConstraint(["task_id"], ["tasks.id"], name=op.f("fk_drifts_task_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_drifts")),
    )
    with op.batch_alter_table("drifts", schema=None) as batch_op:
        batch_op.create_index("ix_drifts_order_id", ["order_id"], unique=False)
        batch_op.create_index("ix_drifts_state_newest", ["state", "id"], unique=False)
        batch_op.create_index(
            "uq_drifts_key_unsettled",
            ["key"],
            unique=True,
            postgresql_where=sa.text("state <> 'gone'"),
            sqlite_where=sa.text("state <> 'gone'"),
        )

    op.create_table(
        "overrides",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("order_id", sa.Uuid(), nullable=False),
        sa.Column("task_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("system", sa.String(length=32), nullable=False),
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("word", sa.String(length=12), nullable=False),
        sa.Column("reason", sa.String(length=500), nullable=False),
        sa.Column("actor", sa.String(length=254), nullable=False),
        sa.Column("said_at", UtcDateTime(), nullable=False),
        sa.Column("settled_at", UtcDateTime(), nullable=True),
        sa.Column("settled_by", sa.String(length=200), nullable=True),
        sa.CheckConstraint("word IN ('happened', 'not_happened', 'given_up')", name=op.f("ck_overrides_word_known")),
        sa.ForeignKeyConstraint(["order_id"], ["orders.id"], name=op.f("fk_overrides_order_id")),
        sa.ForeignKeyConstraint(["task_id"], ["tasks.id"], name=op.f("fk_overrides_task_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_overrides")),
    )
    with op.batch_alter_table("overrides", schema=None) as batch_op:
        batch_op.create_index("ix_overrides_order_id", ["order_id"], unique=False)
        batch_op.create_index("ix_overrides_task_id", ["task_id"], unique=False)
        batch_op.create_index(
            "ix_overrides_unproven",
            ["id"],
            unique=False,
            postgresql_where=sa.text("settled_at IS NULL"),
            sqlite_where=sa.text("settled_at IS NULL"),
        )

    op.execute(GIVEN_UP_BEFORE)

    # Not in batch mode: the table may be large, and both databases can do this without writing it anew.
    op.add_column("tasks", sa.Column("key_dies_at", UtcDateTime(), nullable=True))
    op.add_column("tasks", sa.Column("cleared_claims", sa.Integer(), server_default="0", nullable=False))
    op.add_column("tasks", sa.Column("keep", sa.Integer(), server_default="0", nullable=False))
    op.add_column("attempts", sa.Column("worked", sa.Boolean(), nullable=True))
    # By system first, so that the relay can pass over a system without reading what waits for it.
    _index_of_due_tasks("system", "publish_at")


def downgrade() -> None:
    """Take them away."""
    _index_of_due_tasks("publish_at")
    op.drop_column("attempts", "worked")
    op.drop_column("tasks", "keep")
    op.drop_column("tasks", "cleared_claims")
    op.drop_column("tasks", "key_dies_at")

    with op.batch_alter_table("overrides", schema=None) as batch_op:
        batch_op.drop_index(
            "ix_overrides_unproven",
            postgresql_where=sa.text("settled_at IS NULL"),
            sqlite_where=sa.text("settled_at IS NULL"),
        )
        batch_op.drop_index("ix_overrides_task_id")
        batch_op.drop_index("ix_overrides_order_id")

    op.drop_table("overrides")
    with op.batch_alter_table("drifts", schema=None) as batch_op:
        batch_op.drop_index(
            "uq_drifts_key_unsettled",
            postgresql_where=sa.text("state <> 'gone'"),
            sqlite_where=sa.text("state <> 'gone'"),
        )
        batch_op.drop_index("ix_drifts_state_newest")
        batch_op.drop_index("ix_drifts_order_id")

    op.drop_table("drifts")
    with op.batch_alter_table("reconciliations", schema=None) as batch_op:
        batch_op.drop_index("ix_reconciliations_newest")

    op.drop_table("reconciliations")
    op.drop_table("paces")
    op.drop_table("circuits")


def _index_of_due_tasks(*columns: str) -> None:
    op.drop_index("ix_tasks_publish_at", table_name="tasks")
    due = sa.text("publish_at IS NOT NULL")
    op.create_index("ix_tasks_publish_at", "tasks", [*columns], postgresql_where=due, sqlite_where=due)
