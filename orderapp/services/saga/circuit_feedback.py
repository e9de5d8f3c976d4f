"""Updates a system's circuit and rate slot from an answer, last in the transaction that records the answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy.orm import Session

from orderapp.domain.outcome import Answer, Outcome
from orderapp.services.resilience.admission import Admission
from orderapp.services.resilience.circuit_breakers import close, give_back_order_probes, lock, open_if_failing
from orderapp.services.resilience.rate_limiter import hold
from orderapp.services.saga.values import StepResult
from orderapp.systems.base import System


def learn_from_run(session: Session, system: System, answer: Answer, *, probing: bool) -> None:
    """Learn from a task's run. Transaction: within the caller's, after the attempt was written."""
    if probing and answer.worked:
        close(session, system.name)
    elif answer.locked_out or (answer.worked is False and not probing):
        open_if_failing(session, system, answer)
    _hold_if_asked(session, system, answer)


def nothing_to_learn(results: Sequence[StepResult], admission: Admission) -> bool:
    """Return whether `learn_from_steps` would do nothing, which is usual."""
    answers = [result.answer for result in results]
    return not admission.probes and all(one.worked is not False and not one.retry_after_seconds for one in answers)


def learn_from_steps(
    session: Session, results: Sequence[StepResult], admission: Admission, systems: Mapping[str, System]
) -> None:
    """Learn from the calls of an order. Transaction: within the caller's, after the attempts were written.

    A successful order that was no probe costs no statement.
    """
    if nothing_to_learn(results, admission):
        return
    answers = {result.step.system: result.answer for result in results}
    worked = {name for name, answer in answers.items() if answer.worked}
    # The lock order is the same everywhere: circuits before rate slots, each sorted by name.
    lock(session, {*answers, *admission.probes})
    if admission.probes - worked:
        give_back_order_probes(session, admission.probes - worked)
    for name, answer in sorted(answers.items()):
        if answer.locked_out or (answer.worked is False and name not in admission.probes):
            open_if_failing(session, systems[name], answer)
    for name, answer in sorted(answers.items()):
        if name in admission.probes & worked:
            close(session, name)
        _hold_if_asked(session, systems[name], answer)


def _hold_if_asked(session: Session, system: System, answer: Answer) -> None:
    asked = answer.retry_after_seconds
    if asked and not answer.pending and (answer.slow_down or answer.outcome is Outcome.UNKNOWN):
        hold(session, system, asked)
