"""Customers who sign in: the links that were sent to them, and their sessions.

Revision ID: 0008
Revises: 0007
"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TABLES = ("sign_in_links", "customer_sessions")


def upgrade() -> None:
    """Make both tables."""
    for table in TABLES:
        op.create_table(
            table,
            sa.Column("id", BIG_ID, nullable=False),
            sa.Column("token_hash", sa.String(length=64), nullable=False),
            sa.Column("email", sa.String(length=254), nullable=False),
            sa.Column("ends_at", sa.DateTime(timezone=True), nullable=False),
            sa.PrimaryKeyConstraint("id", name=op.f(f"pk_{table}")),
            sa.UniqueConstraint("token_hash", name=op.f(f"uq_{table}_token_hash")),
        )
        op.create_index(op.f(f"ix_{table}_email"), table, ["email"], unique=False)
        op.create_index(op.f(f"ix_{table}_ends_at"), table, ["ends_at"], unique=False)


def downgrade() -> None:
    """Drop both: customers sign in again."""
    for table in TABLES:
        op.drop_table(table)
