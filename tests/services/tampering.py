"""What tests of drift share: an order's keys, what is in place under them, the drifts, and ordering their repair."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from orderapp.config import Settings
from orderapp.errors import WrongState
from orderapp.models import AuditEntry, Drift
from orderapp.services.backoffice.corrections import repair_drifts
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


def drifts(**wanted: str) -> list[Drift]:
    with reading() as session:
        return list(session.scalars(select(Drift).filter_by(**wanted).order_by(Drift.id)))


def acts() -> list[str]:
    """Return what staff did, apart from what was refused."""
    with reading() as session:
        return list(session.scalars(select(AuditEntry.act).where(AuditEntry.refused.is_(None)).order_by(AuditEntry.id)))


def repair_drift(drift_id: int, actor: Actor, reason: str, settings: Settings) -> None:
    """Order one drift's repair, whatever its risk. Raises WrongState with what is said where it isn't done."""
    [item] = repair_drifts([drift_id], actor, reason, settings).items
    if item.risk is not None:
        [item] = repair_drifts([drift_id], actor, reason, settings, item.risk).items
    if not item.done:
        raise WrongState(item.text)


def repair(shop: Shop, drift: Drift) -> None:
    """Order a repair, twice: the second press finds it ordered."""
    repair_drift(drift.id, COMMAND_LINE, "found by the night", shop.settings)
    tasks = len(shop.tasks())
    with pytest.raises(WrongState, match="its repair is under way"):
        repair_drift(drift.id, COMMAND_LINE, "once more", shop.settings)
    assert len(shop.tasks()) == tasks
    assert acts() == ["drift.repair"]


def let_it_happen(shop: Shop) -> None:
    shop.let_late_windows_pass()
    shop.work_until_quiet()


def assert_gone(shop: Shop, drift: Drift) -> None:
    """The next look finds nothing, and settles the drift."""
    assert reconciled(shop).told == []
    [now] = drifts(id=drift.id)  # type: ignore[arg-type]
    assert (now.state, now.settled_at is not None) == ("gone", True)


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
