"""Which step of a placement is being called, for the page of a customer who waits.

Revision ID: 0005
Revises: 0004
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade():
    """Add the column; it is empty where nobody had to wait."""
    op.add_column("placements", sa.Column("called_position", sa.Integer(), nullable=True))


def downgrade():
    """Take the column away."""
    op.drop_column("placements", "called_position")
