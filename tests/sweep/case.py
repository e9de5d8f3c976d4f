"""One case: an order under a plan of deaths, from its submission until nothing is under way any more."""

from __future__ import annotations

import itertools
import time
import uuid
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import requests
from sqlalchemy import text

from tests.flow.effect_ledger import UNFINISHED
from tests.sweep.boundaries import DIED
from tests.sweep.checks import Told, wrongs
from tests.sweep.installation import COUPON_LATE_SECONDS, Installation
from tests.sweep.scenarios import BLOCKING, BY_NAME, LATE_SECONDS

NUMBERS = itertools.count(1)
# A recover waits for a lease, a lost hint, a late window and a few tasks; after this long nothing is going to happen.
PATIENCE_SECONDS = 25.0
PAUSE_SECONDS = 0.05
STILL_SECONDS = 0.08  # without a further boundary, once everything is done: acknowledgements come last
PATIENT, SOON, LATE = "patient", "soon", "late"
REPEATED = frozenset({"in_progress", "database_unavailable", "compensation_in_progress"})


@dataclass(frozen=True)
class Job:
    """A case to run.

    Args:
        scenario: Its name.
        plan: The boundaries to die at, one after the other.
        customer: When the customer's program repeats what got no answer: `patient`, when the timer has recovered
            everything; `soon` or `late`, before the timer may look, inside the late window or after it.
    """

    scenario: str
    plan: tuple[str, ...] = ()
    customer: str = PATIENT


@dataclass(frozen=True)
class Ran:
    """What came of a case: every boundary crossed, how it ended, what is wrong, how long it took."""

    job: Job
    crossed: list[str]
    ended: str
    wrong: list[str]
    seconds: float

    @property
    def deaths(self) -> int:
        """How many of the planned deaths happened."""
        return sum(line.startswith(DIED) for line in self.crossed)


@dataclass
class Case:
    """Runs one job on an installation."""

    job: Job
    at: Installation
    wrong: list[str] = field(default_factory=list)
    met_at: int | None = None  # the sandbox's count of disturbed calls at which the fault has done its part

    def run(self) -> Ran:
        """Run it to its end, and check it."""
        started = time.monotonic()
        told = Told(uuid.uuid4().hex, self._begin())
        with suppress(TimeoutError):
            self._order(told)
            self._wait_until_quiet()
        crossed = self.at.journal.crossed()
        self.at.journal.begin([])
        self.at.sandbox.clear_faults()
        ended, wrong = wrongs(self.at, told, subscribed=self.scenario.told) if not self.wrong else ("stuck", [])
        return Ran(self.job, crossed, ended, [*self.wrong, *wrong], time.monotonic() - started)

    def _begin(self) -> dict[str, Any]:
        self.at.begin_anew()
        self.scenario = BY_NAME[self.job.scenario]
        if self.scenario.told:
            self.at.subscribe()
        if self.scenario.faulty:
            late = {"seconds": LATE_SECONDS} if self.scenario.fault == "late_effect" else {}
            scope = {} if self.scenario.faulty == "email" else {"scope": "do"}
            self.at.sandbox.fault(self.scenario.faulty, self.scenario.fault, **late, **scope)
            self.met_at = None if self.scenario.faulty in BLOCKING else self._disturbed() + 1
        self.at.journal.begin(self.job.plan)
        return self.scenario.order(next(NUMBERS))

    def _order(self, told: Told) -> None:
        """Do what the customer does."""
        order = told.answer("/orders", self._ask("/orders", told.key, told.content))
        if self.scenario.faulty in BLOCKING:
            self._end_fault()
        if self.scenario.then == "retry":
            self._wait_until_quiet()
            if self._state(order) == "failed":
                address = f"/orders/{order}/retry"
                told.answer(address, self._ask(address, uuid.uuid4().hex))
        elif self.scenario.then:
            if self.scenario.then == "cancel late":
                self._wait_until_quiet()
            if self._state(order) == "confirmed":
                address = f"/orders/{order}/cancel"
                told.answer(address, self._ask(address))

    def _end_fault(self) -> None:
        self.at.sandbox.clear_faults()
        self.met_at = None

    def _end_fault_if_met(self) -> None:
        """A system that nobody waits for is well again as soon as its fault was met."""
        if self.met_at is not None and self._disturbed() >= self.met_at:
            self._end_fault()

    def _disturbed(self) -> int:
        return int(self.at.sandbox.faults()[self.scenario.faulty]["disturbed"])

    def _ask(self, address: str, key: str = "", content: Any = None) -> requests.Response:
        """Ask until there is a final answer, as other people's programs do."""
        if self.job.customer != PATIENT:
            self.at.processes.stop("timer")
        try:
            return self._asked(address, key, content)
        finally:
            if self.job.customer != PATIENT:
                self.at.processes.start("timer")

    def _asked(self, address: str, key: str, content: Any) -> requests.Response:
        headers = {"Authorization": f"Bearer {self.at.token}", "Idempotency-Key": key}
        answers: list[requests.Response] = []

        def answered() -> bool:
            try:
                answer = requests.post(self.at.processes.base_url + address, json=content, headers=headers, timeout=10)
            except requests.RequestException:  # it died
                if self.job.customer == PATIENT:
                    self._wait_until_quiet()
                if self.job.customer == LATE:
                    self._tend()
                    time.sleep(COUPON_LATE_SECONDS)
                return False
            answers.append(answer)
            return answer.json().get("code") not in REPEATED

        self._wait(answered)
        return answers[-1]

    def _wait_until_quiet(self) -> None:
        self._wait(self._quiet)
        still_since, crossed = time.monotonic(), self.at.journal.crossed()

        def still() -> bool:
            nonlocal still_since, crossed
            now = self.at.journal.crossed()
            if now != crossed:
                still_since, crossed = time.monotonic(), now
            return time.monotonic() - still_since > STILL_SECONDS

        self._wait(still)

    def _quiet(self) -> bool:
        return not self._unfinished() and self.at.sandbox.ledger()["waiting"] == 0

    def _wait(self, condition: Any) -> None:
        """Wait, replacing who dies meanwhile; TimeoutError, with what is wrong, after too long."""
        ends_at = time.monotonic() + PATIENCE_SECONDS
        while True:
            self._tend()
            if condition():
                return
            if time.monotonic() > ends_at:
                self.wrong.append(f"nothing happens any more: {self._unfinished()}")
                raise TimeoutError
            time.sleep(PAUSE_SECONDS)

    def _tend(self) -> None:
        self._end_fault_if_met()
        self.wrong += self.at.processes.tend(self.at.let_leases_lapse)

    def _unfinished(self) -> list[str]:
        with self.at.connect() as connection:
            return list(connection.execute(text(UNFINISHED)).scalars())

    def _state(self, order_id: str) -> str:
        answer = requests.get(
            f"{self.at.processes.base_url}/orders/{order_id}",
            headers={"Authorization": f"Bearer {self.at.token}"},
            timeout=10,
        )
        return str(answer.json()["order"]["state"])
