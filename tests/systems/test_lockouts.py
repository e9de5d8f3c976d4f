"""Which answers say that a system refuses us altogether: our credentials or its address, not one request."""

from __future__ import annotations

import pytest

from orderapp.domain.outcome import Outcome
from orderapp.systems.base import System
from orderapp.systems.sms import Sms
from tests.systems.certificates import Certificate
from tests.systems.conftest import Wire
from tests.systems.making import HTTP_KINDS, effect_for, make, run, verbs_of
from tests.systems.misbehaving_servers import reserve
from tests.systems.raw_server import serving
from tests.systems.scripted_smtp import send, smtp_serving

VERBS = [pytest.param(kind, verb, id=f"{kind.name}-{verb}") for kind in HTTP_KINDS for verb in verbs_of(kind)]


@pytest.mark.parametrize(("kind", "verb"), VERBS)
@pytest.mark.parametrize(("status", "says"), [(401, "our credentials (401"), (403, "access (403"), (407, "(407")])
def test_a_status_about_our_credentials(system: System, verb: str, wire: Wire, status: int, says: str) -> None:
    wire.answers(status, '{"error": {"code": "unauthorized", "message": "No."}}')
    answer = run(system, verb).answer
    assert (answer.outcome, answer.locked_out, answer.worked) == (Outcome.NOT_SENT, True, False)
    assert says in answer.message


@pytest.mark.parametrize(("kind", "verb"), VERBS)
@pytest.mark.parametrize("status", [400, 404, 409, 422, 429, 500])
def test_a_status_about_one_request_or_moment(system: System, verb: str, wire: Wire, status: int) -> None:
    wire.answers(status, '{"error": {"code": "no", "message": "No."}}')
    assert not run(system, verb).answer.locked_out


@pytest.mark.parametrize("status", [400, 401])
def test_twilios_word_for_it(status: int, wire: Wire) -> None:
    wire.answers(status, '{"code": 20003, "message": "Authenticate", "status": 401}')
    answer = make(Sms).act(effect_for(Sms))
    assert (answer.outcome, answer.locked_out) == (Outcome.NOT_SENT, True)


@pytest.mark.parametrize("reply", [b"530 authenticate\r\n", b"535 who?\r\n"])
def test_a_mail_server_that_wants_a_login(reply: bytes) -> None:
    with smtp_serving({"MAIL": reply}) as (_, address):
        answer = send(address)
    assert (answer.outcome, answer.locked_out) == (Outcome.NOT_SENT, True)


def test_a_host_name_that_nobody_knows() -> None:
    answer = reserve("https://no-such-host.invalid")
    assert (answer.outcome, answer.locked_out) == (Outcome.NOT_SENT, True)
    assert "host name" in answer.message


def test_a_certificate_that_nobody_vouches_for(certificate: Certificate) -> None:
    with serving(lambda talk: talk.wrap(certificate.server_context())) as server:
        answer = reserve(f"https://127.0.0.1:{server.port}")
    assert (answer.outcome, answer.locked_out) == (Outcome.NOT_SENT, True)
    assert "certificate" in answer.message


def test_a_connection_that_is_refused_is_an_outage_like_others() -> None:
    with serving(lambda talk: None) as server:
        address = server.url
    assert not reserve(address).locked_out
