"""Stand-ins that plugins bring: their rows are kept as JSON, and shown like those of the others."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from flask import Blueprint

from orderapp.sandbox.ledger import Effect, record_do, record_undo
from orderapp.sandbox.stand_in import Section, StandIn, require_token
from orderapp.sandbox.store import Store
from orderapp.systems.base import System
from orderapp.systems.sandboxes import Json, Sandbox

_ROWS = "SELECT key, content FROM plugged_in WHERE system = '{system}' ORDER BY rowid LIMIT ?"


@dataclass(frozen=True)
class StoredRows:
    """One system's rows in a transaction of the sandbox's store."""

    tx: sqlite3.Connection
    system: str

    def get(self, key: str) -> dict[str, Any] | None:
        """Return a row; None if there is none."""
        found = self.tx.execute("SELECT content FROM plugged_in WHERE system = ? AND key = ?", (self.system, key))
        row = found.fetchone()
        return json.loads(row["content"]) if row else None

    def all(self) -> dict[str, dict[str, Any]]:
        """Return all rows by key, oldest first."""
        found = self.tx.execute("SELECT key, content FROM plugged_in WHERE system = ? ORDER BY rowid", (self.system,))
        return {row["key"]: json.loads(row["content"]) for row in found}

    def put(self, key: str, row: Json) -> None:
        """Write a row."""
        self.tx.execute(
            "INSERT INTO plugged_in (system, key, content) VALUES (?, ?, ?)"
            " ON CONFLICT (system, key) DO UPDATE SET content = excluded.content",
            (self.system, key, json.dumps(row)),
        )

    def done(self, reference: str, order_ref: str, content: Json, effect_id: str = "") -> None:
        """Enter in the ledger that an effect was brought about."""
        record_do(self.tx, Effect(self.system, reference, order_ref, dict(content), effect_id))

    def undone(self, reference: str, order_ref: str, content: Json, effect_id: str = "") -> None:
        """Enter in the ledger that it was taken back."""
        record_undo(self.tx, Effect(self.system, reference, order_ref, dict(content), effect_id))


@dataclass(frozen=True)
class Stored:
    """What a plugin's stand-in keeps in the sandbox's store."""

    store: Store
    system: str

    @contextmanager
    def change(self) -> Iterator[StoredRows]:
        """Lend the rows inside one transaction."""
        with self.store.write() as tx:
            yield StoredRows(tx, self.system)


def plugged_in(kind: type[System], brought: Sandbox, store: Store, token: str) -> StandIn:
    """Return the place in the sandbox of a plugin's system, with the rows of a new sandbox where they are missing."""
    kept = Stored(store, kind.name)
    with kept.change() as rows:
        for key, row in brought.rows.items():
            if rows.get(key) is None:
                rows.put(key, row)
    blueprint = Blueprint(kind.name, __name__, url_prefix=f"/{kind.name}")
    require_token(blueprint, token)
    brought.routes(blueprint, kept)
    section = Section(kind.name, kind.title, ("Key", "Content"), _ROWS.format(system=kind.name))
    return StandIn(kind.name, kind.title, (section,), blueprint, undo_paths=brought.undo_paths)
