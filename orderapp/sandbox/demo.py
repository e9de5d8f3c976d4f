"""The data of a fresh sandbox: the demo shop's stock, and coupons and members to try out."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from orderapp.sandbox.settlement import OPTIONS
from orderapp.sandbox.store import Store

Discount = Mapping[str, str | int]  # as in the contract
TEN_PERCENT: Discount = {"kind": "percent", "value": 10}


@dataclass(frozen=True)
class Coupon:
    """A coupon that can be used so many times."""

    discount: Discount
    uses_left: int
    expired: bool = False


@dataclass(frozen=True)
class Benefit:
    """A benefit that a member may use so many times."""

    title: str
    discount: Discount
    remaining: int


@dataclass(frozen=True)
class Member:
    """A member and the benefits by code."""

    name: str
    tier: str
    benefits: Mapping[str, Benefit]
    suspended: bool = False


@dataclass(frozen=True)
class Catalogue:
    """Everything a fresh sandbox has, by SKU, code and member."""

    stock: Mapping[str, int]
    coupons: Mapping[str, Coupon]
    members: Mapping[str, Member]


FREE_GIFT = Benefit("A gift on the house", {"kind": "amount", "value": 300, "currency": "EUR"}, 5)
VIP5 = Benefit("5 percent off", {"kind": "percent", "value": 5}, 1000)

DEMO = Catalogue(
    stock={
        "TEA-GREEN": 1000,
        "TEA-BLACK": 1000,
        "POT-CAST": 25,
        "CUP-PAIR": 1000,
        "HONEY-250": 1000,
        "GIFT-BOX": 3,
        "SCALE-01": 0,
    },
    coupons={
        "WELCOME10": Coupon(TEN_PERCENT, 10_000),
        "FIVEOFF": Coupon({"kind": "amount", "value": 500, "currency": "EUR"}, 10_000),
        "ONCE": Coupon(TEN_PERCENT, 1),
        "USEDUP": Coupon(TEN_PERCENT, 0),
        "EXPIRED": Coupon(TEN_PERCENT, 10_000, expired=True),
    },
    members={
        "M-1001": Member("Ada", "gold", {"FREE-GIFT": FREE_GIFT, "VIP5": VIP5}),
        "M-1002": Member("Blaise", "silver", {"FREE-GIFT": Benefit(FREE_GIFT.title, FREE_GIFT.discount, 0)}),
        "M-1003": Member("Charles", "gold", {"VIP5": VIP5}, suspended=True),
    },
)


def seed(store: Store, catalogue: Catalogue = DEMO) -> None:
    """Add missing rows; existing rows keep their numbers, so a restart changes nothing."""
    with store.write() as tx:
        tx.executemany("INSERT OR IGNORE INTO options VALUES (?, ?)", OPTIONS.items())
        tx.executemany("INSERT OR IGNORE INTO stock VALUES (?, ?)", catalogue.stock.items())
        for code, coupon in catalogue.coupons.items():
            values = (code, coupon.uses_left, coupon.expired, json.dumps(coupon.discount))
            tx.execute("INSERT OR IGNORE INTO coupons VALUES (?, ?, ?, ?)", values)
        for ref, member in catalogue.members.items():
            row = (ref, member.name, member.tier, member.suspended)
            tx.execute("INSERT OR IGNORE INTO members VALUES (?, ?, ?, ?)", row)
            for code, benefit in member.benefits.items():
                owned = (ref, code, benefit.title, benefit.remaining, json.dumps(benefit.discount))
                tx.execute("INSERT OR IGNORE INTO benefits VALUES (?, ?, ?, ?, ?)", owned)
