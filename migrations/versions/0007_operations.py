"""Operations: one act of staff on many tasks, and what became of each.

Revision ID: 0007
Revises: 0006
"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
OPERATION_STATES = "state IN ('draft', 'running', 'paused', 'ended')"
ITEM_STATES = "state IN ('planned', 'left_out', 'refused', 'stopped', 'acted', 'done', 'failed', 'given_up', 'open')"


def upgrade() -> None:
    """Make both tables."""
    op.create_table(
        "operations",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("act", sa.String(length=32), nullable=False),
        sa.Column("state", sa.String(length=7), nullable=False),
        sa.Column("chosen", sa.Text(), nullable=False),
        sa.Column("total", sa.Integer(), nullable=False),
        sa.Column("staff_id", BIG_ID, nullable=True),
        sa.Column("actor", sa.String(length=254), nullable=False),
        sa.Column("reason", sa.String(length=500), server_default=sa.text("''"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("stopped_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("turn", sa.Integer(), server_default="0", nullable=False),
        sa.Column("task_id", sa.BigInteger(), nullable=True),
        sa.Column("counts", sa.Text(), nullable=True),
        sa.CheckConstraint(OPERATION_STATES, name=op.f("ck_operations_state_known")),
        sa.ForeignKeyConstraint(["staff_id"], ["staff.id"], name=op.f("fk_operations_staff_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_operations")),
    )
    op.create_index("ix_operations_state_newest", "operations", ["state", "id"], unique=False)
    op.create_table(
        "operation_items",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("operation_id", BIG_ID, nullable=False),
        sa.Column("task_id", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("system", sa.String(length=32), nullable=False),
        sa.Column("order_number", sa.String(length=32), nullable=True),
        sa.Column("state", sa.String(length=8), nullable=False),
        sa.Column("said", sa.String(length=600), nullable=True),
        sa.Column("acted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(ITEM_STATES, name=op.f("ck_operation_items_state_known")),
        sa.ForeignKeyConstraint(["operation_id"], ["operations.id"], name=op.f("fk_operation_items_operation_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_operation_items")),
        sa.UniqueConstraint("task_id", "operation_id", name=op.f("uq_operation_items_task_id_operation_id")),
    )
    op.create_index("ix_operation_items_state", "operation_items", ["operation_id", "state", "id"], unique=False)


def downgrade() -> None:
    """Drop both, as long as there is nothing to lose.

    Raises:
        SystemExit: there are operations; nothing is dropped.
    """
    lost = op.get_bind().execute(sa.select(sa.func.count()).select_from(sa.table("operations"))).scalar_one()
    if lost:
        raise SystemExit(f"orderapp: this downgrade would lose {lost} rows of operations; nothing was changed")
    op.drop_table("operation_items")
    op.drop_table("operations")
