"""Holds back whoever guesses coupon codes, benefits or member numbers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from orderapp.domain.networks import household_of
from orderapp.domain.orders import OrderRequest
from orderapp.errors import InvalidRequest
from orderapp.services import rate_limits

WINDOW_SECONDS = 600
# Whoever types a code from a voucher gets it right within a few tries; who needs more than ten in ten minutes guesses.
WRONG_CODES_OF_PERSON = 10
# An API client speaks for many people; but e-mail addresses cost nothing, and each new one would buy ten more guesses.
WRONG_CODES_OF_CLIENT = 200
# Where an InvalidRequest tells of a code that nobody knows.
CODE_FIELDS = frozenset({"coupon", "benefit", "customer.member_ref"})


@dataclass(frozen=True, slots=True)
class Guesser:
    """Whose wrong codes are counted together, and how many are allowed within WINDOW_SECONDS."""

    bucket_parts: Sequence[str | int]
    limit: int


def guessers_of_client(client_id: int, email: str) -> tuple[Guesser, ...]:
    """Return who may be guessing through the API: a customer of a client, and the client as a whole."""
    client = ("wrong-codes", "client", client_id)
    return (
        Guesser((*client, email.casefold()), WRONG_CODES_OF_PERSON),
        Guesser(client, WRONG_CODES_OF_CLIENT),
    )


def guessers_of_visitor(address: str | None) -> tuple[Guesser, ...]:
    """Return who may be guessing in the shop, by the network address that the request came from."""
    return (Guesser(("wrong-codes", "address", household_of(address)), WRONG_CODES_OF_PERSON),)


def limits_of(guessers: Sequence[Guesser], request: OrderRequest) -> dict[str, int]:
    """Return what has to be looked at before a submission may try its codes, by bucket; nothing where it has none."""
    if not (request.coupon or request.benefit):
        return {}
    return {rate_limits.bucket_of(guesser.bucket_parts): guesser.limit for guesser in guessers}


@contextmanager
def counting(guessers: Sequence[Guesser]) -> Iterator[None]:
    """Count what ends in the block with a code that nobody knows. Raises TooManyAttempts where it is one too many."""
    try:
        yield
    except InvalidRequest as error:
        if CODE_FIELDS & error.errors.keys():
            for guesser in guessers:
                rate_limits.count(guesser.bucket_parts, guesser.limit, WINDOW_SECONDS)
        raise
