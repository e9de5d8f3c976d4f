"""The audit's list by act and by actor: an index for each, so that a rare act is found without reading all others.

Revision ID: 0007
Revises: 0006

"""

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the indexes; the table isn't rebuilt, so its triggers stay."""
    op.create_index("ix_audit_entries_act_newest", "audit_entries", ["act", "at", "id"])
    op.create_index("ix_audit_entries_actor_newest", "audit_entries", ["actor", "at", "id"])


def downgrade() -> None:
    """Drop them."""
    op.drop_index("ix_audit_entries_actor_newest", "audit_entries")
    op.drop_index("ix_audit_entries_act_newest", "audit_entries")
