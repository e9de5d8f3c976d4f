"""The shop in Chromium: what the script adds, and what has to work without it."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect
from playwright.sync_api import Error as PlaywrightError
from sqlalchemy import delete, func, select, update

from orderapp.models import CartLock, Order, Product
from orderapp.services.db.transactions import reading, writing
from orderapp.services.orders.cancel import cancel_order

PLACE = "[data-guard-button]"
# Ratios of WCAG 2.2 AA, for each element that has text of its own, against the first ground behind it.
FAINT_TEXT = """() => {
  const channels = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const luminance = ([r, g, b]) => [r, g, b].map((c) => c / 255)
    .map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4))
    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const ground = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const colour = channels(getComputedStyle(at).backgroundColor);
      if (colour.length === 3 || colour[3] === 1) return colour;
    }
    return [255, 255, 255];
  };
  const faint = [];
  for (const element of document.querySelectorAll("body *")) {
    const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
    if (!own || !element.checkVisibility() || element.closest(".visually-hidden, noscript, script")) continue;
    const style = getComputedStyle(element);
    const [a, b] = [luminance(channels(style.color)), luminance(ground(element))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    const size = parseFloat(style.fontSize);
    const large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
    if (ratio < (large ? 3 : 4.5)) faint.push(`${element.textContent.trim().slice(0, 40)}: ${ratio.toFixed(2)}`);
  }
  return faint;
}"""


@pytest.fixture(autouse=True)
def _nothing_goes_wrong_in_the_page(page: Page) -> Iterator[None]:
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    # Scripts and styles that the content security policy stops are told on the console.
    page.on("console", lambda message: wrong.append(message.text) if "Content Security" in message.text else None)
    yield
    assert wrong == []


def fill(page: Page, url: str, **quantities: str) -> None:
    """Choose products on the front page, as many as wanted, and fill in the form."""
    page.goto(url)
    wanted = quantities or {"Green tea": "2"}
    for label, text in wanted.items():
        for button in [f"Add {label}", *[f"One more of {label}"] * (int(text) - 1)]:
            if page.get_by_role("button", name=button).is_visible():
                with page.expect_response("**/basket"):
                    page.get_by_role("button", name=button).click()
    page.get_by_role("link", name="Order", exact=True).click()
    page.get_by_label("Name").fill("Ada Lovelace")
    page.get_by_label("E-mail address").fill("ada@example.com")
    for label, text in wanted.items():
        page.get_by_role("textbox", name=label).fill(text)


def test_the_total_follows_the_quantities(page, shop_url):
    fill(page, shop_url, **{"Green tea": "2", "Cast iron pot": "1"})
    expect(page.locator("[data-total]")).to_have_text("€114.00")
    page.get_by_role("textbox", name="Green tea").fill("many")
    expect(page.locator("[data-total]")).to_have_text("€89.00")
    expect(page.get_by_role("button", name="Update the total")).to_be_hidden()


@pytest.mark.parametrize(("currency", "total"), [("RSD", "RSD\u00a025.00"), ("IQD", "IQD\u00a02.500")])
def test_the_script_takes_the_digits_of_a_minor_unit_from_the_server(page, shop_url, currency, total):
    with writing() as session:
        session.execute(update(Product).values(currency=currency))
    fill(page, shop_url, **{"Green tea": "2"})
    expect(page.locator("[data-total]")).to_have_text(re.compile(total))
    expect(page.locator(".line").first).to_contain_text(re.compile(r"\.\d{2}$|\.\d{3}$", re.MULTILINE))


def test_a_discount_is_shown_as_soon_as_it_is_applied_and_follows_the_order(page, shop_url):
    fill(page, shop_url, **{"Green tea": "2"})
    page.get_by_label("Coupon code").fill("NO-SUCH")
    expect(page.locator(PLACE)).to_have_text("Order and pay at most €25.00")
    page.get_by_role("button", name="Apply").click()
    expect(page.get_by_label("Coupon code")).to_have_accessible_description(re.compile("Check how it is spelled"))
    page.get_by_label("Coupon code").fill("WELCOME10")
    expect(page.locator(".field-error")).to_have_count(0)
    page.get_by_label("Coupon code").press("Enter")
    expect(page.locator(PLACE)).to_have_text("Order and pay €22.50")
    expect(page.locator("[data-summary-told][role=status]")).to_have_text("With your discount, the total is €22.50.")
    page.get_by_role("textbox", name="Green tea").fill("4")
    expect(page.locator(PLACE)).to_have_text("Order and pay €45.00")
    with reading() as session:
        assert session.scalar(select(func.count()).select_from(Order)) == 0
    page.locator(PLACE).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Your order is confirmed")
    expect(page.locator("dd.total")).to_have_text("€45.00")


def test_a_check_of_a_code_that_gets_no_answer_stands_in_nobody_s_way(page, shop_url):
    fill(page, shop_url)
    page.route("**/summary", lambda route: route.abort("connectionreset"))
    page.get_by_label("Coupon code").fill("WELCOME10")
    page.get_by_role("button", name="Apply").click()
    expect(page.locator("[data-summary-told]")).to_contain_text("can't be checked at the moment")
    page.locator(PLACE).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Your order is confirmed")
    expect(page.locator("dd.total")).to_have_text("€22.50")


def test_an_order_can_be_placed_with_the_keyboard_alone(page, shop_url):
    page.goto(shop_url)
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.get_by_role("button", name="Add Green tea").focus()
    with page.expect_response("**/basket"):
        page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="One more of Green tea")).to_be_focused()
    page.get_by_role("link", name="Order", exact=True).focus()
    page.keyboard.press("Enter")
    page.get_by_label("Name").focus()
    page.keyboard.type("Ada")
    page.keyboard.press("Tab")
    page.keyboard.type("ada@example.com")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Your order is confirmed")


def test_mistakes_are_read_first_and_lead_to_their_fields(page, shop_url):
    fill(page, shop_url)
    page.get_by_label("E-mail address").fill("ada@")
    page.locator(PLACE).click()
    expect(page).to_have_title(re.compile("^Error: "))
    expect(page.get_by_role("alert")).to_be_focused()
    page.get_by_role("alert").get_by_role("link").click()
    expect(page.get_by_label("E-mail address")).to_be_focused()
    page.get_by_label("E-mail address").fill("ada@example.com")
    page.keyboard.press("Tab")
    expect(page.locator(".field-error")).to_have_count(0)
    expect(page.locator(".error-summary")).to_have_count(0)
    expect(page).to_have_title(re.compile("^Your order"))
    expect(page.get_by_label("E-mail address")).to_have_accessible_description("We send the confirmation there.")
    page.locator(PLACE).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Your order is confirmed")


def test_pressing_again_while_it_is_sent_does_nothing(page, shop_url, sandbox):
    fill(page, shop_url)
    sandbox.fault("inventory", "slow", seconds=0.5)
    sent = []
    page.on("request", lambda request: sent.append(request.url) if request.method == "POST" else None)
    shown = page.evaluate(
        """() => {
          const button = document.querySelector("[data-guard-button]");
          button.click(); button.click(); button.form.requestSubmit(); button.click();
          const status = document.querySelector("[data-guard-status]");
          return [button.textContent, button.getAttribute("aria-disabled"), status.textContent];
        }"""
    )
    assert shown == ["Placing your order…", "true", "Placing your order…"]
    expect(page.get_by_role("heading", level=1)).to_have_text("Your order is confirmed")
    assert len(sent) == 1
    with reading() as session:
        assert session.scalar(select(func.count()).select_from(Order)) == 1


@pytest.mark.parametrize("path", ["/", "/checkout"])
def test_nothing_moves_while_a_page_loads(page, shop_url, path):
    fill(page, shop_url)
    page.goto(f"{shop_url}{path}")
    moved = page.evaluate(
        """() => new Promise((tell) => {
          let sum = 0;
          const add = (list) => { for (const one of list.getEntries()) sum += one.value; };
          const observer = new PerformanceObserver(add);
          observer.observe({ type: "layout-shift", buffered: true });
          requestAnimationFrame(() => requestAnimationFrame(() => tell(sum)));
        })"""
    )
    assert moved == 0


def test_what_the_basket_comes_to_is_announced_where_it_stood_before(page, shop_url):
    page.goto(shop_url)
    status = page.locator("[data-bar] [role=status]").element_handle()
    page.get_by_role("button", name="Add Green tea").click()
    expect(page.locator("[data-bar]")).to_contain_text("1 piece · €12.50")
    page.get_by_role("button", name="One less of Green tea").click()
    expect(page.locator("[data-bar]")).to_contain_text("Nothing chosen yet")
    assert status.evaluate("(element) => element.isConnected && element.textContent.trim()") == "Nothing chosen yet"


def test_a_basket_that_can_t_be_reached_by_the_script_is_filled_by_the_page(page, shop_url):
    page.goto(shop_url)
    page.route("**/basket", lambda route: route.abort("connectionreset"), times=1)
    with page.expect_navigation():
        page.get_by_role("button", name="Add Green tea").click()
    expect(page.locator("[data-bar]")).to_contain_text("€12.50")


def test_back_from_the_order_everything_typed_is_there_and_the_button_can_be_pressed_again(page, shop_url):
    """The browser under test keeps no pages for going back: it loads them again, and fills in what was typed."""
    fill(page, shop_url)
    page.locator(PLACE).click()
    page.wait_for_url("**/orders/*")
    page.go_back()
    expect(page.get_by_label("Name")).to_have_value("Ada Lovelace")
    expect(page.get_by_role("textbox", name="Green tea")).to_have_value("2")
    expect(page.locator("[data-total]")).to_have_text("€25.00")
    expect(page.locator(PLACE)).to_have_text("Order and pay €25.00")
    expect(page.locator(PLACE)).not_to_have_attribute("aria-disabled", "true")


# The order is placed and answered while the page isn't looked at; then it is shown again as it was left.
PLACED_AND_SHOWN_AGAIN = """async () => {
  const form = document.querySelector("form[data-draft]");
  await fetch(form.action, { method: "POST", body: new URLSearchParams(new FormData(form)) });
  dispatchEvent(new PageTransitionEvent("pageshow", { persisted: true }));
}"""


@pytest.mark.parametrize("kept", [False, True], ids=["loaded again", "from the back/forward cache"])
def test_after_back_the_button_places_no_second_order_and_a_new_visit_has_a_new_key(page, shop_url, kept):
    fill(page, shop_url)
    key = page.locator("[name=key]").input_value()
    if kept:
        page.evaluate(PLACED_AND_SHOWN_AGAIN)
    else:
        page.locator(PLACE).click()
        page.wait_for_url("**/orders/*")
        page.go_back()
    expect(page.get_by_role("heading", name="Your order arrived")).to_be_visible()
    page.locator(PLACE).click()
    page.wait_for_url("**/orders/*")
    expect(page.get_by_role("heading", level=1)).to_have_text("Your order is confirmed")
    with reading() as session:
        assert session.scalar(select(func.count()).select_from(Order)) == 1
    fill(page, shop_url)
    expect(page.locator("[name=key]")).not_to_have_value(key)


@pytest.fixture
def failing_order(page, shop_url, sandbox) -> None:
    """The page of an order that is being undone, on a clock that can be moved on."""
    page.clock.install()
    sandbox.fault("inventory", "error_before")
    fill(page, shop_url)
    page.locator(PLACE).click()
    expect(page.get_by_text("We are giving back")).to_be_visible()
    sandbox.clear_faults()


def requests_of(page: Page) -> list[str]:
    """Return a list to which every request from now on is added."""
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.url))
    return sent


@pytest.mark.usefixtures("failing_order")
def test_the_page_follows_the_order_to_its_end_then_asks_seldom_and_after_an_hour_no_more(page, run_tasks):
    run_tasks()
    page.clock.fast_forward("01:00")
    expect(page.get_by_role("button", name="Try again")).to_be_visible()
    expect(page.locator("[data-updated]")).to_have_text(re.compile(r"Updated \d\d:\d\d:\d\d"))
    for _ in range(60):
        # The page says when it has looked and plans its next look in one go: only then may the clock go on.
        looked = page.locator("[data-updated]").inner_text()
        page.clock.fast_forward("02:00")
        expect(page.locator("[data-updated]")).not_to_have_text(looked)
    expect(page.locator("[data-updated]")).to_contain_text("looks no further by itself")
    sent = requests_of(page)
    page.clock.fast_forward("10:00")
    # The browser fetches the page's own parts when it likes.
    assert [url for url in sent if "/static/" not in url] == []
    page.get_by_role("button", name="Try again").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Your order is confirmed")


def test_a_visible_page_learns_that_staff_have_cancelled_its_order_and_then_asks_no_more(
    app, page, shop_url, run_tasks
):
    page.clock.install()
    fill(page, shop_url)
    page.locator(PLACE).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Your order is confirmed")
    run_tasks()
    page.clock.fast_forward("01:00")
    expect(page.get_by_text("A confirmation was sent")).to_be_visible()
    with reading() as session:
        order_id = session.scalar(select(Order.id))
    cancel_order(order_id, app.extensions["orderapp.settings"])
    run_tasks()
    page.clock.fast_forward("02:00")
    expect(page.get_by_role("heading", level=1)).to_have_text("Your order is cancelled")
    expect(page.locator("[data-announcement]")).to_contain_text("Your order is cancelled")
    sent = requests_of(page)
    page.clock.fast_forward("10:00")
    assert [url for url in sent if "/static/" not in url] == []


@pytest.mark.parametrize("script", [True, False])
def test_times_are_the_reader_s_own_with_script_and_utc_is_said_without(browser: Browser, shop_url, script):
    context = browser.new_context(java_script_enabled=script, timezone_id="Asia/Tokyo")
    page = context.new_page()
    fill(page, shop_url)
    page.locator(PLACE).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Your order is confirmed")
    told = [page.locator("[data-updated]"), page.locator("dd time")]
    for text in told:
        expect(text).to_contain_text("GMT+9" if script else "UTC")
    context.close()


def test_enter_on_a_small_screen_shows_that_the_order_is_on_its_way(page, shop_url, sandbox):
    page.set_viewport_size({"width": 375, "height": 667})
    fill(page, shop_url)
    sandbox.fault("inventory", "slow", seconds=0.5)
    seen = page.evaluate(
        """() => {
          const field = document.getElementById("field-name");
          field.focus();
          field.form.requestSubmit();
          const status = document.querySelector("[data-guard-status]");
          const { top, bottom, width } = status.getBoundingClientRect();
          const above = document.elementFromPoint(width / 2, (top + bottom) / 2);
          return [status.textContent, top >= 0 && bottom <= innerHeight && width > 100, above === status];
        }"""
    )
    assert seen == ["Placing your order…", True, True]
    expect(page.get_by_role("heading", level=1)).to_have_text("Your order is confirmed")


@pytest.mark.usefixtures("failing_order")
def test_a_hidden_page_asks_nothing_and_a_shown_one_asks_at_once(page, run_tasks):
    switch = """(hidden) => {
      Object.defineProperty(document, "hidden", { get: () => hidden, configurable: true });
      document.dispatchEvent(new Event("visibilitychange"));
    }"""
    page.evaluate(switch, True)
    sent = requests_of(page)
    page.clock.fast_forward("10:00")
    # The browser fetches the page's own parts when it likes.
    assert [url for url in sent if "/static/" not in url] == []
    run_tasks()
    page.evaluate(switch, False)
    expect(page.get_by_role("button", name="Try again")).to_be_visible()


@pytest.mark.usefixtures("failing_order")
def test_a_shop_that_can_t_be_reached_is_told_and_asked_again(page, context, run_tasks):
    context.set_offline(True)
    page.clock.fast_forward("01:00")
    expect(page.locator("[data-updated]")).to_contain_text("keeps trying")
    context.set_offline(False)
    run_tasks()
    page.clock.fast_forward("01:00")
    expect(page.get_by_role("button", name="Try again")).to_be_visible()


def test_in_german_too_the_title_says_nothing_of_a_mistake_that_is_over(page, shop_url):
    fill(page, shop_url)
    page.locator("#field-email").fill("ada@")
    page.set_extra_http_headers({"Accept-Language": "de"})
    page.locator(PLACE).click()
    expect(page).to_have_title(re.compile("^Fehler: "))
    page.locator("#field-email").fill("ada@example.com")
    expect(page).not_to_have_title(re.compile("Fehler"))


def test_an_order_can_be_placed_without_javascript(browser: Browser, shop_url):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    fill(page, shop_url)
    page.get_by_role("button", name="Update the total").click()
    expect(page.locator("[data-total]")).to_have_text("€25.00")
    expect(page.locator(PLACE)).to_have_text("Order and pay €25.00")
    page.locator(PLACE).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Your order is confirmed")
    context.close()


def test_fields_side_by_side_stand_at_one_height_and_an_error_moves_no_other_field(page, shop_url):
    def top(label: str, what: str = "input") -> float:
        field = page.locator(".field", has=page.get_by_label(label))
        box = field.locator(what).bounding_box()
        assert box is not None
        return round(box["y"] - page.get_by_role("group", name="Discounts").bounding_box()["y"])

    page.set_viewport_size({"width": 1440, "height": 900})
    fill(page, shop_url)
    for left, right in (("Phone", "Member number"), ("Coupon code", "Benefit code")):
        assert top(left) == top(right)
        assert top(left, "label") == top(right, "label")
    before = [top("Coupon code", "label"), top("Coupon code"), top("Benefit code", "label")]
    page.get_by_label("Benefit code").fill("FREE-TEA")
    with page.expect_navigation():
        page.locator(PLACE).click()
    assert page.locator(".field-error").count() == 1
    assert [top("Coupon code", "label"), top("Coupon code"), top("Benefit code", "label")] == before
    assert top("Benefit code") > top("Coupon code")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 1280])
def test_every_page_fits_and_can_be_read(page, shop_url, sandbox, scheme, width):
    page.set_viewport_size({"width": width, "height": 700})
    page.emulate_media(color_scheme=scheme)

    def looks_right() -> None:
        too_wide = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        assert page.evaluate(too_wide) == 0
        assert page.evaluate(FAINT_TEXT) == []
        assert page.locator("h1").count() == 1

    def place() -> None:
        with page.expect_navigation():  # until it has loaded, with its styles
            page.locator(PLACE).click()

    page.goto(f"{shop_url}/no-such-page")
    looks_right()
    fill(page, shop_url)
    looks_right()
    page.get_by_label("Name").fill("")
    place()
    looks_right()
    page.get_by_label("Name").fill("Ada Lovelace")
    place()
    page.wait_for_url("**/orders/*")
    looks_right()
    fill(page, shop_url)
    place()
    expect(page.get_by_role("heading", level=1)).to_have_text("You have just ordered exactly this")
    looks_right()
    fill(page, f"{shop_url}/?new=1", **{"Cast iron pot": "1"})
    with writing() as session:
        session.execute(update(Product).values(price_minor=Product.price_minor + 100))
    place()
    expect(page.get_by_role("heading", level=1)).to_have_text("The price has changed")
    looks_right()
    name = page.locator("dt").first.bounding_box()
    assert name is not None
    assert name["height"] < 100  # its words stand beside the amounts, not one letter a line


def press_in_vain(page: Page, *, script: bool) -> None:
    if script:
        page.locator(PLACE).click()
        expect(page.locator("[data-guard-status]")).to_contain_text("isn't known yet whether your order arrived")
        return
    with contextlib.suppress(PlaywrightError):
        page.locator(PLACE).click()
        page.wait_for_url("chrome-error://**", timeout=5000)


@pytest.mark.parametrize("script", [True, False])
@pytest.mark.parametrize("comes_back", ["back", "reload", "visit"])
def test_a_first_visit_s_order_whose_answer_was_lost_is_not_placed_twice(
    app, browser: Browser, shop_url, script, comes_back
):
    """No cookies before; the answer is dropped after the commit; the window for duplicates has passed."""
    context = browser.new_context(java_script_enabled=script)
    page = context.new_page()

    def lose_the_answer(route):
        kept = context.cookies()
        route.fetch(max_redirects=0)
        context.clear_cookies()
        context.add_cookies(kept)
        route.abort("connectionreset")

    fill(page, shop_url)
    page.route("**/orders", lose_the_answer, times=1)
    page.route("**/draft/steps", lambda route: route.abort("connectionreset"))  # nor does the page learn of it
    press_in_vain(page, script=script)
    with reading() as session:
        assert session.scalar(select(func.count()).select_from(Order)) == 1
    with writing() as session:
        session.execute(delete(CartLock))
    if comes_back == "back":
        page.go_back() if "orders" in page.url or "error" in page.url else page.reload()
    elif comes_back == "reload":
        page.goto(shop_url)
        page.reload()
    else:
        page.goto(shop_url)
    if script or comes_back != "back":
        expect(page.get_by_role("heading", name="Your order arrived")).to_be_visible()
    if comes_back != "back":
        page.goto(f"{shop_url}/checkout")
    page.get_by_label("Name").fill("Ada Lovelace")
    page.get_by_label("E-mail address").fill("ada@example.com")
    page.get_by_role("textbox", name="Green tea").fill("2")
    page.locator(PLACE).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Your order is confirmed")
    with reading() as session:
        assert session.scalar(select(func.count()).select_from(Order)) == 1
    context.close()


def test_what_was_typed_outlives_a_reload_and_a_new_visit_begins_anew_once_the_order_was_seen(page, shop_url):
    fill(page, shop_url)
    key = page.locator("[name=key]").input_value()
    page.reload()
    expect(page.get_by_label("Name")).to_have_value("Ada Lovelace")
    expect(page.locator("[name=key]")).to_have_value(key)
    page.locator(PLACE).click()
    page.wait_for_url("**/orders/*")
    page.go_back()
    expect(page.get_by_role("heading", name="Your order arrived")).to_be_visible()
    page.goto(shop_url)
    page.goto(f"{shop_url}/checkout")
    expect(page.locator("[name=key]")).not_to_have_value(key)
    expect(page.get_by_label("Name")).to_have_value("")
    expect(page.get_by_role("heading", name="Your order arrived")).to_have_count(0)


def test_that_nothing_was_chosen_is_over_as_soon_as_another_product_is(page, shop_url):
    fill(page, shop_url, **{"Green tea": "0", "Cast iron pot": "0"})
    with page.expect_navigation():
        page.locator(PLACE).click()
    expect(page.locator(".error-summary")).to_be_visible()
    page.get_by_role("textbox", name="Cast iron pot").fill("1")
    expect(page.locator("#field-lines-error")).to_have_count(0)
    expect(page.locator(".error-summary")).to_have_count(0)


@pytest.mark.usefixtures("failing_order")
def test_that_an_order_can_be_tried_again_is_announced(page, run_tasks):
    run_tasks()
    page.clock.fast_forward("01:00")
    expect(page.locator("[data-announcement][role=status]")).to_contain_text("You can try again now")
