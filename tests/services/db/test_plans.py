"""What customers, workers, the timer and staff ask all the time costs the same, however many orders are kept.

Each deed is done against ten thousand orders, through the services or the page, so often that PostgreSQL has chosen its
plans for good; then all rows are counted that it read for each statement. `make growth` measures a million.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy import create_engine, select, text, update

from bench.growth.seeding import seed
from orderapp import create_app
from orderapp.domain.retry import Guarantee
from orderapp.domain.states import TaskKind, TaskState
from orderapp.extensions import db
from orderapp.models import Base, Order, Role, Submission, db_now
from orderapp.services.access.accounts import create_staff
from orderapp.services.backoffice.case_files import find_order_file, find_task_file
from orderapp.services.backoffice.overview import look
from orderapp.services.backoffice.task_list import list_tasks
from orderapp.services.db.capped_counts import CAP
from orderapp.services.db.transactions import reading, writing
from orderapp.services.engine.batch import Together
from orderapp.services.engine.outbox import due_hints, mark_published
from orderapp.services.engine.recovery import recover, tidy
from orderapp.services.engine.run_task import run_task
from orderapp.services.operations.metrics import read_numbers
from orderapp.services.orders.shop_views import find_shop_order
from orderapp.services.saga import submissions
from orderapp.systems.base import Part
from tests.admin.conftest import PASSWORD, SYSTEMS, Browser
from tests.servers.postgres import PostgresServer
from tests.services.conftest import SETTINGS
from tests.services.plans import Plan, Plans
from tests.services.scripted import Scripted
from tests.services.shop import Shop

ORDERS = 10_000  # 25,000 tasks: more than counts go up to, and enough for any whole table to be noticed
LARGE = {"orders": ORDERS, "order_lines": 2 * ORDERS, "placements": ORDERS, "steps": 1.5 * ORDERS,
         "submissions": ORDERS, "tasks": 2.4 * ORDERS, "attempts": 4 * ORDERS}  # fmt: skip
FEW = 300  # rows for one order, or for one page of a list
# The failure rates look at the newest 200 steps of a system that a sixth of the orders needs.
SOME = 3_000
# The tabs of orders count what isn't right: all open work, of which the shop has some dozens of each kind.
OPEN_WORK = 1_000
# The counts go up to CAP, and pass over what isn't of the chosen kind: half of the tasks that are done.
AS_MANY_AS_ARE_COUNTED = 2 * CAP
STAFF = "viewer@example.com"


@dataclass(frozen=True, slots=True)
class Large:
    """A shop with many orders, one of which is named, and what PostgreSQL does there."""

    shop: Shop
    plans: Plans
    staff: Browser
    number: str
    order_id: uuid.UUID


@pytest.fixture(scope="module")
def large(postgres_server: PostgresServer) -> Iterator[Large]:
    url = postgres_server.create_database()
    engine = create_engine(url)
    Base.metadata.create_all(engine)
    seed(engine, ORDERS)
    engine.dispose()
    addresses = {f"{system}_URL": "http://127.0.0.1:9" for system in SYSTEMS}
    app = create_app({**SETTINGS, **addresses, "ORDERAPP_MODE": "development", "DATABASE_URL": url})
    with app.app_context():
        plans = Plans(db.engine)
        shop = Shop(app, app.extensions["orderapp.settings"]).with_systems(
            Scripted("inventory", position=1),
            Scripted("coupon", guarantee=Guarantee.QUERY_FIRST, late_window_seconds=60, position=2),
            Scripted("membership", position=3),
            Scripted("settlement", Part.SETTLE),
            Scripted("email", Part.NOTIFY, Guarantee.UNSAFE),
        )
        create_staff(STAFF, Role.VIEWER, PASSWORD)
        staff = Browser(app)
        staff.log_in(STAFF)
        with reading() as session:
            number, order_id = session.execute(select(Order.number, Order.id).offset(ORDERS // 2).limit(1)).one()
        yield Large(shop.stocked(), plans, staff, number, order_id)
        db.engine.dispose()
    postgres_server.drop_database(url)


def too_dear(plans: Sequence[Plan], most: int) -> list[str]:
    """Return the statements that read more rows than `most`, or a whole large table."""
    assert plans, "nothing was asked"
    return [
        str(plan)
        for plan in plans
        if plan.rows_read > most or any(scan.rows_read >= LARGE.get(scan.table, ORDERS) for scan in plan.scans)
    ]


def test_placing_running_repeating_and_cancelling(large: Large) -> None:
    shop = large.shop

    def everything() -> None:
        content, key = shop.content(), uuid.uuid4().hex
        order = shop.submit(key, content).order
        shop.submit(key, content)
        assert mark_published(due_hints(shop.settings)) is None
        for task in order.tasks:
            assert run_task(task.id, shop.settings) is TaskState.DONE
        shop.cancel(order.id)
        for task in shop.tasks(order.id, kind=TaskKind.COMPENSATE.value):
            assert run_task(task.id, shop.settings) is TaskState.DONE

    assert too_dear(large.plans.of(everything), SOME) == []


def test_several_tasks_at_once(large: Large) -> None:
    shop = large.shop
    together = Together(shop.settings.systems["settlement"], shop.settings)

    def some() -> None:
        orders = [shop.submit().order for _ in range(5)]
        tasks = [task for order in orders for task in order.tasks if task.system == "settlement"]
        together.run([task.id for task in tasks], lambda: True)

    assert too_dear(large.plans.of(some), SOME) == []
    while shop.work():  # the other systems' tasks, so that nothing is due any more
        pass


def test_the_relay_finds_nothing_due(large: Large) -> None:
    assert due_hints(large.shop.settings) == []
    [plan] = large.plans.of(lambda: due_hints(large.shop.settings))
    assert plan.rows_read == 0


def test_the_timer_finds_nothing_to_recover(large: Large) -> None:
    plans = large.plans.of(lambda: (recover(large.shop.settings), tidy()))
    assert too_dear(plans, FEW) == []


def test_the_timer_recover_an_order_that_was_left(large: Large) -> None:
    one = select(Submission.id).where(Submission.lease_until.is_not(None)).limit(1).scalar_subquery()

    def leave_and_recover() -> None:
        with writing() as session:
            session.execute(update(Submission).where(Submission.id == one).values(lease_until=db_now(-1)))
        assert recover(large.shop.settings).placements == 1

    assert too_dear(large.plans.of(leave_and_recover), FEW) == []


SERVICES: dict[str, tuple[int, Callable[[Large], Any]]] = {
    "the customer's order": (FEW, lambda large: find_shop_order(large.number)),
    "a key": (FEW, lambda large: submissions.find("shop", "a key that nobody used")),
    "the order's file": (FEW, lambda large: find_order_file(large.number)),
    "the task's file": (FEW, lambda large: find_task_file(8)),
    "the numbers": (FEW, lambda large: read_numbers(large.shop.settings.systems)),
    "the overview": (AS_MANY_AS_ARE_COUNTED, lambda large: look(large.shop.settings.systems)),
    "listed tasks": (FEW, lambda large: list_tasks(50)),
    "listed failed tasks": (FEW, lambda large: list_tasks(50, TaskState.FAILED)),
    "listed failed compensations": (FEW, lambda large: list_tasks(50, TaskState.FAILED, TaskKind.COMPENSATE)),
    "listed tasks of no state": (FEW, lambda large: list_tasks(50, TaskState.RUNNING, system="settlement")),
}


@pytest.mark.parametrize("what", SERVICES)
def test_what_is_asked_reads_few_rows(large: Large, what: str) -> None:
    most, ask = SERVICES[what]
    assert too_dear(large.plans.of(lambda: ask(large)), most) == []


PAGES = {
    "/admin/orders/": FEW,
    "/admin/orders/?state=confirmed": OPEN_WORK,
    "/admin/orders/?state=failed": OPEN_WORK,
    "/admin/orders/?search=customer5@example.com": OPEN_WORK,
    "/admin/orders/?search=nobody@example.com": OPEN_WORK,
    "/admin/orders/?search={number}": OPEN_WORK,
    "/admin/orders/?before={order_id}": FEW,
    "/admin/orders/?needs=any": OPEN_WORK,
    "/admin/orders/?needs=staff&placed=30d": OPEN_WORK,
    "/admin/orders/?system=settlement": OPEN_WORK,
    "/admin/orders/?needs=staff&system=settlement": OPEN_WORK,
    "/admin/orders/?state=cancelled&before={order_id}": OPEN_WORK,
    "/admin/orders/?sort=total_minor&desc=1&before={order_id}": FEW,
    "/admin/orders/?least=100000000": OPEN_WORK,
    "/admin/orders/{number}": FEW,
    "/admin/audit/": FEW,
    "/admin/mismatches/": FEW,
    "/admin/mismatches/?state=open": FEW,
    # Those that count.
    "/admin/": AS_MANY_AS_ARE_COUNTED,
    "/admin/?chart=30d": AS_MANY_AS_ARE_COUNTED,
    "/admin/tasks/?state=failed&twice=no": AS_MANY_AS_ARE_COUNTED,
    "/admin/tasks/": AS_MANY_AS_ARE_COUNTED,
    "/admin/tasks/?state=failed": AS_MANY_AS_ARE_COUNTED,
    "/admin/tasks/?state=done": AS_MANY_AS_ARE_COUNTED,
    "/admin/tasks/?state=done&before=20000": AS_MANY_AS_ARE_COUNTED,
    "/admin/tasks/?kind=compensate": AS_MANY_AS_ARE_COUNTED,
    "/admin/tasks/?kind=compensate&state=done": AS_MANY_AS_ARE_COUNTED,
    "/admin/tasks/?kind=notify&state=failed": AS_MANY_AS_ARE_COUNTED,
    "/admin/tasks/?system=sms": AS_MANY_AS_ARE_COUNTED,
    "/admin/tasks/?system=settlement&state=cancelled": AS_MANY_AS_ARE_COUNTED,
    "/admin/tasks/?kind=compensate&system=membership": AS_MANY_AS_ARE_COUNTED,
}


@pytest.mark.parametrize("path", PAGES)
def test_no_page_of_the_back_office_reads_a_whole_table(large: Large, path: str) -> None:
    address = path.format(number=large.number, order_id=large.order_id)
    assert large.staff.get(address).status_code == 200
    assert too_dear(large.plans.of(lambda: large.staff.get(address)), PAGES[path]) == []


@pytest.mark.parametrize(
    ("index", "deed"),
    [
        ("ix_orders_customer_email", lambda large: large.staff.get("/admin/orders/?search=nobody@example.com")),
        ("ix_tasks_publish_at", lambda large: due_hints(large.shop.settings)),
        ("ix_tasks_compensations_newest", lambda large: large.staff.get("/admin/tasks/?kind=compensate")),
    ],
)
def test_a_missing_index_would_be_noticed(large: Large, index: str, deed: Callable[[Large], Any]) -> None:
    with db.engine.begin() as connection:
        definition = connection.execute(text(f"SELECT pg_get_indexdef('{index}'::regclass)")).scalar_one()
        connection.execute(text(f"DROP INDEX {index}"))
    try:
        assert too_dear(large.plans.of(lambda: deed(large)), AS_MANY_AS_ARE_COUNTED) != []
    finally:
        with db.engine.begin() as connection:
            connection.execute(text(definition))
