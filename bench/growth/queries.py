"""What is asked all the time, through the services or the page, and how long each takes at each size."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from statistics import median
from typing import Any

from bench.growth.sized import Sized
from orderapp.services.backoffice.case_files import find_order_file
from orderapp.services.engine.outbox import due_hints
from orderapp.services.engine.recovery import recover, tidy
from orderapp.services.engine.run_task import run_task
from orderapp.services.operations.metrics import read_numbers
from orderapp.services.orders.shop_views import find_shop_order
from orderapp.services.saga import submissions

WARM_UP = 10  # PostgreSQL chooses its lasting plan at the sixth execution
TIMES = 40  # whose median is steady to some percent
Deed = Callable[[Sized], Any]


def _page(path: str) -> Deed:
    def get(sized: Sized) -> None:
        some = sized.some()
        answer = sized.staff.get(path.format(number=some.number, email=some.email))
        if answer.status_code != 200:
            raise RuntimeError(f"{path} was answered with {answer.status}")

    return get


def _place(sized: Sized) -> None:
    sized.shop.submit(coupon="SPRING-1")


def _run_task(sized: Sized) -> None:
    run_task(due_hints(sized.shop.settings)[0].task_id, sized.shop.settings)


# In this order: placing leaves tasks, which the relay then finds due and the next ones run; from there nothing is due.
QUERIES: dict[str, Deed] = {
    "place an order": _place,
    "relay's look, 100 tasks due": lambda sized: due_hints(sized.shop.settings),
    "relay's look, and a task claimed and run": _run_task,
    "relay's look, nothing due": lambda sized: due_hints(sized.shop.settings),
    "timer's recover, nothing to do": lambda sized: recover(sized.shop.settings),
    "timer's tidying": lambda _: tidy(),
    "submission by its key": lambda sized: submissions.find(submissions.SHOP, sized.some().key),
    "customer's order": lambda sized: find_shop_order(sized.some().number),
    "order's file": lambda sized: find_order_file(sized.some().number),
    "metrics": lambda sized: read_numbers(sized.shop.settings.systems),
    "page: overview": _page("/admin/"),
    "page: orders": _page("/admin/orders/"),
    "page: failed orders": _page("/admin/orders/?state=failed"),
    "page: search by number": _page("/admin/orders/?search={number}"),
    "page: search by e-mail": _page("/admin/orders/?search={email}"),
    "page: search by a part": _page("/admin/orders/?search=omer31"),
    "page: search for what is nowhere": _page("/admin/orders/?search=nowhere"),
    "page: orders that aren't right": _page("/admin/orders/?needs=any"),
    "page: oldest orders": _page("/admin/orders/?sort=created_at"),
    "page: dearest orders": _page("/admin/orders/?sort=total_minor&desc=1"),
    "page: orders of an amount": _page("/admin/orders/?least=100000"),
    "page: one order": _page("/admin/orders/{number}"),
    "page: tasks": _page("/admin/tasks/"),
    "page: failed tasks": _page("/admin/tasks/?state=failed"),
    "page: done compensations": _page("/admin/tasks/?kind=compensate&state=done"),
    "page: failed compensations": _page("/admin/tasks/?kind=compensate&state=failed"),
    "page: one system's tasks": _page("/admin/tasks/?system=coupon"),
    "page: kind and system that never go together": _page("/admin/tasks/?kind=notify&system=settlement"),
    "page: mismatches": _page("/admin/mismatches/"),
    "page: audit": _page("/admin/audit/"),
}
NOTHING_DUE_FROM = "relay's look, nothing due"


def milliseconds(shops: Sequence[Sized]) -> dict[str, dict[int, float]]:
    """Return the median of each query at each size. The sizes take turns, so that all see the same machine."""
    found: dict[str, dict[int, float]] = {}
    for name, deed in QUERIES.items():
        if name == NOTHING_DUE_FROM:
            for sized in shops:
                with sized.app.app_context():
                    sized.work()
        times: dict[int, list[float]] = {sized.orders: [] for sized in shops}
        for number in range(WARM_UP + TIMES):
            for sized in shops:
                taken = _timed(sized, deed)
                if number >= WARM_UP:
                    times[sized.orders].append(taken)
        found[name] = {orders: median(taken) * 1000 for orders, taken in times.items()}
    return found


def _timed(sized: Sized, deed: Deed) -> float:
    with sized.app.app_context():
        started = time.perf_counter()
        deed(sized)
        return time.perf_counter() - started
