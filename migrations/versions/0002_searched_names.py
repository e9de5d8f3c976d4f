"""The names of products as they are searched, folded by us: databases differ in how they fold letters beyond ASCII.

Revision ID: 0002
Revises: 0001
"""

import sqlalchemy as sa
from alembic import op

from orderapp.domain.typed_text import folded

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade():
    """Add the column, and fill it."""
    op.add_column("products", sa.Column("searched", sa.Text(), server_default=sa.text("''"), nullable=False))
    products = sa.table("products", sa.column("sku"), sa.column("name"), sa.column("searched"))
    connection = op.get_bind()
    found = connection.execute(sa.select(products.c.sku, products.c.name)).all()
    if found:
        change = products.update().where(products.c.sku == sa.bindparam("its_sku"))
        rows = [{"its_sku": row.sku, "searched": folded(row.name)} for row in found]
        connection.execute(change.values(searched=sa.bindparam("searched")), rows)


def downgrade():
    """Take the column away."""
    op.drop_column("products", "searched")
