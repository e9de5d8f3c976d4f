"""What those who run the product ask of a process."""

from __future__ import annotations

import pytest
from flask import Flask
from prometheus_client.parser import text_string_to_metric_families

from orderapp.extensions import db
from orderapp.models import Base
from orderapp.services.engine.outbox import due_hints
from orderapp.services.engine.run_task import run_task
from tests.api.conftest import ApiClient, assert_problem
from tests.sandbox.calls import INVENTORY
from tests.sandbox.running import RunningSandbox
from tests.services.listening import reconciled
from tests.services.shop import Shop

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def samples(client: ApiClient, **kwargs: object) -> Samples:
    answer = client.http.get("/metrics", **kwargs)  # type: ignore[arg-type]
    assert answer.status_code == 200
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def value(found: Samples, name: str, **labels: str) -> float | None:
    return found.get((name, frozenset(labels.items())))


def test_a_process_that_runs_is_alive_whatever_its_database_does(anonymous: ApiClient) -> None:
    Base.metadata.drop_all(db.engine)

    assert anonymous.http.get("/healthz").status_code == 200


def test_it_is_ready_while_the_database_can_be_used(anonymous: ApiClient) -> None:
    assert anonymous.http.get("/readyz").status_code == 200

    Base.metadata.drop_all(db.engine)

    answer = anonymous.http.get("/readyz")
    assert answer.status_code == 503
    assert answer.json["reasons"] == ["the database has no tables of ours yet (flask db upgrade)"]


def test_the_circuit_of_each_system_is_among_the_numbers(client: ApiClient) -> None:
    text = client.http.get("/metrics").text
    assert 'orderapp_circuit{state="closed",system="inventory"} 1.0' in text
    assert 'orderapp_circuit{state="open",system="inventory"} 0.0' in text


def test_the_reasons_for_not_being_ready_name_no_host_and_no_address(free_port: int) -> None:
    from orderapp import create_app

    url = f"postgresql+psycopg://keeper:hidden@127.0.0.1:{free_port}/ledger"
    app = create_app({"ORDERAPP_MODE": "development", "DATABASE_URL": url})
    client = app.test_client()

    answer = client.get("/readyz")

    assert answer.status_code == 503
    assert answer.json == {"status": "unavailable", "reasons": ["the database can't be used"]}
    assert client.get("/healthz").status_code == 200
    assert "orderapp_database_usable 0.0" in client.get("/metrics").text
    answer = client.get("/api/v1/products", headers={"Authorization": "Bearer some-token"})
    assert_problem(answer, 503, "database_unavailable")
    assert not {"keeper", "hidden", "127.0.0.1", "ledger"} & set(answer.text.split())


def test_the_numbers_tell_what_is_not_finished_and_how_the_systems_answer(
    client: ApiClient, sandbox: RunningSandbox
) -> None:
    client.place()
    sandbox.fault("inventory", "error_after", scope="do")
    assert client.place(customer={"email": "grace@example.com"}).status_code == 503

    found = samples(client)

    assert value(found, "orderapp_database_usable") == 1
    assert value(found, "orderapp_tasks", kind="settle", system="settlement", state="waiting") == 1
    assert value(found, "orderapp_tasks", kind="compensate", system="inventory", state="waiting") == 1
    assert value(found, "orderapp_orders", state="compensating") == 1
    assert value(found, "orderapp_orders", state="placing") == 0
    assert value(found, "orderapp_recent_attempts", system="inventory", outcome="done") == 1
    assert (value(found, "orderapp_recent_attempts", system="inventory", outcome="unknown") or 0) >= 1
    assert 0 <= (value(found, "orderapp_oldest_due_task_age_seconds") or 0) < 60
    assert value(found, "process_resident_memory_bytes")


def test_the_numbers_tell_of_effects_that_are_not_as_our_rows_say(
    client: ApiClient, app: Flask, sandbox: RunningSandbox
) -> None:
    number = client.place().json["order"]["number"]
    settings = app.extensions["orderapp.settings"]
    for hint in due_hints(settings):
        run_task(hint.task_id, settings)
    INVENTORY.cancel(sandbox, f"{number}:1:inventory").raise_for_status()
    reconciled(Shop(app, settings))

    assert value(samples(client), "orderapp_open_mismatches", system="inventory", kind="missing_effect") == 1


def test_the_numbers_are_for_this_machine_alone(anonymous: ApiClient) -> None:
    for address in ("127.0.0.1", "127.8.9.1", "::1"):
        assert samples(anonymous, environ_base={"REMOTE_ADDR": address})
    for address in ("192.0.2.7", "10.0.0.1", "2001:db8::1", ""):
        assert anonymous.http.get("/metrics", environ_base={"REMOTE_ADDR": address}).status_code == 403


def test_what_a_proxy_on_this_machine_hands_on_does_not_come_from_it(anonymous: ApiClient) -> None:
    for name in ("X-Forwarded-For", "Forwarded", "X-Real-Ip", "Via"):
        assert anonymous.http.get("/metrics", headers={name: "127.0.0.1"}).status_code == 403


@pytest.mark.parametrize("more_settings", [{"TRUSTED_PROXIES": "1"}])
def test_behind_a_proxy_of_ours_its_word_on_the_address_counts(anonymous: ApiClient) -> None:
    assert samples(anonymous, headers={"X-Forwarded-For": "192.0.2.7, 127.0.0.1"})
    forged = {"X-Forwarded-For": "127.0.0.1, 192.0.2.7"}
    assert anonymous.http.get("/metrics", headers=forged).status_code == 403


@pytest.mark.parametrize("more_settings", [{"TRUSTED_PROXIES": "2"}])
def test_a_proxy_of_ours_that_does_not_say_for_whom_it_asks_is_not_this_machine(anonymous: ApiClient) -> None:
    assert samples(anonymous, headers={"X-Forwarded-For": "127.0.0.1, 10.0.0.1"})
    for told in ({}, {"X-Forwarded-For": "127.0.0.1"}, {"X-Forwarded-For": " , 127.0.0.1"}):
        assert anonymous.http.get("/metrics", headers=told).status_code == 403, told


@pytest.mark.parametrize("more_settings", [{"METRICS_TOKEN": "let-me-see"}])
def test_with_the_token_the_numbers_are_shown_anywhere(app: Flask, anonymous: ApiClient) -> None:
    elsewhere = {"REMOTE_ADDR": "192.0.2.7"}
    token = {"Authorization": "Bearer let-me-see"}
    assert samples(anonymous, environ_base=elsewhere, headers=token)
    for wrong in ("Bearer let-me-se", "Bearer let-me-seee", "Bearer ", "Basic bGV0LW1lLXNlZTo=", "let-me-see", ""):
        answer = anonymous.http.get("/metrics", environ_base=elsewhere, headers={"Authorization": wrong})
        assert answer.status_code == 403, wrong
    assert anonymous.http.get("/metrics?token=let-me-see", environ_base=elsewhere).status_code == 403


def test_without_a_token_set_none_opens_anything(anonymous: ApiClient) -> None:
    elsewhere = {"REMOTE_ADDR": "192.0.2.7"}
    for sent in ("Bearer ", "Bearer x"):
        headers = {"Authorization": sent}
        assert anonymous.http.get("/metrics", environ_base=elsewhere, headers=headers).status_code == 403


def test_the_numbers_hold_no_personal_data(client: ApiClient, token: str) -> None:
    client.place(coupon="WELCOME10", customer={"name": "Canary Bird", "email": "canary@example.com"})

    text = client.http.get("/metrics").text

    assert not [secret for secret in ("Canary", "canary@", "WELCOME10", token, "webshop") if secret in text]
