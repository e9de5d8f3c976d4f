"""The rate of the tax that an order's prices include. It isn't known of older orders, and their receipts show none.

Revision ID: 0011
Revises: 0010
"""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade():
    """Add the column; 0 shows no tax."""
    op.add_column("orders", sa.Column("tax_percent", sa.String(length=6), nullable=False, server_default="0"))


def downgrade():
    """Take it away."""
    op.drop_column("orders", "tax_percent")
