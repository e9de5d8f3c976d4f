"""The description is valid, complete, and what the API really does."""

from __future__ import annotations

import itertools
from collections import Counter
from typing import Any

import hypothesis
import pytest
import schemathesis
from flask import Flask
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)

from orderapp.api.description import describe
from orderapp.seller import Seller
from tests.api.conftest import ApiClient
from tests.inputs import INPUTS

SOME = hypothesis.settings(
    max_examples=25,  # a few seconds in all; more have found nothing that these don't
    deadline=None,
    derandomize=True,  # the same examples for everybody: a failure can be repeated
    suppress_health_check=list(hypothesis.HealthCheck),
)

CHECKS = [
    schemathesis.checks.not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    negative_data_rejection,
    unsupported_method,
]


@pytest.fixture
def described(app: Flask) -> Any:
    """The API as a program sees it that knows nothing but its description."""
    return schemathesis.openapi.from_wsgi("/api/v1/openapi.json", app)


CASES = [
    pytest.param(path, method.upper(), mode, id=f"{operation['operationId']}-{mode.value}")
    for path, operations in describe(tuple(INPUTS.values()), Seller("Tea shop"))["paths"].items()
    for method, operation in operations.items()
    for mode in GenerationMode
    # Where there is neither a token nor a parameter, nothing can be sent wrong.
    if mode is GenerationMode.POSITIVE or operation.get("security") != []
]


def test_the_description_is_open_to_everybody(anonymous: ApiClient) -> None:
    answer = anonymous.get("/openapi.json")

    assert (answer.status_code, answer.mimetype) == (200, "application/json")
    assert answer.json["openapi"].startswith("3.1")


def test_the_description_is_valid_and_names_every_address(app: Flask, anonymous: ApiClient, described: Any) -> None:
    described.validate()
    rules = {rule.rule.replace("<", "{").replace(">", "}") for rule in app.url_map.iter_rules() if "/api/" in rule.rule}
    assert anonymous.get("/openapi.json").json["paths"].keys() == rules


def test_every_error_is_described_as_a_problem(anonymous: ApiClient) -> None:
    for path, operations in anonymous.get("/openapi.json").json["paths"].items():
        for operation in operations.values():
            for status, response in operation["responses"].items():
                expected = "application/json" if status < "400" else "application/problem+json"
                assert response["content"].keys() == {expected}, (path, status)


@pytest.mark.parametrize(("path", "method", "mode"), CASES)
def test_whatever_a_program_sends_is_answered_as_described(
    described: Any, token: str, path: str, method: str, mode: GenerationMode
) -> None:
    @hypothesis.given(case=described[path][method].as_strategy(generation_mode=mode))
    @SOME
    def answers_as_described(case: Any) -> None:
        case.call_and_validate(headers={"Authorization": f"Bearer {token}"}, checks=CHECKS)

    answers_as_described()


def test_whatever_is_ordered_of_what_is_for_sale_is_answered_as_described(described: Any, token: str) -> None:
    statuses: Counter[int] = Counter()

    def for_sale(case: Any) -> Any:
        case.body["customer"].update(name="Ada", email="ada@example.com", phone="", member_ref="")
        case.body.update(coupon="", benefit="")
        for line, sku in zip(case.body["lines"], itertools.cycle(("TEA-GREEN", "POT-CAST")), strict=False):
            line.update(sku=sku, quantity=int(line["quantity"]) % 9 + 1)
        return case

    @hypothesis.given(case=described["/api/v1/orders"]["POST"].as_strategy().map(for_sale))
    @SOME
    def answers_as_described(case: Any) -> None:
        response = case.call_and_validate(headers={"Authorization": f"Bearer {token}"}, checks=CHECKS)
        statuses[response.status_code] += 1

    answers_as_described()

    assert statuses[201]


def test_every_answer_of_an_orders_life_is_as_described(client: ApiClient, described: Any) -> None:
    place, show, cancel = (
        described[path][method]
        for path, method in (
            ("/api/v1/orders", "POST"),
            ("/api/v1/orders/{order_id}", "GET"),
            ("/api/v1/orders/{order_id}/cancel", "POST"),
        )
    )
    placed = client.place("k", coupon="WELCOME10")
    shown = f"/orders/{placed.json['order']['id']}"
    place.validate_response(placed)
    place.validate_response(client.place("k", coupon="WELCOME10"))
    place.validate_response(client.place(coupon="WELCOME10"))
    place.validate_response(client.place("k"))
    place.validate_response(client.place(sku="SCALE-01"))
    place.validate_response(client.place(""))
    show.validate_response(client.get(shown))
    cancel.validate_response(client.post(f"{shown}/cancel"))
