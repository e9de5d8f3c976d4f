"""Listens to a reconciliation, and lets a test do something while it is under way."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from orderapp.services.reconciliation.mismatches import Difference
from orderapp.services.reconciliation.reconcile import reconcile
from orderapp.services.reconciliation.runs import Run
from tests.services.shop import Shop

DAY = 86_400.0


@dataclass
class Listening:
    """Remembers what it was told; `at_save` is called each time that something was written down."""

    runs: list[Run] = field(default_factory=list)
    told: list[Difference] = field(default_factory=list)
    at_save: Callable[[Run], None] = lambda run: None

    def begun(self, run: Run) -> None:
        self.runs.append(run)

    def found(self, difference: Difference) -> None:
        self.told.append(difference)

    def reached(self, run: Run) -> None:
        self.at_save(run)

    @property
    def kinds(self) -> list[tuple[str, str]]:
        """System and kind of what was told."""
        return [(one.system, one.kind.value) for one in self.told]


def reconciled(shop: Shop, since_seconds: float = DAY) -> Listening:
    """Reconcile from the beginning to the end."""
    listening = Listening()
    run = reconcile(shop.settings, since_seconds, listening, threading.Event())
    assert run.finished
    return listening
