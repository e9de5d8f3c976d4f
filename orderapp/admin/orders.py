"""Orders: the list, and the page of one order."""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from flask import abort, flash, redirect, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session

from orderapp.admin import cells, check_texts, order_page, personal_data, who
from orderapp.admin.acting import act, sentence_of
from orderapp.admin.exportable import Exportable
from orderapp.admin.exporting import plain
from orderapp.admin.guard import act_at, page_at
from orderapp.admin.listing import OneOf, choices
from orderapp.admin.order_filters import HOW_MUCH, NEEDS, NOT_RIGHT, WHEN, Needs, OpenAt, Placed
from orderapp.config import current_settings
from orderapp.currencies import minor_digits
from orderapp.domain.customers import masked_email
from orderapp.domain.keys import read_order_number
from orderapp.domain.states import OrderState
from orderapp.domain.typed_text import trimmed
from orderapp.errors import InvalidRequest, TooManyAttempts, WrongState
from orderapp.models import Order, Role
from orderapp.services.backoffice import order_search, task_actions
from orderapp.services.backoffice.case_files import OrderFile, find_order_file
from orderapp.services.backoffice.lanes import Lane, count_lanes, is_in, kept_systems
from orderapp.services.backoffice.reveals import reveal_customer
from orderapp.services.db.capped_counts import CAP, Count, capped
from orderapp.services.db.transactions import reading
from orderapp.services.reconciliation.check_now import check_now

TOO_OFTEN = "It was asked about this a moment ago. Nothing was asked; try again in {} seconds."
NUMBER = re.compile(r"[0-9A-Za-z-]{1,32}")


class OrdersView(Exportable):
    """Orders, newest first."""

    column_formatters = {
        "number": cells.by_row(lambda row: cells.order_link(row.number)),
        "state": cells.state,
        "customer_name": cells.by_row(lambda row: personal_data.cell(row.customer_name, personal_data.masked_name)),
        "customer_email": cells.by_row(lambda row: personal_data.cell(row.customer_email, masked_email)),
        "total_minor": cells.by_row(lambda row: cells.money(row.total_minor, row.currency)),
        "placement_number": cells.text,
        "created_at": cells.moment,
    }
    column_list = tuple(column_formatters)
    column_labels = {
        "customer_name": "Customer",
        "customer_email": "E-mail",
        "total_minor": "Total",
        "placement_number": "Placements",
        "created_at": "Ordered",
    }
    list_template = "office/orders.html"
    column_filters = (
        Needs(),
        OneOf("state", Order.state, "State", choices(OrderState)),
        OpenAt(),
        Placed(),
        *WHEN,
        *HOW_MUCH,
    )
    exported = {
        **{name: plain(name) for name in ("number", "state", "customer_name", "customer_email", "customer_phone")},
        "total": lambda row, _: Decimal(row.total_minor).scaleb(-minor_digits(row.currency)),
        **{name: plain(name) for name in ("currency", "placement_number", "created_at", "updated_at")},
    }
    figures = frozenset({"total_minor", "placement_number"})
    newest_first = (Order.created_at, Order.id)
    sorted_by = {"total_minor": (Order.total_minor, Order.created_at, Order.id)}
    search_label = "Number, e-mail, name, phone, code, key or task"
    empty_title = "No such orders"

    def search_for(self, text: str) -> ColumnElement[bool]:
        """Find orders by whatever is at hand."""
        with reading() as session:
            return order_search.matches(session, text, parts=who.member().may(Role.OPERATOR))

    @page_at("/find")
    def find(self) -> ResponseReturnValue:
        """Lead from any text to the page of the order or task that it names, or else to the orders that it may mean."""
        text = trimmed(request.args.get("search", ""))
        if not set(request.args) <= {"search"} or not text.isprintable():
            abort(400)
        if not text:
            return self.index_view()  # type: ignore[no-any-return]  # Flask-Admin has no types
        with reading() as session:
            found = order_search.find_one(session, text)
        if isinstance(found, str):
            return redirect(url_for(".page", number=found))
        if found is not None:
            return redirect(url_for("tasks.page", task_id=found))
        return redirect(url_for(".index_view", search=text))

    def further_values(self, session: Session, rows: Sequence[Any]) -> dict[str, Any]:
        """Return the tabs: how many of the orders that the other filters let through need what."""
        args = self._get_list_extra_args()
        kept: dict[str, Any] = dict(self._get_filters(args.filters))
        kept.pop("needs", None)
        kept |= {"search": args.search} if args.search else {}
        counts, present = self._counts(session, bool(kept)), request.args.get("needs") or None
        tabs = [
            (url_for(".index_view", needs=need, **kept), text, counts[need], need == present)
            for need, text in NEEDS.items()
        ]
        return {
            "tabs": [*tabs, (url_for(".index_view", **kept), "All", None, present is None)],
            "search_hint": _search_hint(session, args.search),
        }

    def _counts(self, session: Session, narrowed: bool) -> Mapping[str, Count]:
        """Return how many orders need what, of those that the other filters let through."""
        systems = current_settings().systems
        kept = kept_systems(session, systems)
        if narrowed:
            lanes = {NOT_RIGHT: list(Lane)} | {lane.value: [lane] for lane in Lane}
            orders = {need: select(Order.id).where(is_in(some, systems, kept)) for need, some in lanes.items()}
            return capped(session, {need: self.narrowed(statement, but="needs") for need, statement in orders.items()})
        found = count_lanes(session, systems, kept)
        numbers = {lane.value: found[lane] for lane in Lane} | {NOT_RIGHT: sum(found.values())}
        return {need: Count(number, number >= CAP) for need, number in numbers.items()}

    def read_key(self, text: str) -> uuid.UUID:
        """Return an order's id."""
        return uuid.UUID(text)

    @page_at("/<number>")
    def page(self, number: str) -> str:
        """Show all about one order."""
        return self._show(_find(number), revealed=who.member().may(Role.OPERATOR))

    @act_at("/<number>/reveal", Role.VIEWER, "order.reveal")
    def reveal(self, number: str) -> ResponseReturnValue:
        """Show one order with its customer's data to somebody whose role sees it masked, and record that."""
        file, reason = _find(number), request.form.get("reason", "")
        try:
            reveal_customer(file.view.id, file.view.number, who.member().actor, reason)
        except InvalidRequest as error:
            flash(sentence_of(error), "error")
            return redirect(url_for(".page", number=number), 303)
        return self._show(file, revealed=True)

    def _show(self, file: OrderFile, *, revealed: bool) -> str:
        may_act, values = who.member().may(Role.OPERATOR), order_page.values_of(file, revealed=revealed)
        page: str = self.render("office/order.html", may_act=may_act, revealed=revealed, **values)
        return page

    @act_at("/<number>/check", Role.OPERATOR, "order.check")
    def check(self, number: str) -> ResponseReturnValue:
        """Ask the systems about an order's effects at once: all of them, or the one that the form names."""
        order_id, only = _find(number).view.id, request.form.get("system") or None
        try:
            asked = check_now(order_id, only, who.member().actor, current_settings())
        except (TooManyAttempts, WrongState) as error:
            flash(TOO_OFTEN.format(error.retry_after_seconds) if isinstance(error, TooManyAttempts) else str(error))
        else:
            flash(" ".join(map(check_texts.told, asked)), "error" if any(one.differs for one in asked) else "success")
        return redirect(url_for(".page", number=number, _anchor="effects"), 303)

    @act_at("/<number>/cancel", Role.OPERATOR, "order.cancel")
    def cancel(self, number: str) -> ResponseReturnValue:
        """Cancel a confirmed order."""
        order_id, reason, actor = _find(number).view.id, request.form.get("reason", ""), who.member().actor
        return act(
            lambda: task_actions.cancel_order(order_id, actor, reason, current_settings()),
            "The order is being cancelled: what it holds is given back.",
            url_for(".page", number=number),
        )


def _search_hint(session: Session, text: str | None) -> str:
    """Return what to know about a search's result; empty if there is nothing."""
    if not text or order_search.named_order(session, text):
        return ""
    if order_search.is_too_short(text):
        least = order_search.LEAST_CHARACTERS
        return f"Only the number of a task was looked for: parts of other texts need at least {least} characters."
    newest = order_search.NEWEST_SEARCHED
    return "" if order_search.has_index(session) else f"Parts were looked for in the newest {newest:,} orders."


def _find(number: str) -> OrderFile:
    if not NUMBER.fullmatch(number):
        abort(404)
    return find_order_file(read_order_number(number))
