"""The rules of alerts, and the weekly reports.

Revision ID: 0004
Revises: 0003
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

HAS_VIEW = sa.text("view_id IS NOT NULL")


def upgrade() -> None:
    """Add the tables."""
    big_id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "alert_rules",
        sa.Column("id", big_id, nullable=False),
        sa.Column("kind", sa.String(length=9), nullable=False),
        sa.Column("most", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=True),
        sa.Column("view_id", big_id, nullable=True),
        sa.Column("email", sa.String(length=254), nullable=True),
        sa.Column("webhook_id", big_id, nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("raised_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("times", sa.Integer(), nullable=False),
        sa.Column("looked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("seen", sa.String(length=500), nullable=False),
        sa.CheckConstraint(
            "kind IN ('not_right', 'breaker', 'at_stake', 'view', 'report')", name=op.f("ck_alert_rules_kind_known")
        ),
        sa.CheckConstraint("(email IS NULL) <> (webhook_id IS NULL)", name=op.f("ck_alert_rules_one_channel")),
        sa.CheckConstraint("most >= 0", name=op.f("ck_alert_rules_most_not_negative")),
        sa.ForeignKeyConstraint(["view_id"], ["saved_views.id"], name=op.f("fk_alert_rules_view_id")),
        sa.ForeignKeyConstraint(["webhook_id"], ["webhook_subscriptions.id"], name=op.f("fk_alert_rules_webhook_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_alert_rules")),
    )
    op.create_index(
        "ix_alert_rules_view_id", "alert_rules", ["view_id"], postgresql_where=HAS_VIEW, sqlite_where=HAS_VIEW
    )
    op.create_table(
        "weekly_reports",
        sa.Column("week", sa.Date(), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("figures", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("week", name=op.f("pk_weekly_reports")),
    )


def downgrade() -> None:
    """Take them away; rules and reports are lost."""
    op.drop_table("weekly_reports")
    op.drop_table("alert_rules")
