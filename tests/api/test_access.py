"""Who gets in, and to whose orders."""

from __future__ import annotations

import uuid
from collections.abc import Callable

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from orderapp.errors import InvalidRequest, NotFound
from orderapp.models import ApiToken
from orderapp.services.access import api_tokens
from orderapp.services.db.transactions import reading
from tests.api.conftest import ApiClient, assert_problem, order_content, order_count
from tests.inputs import INPUTS

Call = Callable[[ApiClient], object]


SOME_ORDER = "7ef55768-1f25-47ab-bf40-abb95c4709f2"  # nobody's


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/products"),
        ("POST", "/orders"),
        ("GET", f"/orders/{SOME_ORDER}"),
        ("POST", f"/orders/{SOME_ORDER}/retry"),
        ("POST", f"/orders/{SOME_ORDER}/cancel"),
    ],
)
@pytest.mark.parametrize("authorization", [None, "", "Bearer", "Bearer wrong", "Basic d3Jvbmc6d3Jvbmc=", "Bearer \xe9"])
def test_without_a_valid_token_nothing_answers(
    anonymous: ApiClient, method: str, path: str, authorization: str | None
) -> None:
    headers = {} if authorization is None else {"Authorization": authorization}
    answer = anonymous.http.open(f"/api/v1{path}", method=method, headers=headers, json=order_content())

    assert_problem(answer, 401, "not_authenticated")
    assert answer.headers["WWW-Authenticate"].startswith("Bearer ")


def test_every_address_of_the_api_needs_a_token_except_its_description(app: Flask, anonymous: ApiClient) -> None:
    rules = [rule for rule in app.url_map.iter_rules() if rule.rule.startswith("/api/")]
    assert len(rules) == 7
    for rule in rules:
        path = rule.rule.replace("<order_id>", str(uuid.uuid4()))
        for method in rule.methods or ():
            expected = 200 if rule.endpoint == "api.description" else 401
            assert anonymous.http.open(path, method=method).status_code == expected, (method, path)


def test_a_token_in_the_address_or_in_a_cookie_opens_nothing(anonymous: ApiClient, token: str) -> None:
    assert_problem(anonymous.get(f"/products?token={token}&access_token={token}"), 401, "not_authenticated")
    anonymous.http.set_cookie("token", token)
    anonymous.http.set_cookie("orderapp", token)
    assert_problem(anonymous.get("/products"), 401, "not_authenticated")


def test_a_revoked_token_opens_nothing_from_that_moment_on(client: ApiClient) -> None:
    assert client.get("/products").status_code == 200
    api_tokens.revoke("webshop")
    answer = client.get("/products")
    assert_problem(answer, 401, "not_authenticated")
    assert 'error="invalid_token"' in answer.headers["WWW-Authenticate"]


def test_of_a_token_only_the_hash_is_stored(token: str) -> None:
    assert len(token) >= 43  # 256 bits in Base64
    with reading() as session:
        stored = session.scalars(select(ApiToken)).one()
    assert token not in str(vars(stored))
    assert len(stored.token_hash) == 64


def test_a_client_keeps_its_orders_and_keys_under_a_new_token(app: Flask, client: ApiClient) -> None:
    placed = client.place("k").json
    api_tokens.revoke("webshop")

    renewed = ApiClient(app.test_client(), api_tokens.create("webshop"))

    assert renewed.get(f"/orders/{placed['order']['id']}").json == placed
    assert renewed.place("k").headers["Idempotent-Replayed"] == "true"
    assert client.get("/products").status_code == 401


@pytest.mark.parametrize("name", ["", "   ", "n" * 101, "two\nlines", "webshop"])
def test_a_client_needs_a_name_that_is_free_and_readable(token: str, name: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        api_tokens.create(name)
    assert caught.value.errors.keys() == {"name"}


def test_a_token_that_there_is_not_cannot_be_revoked(app: Flask) -> None:
    with pytest.raises(NotFound):
        api_tokens.revoke("nobody")


@pytest.mark.parametrize(
    "call",
    [
        lambda client, order: client.get(f"/orders/{order}"),
        lambda client, order: client.post(f"/orders/{order}/retry", "k"),
        lambda client, order: client.post(f"/orders/{order}/cancel", ""),
    ],
    ids=["get", "retry", "cancel"],
)
def test_an_order_of_somebody_else_looks_just_like_one_that_is_not_there(
    client: ApiClient, other_client: ApiClient, call: Callable[[ApiClient, str], FlaskClient]
) -> None:
    theirs = other_client.place().json["order"]
    bodies = []
    for order_id in (theirs["id"], str(uuid.uuid4()), theirs["id"][:-1], "1", f"{{{theirs['id']}}}", "%00"):
        problem = assert_problem(call(client, order_id), 404, "not_found")  # type: ignore[arg-type]
        bodies.append({name: value for name, value in problem.items() if name != "request_id"})

    assert all(body == bodies[0] for body in bodies)
    assert other_client.get(f"/orders/{theirs['id']}").json["order"] == theirs
    assert order_count() == 1


def test_an_order_of_the_shop_belongs_to_no_client(app: Flask, client: ApiClient) -> None:
    from orderapp.services.orders.request_schema import read_order
    from orderapp.services.placing.place import Placing

    placed = Placing(app.extensions["orderapp.settings"]).submit(read_order(order_content(), INPUTS), "k")

    assert_problem(client.get(f"/orders/{placed.order.id}"), 404, "not_found")
