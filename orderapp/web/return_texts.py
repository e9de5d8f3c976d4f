"""The texts for customers while an order is compensated: what is given back, or what prevents it."""

from __future__ import annotations

from collections.abc import Collection
from enum import StrEnum

from orderapp.domain.states import OrderState, TaskKind, TaskState
from orderapp.services.orders.views import OrderView
from orderapp.web.language import lazy_gettext as _


class Obstacle(StrEnum):
    """What prevents the compensation of an order; the worst comes first."""

    GIVEN_UP = "given_up"  # staff have stopped trying: it may stay where it is
    WITH_STAFF = "with_staff"
    PAUSED = "paused"  # staff have paused the system
    NONE = "none"


_NOT_PLACED = _("Your order could not be placed")
_ONCE_DONE = _("As soon as it is done, you can try again here. This page tells you.")
_BEING_CANCELLED = _("Your order is being cancelled")
# Tone, title, paragraphs.
FAILING = {
    Obstacle.NONE: (
        "warn",
        _NOT_PLACED,
        _("Nothing is charged. We are giving back what was set aside for you; that usually takes less than a minute."),
        _ONCE_DONE,
    ),
    Obstacle.PAUSED: (
        "warn",
        _NOT_PLACED,
        _(
            "Nothing is charged. What was set aside for you can't be given back at the moment; we do it "
            "as soon as we can."
        ),
        _ONCE_DONE,
    ),
    Obstacle.WITH_STAFF: (
        "warn",
        _NOT_PLACED,
        _("Nothing is charged. Giving back what was set aside for you takes longer than usual; we look after it."),
        _ONCE_DONE,
    ),
    Obstacle.GIVEN_UP: (
        "warn",
        _NOT_PLACED,
        _(
            "Nothing is charged, but we couldn't give back all that was set aside for you. If you miss anything, "
            "write to us and quote the order number below."
        ),
        _("This order can't be tried again; you can place a new one."),
    ),
}
CANCELLING = {
    Obstacle.NONE: ("warn", _BEING_CANCELLED, _("We are giving back what was held, and anything that was paid.")),
    Obstacle.PAUSED: (
        "warn",
        _BEING_CANCELLED,
        _("Not all that was held or paid can be given back at the moment; we do it as soon as we can."),
    ),
    Obstacle.WITH_STAFF: (
        "warn",
        _BEING_CANCELLED,
        _("Giving back what was held, and anything that was paid, takes longer than usual; we look after it."),
    ),
    Obstacle.GIVEN_UP: (
        "warn",
        _("Your order is cancelled, but not all was given back"),
        _(
            "We couldn't give back all that was held or paid. If you miss anything, "
            "write to us and quote the order number below."
        ),
    ),
}
# For one part of the order, and for the payment: the entry's state, and its note if an obstacle prevents it.
STEPS = {
    Obstacle.PAUSED: ("waiting", _("Will be given back as soon as we can")),
    Obstacle.WITH_STAFF: ("waiting", _("Takes longer than usual to give back; we look after it")),
    Obstacle.GIVEN_UP: ("failed", _("Couldn't be given back")),
}
PAYMENTS = {
    Obstacle.NONE: ("undoing", _("Being returned")),
    Obstacle.PAUSED: ("waiting", _("Will be returned as soon as we can")),
    Obstacle.WITH_STAFF: ("waiting", _("Takes longer than usual to return; we look after it")),
    Obstacle.GIVEN_UP: ("failed", _("Couldn't be returned")),
}


def returning(order: OrderView) -> tuple[str, ...]:
    """Return tone, title and paragraphs of an order in compensation."""
    words = CANCELLING if order.ends_as is OrderState.CANCELLED else FAILING
    return words[obstacle(order)]


def obstacle(order: OrderView, systems: Collection[str] | None = None) -> Obstacle:
    """Return what prevents the order's compensation; with `systems`, only in these."""
    tasks = [
        task
        for task in order.tasks
        if task.kind is TaskKind.COMPENSATE and task.is_present and (systems is None or task.system in systems)
    ]
    states = {task.state for task in tasks}
    if TaskState.CANCELLED in states:
        return Obstacle.GIVEN_UP
    if TaskState.FAILED in states:
        return Obstacle.WITH_STAFF
    return Obstacle.PAUSED if any(task.paused for task in tasks) else Obstacle.NONE
