"""The whole product as `make run` starts it, in Chromium: the first tour that the README suggests, and a requeue."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests
from playwright.sync_api import Page, expect

from orderapp.config import ROOT

READY_SECONDS = 60
DONE_MS = 30_000  # a fault's compensation backs off for a few seconds


@dataclass
class Product:
    """The running product's addresses and staff login."""

    shop: str
    sandbox: str
    password: str
    process: subprocess.Popen[bytes]

    def fault(self, system: str, fault: str, **details: str) -> None:
        requests.post(f"{self.sandbox}/faults/{system}", json={"fault": fault, **details}, timeout=5).raise_for_status()

    def records(self, section: str) -> list[dict[str, object]]:
        rows: list[dict[str, object]] = requests.get(f"{self.sandbox}/state/{section}.json", timeout=5).json()["rows"]
        return rows


def start(instance: Path, port: int) -> Product:
    log = instance / "said.txt"
    with log.open("w") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "orderapp.development"],
            cwd=ROOT,
            env={**os.environ, "PORT": str(port), "INSTANCE_PATH": str(instance)},
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    until(lambda: "Ctrl-C" in log.read_text() or process.poll() is not None, READY_SECONDS)
    said = log.read_text()
    assert "Ctrl-C" in said, said
    sandbox = re.search(r"Sandbox\s+(http://[\d.:]+)", said)
    assert sandbox is not None
    password = json.loads((instance / "development.json").read_text())["staff_password"]
    assert password in said
    return Product(f"http://127.0.0.1:{port}", sandbox[1], password, process)


def stop(product: Product) -> None:
    product.process.send_signal(signal.SIGINT)
    assert product.process.wait(30) == 0


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory, free_port_of_module: int) -> Iterator[Product]:
    running = start(tmp_path_factory.mktemp("instance"), free_port_of_module)
    yield running
    stop(running)


@pytest.fixture(scope="module")
def free_port_of_module() -> int:
    import socket

    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def order(page: Page, product: Product, name: str, **fields: str) -> None:
    page.goto(product.shop)
    page.get_by_role("button", name="Add Pair of cups").click()
    expect(page.get_by_text("1 piece")).to_be_visible()
    page.get_by_role("link", name="Order", exact=True).click()
    page.get_by_label("Name").fill(name)
    page.get_by_label("E-mail address").fill(f"{name.split()[0].lower()}@example.com")
    for label, value in fields.items():
        page.get_by_label(label).fill(value)
    page.get_by_role("button", name="Order and pay").click()
    page.wait_for_url("**/orders/*")


def until(condition: Callable[[], bool], seconds: float = 20) -> None:
    ends_at = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < ends_at, "it did not come about"
        time.sleep(0.05)


def log_in(page: Page, product: Product) -> None:
    page.goto(f"{product.shop}/admin/")
    page.get_by_label("E-mail").fill("admin@example.com")
    page.get_by_label("Password").fill(product.password)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Overview")).to_be_visible()


def test_an_order_is_confirmed_settled_and_told_of(page: Page, product: Product) -> None:
    order(page, product, "Ada Lovelace", Phone="+49 30 901820")
    expect(page.get_by_role("heading", name="Your order is confirmed")).to_be_visible()
    until(lambda: any(row["state"] == "settled" for row in product.records("settlements")))
    until(lambda: bool(product.records("mails")) and bool(product.records("texts")))


def test_an_order_that_a_system_fails_gives_everything_back_and_can_be_tried_again(
    page: Page, product: Product
) -> None:
    product.fault("inventory", "cut_after", scope="do")
    order(page, product, "Grace Hopper")
    expect(page.get_by_role("heading", name="Your order could not be placed")).to_be_visible()
    product.fault("inventory", "none")
    again = page.get_by_role("button", name="Try again")
    expect(again).to_be_visible(timeout=DONE_MS)
    reservations = product.records("reservations")
    assert reservations[0]["state"] == "cancelled" or reservations[-1]["state"] == "cancelled"
    again.click()
    expect(page.get_by_role("heading", name="Your order is confirmed")).to_be_visible()


def test_what_a_system_refuses_is_put_right_by_staff(page: Page, product: Product) -> None:
    product.fault("sms", "refuses")
    order(page, product, "Alan Turing", Phone="+49 30 901821")
    log_in(page, product)
    page.goto(f"{product.shop}/admin/tasks/?state=failed")
    failed = page.get_by_role("link", name=re.compile("Notify"))
    until(lambda: page.reload() is not None and failed.count() == 1)
    failed.click()
    expect(page.get_by_text(re.compile("twilio_")).first).to_be_visible()
    product.fault("sms", "none")
    requeue = page.locator("section", has=page.get_by_role("heading", name="Requeue"))
    requeue.get_by_label("Reason").fill("the number is right again")
    requeue.get_by_role("button", name="Requeue").click()
    texts = len(product.records("texts"))
    until(
        lambda: len(product.records("texts")) > texts or any("901821" in str(row) for row in product.records("texts"))
    )
    page.goto(f"{product.shop}/admin/audit/")
    expect(page.get_by_text("the number is right again").first).to_be_visible()


def test_a_stop_and_a_start_go_on_with_the_data(tmp_path: Path, free_port: int) -> None:
    """A settlement that was waiting when everything stopped is done after the next start."""
    first = start(tmp_path, free_port)
    first.fault("settlement", "down")
    form = requests.Session()
    page = form.get(f"{first.shop}/checkout", timeout=5).text
    fields = dict(re.findall(r'<input[^>]*name="([^"]+)"[^>]*value="([^"]*)"', page))
    fields |= {"quantity:TEA-GREEN": "1", "name": "Ada Lovelace", "email": "ada@example.com"}
    answer = form.post(f"{first.shop}/orders", data=fields, timeout=10)
    assert "Your order is confirmed" in answer.text
    stop(first)
    second = start(tmp_path, free_port)
    try:
        assert "Your order is confirmed" in form.get(answer.url, timeout=5).text
        until(lambda: any(row["state"] == "settled" for row in second.records("settlements")), seconds=40)
    finally:
        stop(second)
