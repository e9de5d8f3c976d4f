"""What a system declares: what can't be kept is refused at the start, and the settings every system has."""

from __future__ import annotations

import re
from typing import ClassVar, Self

import pytest

from orderapp.domain.orders import Effect, OrderDocument, OrderRequest
from orderapp.domain.outcome import Answer, Finding, Outcome, Quote, Report
from orderapp.domain.retry import Backoff, Guarantee
from orderapp.errors import ConfigurationError
from orderapp.systems.base import Part, Repeats, System
from orderapp.systems.declarations import refuse_impossible
from orderapp.systems.registry import Systems, system_classes
from orderapp.systems.settings import Environment
from tests.systems.making import BACKOFF, KINDS, make


class Barest(System):
    """A system that can do no more than it must."""

    name: ClassVar[str] = "barest"
    title: ClassVar[str] = "Barest"
    part: ClassVar[Part] = Part.NOTIFY
    guarantee: ClassVar[Guarantee] = Guarantee.IDEMPOTENT

    @classmethod
    def from_environment(cls, env: Environment, backoff: Backoff) -> Self:
        return cls()

    def concerns(self, order: OrderRequest | OrderDocument) -> bool:
        return True

    def act(self, effect: Effect) -> Answer:
        return Answer(Outcome.DONE)

    def check(self) -> Answer:
        return Answer(Outcome.DONE)


class Undoable(Barest):
    def undo(self, effect: Effect, report: Report | None) -> Answer:
        return Answer(Outcome.DONE)


class Askable(Undoable):
    def ask(self, effect: Effect) -> Report:
        return Report(Finding.ABSENT, Answer(Outcome.DONE))


class Quoting(Undoable):
    def quote(self, request: OrderRequest) -> Quote | None:
        return None


def declared(base: type[Barest], **attributes: object) -> System:
    """Make a system of a class that declares something else."""
    return type("Declared", (base,), attributes).from_environment(Environment({}, production=True), BACKOFF)


QUERY_FIRST = {"guarantee": Guarantee.QUERY_FIRST, "calls_per_run": 2}
IMPOSSIBLE: list[tuple[str, type[Barest], dict[str, object]]] = [
    ("has to be compensable (undo)", Barest, {"part": Part.BLOCKING}),
    ("has to be compensable (undo)", Barest, {"part": Part.SETTLE}),
    ("an unsafe system can't block", Askable, {"part": Part.BLOCKING, "guarantee": Guarantee.UNSAFE}),
    ("query_first without a query (ask)", Undoable, {"part": Part.BLOCKING, **QUERY_FIRST}),
    ("query_first without a query (ask)", Barest, {**QUERY_FIRST}),
    ("takes two calls a run", Askable, {"part": Part.BLOCKING, "guarantee": Guarantee.QUERY_FIRST}),
    ("can't be repeated, it isn't idempotent", Askable, {**QUERY_FIRST, "repeats": Repeats(unknown=1)}),
    ("can't be repeated, it isn't idempotent", Barest, {"guarantee": Guarantee.UNSAFE, "repeats": Repeats(unknown=1)}),
    ("only a blocking system is asked for discounts (quote)", Quoting, {"part": Part.SETTLE}),
    ("only a blocking system is asked for discounts (quote)", Quoting, {"part": Part.NOTIFY}),
    *(
        ("one lower-case word of at most 20 characters", Barest, {"name": name})
        for name in ("", "Loyalty", "loyalty points", "loyalty_points", "loyalty:points", "2fast", "x" * 21, "päckchen")
    ),
]
POSSIBLE: list[tuple[type[Barest], dict[str, object]]] = [
    (Barest, {}),
    (Barest, {"guarantee": Guarantee.UNSAFE}),
    (Undoable, {"part": Part.SETTLE}),
    (Undoable, {"part": Part.SETTLE, "guarantee": Guarantee.UNSAFE}),
    (Undoable, {"part": Part.BLOCKING, "repeats": Repeats(not_sent=2, unknown=2)}),
    (Askable, {"part": Part.BLOCKING, **QUERY_FIRST, "repeats": Repeats(not_sent=1)}),
    (Quoting, {"part": Part.BLOCKING, "name": "x" * 20}),
]


@pytest.mark.parametrize(("reason", "base", "attributes"), IMPOSSIBLE)
def test_a_declaration_that_cannot_be_kept_is_refused(
    reason: str, base: type[Barest], attributes: dict[str, object]
) -> None:
    system = declared(base, **attributes)
    with pytest.raises(ConfigurationError, match=rf"^system {system.name}: .*{re.escape(reason)}"):
        refuse_impossible(system)


@pytest.mark.parametrize(("base", "attributes"), POSSIBLE)
def test_a_declaration_that_can_be_kept_is_taken(base: type[Barest], attributes: dict[str, object]) -> None:
    refuse_impossible(declared(base, **attributes))


@pytest.mark.parametrize(
    ("outcome", "times"), [(Outcome.NOT_SENT, 2), (Outcome.UNKNOWN, 3), (Outcome.DONE, 0), (Outcome.REFUSED, 0)]
)
def test_only_failures_are_repeated_and_as_often_as_declared(outcome: Outcome, times: int) -> None:
    assert Repeats(not_sent=2, unknown=3).allowed(outcome) == times


def test_by_default_nothing_is_repeated_while_the_customer_waits() -> None:
    assert [Repeats().allowed(outcome) for outcome in Outcome] == [0, 0, 0, 0]


def test_a_system_that_cannot_be_asked_or_undone_says_so_instead_of_pretending() -> None:
    system, effect = declared(Barest), Effect("K", None)  # type: ignore[arg-type]
    assert [system.can(verb) for verb in ("ask", "undo", "quote")] == [False] * 3
    with pytest.raises(NotImplementedError, match="can't be asked"):
        system.ask(effect)
    with pytest.raises(NotImplementedError, match="can't be undone"):
        system.undo(effect, None)


# Every system there is


def test_no_two_systems_have_one_name_and_all_are_found_in_their_declared_order() -> None:
    assert len({kind.name for kind in KINDS}) == len(KINDS)
    assert [(kind.position, kind.name) for kind in KINDS] == sorted((kind.position, kind.name) for kind in KINDS)
    assert system_classes() is system_classes()


def test_a_process_makes_them_all_and_takes_part_only_in_what_is_configured() -> None:
    systems = Systems.from_environment(Environment({}, production=True), BACKOFF)
    assert list(systems) == [kind.name for kind in KINDS]
    assert len(systems) == len(KINDS)
    assert [system for part in Part for system in systems.having(part)] == []
    inventory = Systems.from_environment(Environment({"INVENTORY_URL": "https://h"}, production=True), BACKOFF)
    assert [system.name for system in inventory.having(Part.BLOCKING)] == ["inventory"]


EVERY_SYSTEM = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)


def prefix_of(kind: type[System]) -> str:
    return "SMTP" if kind.name == "email" else kind.name.upper()


def scheme_of(kind: type[System], *, encrypted: bool) -> str:
    return ("smtp" if kind.name == "email" else "http") + ("s" if encrypted else "")


@EVERY_SYSTEM
def test_what_a_system_declares_can_be_kept(kind: type[System]) -> None:
    refuse_impossible(make(kind))
    assert kind.title
    assert kind.title != kind.name
    assert kind.calls_per_run >= 1


@EVERY_SYSTEM
@pytest.mark.parametrize(
    ("timeout", "call_seconds"), [("", 4), ("1,3", 4), (" 0.5 , 2 ", 2.5), ("0.01,0.01", 0.02), ("60,60", 120)]
)
def test_a_call_takes_no_longer_than_its_two_time_outs(kind: type[System], timeout: str, call_seconds: float) -> None:
    assert make(kind, **{f"{prefix_of(kind)}_TIMEOUT": timeout}).call_seconds == pytest.approx(call_seconds)


@EVERY_SYSTEM
@pytest.mark.parametrize("timeout", ["1", "1,3,5", "1;3", "a,b", "0,3", "1,0", "-1,3", "1,61", "nan,3", "1,inf", "1,"])
def test_a_wrong_time_out_is_refused_by_its_name(kind: type[System], timeout: str) -> None:
    name = f"{prefix_of(kind)}_TIMEOUT"
    with pytest.raises(ConfigurationError, match=rf"^{name}: "):
        make(kind, **{name: timeout})


@EVERY_SYSTEM
@pytest.mark.parametrize("address", ["inventory.example", "ftp://host", "file:///etc/passwd", "https://", "//host"])
def test_a_wrong_address_is_refused_by_its_name(kind: type[System], address: str) -> None:
    name = f"{prefix_of(kind)}_URL"
    with pytest.raises(ConfigurationError, match=rf"^{name}: "):
        make(kind, **{name: address})


@EVERY_SYSTEM
def test_an_unencrypted_address_of_another_host_needs_its_own_switch(kind: type[System]) -> None:
    prefix, plain = prefix_of(kind), f"{scheme_of(kind, encrypted=False)}://partner.example"
    with pytest.raises(ConfigurationError, match=rf"^{prefix}_URL: .*{prefix}_ALLOW_UNENCRYPTED=1"):
        make(kind, **{f"{prefix}_URL": plain})
    for variables in (
        {f"{prefix}_URL": plain, f"{prefix}_ALLOW_UNENCRYPTED": "1"},
        {f"{prefix}_URL": f"{scheme_of(kind, encrypted=True)}://partner.example"},
        {f"{prefix}_URL": f"{scheme_of(kind, encrypted=False)}://127.0.0.1:9"},
        {f"{prefix}_URL": f"{scheme_of(kind, encrypted=False)}://[::1]:9"},
        {f"{prefix}_URL": f"{scheme_of(kind, encrypted=False)}://localhost"},
    ):
        assert make(kind, **variables).configured


@EVERY_SYSTEM
def test_how_fast_its_tasks_are_repeated_can_be_refined_for_each_system(kind: type[System]) -> None:
    prefix = prefix_of(kind)
    assert make(kind).backoff == BACKOFF
    names = {f"{prefix}_RETRY_BASE_SECONDS": "0.5", f"{prefix}_RETRY_MAX_SECONDS": "9", f"{prefix}_RETRY_ATTEMPTS": "3"}
    assert make(kind, **names).backoff == Backoff(0.5, 9, 3)
    with pytest.raises(ConfigurationError, match=rf"^{prefix}_RETRY_BASE_SECONDS: .*{prefix}_RETRY_MAX_SECONDS"):
        make(kind, **{f"{prefix}_RETRY_BASE_SECONDS": "10", f"{prefix}_RETRY_MAX_SECONDS": "9"})
