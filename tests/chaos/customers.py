"""One customer: places an order, repeats what got no answer, tries again what failed, sometimes changes their mind."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import requests

ORDERS_PATH = "/api/v1/orders"
# Answers after which a customer repeats with the same key: the moment was wrong, or the result is unknown.
NO_ANSWER = "no answer"
REPEATED = frozenset({NO_ANSWER, "in_progress", "database_unavailable", "overloaded", "compensation_in_progress"})
FINAL_STATUSES = frozenset({200, 201, 202, 422, 503})
PAUSE_SECONDS = 1.0  # between two questions of one customer; there may be more than a hundred of them
PATIENT_SECONDS = 8.0  # longer than a placement's calls take; a process that was stopped answers later still


@dataclass(frozen=True)
class Plan:
    """What a customer will do, drawn before the run.

    Args:
        content: The order, as the API takes it.
        hurry_seconds: How long the first request waits for its answer; it is repeated with the same key.
        twice: Whether each request is sent by two threads at the same moment.
        retries: How often a failed order is tried again.
        cancels: Whether a confirmed order is cancelled.
    """

    content: Mapping[str, Any]
    hurry_seconds: float
    twice: bool
    retries: int
    cancels: bool

    @property
    def key(self) -> str:
        """The order's idempotency key, unique to the customer."""
        email: str = self.content["customer"]["email"]
        return email.partition("@")[0]


@dataclass
class Story:
    """The answers that a customer got; the audit compares them with the final state.

    Args:
        orders: By idempotency key, every order that an answer named.
        answer: The first key's final answer: its code, or `confirmed`; empty where there was none.
        expected: The states that the order may end in, as the customer knows it.
        retried: How often the failed order was tried again.
        waits: How often something was asked once more, by the answer before; `no answer` where there was none.
        problems: Answers that can't be.
    """

    plan: Plan
    orders: dict[str, set[str]] = field(default_factory=dict)
    answer: str = ""
    expected: frozenset[str] = frozenset()
    retried: int = 0
    waits: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)

    @property
    def order_id(self) -> str:
        """The order, by the first key's first answer; empty where there was none."""
        return next(iter(sorted(self.orders.get(self.plan.key, ()))), "")


class Customer:
    """Plays one story. After `stopping` it begins nothing new, and waits for the answers to its requests."""

    def __init__(self, base_url: str, token: str, plan: Plan, stopping: threading.Event) -> None:
        self.story = Story(plan)
        self._base_url = base_url
        self._token = token
        self._plan = plan
        self._stopping = stopping
        self._lock = threading.Lock()

    def live(self, ends_at: Callable[[], float]) -> Story:
        """Do everything in the plan; `ends_at` returns the time on the monotonic clock to give up."""
        confirmed = self._confirmed(ORDERS_PATH, self._plan.key, ends_at)
        while confirmed is False and self.story.retried < self._plan.retries and not self._stopping.is_set():
            self.story.retried += 1
            path = f"{ORDERS_PATH}/{self.story.order_id}/retry"
            confirmed = self._confirmed(path, f"{self._plan.key}-again-{self.story.retried}", ends_at)
        if confirmed is None:
            self.story.expected = frozenset({"confirmed", "failed"})
        elif not confirmed:
            self.story.expected = frozenset({"failed"})
        elif self._plan.cancels and not self._stopping.is_set():
            self._at_once(lambda: self._final(f"{ORDERS_PATH}/{self.story.order_id}/cancel", "", ends_at))
            self.story.expected = frozenset({"cancelled"})
        else:
            self.story.expected = frozenset({"confirmed"})
        return self.story

    def ask_again(self) -> None:
        """Send the first key again much later: it must still lead to the same order."""
        ends_at = time.monotonic() + PATIENT_SECONDS
        self._final(ORDERS_PATH, self._plan.key, lambda: ends_at)

    def _confirmed(self, path: str, key: str, ends_at: Callable[[], float]) -> bool | None:
        """Return whether the order was confirmed under this key; None where there was no final answer."""
        answers = self._at_once(lambda: self._final(path, key, ends_at))
        told = {None if status is None else status in (200, 201) for status in answers}
        if len(told) > 1:
            self._note(f"{key}: two requests of one key were told different ends: {answers}")
        return told.pop() if len(told) == 1 else None

    def _at_once(self, send: Callable[[], int | None]) -> list[int | None]:
        """Do it once, or twice at the same moment."""
        times = 2 if self._plan.twice else 1
        gate = threading.Barrier(times)

        def together() -> int | None:
            gate.wait()
            return send()

        with ThreadPoolExecutor(times) as pool:
            return [one.result() for one in [pool.submit(together) for _ in range(times)]]

    def _final(self, path: str, key: str, ends_at: Callable[[], float]) -> int | None:
        """Send it until there is a final answer, and return its status; None, and a problem, if there is none."""
        wait_seconds = self._plan.hurry_seconds
        last = "nothing was asked"
        while time.monotonic() < ends_at():
            status, body = self._send(path, key, wait_seconds)
            wait_seconds = PATIENT_SECONDS
            last = body.get("code", "")
            self._remember(key, body)
            if status in FINAL_STATUSES and last not in REPEATED:
                self.story.answer = self.story.answer or last or "confirmed"
                return status
            if last not in REPEATED:
                self._note(f"{path} {key}: {status} {body}")
                return None
            with self._lock:
                self.story.waits[last] += 1
            time.sleep(PAUSE_SECONDS)
        self._note(f"{path} {key}: no final answer; the last was: {last}")
        return None

    def _send(self, path: str, key: str, wait_seconds: float) -> tuple[int, dict[str, Any]]:
        headers = {"Authorization": f"Bearer {self._token}", "Idempotency-Key": key or "none"}
        content = self._plan.content if path == ORDERS_PATH else None
        try:
            answer = requests.post(self._base_url + path, json=content, headers=headers, timeout=wait_seconds)
            return answer.status_code, answer.json()
        except requests.RequestException:  # no answer, or half of one
            return 0, {"code": NO_ANSWER}

    def _remember(self, key: str, body: Mapping[str, Any]) -> None:
        if key and "order" in body:
            with self._lock:
                self.story.orders.setdefault(key, set()).add(body["order"]["id"])

    def _note(self, problem: str) -> None:
        with self._lock:
            self.story.problems.append(problem)
