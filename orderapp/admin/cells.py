"""The cells of a list. Every value is escaped, since names and error texts come from outside."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

from flask import current_app, url_for
from jinja2.runtime import Context
from markupsafe import Markup, escape

from orderapp.admin.labels import TASK_STATES, duration
from orderapp.admin.titles import system_title
from orderapp.admin.zones import local
from orderapp.domain.money import Money
from orderapp.domain.states import TaskState

NOTHING = Markup('<span class="muted">\N{EN DASH}</span>')
# As Flask-Admin calls them: the view, the template's context, the row, the column's name.
Formatter = Callable[[Any, Context | None, Any, str], Any]


def by_row(show: Callable[[Any], Any]) -> Formatter:
    """Return the formatter that shows what a function makes of the row."""
    return lambda _view, _context, row, _name: show(row)


def order(_view: Any, context: Context | None, row: Any, _name: str) -> Any:
    """Show a row's order by its number, with a link. The page's `order_numbers` has the numbers by id."""
    if row.order_id is None:
        return NOTHING
    return order_link(context["order_numbers"][row.order_id] if context else "")


def text(_view: Any, _context: Context | None, row: Any, name: str) -> Any:
    """Show a value as text in its own writing direction; a dash for no value."""
    value = getattr(row, name)
    # Isolated, so that a name written from right to left, or with such marks, doesn't reorder its neighbours.
    return NOTHING if value in (None, "") else Markup("<bdi>{}</bdi>").format(value)


def prose(_view: Any, _context: Context | None, row: Any, name: str) -> Any:
    """Show a sentence of any length, which may be a single word; a dash for nothing."""
    value = getattr(row, name)
    return NOTHING if value in (None, "") else Markup('<bdi class="prose">{}</bdi>').format(value)


def state(_view: Any, _context: Context | None, row: Any, name: str) -> Any:
    """Show a state as a badge: text, shape and colour."""
    return badge(getattr(row, name))


def moment(_view: Any, context: Context | None, row: Any, name: str) -> Any:
    """Show a time to the second, and how long ago that is."""
    return time_and_age(getattr(row, name), context)


def time_and_age(at: dt.datetime | None, context: Context | None) -> Markup:
    """Return a time as markup with its distance from the page's `now` below it: "12 min ago", "in 5 min"."""
    if at is None or context is None:
        return time_of(at)
    seconds = (context["now"] - at).total_seconds()
    rough = duration(abs(seconds), units=1)
    return time_of(at) + Markup('<br><span class="muted nowrap">{}</span>').format(
        f"{rough} ago" if seconds >= 0 else f"in {rough}"
    )


def system(_view: Any, _context: Context | None, row: Any, name: str) -> Any:
    """Show a system by its title."""
    return escape(system_title(getattr(row, name)))


def words(_view: Any, _context: Context | None, row: Any, name: str) -> Any:
    """Show one of our own values, such as a role, as text for people."""
    return escape(str(getattr(row, name)).replace("_", " ").capitalize())


def task_state(_view: Any, _context: Context | None, row: Any, name: str) -> Any:
    """Show a task's state as a badge, in staff's words."""
    return badge(getattr(row, name), TASK_STATES[TaskState(getattr(row, name))])


def badge(word: str, shown: str = "") -> Markup:
    """Return a badge; the word is one of ours."""
    shown = shown or word.replace("_", " ").capitalize()
    return Markup('<span class="badge badge-{}">{}</span>').format(word, shown)


def time_of(at: dt.datetime | None) -> Markup:
    """Return a time as markup, exact for machines; a dash for none."""
    if at is None:
        return NOTHING
    day, clock = f"{local(at):%Y-%m-%d %H:%M:%S}".split()
    # A line that is too short breaks only between date and time.
    return Markup('<time datetime="{}"><span class="nowrap">{}</span> <span class="nowrap">{}</span></time>').format(
        at.isoformat(), day, clock
    )


def order_link(number: str) -> Markup:
    """Return a link to an order's page."""
    return Markup('<a class="mono" href="{}">{}</a>').format(url_for("orders.page", number=number), number)


def task_link(task_id: int, shown: str = "") -> Markup:
    """Return a link to a task's page."""
    return Markup('<a class="nowrap" href="{}">{}</a>').format(
        url_for("tasks.page", task_id=task_id), shown or f"Task {task_id}"
    )


def money(minor: int, currency: str) -> str:
    """Return an amount as text, as the shop writes it."""
    shown: str = current_app.jinja_env.filters["money"](Money(minor, currency))
    return shown
