"""Holds back whoever guesses coupon codes, benefits or member numbers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from orderapp.domain.orders import OrderRequest
from orderapp.errors import InvalidRequest, TooManyAttempts
from orderapp.services import rate_limits, submissions

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
    return (Guesser(("wrong-codes", "address", rate_limits.network_of(address)), WRONG_CODES_OF_PERSON),)


@contextmanager
def holding_back(guessers: Sequence[Guesser], request: OrderRequest, scope: str, key: str) -> Iterator[None]:
    """Submit `request` in the block: not begun after too many wrong codes, counted where it ends with another one.

    A submission without codes, or one that is recorded under its key already, is let through: it tries nothing.

    Raises:
        TooManyAttempts: no system was asked and nothing recorded; or this code was wrong as well, one too many.

    """
    if request.coupon or request.benefit:
        try:
            rate_limits.refuse_if_used_up([(guesser.bucket_parts, guesser.limit) for guesser in guessers])
        except TooManyAttempts:
            if submissions.find(scope, key) is None:
                raise
    with counting(guessers):
        yield


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
