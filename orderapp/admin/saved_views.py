"""Saved views: the menu of a list's own, the counts of all, and the acts on them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import parse_qsl, urlencode

from flask import abort, current_app, redirect, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy import Select
from sqlalchemy.orm import Session
from werkzeug.datastructures import MultiDict
from werkzeug.exceptions import BadRequest

from orderapp.admin import who
from orderapp.admin.acting import ID, act
from orderapp.admin.guard import Guarded, act_at, page_at
from orderapp.models import Role, SavedView
from orderapp.services.backoffice import saved_views
from orderapp.services.backoffice.saved_views import CAP, View
from orderapp.services.db.capped_counts import Count, capped

if TYPE_CHECKING:
    from orderapp.admin.listing import Listing

LISTS = "orderapp.lists"  # the application's lists with filters, by endpoint
# Who may see a view, as its owner says it; the empty word: nobody else.
SHARED = {"": "Only me", Role.VIEWER: "Everybody", Role.OPERATOR: "Operators and admins", Role.ADMIN: "Admins"}


@dataclass(frozen=True, slots=True)
class ShownView:
    """A view as menus show it."""

    id: int
    name: str
    list: str  # the list's own name
    url: str
    owner: str  # the e-mail address of its owner; empty for the reader's own
    count: Count | None  # None: a filter of it isn't known any more
    is_present: bool  # whether the page shows it now
    may_delete: bool


def shown(session: Session, of: Listing | None = None) -> list[ShownView]:
    """Return the views that the reader sees, of one list or of all. Transaction: reads only, within the caller's."""
    member, lists = who.member(), _lists()
    found = saved_views.seen_by(session, member, of.endpoint if of else None)
    known = [(view, owner) for view, owner in found if view.list in lists]
    counts = count(session, [view for view, _ in known])
    present = query_of(request.args) if of else None
    return [
        ShownView(
            view.id,
            view.name,
            lists[view.list].name,
            f"{url_for(f'{view.list}.index_view')}?{view.query}",
            "" if view.staff_id == member.id else owner,
            counts.get(view.id),
            view.query == present,
            saved_views.may_delete(view, member),
        )
        for view, owner in known
    ]


def count(session: Session, views: Sequence[SavedView]) -> Mapping[int, Count]:
    """Return how many rows views have, by their ids, up to CAP. A view with a filter that isn't known is left out.

    Transaction: reads only, within the caller's.
    """
    lists, statements = _lists(), dict[int, Select[Any]]()
    for view in views:
        try:
            statements[view.id] = lists[view.list].rows_of(MultiDict(parse_qsl(view.query)))
        except (BadRequest, KeyError):
            continue
    return capped(session, statements, CAP)


def query_of(args: Mapping[str, str]) -> str:
    """Return the part of an address that a view keeps, in one order: no place in the list, and no search."""
    kept = {name: value for name, value in args.items() if value and name not in ("before", "after", "search")}
    return urlencode(sorted(kept.items()))


class SavedViewsView(Guarded):
    """The acts on saved views."""

    def is_visible(self) -> bool:
        """Return False: lists and the overview show them."""
        return False

    @page_at("/")
    def index(self) -> ResponseReturnValue:
        """Lead to all views that the reader sees."""
        return redirect(url_for("admin.index", _anchor="views"))

    @act_at("/save", Role.VIEWER, "view.save")
    def save(self) -> ResponseReturnValue:
        """Save the filters of a list under a name."""
        of = _lists().get(request.form.get("list", "")) or abort(400)
        member, query = who.member(), of.lasting(MultiDict(parse_qsl(request.form.get("query", ""))))
        shared_with = request.form.get("shared", "")
        if shared_with not in SHARED or not query or (shared_with and not member.may(Role.OPERATOR)):
            abort(400)
        view = View(of.endpoint, request.form.get("name", ""), query, Role(shared_with) if shared_with else None)
        return act(
            lambda: saved_views.save(view, member),
            "The view is saved: it is in this list's menu, and on the overview.",
            f"{url_for(f'{of.endpoint}.index_view')}?{query}",
        )

    @act_at(f"/<{ID}:view_id>/delete", Role.VIEWER, "view.delete")
    def delete(self, view_id: int) -> ResponseReturnValue:
        """Delete a view."""
        of = _lists().get(request.form.get("list", "")) or abort(400)
        return act(
            lambda: saved_views.delete(view_id, who.member()),
            "The view is deleted; the rows that it showed are as they were.",
            url_for(f"{of.endpoint}.index_view"),
        )


def _lists() -> Mapping[str, Listing]:
    return cast("Mapping[str, Listing]", current_app.extensions[LISTS])
