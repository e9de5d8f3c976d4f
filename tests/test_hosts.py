"""What is asked under another name than PUBLIC_URL's is refused, and nobody is led to another host."""

from __future__ import annotations

from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient

from orderapp import create_app
from orderapp.extensions import db
from tests.servers.tables import create_tables

pytestmark = pytest.mark.slow  # an application for each of sixty cases


def made(tmp_path: Path, **more: str) -> Flask:
    app = create_app({"SECRET_KEY": "3f" * 32, "DATABASE_URL": f"sqlite:///{tmp_path}/o.db", **more})
    with app.app_context():
        create_tables(db.engine)
        db.engine.dispose()
    return app


@pytest.fixture
def client(tmp_path: Path) -> FlaskClient:
    return made(tmp_path, PUBLIC_URL="https://shop.example", TRUSTED_PROXIES="1").test_client()


def asked(client: FlaskClient, path: str, host: str, **more: str) -> tuple[int, str, str]:
    answer = client.get(path, headers={"Host": host, "X-Forwarded-Proto": "https", **more})
    return answer.status_code, answer.headers.get("Location", ""), answer.text


STRANGE = ["evil.example", "shop.example.evil.example", "evil.example:443", "shop.example:8443",
           "shop.example@evil.example", "evil example", "[", "", "*", "shop.example,evil.example", "\xff"]  # fmt: skip


@pytest.mark.parametrize("host", STRANGE)
@pytest.mark.parametrize("path", ["/admin", "/", "/nowhere", "/api/v1/orders/1", "/static/orderapp.css"])
def test_another_host_is_refused_and_led_nowhere(client: FlaskClient, path: str, host: str) -> None:
    status, location, text = asked(client, path, host)
    assert (status, location) == (400, "")
    assert "evil" not in text


def test_a_host_that_the_proxy_passes_on_is_looked_at_as_well(client: FlaskClient) -> None:
    assert asked(client, "/admin", "shop.example", **{"X-Forwarded-Host": "evil.example"})[:2] == (400, "")


@pytest.mark.parametrize(
    "host", ["shop.example", "SHOP.example", "shop.example:443", "127.0.0.1:80", "localhost", "[::1]"]
)
def test_the_public_host_and_loopback_are_answered_and_led_within_the_shop(client: FlaskClient, host: str) -> None:
    assert asked(client, "/", host)[0] == 200
    assert asked(client, "/admin", host)[:2] == (308, "/admin/")


def test_supervisors_ask_each_process_by_its_address(client: FlaskClient) -> None:
    assert [asked(client, path, "10.0.0.7:8000")[0] for path in ("/healthz", "/readyz")] == [200, 200]


def test_without_a_public_address_nobody_is_led_away_either(tmp_path: Path) -> None:
    client = made(tmp_path).test_client()
    assert asked(client, "/admin?x=1", "evil.example")[:2] == (308, "/admin/?x=1")


def test_a_public_address_with_a_port_and_a_path(tmp_path: Path) -> None:
    client = made(tmp_path, PUBLIC_URL="http://shop.example:8080/tea", PUBLIC_ALLOW_UNENCRYPTED="1").test_client()
    answer = client.get("/", headers={"Host": "shop.example:8080"})
    assert answer.status_code == 200
    assert client.get("/", headers={"Host": "other.example:8080"}).status_code == 400
