"""What calls do with their connections, and what they don't do: follow, remember, listen to the environment."""

from __future__ import annotations

import itertools
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from orderapp.domain.outcome import Outcome
from orderapp.systems.http import MAX_IDLE_SECONDS
from orderapp.systems.inventory import Inventory
from tests.systems.making import TOKEN, effect_for
from tests.systems.misbehaving_servers import (
    EFFECT,
    IMPATIENT,
    RESERVED,
    answers_well,
    cuts,
    cuts_a_chunk,
    cuts_after_the_head,
    drips_its_body,
    floods,
    inventory,
    reserve,
    says_less_than_it_promised,
    stalls_after_the_head,
)
from tests.systems.raw_server import Talk, http_answer, serving


@pytest.mark.parametrize("status", ["301 Moved Permanently", "302 Found", "303 See Other", "307 Temporary Redirect"])
def test_no_redirect_is_followed(status: str) -> None:
    with serving(answers_well) as elsewhere:

        def redirects(talk: Talk) -> None:
            talk.read_request()
            talk.say(http_answer(b"", status, f"Location: {elsewhere.url}/v1/reservations"))

        with serving(redirects) as server:
            assert reserve(server.url).outcome is Outcome.UNKNOWN
            assert (len(server.talks), len(elsewhere.talks)) == (1, 0)


def test_no_cookie_is_kept() -> None:
    requests: list[bytes] = []

    def talk(talk: Talk) -> None:
        while True:
            requests.append(talk.read_request())
            talk.say(http_answer(RESERVED, "200 OK", "Set-Cookie: session=stolen; Path=/"))

    with serving(talk) as server:
        system = inventory(server.url)
        for _ in range(2):
            assert system.act(EFFECT).outcome is Outcome.DONE
    assert len(requests) == 2
    assert b"cookie" not in requests[1].lower()


def test_the_environment_neither_adds_a_proxy_nor_a_password(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    requests: list[bytes] = []

    def talk(talk: Talk) -> None:
        requests.append(talk.read_request())
        talk.say(http_answer(RESERVED))

    (tmp_path / "netrc").write_text("machine 127.0.0.1 login somebody password else\n")
    (tmp_path / "netrc").chmod(0o600)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    with serving(answers_well) as proxy, serving(talk) as server:
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url)
            monkeypatch.setenv(name.lower(), proxy.url)
        monkeypatch.setenv("NO_PROXY", "")
        assert reserve(server.url).outcome is Outcome.DONE
        assert len(proxy.talks) == 0
    assert f"Authorization: Bearer {TOKEN}\r\n".encode() in requests[0]


# Connections


def test_a_connection_is_used_again_while_it_is_fresh() -> None:
    with serving(answers_well) as server:
        system = inventory(server.url)
        for _ in range(5):
            assert system.act(EFFECT).outcome is Outcome.DONE
        assert len(server.talks) == 1


def test_a_connection_that_was_idle_for_long_is_not_used_again() -> None:
    """A server may be closing it at that very moment, and what came of the request would be unknown."""
    second_request = threading.Event()

    def talk(talk: Talk) -> None:
        talk.read_request()
        talk.say(http_answer(RESERVED))
        if talk.number == 1:
            # Too late to be seen before the next call is under way: reads it and cuts the connection.
            talk.read_request()
            second_request.set()
            talk.reset()

    with serving(talk) as server:
        system = inventory(server.url)
        assert system.act(EFFECT).outcome is Outcome.DONE
        time.sleep(MAX_IDLE_SECONDS + 0.05)  # the time itself is what is tested
        assert system.act(EFFECT).outcome is Outcome.DONE
        assert len(server.talks) == 2
        assert not second_request.is_set()


def test_a_connection_that_the_server_has_closed_is_replaced() -> None:
    closed = threading.Event()

    def talk(talk: Talk) -> None:
        talk.read_request()
        talk.say(http_answer(RESERVED))
        talk.connection.close()
        closed.set()

    with serving(talk) as server:
        system = inventory(server.url)
        for _ in range(3):
            assert system.act(EFFECT).outcome is Outcome.DONE
            assert closed.wait(5)
            closed.clear()
        assert len(server.talks) == 3


@pytest.mark.parametrize("talk", [stalls_after_the_head, drips_its_body, floods("200 OK"), cuts_after_the_head])
def test_after_a_call_that_failed_the_next_one_has_a_connection_of_its_own(talk: Callable[[Talk], None]) -> None:
    def fails_once(one: Talk) -> None:
        (talk if one.number == 1 else answers_well)(one)

    with serving(fails_once) as server:
        system = inventory(server.url, IMPATIENT)
        assert [system.act(EFFECT).outcome for _ in range(2)] == [Outcome.UNKNOWN, Outcome.DONE]


def test_calls_that_fail_leave_no_connection_behind() -> None:
    talks = itertools.cycle([cuts, says_less_than_it_promised, floods("200 OK"), cuts_a_chunk])
    with serving(lambda talk: next(talks)(talk)) as server:
        system = inventory(server.url)
        system.act(EFFECT)
        before = len(os.listdir("/proc/self/fd"))
        for _ in range(20):
            assert system.act(EFFECT).outcome is Outcome.UNKNOWN
        server.stop()
        assert len(os.listdir("/proc/self/fd")) <= before + 1


def test_each_thread_has_connections_and_a_deadline_of_its_own() -> None:
    """Three threads call at the same time: one is answered, one stalls, one is answered late but in time."""
    together = threading.Barrier(3, timeout=5)

    def talk(talk: Talk) -> None:
        while True:
            request = talk.read_request()
            if b":2:inventory" in request:
                talk.stall()
            if b":3:inventory" in request:
                talk.stopping.wait(0.3)
            talk.say(http_answer(RESERVED.replace(b":1:", request.partition(b"7K3M9-QXZ2F")[2][:3])))

    outcomes: dict[int, list[Outcome]] = {}
    with serving(talk) as server:
        system = inventory(server.url, "0.2,0.8")

        def call(number: int) -> None:
            together.wait()
            outcomes[number] = [system.act(effect_for(Inventory, number)).outcome for _ in range(2)]

        threads = [threading.Thread(target=call, args=(number,)) for number in (1, 2, 3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(10)
        assert outcomes == {1: [Outcome.DONE] * 2, 2: [Outcome.UNKNOWN] * 2, 3: [Outcome.DONE] * 2}
        assert len(server.talks) == 4, "one connection for each thread, and another one after the time-out"
