"""What the parts of a running sandbox share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from orderapp.sandbox.faults import FaultBoard
from orderapp.sandbox.late_effects import LateEffects
from orderapp.sandbox.stand_in import Section, StandIn
from orderapp.sandbox.store import Store


@dataclass(frozen=True)
class State:
    """The stored state, the stand-ins by name, their faults, and the effects still to come."""

    store: Store
    stand_ins: Mapping[str, StandIn]
    board: FaultBoard
    late: LateEffects

    @property
    def sections(self) -> dict[str, Section]:
        """Every table there is to look at, by name."""
        return {section.name: section for stand_in in self.stand_ins.values() for section in stand_in.sections}

    def advance(self) -> None:
        """Let all due effects happen, so that the next read is up to date."""
        for stand_in in self.stand_ins.values():
            stand_in.advance()
