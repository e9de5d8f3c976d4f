"""The first tables, and the triggers that keep history append-only.

Revision ID: 0001
Revises: nothing

A later migration that rebuilds `attempts`, `audit_entries` or `orders` on SQLite (batch mode) has to create its
triggers again. A later downgrade that would lose what can't be brought back refuses, as this one does.
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

# In the order in which they can be dropped.
TABLES = (
    "deliveries",
    "events",
    "webhook_subscriptions",
    "callbacks",
    "checks",
    "manual_resolutions",
    "mismatches",
    "attempts",
    "tasks",
    "submissions",
    "steps",
    "placements",
    "order_lines",
    "order_discounts",
    "cart_locks",
    "audit_entries",
    "archived_keys",
    "staff_sessions",
    "orders",
    "archived_orders",
    "system_switches",
    "staff",
    "skipped_items",
    "refusals",
    "reconciliations",
    "rate_counters",
    "basket_lines",
    "products",
    "rate_slots",
    "circuits",
    "holdup_samples",
    "order_samples",
    "archives",
    "api_tokens",
)

HISTORY = ("attempts", "audit_entries", "checks")
ARCHIVED = "EXISTS (SELECT 1 FROM archived_orders WHERE archived_orders.order_id = OLD.order_id)"
# The attempts of jobs belong to no order. They may go once the task has ended; services decide how long after.
ENDED_TASK = "SELECT 1 FROM tasks WHERE tasks.id = OLD.task_id AND tasks.finished_at IS NOT NULL"
ENDED_JOB = f"OLD.order_id IS NULL AND EXISTS ({ENDED_TASK})"

REFUSE_CHANGE_ON_POSTGRESQL = """
CREATE FUNCTION refuse_change_of_history() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only: permission denied for %', TG_TABLE_NAME, TG_OP
        USING ERRCODE = 'insufficient_privilege';
END
$$
"""
# A plan is kept for as long as the connection, also one that was made while the table was empty: by its index from the
# beginning.
# Each row for itself: what isn't archived stays, whatever else the statement deletes.
REFUSE_DELETE_ON_POSTGRESQL = f"""
CREATE FUNCTION refuse_loss_of_history() RETURNS trigger LANGUAGE plpgsql SET enable_seqscan = off AS $$
BEGIN
    IF {ARCHIVED} THEN
        RETURN OLD;
    END IF;
    IF TG_TABLE_NAME = 'attempts' THEN
        IF {ENDED_JOB} THEN
            RETURN OLD;
        END IF;
    END IF;
    RAISE EXCEPTION '% is append-only: permission denied for %', TG_TABLE_NAME, TG_OP
        USING ERRCODE = 'insufficient_privilege';
END
$$
"""
# As the unique constraint that guards the numbers of the orders that are there.
REFUSE_NUMBER_ON_POSTGRESQL = """
CREATE FUNCTION refuse_archived_number() RETURNS trigger LANGUAGE plpgsql SET enable_seqscan = off AS $$
BEGIN
    IF EXISTS (SELECT 1 FROM archived_orders WHERE archived_orders.number = NEW.number) THEN
        RAISE EXCEPTION 'order number % was used before, by an archived order', NEW.number
            USING ERRCODE = 'unique_violation';
    END IF;
    RETURN NEW;
END
$$
"""

INDEX_PARTS = """
CREATE INDEX ix_orders_search ON orders USING gin (lower(number || ' ' || customer_name || ' ' || customer_email || ' '
    || customer_phone || ' ' || inputs) gin_trgm_ops)
"""
NOT_ALLOWED = "42501"  # PostgreSQL's code for a missing right


def upgrade() -> None:
    """Create everything."""
    # Tables, from here on as the models say.
    op.create_table(
        "api_tokens",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_tokens")),
        sa.UniqueConstraint("name", name=op.f("uq_api_tokens_name")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_api_tokens_token_hash")),
    )
    op.create_table(
        "archives",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("file", sa.String(length=500), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_archives")),
    )
    op.create_table(
        "circuits",
        sa.Column("system", sa.String(length=32), nullable=False),
        sa.Column("state", sa.String(length=9), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("reason", sa.String(length=200), nullable=False),
        sa.Column("probe_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("order_probe_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("check_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("probe_pause_seconds", sa.Integer(), nullable=False),
        sa.Column("recovered_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("pulled_task_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("pulled_until", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("state IN ('closed', 'open', 'half_open')", name=op.f("ck_circuits_state_known")),
        sa.CheckConstraint("probe_pause_seconds >= 1", name=op.f("ck_circuits_pauses")),
        sa.PrimaryKeyConstraint("system", name=op.f("pk_circuits")),
    )
    op.create_table(
        "holdup_samples",
        sa.Column("minute", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("system", sa.String(length=32), nullable=False),
        sa.Column("cause", sa.String(length=7), nullable=False),
        sa.CheckConstraint("cause IN ('paused', 'failing')", name=op.f("ck_holdup_samples_cause_known")),
        sa.PrimaryKeyConstraint("minute", "system", name=op.f("pk_holdup_samples")),
    )
    op.create_table(
        "order_samples",
        sa.Column("minute", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("needs_staff", sa.Integer(), nullable=False),
        sa.Column("waits", sa.Integer(), nullable=False),
        sa.Column("heals", sa.Integer(), nullable=False),
        sa.CheckConstraint("needs_staff >= 0 AND waits >= 0 AND heals >= 0", name=op.f("ck_order_samples_counts")),
        sa.PrimaryKeyConstraint("minute", name=op.f("pk_order_samples")),
    )
    op.create_table(
        "rate_slots",
        sa.Column("system", sa.String(length=32), nullable=False),
        sa.Column("next_call_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("tasks_held_until", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("system", name=op.f("pk_rate_slots")),
    )
    op.create_table(
        "products",
        sa.Column("sku", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("price_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("category", sa.String(length=60), server_default=sa.text("''"), nullable=False),
        sa.Column("picture", sa.String(length=200), server_default=sa.text("''"), nullable=False),
        sa.Column("retired_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("length(currency) = 3", name=op.f("ck_products_currency_three_letters")),
        sa.CheckConstraint("price_minor >= 0", name=op.f("ck_products_price_not_negative")),
        sa.PrimaryKeyConstraint("sku", name=op.f("pk_products")),
    )
    op.create_index("ix_products_category", "products", ["category", "name", "sku"], unique=False)
    op.create_index("ix_products_name", "products", ["name", "sku"], unique=False)
    op.create_table(
        "basket_lines",
        sa.Column("basket", sa.String(length=64), nullable=False),
        sa.Column("sku", sa.String(length=64), nullable=False),
        sa.Column("quantity", sa.Integer(), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["sku"], ["products.sku"], name=op.f("fk_basket_lines_sku")),
        sa.PrimaryKeyConstraint("basket", "sku", name=op.f("pk_basket_lines")),
    )
    op.create_index(op.f("ix_basket_lines_changed_at"), "basket_lines", ["changed_at"], unique=False)
    op.create_table(
        "rate_counters",
        sa.Column("bucket", sa.String(length=64), nullable=False),
        sa.Column("window_ends_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("most", sa.Integer(), nullable=True),
        sa.CheckConstraint("count <= most", name=op.f("ck_rate_counters_count_within_most")),
        sa.PrimaryKeyConstraint("bucket", name=op.f("pk_rate_counters")),
    )
    op.create_index(op.f("ix_rate_counters_window_ends_at"), "rate_counters", ["window_ends_at"], unique=False)
    op.create_table(
        "reconciliations",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("since_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("reached_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reached_order_id", sa.Uuid(), nullable=True),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("fencing", sa.Integer(), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("counts", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reconciliations")),
    )
    op.create_index("ix_reconciliations_newest", "reconciliations", ["started_at"], unique=False)
    op.create_table(
        "refusals",
        sa.Column("area", sa.String(length=16), nullable=False),
        sa.Column("status", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("code", sa.String(length=64), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("area", "status", "code", name=op.f("pk_refusals")),
    )
    op.create_table(
        "skipped_items",
        sa.Column("item", sa.String(length=80), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("times", sa.Integer(), nullable=False),
        sa.Column("first_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("again_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("cause", sa.String(length=300), nullable=False),
        sa.CheckConstraint("times >= 1", name=op.f("ck_skipped_items_skipped_once")),
        sa.PrimaryKeyConstraint("item", name=op.f("pk_skipped_items")),
    )
    op.create_table(
        "staff",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("email", sa.String(length=254), nullable=False),
        sa.Column("password_hash", sa.String(length=200), nullable=False),
        sa.Column("role", sa.String(length=8), nullable=False),
        sa.Column("disabled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("role IN ('viewer', 'operator', 'admin')", name=op.f("ck_staff_role_known")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_staff")),
        sa.UniqueConstraint("email", name=op.f("uq_staff_email")),
    )
    op.create_table(
        "system_switches",
        sa.Column("system", sa.String(length=32), nullable=False),
        sa.Column("mode", sa.String(length=15), nullable=False),
        sa.Column("reason", sa.String(length=500), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor", sa.String(length=254), nullable=True),
        sa.Column("resumes_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("mode IN ('on', 'compensate_only', 'paused')", name=op.f("ck_system_switches_mode_known")),
        sa.PrimaryKeyConstraint("system", name=op.f("pk_system_switches")),
    )
    op.create_table(
        "archived_orders",
        sa.Column("order_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.String(length=32), nullable=False),
        sa.Column("archive_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.ForeignKeyConstraint(["archive_id"], ["archives.id"], name=op.f("fk_archived_orders_archive_id")),
        sa.PrimaryKeyConstraint("order_id", name=op.f("pk_archived_orders")),
        sa.UniqueConstraint("number", name=op.f("uq_archived_orders_number")),
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
        sa.Column("inputs", sa.Text(), nullable=False),
        sa.Column("language", sa.String(length=12), server_default="en", nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("subtotal_minor", sa.BigInteger(), nullable=False),
        sa.Column("total_minor", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("event_number", sa.Integer(), server_default="0", nullable=False),
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
    op.create_index("ix_orders_client_newest", "orders", ["client_id", "created_at", "id"], unique=False)
    op.create_index("ix_orders_newest", "orders", ["created_at", "id"], unique=False)
    op.create_index("ix_orders_state_newest", "orders", ["state", "created_at"], unique=False)
    op.create_table(
        "staff_sessions",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("staff_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["staff_id"], ["staff.id"], name=op.f("fk_staff_sessions_staff_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_staff_sessions")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_staff_sessions_token_hash")),
    )
    op.create_index("ix_staff_sessions_staff_id", "staff_sessions", ["staff_id"], unique=False)
    op.create_table(
        "archived_keys",
        sa.Column("scope", sa.String(length=40), nullable=False),
        sa.Column("key_hash", sa.String(length=64), nullable=False),
        sa.Column("content_hash", sa.String(length=80), nullable=False),
        sa.Column("order_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(["order_id"], ["archived_orders.order_id"], name=op.f("fk_archived_keys_order_id")),
        sa.PrimaryKeyConstraint("scope", "key_hash", name=op.f("pk_archived_keys")),
    )
    op.create_index("ix_archived_keys_order_id", "archived_keys", ["order_id"], unique=False)
    op.create_table(
        "audit_entries",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("staff_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("actor", sa.String(length=254), nullable=False),
        sa.Column("act", sa.String(length=64), nullable=False),
        sa.Column("subject", sa.String(length=100), nullable=False),
        sa.Column("order_id", sa.Uuid(), nullable=True),
        sa.Column("reason", sa.String(length=500), nullable=False),
        sa.Column("refused", sa.String(length=500), nullable=True),
        sa.Column("details", sa.Text(), nullable=False),
        sa.Column("request_id", sa.String(length=64), nullable=True),
        sa.Column("network", sa.String(length=43), nullable=True),
        sa.Column("os_user", sa.String(length=64), nullable=True),
        sa.ForeignKeyConstraint(["order_id"], ["orders.id"], name=op.f("fk_audit_entries_order_id")),
        sa.ForeignKeyConstraint(["staff_id"], ["staff.id"], name=op.f("fk_audit_entries_staff_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_entries")),
    )
    op.create_index("ix_audit_entries_act_newest", "audit_entries", ["act", "at", "id"], unique=False)
    op.create_index("ix_audit_entries_actor_newest", "audit_entries", ["actor", "at", "id"], unique=False)
    op.create_index("ix_audit_entries_newest", "audit_entries", ["at", "id"], unique=False)
    op.create_index("ix_audit_entries_order_id", "audit_entries", ["order_id"], unique=False)
    op.create_index(
        "ix_audit_entries_refused_newest",
        "audit_entries",
        ["at", "id"],
        unique=False,
        postgresql_where=sa.text("refused IS NOT NULL"),
        sqlite_where=sa.text("refused IS NOT NULL"),
    )
    op.create_index(
        "ix_audit_entries_subject_newest",
        "audit_entries",
        ["subject", "id"],
        unique=False,
        postgresql_where=sa.text("order_id IS NULL"),
        sqlite_where=sa.text("order_id IS NULL"),
    )
    op.create_index(op.f("ix_audit_entries_staff_id"), "audit_entries", ["staff_id"], unique=False)
    op.create_table(
        "cart_locks",
        sa.Column("cart_hash", sa.String(length=64), nullable=False),
        sa.Column("order_id", sa.Uuid(), nullable=False),
        sa.Column("placement_number", sa.Integer(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["order_id"],
            ["orders.id"],
            name=op.f("fk_cart_locks_order_id"),
            initially="DEFERRED",
            deferrable=True,
        ),
        sa.PrimaryKeyConstraint("cart_hash", name=op.f("pk_cart_locks")),
    )
    op.create_index(op.f("ix_cart_locks_expires_at"), "cart_locks", ["expires_at"], unique=False)
    op.create_index(op.f("ix_cart_locks_order_id"), "cart_locks", ["order_id"], unique=False)
    op.create_table(
        "checks",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("order_id", sa.Uuid(), nullable=False),
        sa.Column("system", sa.String(length=32), nullable=False),
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("actor", sa.String(length=254), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("duration_ms", sa.Integer(), nullable=False),
        sa.Column("finding", sa.String(length=8), nullable=False),
        sa.Column("code", sa.String(length=64), nullable=False),
        sa.Column("message", sa.String(length=500), nullable=False),
        sa.Column("exchanges", sa.Text(), nullable=False),
        sa.CheckConstraint("duration_ms >= 0", name=op.f("ck_checks_duration_not_negative")),
        sa.CheckConstraint(
            "finding IN ('in_place', 'pending', 'absent', 'undone', 'unclear')", name=op.f("ck_checks_finding_known")
        ),
        sa.ForeignKeyConstraint(["order_id"], ["orders.id"], name=op.f("fk_checks_order_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_checks")),
    )
    op.create_index("ix_checks_order_id", "checks", ["order_id"], unique=False)
    op.create_table(
        "callbacks",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("system", sa.String(length=32), nullable=False),
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("order_id", sa.Uuid(), nullable=True),
        sa.Column("said", sa.Text(), nullable=False),
        sa.Column("acted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["order_id"], ["orders.id"], name=op.f("fk_callbacks_order_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_callbacks")),
        sa.UniqueConstraint("system", "key", "digest", name=op.f("uq_callbacks_system_key_digest")),
    )
    op.create_index("ix_callbacks_system_newest", "callbacks", ["system", "id"], unique=False)
    op.create_index(
        "ix_callbacks_unknown",
        "callbacks",
        ["received_at"],
        unique=False,
        postgresql_where=sa.text("order_id IS NULL"),
        sqlite_where=sa.text("order_id IS NULL"),
    )
    op.create_index(
        "ix_callbacks_order_id",
        "callbacks",
        ["order_id"],
        unique=False,
        postgresql_where=sa.text("order_id IS NOT NULL"),
        sqlite_where=sa.text("order_id IS NOT NULL"),
    )
    op.create_table(
        "webhook_subscriptions",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("url", sa.String(length=500), nullable=False),
        sa.Column("events", sa.String(length=300), nullable=False),
        sa.Column("secret", sa.String(length=80), nullable=False),
        sa.Column("old_secret", sa.String(length=80), nullable=True),
        sa.Column("old_secret_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("failing_since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("paused_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("paused_because", sa.String(length=500), nullable=True),
        sa.Column("removed_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webhook_subscriptions")),
    )
    op.create_table(
        "events",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("uid", sa.String(length=40), nullable=False),
        sa.Column("order_id", sa.Uuid(), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("type", sa.String(length=18), nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("placement_number", sa.Integer(), nullable=False),
        sa.Column("total_minor", sa.BigInteger(), nullable=False),
        sa.Column("details", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("distributed_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "state IN ('placing', 'confirmed', 'compensating', 'failed', 'cancelled')",
            name=op.f("ck_events_state_known"),
        ),
        sa.CheckConstraint(
            "type IN ('order.placed', 'order.confirmed', 'order.compensating', 'order.failed', 'order.cancelled', "
            "'order.consistent', 'effect.unresolved', 'mismatch.found', 'mismatch.resolved')",
            name=op.f("ck_events_type_known"),
        ),
        sa.CheckConstraint("sequence >= 1", name=op.f("ck_events_sequence_from_one")),
        sa.ForeignKeyConstraint(["order_id"], ["orders.id"], name=op.f("fk_events_order_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_events")),
        sa.UniqueConstraint("order_id", "sequence", name=op.f("uq_events_order_id_sequence")),
        sa.UniqueConstraint("uid", name=op.f("uq_events_uid")),
    )
    op.create_index("ix_events_at", "events", ["at"], unique=False)
    op.create_index(
        "ix_events_undistributed",
        "events",
        ["id"],
        unique=False,
        postgresql_where=sa.text("distributed_at IS NULL"),
        sqlite_where=sa.text("distributed_at IS NULL"),
    )
    op.create_table(
        "deliveries",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("subscription_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("event_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("order_id", sa.Uuid(), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=9), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("queued_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("tasks", sa.Integer(), nullable=False),
        sa.Column("task_id", sa.BigInteger(), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("state IN ('waiting', 'delivered', 'dropped')", name=op.f("ck_deliveries_state_known")),
        sa.ForeignKeyConstraint(["event_id"], ["events.id"], name=op.f("fk_deliveries_event_id")),
        sa.ForeignKeyConstraint(["order_id"], ["orders.id"], name=op.f("fk_deliveries_order_id")),
        sa.ForeignKeyConstraint(
            ["subscription_id"], ["webhook_subscriptions.id"], name=op.f("fk_deliveries_subscription_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_deliveries")),
        sa.UniqueConstraint("event_id", "subscription_id", name=op.f("uq_deliveries_event_id_subscription_id")),
    )
    op.create_index(
        "ix_deliveries_waiting",
        "deliveries",
        ["subscription_id", "order_id", "sequence"],
        unique=False,
        postgresql_where=sa.text("state = 'waiting'"),
        sqlite_where=sa.text("state = 'waiting'"),
    )
    op.create_index("ix_deliveries_order_id", "deliveries", ["order_id"], unique=False)
    op.create_index("ix_deliveries_state_newest", "deliveries", ["state", "id"], unique=False)
    op.create_index("ix_deliveries_subscription_newest", "deliveries", ["subscription_id", "id"], unique=False)
    op.create_table(
        "order_discounts",
        sa.Column("order_id", sa.Uuid(), nullable=False),
        sa.Column("source", sa.String(length=32), nullable=False),
        sa.Column("code", sa.String(length=64), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("is_payment", sa.Boolean(), nullable=False),
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
        sa.Column("failed_sku", sa.String(length=64), nullable=True),
        sa.Column("failed_available", sa.Integer(), nullable=True),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
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
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
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
    op.create_index("ix_steps_order_id", "steps", ["order_id"], unique=False)
    op.create_index("ix_steps_system_newest", "steps", ["system", "id"], unique=False)
    op.create_table(
        "submissions",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("scope", sa.String(length=40), nullable=False),
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("content_hash", sa.String(length=80), nullable=False),
        sa.Column("order_id", sa.Uuid(), nullable=False),
        sa.Column("placement_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("fencing", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("length(key) BETWEEN 1 AND 64", name=op.f("ck_submissions_key_length")),
        sa.ForeignKeyConstraint(["order_id"], ["orders.id"], name=op.f("fk_submissions_order_id")),
        sa.ForeignKeyConstraint(["placement_id"], ["placements.id"], name=op.f("fk_submissions_placement_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_submissions")),
        sa.UniqueConstraint("placement_id", name=op.f("uq_submissions_placement_id")),
        sa.UniqueConstraint("scope", "key", name=op.f("uq_submissions_scope_key")),
    )
    op.create_index(
        "ix_submissions_lease_until",
        "submissions",
        ["lease_until"],
        unique=False,
        postgresql_where=sa.text("lease_until IS NOT NULL"),
        sqlite_where=sa.text("lease_until IS NOT NULL"),
    )
    op.create_index(op.f("ix_submissions_order_id"), "submissions", ["order_id"], unique=False)
    op.create_table(
        "tasks",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("order_id", sa.Uuid(), nullable=True),
        sa.Column("placement_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("step_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("system", sa.String(length=32), nullable=False),
        sa.Column("news", sa.String(length=9), server_default=sa.text("''"), nullable=False),
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("state", sa.String(length=9), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("attempt_limit", sa.Integer(), nullable=False),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("claims", sa.Integer(), nullable=False),
        sa.Column("fencing", sa.Integer(), nullable=False),
        sa.Column("publish_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_code", sa.String(length=64), nullable=True),
        sa.Column("last_message", sa.String(length=500), nullable=True),
        sa.Column("absent_from", sa.DateTime(timezone=True), nullable=True),
        sa.Column("key_used_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("cleared_claims", sa.Integer(), server_default="0", nullable=False),
        sa.Column("keep", sa.Integer(), server_default="0", nullable=False),
        sa.Column("pending_answers", sa.Integer(), server_default="0", nullable=False),
        sa.Column("repeats", sa.Integer(), server_default="0", nullable=False),
        sa.Column("repeated_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("arguments", sa.Text(), nullable=True),
        sa.Column("scheduled_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("(state = 'running') = (lease_until IS NOT NULL)", name=op.f("ck_tasks_running_has_lease")),
        sa.CheckConstraint(
            "kind IN ('settle', 'task', 'compensate', 'notify', 'job')", name=op.f("ck_tasks_kind_known")
        ),
        sa.CheckConstraint(
            "news IN ('', 'confirmed', 'failed', 'cancelled', 'refunded')", name=op.f("ck_tasks_news_known")
        ),
        sa.CheckConstraint("state <> 'waiting' OR due_at IS NOT NULL", name=op.f("ck_tasks_waiting_has_due_time")),
        sa.CheckConstraint(
            "state IN ('waiting', 'running', 'done', 'failed', 'cancelled')", name=op.f("ck_tasks_state_known")
        ),
        sa.CheckConstraint("(kind = 'job') = (order_id IS NULL)", name=op.f("ck_tasks_order_unless_job")),
        sa.CheckConstraint("(kind = 'job') = (placement_id IS NULL)", name=op.f("ck_tasks_placement_unless_job")),
        sa.CheckConstraint("(kind = 'job') = (system LIKE '%-%')", name=op.f("ck_tasks_name_of_job")),
        sa.CheckConstraint("(kind = 'job') = (arguments IS NOT NULL)", name=op.f("ck_tasks_arguments_of_job")),
        sa.CheckConstraint("kind = 'job' OR scheduled_at IS NULL", name=op.f("ck_tasks_schedule_of_job")),
        sa.CheckConstraint("attempts >= 0 AND attempt_limit >= 0 AND fencing >= 0", name=op.f("ck_tasks_counts")),
        sa.ForeignKeyConstraint(["order_id"], ["orders.id"], name=op.f("fk_tasks_order_id")),
        sa.ForeignKeyConstraint(["placement_id"], ["placements.id"], name=op.f("fk_tasks_placement_id")),
        sa.ForeignKeyConstraint(["step_id"], ["steps.id"], name=op.f("fk_tasks_step_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tasks")),
        sa.UniqueConstraint(
            "placement_id", "kind", "system", "news", name=op.f("uq_tasks_placement_id_kind_system_news")
        ),
    )
    op.create_index(
        "ix_tasks_compensations_newest",
        "tasks",
        ["state", "id"],
        unique=False,
        postgresql_where=sa.text("kind = 'compensate'"),
        sqlite_where=sa.text("kind = 'compensate'"),
    )
    op.create_index(
        "ix_tasks_jobs_finished_at",
        "tasks",
        ["finished_at"],
        unique=False,
        postgresql_where=sa.text("kind = 'job'"),
        sqlite_where=sa.text("kind = 'job'"),
    )
    op.create_index(
        "ix_tasks_lease_until",
        "tasks",
        ["lease_until"],
        unique=False,
        postgresql_where=sa.text("lease_until IS NOT NULL"),
        sqlite_where=sa.text("lease_until IS NOT NULL"),
    )
    op.create_index("ix_tasks_order_id", "tasks", ["order_id"], unique=False)
    op.create_index(
        "ix_tasks_publish_at",
        "tasks",
        ["system", "publish_at"],
        unique=False,
        postgresql_where=sa.text("publish_at IS NOT NULL"),
        sqlite_where=sa.text("publish_at IS NOT NULL"),
    )
    op.create_index(
        "ix_tasks_scheduled_at",
        "tasks",
        ["system", "scheduled_at"],
        unique=False,
        postgresql_where=sa.text("scheduled_at IS NOT NULL"),
        sqlite_where=sa.text("scheduled_at IS NOT NULL"),
    )
    op.create_index("ix_tasks_state_newest", "tasks", ["state", "id"], unique=False)
    op.create_index(
        "ix_tasks_step_id",
        "tasks",
        ["step_id"],
        unique=False,
        postgresql_where=sa.text("step_id IS NOT NULL"),
        sqlite_where=sa.text("step_id IS NOT NULL"),
    )
    op.create_index("ix_tasks_system_state_newest", "tasks", ["system", "state", "id"], unique=False)
    op.create_index(
        "uq_tasks_job_key",
        "tasks",
        ["system", "key"],
        unique=True,
        postgresql_where=sa.text("kind = 'job'"),
        sqlite_where=sa.text("kind = 'job'"),
    )
    op.create_table(
        "attempts",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("order_id", sa.Uuid(), nullable=True),
        sa.Column("task_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("step_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("system", sa.String(length=32), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("verb", sa.String(length=8), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("duration_ms", sa.Integer(), nullable=False),
        sa.Column("worker", sa.String(length=120), nullable=False),
        sa.Column("outcome", sa.String(length=8), nullable=False),
        sa.Column("code", sa.String(length=64), nullable=False),
        sa.Column("worked", sa.Boolean(), nullable=True),
        sa.Column("message", sa.String(length=500), nullable=False),
        sa.Column("exchanges", sa.Text(), nullable=False),
        sa.Column("repeats", sa.Integer(), server_default="0", nullable=False),
        sa.Column("repeated_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "outcome IN ('not_sent', 'done', 'refused', 'unknown')", name=op.f("ck_attempts_outcome_known")
        ),
        sa.CheckConstraint("(verb = 'run') = (order_id IS NULL)", name=op.f("ck_attempts_order_unless_run")),
        sa.CheckConstraint("duration_ms >= 0", name=op.f("ck_attempts_duration_not_negative")),
        sa.CheckConstraint("task_id IS NOT NULL OR step_id IS NOT NULL", name=op.f("ck_attempts_belongs_to_something")),
        sa.ForeignKeyConstraint(["order_id"], ["orders.id"], name=op.f("fk_attempts_order_id")),
        sa.ForeignKeyConstraint(["step_id"], ["steps.id"], name=op.f("fk_attempts_step_id")),
        sa.ForeignKeyConstraint(["task_id"], ["tasks.id"], name=op.f("fk_attempts_task_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_attempts")),
    )
    op.create_index("ix_attempts_order_id", "attempts", ["order_id"], unique=False)
    op.create_index(
        "ix_attempts_step_id",
        "attempts",
        ["step_id"],
        unique=False,
        postgresql_where=sa.text("step_id IS NOT NULL"),
        sqlite_where=sa.text("step_id IS NOT NULL"),
    )
    op.create_index("ix_attempts_system_newest", "attempts", ["system", "started_at"], unique=False)
    op.create_index(
        "ix_attempts_task_id",
        "attempts",
        ["task_id", "number"],
        unique=False,
        postgresql_where=sa.text("task_id IS NOT NULL"),
        sqlite_where=sa.text("task_id IS NOT NULL"),
    )
    op.create_table(
        "mismatches",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("order_id", sa.Uuid(), nullable=False),
        sa.Column("placement_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("system", sa.String(length=32), nullable=False),
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("ours", sa.String(length=200), nullable=False),
        sa.Column("theirs", sa.String(length=200), nullable=False),
        sa.Column("correction", sa.String(length=20), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("seen", sa.Integer(), nullable=False),
        sa.Column("found_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("task_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("gone_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("state IN ('open', 'correcting', 'gone')", name=op.f("ck_mismatches_state_known")),
        sa.CheckConstraint("seen >= 1", name=op.f("ck_mismatches_seen_once")),
        sa.ForeignKeyConstraint(["order_id"], ["orders.id"], name=op.f("fk_mismatches_order_id")),
        sa.ForeignKeyConstraint(["placement_id"], ["placements.id"], name=op.f("fk_mismatches_placement_id")),
        sa.ForeignKeyConstraint(["task_id"], ["tasks.id"], name=op.f("fk_mismatches_task_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_mismatches")),
    )
    op.create_index("ix_mismatches_order_id", "mismatches", ["order_id"], unique=False)
    op.create_index("ix_mismatches_placement_id", "mismatches", ["placement_id"], unique=False)
    op.create_index("ix_mismatches_state_newest", "mismatches", ["state", "id"], unique=False)
    op.create_index(
        "ix_mismatches_task_id",
        "mismatches",
        ["task_id"],
        unique=False,
        postgresql_where=sa.text("task_id IS NOT NULL"),
        sqlite_where=sa.text("task_id IS NOT NULL"),
    )
    op.create_index(
        "uq_mismatches_key_unresolved",
        "mismatches",
        ["key"],
        unique=True,
        postgresql_where=sa.text("state <> 'gone'"),
        sqlite_where=sa.text("state <> 'gone'"),
    )
    op.create_table(
        "manual_resolutions",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("order_id", sa.Uuid(), nullable=False),
        sa.Column("task_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("system", sa.String(length=32), nullable=False),
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("resolution", sa.String(length=12), nullable=False),
        sa.Column("reason", sa.String(length=500), nullable=False),
        sa.Column("actor", sa.String(length=254), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_by", sa.String(length=200), nullable=True),
        sa.CheckConstraint(
            "resolution IN ('happened', 'not_happened', 'given_up')",
            name=op.f("ck_manual_resolutions_resolution_known"),
        ),
        sa.ForeignKeyConstraint(["order_id"], ["orders.id"], name=op.f("fk_manual_resolutions_order_id")),
        sa.ForeignKeyConstraint(["task_id"], ["tasks.id"], name=op.f("fk_manual_resolutions_task_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_manual_resolutions")),
    )
    op.create_index("ix_manual_resolutions_order_id", "manual_resolutions", ["order_id"], unique=False)
    op.create_index("ix_manual_resolutions_task_id", "manual_resolutions", ["task_id"], unique=False)
    op.create_index(
        "ix_manual_resolutions_unproven",
        "manual_resolutions",
        ["id"],
        unique=False,
        postgresql_where=sa.text("ended_at IS NULL"),
        sqlite_where=sa.text("ended_at IS NULL"),
    )
    op.create_index("ix_orders_customer_email", "orders", [sa.text("lower(customer_email)")], unique=False)

    if op.get_bind().dialect.name == "postgresql":
        _index_parts()

    # Triggers.
    if op.get_bind().dialect.name == "postgresql":
        _protect_on_postgresql()
    else:
        _protect_on_sqlite()


def downgrade() -> None:
    """Drop everything, as long as there is nothing to lose.

    Raises:
        SystemExit: orders or acts of staff stand in the way; nothing is dropped.
    """
    _refuse_to_lose("orders", "archived_orders", "audit_entries")
    on_postgresql = op.get_bind().dialect.name == "postgresql"
    for table in TABLES:
        op.drop_table(table)
    if on_postgresql:
        for function in ("refuse_change_of_history", "refuse_loss_of_history", "refuse_archived_number"):
            op.execute(f"DROP FUNCTION {function}()")


def _refuse_to_lose(*tables: str) -> None:
    rows = {table: sa.select(sa.func.count()).select_from(sa.table(table)) for table in tables}
    counts = {table: op.get_bind().execute(count).scalar_one() for table, count in rows.items()}
    lost = [f"{count} rows of {table}" for table, count in counts.items() if count]
    if lost:
        raise SystemExit(f"orderapp: this downgrade would lose {', '.join(lost)}; nothing was changed")


def _index_parts() -> None:
    """Index the parts of what staff search, where the server has the extension for it and lets us use it.

    Without it, parts are looked for in the newest orders. Who adds the extension later runs INDEX_PARTS as well.
    """
    connection = op.get_bind()
    available = "SELECT 1 FROM pg_available_extensions WHERE name = 'pg_trgm'"
    if connection.scalar(sa.text(available)) is None:
        return
    try:
        with connection.begin_nested():
            op.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")
    except sa.exc.ProgrammingError as error:  # only an owner of the database, or a superuser, may add it
        if getattr(error.orig, "sqlstate", None) != NOT_ALLOWED:
            raise
        return
    op.execute(INDEX_PARTS)


def _protect_on_postgresql() -> None:
    for statement in (REFUSE_CHANGE_ON_POSTGRESQL, REFUSE_DELETE_ON_POSTGRESQL, REFUSE_NUMBER_ON_POSTGRESQL):
        op.execute(statement)
    for table in HISTORY:
        op.execute(
            f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR TRUNCATE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change_of_history()"
        )
        op.execute(
            f"CREATE TRIGGER {table}_archived_only BEFORE DELETE ON {table} "
            "FOR EACH ROW EXECUTE FUNCTION refuse_loss_of_history()"
        )
    op.execute(
        "CREATE TRIGGER orders_number_is_new BEFORE INSERT ON orders "
        "FOR EACH ROW EXECUTE FUNCTION refuse_archived_number()"
    )


def _protect_on_sqlite() -> None:
    for table in HISTORY:
        may_go = f"{ARCHIVED} OR {ENDED_JOB}" if table == "attempts" else ARCHIVED
        for event, when in (("UPDATE", ""), ("DELETE", f"WHEN NOT ({may_go})")):
            op.execute(
                f"CREATE TRIGGER {table}_append_only_{event.lower()} BEFORE {event} ON {table} {when} "
                f"BEGIN SELECT RAISE(ABORT, '{table} is append-only: permission denied for {event}'); END"
            )
    op.execute(
        "CREATE TRIGGER orders_number_is_new BEFORE INSERT ON orders "
        "WHEN EXISTS (SELECT 1 FROM archived_orders WHERE archived_orders.number = NEW.number) "
        "BEGIN SELECT RAISE(ABORT, 'the order number was used before, by an archived order'); END"
    )
