"""Coupon: not idempotent, every accepted request redeems again; look up by reference, void by id."""

from __future__ import annotations

import json
import secrets
import sqlite3

from flask import Blueprint, Response, request

from orderapp.sandbox import incoming
from orderapp.sandbox.answers import Problem, json_answer
from orderapp.sandbox.ledger import Effect, record_do, record_undo
from orderapp.sandbox.stand_in import Editable, Section, StandIn, require_token
from orderapp.sandbox.store import Store, now_text

INSIDE_THE_WINDOW = (
    0.8  # a late redemption appears this early in the late window, so that clocks and networks don't matter
)

SECTIONS = (
    Section(
        "coupons",
        "Coupons",
        ("Code", "Discount", "Expired", "Uses left"),
        "SELECT code, discount, iif(expired, 'yes', 'no') AS expired, uses_left FROM coupons ORDER BY code LIMIT ?",
        Editable("Uses left", "UPDATE coupons SET uses_left = :value WHERE code = :key"),
    ),
    Section(
        "redemptions",
        "Redemptions",
        ("Id", "Reference", "Code", "Order", "Customer", "State", "Changed"),
        "SELECT id, reference, code, order_ref, customer_ref, state, changed_at"
        " FROM redemptions ORDER BY rowid DESC LIMIT ?",
    ),
)


class CouponStandIn:
    """The calls of the coupon system."""

    system = "coupon"

    def __init__(self, store: Store) -> None:
        self._store = store

    def stand_in(self, token: str, late_seconds: float) -> StandIn:
        """Return the system's place in the sandbox."""
        latest = late_seconds * INSIDE_THE_WINDOW
        blueprint = Blueprint(self.system, __name__, url_prefix=f"/{self.system}")
        require_token(blueprint, token)
        blueprint.get("/v1/coupons/<code>")(self.show)
        blueprint.post("/v1/redemptions")(self.redeem)
        blueprint.get("/v1/redemptions")(self.find)
        blueprint.post("/v1/redemptions/<redemption_id>/void")(self.void)
        return StandIn(self.system, "Coupon", SECTIONS, blueprint, latest_effect_seconds=latest)

    def show(self, code: str) -> Response:
        """Return a coupon's state and discount."""
        with self._store.read() as tx:
            coupon = _coupon(tx, code)
        about = {"code": code, "state": _state(coupon), "discount": json.loads(coupon["discount"])}
        return json_answer(200, {"coupon": about})

    def redeem(self) -> Response:
        """Redeem again, even if this reference already has redemptions."""
        body = incoming.json_body(("code", "order_ref", "reference", "customer_ref"))
        code, customer_ref = incoming.text(body, "code"), incoming.text(body, "customer_ref")
        order_ref, reference = incoming.reference(body, "order_ref"), incoming.reference(body, "reference")
        redemption_id = secrets.token_hex(8)
        with self._store.write() as tx:
            state = _state(_coupon(tx, code))
            if state != "active":
                raise Problem(409, f"coupon_{state}", f"The coupon is {state.replace('_', ' ')}.")
            tx.execute("UPDATE coupons SET uses_left = uses_left - 1 WHERE code = ?", (code,))
            tx.execute(
                "INSERT INTO redemptions (id, reference, code, order_ref, customer_ref, state, changed_at)"
                " VALUES (?, ?, ?, ?, ?, 'redeemed', ?)",
                (redemption_id, reference, code, order_ref, customer_ref, now_text()),
            )
            record_do(tx, Effect(self.system, reference, order_ref, {"code": code}, redemption_id))
        return json_answer(201, {"redemption": {"id": redemption_id, "reference": reference, "state": "redeemed"}})

    def find(self) -> Response:
        """List the redemptions under a reference, oldest first."""
        reference = incoming.checked_reference(request.args.get("reference"), "reference")
        with self._store.read() as tx:
            rows = tx.execute(
                "SELECT id, reference, state FROM redemptions WHERE reference = ? ORDER BY rowid", (reference,)
            ).fetchall()
        return json_answer(200, {"redemptions": [dict(row) for row in rows]})

    def void(self, redemption_id: str) -> Response:
        """Take one redemption back, once."""
        with self._store.write() as tx:
            row = tx.execute("SELECT * FROM redemptions WHERE id = ?", (redemption_id,)).fetchone()
            if row is None:
                raise Problem(404, "redemption_not_found", "There is no such redemption.")
            if row["state"] == "voided":
                raise Problem(409, "already_voided", "The redemption was voided before.")
            tx.execute(
                "UPDATE redemptions SET state = 'voided', changed_at = ? WHERE id = ?", (now_text(), redemption_id)
            )
            tx.execute("UPDATE coupons SET uses_left = uses_left + 1 WHERE code = ?", (row["code"],))
            undone = Effect(self.system, row["reference"], row["order_ref"], {"code": row["code"]}, redemption_id)
            record_undo(tx, undone)
        return json_answer(200, {"redemption": {"id": redemption_id, "state": "voided"}})


def _coupon(tx: sqlite3.Connection, code: str) -> sqlite3.Row:
    row: sqlite3.Row | None = tx.execute("SELECT * FROM coupons WHERE code = ?", (code,)).fetchone()
    if row is None:
        raise Problem(404, "coupon_not_found", "There is no such coupon.")
    return row


def _state(coupon: sqlite3.Row) -> str:
    if coupon["expired"]:
        return "expired"
    return "active" if coupon["uses_left"] else "used_up"
