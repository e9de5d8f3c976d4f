"""Inventory: a reservation takes all its lines from the stock or none; cancelling it puts them back."""

from __future__ import annotations

import sqlite3
from collections import Counter

from flask import Blueprint, Response, request

from orderapp.sandbox import incoming
from orderapp.sandbox.answers import Json, Problem, json_answer
from orderapp.sandbox.keyed import Rules
from orderapp.sandbox.stand_in import Editable, Section
from orderapp.sandbox.store import Store

MOST_LINES = 1000
LARGEST_QUANTITY = 1_000_000
MOST_SKUS = 100  # in one question about the stock


class InventoryRules(Rules):
    """The stock."""

    system = "inventory"
    sections = (
        Section(
            "stock",
            "Stock",
            ("SKU", "Available"),
            "SELECT sku, available FROM stock ORDER BY sku LIMIT ?",
            Editable(
                "Available",
                "INSERT INTO stock (sku, available) VALUES (:key, :value)"
                " ON CONFLICT (sku) DO UPDATE SET available = :value",
            ),
        ),
    )

    def check(self, body: Json) -> None:
        """Require `{"order_ref", "lines": [{"sku", "quantity"}]}`."""
        incoming.only_members(body, ("order_ref", "lines"))
        incoming.reference(body, "order_ref")
        lines = body["lines"]
        if not isinstance(lines, list) or not 1 <= len(lines) <= MOST_LINES:
            raise incoming.invalid(f"lines must be a list of 1 to {MOST_LINES}.", field="lines")
        for line in lines:
            if not isinstance(line, dict):
                raise incoming.invalid("Each line must be an object of sku and quantity.", field="lines")
            incoming.only_members(line, ("sku", "quantity"))
            incoming.text(line, "sku")
            incoming.integer(line, "quantity", 1, LARGEST_QUANTITY)

    def do(self, tx: sqlite3.Connection, body: Json) -> float:
        """Take every line from the stock, or refuse and name the first SKU with too little stock."""
        wanted = _quantities(body)
        for sku, quantity in wanted.items():
            available = _available(tx, sku)
            if available < quantity:
                raise Problem(409, "out_of_stock", "There isn't enough in stock.", sku=sku, available=available)
        for sku, quantity in wanted.items():
            tx.execute("UPDATE stock SET available = available - ? WHERE sku = ?", (quantity, sku))
        return 0

    def undo(self, tx: sqlite3.Connection, body: Json) -> None:
        """Put every line back."""
        for sku, quantity in _quantities(body).items():
            tx.execute("UPDATE stock SET available = available + ? WHERE sku = ?", (quantity, sku))

    def add_routes(self, blueprint: Blueprint, store: Store) -> None:
        """Add the question about the stock; an unknown SKU has 0 available."""

        @blueprint.get("/v1/stock")
        def stock() -> Response:
            skus = request.args.getlist("sku")
            if not 1 <= len(skus) <= MOST_SKUS:
                raise incoming.invalid(f"sku must be given 1 to {MOST_SKUS} times.", field="sku")
            with store.read() as tx:
                rows = [{"sku": sku, "available": _available(tx, sku)} for sku in skus]
            return json_answer(200, {"stock": rows})


def _quantities(body: Json) -> Counter[str]:
    wanted: Counter[str] = Counter()
    for line in body["lines"]:
        wanted[line["sku"]] += line["quantity"]
    return wanted


def _available(tx: sqlite3.Connection, sku: str) -> int:
    row = tx.execute("SELECT available FROM stock WHERE sku = ?", (sku,)).fetchone()
    return row["available"] if row else 0
