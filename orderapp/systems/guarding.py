"""The wrapper around every system: an error of its connector, or a return value that isn't an answer, is `unknown`.

Anybody may add a connector. An error in it must not end a request, a worker's batch or the timer, and it proves
nothing, because the call may have been made.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any

import structlog

from orderapp.domain.masking import mask
from orderapp.domain.orders import Effect, OrderDocument, OrderRequest
from orderapp.domain.outcome import Answer, Finding, Outcome, Quote, Report
from orderapp.systems import recent_exchanges
from orderapp.systems.base import System
from orderapp.systems.returned import flaw_of

log = structlog.get_logger()

CODE = "connector_error"
MAX_MESSAGE_CHARACTERS = 300  # one sentence for staff
# What each verb returns, and how to make it from the answer if the verb raised.
_GIVES: dict[str, tuple[tuple[type, ...], Callable[[Answer], object]]] = {
    "act": ((Answer,), lambda answer: answer),
    "undo": ((Answer,), lambda answer: answer),
    "write": ((Answer,), lambda answer: answer),
    "check": ((Answer,), lambda answer: answer),
    "ask": ((Report,), lambda answer: Report(Finding.UNCLEAR, answer)),
    "quote": ((Quote, type(None)), Quote),
    "stock": ((Mapping, type(None)), lambda _answer: None),
}


def guarded(system: System) -> System:
    """Return the system with its verbs wrapped; return a system that is already guarded unchanged."""
    if "_guarded" in vars(system):
        return system
    vars(system)["_guarded"] = True
    concerns = system.concerns
    for verb in _GIVES:
        setattr(system, verb, _guarded_verb(system, verb, getattr(system, verb)))
    _guard_concerns(system, concerns)
    return system


def _guarded_verb(system: System, verb: str, call: Callable[..., Any]) -> Callable[..., Any]:
    kinds, instead = _GIVES[verb]

    @wraps(call)
    def calling(*arguments: Any) -> Any:
        recent_exchanges.forget()
        try:
            given = call(*arguments)
        except Exception as error:  # noqa: BLE001 - whatever a connector raises
            return instead(_raised(system, verb, error, arguments))
        if isinstance(given, kinds):
            flaw = flaw_of(given, system)
            if flaw is None:
                return given
            wrong = TypeError(f"{verb} gave back {flaw}")
        else:
            wrong = TypeError(f"{verb} gave back {type(given).__name__}, not {kinds[0].__name__}")
        return instead(_raised(system, verb, wrong, arguments))

    return calling


def _guard_concerns(system: System, concerns: Callable[[OrderRequest | OrderDocument], bool]) -> None:
    """If a system's `concerns` raises, assume that it has a part in the order, and make no calls for it.

    So the order is unavailable, and a task waits, until the connector is fixed; effects in place can be undone.
    """
    act = system.act

    def concerning(order: OrderRequest | OrderDocument) -> bool:
        try:
            return bool(concerns(order))
        except Exception as error:  # noqa: BLE001 - whatever a connector raises
            _raised(system, "concerns", error, (order,))
            return True

    def acting(effect: Effect) -> Answer:
        try:
            concerns(effect.order)
        except Exception as error:  # noqa: BLE001 - whatever a connector raises
            raised = _raised(system, "concerns", error, (effect,))
            return Answer(Outcome.NOT_SENT, CODE, f"{raised.message}; nothing was sent")
        return act(effect)

    vars(system).update(concerns=concerning, act=acting)


def _raised(system: System, verb: str, error: Exception, arguments: tuple[Any, ...]) -> Answer:
    """Return the answer for a call that raised, with its exchanges so far, and log it."""
    frames = traceback.extract_tb(error.__traceback__)
    where = f"{frames[-1].filename.rsplit('/', 1)[-1]}:{frames[-1].lineno}" if frames else ""
    log.error("system.raised", system=system.name, verb=verb, error=type(error).__name__, where=where)
    order = getattr(arguments[0], "order", arguments[0]) if arguments else None
    private = system.private_values(order) if isinstance(order, OrderRequest | OrderDocument) else ()
    # Mask before cutting, so that no half of a value stays at the end.
    text = f"its connector raised {type(error).__name__} in {verb}: {mask(str(error), private)}"
    exchanges = recent_exchanges.made()
    return Answer(Outcome.UNKNOWN, CODE, text[:MAX_MESSAGE_CHARACTERS], exchanges=exchanges)
