"""The web process's threads: a queue with a bound, and beside it a lane in which nothing waits."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from flask import Flask

from orderapp import load_shedding
from orderapp.errors import Overloaded
from orderapp.load_shedding import CROWDED_PER_THREAD, WAITING_PER_THREAD, Threads, is_crowded


@pytest.fixture
def app() -> Flask:
    """An application with a place to order and a page."""
    app = Flask(__name__)
    load_shedding.init_app(app)
    app.register_error_handler(Overloaded, lambda error: (str(error), 503))
    for path, endpoint in (("/orders", "api.place"), ("/page", "shop.form")):
        app.add_url_rule(path, endpoint, lambda: "served", methods=["POST"])
    return app


@pytest.fixture
def full() -> Iterator[tuple[Threads, threading.Event]]:
    """Threads that are all busy, with as many waiting as may; and what lets them go on."""
    threads, go_on = Threads(2), threading.Event()
    begun = [threading.Event() for _ in range(2)]

    def busy(number: int) -> None:
        begun[number].set()
        go_on.wait(10)

    for number in range(2):
        threads.submit(busy, number)
    assert all(one.wait(10) for one in begun)
    for _ in range(2 * WAITING_PER_THREAD):
        threads.submit(go_on.wait, 10)
    yield threads, go_on
    go_on.set()
    threads.shutdown()


def test_beyond_the_queue_orders_are_turned_away_and_pages_served(
    app: Flask, full: tuple[Threads, threading.Event]
) -> None:
    threads, _ = full
    order = threads.submit(app.test_client().post, "/orders").result(10)
    page = threads.submit(app.test_client().post, "/page").result(10)
    assert (order.status_code, page.status_code) == (503, 200)


def test_once_the_queue_has_room_again_orders_are_taken(app: Flask, full: tuple[Threads, threading.Event]) -> None:
    threads, go_on = full
    go_on.set()
    last = threads.submit(lambda: None)  # beside, or behind all that waited
    last.result(10)
    while threads._work_queue.qsize():
        threads.submit(lambda: None).result(10)
    assert threads.submit(app.test_client().post, "/orders").result(10).status_code == 200


def test_the_last_of_the_queue_is_taken() -> None:
    threads, go_on = Threads(1), threading.Event()
    busy = threading.Event()
    threads.submit(lambda: (busy.set(), go_on.wait(10)))
    assert busy.wait(10)
    names = [threads.submit(lambda: threading.current_thread().name) for _ in range(WAITING_PER_THREAD + 1)]
    assert names[-1].result(10).startswith("beside")
    go_on.set()
    assert {name.result(10).split("_")[0] for name in names[:-1]} == {"web"}
    threads.shutdown()


def test_what_can_be_left_out_is_left_out_long_before_orders_are_refused(app: Flask) -> None:
    threads, go_on, begun = Threads(1), threading.Event(), threading.Event()
    threads.submit(lambda: (begun.set(), go_on.wait(10)))
    assert begun.wait(10)
    first = threads.submit(is_crowded)
    for _ in range(CROWDED_PER_THREAD - 1):
        threads.submit(go_on.wait, 10)
    order = threads.submit(app.test_client().post, "/orders")
    go_on.set()
    assert first.result(10) is True
    assert order.result(10).status_code == 200
    assert threads.submit(is_crowded).result(10) is False
    threads.shutdown()


def test_in_the_lane_beside_all_that_can_be_is_left_out(full: tuple[Threads, threading.Event]) -> None:
    threads, _ = full
    assert threads.submit(is_crowded).result(10) is True
    assert is_crowded() is False, "no web process"
