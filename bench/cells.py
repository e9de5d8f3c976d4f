"""The kinds of measurement, and how many orders each takes: enough to see the steady state, few enough to wait for."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Cell:
    """A kind of measurement.

    Args:
        delay_ms: How long the external systems take to answer.
        clients: How many submit at the same time.
    """

    delay_ms: int
    clients: int

    def __str__(self) -> str:
        """Return it as the tables and files name it."""
        return f"{self.delay_ms} ms, {self.clients} client{'s' if self.clients > 1 else ''}"


CELLS = [Cell(delay_ms, clients) for delay_ms in (0, 20) for clients in (1, 16, 64)]
# What one figure is quoted of: work for both processors, and no waiting for the systems.
HEADLINE = Cell(0, 16)
# Before anything is measured. Each of some thirty connections learns its statements at their second use, and 16 clients
# never use more than half of them, so 64 follow.
WARM_UP = {Cell(0, 16): 400, Cell(0, 64): 200}


def orders_in(cell: Cell, orders: int) -> int:
    """Return a cell's number of orders; `orders` is that of many clients with systems that answer immediately.

    Slow systems get half of them: the wait evens out what the machine does. One client gets an eighth, which takes it
    as long.
    """
    if cell.clients == 1:
        return orders // 8
    return orders // 2 if cell.delay_ms else orders
