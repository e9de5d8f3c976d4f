"""Indexes for tables of millions of rows: what lists need and had not, and none for what nobody asks.

Revision ID: 0004
Revises: 0003

On PostgreSQL nobody can write to the tables until all indexes are built and committed; four million attempts take their
time.
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

# Most rows have no value there.
MOSTLY_EMPTY = {
    "ix_tasks_step_id": ("tasks", "step_id"),
    "ix_attempts_task_id": ("attempts", "task_id", "number"),
    "ix_attempts_step_id": ("attempts", "step_id"),
}


def upgrade() -> None:
    """Build them."""
    op.drop_index("ix_tasks_key", table_name="tasks")
    op.drop_index("ix_tasks_system_state", table_name="tasks")
    op.create_index("ix_tasks_system_state_newest", "tasks", ["system", "state", "id"])
    _partial("ix_tasks_compensations_newest", "tasks", ["state", "id"], "kind = 'compensate'")
    for name, (table, *columns) in MOSTLY_EMPTY.items():
        op.drop_index(name, table_name=table)
        _partial(name, table, columns, f"{columns[0]} IS NOT NULL")
    op.create_index("ix_drifts_placement_id", "drifts", ["placement_id"])
    _partial("ix_drifts_task_id", "drifts", ["task_id"], "task_id IS NOT NULL")


def downgrade() -> None:
    """Build the former ones."""
    op.drop_index("ix_drifts_task_id", table_name="drifts")
    op.drop_index("ix_drifts_placement_id", table_name="drifts")
    for name, (table, *columns) in MOSTLY_EMPTY.items():
        op.drop_index(name, table_name=table)
        op.create_index(name, table, columns)
    op.drop_index("ix_tasks_compensations_newest", table_name="tasks")
    op.drop_index("ix_tasks_system_state_newest", table_name="tasks")
    op.create_index("ix_tasks_system_state", "tasks", ["system", "state"])
    op.create_index("ix_tasks_key", "tasks", ["key"])


def _partial(name: str, table: str, columns: list[str], where: str) -> None:
    op.create_index(name, table, columns, postgresql_where=sa.text(where), sqlite_where=sa.text(where))
