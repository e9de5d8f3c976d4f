"""The web process under a path of its host (`SCRIPT_NAME`), behind a proxy that leaves the path in what it hands on."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urljoin

import pytest
import requests

from tests.flow.production import Production
from tests.servers.loopback import poll_until

PATH = "/shop/tea"
PASSWORD = "correct horse battery staple"
LEADS = re.compile(r'(?:href|action|formaction|src|data-follow)="(/[^"]*)"')
HIDDEN = re.compile(r'<input type="hidden" name="([^"]+)" value="([^"]*)"')


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """The web process alone, on SQLite: where it is, and an API token."""
    folder: Path = tmp_path_factory.mktemp("shop")
    production = Production(folder, f"sqlite:///{folder / 'orders.db'}", "", ["web"], SCRIPT_NAME=PATH)
    try:
        token = production.set_up()
        production.launch("web")
        url = f"{production.base_url}{PATH}"
        assert poll_until(lambda: answers(f"{url}/readyz"), within_seconds=60)
        yield url, token
    finally:
        production.close()


def answers(url: str) -> bool:
    try:
        return requests.get(url, timeout=5).ok
    except requests.ConnectionError:
        return False


def test_a_customer_orders_and_every_link_stays_under_the_path(shop: tuple[str, str]) -> None:
    url, _token = shop
    browser = requests.Session()
    form = browser.get(f"{url}/checkout", timeout=20)
    fields = {**dict(HIDDEN.findall(form.text)), "quantity:TEA-GREEN": "1", "name": "Ada", "email": "ada@example.com"}
    placed = browser.post(f"{url}/orders", data=fields, timeout=20)
    assert placed.url.startswith(f"{url}/orders/")
    assert "Your order is confirmed" in placed.text
    for page in (form, placed, browser.get(f"{url}/admin/", timeout=20)):
        leads = LEADS.findall(page.text)
        assert leads
        assert [lead for lead in leads if not lead.startswith(f"{PATH}/")] == []
        assert [lead for lead in leads if "/static/" in lead and not answers(url.removesuffix(PATH) + lead)] == []


def test_an_api_client_finds_its_order_where_it_is_told(shop: tuple[str, str]) -> None:
    url, token = shop
    headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": "till-1-order-1"}
    content = {"customer": {"name": "Ada", "email": "a@example.com"}, "lines": [{"sku": "TEA-BLACK", "quantity": 1}]}
    placed = requests.post(f"{url}/api/v1/orders", json=content, headers=headers, timeout=20)
    assert placed.status_code == 201, placed.text
    assert placed.headers["Location"].startswith(f"{PATH}/api/v1/orders/")
    assert requests.get(urljoin(url, placed.headers["Location"]), headers=headers, timeout=20).status_code == 200


@pytest.mark.parametrize("path", ["/", "/shop/teapot", "/admin/", "//shop/tea/", "/shop/tea/../../etc/passwd"])
def test_nothing_else_of_the_host_is_answered(shop: tuple[str, str], path: str) -> None:
    url, _token = shop
    session = requests.Session()
    prepared = session.prepare_request(requests.Request("GET", url))
    prepared.url = url.removesuffix(PATH) + path  # as it is, not tidied up
    answer = session.send(prepared, timeout=20, allow_redirects=False)
    assert answer.status_code >= 400
