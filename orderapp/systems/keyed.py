"""The protocol of most systems: effects under our keys, idempotent, with tombstones.

`POST /v1/<collection>` with `Idempotency-Key`, `POST /v1/<collection>/KEY/cancel`, `GET /v1/<collection>/KEY`
(docs/add-a-system.md describes the answers). A subclass defines the name of its collection and the body of a POST.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar, Self

from orderapp.domain.orders import Effect, OrderDocument, OrderRequest
from orderapp.domain.outcome import Answer, Finding, Outcome, Report, Shortage
from orderapp.domain.retry import Backoff, Guarantee
from orderapp.systems.answers import Received, unreadable
from orderapp.systems.base import System, backoff_from
from orderapp.systems.http import HttpClient
from orderapp.systems.settings import Environment

# The schemes of an HTTP system's address, each with whether it is encrypted: for `Environment.address`.
HTTP_SCHEMES = {"https": True, "http": False}
# What is in place by what an answer about the effect proves; one that is done may be pending still.
_FINDINGS = {
    Outcome.DONE: Finding.IN_PLACE,
    Outcome.REFUSED: Finding.UNDONE,
    Outcome.NOT_SENT: Finding.ABSENT,
    Outcome.UNKNOWN: Finding.UNCLEAR,
}


class HttpSystem(System):
    """A system behind `<NAME>_URL`, with `<NAME>_TOKEN` and `<NAME>_TIMEOUT`.

    Attributes:
        check_path: What `check` asks for. It needn't be there: "not found" shows too that address and token are right.
    """

    check_path: ClassVar[str] = "/"

    def __init__(self, env: Environment, backoff: Backoff) -> None:
        prefix = self.setting or self.name.upper()
        address, token = env.address(prefix, HTTP_SCHEMES), env.secret(f"{prefix}_TOKEN")
        timeouts = env.timeouts(f"{prefix}_TIMEOUT")
        self.configured = bool(address)
        self.call_seconds = timeouts.total_seconds
        self.backoff = backoff_from(env, prefix, backoff)
        self.http = HttpClient(address, timeouts, token)

    @classmethod
    def from_environment(cls, env: Environment, backoff: Backoff) -> Self:
        """Make the system from its settings; ConfigurationError for a wrong one."""
        return cls(env, backoff)

    def check(self) -> Answer:
        """Ask for `check_path`."""
        received = self.http.call("GET", self.check_path)
        return Answer(Outcome.DONE, exchanges=received.answer.exchanges) if received.status == 404 else received.answer

    def call(self, method: str, path: str, order: OrderRequest | OrderDocument, **kwargs: Any) -> Received:
        """Make a call about an order, its private values hidden in histories and logs; see `HttpClient.call`."""
        return self.http.call(method, path, private=self.private_values(order), **kwargs)


class KeyedSystem(HttpSystem):
    """A system that knows our effects by our keys: the protocol of most systems.

    A subclass says the name of its collection, and the body of the POST that asks for an effect. All the rest is here.

    Attributes:
        guarantee: Such systems are idempotent.
        collection: The plural noun in the path.
        noun: The member of an answer that holds the effect.
        done_state: The effect's state once it is in place.
    """

    guarantee: ClassVar[Guarantee] = Guarantee.IDEMPOTENT
    collection: ClassVar[str]
    noun: ClassVar[str]
    done_state: ClassVar[str]

    def __init__(self, env: Environment, backoff: Backoff) -> None:
        super().__init__(env, backoff)
        # 0 means forever; ten years are practically forever too.
        variable = f"{self.setting or self.name.upper()}_KEY_WINDOW_SECONDS"
        self.key_window_seconds = env.number(variable, self.key_window_seconds or 0, 0, 10 * 366 * 86_400) or None

    @abstractmethod
    def body(self, effect: Effect) -> Mapping[str, Any]:
        """Return the JSON body that asks for the effect; it is always the same for the same effect."""

    def act(self, effect: Effect) -> Answer:
        """Ask for the effect under its key."""
        received = self._call("POST", "", effect, json_body=self.body(effect), headers={"Idempotency-Key": effect.key})
        if received.answer.outcome is Outcome.REFUSED:
            return replace(received.answer, shortage=self.shortage(received, effect))
        return self._judge(received, effect, self._states())

    def undo(self, effect: Effect, report: Report | None) -> Answer:
        """Cancel the key; the system remembers an unknown key too (tombstone), so it refuses a late action."""
        received = self._call("POST", f"/{effect.key}/cancel", effect, json_body={})
        return self._judge(received, effect, {"cancelled": Outcome.DONE})

    def ask(self, effect: Effect) -> Report:
        """Ask what is in place under the key."""
        received = self._call("GET", f"/{effect.key}", effect, fresh=True)
        if received.status == 404:
            return Report(Finding.ABSENT, replace(received.answer, outcome=Outcome.DONE))
        if received.answer.outcome is not Outcome.DONE:
            return Report(Finding.UNCLEAR, received.answer)
        answer = self._judge(received, effect, self._states())
        finding = Finding.PENDING if answer.pending else _FINDINGS[answer.outcome]
        return Report(finding, answer if finding is Finding.UNCLEAR else received.answer)

    def check(self) -> Answer:
        """Ask for a key that nobody uses; "not found" shows that address and token are right."""
        received = self.http.call("GET", f"/v1/{self.collection}/doctor")
        if received.status == 404:
            return Answer(Outcome.DONE, exchanges=received.answer.exchanges)
        # A success proves nothing here: a web page or a proxy would answer anything like that.
        return unreadable(received) if received.answer.outcome is Outcome.DONE else received.answer

    def other_states(self) -> Mapping[str, Outcome]:
        """Return further states of an effect, and what each means; `act` and `ask` both go by it.

        `done`: it is in place; the state `pending` with `done`: accepted, and asked about again later. `refused`:
        nothing is in place, and nothing will be. `not_sent`: nothing is in place yet. `unknown`: it doesn't say.
        """
        return {}

    def shortage(self, received: Received, effect: Effect) -> Shortage | None:
        """Return of which line a refusal says that there is too little; None if it says nothing of the kind."""
        return None

    def _states(self) -> Mapping[str, Outcome]:
        """Return what each state means: a cancelled key has no effect, and will have none."""
        return {"cancelled": Outcome.REFUSED, **self.other_states(), self.done_state: Outcome.DONE}

    def _call(self, method: str, path: str, effect: Effect, **kwargs: Any) -> Received:
        return self.call(method, f"/v1/{self.collection}{path}", effect.order, echoes=effect.key, **kwargs)

    def _state(self, received: Received, effect: Effect) -> str:
        """Return the effect's state in a body of the documented shape; empty for any other body."""
        found = (received.body or {}).get(self.noun)
        if not isinstance(found, dict) or found.get("key") != effect.key:
            return ""
        state = found.get("state")
        return state if isinstance(state, str) else ""

    def _judge(self, received: Received, effect: Effect, states: Mapping[str, Outcome]) -> Answer:
        if received.answer.outcome is not Outcome.DONE:
            return received.answer
        state = self._state(received, effect)
        if state not in states:
            return unreadable(received)
        outcome = states[state]
        if outcome is not Outcome.DONE:
            return replace(received.answer, outcome=outcome, code=f"{self.noun}_{state}", message=f"answered: {state}")
        pending = state == "pending"
        return replace(received.answer, pending=pending, message="accepted, not finished yet" if pending else "")
