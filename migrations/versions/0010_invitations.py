"""Invitations of staff: the hash of the link, and since when it is valid.

Revision ID: 0010
Revises: 0009
"""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade():
    """Add both columns, and the index by which a link is found."""
    op.add_column("staff", sa.Column("invitation_hash", sa.String(length=64), nullable=True))
    op.add_column("staff", sa.Column("invited_at", sa.DateTime(timezone=True), nullable=True))
    op.create_index("ix_staff_invitation_hash", "staff", ["invitation_hash"], unique=True)


def downgrade():
    """Take them away: who hasn't accepted gets a password on the command line."""
    op.drop_index("ix_staff_invitation_hash", "staff")
    op.drop_column("staff", "invited_at")
    op.drop_column("staff", "invitation_hash")
