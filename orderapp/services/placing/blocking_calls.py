"""Calls the blocking systems of a held placement one after the other, and stops at the first that isn't done.

No transaction is open here. The guarantee that a system declares decides what is repeated and what is asked first.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

import structlog

from orderapp.domain.outcome import Answer, Finding, Outcome
from orderapp.domain.retry import Guarantee
from orderapp.domain.verbs import Verb
from orderapp.services.placing.under_way import telling_steps
from orderapp.services.saga.key_ages import KEY_DEAD, may_be_forgotten
from orderapp.services.saga.values import Held, PlannedStep, StepResult, Try
from orderapp.systems.base import System
from orderapp.systems.registry import Systems

log = structlog.get_logger()

NO_TIME = Answer(
    Outcome.NOT_SENT, "no_time_left", "too little of the submission's lease was left; nothing was sent", called=False
)


def call_blocking(held: Held, systems: Systems) -> list[StepResult]:
    """Call each step's system in turn; stop after the first that isn't done.

    Idempotent because: each call carries its step's key; a resumed step is repeated only where that is harmless;
        otherwise the system is asked first.
    If we die here: the steps are committed as planned; after the lease, the next holder treats them as unknown.

    Returns:
        A result for each step that was reached; this process did not call the missing ones.
    """
    results = []
    with telling_steps(held.placement_id) as tell:
        for position, step in enumerate(held.steps, start=1):
            tell(position)
            result = StepResult(step, held.resumed)
            results.append(result)
            _run(held, step, held.admission.of(systems[step.system]), result)
            log.info(
                "step.called",
                order=held.document.number,
                system=step.system,
                outcome=result.answer.outcome.value,
                code=result.answer.code,
                tries=len(result.tries),
            )
            if result.answer.outcome is not Outcome.DONE:
                break
    return results


def _run(held: Held, step: PlannedStep, system: System, result: StepResult) -> None:
    refusal = held.admission.refusals.get(step.system)
    if refusal:
        _note(result, Verb.ACT, lambda: refusal)
        return
    if held.resumed and system.guarantee is Guarantee.QUERY_FIRST:
        if held.seconds_left() < 2 * system.call_seconds:
            _note(result, Verb.ASK, lambda: NO_TIME)
            return
        if not _absent(held, step, system, result):
            return
    if held.resumed and may_be_forgotten(system, held.key_age_seconds()):
        _look_for_dead_key(held, step, system, result)
        return
    left = {outcome: system.repeats.allowed(outcome) for outcome in (Outcome.NOT_SENT, Outcome.UNKNOWN)}
    while True:
        if held.seconds_left() < system.call_seconds:
            _note(result, Verb.ACT, lambda: NO_TIME)
            return
        answer = _note(result, Verb.ACT, lambda: system.act(held.effect(step)))
        if (
            answer.outcome not in left
            or not left[answer.outcome]
            or not answer.repeatable
            or answer.retry_after_seconds
            or may_be_forgotten(system, held.key_age_seconds() + system.repeats.pause_seconds)
        ):
            return
        left[answer.outcome] -= 1
        time.sleep(system.repeats.pause_seconds)


def _look_for_dead_key(held: Held, step: PlannedStep, system: System, result: StepResult) -> None:
    """Continue only if the system still shows the effect of a dead holder's call: a repeat could double the effect."""

    def look() -> Answer:
        if not system.can(Verb.ASK) or held.seconds_left() < system.call_seconds:
            return KEY_DEAD
        report = system.ask(held.effect(step))
        in_place = report.finding is Finding.IN_PLACE
        return report.answer if in_place else replace(KEY_DEAD, exchanges=report.answer.exchanges)

    _note(result, Verb.ASK, look)


def _absent(held: Held, step: PlannedStep, system: System, result: StepResult) -> bool:
    """Ask what a dead holder's call did; return whether it is proven that no effect exists or can still appear."""
    found: list[Finding] = []

    def ask() -> Answer:
        report = system.ask(held.effect(step))
        found.append(report.finding)
        if report.finding in (Finding.IN_PLACE, Finding.UNCLEAR):
            return report.answer
        if report.finding is Finding.ABSENT and (held.idle_seconds or 0.0) >= system.late_window_seconds:
            return report.answer
        return Answer(
            Outcome.UNKNOWN,
            "may_still_appear",
            "an earlier call may still show",
            called=False,
            exchanges=report.answer.exchanges,
        )

    answer = _note(result, Verb.ASK, ask)
    return found[0] is Finding.ABSENT and answer.outcome is Outcome.DONE


def _note(result: StepResult, verb: Verb, call: Callable[[], Answer]) -> Answer:
    started = time.monotonic()
    answer = call()
    result.tries.append(Try(verb, answer, started, time.monotonic()))
    return answer
