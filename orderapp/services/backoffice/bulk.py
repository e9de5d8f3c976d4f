"""One act of staff on one or several rows: each row is changed or refused separately, in its own transaction."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import structlog
from sqlalchemy import select
from sqlalchemy.orm import Session

from orderapp.errors import Conflict, DatabaseUnavailable, InvalidRequest, NotFound
from orderapp.models import Mismatch, Order, Task
from orderapp.services.access.refused_acts import record_refusal
from orderapp.services.backoffice.risks import NeedsDecision, Risk
from orderapp.services.db import audit
from orderapp.services.db.audit import Act, Actor
from orderapp.services.db.transactions import reading, writing
from orderapp.services.engine.relay_wakeup import wake_relay

log = structlog.get_logger()

MAX_SELECTION = 500  # one press of a button is answered within seconds; larger sets need several
MAX_ID = 2**63 - 1  # what an id's column holds

# Changes one row within the caller's transaction; gets the stored form of the reason, returns details for the audit.
Change = Callable[[Session, Any, str], Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class RowAct:
    """An act on rows."""

    model: type[Task] | type[Mismatch]  # the table of the rows
    name: str  # its name in the audit: `requeue`, for `task.requeue`
    told: str  # the message for a changed row, with {} for its id

    @property
    def noun(self) -> str:
        """Return the noun for one row: task or mismatch."""
        return self.model.__name__.lower()


@dataclass(frozen=True, slots=True)
class ItemResult:
    """The result for one row of a selection."""

    id: int  # the row's id
    order: str  # the number of its order; empty if there is no such row
    done: bool  # whether the act was done
    text: str  # the message for staff
    risk: Risk | None = None  # the risk that needs a decision for this row alone, if that is why the act wasn't done


@dataclass(frozen=True, slots=True)
class Selection:
    """The result for a selection."""

    items: tuple[ItemResult, ...]  # the result for each row
    # The audit row of the selection; None for a single row, or if nothing was done and the actor was refused too often
    # recently.
    audit_id: int | None


def each(act: RowAct, ids: Iterable[int], actor: Actor, reason: str, change: Change) -> Selection:
    """Change each row, with an audit row for each, and one for the selection if it has several rows.

    Transaction: one per row, committed here, so that one refusal doesn't stop the rest.
    If we die here: finished rows are changed and recorded, the others are unchanged.

    Raises:
        InvalidRequest: the reason isn't acceptable, or there is no row or more than MAX_SELECTION.
    """
    why = audit.clean_reason(reason)
    chosen = checked_ids(act.noun, ids)
    if len(chosen) == 1:
        alone = _alone(act, chosen[0], actor, why, change)
        wake_relay()
        return Selection((alone,), None)
    items = tuple(_one(act, row_id, actor, why, change) for row_id in chosen)
    wake_relay()
    log.info(
        f"{plural(act.noun)}.{act.name}", chosen=len(items), done=sum(item.done for item in items), by=actor.staff_id
    )
    details = {"items": [_kept(act, item) for item in items]}
    of_all = Act(f"{plural(act.noun)}.{act.name}", f"{len(items)} {plural(act.noun)}", why, details=details)
    if not any(item.done for item in items):
        return Selection(items, record_refusal(actor, of_all, "none of them could be done"))
    with writing() as session:
        return Selection(items, audit.write(session, actor, of_all))


def unexpected(what: str, error: Exception) -> str:
    """Return what staff are told where an act on something raised an error that nobody foresaw; the log has it."""
    return (
        f"{what} was left as it was, because of an unexpected error ({type(error).__name__}). Its details are in the "
        "log: show them to whoever maintains this application."
    )


def plural(noun: str) -> str:
    """Return the plural of what can be chosen: tasks, mismatches."""
    return f"{noun}es" if noun.endswith("ch") else f"{noun}s"


def checked_ids(noun: str, ids: Iterable[int]) -> list[int]:
    """Return the ids of a selection, each once, sorted, so that two selections can't deadlock.

    Raises:
        InvalidRequest: there is no id, there are too many, or one is out of range.
    """
    chosen = sorted(set(ids))
    if not chosen:
        raise InvalidRequest({noun: [f"Choose at least one {noun}."]})
    if chosen[0] < 1 or chosen[-1] > MAX_ID:
        raise InvalidRequest({noun: [f"{plural(noun).capitalize()} have numbers from 1 on."]})
    if len(chosen) > MAX_SELECTION:
        raise InvalidRequest({noun: [f"At most {MAX_SELECTION} {plural(noun)} can be chosen at once."]})
    return chosen


def decided_alone(ids: Iterable[int], despite: Risk | None) -> list[int]:
    """Return the ids of a selection. Raises InvalidRequest if a risk was accepted for more than one of them."""
    chosen = list(ids)
    if despite is not None and len(set(chosen)) > 1:
        raise InvalidRequest({"despite": ["A risk is decided about one at a time, not for a selection."]})
    return chosen


def _alone(act: RowAct, row_id: int, actor: Actor, why: str, change: Change) -> ItemResult:
    item = _one(act, row_id, actor, why, change)
    if not item.done:
        with reading() as session:
            order_id = session.scalar(select(act.model.order_id).where(act.model.id == row_id))
        record_refusal(actor, Act(f"{act.noun}.{act.name}", f"{act.noun} {row_id}", why, order_id), item.text)
    return item


def _one(act: RowAct, row_id: int, actor: Actor, why: str, change: Change) -> ItemResult:
    number, risk = "", None
    try:
        number = _order_number(act, row_id)
        with writing() as session:
            row: Any = session.get(act.model, row_id)
            if row is None:
                raise NotFound(f"There is no {act.noun} {row_id}.")
            details = change(session, row, why)
            subject = f"{act.noun} {row_id}"
            audit.write(session, actor, Act(f"{act.noun}.{act.name}", subject, why, row.order_id, details))
    except (Conflict, NotFound) as error:
        risk = error.risk if isinstance(error, NeedsDecision) else None
        return ItemResult(row_id, number, False, str(error), risk)
    except DatabaseUnavailable:
        told = f"The database couldn't be used; look at {act.noun} {row_id} to see whether it was done."
        return ItemResult(row_id, number, False, told)
    except Exception as error:  # one row must not hold up the others
        log.exception(f"{act.noun}.{act.name}_failed", about=row_id)
        return ItemResult(row_id, number, False, unexpected(f"{act.noun.capitalize()} {row_id}", error))
    return ItemResult(row_id, number, True, act.told.format(row_id))


def _order_number(act: RowAct, row_id: int) -> str:
    with reading() as session:
        of_row = select(Order.number).join(act.model, act.model.order_id == Order.id)
        return session.scalar(of_row.where(act.model.id == row_id)) or ""


def _kept(act: RowAct, item: ItemResult) -> dict[str, Any]:
    return {act.noun: item.id, "order": item.order, "done": item.done, "text": item.text}
