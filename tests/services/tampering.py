"""What tests of mismatches share: an order's keys, what is in place under them, and ordering corrections."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from orderapp.config import Settings
from orderapp.errors import WrongState
from orderapp.models import AuditEntry, Mismatch
from orderapp.services.backoffice.corrections import order_corrections
from orderapp.services.db.audit import COMMAND_LINE, Actor
from orderapp.services.db.transactions import reading
from orderapp.services.orders.views import OrderView
from tests.sandbox.calls import INVENTORY, SETTLEMENT, redemptions
from tests.sandbox.running import RunningSandbox
from tests.services.listening import reconciled
from tests.services.shop import Shop

COUPON = "WELCOME10"
EVERYTHING = {"inventory": 1, "coupon": 1, "settlement": 1}


def key(order: OrderView, system: str, placement: int = 1) -> str:
    return f"{order.number}:{placement}:{system}"


def mismatches(**wanted: str) -> list[Mismatch]:
    with reading() as session:
        return list(session.scalars(select(Mismatch).filter_by(**wanted).order_by(Mismatch.id)))


def acts() -> list[str]:
    """Return what staff did, apart from what was refused."""
    with reading() as session:
        return list(session.scalars(select(AuditEntry.act).where(AuditEntry.refused.is_(None)).order_by(AuditEntry.id)))


def correct_mismatch(mismatch_id: int, actor: Actor, reason: str, settings: Settings) -> None:
    """Order one mismatch's correction, whatever its risk. Raises WrongState with what is said where it isn't done."""
    [item] = order_corrections([mismatch_id], actor, reason, settings).items
    if item.risk is not None:
        [item] = order_corrections([mismatch_id], actor, reason, settings, item.risk).items
    if not item.done:
        raise WrongState(item.text)


def correct(shop: Shop, mismatch: Mismatch) -> None:
    """Order a correction, twice: the second press finds it ordered."""
    correct_mismatch(mismatch.id, COMMAND_LINE, "found by the night", shop.settings)
    tasks = len(shop.tasks())
    with pytest.raises(WrongState, match="its correction is under way"):
        correct_mismatch(mismatch.id, COMMAND_LINE, "once more", shop.settings)
    assert len(shop.tasks()) == tasks
    assert acts() == ["mismatch.correct"]


def let_it_happen(shop: Shop) -> None:
    shop.let_late_windows_pass()
    shop.work_until_quiet()


def assert_gone(shop: Shop, mismatch: Mismatch) -> None:
    """The next look finds nothing, and settles the mismatch."""
    assert reconciled(shop).told == []
    [now] = mismatches(id=mismatch.id)  # type: ignore[arg-type]
    assert (now.state, now.gone_at is not None) == ("gone", True)


def cancel_by_hand(sandbox: RunningSandbox, order: OrderView, keyed: object = INVENTORY) -> None:
    keyed.cancel(sandbox, key(order, keyed.system)).raise_for_status()  # type: ignore[attr-defined]


def in_place(sandbox: RunningSandbox, order: OrderView) -> dict[str, int]:
    """Return what each system says is in place, whatever its ledger has been made to forget."""
    found = {
        keyed.system: int(keyed.show(sandbox, key(order, keyed.system)).json()[keyed.noun]["state"] == keyed.done)
        for keyed in (INVENTORY, SETTLEMENT)
    }
    redeemed = [one for one in redemptions(sandbox, key(order, "coupon")) if one["state"] == "redeemed"]
    return {"inventory": found["inventory"], "coupon": len(redeemed), "settlement": found["settlement"]}
