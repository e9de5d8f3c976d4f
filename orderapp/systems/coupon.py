"""Coupon: redeems a coupon code. It is query_first: every accepted POST redeems the code again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar
from urllib.parse import quote, urlencode

from orderapp.ext import (
    Answer,
    Backoff,
    Code,
    Effect,
    Environment,
    Errand,
    Exchange,
    Finding,
    Guarantee,
    HttpSystem,
    OrderDocument,
    OrderRequest,
    Outcome,
    Part,
    Progress,
    Quote,
    Repeats,
    Report,
    as_answered,
    customer_ref,
    error_code,
    read_offer,
    same_code,
    unreadable,
)

MAX_ID_CHARACTERS = 200  # of a redemption; the contract sets no limit, and no real id is longer


class Coupon(HttpSystem):
    """Redemptions of coupon codes; concerns only orders that use one."""

    name: ClassVar[str] = "coupon"
    title: ClassVar[str] = "Coupon"
    part: ClassVar[Part] = Part.BLOCKING
    errand: ClassVar[Errand] = Errand("redeem the coupon", "return the coupon")
    progress: ClassVar[Progress] = Progress("Redeeming your coupon", "Redeemed")
    guarantee: ClassVar[Guarantee] = Guarantee.QUERY_FIRST
    inputs: ClassVar[tuple[Code, ...]] = (
        Code(
            "coupon",
            label="Coupon code",
            hint="Press Apply to see what it takes off.",
            noun="coupon",
            guessable=True,
            capitals=True,
        ),
    )
    refusals: ClassVar[Mapping[str, str]] = {
        "coupon_used_up": "Your coupon has already been used up. Order without it, or with another one.",
        "coupon_expired": "Your coupon has expired. Order without it, or with another one.",
        "coupon_not_found": "Your coupon code isn't known. Check how it is spelled, or order without it.",
    }
    position: ClassVar[int] = 20
    repeats: ClassVar[Repeats] = Repeats(not_sent=1)
    calls_per_run: ClassVar[int] = 2  # ask, void

    def __init__(self, env: Environment, backoff: Backoff) -> None:
        super().__init__(env, backoff)
        # At most an hour, which limits how long an order stays compensating because of a coupon.
        self.late_window_seconds = env.number("COUPON_LATE_SECONDS", 10, 0, 3600)

    def concerns(self, order: OrderRequest | OrderDocument) -> bool:
        """Return whether the order uses a coupon."""
        return bool(order.inputs["coupon"])

    def quote(self, request: OrderRequest) -> Quote | None:
        """Look the code up."""
        typed = request.inputs["coupon"]
        received = self.call("GET", f"/v1/coupons/{quote(typed, safe='')}", request)
        if received.status == 404:
            return Quote(received.answer, refused="coupon_not_found", field="coupon")
        if received.answer.outcome is not Outcome.DONE:
            return Quote(received.answer)
        coupon = (received.body or {}).get("coupon")
        if not isinstance(coupon, dict) or not same_code(coupon.get("code"), typed):
            return Quote(unreadable(received))
        state = coupon.get("state")
        if state in ("used_up", "expired"):
            return Quote(received.answer, refused=f"coupon_{state}")
        if state != "active":
            return Quote(unreadable(received))
        code = as_answered(coupon["code"], typed)
        return replace(read_offer(code, coupon.get("discount"), received), spelt={"coupon": code})

    def act(self, effect: Effect) -> Answer:
        """Redeem the code once more, with our reference."""
        body = {
            "code": effect.order.inputs["coupon"],
            "order_ref": effect.order.number,
            "reference": effect.key,
            "customer_ref": customer_ref(effect.order.customer),
        }
        received = self.call("POST", "/v1/redemptions", effect.order, json_body=body, echoes=effect.key)
        if received.status == 404 and error_code(received) == "coupon_not_found":
            return replace(received.answer, outcome=Outcome.REFUSED)
        if received.answer.outcome is not Outcome.DONE:
            return received.answer
        made = _redemption(received.body, effect.key)
        return received.answer if made and made["state"] == "redeemed" else unreadable(received)

    def ask(self, effect: Effect) -> Report:
        """Ask which redemptions carry our reference."""
        received = self.call("GET", f"/v1/redemptions?{urlencode({'reference': effect.key})}", effect.order, fresh=True)
        if received.answer.outcome is not Outcome.DONE:
            return Report(Finding.UNCLEAR, received.answer)
        listed = (received.body or {}).get("redemptions")
        if not isinstance(listed, list):
            return Report(Finding.UNCLEAR, unreadable(received))
        redemptions = [_redemption({"redemption": item}, effect.key) for item in listed]
        if not all(redemptions):
            return Report(Finding.UNCLEAR, unreadable(received))
        in_place = tuple(str(item["id"]) for item in redemptions if item and item["state"] == "redeemed")
        if in_place:
            return Report(Finding.IN_PLACE, received.answer, in_place)
        return Report(Finding.UNDONE if redemptions else Finding.ABSENT, received.answer)

    def undo(self, effect: Effect, report: Report | None) -> Answer:
        """Void every redemption that the report names; ValueError without a report of what is in place."""
        if report is None or report.finding is not Finding.IN_PLACE:
            raise ValueError("a coupon is undone by the ids of what is in place: ask first")
        answer = Answer(Outcome.DONE)
        exchanges: list[Exchange] = []
        for redemption_id in report.effects:
            answer = self._void(redemption_id, effect)
            exchanges += answer.exchanges
            if answer.outcome is not Outcome.DONE:
                break
        return replace(answer, exchanges=tuple(exchanges))

    def check(self) -> Answer:
        """Ask for a reference that nobody uses."""
        received = self.http.call("GET", "/v1/redemptions?reference=doctor")
        documented = isinstance((received.body or {}).get("redemptions"), list)
        return received.answer if documented or received.answer.outcome is not Outcome.DONE else unreadable(received)

    def _void(self, redemption_id: str, effect: Effect) -> Answer:
        path = f"/v1/redemptions/{quote(redemption_id, safe='')}/void"
        received = self.call("POST", path, effect.order, json_body={}, echoes=redemption_id)
        if received.status == 409 and error_code(received) == "already_voided":
            return replace(received.answer, outcome=Outcome.DONE)
        if received.answer.outcome is not Outcome.DONE:
            return received.answer
        made = (received.body or {}).get("redemption")
        voided = isinstance(made, dict) and str(made.get("id")) == redemption_id and made.get("state") == "voided"
        return received.answer if voided else unreadable(received)


def _redemption(body: Any, reference: str) -> dict[str, Any] | None:
    """Return a redemption of the documented shape that carries our reference; None for anything else."""
    found = body.get("redemption") if isinstance(body, dict) else None
    if not isinstance(found, dict) or found.get("reference") != reference:
        return None
    known = found.get("state") in ("redeemed", "voided") and _is_id(found.get("id"))
    return found if known else None


def _is_id(value: Any) -> bool:
    """Whether a value can be the system's id of a redemption, and so a part of an address."""
    if isinstance(value, str):
        return 0 < len(value) <= MAX_ID_CHARACTERS and value.isprintable()
    return type(value) is int and abs(value) < 10**MAX_ID_CHARACTERS  # for isinstance, True would be an int too
