"""Customers sign in by a link that came to their address, and see the orders whose mails go there."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from flask import Flask, g
from flask.testing import FlaskClient
from sqlalchemy import select, update
from werkzeug.test import TestResponse

from orderapp.models import CustomerSession, Order, RateCounter, SignInLink, db_now
from orderapp.services.access.api_tokens import create
from orderapp.services.db.transactions import reading, writing
from orderapp.services.engine.recovery import tidy
from orderapp.services.orders import own_orders
from tests.sandbox.running import RunningSandbox
from tests.web.conftest import hidden_fields

Form = Callable[..., dict[str, str]]


def ask(client: FlaskClient, email: str) -> TestResponse:
    return client.post("/account", data={**form_of(client, "/account"), "email": email})


def form_of(client: FlaskClient, path: str) -> dict[str, str]:
    g.pop("csrf_token", None)  # kept for a request, and the test's context is around all visitors
    return hidden_fields(client.get(path))


def link_in(sandbox: RunningSandbox) -> str:
    """Return the path of the link in the newest mail."""
    return re.findall(r"http://shop\.localhost(/account/links/\S+)", sandbox.rows("mails")[0]["body"])[0]


def press(client: FlaskClient, link: str) -> TestResponse:
    return client.post(link, data=form_of(client, link))


def signed_in(client: FlaskClient, sandbox: RunningSandbox, email: str) -> FlaskClient:
    ask(client, email)
    assert press(client, link_in(sandbox)).location == "/account"
    return client


def numbers(page: TestResponse) -> list[str]:
    return re.findall(r'class="reference" href="/orders/([^"]+)"', page.text)


def number_of(location: str) -> str:
    return location.rpartition("/")[2].partition(".")[0]


@pytest.fixture
def ordered(client: FlaskClient, new_form: Form) -> list[str]:
    """The numbers of two orders of ada and one of bob, oldest first."""
    emails = ("ada@example.com", "ADA@example.com", "bob@example.com")
    sent = [
        client.post("/orders", data=new_form({"TEA-GREEN": str(number)}, email=email))
        for number, email in enumerate(emails, start=1)
    ]
    return [number_of(str(answer.location)) for answer in sent]


def test_the_link_signs_in_once_and_only_when_the_button_is_pressed(
    app: Flask, client: FlaskClient, ordered: list[str], sandbox: RunningSandbox
) -> None:
    other = app.test_client()
    assert ask(other, "Ada@Example.com").location == "/account/sent"
    assert "Ada@example.com" in other.get("/account/sent").text
    link = link_in(sandbox)
    for _ in range(3):  # as a program that looks through mails
        assert "Sign in" in app.test_client().get(link).text
    assert press(other, link).location == "/account"
    assert numbers(other.get("/account")) == [ordered[1], ordered[0]]
    assert press(app.test_client(), link).status_code == 410
    with reading() as session:
        kept = session.scalars(select(CustomerSession.token_hash)).one()
        assert session.scalars(select(SignInLink)).all() == []
    cookie = other.get_cookie("orderapp-customer")
    assert cookie is not None
    assert cookie.http_only
    assert kept not in cookie.value
    assert kept not in link


def test_the_page_of_an_order_opens_by_its_number_for_its_owner_alone(
    app: Flask, client: FlaskClient, ordered: list[str], sandbox: RunningSandbox
) -> None:
    owner = signed_in(app.test_client(), sandbox, "ada@example.com")
    opened = owner.get(f"/orders/{ordered[0]}", follow_redirects=True)
    assert (opened.status_code, ordered[0] in opened.text) == (200, True)
    for path in (ordered[2], "NO-SUCH", "%00", ordered[0].lower()):
        assert owner.get(f"/orders/{path}").status_code == 404
    assert app.test_client().get(f"/orders/{ordered[0]}").status_code == 404
    assert numbers(owner.get(f"/account?after={ordered[2]}")) == [ordered[1], ordered[0]]
    assert owner.get("/account?after=%00").status_code == 200


def test_a_corrected_address_counts_and_the_one_before_does_not(
    app: Flask, client: FlaskClient, ordered: list[str], sandbox: RunningSandbox
) -> None:
    with writing() as session:
        corrected = update(Order).where(Order.number == ordered[0])
        session.execute(corrected.values(corrected_email="Bob@example.com"))
    ada = signed_in(app.test_client(), sandbox, "ada@example.com")
    bob = signed_in(app.test_client(), sandbox, "bob@example.com")
    assert numbers(ada.get("/account")) == [ordered[1]]
    assert ada.get(f"/orders/{ordered[0]}").status_code == 404
    assert numbers(bob.get("/account")) == [ordered[2], ordered[0]]


def test_orders_of_api_clients_have_no_page_and_are_not_listed(
    app: Flask, client: FlaskClient, ordered: list[str], sandbox: RunningSandbox
) -> None:
    create("partner")
    with writing() as session:
        session.execute(update(Order).where(Order.number == ordered[0]).values(client_id=1))
    ada = signed_in(app.test_client(), sandbox, "ada@example.com")
    assert numbers(ada.get("/account")) == [ordered[1]]
    assert ada.get(f"/orders/{ordered[0]}").status_code == 404


def test_pages_of_orders_follow_each_other_without_a_gap(
    client: FlaskClient, ordered: list[str], sandbox: RunningSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    signed_in(client, sandbox, "ada@example.com")
    monkeypatch.setattr(own_orders, "ON_A_PAGE", 1)
    first = client.get("/account")
    assert numbers(first) == [ordered[1]]
    second = client.get(re.findall(r'rel="next" href="([^"]+)"', first.text)[0])
    assert numbers(second) == [ordered[0]]
    assert 'rel="next"' not in second.text


def test_the_answer_is_the_same_with_and_without_orders(
    app: Flask, ordered: list[str], sandbox: RunningSandbox
) -> None:
    def answer(email: str) -> tuple[object, ...]:
        visitor = app.test_client()
        sent = ask(visitor, email)
        mail = sandbox.rows("mails")[0]
        told = re.sub(r"links/\S+", "links/", mail["body"])
        return sent.status_code, sent.location, visitor.get("/account/sent").text.count(email), mail["subject"], told

    assert answer("ada@example.com") == answer("nobody@example.com")
    nobody = signed_in(app.test_client(), sandbox, "nobody@example.com")
    assert "There are no orders with this address." in nobody.get("/account").text


def test_signing_out_ends_the_session_for_copies_of_its_cookie_too(
    app: Flask, client: FlaskClient, sandbox: RunningSandbox
) -> None:
    signed_in(client, sandbox, "ada@example.com")
    cookie = client.get_cookie("orderapp-customer")
    assert cookie is not None
    copy = app.test_client()
    copy.set_cookie("orderapp-customer", cookie.value)
    assert "ada@example.com" in copy.get("/account").text
    assert client.post("/account/sign-out", data=form_of(client, "/account")).location == "/account"
    for visitor in (client, copy):
        assert "Send the link" in visitor.get("/account").text


@pytest.mark.parametrize("table", [SignInLink, CustomerSession])
def test_links_and_sessions_end_by_the_clock_of_the_database(
    client: FlaskClient, sandbox: RunningSandbox, table: type[SignInLink | CustomerSession]
) -> None:
    ask(client, "ada@example.com")
    if table is CustomerSession:
        press(client, link_in(sandbox))
    with writing() as session:
        session.execute(update(table).values(ends_at=db_now(-1)))
    if table is SignInLink:
        assert client.get(link_in(sandbox)).status_code == 410
        assert press(client, link_in(sandbox)).status_code == 410
    assert "Send the link" in client.get("/account").text
    tidy()
    with reading() as session:
        assert session.scalars(select(table)).all() == []


def test_a_mailbox_gets_five_links_an_hour_whatever_tag_is_added(
    app: Flask, client: FlaskClient, sandbox: RunningSandbox
) -> None:
    asked = [ask(app.test_client(), f"ada+{number}@example.com") for number in range(6)]
    assert [answer.status_code for answer in asked] == [303] * 5 + [429]
    assert "Retry-After" in asked[-1].headers
    others = [ask(client, f"other{number}@example.com").status_code for number in range(16)]
    assert others == [303] * 15 + [429]  # of this network
    assert len(sandbox.rows("mails")) == 20
    with reading() as session:
        assert not [one for one in session.scalars(select(RateCounter.bucket)) if "ada" in one]


def test_what_is_no_address_is_told(client: FlaskClient) -> None:
    refused = ask(client, "ada")
    assert (refused.status_code, "The @ is missing" in refused.text) == (400, True)
