"""The protocol of every system that is idempotent by key: do, cancel (even before it was done), ask.

A system's `Rules` say what it does besides remembering its keys; a system without its own rules works too.
"""

from __future__ import annotations

import json
import sqlite3
import time
from datetime import UTC, datetime
from typing import ClassVar

from flask import Blueprint, Response, request

from orderapp.sandbox import incoming
from orderapp.sandbox.answers import Json, Problem, canonical, error_body, json_answer
from orderapp.sandbox.ledger import Effect, record_do, record_undo
from orderapp.sandbox.settings import KeyedDeclaration
from orderapp.sandbox.stand_in import REFUSED, Section, StandIn, require_token
from orderapp.sandbox.store import Store, now_text, text_of

REFUSES = "sandbox.refuses"  # in the request's environment: refuse this key, should it be new

KEYS = """
    SELECT key, order_ref, state, coalesce(content, '') AS content,
           coalesce(json_extract(refusal, '$.error.code'), '') AS refusal, changed_at
      FROM keyed WHERE system = '{system}' ORDER BY rowid DESC LIMIT ?"""


class Rules:
    """What a keyed system does besides remembering its keys; this one does nothing and never refuses."""

    system: ClassVar[str] = ""  # whose rules they are
    sections: ClassVar[tuple[Section, ...]] = ()

    def check(self, body: Json) -> None:
        """Raise a 400 for a body that isn't of the agreed shape."""
        incoming.reference(body, "order_ref")

    def do(self, tx: sqlite3.Connection, body: Json) -> float:  # noqa: ARG002 - for others to use
        """Do it; return in how many seconds it is done (0: now). Raise a Problem before changing anything."""
        return 0

    def undo(self, tx: sqlite3.Connection, body: Json) -> None:
        """Take back what was done."""

    def ends_well(self, tx: sqlite3.Connection) -> bool:  # noqa: ARG002 - for others to use
        """Return whether a pending action that is now due is done rather than refused."""
        return True

    def add_routes(self, blueprint: Blueprint, store: Store) -> None:
        """Add what the system answers besides the keyed protocol."""


class KeyedStandIn:
    """The calls of one keyed system.

    A key's first accepted request is done once, and repeats get the same answer. A refusal is remembered, so the same
    request is refused again, even if an earlier copy of it arrives late. A cancelled key stays cancelled.
    """

    def __init__(self, declared: KeyedDeclaration, rules: Rules, store: Store) -> None:
        self._declared = declared
        self._rules = rules
        self._store = store

    def stand_in(self, token: str) -> StandIn:
        """Return the system's place in the sandbox."""
        name, collection = self._declared.name, self._declared.collection
        blueprint = Blueprint(name, __name__, url_prefix=f"/{name}")
        require_token(blueprint, token)
        blueprint.post(f"/v1/{collection}")(self.post)
        blueprint.get(f"/v1/{collection}/<key>")(self.show)
        blueprint.post(f"/v1/{collection}/<key>/cancel")(self.cancel)
        self._rules.add_routes(blueprint, self._store)
        columns = ("Key", "Order", "State", "Content", "Refusal", "Changed")
        keys = Section(collection, collection.capitalize(), columns, KEYS.format(system=name))
        return StandIn(
            name, name.capitalize(), (*self._rules.sections, keys), blueprint, keyed=True, advance=self.advance
        )

    def post(self) -> Response:
        """Do the requested action, once per key."""
        key = incoming.idempotency_key()
        body = incoming.json_body()
        self._rules.check(body)
        self.advance()
        with self._store.write() as tx:
            known = self._row(tx, key)
            if known is not None:
                return self._repeated(known, canonical(body))
            try:
                if REFUSES in request.environ:
                    raise REFUSED
                wait_seconds = self._rules.do(tx, body)
            except Problem as problem:
                if problem.status != 409:
                    raise
                self._insert(tx, key, "refused", body, refusal=json.dumps(error_body(problem)))
                return json_answer(problem.status, error_body(problem))
            if wait_seconds:
                self._insert(tx, key, "pending", body, due_at=time.time() + wait_seconds)
                return self._answer(202, key, "pending")
            self._insert(tx, key, self._declared.done_state, body)
            record_do(tx, self._effect(key, body))
            return self._answer(201, key, self._declared.done_state)

    def show(self, key: str) -> Response:
        """Return the state of a key; 404 if the key is unknown."""
        incoming.checked_reference(key, "key")
        self.advance()
        with self._store.read() as tx:
            known = self._row(tx, key)
        if known is None or known["refusal"] is not None:
            raise Problem(404, f"{self._declared.noun}_not_found", "There is nothing under this key.")
        return self._answer(200, key, known["state"])

    def cancel(self, key: str) -> Response:
        """Cancel a key for good, even one never seen before."""
        incoming.checked_reference(key, "key")
        self.advance()
        with self._store.write() as tx:
            known = self._row(tx, key)
            if known is None:
                self._insert(tx, key, "cancelled", None)
            elif known["state"] != "cancelled":
                if known["state"] == self._declared.done_state:
                    body = json.loads(known["content"])
                    self._rules.undo(tx, body)
                    record_undo(tx, self._effect(key, body))
                self._change(tx, key, "cancelled", now_text())
        return self._answer(200, key, "cancelled")

    def advance(self) -> None:
        """Finish pending actions that are due."""
        due = "SELECT * FROM keyed WHERE system = ? AND due_at <= ? ORDER BY due_at"
        now = time.time()
        with self._store.read() as tx:
            if tx.execute(due, (self._declared.name, now)).fetchone() is None:
                return
        with self._store.write() as tx:
            for row in tx.execute(due, (self._declared.name, now)).fetchall():
                at = text_of(datetime.fromtimestamp(row["due_at"], UTC))
                if self._rules.ends_well(tx):
                    self._change(tx, row["key"], self._declared.done_state, at)
                    record_do(tx, self._effect(row["key"], json.loads(row["content"])), at)
                else:
                    self._change(tx, row["key"], "refused", at)

    def _repeated(self, known: sqlite3.Row, content: str) -> Response:
        if known["state"] == "cancelled":
            raise Problem(409, "key_cancelled", "This key was cancelled before.")
        if known["content"] != content:
            raise Problem(422, "key_reused", "This key was used for other content.")
        if known["refusal"] is not None:
            return json_answer(409, json.loads(known["refusal"]))
        return self._answer(200, known["key"], known["state"])

    def _answer(self, status: int, key: str, state: str) -> Response:
        return json_answer(status, {self._declared.noun: {"key": key, "state": state}})

    def _effect(self, key: str, body: Json) -> Effect:
        return Effect(self._declared.name, key, body["order_ref"], body)

    def _row(self, tx: sqlite3.Connection, key: str) -> sqlite3.Row | None:
        row: sqlite3.Row | None = tx.execute(
            "SELECT * FROM keyed WHERE system = ? AND key = ?", (self._declared.name, key)
        ).fetchone()
        return row

    def _insert(
        self,
        tx: sqlite3.Connection,
        key: str,
        state: str,
        body: Json | None,
        *,
        refusal: str | None = None,
        due_at: float | None = None,
    ) -> None:
        content, order_ref = (None, "") if body is None else (canonical(body), body["order_ref"])
        tx.execute(
            "INSERT INTO keyed (system, key, state, content, refusal, order_ref, due_at, changed_at)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (self._declared.name, key, state, content, refusal, order_ref, due_at, now_text()),
        )

    def _change(self, tx: sqlite3.Connection, key: str, state: str, at: str) -> None:
        tx.execute(
            "UPDATE keyed SET state = ?, due_at = NULL, changed_at = ? WHERE system = ? AND key = ?",
            (state, at, self._declared.name, key),
        )
