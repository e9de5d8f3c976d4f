"""The answers when a form wasn't placed: what happened and what to do; all typed values are kept."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from flask import Response, make_response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_wtf.csrf import CSRFError
from werkzeug.exceptions import HTTPException

from orderapp.errors import (
    DatabaseUnavailable,
    InProgress,
    InvalidRequest,
    KeyReused,
    NotFound,
    OrderappError,
    OrderArchived,
    Overloaded,
    ProbableDuplicate,
    TooManyAttempts,
    TooManyOrders,
    TotalChanged,
)
from orderapp.services.orders import views
from orderapp.web import catalogue_page, drafts, formats, order_page
from orderapp.web.blueprint import shop
from orderapp.web.error_pages import error_page
from orderapp.web.form_page import messages_of, sent_form, show_form
from orderapp.web.language import gettext
from orderapp.web.language import lazy_gettext as _
from orderapp.web.order_form import OrderForm
from orderapp.web.order_reference import reference_of
from orderapp.web.summary import as_shown, pay_button

STALE_PAGE = _("This page was open for too long. Nothing was ordered by it; check your order and place it again.")
NO_COOKIES = _(
    "Your browser sent no cookie, and without one no order can be taken. Nothing was ordered by this. "
    "Allow cookies for this site in your browser's settings, then place the order again; what you typed is kept here."
)
ARRIVED = _("This form had reached us before, and its order is there: look at it below before you order anything else.")
TOO_MANY_CODES = _(
    "Too many codes were tried. Nothing was ordered. Leave the codes empty to place the order now, or wait %(wait)s to "
    "try a code again."
)
TOO_MANY_ORDERS = _(
    "A great many orders came from your network, browser, e-mail address or phone. Nothing was ordered, and what you "
    "typed is kept. Wait %(wait)s, then place the order again."
)
PRICE_CHANGED = (
    _("The price has changed"),
    _("Since you saw the page, what you chose has come to cost something else. Nothing was ordered."),
)
# Without a script, the total on the page stays as it was while the order is changed.
TOTAL_CHANGED = (
    _("Please check the new total"),
    _("You have changed your order since its total was shown, or a discount is another one now. Nothing was ordered."),
)
Answer = Callable[[Any], ResponseReturnValue]
FORM_ENDPOINTS = ("shop.place", "shop.preview")


def _answers(kind: type[HTTPException | OrderappError]) -> Callable[[Answer], Answer]:
    """Register a function as the answer to an error of the order form; other shop pages get the plain error page."""

    def register(answer: Answer) -> Answer:
        def handle(error: HTTPException | OrderappError) -> ResponseReturnValue:
            try:
                # These are raised before the page's own view, which handles all other errors.
                if request.endpoint == "shop.retry" and isinstance(error, CSRFError | Overloaded):
                    return order_page.ask_again(error)
                if request.endpoint == "shop.choose" and isinstance(error, CSRFError):
                    return catalogue_page.ask_again()
                return answer(error) if request.endpoint in FORM_ENDPOINTS else error_page(error)
            except (HTTPException, OrderappError) as raised:
                # Flask doesn't handle errors of a handler: a missing order would become a 500.
                return error_page(raised)

        shop.register_error_handler(kind, handle)
        return answer

    return register


@_answers(InvalidRequest)
def invalid(error: InvalidRequest) -> ResponseReturnValue:
    """Show the form with what is wrong, under the same key."""
    form = sent_form()
    # Here alone systems are asked again: the token was right, so it is the visitor who wants to know.
    return show_form(form, messages_of(error, form), 400, "typed", as_shown(form))


@_answers(TooManyAttempts)
def too_many(error: TooManyAttempts) -> ResponseReturnValue:
    """Show the form with how long to wait."""
    message = TOO_MANY_CODES % {"wait": formats.duration(error.retry_after_seconds)}
    response = make_response(show_form(sent_form(), {"": message}, 429, "typed"))
    response.headers["Retry-After"] = str(error.retry_after_seconds)
    return response


@_answers(TooManyOrders)
def too_many_orders(error: TooManyOrders) -> ResponseReturnValue:
    """Show the form, with everything kept and under its key, and when it can be placed."""
    message = TOO_MANY_ORDERS % {"wait": formats.duration(error.retry_after_seconds)}
    response = make_response(show_form(sent_form(), {"": message}, 429, "typed"))
    response.headers["Retry-After"] = str(error.retry_after_seconds)
    return response


@_answers(CSRFError)
def stale(_error: CSRFError) -> ResponseReturnValue:
    """Show the form with a fresh token: the page was open for too long, or cookies are off.

    It says that nothing was ordered only if the key has no order; if that is unknown, it says neither. No system is
    asked about codes, because any other site can send such a form.
    """
    form = sent_form()
    try:
        message = NO_COOKIES if drafts.came_without_session() else STALE_PAGE
        return show_form(form, {"": ARRIVED if drafts.order_of(form.key) else message}, 400, "typed")
    except DatabaseUnavailable as error:
        return unavailable(error)


@_answers(InProgress)
def in_progress(error: InProgress) -> ResponseReturnValue:
    """Lead to the page of the order that is being placed, or offer to ask again."""
    if error.order_id is not None:
        return redirect(url_for("shop.order", reference=_reference(error.order_id)), 303)
    response = _send_again(
        sent_form(),
        409,
        title=gettext("We are still working on your order"),
        paragraphs=(gettext("It was sent a moment ago and isn't finished. Asking again doesn't order it twice."),),
        button=gettext("See what came of it"),
    )
    response.headers["Retry-After"] = str(error.retry_after_seconds)
    return response


@_answers(ProbableDuplicate)
def probable_duplicate(error: ProbableDuplicate) -> ResponseReturnValue:
    """Offer to place this order nevertheless; link to the earlier order only for the visitor who placed it."""
    ours = drafts.is_ours(error.order_id)
    return _send_again(
        sent_form(),
        409,
        answered=True,
        title=gettext("You have just ordered exactly this"),
        paragraphs=(
            gettext("The same order was placed a moment ago. Nothing was ordered this time."),
            "" if ours else gettext("The way to the earlier order is in the e-mail that we send to confirm it."),
        ),
        button=gettext("Place it all the same"),
        other_reference=_reference(error.order_id) if ours else None,
        allow_duplicate=True,
    )


@_answers(TotalChanged)
def total_changed(error: TotalChanged) -> ResponseReturnValue:
    """Show what it costs now and what has changed, and ask."""
    sent = sent_form()
    form = replace(sent, shown={line.sku: line.price for line in error.lines}, expected_total=error.total)
    repriced = any(line.price != sent.shown.get(line.sku, line.price) for line in error.lines)
    title, text = PRICE_CHANGED if repriced else TOTAL_CHANGED
    return _send_again(
        form,
        409,
        answered=True,
        title=title,
        paragraphs=(text,),
        button=pay_button(error.total),
        changed=error,
        before=sent.shown,
        total_before=sent.expected_total or sent.expected_subtotal(),
    )


@_answers(KeyReused)
def key_reused(error: KeyReused) -> ResponseReturnValue:
    """Explain that the form was changed after it was placed; show the way there, and offer to place it as a new order.

    A visitor with the form's key placed that order or was given the form: nobody can guess a key.
    """
    return _send_again(
        sent_form().under_new_key(),
        422,
        title=gettext("This form was placed before, with something else in it"),
        paragraphs=(
            gettext("The earlier order stands as it was; what you changed since was not ordered."),
            gettext("If you want this as well, place it as a new order."),
        ),
        button=gettext("Place it as a new order"),
        other_reference=_reference_if_kept(error.order_id),
    )


@_answers(OrderArchived)
def archived(error: OrderArchived) -> ResponseReturnValue:
    """Explain that the form led to an order long ago, and offer to place it as a new one."""
    return _send_again(
        sent_form().under_new_key(),
        410,
        title=gettext("You placed this order long ago"),
        paragraphs=(
            gettext(
                "It is our order %(number)s, and is archived by now. Nothing was ordered this time.",
                number=error.number,
            ),
            gettext("If you want the same again, place it as a new order."),
        ),
        button=gettext("Place it as a new order"),
    )


@_answers(DatabaseUnavailable)
def unavailable(_error: DatabaseUnavailable) -> ResponseReturnValue:
    """Keep what was typed and offer to try again: nobody knows yet whether the order was recorded."""
    if request.endpoint == "shop.preview":
        return _send_again(
            sent_form(),
            503,
            title=gettext("We can't work out the total at this moment"),
            paragraphs=(gettext("Nothing was ordered. What you typed is kept on this page. Try again in a minute."),),
            button=gettext("Try again"),
            action=url_for("shop.preview"),
        )
    return _send_again(
        sent_form(),
        503,
        title=gettext("We can't take orders at this moment"),
        paragraphs=(
            gettext("We don't know yet whether your order reached us. What you typed is kept on this page."),
            gettext("Try again in a minute: if it did reach us, you get to that order, and it isn't placed twice."),
        ),
        button=gettext("Try again"),
    )


@_answers(Overloaded)
def overloaded(error: Overloaded) -> ResponseReturnValue:
    """Keep what was typed and offer to try again: this try did nothing, an earlier one may have."""
    response = _send_again(
        sent_form(),
        503,
        title=gettext("A great many orders are coming in"),
        paragraphs=(
            gettext("This try was turned away, and nothing was ordered by it. What you typed is kept on this page."),
            gettext(
                "Try again in a moment: if an earlier try reached us, you get to that order, and it isn't placed twice."
            ),
        ),
        button=gettext("Try again"),
    )
    response.headers["Retry-After"] = str(error.retry_after_seconds)
    return response


def _send_again(form: OrderForm, status: int, **words: object) -> Response:
    """Return a page to send the form again; `answered` says that the page knows what became of the form's key."""
    page = render_template("shop/send_again.html", form=form, **words)
    response = make_response(page, status)
    response.headers["Cache-Control"] = "no-store"
    return response


def _reference_if_kept(order_id: uuid.UUID) -> str | None:
    """Return the reference of an order's page, None where the order was archived."""
    try:
        return _reference(order_id)
    except NotFound:
        return None


def _reference(order_id: uuid.UUID) -> str:
    return reference_of(views.find_order(order_id).number)
