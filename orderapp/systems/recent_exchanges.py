"""The exchanges that this thread's call has made so far: what is kept of it should its connector raise."""

from __future__ import annotations

import threading

from orderapp.domain.outcome import Exchange


class _Made(threading.local):
    exchanges: tuple[Exchange, ...] = ()


_made = _Made()


def forget() -> None:
    """Begin anew, before a call."""
    _made.exchanges = ()


def note(exchange: Exchange) -> None:
    """Keep an exchange, masked and cut as it goes into the history."""
    _made.exchanges = (*_made.exchanges, exchange)


def made() -> tuple[Exchange, ...]:
    """Return what was made since `forget`, oldest first."""
    return _made.exchanges
