-- Everything the sandbox knows, in one SQLite file. Times are RFC 3339 in UTC; amounts are integer minor units.

CREATE TABLE IF NOT EXISTS ledger (          -- every accepted effect, never changed, never deleted: what audits read
    id         INTEGER PRIMARY KEY,
    system     TEXT NOT NULL,
    reference  TEXT NOT NULL,                -- the key or reference the order service chose; the message's id for messages
    effect_id  TEXT NOT NULL,                -- the system's own id of the effect, where one reference can have several
    effect     TEXT NOT NULL CHECK (effect IN ('do', 'undo')),
    order_ref  TEXT NOT NULL,                -- empty where the system isn't told it
    content    TEXT NOT NULL,                -- JSON: what was done
    at         TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS ledger_order ON ledger (order_ref);
CREATE TRIGGER IF NOT EXISTS ledger_keeps_rows BEFORE DELETE ON ledger
    BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
CREATE TRIGGER IF NOT EXISTS ledger_keeps_values BEFORE UPDATE ON ledger
    BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;

CREATE TABLE IF NOT EXISTS keyed (           -- every key of every keyed system, tombstones and refusals included
    system     TEXT NOT NULL,
    key        TEXT NOT NULL,
    state      TEXT NOT NULL,                -- the system's done state, or pending, refused, cancelled
    content    TEXT,                         -- canonical JSON of the request; NULL: cancelled before anything was seen
    refusal    TEXT,                         -- JSON of the 409 that this key gets again; NULL: it was accepted
    order_ref  TEXT NOT NULL,
    due_at     REAL,                         -- seconds since the epoch at which a pending one ends
    changed_at TEXT NOT NULL,
    PRIMARY KEY (system, key)
);
CREATE INDEX IF NOT EXISTS keyed_due ON keyed (system, due_at) WHERE due_at IS NOT NULL;

CREATE TABLE IF NOT EXISTS options (         -- what a system's rules can be told
    name  TEXT PRIMARY KEY,
    value REAL NOT NULL CHECK (value >= 0)
);

CREATE TABLE IF NOT EXISTS stock (
    sku       TEXT PRIMARY KEY,
    available INTEGER NOT NULL CHECK (available >= 0)
);

CREATE TABLE IF NOT EXISTS coupons (
    code       TEXT PRIMARY KEY,
    uses_left  INTEGER NOT NULL CHECK (uses_left >= 0),
    expired    INTEGER NOT NULL CHECK (expired IN (0, 1)),
    discount   TEXT NOT NULL                 -- JSON as in the contract
);
CREATE TABLE IF NOT EXISTS redemptions (
    id           TEXT PRIMARY KEY,
    reference    TEXT NOT NULL,
    code         TEXT NOT NULL REFERENCES coupons (code),
    order_ref    TEXT NOT NULL,
    customer_ref TEXT NOT NULL,
    state        TEXT NOT NULL CHECK (state IN ('redeemed', 'voided')),
    changed_at   TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS redemptions_reference ON redemptions (reference);

CREATE TABLE IF NOT EXISTS members (
    ref       TEXT PRIMARY KEY,
    name      TEXT NOT NULL,
    tier      TEXT NOT NULL,
    suspended INTEGER NOT NULL CHECK (suspended IN (0, 1))
);
CREATE TABLE IF NOT EXISTS benefits (
    member_ref TEXT NOT NULL REFERENCES members (ref),
    code       TEXT NOT NULL,
    title      TEXT NOT NULL,
    remaining  INTEGER NOT NULL CHECK (remaining >= 0),
    discount   TEXT NOT NULL,                -- JSON as in the contract
    PRIMARY KEY (member_ref, code)
);

CREATE TABLE IF NOT EXISTS plugged_in (      -- what the stand-ins of plugins keep
    system  TEXT NOT NULL,
    key     TEXT NOT NULL,
    content TEXT NOT NULL,                   -- JSON
    PRIMARY KEY (system, key)
);

CREATE TABLE IF NOT EXISTS text_messages (
    sid         TEXT PRIMARY KEY,
    sender      TEXT NOT NULL,
    recipient   TEXT NOT NULL,
    body        TEXT NOT NULL,
    received_at TEXT NOT NULL
);

CREATE TABLE IF NOT EXISTS mails (
    id          INTEGER PRIMARY KEY,
    message_id  TEXT NOT NULL,
    sender      TEXT NOT NULL,
    recipients  TEXT NOT NULL,
    subject     TEXT NOT NULL,
    body        TEXT NOT NULL,
    received_at TEXT NOT NULL
);
