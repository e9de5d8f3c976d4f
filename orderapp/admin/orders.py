"""Orders: the list, and the page of one order."""

from __future__ import annotations

import re
import uuid

from flask import abort, flash, redirect, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy import ColumnElement, func

from orderapp.admin import cells, check_texts, order_page, who
from orderapp.admin.acting import act
from orderapp.admin.guard import act_at, page_at
from orderapp.admin.listing import Listing, OneOf, choices
from orderapp.config import current_settings
from orderapp.domain.keys import read_order_number
from orderapp.domain.states import OrderState
from orderapp.errors import TooManyAttempts, WrongState
from orderapp.models import Order, Role
from orderapp.services.backoffice import task_actions
from orderapp.services.backoffice.case_files import OrderFile, find_order_file
from orderapp.services.reconciliation.check_now import check_now

TOO_OFTEN = "It was asked about this a moment ago. Nothing was asked; try again in {} seconds."
NUMBER = re.compile(r"[0-9A-Za-z-]{1,32}")


class OrdersView(Listing):
    """Orders, newest first."""

    column_formatters = {
        "number": cells.by_row(lambda row: cells.order_link(row.number)),
        "state": cells.state,
        "customer_name": cells.text,
        "customer_email": cells.text,
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
        "created_at": "Ordered (UTC)",
    }
    column_filters = (OneOf("state", Order.state, "State", choices(OrderState)),)
    figures = frozenset({"total_minor", "placement_number"})
    newest_first = (Order.created_at, Order.id)
    search_label = "Number or e-mail, in full"
    empty_title = "No such orders"

    def search_for(self, text: str) -> ColumnElement[bool]:
        """Find an order by its number, even as heard, or a customer's orders by e-mail address; both have an index."""
        if "@" in text:
            return func.lower(Order.customer_email) == func.lower(text.strip())
        return Order.number == read_order_number(text)

    def read_key(self, text: str) -> uuid.UUID:
        """Return an order's id."""
        return uuid.UUID(text)

    @page_at("/<number>")
    def page(self, number: str) -> str:
        """Show all about one order."""
        values = order_page.values_of(_find(number))
        page: str = self.render("office/order.html", may_act=who.member().may(Role.OPERATOR), **values)
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


def _find(number: str) -> OrderFile:
    if not NUMBER.fullmatch(number):
        abort(404)
    return find_order_file(read_order_number(number))
