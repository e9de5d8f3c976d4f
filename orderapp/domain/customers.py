"""How a customer is named and counted, and which phone numbers are taken."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from orderapp.domain.orders import Customer


def customer_ref(customer: Customer) -> str:
    """Return a stable pseudonym of a customer: the same for the same e-mail address, of no use to anybody else."""
    return "C-" + hashlib.sha256(customer.email.casefold().encode()).hexdigest()[:24]


@dataclass(frozen=True, slots=True)
class PhoneRules:
    """Which phone numbers a shop takes.

    Args:
        country: Where numbers without a country code are at home, as in ISO 3166 (`DE`); empty: nowhere.
        countries: The countries whose numbers are taken; empty: all. Premium, shared-cost, personal and satellite
            numbers never are.

    """

    country: str = ""
    countries: frozenset[str] = frozenset()


def mailbox_of(email: str) -> str:
    """Return what counts as one mailbox: in small letters, without the tag that its owner may add at will (`+tag`)."""
    local, at, domain = email.casefold().rpartition("@")
    return (local.partition("+")[0] or local) + at + domain
