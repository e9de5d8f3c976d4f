"""The second factor of staff, and when whoever has logged in last proved who they are.

Revision ID: 0009
Revises: 0008
"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade():
    """Add the columns and the two tables; whoever is logged in proved it then, with the password."""
    op.add_column("staff", sa.Column("totp_secret", sa.String(length=32), nullable=True))
    op.add_column("staff", sa.Column("totp_since", sa.DateTime(timezone=True), nullable=True))
    op.add_column("staff", sa.Column("totp_last_step", sa.BigInteger(), nullable=True))
    op.add_column("staff_sessions", sa.Column("proved_at", sa.DateTime(timezone=True), nullable=True))
    op.execute("UPDATE staff_sessions SET proved_at = created_at")
    op.create_table(
        "recovery_codes",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("staff_id", BIG_ID, nullable=False),
        sa.Column("code_hash", sa.String(length=64), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["staff_id"], ["staff.id"], name=op.f("fk_recovery_codes_staff_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_recovery_codes")),
        sa.UniqueConstraint("code_hash", name=op.f("uq_recovery_codes_code_hash")),
    )
    op.create_index("ix_recovery_codes_staff_id", "recovery_codes", ["staff_id"])
    op.create_table(
        "factor_demands",
        sa.Column("role", sa.String(length=8), nullable=False),
        sa.Column("demanded_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("role IN ('viewer', 'operator', 'admin')", name=op.f("ck_factor_demands_role_known")),
        sa.PrimaryKeyConstraint("role", name=op.f("pk_factor_demands")),
    )


def downgrade():
    """Take all of it away, as long as nobody's second factor is lost with it.

    Raises:
        SystemExit: somebody has one; nothing is taken away.
    """
    staff = sa.table("staff", sa.column("totp_since"))
    having = sa.select(sa.func.count()).select_from(staff).where(staff.c.totp_since.is_not(None))
    if lost := op.get_bind().execute(having).scalar_one():
        raise SystemExit(f"orderapp: this downgrade would lose {lost} second factors of staff; nothing was changed")
    # Logins that still wait for their code would be open without it.
    op.execute("DELETE FROM staff_sessions WHERE proved_at IS NULL")
    op.drop_table("factor_demands")
    op.drop_index("ix_recovery_codes_staff_id", "recovery_codes")
    op.drop_table("recovery_codes")
    op.drop_column("staff_sessions", "proved_at")
    for name in ("totp_last_step", "totp_since", "totp_secret"):
        op.drop_column("staff", name)
