"""A customer's orders are found by their address however it is capitalised.

Revision ID: 0006
Revises: 0005

On PostgreSQL nobody can write to the orders until the index is built: a second or two for a million of them.
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

INDEX = "ix_orders_customer_email"


def upgrade() -> None:
    """Index the address in small letters."""
    op.drop_index(INDEX, table_name="orders")
    op.create_index(INDEX, "orders", [sa.text("lower(customer_email)")])


def downgrade() -> None:
    """Index it as it was written."""
    op.drop_index(INDEX, table_name="orders")
    op.create_index(INDEX, "orders", ["customer_email"])
