"""The append-only ledger of every effect that a stand-in accepted, for people and tests to audit."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass

from orderapp.sandbox.answers import Json
from orderapp.sandbox.store import now_text

NET = """
    SELECT system, reference, order_ref, sum(effect = 'do') AS done, sum(effect = 'undo') AS undone,
           sum(CASE effect WHEN 'do' THEN 1 ELSE -1 END) AS net
      FROM ledger WHERE {where} GROUP BY system, reference, order_ref ORDER BY min(id)"""


@dataclass(frozen=True)
class Effect:
    """Something that a system did; `effect_id` distinguishes effects under one reference."""

    system: str
    reference: str
    order_ref: str
    content: Json
    effect_id: str = ""


def record_do(tx: sqlite3.Connection, effect: Effect, at: str | None = None) -> None:
    """Write down that it was done, in the transaction that does it."""
    _append(tx, effect, "do", at)


def record_undo(tx: sqlite3.Connection, effect: Effect) -> None:
    """Write down that it was undone, in the transaction that undoes it."""
    _append(tx, effect, "undo", None)


def read_ledger(tx: sqlite3.Connection, order_ref: str | None = None, system: str | None = None) -> Json:
    """Return `{"effects": [...], "net": [...]}`, oldest first, of all orders or one, of all systems or one.

    `net` has one row per system and reference: how often it was `done`, `undone`, and the difference.
    """
    wanted = {"order_ref": order_ref, "system": system}
    where = " AND ".join(f"{name} = :{name}" for name, value in wanted.items() if value is not None) or "1"
    effects = [dict(row) for row in tx.execute(f"SELECT * FROM ledger WHERE {where} ORDER BY id", wanted)]  # noqa: S608 - fixed names
    for effect in effects:
        effect["content"] = json.loads(effect["content"])
    return {"effects": effects, "net": [dict(row) for row in tx.execute(NET.format(where=where), wanted)]}


def _append(tx: sqlite3.Connection, effect: Effect, kind: str, at: str | None) -> None:
    values = (effect.system, effect.reference, effect.effect_id, kind, effect.order_ref, json.dumps(effect.content))
    tx.execute(
        "INSERT INTO ledger (system, reference, effect_id, effect, order_ref, content, at)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        (*values, at or now_text()),
    )
