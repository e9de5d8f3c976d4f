"""How a customer is named and counted, and which phone numbers are accepted."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from orderapp.domain.orders import Customer

HIDDEN = "\N{HORIZONTAL ELLIPSIS}"


def customer_ref(customer: Customer) -> str:
    """Return a stable pseudonym of a customer, for partners who needn't know who it is.

    Example:
        >>> customer_ref(Customer("Ada", "ada@example.org")) == customer_ref(Customer("A. L.", "Ada@Example.org"))
        True
    """
    return "C-" + hashlib.sha256(customer.email.casefold().encode()).hexdigest()[:24]


@dataclass(frozen=True, slots=True)
class PhoneRules:
    """Which phone numbers a shop accepts."""

    country: str = ""  # the country of numbers without a country code, as in ISO 3166 (`DE`); empty: none
    # The countries whose numbers are accepted; empty: all. Premium, shared-cost, personal and satellite numbers are
    # never accepted.
    countries: frozenset[str] = frozenset()


def mailbox_of(email: str) -> str:
    """Return the mailbox to count: the address in lower case, without the tag that its owner may add (`+tag`)."""
    local, at, domain = email.casefold().rpartition("@")
    return (local.partition("+")[0] or local) + at + domain


def masked_email(email: str) -> str:
    """Return the first letter and the host of an address: "z…@example.com"; empty for none."""
    local, _, host = email.rpartition("@")
    return f"{local[:1]}{HIDDEN}@{host}" if email else ""
