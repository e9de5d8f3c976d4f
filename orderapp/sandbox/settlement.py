"""Settlement: accepted immediately, settled some seconds later; amounts over the limit are refused."""

from __future__ import annotations

import sqlite3

from orderapp.sandbox import incoming
from orderapp.sandbox.answers import Json, Problem
from orderapp.sandbox.keyed import Rules
from orderapp.sandbox.stand_in import Editable, Section

OPTIONS = {
    "settlement_seconds": 2.0,  # long enough to be seen pending, short enough not to wait for
    "settlement_limit_minor": 1_000_000.0,  # 10,000 euros: more than any demo cart, so that a refusal can be shown
    "settlement_ends_refused": 0.0,  # 1: what is pending ends refused
}


class SettlementRules(Rules):
    """When and whether settlements settle; the options can be changed while it runs."""

    system = "settlement"
    sections = (
        Section(
            "options",
            "Settlement options",
            ("Option", "Value"),
            "SELECT name, value FROM options WHERE name LIKE 'settlement%' ORDER BY name LIMIT ?",
            Editable("Value", "UPDATE options SET value = :value WHERE name = :key", whole=False),
        ),
    )

    def check(self, body: Json) -> None:
        """Require `{"order_ref", "customer_ref", "amount": money}`."""
        incoming.only_members(body, ("order_ref", "customer_ref", "amount"))
        incoming.reference(body, "order_ref")
        incoming.text(body, "customer_ref")
        incoming.money(body, "amount")

    def do(self, tx: sqlite3.Connection, body: Json) -> float:
        """Accept it, or refuse an amount over the limit."""
        if body["amount"]["value"] > _option(tx, "settlement_limit_minor"):
            raise Problem(409, "settlement_refused", "The amount is over the limit.")
        return _option(tx, "settlement_seconds")

    def ends_well(self, tx: sqlite3.Connection) -> bool:
        """Return True, unless the option says that pending settlements end refused."""
        return not _option(tx, "settlement_ends_refused")


def _option(tx: sqlite3.Connection, name: str) -> float:
    row = tx.execute("SELECT value FROM options WHERE name = ?", (name,)).fetchone()
    return row["value"] if row else OPTIONS[name]
