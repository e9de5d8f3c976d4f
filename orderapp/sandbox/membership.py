"""Membership: a consumption takes one of the member's uses of a benefit; cancelling it gives the use back."""

from __future__ import annotations

import json
import sqlite3

from flask import Blueprint, Response

from orderapp.sandbox import incoming
from orderapp.sandbox.answers import Json, Problem, json_answer
from orderapp.sandbox.keyed import Rules
from orderapp.sandbox.stand_in import Editable, Section
from orderapp.sandbox.store import Store


class MembershipRules(Rules):
    """The members and their benefits."""

    system = "membership"
    sections = (
        Section(
            "members",
            "Members",
            ("Member", "Name", "Tier", "State"),
            "SELECT ref, name, tier, iif(suspended, 'suspended', 'active') AS state FROM members ORDER BY ref LIMIT ?",
        ),
        Section(
            "benefits",
            "Benefits",
            ("Member and benefit", "Title", "Discount", "Remaining"),
            "SELECT member_ref || '/' || code AS benefit, title, discount, remaining FROM benefits ORDER BY 1 LIMIT ?",
            Editable("Remaining", "UPDATE benefits SET remaining = :value WHERE member_ref || '/' || code = :key"),
        ),
    )

    def check(self, body: Json) -> None:
        """Require `{"member_ref", "benefit", "order_ref"}`."""
        incoming.only_members(body, ("member_ref", "benefit", "order_ref"))
        incoming.text(body, "member_ref")
        incoming.text(body, "benefit")
        incoming.reference(body, "order_ref")

    def do(self, tx: sqlite3.Connection, body: Json) -> float:
        """Use the benefit once; a benefit the member doesn't have counts as exhausted."""
        if _member(tx, body["member_ref"])["suspended"]:
            raise Problem(409, "member_suspended", "The member is suspended.")
        used = tx.execute(
            "UPDATE benefits SET remaining = remaining - 1 WHERE member_ref = ? AND code = ? AND remaining > 0",
            (body["member_ref"], body["benefit"]),
        )
        if not used.rowcount:
            raise Problem(409, "benefit_exhausted", "Nothing of this benefit remains.")
        return 0

    def undo(self, tx: sqlite3.Connection, body: Json) -> None:
        """Give the use back."""
        tx.execute(
            "UPDATE benefits SET remaining = remaining + 1 WHERE member_ref = ? AND code = ?",
            (body["member_ref"], body["benefit"]),
        )

    def add_routes(self, blueprint: Blueprint, store: Store) -> None:
        """Add the look-up of a member."""

        @blueprint.get("/v1/members/<ref>")
        def member(ref: str) -> Response:
            with store.read() as tx:
                found = _member(tx, ref)
                benefits = [
                    {
                        "code": row["code"],
                        "title": row["title"],
                        "remaining": row["remaining"],
                        "discount": json.loads(row["discount"]),
                    }
                    for row in tx.execute("SELECT * FROM benefits WHERE member_ref = ? ORDER BY code", (ref,))
                ]
            about = {"ref": ref, "name": found["name"], "tier": found["tier"], "benefits": benefits}
            return json_answer(200, {"member": about})


def _member(tx: sqlite3.Connection, ref: str) -> sqlite3.Row:
    row: sqlite3.Row | None = tx.execute("SELECT * FROM members WHERE ref = ?", (ref,)).fetchone()
    if row is None:
        raise Problem(404, "member_not_found", "There is no such member.")
    return row
