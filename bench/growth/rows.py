"""The rows of the orders: one statement for each table, in the order in which they are run."""

from __future__ import annotations

# What each order is; all others select from it. `fate` says how it ended, or what still holds it up.
_ORDERS = """
CREATE TEMPORARY TABLE seeded ON COMMIT DROP AS
SELECT n, at,
    (lpad(to_hex(CAST(extract(epoch FROM at) * 1000 AS bigint)), 12, '0') || '7' || substr(md5(CAST(n AS text)), 1, 3)
        || '8' || substr(md5(CAST(n AS text)), 4, 15))::uuid AS id,
    substr(code, 1, 5) || '-' || substr(code, 6, 5) AS number,
    1 + abs(hashint8(n)) % (1 + :orders / 5) AS customer,
    1 + n % 3 AS lines, n % 4 = 1 AS coupon, n % 3 = 0 AS benefit, n % 2 = 0 AS phone,
    CASE WHEN n > :orders THEN (ARRAY['stuck', 'later', 'held', 'mismatched'])[1 + n % 4]
        WHEN n % 50 = 7 THEN 'given back' WHEN n % 50 = 8 THEN 'refused' WHEN n % 50 = 9 THEN 'cancelled'
        ELSE 'confirmed' END AS fate
FROM (
    SELECT n,
        now() - make_interval(days => 1)
            - (1 - CAST(n AS float) / (:orders + :open)) * make_interval(days => :days) AS at,
        -- One number for each n, none twice: the factor is odd.
        upper(lpad(to_hex(n * 2654435761 % 1099511627776), 10, '0')) AS code
    FROM generate_series(CAST(1 AS bigint), :orders + :open) AS n
) AS made
"""
_PRODUCTS = """
INSERT INTO products (sku, name, price_minor, currency, updated_at)
SELECT 'ITEM-' || n, 'Item ' || n, 2500, 'EUR', now() FROM generate_series(1, 50) AS n
"""
_DOCUMENTS = """
INSERT INTO orders (id, number, client_id, state, placement_number, customer_name, customer_email, customer_phone,
    inputs, currency, subtotal_minor, total_minor, created_at, updated_at)
SELECT id, number, NULL,
    CASE WHEN fate IN ('given back', 'refused') THEN 'failed' WHEN fate = 'held' THEN 'placing'
        WHEN fate = 'cancelled' THEN 'cancelled' ELSE 'confirmed' END,
    1, 'Customer ' || customer, 'customer' || customer || '@example.com',
    CASE WHEN phone THEN '+49151' || lpad(CAST(customer AS text), 8, '0') ELSE '' END,
    CAST(jsonb_strip_nulls(jsonb_build_object('coupon', CASE WHEN coupon THEN 'SPRING-' || n % 20 END,
        'benefit', CASE WHEN benefit THEN 'WELCOME' END, 'member_ref', CASE WHEN benefit THEN 'M-' || customer END))
        AS text),
    'EUR', lines * 2500, lines * (2500 - CASE WHEN coupon THEN 250 ELSE 0 END - CASE WHEN benefit THEN 125 ELSE 0 END),
    at, at + make_interval(secs => 1)
FROM seeded ORDER BY n
"""
_LINES = """
INSERT INTO order_lines (order_id, position, sku, name, quantity, price_minor)
SELECT id, position, 'ITEM-' || 1 + (n + position * 7) % 50, 'Item ' || 1 + (n + position * 7) % 50, 1, 2500
FROM seeded, generate_series(1, lines) AS position ORDER BY n, position
"""
_DISCOUNTS = """
INSERT INTO order_discounts (order_id, source, code, amount_minor, is_payment)
SELECT id, 'coupon', 'SPRING-' || n % 20, lines * 250, false FROM seeded WHERE coupon
UNION ALL SELECT id, 'membership', 'WELCOME', lines * 125, false FROM seeded WHERE benefit
"""
_PLACEMENTS = """
INSERT INTO placements (id, order_id, number, state, failed_system, failed_outcome, failed_code, started_at, decided_at)
SELECT n, id, 1,
    CASE WHEN fate IN ('given back', 'refused', 'cancelled') THEN 'compensated' WHEN fate = 'held' THEN 'placing'
        ELSE 'confirmed' END,
    CASE WHEN fate IN ('given back', 'refused') THEN 'inventory' END,
    CASE fate WHEN 'given back' THEN 'unknown' WHEN 'refused' THEN 'refused' END,
    CASE fate WHEN 'given back' THEN 'timeout' WHEN 'refused' THEN 'out_of_stock' END,
    at, CASE WHEN fate <> 'held' THEN at + make_interval(secs => 1) END
FROM seeded ORDER BY n
"""
_STEPS = """
INSERT INTO steps (id, placement_id, order_id, system, position, key, state, outcome, code, decided_at)
SELECT 3 * n + position, n, id, system, position, number || ':1:' || system, state,
    CASE WHEN fate = 'held' OR state = 'planned' THEN NULL WHEN fate = 'refused' THEN 'refused'
        WHEN fate = 'given back' THEN 'unknown' ELSE 'done' END,
    '', at + make_interval(secs => 1)
FROM seeded
    CROSS JOIN LATERAL (VALUES (0, 'inventory', true), (1, 'coupon', coupon), (2, 'membership', benefit))
        AS planned (position, system, wanted)
    CROSS JOIN LATERAL (SELECT CASE
        WHEN fate = 'cancelled' THEN 'compensated' WHEN fate = 'held' THEN 'planned'
        WHEN fate = 'given back' AND position = 0 THEN 'compensated'
        WHEN fate = 'refused' AND position = 0 THEN 'refused'
        WHEN fate IN ('given back', 'refused') THEN 'planned' ELSE 'done' END AS state) AS stands
WHERE wanted ORDER BY n, position
"""
_SUBMISSIONS = """
INSERT INTO submissions (id, scope, key, content_hash, order_id, placement_id, lease_until, fencing, created_at)
SELECT n, 'shop', md5('key ' || n), 'v1:' || md5('content' || n) || md5(CAST(n AS text)), id, n,
    CASE WHEN fate = 'held' THEN now() + make_interval(hours => 12) END, 1, at
FROM seeded ORDER BY n
"""
_TASKS = """
INSERT INTO tasks (id, order_id, placement_id, step_id, kind, system, key, state, due_at, attempts, attempt_limit,
    claims, fencing, publish_at, last_code, last_message, created_at, finished_at)
SELECT 8 * n + place, id, n, CASE WHEN step IS NOT NULL THEN 3 * n + step END, kind, system,
    number || ':1:' || system, state,
    CASE WHEN state <> 'waiting' THEN NULL ELSE now() + make_interval(hours => 12) END, 1, 12, 1, 1,
    CASE WHEN state = 'waiting' THEN now() + make_interval(hours => 12) END, '', 'done',
    at, CASE WHEN state = 'done' THEN at + make_interval(secs => 2) END
FROM seeded
    CROSS JOIN LATERAL (VALUES
        (0, NULL, 'settle', 'settlement', fate NOT IN ('given back', 'refused', 'held')),
        (1, NULL, 'notify', 'email', fate NOT IN ('given back', 'refused', 'held')),
        (2, NULL, 'notify', 'sms', phone AND fate NOT IN ('given back', 'refused', 'held')),
        (3, 0, 'compensate', 'inventory', fate IN ('given back', 'cancelled')),
        (4, 1, 'compensate', 'coupon', coupon AND fate = 'cancelled'),
        (5, 2, 'compensate', 'membership', benefit AND fate = 'cancelled'),
        (6, NULL, 'compensate', 'settlement', fate = 'cancelled'))
        AS planned (place, step, kind, system, wanted)
    CROSS JOIN LATERAL (SELECT CASE WHEN place > 0 THEN 'done' WHEN fate = 'stuck' THEN 'failed'
        WHEN fate = 'later' THEN 'waiting' ELSE 'done' END AS state) AS stands
WHERE wanted ORDER BY n, place
"""
# What was sent and answered is as long as it usually is.
_ATTEMPTS = """
INSERT INTO attempts (order_id, task_id, step_id, system, number, verb, started_at, duration_ms, worker, outcome, code,
    worked, message, exchanges)
SELECT id, task_id, step_id, system, 1, verb, at + make_interval(secs => place / 10.0), n % 90,
    'host-' || n % 3 || ':1:w', outcome, '', true, '', CAST(json_build_array(json_build_object(
        'request', 'POST /v1/effects HTTP/1.1' || chr(10) || 'Idempotency-Key: ' || key || chr(10) || chr(10)
            || CAST(json_build_object('order_ref', number, 'customer', json_build_object('name', '***', 'email', '***'),
                'lines', repeat('ITEM-1 x 1, ', CAST(3 * lines AS integer)), 'currency', 'EUR') AS text),
        'response', 'HTTP/1.1 201 CREATED' || chr(10) || 'Content-Type: application/json' || chr(10) || 'Date: ' || at
            || chr(10) || chr(10) || CAST(json_build_object('key', key, 'state', 'done', 'created_at', at) AS text),
        'duration_ms', n % 90)) AS text)
FROM (
    SELECT order_id AS id, NULL AS task_id, steps.id AS step_id, system, 'act' AS verb, outcome, steps.key,
        position AS place
    FROM steps WHERE outcome IS NOT NULL
    UNION ALL
    SELECT order_id, tasks.id, step_id, system, CASE WHEN kind = 'compensate' THEN 'undo' ELSE 'act' END, 'done', key,
        10 + tasks.id % 8
    FROM tasks WHERE state IN ('done', 'failed')
) AS made JOIN seeded USING (id) ORDER BY n, place
"""
_AUDIT_ENTRIES = """
INSERT INTO audit_entries (at, staff_id, actor, act, subject, order_id, reason, details)
SELECT at + make_interval(days => 1), NULL, 'staff@example.com', 'order.cancel', 'order ' || number, id,
    'the customer called', '{"before": "confirmed", "after": "compensating"}'
FROM seeded WHERE fate = 'cancelled' ORDER BY n
"""
_MISMATCHES = """
INSERT INTO mismatches (order_id, placement_id, system, key, kind, ours, theirs, correction, state, seen, found_at,
    last_seen_at, gone_at)
SELECT id, n, 'inventory', number || ':1:inventory', 'missing effect', 'step done', 'undone', 'do',
    CASE WHEN fate = 'mismatched' THEN 'open' ELSE 'gone' END, 1, at + make_interval(days => 1),
    at + make_interval(days => 1), CASE WHEN fate <> 'mismatched' THEN at + make_interval(days => 2) END
FROM seeded WHERE fate = 'mismatched' OR (fate = 'confirmed' AND n % 1000 = 1) ORDER BY n
"""
_WORDS = """
INSERT INTO manual_resolutions (order_id, task_id, system, key, resolution, reason, actor, made_at, ended_at, ended_by)
SELECT id, 8 * n, 'settlement', number || ':1:settlement', 'happened', 'seen in their books', 'staff@example.com',
    at + make_interval(days => 1), at + make_interval(days => 2), 'the system answered: done'
FROM seeded WHERE fate = 'confirmed' AND n % 1000 = 2 ORDER BY n
"""
# The next rows get the numbers after these.
_NUMBERS = """
SELECT setval('placements_id_seq', (SELECT max(id) FROM placements)),
    setval('steps_id_seq', (SELECT max(id) FROM steps)), setval('tasks_id_seq', (SELECT max(id) FROM tasks)),
    setval('submissions_id_seq', (SELECT max(id) FROM submissions))
"""

ROWS = (
    _ORDERS, _PRODUCTS, _DOCUMENTS, _LINES, _DISCOUNTS, _PLACEMENTS, _STEPS, _SUBMISSIONS, _TASKS, _ATTEMPTS,
    _AUDIT_ENTRIES, _MISMATCHES, _WORDS, _NUMBERS,
)  # fmt: skip
