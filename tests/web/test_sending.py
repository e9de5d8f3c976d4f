"""Sending an order in Chromium, slowly, cut off, offline, and with the server killed.

Never two orders, never a lost draft, never a false word.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page, Playwright, Route, expect
from playwright.sync_api import Error as PlaywrightError
from sqlalchemy import select

from orderapp.models import Placement
from orderapp.services.db.transactions import reading
from tests.flow.production import Production
from tests.sandbox.running import RunningSandbox
from tests.web.test_browser import PLACE, fill
from tests.web.test_placing import orders

STATUS = "[data-guard-status]"
CONFIRMED = "Your order is confirmed"
NOT_ARRIVED = re.compile("has not arrived so far. Send it?")
# What the page says while it sends, each time it says something else.
LISTEN = """() => {
  const said = [];
  const status = document.querySelector("[data-guard-status]");
  new MutationObserver(() => {
    if (status.textContent) said.push(status.textContent);
    sessionStorage.setItem("said", JSON.stringify(said));
  }).observe(status, { childList: true });
}"""
# Within the screen, and nothing lies over it.
IS_SEEN = """(element) => {
  const { left, top, bottom } = element.getBoundingClientRect();
  return element.contains(document.elementFromPoint(left + 40, (top + bottom) / 2));
}"""
A_DAY_LATER = """() => {
  const sent = JSON.parse(localStorage.getItem("orderapp.sent"));
  localStorage.setItem("orderapp.sent", JSON.stringify(sent.map((one) => ({ ...one, at: one.at - 86400000 }))));
}"""


def heading(page: Page) -> object:
    return expect(page.get_by_role("heading", level=1))


def called_positions() -> list[int | None]:
    with reading() as session:
        return list(session.scalars(select(Placement.called_position)))


def lose(route: Route) -> None:
    route.abort("connectionreset")


def lose_the_answer(route: Route) -> None:
    """Let the request arrive, and lose the answer with its cookie; after half a second, whether or not it is there."""
    context = route.request.frame.page.context
    kept = context.cookies()
    with suppress(PlaywrightError):
        route.fetch(max_redirects=0, timeout=500)
    context.clear_cookies()
    context.add_cookies(kept)
    route.abort("connectionreset")


def test_while_systems_are_slow_the_page_says_each_step_once(
    page: Page, shop_url: str, sandbox: RunningSandbox
) -> None:
    page.set_viewport_size({"width": 375, "height": 667})
    fill(page, shop_url)
    page.get_by_label("Coupon code").fill("WELCOME10")
    page.evaluate(LISTEN)
    for system in ("inventory", "coupon"):
        sandbox.fault(system, "slow", seconds=2.8, scope="writes")
    page.locator(PLACE).click()
    steps = page.locator("[data-steps] li")
    expect(steps).to_have_text([re.compile("Stock.*Reserving your products"), re.compile("Coupon.*Next")])
    assert steps.last.evaluate(IS_SEEN)
    expect(steps).to_have_text([re.compile("Stock.*Reserved"), re.compile("Coupon.*Redeeming your coupon")])
    heading(page).to_have_text(CONFIRMED, timeout=10_000)
    said = page.evaluate("JSON.parse(sessionStorage.getItem('said'))")
    known = ["Your order has arrived. Now we arrange: Stock, Coupon.", "Your order arrived. Its page opens now."]
    assert [text for text in said if text not in known] == [
        "Placing your order…",
        "Reserving your products…",
        "Redeeming your coupon…",
    ]
    assert len(set(said)) == len(said)
    assert called_positions() == [2]


def test_where_only_the_answer_is_lost_the_order_s_page_opens(page: Page, shop_url: str) -> None:
    fill(page, shop_url)
    page.route("**/orders", lose_the_answer, times=1)
    page.locator(PLACE).click()
    heading(page).to_have_text(CONFIRMED)
    page.wait_for_load_state()
    assert page.evaluate("localStorage.getItem('orderapp.sent')") == "[]"
    assert orders() == 1


def test_what_never_arrived_is_asked_about_and_sent_again_with_one_press(page: Page, shop_url: str) -> None:
    fill(page, shop_url)
    page.evaluate(LISTEN)
    page.route("**/orders", lose, times=1)
    page.locator(PLACE).click()
    expect(page.locator(STATUS)).to_have_text(NOT_ARRIVED, timeout=10_000)
    assert page.evaluate("JSON.parse(sessionStorage.getItem('said'))")[1].startswith("The connection was lost. We are")
    assert orders() == 0
    page.locator(PLACE).click()
    heading(page).to_have_text(CONFIRMED)
    assert orders() == 1
    assert called_positions() == [None]  # nobody had to wait, so nothing was written


def test_an_order_that_was_under_way_when_the_connection_broke_is_found(
    page: Page, shop_url: str, sandbox: RunningSandbox
) -> None:
    fill(page, shop_url)
    sandbox.fault("inventory", "slow", seconds=2.5)
    page.route("**/orders", lose_the_answer, times=1)
    page.locator(PLACE).click()
    heading(page).to_have_text("We are placing your order")
    heading(page).to_have_text(CONFIRMED, timeout=10_000)
    assert orders() == 1


def test_offline_it_waits_and_asks_before_it_sends(page: Page, context: BrowserContext, shop_url: str) -> None:
    fill(page, shop_url)
    context.set_offline(True)
    page.locator(PLACE).click()
    expect(page.locator(STATUS)).to_contain_text("You are offline, so nothing was sent.")
    assert page.evaluate("localStorage.getItem('orderapp.sent')") is None  # so nobody says later that it was
    context.set_offline(False)
    expect(page.locator(STATUS)).to_contain_text("Send your order? Press the button.")
    assert orders() == 0
    page.locator(PLACE).click()
    heading(page).to_have_text(CONFIRMED)


def test_a_browser_that_is_wrong_about_being_offline_keeps_no_order_back(page: Page, shop_url: str) -> None:
    page.add_init_script("Object.defineProperty(Navigator.prototype, 'onLine', { get: () => false })")
    fill(page, shop_url)
    page.locator(PLACE).click()
    heading(page).to_have_text(CONFIRMED)
    assert orders() == 1


@pytest.mark.parametrize("answer", ["cut off", "late"])
def test_the_same_again_is_another_order_though_nothing_is_known_of_the_first(
    page: Page, context: BrowserContext, shop_url: str, answer: str
) -> None:
    fill(page, shop_url)
    key = page.locator("[name=key]").input_value()
    other = context.new_page()
    other.goto(f"{shop_url}/checkout")
    other.get_by_label("Name").press_sequentially("Ada")
    page.locator(PLACE).click()
    heading(page).to_have_text(CONFIRMED)
    context.route("**/draft", lose if answer == "cut off" else lambda _route: None)
    page.get_by_role("button", name="Order the same again").click()
    other.goto(f"{shop_url}/checkout")  # it hasn't shown the order
    for tab in (page, other):
        expect(tab.locator("[name=key]")).not_to_have_value(key)
    page.get_by_label("Name").fill("Ada Lovelace")
    page.get_by_label("E-mail address").fill("ada@example.com")
    page.locator(PLACE).click()
    heading(page).to_have_text("You have just ordered exactly this")


def test_an_order_that_the_browser_s_own_sending_placed_is_over_once_its_page_is_shown(
    page: Page, shop_url: str
) -> None:
    fill(page, shop_url)
    page.route("**/orders", lambda route: route.fulfill(status=429), times=1)
    page.locator(PLACE).click()
    heading(page).to_have_text(CONFIRMED)
    page.wait_for_load_state("networkidle")  # it has asked
    assert page.evaluate("localStorage.getItem('orderapp.sent')") == "[]"
    assert page.evaluate("sessionStorage.getItem('orderapp.draft')") == "null"


def test_a_switch_of_language_after_a_lost_answer_still_knows_of_the_order(page: Page, shop_url: str) -> None:
    fill(page, shop_url)
    key = page.locator("[name=key]").input_value()
    page.route("**/orders", lose, times=1)
    page.locator(PLACE).click()
    expect(page.locator(STATUS)).to_have_text(NOT_ARRIVED, timeout=10_000)
    page.evaluate(A_DAY_LATER)
    page.get_by_role("button", name="Deutsch").click()
    expect(page.locator("html")).to_have_attribute("lang", "de")
    expect(page.locator("[data-at]")).to_be_visible()  # when it was sent
    assert key in page.evaluate("localStorage.getItem('orderapp.sent')")
    page.locator(PLACE).click()
    page.wait_for_url("**/orders/*")
    assert orders() == 1


def test_a_changed_order_that_is_opened_again_after_a_lost_answer_is_the_same_order(page: Page, shop_url: str) -> None:
    fill(page, shop_url)
    page.locator(PLACE).click()
    heading(page).to_have_text(CONFIRMED)
    changed = f"{shop_url}/checkout?again={page.url.rpartition('/')[2]}"
    page.goto(changed)
    key = page.locator("[name=key]").input_value()
    page.get_by_role("textbox", name="Green tea").fill("3")
    page.route("**/orders", lose_the_answer, times=1)
    page.route("**/draft/steps", lose)
    page.locator(PLACE).click()
    expect(page.locator(STATUS)).to_contain_text("isn't known yet whether your order arrived")
    page.goto(changed)
    expect(page.locator("[name=key]")).to_have_value(key)
    expect(page.get_by_role("heading", name="Your order arrived")).to_be_visible()


@pytest.mark.parametrize("arrived", [True, False])
def test_another_visit_a_day_later_still_knows(
    page: Page, context: BrowserContext, shop_url: str, arrived: bool
) -> None:
    fill(page, shop_url)
    key = page.locator("[name=key]").input_value()
    page.route("**/orders", lose_the_answer if arrived else lose, times=1)
    page.route("**/draft/steps", lose)
    page.locator(PLACE).click()
    expect(page.locator(STATUS)).to_contain_text("isn't known yet whether your order arrived")
    page.evaluate(A_DAY_LATER)
    page.close()
    assert context.cookies()[0]["expires"] > 0  # the browser keeps it beyond its end
    later = context.new_page()
    later.goto(shop_url)
    told = "Your order arrived" if arrived else "Your order has not arrived so far. Send it?"
    expect(later.get_by_role("heading", level=2, name=told)).to_be_visible()
    later.goto(f"{shop_url}/checkout")
    expect(later.get_by_role("heading", level=2, name=told)).to_be_visible()
    expect(later.locator("[name=key]")).to_have_value(key)
    expect(later.get_by_label("Name")).to_have_value("Ada Lovelace")
    later.locator(PLACE).click()
    heading(later).to_have_text(CONFIRMED)
    assert orders() == 1


def test_what_is_kept_of_a_sent_order_goes_after_three_days_or_with_a_new_order(page: Page, shop_url: str) -> None:
    fill(page, shop_url)
    page.route("**/orders", lose, times=1)
    page.locator(PLACE).click()
    expect(page.locator(STATUS)).to_have_text(NOT_ARRIVED, timeout=10_000)
    for days in range(1, 4):
        page.evaluate(A_DAY_LATER)
        page.goto(f"{shop_url}/?days={days}")
        expect(page.get_by_role("heading", name=NOT_ARRIVED)).to_have_count(0 if days == 3 else 1)
    fill(page, shop_url)
    page.route("**/orders", lose, times=1)
    page.locator(PLACE).click()
    expect(page.locator(STATUS)).to_have_text(NOT_ARRIVED, timeout=10_000)
    page.goto(f"{shop_url}/?new=1")
    assert "Ada" not in page.evaluate("JSON.stringify([{...localStorage}, {...sessionStorage}])")


def test_two_tabs_of_one_basket_are_one_order(page: Page, context: BrowserContext, shop_url: str) -> None:
    fill(page, shop_url)
    other = context.new_page()
    other.goto(f"{shop_url}/checkout")
    other.get_by_label("Name").fill("Ada Lovelace")
    other.get_by_label("E-mail address").fill("ada@example.com")
    for tab in (page, other):
        tab.locator(PLACE).click(no_wait_after=True)
    for tab in (page, other):
        heading(tab).to_have_text(CONFIRMED)
    assert page.url == other.url
    assert orders() == 1


def test_what_is_asked_about_first_is_sent_in_the_same_way(page: Page, shop_url: str) -> None:
    for _ in range(2):
        fill(page, f"{shop_url}/?new=1")
        page.locator(PLACE).click()
        heading(page).not_to_have_text("Your order")
    heading(page).to_have_text("You have just ordered exactly this")
    page.route("**/orders", lose, times=1)
    page.get_by_role("button", name="Place it all the same").click()
    expect(page.locator(STATUS)).to_have_text(NOT_ARRIVED, timeout=10_000)
    page.get_by_role("button", name="Place it all the same").click()
    heading(page).to_have_text(CONFIRMED)
    assert orders() == 2


def test_a_form_from_the_back_forward_cache_knows_that_it_was_ordered(
    playwright: Playwright, browser_type_launch_args: dict[str, Any], shop_url: str
) -> None:
    keeping = ["--disable-back-forward-cache"]  # is an argument of Playwright's
    browser = playwright.chromium.launch(**browser_type_launch_args, ignore_default_args=keeping)
    page = browser.new_page()
    fill(page, shop_url)
    page.evaluate("addEventListener('pageshow', (event) => { document.body.dataset.kept = event.persisted; })")
    page.locator(PLACE).click()
    heading(page).to_have_text(CONFIRMED)
    page.go_back(wait_until="commit")  # it isn't loaded again
    expect(page.locator("body")).to_have_attribute("data-kept", "true")
    expect(page.get_by_role("heading", name="Your order arrived")).to_be_visible()
    expect(page.locator(PLACE)).to_have_text("Order and pay €25.00")
    page.locator(PLACE).click()
    heading(page).to_have_text(CONFIRMED)
    assert orders() == 1
    browser.close()


@pytest.fixture
def production(tmp_path: Path) -> Iterator[Production]:
    """The web process as in production, with two workers; no other process."""
    made = Production(tmp_path, f"sqlite:///{tmp_path / 'orders.db'}", "", ("web", "timer"))
    made.set_up()
    made.start("web")
    yield made
    made.close()


def test_a_server_that_is_killed_over_an_order_loses_nothing_and_nobody_is_told_otherwise(
    page: Page, production: Production
) -> None:
    fill(page, production.base_url, **{"Tea-Green": "2"})
    page.evaluate(LISTEN)
    production.sandbox.fault("inventory", "slow", seconds=1.8)
    page.locator(PLACE).click()
    expect(page.locator(STATUS)).to_have_text("Reserving your products…")  # whichever process was asked
    production.kill("web")
    expect(page.locator(STATUS)).to_contain_text("isn't known yet whether your order arrived")
    production.sandbox.clear_faults()
    production.start("web")
    heading(page).to_have_text("We are placing your order", timeout=40_000)
    production.launch("timer")
    heading(page).to_have_text("Your order could not be placed", timeout=40_000)
    assert "not arrived" not in page.evaluate("sessionStorage.getItem('said')")
    assert len(production.sandbox.ledger(system="inventory")["net"]) <= 1
