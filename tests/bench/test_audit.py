"""The benchmark's audit finds what it is there to find."""

from __future__ import annotations

import json
from dataclasses import replace

from bench.audit import audit
from bench.load import Answered
from bench.stand_in import Books, StandIn
from bench.workload import SYSTEMS, submissions

KEYED = {"inventory": "reservations", "membership": "consumptions", "settlement": "settlements"}


def confirmed(number: str) -> Answered:
    """An answer with a confirmed order of this number; its submission's phone number is always the same."""
    return Answered(submissions(1)[0], 0.01, 201, json.dumps({"order": {"number": number}}).encode())


def call(books: Books, system: str, number: str) -> None:
    """Bring a system's effect about for an order."""
    content: dict[str, object] = {"order_ref": number, "reference": number}
    if system == "sms":
        books.answer("POST", "/2010-04-01/Accounts/AC0/Messages.json", "", b"To=%2B4915100000000")
    elif system == "coupon":
        books.answer("POST", "/v1/redemptions", "", json.dumps(content).encode())
    else:
        key = f"{number}:{system}"
        books.answer("POST", f"/v1/{KEYED[system]}", key, json.dumps(content).encode())


def books_of(number: str) -> Books:
    """Books with each effect of an order once."""
    books = Books()
    for system in SYSTEMS:
        call(books, system, number)
    return books


def found(books: Books, *answers: Answered) -> list[str]:
    """What the audit says."""
    return audit(list(answers), books.audit()["effects"])


def test_each_effect_once_is_right() -> None:
    assert found(books_of("A"), confirmed("A")) == []


def test_a_missing_effect_is_told() -> None:
    assert found(Books(), confirmed("A")) == [f"{system} has 0 effects of the confirmed order A" for system in SYSTEMS]


def test_a_double_effect_is_told() -> None:
    books = books_of("A")
    call(books, "coupon", "A")
    call(books, "sms", "A")
    assert found(books, confirmed("A")) == [
        f"{one} has 2 effects of the confirmed order A" for one in ("coupon", "sms")
    ]


def test_a_repeat_under_the_same_key_is_no_second_effect() -> None:
    books = books_of("A")
    call(books, "inventory", "A")
    assert found(books, confirmed("A")) == []
    assert books.audit()["repeats"] == 1


def test_an_effect_of_an_order_that_is_not_confirmed_is_told() -> None:
    books = books_of("A")
    call(books, "settlement", "B")
    refused = Answered(submissions(1)[0], 0.01, 503, json.dumps({"order": {"number": "B"}}).encode())
    assert found(books, confirmed("A"), refused) == ["settlement has 1 effects of B"]


def test_a_cancelled_effect_is_gone() -> None:
    books = books_of("A")
    for system, collection in KEYED.items():
        books.answer("POST", f"/v1/{collection}/A:{system}/cancel", "", b"{}")
    books.answer("POST", "/v1/redemptions/2/void", "", b"{}")
    assert found(books) == ["sms has 1 effects of +4915100000000"]


def test_an_order_without_a_coupon_has_no_effect_there() -> None:
    books = Books()
    for system in SYSTEMS:
        if system != "coupon":
            call(books, system, "A")
    (without,) = submissions(1, with_coupon=False)
    answer = Answered(without, 0.01, 201, b'{"order": {"number": "A"}}')
    assert found(books, answer) == []
    call(books, "coupon", "A")
    assert found(books, answer) == ["coupon has 1 effects of A"]


def test_why_an_order_is_not_confirmed_is_its_status_and_word() -> None:
    refused = Answered(submissions(1)[0], 0.01, 503, b'{"code": "overloaded"}')
    assert (refused.reason, replace(refused, status=0, body=b"").reason) == ("503 overloaded", "0")


def test_only_the_system_that_is_slow_takes_its_time() -> None:
    stand_in = StandIn()
    stand_in.answer("POST", "/bench/slow", "", b'{"coupon": 5}')
    for target, seconds in (("/v1/coupons/SPRING", 5), ("/v1/redemptions?reference=A", 5), ("/v1/members/M", 0)):
        assert stand_in.answer("GET", target, "", b"")[1] == seconds
    stand_in.answer("POST", "/bench/slow", "", b"{}")
    assert stand_in.answer("GET", "/v1/coupons/SPRING", "", b"")[1] == 0
