"""Who submits an order or a retry: whose order it becomes, and whom its codes and its placement count for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from orderapp.domain.order_limits import Source
from orderapp.domain.orders import Customer
from orderapp.services.access.code_guesses import Guesser, guessers_of_client, guessers_of_visitor
from orderapp.services.placing.order_limits import sources_of_visitor
from orderapp.services.saga.submissions import SHOP, client_scope


@dataclass(frozen=True, slots=True)
class Submitter:
    """Who submits.

    Args:
        client_id: The API client; None for the shop's own form.
        guessers: Who may be guessing codes with it, and is turned away after too many.
        sources: Whom a placement counts for, against the limits of the settings.

    """

    client_id: int | None = None
    guessers: Sequence[Guesser] = ()
    sources: Sequence[Source] = ()

    @property
    def scope(self) -> str:
        """Whose keys its key is one of."""
        return SHOP if self.client_id is None else client_scope(self.client_id)


UNCOUNTED = Submitter()  # the shop's form, sent by nobody in particular


def visitor(address: str | None, session: str | None, customer: Customer) -> Submitter:
    """Return a visitor of the shop.

    Args:
        address: The network address the request came from.
        session: What names the browser's session.
        customer: Who orders.

    """
    return Submitter(None, guessers_of_visitor(address, session), sources_of_visitor(address, session, customer))


def client(client_id: int, customer: Customer) -> Submitter:
    """Return an API client that submits for a customer."""
    return Submitter(client_id, guessers_of_client(client_id, customer.email), (Source("client", client_id),))
