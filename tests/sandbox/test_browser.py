"""The sandbox's pages in Chromium, with JavaScript switched off: nothing here needs it."""

from __future__ import annotations

import smtplib

import pytest
from playwright.sync_api import Browser, expect


@pytest.fixture
def plain_page(browser: Browser, sandbox):
    """A page on the dashboard that may run no script; whatever the browser complains of fails the test."""
    context = browser.new_context(java_script_enabled=False, viewport={"width": 320, "height": 800})
    page = context.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.goto(sandbox.base_url)
    yield page
    context.close()
    assert complaints == []


def test_a_fault_is_switched_on_and_off(plain_page, sandbox):
    coupon = plain_page.locator("#coupon")
    coupon.get_by_label("Fault").select_option("error_after")
    coupon.get_by_text("Details").click()
    coupon.get_by_label("Share of calls").fill("0.5")
    coupon.get_by_role("button", name="Switch Coupon").click()
    expect(plain_page.get_by_role("status")).to_contain_text("Coupon: error after")
    assert (sandbox.faults()["coupon"]["fault"], sandbox.faults()["coupon"]["rate"]) == ("error_after", 0.5)
    plain_page.get_by_role("button", name="Clear all faults").click()
    expect(plain_page.get_by_role("status")).to_contain_text("No system has a fault")
    assert sandbox.faults()["coupon"]["fault"] == "none"


def test_the_stock_is_changed_from_its_row(plain_page, sandbox, new_name):
    sku = new_name()
    sandbox.set("stock", sku, 5)
    plain_page.get_by_role("link", name="stock", exact=True).click()
    plain_page.get_by_role("spinbutton", name=f"Available of {sku}").fill("8")
    plain_page.get_by_role("button", name=f"Save available of {sku}").click()
    expect(plain_page.get_by_role("status")).to_have_text("Saved.")
    assert sandbox.value("stock", sku, "available") == 8


def test_every_page_fits_a_small_screen(browser: Browser, sandbox):
    page = browser.new_page(viewport={"width": 320, "height": 800})
    for path in ("/", "/look/stock", "/look/reservations", "/look/benefits", "/look/mails"):
        page.goto(sandbox.base_url + path)
        assert page.evaluate("document.documentElement.scrollWidth") <= 320
    page.close()


@pytest.mark.parametrize("width", [320, 768, 1440])
def test_mails_can_be_read_and_all_records_are_seen_at_once(browser: Browser, sandbox, width):
    with smtplib.SMTP("127.0.0.1", sandbox.smtp_port, timeout=5) as client:
        text = "Thank you, your order is confirmed. " * 10
        client.sendmail("shop@example.com", ["ada@example.com"], f"Subject: Your order is confirmed\n\n{text}")
    page = browser.new_page(viewport={"width": width, "height": 800})
    page.goto(f"{sandbox.base_url}/look/mails")
    text_box = page.locator("td pre").first.bounding_box()
    assert text_box is not None
    assert text_box["width"] >= min(22 * 16, 0.7 * width)
    assert page.locator(".tabs").evaluate("tabs => tabs.scrollWidth <= tabs.clientWidth")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.close()
