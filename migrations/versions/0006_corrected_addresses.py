"""The e-mail addresses that customers have corrected after their order.

Revision ID: 0006
Revises: 0005
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

HAS_ONE = sa.text("corrected_email IS NOT NULL")


def upgrade():
    """Add the column, empty, and the index by which staff find an order."""
    op.add_column("orders", sa.Column("corrected_email", sa.String(length=254), nullable=True))
    op.create_index(
        "ix_orders_corrected_email",
        "orders",
        [sa.text("lower(corrected_email)")],
        postgresql_where=HAS_ONE,
        sqlite_where=HAS_ONE,
    )


def downgrade():
    """Take both away."""
    op.drop_index("ix_orders_corrected_email", "orders")
    op.drop_column("orders", "corrected_email")
