"""The shop in each visitor's language: by the browser's wish, by the switch, and on the way to the mail."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select

from orderapp.models import Order
from orderapp.services.db.transactions import reading
from tests.sandbox.running import RunningSandbox
from tests.web.conftest import hidden_fields

GERMAN = {"Accept-Language": "de-AT,de;q=0.9,en;q=0.5"}


def language_of(client: FlaskClient, **headers: str) -> str:
    page = client.get("/", headers={name.replace("_", "-"): value for name, value in headers.items()})
    return page.text.partition('<html lang="')[2].partition('"')[0]


def switch(client: FlaskClient, language: str, back: str = "/?new=1") -> str:
    token = hidden_fields(client.get("/"))["csrf_token"]
    answer = client.post("/language", data={"csrf_token": token, "language": language, "back": back})
    assert answer.status_code == 303
    return answer.location


@pytest.mark.parametrize(
    ("wished", "spoken"),
    [
        ("de", "de"),
        ("de-CH,fr;q=0.9", "de"),
        ("fr,de;q=0.5,en;q=0.3", "de"),
        ("en-GB,de;q=0.5", "en"),
        ("fr", "en"),
        ("de;q=0", "en"),
    ],
)
def test_a_page_is_in_the_language_that_the_browser_wishes(client: FlaskClient, wished: str, spoken: str) -> None:
    assert language_of(client, Accept_Language=wished) == spoken


def test_a_page_without_a_wish_is_in_the_shops_language(client: FlaskClient) -> None:
    assert language_of(client) == "en"


def test_the_switch_counts_more_than_the_browser_and_leads_back(client: FlaskClient) -> None:
    assert switch(client, "en", back="/?new=1") == "/?new=1"
    assert language_of(client, **GERMAN) == "en"
    switch(client, "de")
    assert language_of(client) == "de"


@pytest.mark.parametrize("language", ["fr", "", "../de", "de_DE"])
def test_the_switch_keeps_no_language_that_there_isnt(client: FlaskClient, language: str) -> None:
    switch(client, language)
    assert language_of(client) == "en"


@pytest.mark.parametrize("answered", [False, True])
def test_the_switch_loses_nothing_that_was_typed(
    client: FlaskClient, new_form: Callable[..., dict[str, str]], answered: bool
) -> None:
    fields = new_form(email="ada@")
    page = client.post("/orders", data=fields) if answered else client.get("/checkout")
    assert 'form="order-form" formaction="/language"' in page.text
    sent_on = client.post("/language", data=fields | {"language": "de"})
    assert (sent_on.status_code, sent_on.location) == (307, "/total")
    shown = client.post(sent_on.location, data=fields).text
    assert '<html lang="de">' in shown
    for kept in ("Ada Lovelace", 'value="ada@"', f'value="{fields["key"]}"', "25,00"):
        assert kept in shown


@pytest.mark.parametrize(
    "back", ["//evil.example/", "https://evil.example/", "/\\evil.example", "", "/\n/evil.example"]
)
def test_the_switch_leads_to_no_other_site(client: FlaskClient, back: str) -> None:
    assert switch(client, "de", back) == "/"


def test_caches_are_told_that_a_page_depends_on_the_language(client: FlaskClient) -> None:
    page = client.get("/no-such-page", headers=GERMAN)
    assert page.headers["Content-Language"] == "de"
    assert {"Accept-Language", "Cookie"} <= set(page.vary)
    assert "Diese Seite gibt es nicht" in page.text
    assert "Accept-Language" in client.get("/").vary


def test_the_back_office_is_in_english(client: FlaskClient) -> None:
    page = client.get("/admin/login", headers=GERMAN)
    assert '<html lang="en">' in page.text
    assert "Skip to the content" in page.text


@pytest.mark.parametrize(
    ("headers", "subject", "total", "text"),
    [
        ({}, "Your order {} is confirmed", "Total: €25.00", "Your order {} is confirmed."),
        (GERMAN, "Ihre Bestellung {} ist bestätigt", "Gesamtbetrag: 25,00 €", "Ihre Bestellung {} ist bestätigt."),
    ],
)
def test_the_customer_is_written_to_in_the_language_of_the_order(
    client: FlaskClient,
    new_form: Callable[..., dict[str, str]],
    run_tasks: Callable[[], None],
    sandbox: RunningSandbox,
    headers: dict[str, str],
    subject: str,
    total: str,
    text: str,
) -> None:
    client.post("/orders", data=new_form(phone="+49 151 23456789"), headers=headers)
    run_tasks()
    with reading() as session:
        order = session.scalars(select(Order)).one()
    (mail,), (message,) = sandbox.rows("mails"), sandbox.rows("texts")
    assert order.language == ("de" if headers else "en")
    assert mail["subject"] == subject.format(order.number)
    assert total in mail["body"].replace("\N{NO-BREAK SPACE}", " ")
    assert text.format(order.number) in message["body"]


def test_the_same_form_in_another_language_is_the_same_order(
    client: FlaskClient, new_form: Callable[..., dict[str, str]]
) -> None:
    fields = new_form()
    answers = [client.post("/orders", data=fields, headers=headers) for headers in ({}, GERMAN)]
    assert answers[0].status_code == 303
    assert answers[0].location == answers[1].location


@pytest.mark.parametrize(
    "typed",
    [
        {"name": ""},
        {"name": "x" * 201},
        {"name": "see www.example.com"},
        {"email": ""},
        {"email": "ada"},
        {"email": "a@b@example.com"},
        {"email": "@example.com"},
        {"email": "ada@example"},
        {"email": "x" * 65 + "@example.com"},
        {"phone": "030"},
        {"phone": "+49 1"},
        {"phone": "+49 900 1234567"},
        {"phone": "call me"},
        {"coupon": "a b"},
        {"coupon": "x" * 65},
        {"benefit": "FREE"},
        {"quantity:TEA-GREEN": "many"},
        {"quantity:TEA-GREEN": "1001"},
        {"quantity:TEA-GREEN": "0"},
    ],
    ids=str,
)
def test_what_is_wrong_with_the_form_is_said_in_the_pages_language(
    client: FlaskClient, new_form: Callable[..., dict[str, str]], typed: dict[str, str]
) -> None:
    fields = new_form({"TEA-GREEN": "1"}) | typed
    pages = [client.post("/orders", data=fields, headers=headers).text for headers in ({}, GERMAN)]
    english, german = (re.findall(r'class="field-error"[^>]*><span[^>]*>[^<]*</span>([^<]+)', page) for page in pages)
    assert english
    assert len(english) == len(german)
    assert not set(english) & set(german)
