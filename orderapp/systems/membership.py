"""Membership: consumes a member's benefit. Idempotent by key."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar
from urllib.parse import quote

from orderapp.ext import (
    ABOUT_YOU,
    Code,
    Effect,
    Errand,
    KeyedSystem,
    OrderDocument,
    OrderRequest,
    Outcome,
    Part,
    Progress,
    Quote,
    Repeats,
    as_answered,
    read_offer,
    same_code,
    unreadable,
    whole,
)

NO_BENEFIT = "benefit_not_found"


class Membership(KeyedSystem):
    """Benefits of members; concerns only orders that use one."""

    name: ClassVar[str] = "membership"
    title: ClassVar[str] = "Member benefit"
    part: ClassVar[Part] = Part.BLOCKING
    errand: ClassVar[Errand] = Errand("use the member benefit", "return the member benefit")
    progress: ClassVar[Progress] = Progress("Using your benefit", "Used")
    inputs: ClassVar[tuple[Code, ...]] = (
        Code("member_ref", label="Member number", hint="If you are a member.", customer=True, section=ABOUT_YOU),
        Code(
            "benefit",
            label="Benefit code",
            hint="Needs your member number.",
            noun="benefit",
            needs="member_ref",
            missing="A benefit needs the member number it belongs to.",
            guessable=True,
            private=False,
            capitals=True,
        ),
    )
    refusals: ClassVar[Mapping[str, str]] = {
        "benefit_exhausted": "Your benefit has been used up. Order without it, or with another one.",
        "member_suspended": "Your membership is suspended at present. Order without the benefit.",
    }
    position: ClassVar[int] = 30
    repeats: ClassVar[Repeats] = Repeats(not_sent=1, unknown=1)
    collection: ClassVar[str] = "consumptions"
    noun: ClassVar[str] = "consumption"
    done_state: ClassVar[str] = "consumed"

    def concerns(self, order: OrderRequest | OrderDocument) -> bool:
        """Return whether the order uses a benefit."""
        return bool(order.inputs["benefit"])

    def body(self, effect: Effect) -> Mapping[str, Any]:
        """Return whose benefit to consume."""
        inputs = effect.order.inputs
        return {"member_ref": inputs["member_ref"], "benefit": inputs["benefit"], "order_ref": effect.order.number}

    def quote(self, request: OrderRequest) -> Quote | None:
        """Look the member's benefit up."""
        member_ref, typed = request.inputs["member_ref"], request.inputs["benefit"]
        received = self.call("GET", f"/v1/members/{quote(member_ref, safe='')}", request)
        if received.status == 404:
            # The same answer as for a missing benefit; otherwise strangers could find out which member numbers exist.
            return Quote(received.answer, refused=NO_BENEFIT, field="benefit")
        if received.answer.outcome is not Outcome.DONE:
            return Quote(received.answer)
        member = (received.body or {}).get("member")
        if not isinstance(member, dict) or not same_code(member.get("ref"), member_ref):
            return Quote(unreadable(received))
        benefits = member.get("benefits")
        if not isinstance(benefits, list) or not all(isinstance(benefit, dict) for benefit in benefits):
            return Quote(unreadable(received))
        found = _benefit(benefits, typed)
        if found is None:
            return Quote(received.answer, refused=NO_BENEFIT, field="benefit")
        remaining = whole(found.get("remaining"))
        if remaining is None:
            return Quote(unreadable(received))
        if remaining <= 0:
            return Quote(received.answer, refused="benefit_exhausted")
        code = as_answered(found["code"], typed)
        spelt = {"benefit": code, "member_ref": as_answered(member["ref"], member_ref)}
        return replace(read_offer(code, found.get("discount"), received), spelt=spelt)


def _benefit(benefits: list[dict[str, Any]], code: str) -> dict[str, Any] | None:
    """Return the benefit with a code: spelt exactly like this, or else different only in upper and lower case."""
    alike = [benefit for benefit in benefits if same_code(benefit.get("code"), code)]
    return next((benefit for benefit in alike if benefit["code"] == code), alike[0] if alike else None)
