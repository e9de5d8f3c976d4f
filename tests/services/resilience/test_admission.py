"""What an order may call, and what it takes of others' room while it asks: a slot, or the right to try a system."""

from __future__ import annotations

import pytest
from sqlalchemy import insert, select, update

from orderapp.domain.orders import OrderRequest
from orderapp.models import Circuit, CircuitState, RateSlot, SwitchMode, SystemSwitch, db_now, seconds_until
from orderapp.services.db.transactions import reading, writing
from orderapp.services.resilience.admission import PAUSED, Admission, admit
from orderapp.services.resilience.circuit_breakers import CIRCUIT_OPEN
from orderapp.services.resilience.rate_limiter import RATE_LIMITED
from orderapp.services.resilience.system_status import read_standing
from orderapp.systems.limits import Limits
from orderapp.systems.offers import Quote
from tests.services.scripted import Scripted
from tests.services.shop import Shop

RATE = 2.0
PACED = Limits(rate_per_second=RATE)


class Quoting(Scripted):
    """A system that is asked for its price first, and so is called twice for an order."""

    def quote(self, request: OrderRequest, subtotal: object) -> Quote:
        raise NotImplementedError


@pytest.fixture
def stock(empty_shop: Shop) -> Scripted:
    return Scripted("stock")


@pytest.fixture
def points(empty_shop: Shop) -> Scripted:
    return Scripted("points")


def asked(*systems: Scripted) -> Admission:
    with reading() as session:
        standing = read_standing(session)
    return admit(standing, systems)


def pause(name: str, mode: SwitchMode = SwitchMode.PAUSED) -> None:
    with writing() as session:
        session.execute(insert(SystemSwitch).values(system=name, mode=mode.value, reason="", changed_at=db_now()))


def fail(name: str, probe_in_seconds: float = -1.0) -> None:
    moments = dict.fromkeys(("changed_at", "probe_at", "check_at"), db_now())
    with writing() as session:
        session.execute(
            insert(Circuit).values(
                system=name,
                state=CircuitState.OPEN.value,
                reason="",
                probe_pause_seconds=1,
                pulled_task_id=0,
                order_probe_at=db_now(probe_in_seconds),
                **moments,
            )
        )


def slots_taken(name: str) -> float:
    """Return how far away the next slot is, in slots."""
    with reading() as session:
        left = session.scalar(select(seconds_until(RateSlot.next_call_at)).where(RateSlot.system == name))
    return 0.0 if left is None else left / PACED.spacing_seconds


def probe_is_left(name: str) -> bool:
    with reading() as session:
        return bool(session.scalar(select(Circuit.order_probe_at <= db_now()).where(Circuit.system == name)))


@pytest.mark.parametrize("mode", [SwitchMode.PAUSED, SwitchMode.COMPENSATE_ONLY])
def test_an_order_with_a_paused_system_takes_nothing_of_the_others(
    stock: Scripted, points: Scripted, mode: SwitchMode
) -> None:
    pause("stock", mode)
    fail("points")
    points.limits = stock.limits = PACED
    assert asked(stock, points).refusals == {"stock": PAUSED, "points": CIRCUIT_OPEN}
    assert probe_is_left("points")
    assert (slots_taken("points"), slots_taken("stock")) == (0.0, 0.0)


def test_one_order_tries_a_failing_system_and_the_next_doesnt(stock: Scripted, points: Scripted) -> None:
    fail("stock")
    first = asked(stock, points)
    assert (first.refusals, first.probes) == ({}, {"stock"})
    assert not probe_is_left("stock")
    second = asked(stock, points)
    assert (second.refusals, second.probes) == ({"stock": CIRCUIT_OPEN}, frozenset())


def test_a_system_without_a_circuit_is_called_whatever_it_was(stock: Scripted) -> None:
    fail("stock", probe_in_seconds=60)
    stock.limits = Limits(circuit_calls=0)
    assert asked(stock).refusals == {}


@pytest.mark.parametrize(("kind", "slots"), [(Scripted, 1), (Quoting, 2)])
def test_an_order_takes_a_slot_for_each_of_its_calls(empty_shop: Shop, kind: type[Scripted], slots: int) -> None:
    system = kind("stock")
    system.limits = PACED
    assert asked(system).turns.keys() == {"stock"}
    assert slots_taken("stock") == pytest.approx(slots, abs=0.5)


def test_where_one_has_no_slot_none_is_taken_of_those_after_it(stock: Scripted, points: Scripted) -> None:
    points.limits = stock.limits = PACED
    asked(points)
    with writing() as session:
        session.execute(update(RateSlot).values(next_call_at=db_now(60)))
    assert asked(stock, points).refusals == {"points": RATE_LIMITED}
    assert slots_taken("stock") == 0.0
