"""What follows an order, in Chromium: its address corrected by keyboard, cancelled, ordered again; also in German."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from flask import Flask
from playwright.sync_api import Browser, Page, expect

from orderapp.config import Settings
from orderapp.domain.cancelling import CancelLimit
from tests.sandbox.running import RunningSandbox
from tests.web.test_browser import FAINT_TEXT, PLACE, fill


@pytest.fixture
def order_url(app: Flask, page: Page, shop_url: str) -> str:
    """The address of a confirmed order's page, open in the browser; its customer may cancel it."""
    settings: Settings = app.extensions["orderapp.settings"]
    app.extensions["orderapp.settings"] = replace(settings, cancel_limit=CancelLimit(minutes=30))
    fill(page, shop_url)
    page.locator(PLACE).click()
    page.wait_for_url("**/orders/*")
    return page.url


def test_an_address_is_corrected_by_keyboard(page: Page, order_url: str, sandbox: RunningSandbox) -> None:
    page.get_by_role("link", name="Correct it").press("Enter")
    page.get_by_label("E-mail").fill("ada")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_be_focused()
    page.get_by_label("E-mail").fill("ada@example.net")
    page.keyboard.press("Enter")
    page.wait_for_url("**/code")
    code = re.findall(r"\d{4} \d{4}", sandbox.rows("mails")[0]["body"])[0]
    page.get_by_label("Code").fill(code)
    page.keyboard.press("Enter")
    page.wait_for_url(order_url)
    expect(page.get_by_text("Your e-mail address is corrected.")).to_be_visible()
    expect(page.get_by_text("a…@example.net")).to_be_visible()


def test_an_order_is_ordered_again_and_cancelled(page: Page, order_url: str) -> None:
    page.get_by_role("button", name="Order the same again").click()
    page.wait_for_url("**/checkout")
    expect(page.locator(PLACE)).to_contain_text("€25.00")
    page.goto(order_url)
    page.get_by_role("link", name="Cancel the order").click()
    page.get_by_role("button", name="Cancel the order").click()
    page.wait_for_url(order_url)
    expect(page.get_by_role("heading", level=1)).to_contain_text("cancelled")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_pages_fit_and_can_be_read_in_german(browser: Browser, order_url: str, scheme: str) -> None:
    context = browser.new_context(locale="de-DE", color_scheme=scheme, viewport={"width": 320, "height": 800})
    page = context.new_page()
    for path, title in [
        ("", "Ihre Bestellung ist bestätigt"),
        ("/receipt", "Beleg"),
        ("/cancel", "Diese Bestellung stornieren?"),
        ("/email", "E-Mail-Adresse korrigieren"),
    ]:
        page.goto(order_url + path)
        expect(page.get_by_role("heading", level=1)).to_have_text(title)
        assert page.evaluate(FAINT_TEXT) == []
        assert page.evaluate("document.documentElement.scrollWidth") <= 320
    context.close()
