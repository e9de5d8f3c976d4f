"""Makes the calls of a claimed task, as the system's guarantee allows. No transaction is open meanwhile."""

from __future__ import annotations

from dataclasses import replace

import structlog

from orderapp.domain.outcome import Answer, Finding, Outcome
from orderapp.domain.retry import Guarantee
from orderapp.domain.states import TaskKind
from orderapp.domain.verbs import Verb
from orderapp.services.engine.claim import Claim
from orderapp.services.saga.key_ages import KEY_DEAD, may_be_forgotten
from orderapp.systems.base import System

log = structlog.get_logger()

KEY_BARRED = "key_barred"
AGAINST_PROOF = "absent_against_proof"
LATE_WINDOW = "late_window"
NO_TIME_LEFT = Answer(
    Outcome.NOT_SENT, "no_time_left", "too little of the lease was left; nothing was sent", called=False
)


def perform(claim: Claim, system: System) -> tuple[Verb, Answer]:
    """Make the task's calls: cause or undo its effect.

    Idempotent because: an idempotent system is called again under the same key, a query_first system is asked first,
        and an unsafe system is called again only if staff have decided so.
    If we die here: the attempt is counted, and the outcome of the call is unknown.

    Returns:
        The verb of the last call (act, ask or undo), and the answer of the run.
    """
    known, undoing = claim.known, claim.task.kind == TaskKind.COMPENSATE.value
    if claim.seconds_left() < system.call_seconds:
        # This process was suspended after the claim: another worker may run the task, or staff may have decided.
        return Verb.UNDO if undoing else Verb.ACT, NO_TIME_LEFT
    if (known.used_before or undoing) and may_be_forgotten(system, known.key_age_seconds):
        return _perform_with_dead_key(claim, system)
    if undoing:
        return _compensate(claim, system)
    if not known.used_before:
        return Verb.ACT, system.act(claim.effect)
    if system.guarantee is Guarantee.QUERY_FIRST:
        return _act_unless_done(claim, system)
    if system.stores_failures and known.doubtful:
        return _bar_key(claim, system)
    if system.guarantee is Guarantee.UNSAFE and claim.task.pending_answers:
        text = "it accepted this before and can't be asked what came of it; look there, and mark it so"
        return Verb.ACT, Answer(Outcome.NOT_SENT, "accepted_before", text, repeatable=False, called=False)
    if system.guarantee is Guarantee.UNSAFE and known.doubtful:
        # After an unknown outcome or a dead worker only a requeue by staff leads here, so staff have decided.
        log.warning("task.unsafe_repeat", task=claim.task.id, system=system.name)
    return Verb.ACT, system.act(claim.effect)


def _act_unless_done(claim: Claim, system: System) -> tuple[Verb, Answer]:
    report = system.ask(claim.effect)
    found = report.answer
    if report.finding is Finding.PENDING:
        return Verb.ASK, replace(found, pending=True, message="accepted, not finished yet")
    if report.finding is Finding.UNDONE:
        undone = "was there and is undone; doing it again is for staff to decide"
        return Verb.ASK, Answer(Outcome.REFUSED, "undone", undone, repeatable=False, exchanges=found.exchanges)
    if report.finding is not Finding.ABSENT:
        return Verb.ASK, found
    if claim.known.absent_in_seconds > 0:
        return Verb.ASK, _too_early(claim, found)
    if claim.known.accepted:
        return Verb.ASK, _against_proof(claim, system, found)
    if claim.seconds_left() < system.call_seconds:
        return Verb.ASK, replace(NO_TIME_LEFT, exchanges=found.exchanges)
    done = system.act(claim.effect)
    return Verb.ACT, replace(done, exchanges=found.exchanges + done.exchanges)


def _compensate(claim: Claim, system: System) -> tuple[Verb, Answer]:
    if system.guarantee is not Guarantee.QUERY_FIRST:
        return Verb.UNDO, system.undo(claim.effect, None)
    report = system.ask(claim.effect)
    found = report.answer
    if report.finding is Finding.UNCLEAR:
        return Verb.ASK, found
    if report.finding is Finding.PENDING:
        return Verb.ASK, replace(found, pending=True, message="not finished yet; it can be undone once it is")
    if report.finding is Finding.ABSENT and claim.known.absent_in_seconds > 0:
        return Verb.ASK, _too_early(claim, found)
    if report.finding is Finding.ABSENT and claim.known.proven:
        return Verb.ASK, _against_proof(claim, system, found)
    surplus = report.in_place[claim.task.keep :]
    if report.finding is not Finding.IN_PLACE or not surplus:
        if claim.known.several_holders and claim.known.absent_in_seconds > 0:
            return Verb.ASK, _too_early(claim, found)
        return Verb.ASK, Answer(Outcome.DONE, "nothing_there", "nothing is there to undo", exchanges=found.exchanges)
    if claim.seconds_left() < (system.calls_per_run - 1) * system.call_seconds:
        return Verb.ASK, replace(NO_TIME_LEFT, exchanges=found.exchanges)
    undone = system.undo(claim.effect, replace(report, effects=surplus if report.effects else ()))
    undone = replace(undone, exchanges=found.exchanges + undone.exchanges)
    if undone.outcome is Outcome.DONE and claim.known.several_holders and claim.known.absent_in_seconds > 0:
        # Another holder's effect may still appear, so the task asks again after the late window.
        again = "taken back; what another holder called for may still appear"
        return Verb.UNDO, replace(_too_early(claim, undone), message=again)
    return Verb.UNDO, undone


def _bar_key(claim: Claim, system: System) -> tuple[Verb, Answer]:
    """Undo whatever exists or may still appear under a key for which the system stored a failure.

    The system would repeat that failure forever. After the undo the old key can't have an effect any more, so the next
    run acts under a new key (`run`).
    """
    barred = system.undo(claim.effect, None)
    if barred.outcome is not Outcome.DONE:
        return Verb.UNDO, barred
    text = "its failure was stored under the key; the key is barred, and the next run uses a new one"
    return Verb.UNDO, replace(barred, code=KEY_BARRED, pending=True, message=text)


def _perform_with_dead_key(claim: Claim, system: System) -> tuple[Verb, Answer]:
    """Run without repeating a call: the system may have forgotten the key, and would act twice or undo nothing.

    Only what the system still shows under the key counts; otherwise staff have to look.
    """
    if not system.can(Verb.ASK):
        return Verb.ASK, KEY_DEAD
    report = system.ask(claim.effect)
    found = report.answer
    undoing = claim.task.kind == TaskKind.COMPENSATE.value
    if report.finding is Finding.UNCLEAR:
        return Verb.ASK, found
    if report.finding is Finding.PENDING:
        return Verb.ASK, replace(found, pending=True, message="accepted, not finished yet")
    if report.finding is Finding.ABSENT or (report.finding is Finding.UNDONE and not undoing):
        return Verb.ASK, replace(KEY_DEAD, exchanges=found.exchanges)
    if report.finding is Finding.IN_PLACE and undoing:
        if claim.seconds_left() < system.call_seconds:
            return Verb.ASK, replace(NO_TIME_LEFT, exchanges=found.exchanges)
        undone = system.undo(claim.effect, report)
        return Verb.UNDO, replace(undone, exchanges=found.exchanges + undone.exchanges)
    return Verb.ASK, found


def _too_early(claim: Claim, found: Answer) -> Answer:
    """Return the answer for an effect that isn't there before the late window has passed, which proves nothing."""
    return Answer(
        Outcome.UNKNOWN,
        LATE_WINDOW,
        "shows nothing yet; it may still appear",
        pending=True,
        retry_after_seconds=claim.known.absent_in_seconds,
        exchanges=found.exchanges,
    )


def _against_proof(claim: Claim, system: System, found: Answer) -> Answer:
    """Return the answer for an effect that isn't there although the system has answered that it was done.

    The system's query may lag behind, so it is asked once more after another late window. Then staff have to look.
    """
    if claim.task.last_code not in (AGAINST_PROOF, LATE_WINDOW):
        text = "shows nothing, although it answered that it was done; it is asked once more"
        again = Answer(Outcome.UNKNOWN, AGAINST_PROOF, text, pending=True, exchanges=found.exchanges)
        return replace(again, retry_after_seconds=system.late_window_seconds)
    if claim.known.undo_doubtful:
        # Our own undo, whose answer was lost, explains it.
        return Answer(Outcome.DONE, "nothing_there", "nothing is there any more", exchanges=found.exchanges)
    text = (
        "it answered that it was done, and now shows nothing, also after the late window; look there whether it is in "
        "place, and mark it so"
    )
    return Answer(Outcome.NOT_SENT, AGAINST_PROOF, text, repeatable=False, exchanges=found.exchanges)
