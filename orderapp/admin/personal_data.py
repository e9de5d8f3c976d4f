"""Customers' data, masked for members whose role only looks: enough to recognise a person, too little to write down."""

from __future__ import annotations

from collections.abc import Callable

from markupsafe import Markup

from orderapp.admin import cells, who
from orderapp.domain.customers import HIDDEN, masked_email
from orderapp.domain.orders import Customer
from orderapp.models import Role

SHOWN_DIGITS = 2  # of a phone number, from its end


def masked(customer: Customer) -> Customer:
    """Return a customer as viewers see one."""
    return Customer(masked_name(customer.name), masked_email(customer.email), masked_phone(customer.phone))


def shown(name: str, email: str, phone: str) -> tuple[str, str, str]:
    """Return a customer's data as whoever has logged in sees it."""
    customer = Customer(name, email, phone)
    seen = customer if who.member().may(Role.OPERATOR) else masked(customer)
    return (seen.name, seen.email, seen.phone)


def masked_name(name: str) -> str:
    """Return the first letter of each part of a name: "Z… v… H…"."""
    return " ".join(f"{part[0]}{HIDDEN}" for part in name.split())


def masked_phone(phone: str) -> str:
    """Return the last digits of a phone number; empty for none."""
    return f"{HIDDEN}{phone[-SHOWN_DIGITS:]}" if phone else ""


def cell(value: str, mask: Callable[[str], str]) -> Markup:
    """Return a cell with a customer's datum, masked for members whose role only looks."""
    if not value:
        return cells.NOTHING
    return Markup("<bdi>{}</bdi>").format(value if who.member().may(Role.OPERATOR) else mask(value))
