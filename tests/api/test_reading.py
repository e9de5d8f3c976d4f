"""What hostile and careless clients send: refused with a 4xx, nothing recorded, nobody else kept waiting."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest

from tests.api.conftest import ApiClient, assert_problem, order_content, order_count

GOOD = json.dumps(order_content())
JSON = "application/json"


def changed(**members: Any) -> str:
    return json.dumps({**order_content(), **members})


def with_quantity(text: str) -> str:
    return GOOD.replace('"quantity": 2', f'"quantity": {text}')


def with_name(text: str) -> str:
    return GOOD.replace('"Ada Lovelace"', text)


HOSTILE = {
    "empty": "",
    "not json": "sku=TEA-GREEN&quantity=2",
    "cut off": GOOD[:-1],
    "something after it": GOOD + "{}",
    "bytes that are not UTF-8": with_name('"\udcff\udcfe"'),
    "UTF-16": GOOD.encode("utf-16").decode("utf-8", "surrogateescape"),
    "byte order mark": "\ufeff" + GOOD,
    "array": "[]",
    "string": '"order"',
    "null": "null",
    "number": "1",
    "NaN": with_quantity("NaN"),
    "Infinity": with_quantity("-Infinity"),
    "number beyond floats": with_quantity("1e999"),
    "integer of 5000 digits": with_quantity("9" * 5000),
    "integer of 4000 digits": with_quantity("9" * 4000),
    "integer beyond 64 bits": with_quantity(str(2**63)),
    "too many pieces": with_quantity("1000000000"),
    "no pieces": with_quantity("0"),
    "fewer than none": with_quantity("-1"),
    "part of a piece": with_quantity("1.9"),
    "pieces as float": with_quantity("2.0"),
    "pieces as text": with_quantity('"3"'),
    "pieces as boolean": with_quantity("true"),
    "pieces as null": with_quantity("null"),
    "member twice": GOOD.replace('"quantity": 2', '"quantity": 2, "quantity": 1'),
    "customer twice": GOOD[:-1] + ', "customer": {"name": "Eve", "email": "eve@example.com"}}',
    "100,000 deep": "[" * 100_000 + "]" * 100_000,
    "100,000 deep objects": '{"a":' * 40_000 + "1" + "}" * 40_000,
    "900 deep": changed(coupon=json.loads("[" * 900 + "]" * 900)),
    "no lines": changed(lines=[]),
    "lines as object": changed(lines={"sku": "TEA-GREEN", "quantity": 1}),
    "lines of text": changed(lines=["TEA-GREEN"]),
    "501 lines": changed(lines=[{"sku": f"S{number}", "quantity": 1} for number in range(501)]),
    "too many pieces in several lines": changed(lines=[{"sku": "TEA-GREEN", "quantity": 600}] * 2),
    "price": changed(price=1),
    "total": changed(total={"value": 1, "currency": "EUR"}),
    "discount": changed(discounts=[]),
    "state": changed(state="confirmed"),
    "id": changed(id="00000000-0000-0000-0000-000000000000"),
    "price of a line": changed(lines=[{"sku": "TEA-GREEN", "quantity": 1, "price": {"value": 1, "currency": "EUR"}}]),
    "role of the customer": changed(customer={"name": "Ada", "email": "ada@example.com", "role": "admin"}),
    "no customer": json.dumps({"lines": order_content()["lines"]}),
    "customer as text": changed(customer="Ada"),
    "empty name": with_name('""'),
    "blank name": with_name('"   "'),
    "long name": with_name(f'"{"n" * 201}"'),
    "name as number": with_name("7"),
    "NUL": with_name('"Ada\\u0000Lovelace"'),
    "line break in the name": with_name('"Ada\\r\\nBcc: eve@example.com"'),
    "escape sequence in the name": with_name('"Ada\\u001b[31m"'),
    "half a character": with_name('"Ada\\ud800"'),
    "half a character as a member": GOOD[:-1] + ', "\\ud800": 1}',
    "line break in the address": changed(customer={"name": "Ada", "email": "a@b.example\r\nBcc: x@y.example"}),
    "no address": changed(customer={"name": "Ada", "email": "ada"}),
    "line break in the phone number": changed(customer={"name": "A", "email": "a@example.com", "phone": "+1\n2"}),
    "phone number without country": changed(customer={"name": "A", "email": "a@example.com", "phone": "030 901820"}),
    "premium number": changed(customer={"name": "A", "email": "a@example.com", "phone": "+1 900 555 0100"}),
    "number that can't be dialled": changed(customer={"name": "A", "email": "a@example.com", "phone": "+49112"}),
    "link in the name": with_name('"Ada, see https://evil.example/x"'),
    "direction mark in the name": with_name('"Ada\\u202eecalevoL"'),
    "long mailbox": changed(customer={"name": "A", "email": f"{'a' * 65}@example.com"}),
    "long code": changed(coupon="C" * 65),
    "code that leads elsewhere": changed(coupon="../members/M-1001"),
    "benefit without a member": changed(benefit="VIP5"),
    "long sku": changed(lines=[{"sku": "S" * 65, "quantity": 1}]),
    "unknown word for duplicate": changed(duplicate="yes"),
}


@pytest.mark.parametrize("body", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_content_is_refused_and_nothing_recorded(client: ApiClient, body: str) -> None:
    raw = body.encode("utf-8", "surrogateescape")
    answer = client.post("/orders", data=raw, content_type=JSON)

    problem = assert_problem(answer, 400, "invalid_request")
    assert problem["errors"]
    assert order_count() == 0


@pytest.mark.parametrize(
    "content_type",
    [None, "text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/json", "json"],
)
def test_a_body_that_is_not_declared_as_json_is_refused(client: ApiClient, content_type: str | None) -> None:
    answer = client.post("/orders", data=GOOD.encode(), content_type=content_type)

    assert_problem(answer, 415, "unsupported_media_type")
    assert order_count() == 0


@pytest.mark.parametrize("content_type", ["application/json; charset=utf-8", "Application/JSON"])
def test_json_may_be_declared_in_other_spellings(client: ApiClient, content_type: str) -> None:
    assert client.post("/orders", data=GOOD.encode(), content_type=content_type).status_code == 201


def test_a_body_of_two_mebibytes_is_refused(client: ApiClient) -> None:
    answer = client.post("/orders", data=b" " * 2_097_152, content_type=JSON)

    assert_problem(answer, 413, "content_too_large")


def test_a_body_that_does_not_say_how_long_it_is_is_no_way_around_that(client: ApiClient) -> None:
    endless = io.BytesIO(GOOD.encode() + b" " * 2_097_152)
    chunked = {"wsgi.input_terminated": True, "HTTP_TRANSFER_ENCODING": "chunked", "CONTENT_TYPE": JSON}
    answer = client.post("/orders", input_stream=endless, environ_overrides=chunked)

    assert_problem(answer, 413, "content_too_large")
    assert order_count() == 0


def test_the_largest_order_there_can_be_is_read(client: ApiClient) -> None:
    lines = [{"sku": "\U0001f375" * 60 + f"{number}", "quantity": 1000} for number in range(100)]
    problem = assert_problem(client.place(lines=lines), 400, "invalid_request")

    assert len(problem["errors"]) == 100
    assert problem["errors"]["lines.0.sku"] == ["This product isn't sold here."]


NAMES = ("Zoë O'Brien-Łukasiewicz", "李小龍", "' OR 1=1--", "<b>Bob</b>", "{{7*7}}", "𝒜da 🍵")


@pytest.mark.parametrize("name", NAMES)
def test_whatever_people_are_called_they_can_order(client: ApiClient, name: str) -> None:
    assert client.place(customer={"name": name}).status_code == 201


def test_parameters_in_the_address_change_nothing(client: ApiClient) -> None:
    answer = client.post("/orders?coupon=WELCOME10&coupon=FIVEOFF&quantity=9", json=order_content())

    assert answer.json["order"]["discounts"] == []
    assert answer.json["order"]["total"]["value"] == 2 * 790
