"""SMS: the Twilio Messages API, unsafe to repeat."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from dataclasses import replace
from urllib.parse import parse_qs, urlencode

import pytest

from orderapp.domain.orders import Customer
from orderapp.domain.outcome import Outcome
from orderapp.domain.retry import Guarantee
from orderapp.errors import ConfigurationError
from orderapp.systems.callbacks import Callback
from orderapp.systems.sms import Sms
from tests.systems.conftest import Wire
from tests.systems.making import ACCOUNT, ORDER, SECRET, effect_for, make

EFFECT = effect_for(Sms)


def test_a_message_goes_out_as_form_fields_with_basic_auth(wire: Wire) -> None:
    wire.answers(201, '{"sid": "SM1", "status": "queued"}')
    assert make(Sms).act(EFFECT).outcome is Outcome.DONE
    request = wire.requests[0].request
    assert (request.method, request.path_url) == ("POST", f"/2010-04-01/Accounts/{ACCOUNT}/Messages.json")
    assert request.headers["Authorization"] == "Basic " + base64.b64encode(f"{ACCOUNT}:{SECRET}".encode()).decode()
    assert request.headers["Content-Type"] == "application/x-www-form-urlencoded"
    assert parse_qs(str(request.body)) == {
        "To": ["+4930901820"],
        "From": ["+15005550006"],
        "Body": ["Orderapp: Your order 7K3M9-QXZ2F is confirmed."],
    }


def test_an_account_cannot_lead_to_another_address(wire: Wire) -> None:
    wire.answers(201, '{"sid": "SM1", "status": "queued"}')
    make(Sms, SMS_ACCOUNT_SID="../x?y#z").act(EFFECT)
    assert wire.requests[0].request.path_url == "/2010-04-01/Accounts/..%2Fx%3Fy%23z/Messages.json"


def test_a_final_error_of_twilio_is_a_refusal(wire: Wire) -> None:
    wire.answers(400, '{"code": 21211, "message": "The number +4930901820 is not valid.", "status": 400}')
    answer = make(Sms).act(EFFECT)
    assert (answer.outcome, answer.code, answer.repeatable) == (Outcome.REFUSED, "twilio_21211", False)
    assert "+4930901820" not in answer.exchanges[0].response


@pytest.mark.parametrize("code", [None, True, "21211", 0, -1, 10**6, 2.5, [21211]])
def test_without_twilios_error_a_400_is_our_mistake(code: object, wire: Wire) -> None:
    wire.answers(400, json.dumps({"code": code, "message": "No."}))
    answer = make(Sms).act(EFFECT)
    assert (answer.outcome, answer.code, answer.repeatable) == (Outcome.NOT_SENT, "http_400", False)


@pytest.mark.parametrize(
    "body",
    [
        {"sid": "SM1"},
        {"status": "queued"},
        {"sid": "", "status": "queued"},
        {"sid": 1, "status": "queued"},
        {"sid": True, "status": "queued"},
        {"sid": "SM1", "status": None},
        {"sid": "SM1", "status": 201},
    ],
)
def test_a_success_of_no_documented_shape_is_unknown(body: object, wire: Wire) -> None:
    wire.answers(201, json.dumps(body))
    assert make(Sms).act(EFFECT).outcome is Outcome.UNKNOWN


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({"status": "failed", "error_code": 30003}, "twilio_30003"),
        ({"status": "undelivered", "error_code": 30005.0}, "twilio_30005"),
        ({"status": "Failed", "error_code": None}, "twilio_failed"),
        ({"status": "undelivered"}, "twilio_undelivered"),
        ({"status": "failed", "error_code": "30003"}, "twilio_failed"),
        ({"status": "canceled"}, "twilio_canceled"),
    ],
)
def test_a_message_that_was_given_up_at_once_is_not_sent(more: dict[str, object], code: str, wire: Wire) -> None:
    wire.answers(201, json.dumps({"sid": "SM1", **more}))
    answer = make(Sms).act(EFFECT)
    assert (answer.outcome, answer.code, answer.repeatable) == (Outcome.NOT_SENT, code, False)
    assert str(more["status"]).lower() in answer.message


@pytest.mark.parametrize("status", ["queued", "accepted", "sending", "sent", "delivered", "scheduled", "read"])
def test_a_message_on_its_way_is_done(status: str, wire: Wire) -> None:
    wire.answers(201, json.dumps({"sid": "SM1", "status": status, "error_code": None}))
    assert make(Sms).act(EFFECT).outcome is Outcome.DONE


def test_a_doubtful_message_is_never_repeated_by_itself() -> None:
    assert Sms.guarantee is Guarantee.UNSAFE
    assert (Sms.repeats.not_sent, Sms.repeats.unknown) == (0, 0)


def test_it_concerns_only_orders_with_a_phone_number() -> None:
    assert make(Sms).concerns(ORDER)
    assert not make(Sms).concerns(replace(ORDER, customer=Customer("Ada", "ada@example.com")))


@pytest.mark.parametrize("missing", ["SMS_ACCOUNT_SID", "SMS_AUTH_TOKEN", "SMS_FROM"])
def test_it_is_configured_only_with_all_its_settings(missing: str) -> None:
    assert make(Sms).configured
    assert not make(Sms, **{missing: ""}).configured


def test_by_default_it_speaks_to_twilio_itself(wire: Wire) -> None:
    wire.answers(201, '{"sid": "SM1", "status": "queued"}')
    make(Sms, url="").act(EFFECT)
    assert (wire.requests[0].request.url or "").startswith("https://api.twilio.com/2010-04-01/")


@pytest.mark.parametrize(("status", "outcome"), [(200, "done"), (404, "done"), (405, "done"), (401, "not_sent")])
def test_the_check_shows_whether_the_credentials_are_right(status: int, outcome: str, wire: Wire) -> None:
    wire.answers(status)
    assert make(Sms).check().outcome.value == outcome
    assert wire.requests[0].request.path_url == f"/2010-04-01/Accounts/{ACCOUNT}.json"


URL = "https://shop.example/callbacks/sms?key=7K3M9-QXZ2F%3A1%3Asms"
FORM = {"MessageSid": "SM1", "MessageStatus": "delivered"}


def signature(url: str, form: dict[str, str], secret: str = SECRET) -> str:
    """Sign as Twilio does: the address, then each field with its value, sorted by name."""
    signed = url + "".join(name + form[name] for name in sorted(form))
    return base64.b64encode(hmac.new(secret.encode(), signed.encode(), hashlib.sha1).digest()).decode()


def told(url: str = URL, form: dict[str, str] = FORM, **headers: str) -> Callback:
    signed = {"x-twilio-signature": signature(URL, FORM), **headers}
    return Callback(url, signed, urlencode(form).encode())


def test_twilio_is_asked_to_call_back_only_where_that_is_wanted(wire: Wire) -> None:
    wire.answers(201, '{"sid": "SM1", "status": "queued"}')
    make(Sms, SMS_CALLBACKS="1", PUBLIC_URL="https://shop.example/").act(EFFECT)
    assert parse_qs(str(wire.requests[0].request.body))["StatusCallback"] == [URL]
    with pytest.raises(ConfigurationError, match="^SMS_CALLBACKS: .*PUBLIC_URL"):
        make(Sms, SMS_CALLBACKS="1")


def test_a_callback_signed_by_twilio_names_its_message() -> None:
    assert make(Sms).hear(told()) == [EFFECT.key]


@pytest.mark.parametrize(
    "forged",
    [
        told(url=URL.replace("7K3M9", "8K3M9")),
        told(form={**FORM, "MessageStatus": "failed"}),
        told(**{"x-twilio-signature": ""}),
        told(**{"x-twilio-signature": "\u00fc"}),
        told(**{"x-twilio-signature": signature(URL, FORM, "another secret")}),
    ],
)
def test_any_other_is_refused(forged: Callback) -> None:
    assert make(Sms).hear(forged) is None
