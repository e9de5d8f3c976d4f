"""Saved views of lists: who keeps which filters under a name, and who sees them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import structlog
from sqlalchemy import delete as delete_rows
from sqlalchemy import func, insert, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from orderapp.domain.typed_text import can_be_seen, hidden_in, trimmed
from orderapp.errors import InvalidRequest, NotFound, WrongState
from orderapp.models import AlertRule, Role, SavedView, Staff, db_now
from orderapp.services.access.sessions import Member
from orderapp.services.db import audit
from orderapp.services.db.audit import Act
from orderapp.services.db.transactions import writing

log = structlog.get_logger()

MAX_NAME_CHARACTERS = 60  # as long as its column
MAX_QUERY_CHARACTERS = 500  # the same
MOST = 20  # of one member: each is counted on its list and on the overview
MOST_SHOWN = 30  # the same, of all that others share
CAP = 1000  # a view is there to be worked on; beyond this nobody needs the exact number of its rows


@dataclass(frozen=True, slots=True)
class View:
    """What a view shows, and to whom."""

    list: str  # the endpoint of the list
    name: str
    query: str  # the filters, as in the list's address
    shared_with: Role | None = None  # the least role that sees it; None: its owner alone


def save(view: View, member: Member) -> int:
    """Keep a view; return its number.

    Transaction: one, committed here, with its audit row.

    Raises:
        InvalidRequest: the name isn't acceptable or is taken, or there are MOST views of the member already.
    """
    name = _clean(view.name)
    if len(view.query) > MAX_QUERY_CHARACTERS:
        raise InvalidRequest({"view": ["It has too many filters to be saved."]})
    shared_with = view.shared_with.value if view.shared_with else None
    values = {"list": view.list, "name": name, "query": view.query, "shared_with": shared_with}
    try:
        with writing() as session:
            own = select(func.count()).select_from(SavedView).where(SavedView.staff_id == member.id)
            if session.execute(own).scalar_one() >= MOST:
                raise InvalidRequest({"view": [f"You have {MOST} views already; delete one first."]})
            new = insert(SavedView).values(staff_id=member.id, created_at=db_now(), **values)
            view_id: int = session.execute(new.returning(SavedView.id)).scalar_one()
            audit.write(session, member.actor, Act("view.save", f"view {view_id}", details=_for_everybody(values)))
    except IntegrityError:
        raise InvalidRequest(
            {"name": ["You have a view of this name already; delete it, or choose another."]}
        ) from None
    log.info("view.saved", view=view_id, by=member.id)
    return view_id


def delete(view_id: int, member: Member) -> None:
    """Delete a view of one's own; an admin deletes any.

    Transaction: one, committed here, with its audit row.

    Raises:
        NotFound: there is none that the member may delete.
        WrongState: an alert watches it.
    """
    with writing() as session:
        view = session.get(SavedView, view_id)
        if view is None or not may_delete(view, member):
            raise NotFound("There is no such view of yours.")
        if session.scalar(select(AlertRule.id).where(AlertRule.view_id == view_id).limit(1)) is not None:
            raise WrongState("An alert watches this view; remove the alert first. Nothing was changed.")
        session.execute(delete_rows(SavedView).where(SavedView.id == view_id))
        values = {"list": view.list, "name": view.name, "query": view.query, "shared_with": view.shared_with}
        audit.write(session, member.actor, Act("view.delete", f"view {view_id}", details=_for_everybody(values)))
    log.info("view.deleted", view=view_id, by=member.id)


def may_delete(view: SavedView, member: Member) -> bool:
    """Return whether a member may delete a view."""
    return view.staff_id == member.id or member.may(Role.ADMIN)


def seen_by(session: Session, member: Member, of_list: str | None = None) -> Sequence[tuple[SavedView, str]]:
    """Return the views that a member sees, of one list or of all, each with its owner's address.

    All of the member's own come first, then MOST_SHOWN that others share, each by name.

    Transaction: reads only, within the caller's.
    """
    own = SavedView.staff_id == member.id
    shared = SavedView.shared_with.in_([role.value for role in Role if member.may(role)])
    rows = select(SavedView, Staff.email).join(Staff, Staff.id == SavedView.staff_id)
    if of_list is not None:
        rows = rows.where(SavedView.list == of_list)
    rows = rows.order_by(SavedView.name, SavedView.id)
    found = [*session.execute(rows.where(own)), *session.execute(rows.where(~own, shared).limit(MOST_SHOWN))]
    return [(view, email) for view, email in found]


def _for_everybody(values: dict[str, Any]) -> dict[str, Any]:
    """Return what the audit says of a view: all of staff read it, so not what only some of them may see."""
    if values["shared_with"] == Role.VIEWER.value:
        return values
    return {"list": values["list"], "shared_with": values["shared_with"]}


def _clean(name: str) -> str:
    cleaned = trimmed(name)
    problem = hidden_in(cleaned)
    if not cleaned or not can_be_seen(cleaned):
        problem = "Give the view a name."
    elif len(cleaned) > MAX_NAME_CHARACTERS:
        problem = f"A name has at most {MAX_NAME_CHARACTERS} characters."
    if problem:
        raise InvalidRequest({"name": [problem]})
    return cleaned
