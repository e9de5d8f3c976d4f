"""The first tables.

Revision ID: 0001
Revises: nothing
"""

import sqlalchemy as sa
from alembic import op

from orderapp.models.base import UtcDateTime

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create everything."""
    op.create_table(
        "api_tokens",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("revoked_at", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_tokens")),
        sa.UniqueConstraint("name", name=op.f("uq_api_tokens_name")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_api_tokens_token_hash")),
    )
    op.create_table(
        "products",
        sa.Column("sku", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("price_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.CheckConstraint("length(currency) = 3", name=op.f("ck_products_currency_three_letters")),
        sa.CheckConstraint("price_minor >= 0", name=op.f("ck_products_price_not_negative")),
        sa.PrimaryKeyConstraint("sku", name=op.f("pk_products")),
    )
    op.create_table(
        "rate_counters",
        sa.Column("bucket", sa.String(length=64), nullable=False),
        sa.Column("window_ends_at", UtcDateTime(), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("bucket", name=op.f("pk_rate_counters")),
    )
    with op.batch_alter_table("rate_counters", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_rate_counters_window_ends_at"), ["window_ends_at"], unique=False)

    op.create_table(
        "staff",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("email", sa.String(length=254), nullable=False),
        sa.Column("password_hash", sa.String(length=200), nullable=False),
        sa.Column("role", sa.String(length=8), nullable=False),
        sa.Column("disabled_at", UtcDateTime(), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.CheckConstraint("role IN ('viewer', 'operator', 'admin')", name=op.f("ck_staff_role_known")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_staff")),
        sa.UniqueConstraint("email", name=op.f("uq_staff_email")),
    )
    op.create_table(
        "system_switches",
        sa.Column("system", sa.String(length=32), nullable=False),
        sa.Column("mode", sa.String(length=15), nullable=False),
        sa.Column("reason", sa.String(length=500), nullable=False),
        sa.Column("changed_at", UtcDateTime(), nullable=False),
        sa.CheckConstraint("mode IN ('on', 'compensate_only', 'paused')", name=op.f("ck_system_switches_mode_known")),
        sa.PrimaryKeyConstraint("system", name=op.f("pk_system_switches")),
    )
    op.create_table(
        "orders",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.String(length=32), nullable=False),
        sa.Column("client_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("ends_as", sa.String(length=12), nullable=True),
        sa.Column("placement_number", sa.Integer(), nullable=False),
        sa.Column("customer_name", sa.String(length=200), nullable=False),
        sa.Column("customer_email", sa.String(length=254), nullable=False),
        sa.Column("customer_phone", sa.String(length=20), nullable=False),
        sa.Column("member_ref", sa.String(length=64), nullable=False),
        sa.Column("coupon", sa.String(length=64), nullable=False),
        sa.Column("benefit", sa.String(length=64), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("subtotal_minor", sa.BigInteger(), nullable=False),
        sa.Column("total_minor", sa.BigInteger(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.CheckConstraint("ends_as IN ('failed', 'cancelled')", name=op.f("ck_orders_ends_as_known")),
        sa.CheckConstraint(
            "state IN ('placing', 'confirmed', 'compensating', 'failed', 'cancelled')",
            name=op.f("ck_orders_state_known"),
        ),
        sa.CheckConstraint("placement_number >= 1", name=op.f("ck_orders_placement_from_one")),
        sa.CheckConstraint(
            "subtotal_minor >= 0 AND total_minor >= 0 AND total_minor <= subtotal_minor", name=op.f("ck_orders_amounts")
        ),
        sa.ForeignKeyConstraint(["client_id"], ["api_tokens.id"], name=op.f("fk_orders_client_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_orders")),
        sa.UniqueConstraint("number", name=op.f("uq_orders_number")),
    )
    with op.batch_alter_table("orders", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_orders_client_id"), ["client_id"], unique=False)
        batch_op.create_index("ix_orders_customer_email", ["customer_email"], unique=False)
        batch_op.create_index("ix_orders_newest", ["created_at", "id"], unique=False)
        batch_op.create_index("ix_orders_state_newest", ["state", "created_at"], unique=False)

    op.create_table(
        "staff_sessions",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("staff_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("last_seen_at", UtcDateTime(), nullable=False),
        sa.Column("ended_at", UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(["staff_id"], ["staff.id"], name=op.f("fk_staff_sessions_staff_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_staff_sessions")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_staff_sessions_token_hash")),
    )
    with op.batch_alter_table("staff_sessions", schema=None) as batch_op:
        batch_op.create_index("ix_staff_sessions_staff_id", ["staff_id"], unique=False)

    op.create_table(
        "audit_entries",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.Column("staff_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("actor", sa.String(length=254), nullable=False),
        sa.Column("act", sa.String(length=64), nullable=False),
        sa.Column("subject", sa.String(length=100), nullable=False),
        sa.Column("order_id", sa.Uuid(), nullable=True),
        sa.Column("reason", sa.String(length=500), nullable=False),
        sa.Column("details", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["order_id"], ["orders.id"], name=op.f("fk_audit_entries_order_id")),
        sa.ForeignKeyConstraint(["staff_id"], ["staff.id"], name=op.f("fk_audit_entries_staff_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_entries")),
    )
    with op.batch_alter_table("audit_entries", schema=None) as batch_op:
        batch_op.create_index("ix_audit_entries_newest", ["at", "id"], unique=False)
        batch_op.create_index("ix_audit_entries_order_id", ["order_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_audit_entries_staff_id"), ["staff_id"], unique=False)

    op.create_table(
        "cart_locks",
        sa.Column("cart_hash", sa.String(length=64), nullable=False),
        sa.Column("order_id", sa.Uuid(), nullable=False),
        sa.Column("expires_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["order_id"], ["orders.id"], name=op.f("fk_cart_locks_order_id")),
        sa.PrimaryKeyConstraint("cart_hash", name=op.f("pk_cart_locks")),
    )
    with op.batch_alter_table("cart_locks", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_cart_locks_expires_at"), ["expires_at"], unique=False)
        batch_op.create_index(batch_op.f("ix_cart_locks_order_id"), ["order_id"], unique=False)

    op.create_table(
        "order_discounts",
        sa.Column("order_id", sa.Uuid(), nullable=False),
        sa.Column("source", sa.String(length=32), nullable=False),
        sa.Column("code", sa.String(length=64), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("amount_minor >= 0", name=op.f("ck_order_discounts_amount_not_negative")),
        sa.ForeignKeyConstraint(["order_id"], ["orders.id"], name=op.f("fk_order_discounts_order_id")),
        sa.PrimaryKeyConstraint("order_id", "source", name=op.f("pk_order_discounts")),
    )
    op.create_table(
        "order_lines",
        sa.Column("order_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("sku", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("quantity", sa.Integer(), nullable=False),
        sa.Column("price_minor", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("price_minor >= 0", name=op.f("ck_order_lines_price_not_negative")),
        sa.CheckConstraint("quantity BETWEEN 1 AND 1000", name=op.f("ck_order_lines_quantity_in_range")),
        sa.ForeignKeyConstraint(["order_id"], ["orders.id"], name=op.f("fk_order_lines_order_id")),
        sa.ForeignKeyConstraint(["sku"], ["products.sku"], name=op.f("fk_order_lines_sku")),
        sa.PrimaryKeyConstraint("order_id", "position", name=op.f("pk_order_lines")),
    )
    op.create_table(
        "placements",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("order_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("failed_system", sa.String(length=32), nullable=True),
        sa.Column("failed_outcome", sa.String(length=8), nullable=True),
        sa.Column("failed_code", sa.String(length=64), nullable=True),
        sa.Column("started_at", UtcDateTime(), nullable=False),
        sa.Column("decided_at", UtcDateTime(), nullable=True),
        sa.CheckConstraint(
            "failed_outcome IN ('not_sent', 'done', 'refused', 'unknown')",
            name=op.f("ck_placements_failed_outcome_known"),
        ),
        sa.CheckConstraint(
            "state IN ('placing', 'confirmed', 'compensating', 'compensated')", name=op.f("ck_placements_state_known")
        ),
        sa.ForeignKeyConstraint(["order_id"], ["orders.id"], name=op.f("fk_placements_order_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_placements")),
        sa.UniqueConstraint("order_id", "number", name=op.f("uq_placements_order_id_number")),
    )
    op.create_table(
        "steps",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("placement_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("order_id", sa.Uuid(), nullable=False),
        sa.Column("system", sa.String(length=32), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("state", sa.String(length=11), nullable=False),
        sa.Column("outcome", sa.String(length=8), nullable=True),
        sa.Column("code", sa.String(length=64), nullable=True),
        sa.Column("decided_at", UtcDateTime(), nullable=True),
        sa.CheckConstraint(
            "outcome IN ('not_sent', 'done', 'refused', 'unknown')", name=op.f("ck_steps_outcome_known")
        ),
        sa.CheckConstraint(
            "state IN ('planned', 'done', 'refused', 'unknown', 'compensated')", name=op.f("ck_steps_state_known")
        ),
        sa.ForeignKeyConstraint(["order_id"], ["orders.id"], name=op.f("fk_steps_order_id")),
        sa.ForeignKeyConstraint(["placement_id"], ["placements.id"], name=op.f("fk_steps_placement_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_steps")),
        sa.UniqueConstraint("key", name=op.f("uq_steps_key")),
        sa.UniqueConstraint("placement_id", "system", name=op.f("uq_steps_placement_id_system")),
    )
    with op.batch_alter_table("steps", schema=None) as batch_op:
        batch_op.create_index("ix_steps_order_id", ["order_id"], unique=False)
        batch_op.create_index("ix_steps_system_newest", ["system", "id"], unique=False)

    op.create_table(
        "submissions",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("scope", sa.String(length=40), nullable=False),
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("content_hash", sa.String(length=80), nullable=False),
        sa.Column("order_id", sa.Uuid(), nullable=False),
        sa.Column("placement_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("lease_until", UtcDateTime(), nullable=True),
        sa.Column("fencing", sa.Integer(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.CheckConstraint("length(key) BETWEEN 1 AND 64", name=op.f("ck_submissions_key_length")),
        sa.ForeignKeyConstraint(["order_id"], ["orders.id"], name=op.f("fk_submissions_order_id")),
        sa.ForeignKeyConstraint(["placement_id"], ["placements.id"], name=op.f("fk_submissions_placement_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_submissions")),
        sa.UniqueConstraint("placement_id", name=op.f("uq_submissions_placement_id")),
        sa.UniqueConstraint("scope", "key", name=op.f("uq_submissions_scope_key")),
    )
    with op.batch_alter_table("submissions", schema=None) as batch_op:
        batch_op.create_index(
            "ix_submissions_lease_until",
            ["lease_until"],
            unique=False,
            postgresql_where=sa.text("lease_until IS NOT NULL"),
            sqlite_where=sa.text("lease_until IS NOT NULL"),
        )
        batch_op.create_index(batch_op.f("ix_submissions_order_id"), ["order_id"], unique=False)

    op.create_table(
        "tasks",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("order_id", sa.Uuid(), nullable=False),
        sa.Column("placement_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("step_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("system", sa.String(length=32), nullable=False),
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("state", sa.String(length=9), nullable=False),
        sa.Column("due_at", UtcDateTime(), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("attempt_limit", sa.Integer(), nullable=False),
        sa.Column("lease_until", UtcDateTime(), nullable=True),
        sa.Column("claims", sa.Integer(), nullable=False),
        sa.Column("fencing", sa.Integer(), nullable=False),
        sa.Column("publish_at", UtcDateTime(), nullable=True),
        sa.Column("last_code", sa.String(length=64), nullable=True),
        sa.Column("last_message", sa.String(length=500), nullable=True),
        sa.Column("absent_from", UtcDateTime(), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("finished_at", UtcDateTime(), nullable=True),
        sa.CheckConstraint("(state = 'running') = (lease_until IS NOT NULL)", name=op.f("ck_tasks_running_has_lease")),
        sa.CheckConstraint("kind IN ('settle', 'compensate', 'notify')", name=op.f("ck_tasks_kind_known")),
        sa.CheckConstraint("state <> 'waiting' OR due_at IS NOT NULL", name=op.f("ck_tasks_waiting_has_due_time")),
        sa.CheckConstraint(
            "state IN ('waiting', 'running', 'done', 'failed', 'cancelled')", name=op.f("ck_tasks_state_known")
        ),
        sa.CheckConstraint("attempts >= 0 AND attempt_limit >= 0 AND fencing >= 0", name=op.f("ck_tasks_counts")),
        sa.ForeignKeyConstraint(["order_id"], ["orders.id"], name=op.f("fk_tasks_order_id")),
        sa.ForeignKeyConstraint(["placement_id"], ["placements.id"], name=op.f("fk_tasks_placement_id")),
        sa.ForeignKeyConstraint(["step_id"], ["steps.id"], name=op.f("fk_tasks_step_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tasks")),
        sa.UniqueConstraint("placement_id", "kind", "system", name=op.f("uq_tasks_placement_id_kind_system")),
    )
    with op.batch_alter_table("tasks", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_tasks_key"), ["key"], unique=False)
        batch_op.create_index(
            "ix_tasks_lease_until",
            ["lease_until"],
            unique=False,
            postgresql_where=sa.text("lease_until IS NOT NULL"),
            sqlite_where=sa.text("lease_until IS NOT NULL"),
        )
        batch_op.create_index("ix_tasks_order_id", ["order_id"], unique=False)
        batch_op.create_index(
            "ix_tasks_publish_at",
            ["publish_at"],
            unique=False,
            postgresql_where=sa.text("publish_at IS NOT NULL"),
            sqlite_where=sa.text("publish_at IS NOT NULL"),
        )
        batch_op.create_index("ix_tasks_state_newest", ["state", "id"], unique=False)
        batch_op.create_index(batch_op.f("ix_tasks_step_id"), ["step_id"], unique=False)
        batch_op.create_index("ix_tasks_system_state", ["system", "state"], unique=False)

    op.create_table(
        "attempts",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("order_id", sa.Uuid(), nullable=False),
        sa.Column("task_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("step_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("system", sa.String(length=32), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("verb", sa.String(length=8), nullable=False),
        sa.Column("started_at", UtcDateTime(), nullable=False),
        sa.Column("duration_ms", sa.Integer(), nullable=False),
        sa.Column("worker", sa.String(length=120), nullable=False),
        sa.Column("outcome", sa.String(length=8), nullable=False),
        sa.Column("code", sa.String(length=64), nullable=False),
        sa.Column("message", sa.String(length=500), nullable=False),
        sa.Column("exchanges", sa.Text(), nullable=False),
        sa.CheckConstraint(
            "outcome IN ('not_sent', 'done', 'refused', 'unknown')", name=op.f("ck_attempts_outcome_known")
        ),
        sa.CheckConstraint("duration_ms >= 0", name=op.f("ck_attempts_duration_not_negative")),
        sa.CheckConstraint("task_id IS NOT NULL OR step_id IS NOT NULL", name=op.f("ck_attempts_belongs_to_something")),
        sa.ForeignKeyConstraint(["order_id"], ["orders.id"], name=op.f("fk_attempts_order_id")),
        sa.ForeignKeyConstraint(["step_id"], ["steps.id"], name=op.f("fk_attempts_step_id")),
        sa.ForeignKeyConstraint(["task_id"], ["tasks.id"], name=op.f("fk_attempts_task_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_attempts")),
    )
    with op.batch_alter_table("attempts", schema=None) as batch_op:
        batch_op.create_index("ix_attempts_order_id", ["order_id"], unique=False)
        batch_op.create_index("ix_attempts_step_id", ["step_id"], unique=False)
        batch_op.create_index("ix_attempts_system_newest", ["system", "started_at"], unique=False)
        batch_op.create_index("ix_attempts_task_id", ["task_id", "number"], unique=False)


def downgrade() -> None:
    """Drop everything."""
    with op.batch_alter_table("attempts", schema=None) as batch_op:
        batch_op.drop_index("ix_attempts_task_id")
        batch_op.drop_index("ix_attempts_system_newest")
        batch_op.drop_index("ix_attempts_step_id")
        batch_op.drop_index("ix_attempts_order_id")

    op.drop_table("attempts")
    with op.batch_alter_table("tasks", schema=None) as batch_op:
        batch_op.drop_index("ix_tasks_system_state")
        batch_op.drop_index(batch_op.f("ix_tasks_step_id"))
        batch_op.drop_index("ix_tasks_state_newest")
        batch_op.drop_index(
            "ix_tasks_publish_at",
            postgresql_where=sa.text("publish_at IS NOT NULL"),
            sqlite_where=sa.text("publish_at IS NOT NULL"),
        )
        batch_op.drop_index("ix_tasks_order_id")
        batch_op.drop_index(
            "ix_tasks_lease_until",
            postgresql_where=sa.text("lease_until IS NOT NULL"),
            sqlite_where=sa.text("lease_until IS NOT NULL"),
        )
        batch_op.drop_index(batch_op.f("ix_tasks_key"))

    op.drop_table("tasks")
    with op.batch_alter_table("submissions", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_submissions_order_id"))
        batch_op.drop_index(
            "ix_submissions_lease_until",
            postgresql_where=sa.text("lease_until IS NOT NULL"),
            sqlite_where=sa.text("lease_until IS NOT NULL"),
        )

    op.drop_table("submissions")
    with op.batch_alter_table("steps", schema=None) as batch_op:
        batch_op.drop_index("ix_steps_system_newest")
        batch_op.drop_index("ix_steps_order_id")

    op.drop_table("steps")
    op.drop_table("placements")
    op.drop_table("order_lines")
    op.drop_table("order_discounts")
    with op.batch_alter_table("cart_locks", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_cart_locks_order_id"))
        batch_op.drop_index(batch_op.f("ix_cart_locks_expires_at"))

    op.drop_table("cart_locks")
    with op.batch_alter_table("audit_entries", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_audit_entries_staff_id"))
        batch_op.drop_index("ix_audit_entries_order_id")
        batch_op.drop_index("ix_audit_entries_newest")

    op.drop_table("audit_entries")
    with op.batch_alter_table("staff_sessions", schema=None) as batch_op:
        batch_op.drop_index("ix_staff_sessions_staff_id")

    op.drop_table("staff_sessions")
    with op.batch_alter_table("orders", schema=None) as batch_op:
        batch_op.drop_index("ix_orders_state_newest")
        batch_op.drop_index("ix_orders_newest")
        batch_op.drop_index("ix_orders_customer_email")
        batch_op.drop_index(batch_op.f("ix_orders_client_id"))

    op.drop_table("orders")
    op.drop_table("system_switches")
    op.drop_table("staff")
    with op.batch_alter_table("rate_counters", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_rate_counters_window_ends_at"))

    op.drop_table("rate_counters")
    op.drop_table("products")
    op.drop_table("api_tokens")
