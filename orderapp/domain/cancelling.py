"""Until when customers may cancel an order themselves: the shop's limit."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CancelLimit:
    """How long after its confirmation an order can be cancelled on its page."""

    minutes: int = 0  # 0: not at all, unless `until_fulfilled`
    until_fulfilled: bool = False  # until work on it, such as sending a parcel, is done

    @property
    def is_never(self) -> bool:
        """Whether customers can't cancel on the page."""
        return not (self.minutes or self.until_fulfilled)


NEVER = CancelLimit()
