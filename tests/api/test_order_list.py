"""A client's own orders: filtered, paged, newest first."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from flask import Flask

from orderapp.services.access import api_tokens
from tests.api.conftest import ApiClient, assert_problem


def numbers(answer: Any) -> list[str]:
    assert answer.status_code == 200, answer.text
    return [order["number"] for order in answer.json["orders"]]


@pytest.fixture
def placed(client: ApiClient) -> list[dict[str, Any]]:
    """Five orders of two customers, oldest first; the last one is cancelled."""
    orders = [
        client.place(quantity=number + 1, customer={"email": f"{'ada' if number % 2 else 'Bob'}@example.com"}).json[
            "order"
        ]
        for number in range(5)
    ]
    client.post(f"/orders/{orders[-1]['id']}/cancel", json={})
    return orders


def test_they_are_answered_newest_first_and_whole(client: ApiClient, placed: list[dict[str, Any]]) -> None:
    answer = client.get("/orders")
    assert numbers(answer) == [order["number"] for order in reversed(placed)]
    assert answer.json["next"] is None
    for order in answer.json["orders"]:
        assert client.get(f"/orders/{order['id']}").json["order"] == order


def test_pages_follow_each_other_without_a_gap_although_orders_come_in_between(
    client: ApiClient, placed: list[dict[str, Any]]
) -> None:
    first = client.get("/orders?limit=2")
    client.place(quantity=9)
    second = client.get(f"/orders?limit=2&cursor={first.json['next']}")
    third = client.get(f"/orders?limit=2&cursor={second.json['next']}")
    assert numbers(first) + numbers(second) + numbers(third) == [order["number"] for order in reversed(placed)]
    assert third.json["next"] is None


def test_filters_narrow_them_together(client: ApiClient, placed: list[dict[str, Any]]) -> None:
    assert len(numbers(client.get("/orders?state=confirmed"))) == 4
    assert numbers(client.get("/orders?email=BOB@example.com&state=confirmed")) == [
        placed[2]["number"],
        placed[0]["number"],
    ]
    assert numbers(client.get(f"/orders?number={placed[1]['number'].lower().replace('-', '')}")) == [
        placed[1]["number"]
    ]
    assert numbers(client.get("/orders?email=nobody@example.com")) == []


def test_times_are_from_and_before(client: ApiClient, placed: list[dict[str, Any]]) -> None:
    begin, end = placed[1]["created_at"], placed[3]["created_at"]
    found = numbers(client.get("/orders", query_string={"created_from": begin, "created_to": end}))
    assert found == [placed[2]["number"], placed[1]["number"]]
    later = (dt.datetime.now(dt.UTC) + dt.timedelta(hours=1)).isoformat()
    assert numbers(client.get("/orders", query_string={"created_from": later})) == []


def test_nobody_sees_the_orders_of_others(client: ApiClient, app: Flask, placed: list[dict[str, Any]]) -> None:
    with app.app_context():
        other = ApiClient(app.test_client(), api_tokens.create("other"))
    assert numbers(other.get("/orders")) == []
    assert numbers(other.get(f"/orders?number={placed[0]['number']}")) == []
    cursor = client.get("/orders?limit=1").json["next"]
    assert numbers(other.get(f"/orders?cursor={cursor}")) == []


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("state=unknown", "state"),
        ("created_from=yesterday", "created_from"),
        ("created_to=2026-11-29T10:00:00", "created_to"),
        ("limit=0", "limit"),
        ("limit=201", "limit"),
        ("limit=x", "limit"),
        ("cursor=x", "cursor"),
        ("cursor=MjAyNi0xMS0yOQ==", "cursor"),
        ("cursor=%FF", "cursor"),
        ("email=", "email"),
        ("number=" + "7" * 33, "number"),
        ("status=confirmed", "status"),
        ("state=confirmed&state=failed", "state"),
    ],
)
def test_what_cannot_be_asked_is_refused_by_name(client: ApiClient, query: str, field: str) -> None:
    problem = assert_problem(client.get(f"/orders?{query}"), 400, "invalid_request")
    assert list(problem["errors"]) == [field]
