"""Callbacks on both databases: recorded, acted on, forgotten when nobody knows their key."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import select, update

from orderapp.domain.outcome import Outcome
from orderapp.models import HeardCallback, db_now
from orderapp.services.db.transactions import reading, writing
from orderapp.services.engine.callbacks import UNKNOWN_KEPT_SECONDS, hear
from orderapp.services.engine.recovery import tidy
from orderapp.systems.base import Part
from orderapp.systems.callbacks import Callback
from tests.services.scripted import Scripted, answers
from tests.services.shop import Shop


class Calling(Scripted):
    """A system whose callbacks name their keys."""

    def hear(self, callback: Callback) -> Iterable[str]:
        return callback.body.decode().split()


def told(*keys: str) -> Callback:
    return Callback("https://shop.example/callbacks/bank", {}, " ".join(keys).encode())


def kept() -> list[str]:
    with reading() as session:
        return list(session.scalars(select(HeardCallback.key).order_by(HeardCallback.id)))


def test_it_makes_a_pending_task_due_once_in_a_while_and_unknown_keys_are_forgotten(empty_shop: Shop) -> None:
    bank = Calling("bank", Part.SETTLE)
    shop = empty_shop.with_systems(Scripted("stock"), bank)
    bank.acts.extend([answers(Outcome.DONE, "", pending=True)] * 2)
    order = shop.submit().order
    shop.work()
    key = f"{order.number}:1:bank"
    first, second = (hear("bank", told(key, "NOBODY:1:bank"), shop.settings.systems) for _ in range(2))
    assert [(one.known, one.made_due) for one in (first, second)] == [(1, 1)] * 2
    shop.work()
    assert bank.verbs() == ["act", "act"]
    assert kept() == sorted([key, "NOBODY:1:bank"])
    with writing() as session:
        session.execute(update(HeardCallback).values(received_at=db_now(-UNKNOWN_KEPT_SECONDS - 1)))
    tidy()
    assert kept() == [key]
