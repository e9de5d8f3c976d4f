"""Who submits an order or a retry: the owner of the order, and who is counted for its codes and its placement."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from orderapp.domain.order_limits import Source
from orderapp.domain.orders import NOBODY, Customer
from orderapp.services.access.code_guesses import Guesser, guessers_of_client, guessers_of_visitor
from orderapp.services.placing.order_limits import sources_of_visitor
from orderapp.services.saga.submissions import SHOP, client_scope


@dataclass(frozen=True, slots=True)
class Submitter:
    """Who submits."""

    client_id: int | None = None  # the API client; None for the shop's own form
    guessers: Sequence[Guesser] = ()  # who may be guessing codes, and is refused after too many wrong ones
    sources: Sequence[Source] = ()  # who a placement counts for, or a preview, against its limits

    @property
    def scope(self) -> str:
        """The scope in which the key is unique."""
        return SHOP if self.client_id is None else client_scope(self.client_id)


UNCOUNTED = Submitter()  # the shop's form, with nobody to count for


def visitor(address: str | None, session: str | None, customer: Customer) -> Submitter:
    """Return a visitor of the shop.

    Args:
        address: The network address the request came from.
        session: The name of the browser's session.
        customer: Who orders.
    """
    return Submitter(None, guessers_of_visitor(address, session), sources_of_visitor(address, session, customer))


def passer_by(address: str | None, session: str | None) -> Submitter:
    """Return a visitor who only wants to know what an order would cost; arguments as for `visitor`."""
    return visitor(address, session, NOBODY)


def client(client_id: int, customer: Customer) -> Submitter:
    """Return an API client that submits for a customer."""
    return Submitter(client_id, guessers_of_client(client_id, customer.email), (Source("client", client_id),))
