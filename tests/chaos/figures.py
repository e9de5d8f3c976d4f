"""What a chaos run came to: the figures, as text and as JSON, and whether it was as promised."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

# How soon after the faults' end every order must be decided, and everything be done. The leases (8 s for a submission,
# 5 s for a task), the late window (5 s) and the backoff (1 s at most) of the run are in it.
CONSISTENT_LIMIT_SECONDS = 15.0
DONE_LIMIT_SECONDS = 60.0
LISTED_PROBLEMS = 50


@dataclass(frozen=True)
class Figures:
    """One run.

    Args:
        seed: It draws the orders, the customers' plans, the faults and the acts; when they hit is up to the machine.
        disturbed_seconds: How long the faults lasted.
        customers: How many there were, what they did, and how often they got no answer.
        answers: To each customer's first key, by code.
        orders: By final state.
        placements: Passes over the blocking systems, of all orders.
        calls, disturbed: By system, as the sandbox counted them.
        events: How many were written, received and accepted by the subscriber; and the runs of a job.
        acts: What was done to the processes and servers, by kind.
        consistent_seconds: From the faults' end until every order that was placing then was decided.
        done_seconds: From the faults' end until nothing was under way, here or in the systems.
        problems: Everything that was not as promised.
    """

    seed: int
    disturbed_seconds: float
    customers: Mapping[str, int]
    answers: Mapping[str, int]
    orders: Mapping[str, int]
    placements: int
    calls: Mapping[str, int]
    disturbed: Mapping[str, int]
    events: Mapping[str, int]
    acts: Mapping[str, int]
    consistent_seconds: float
    done_seconds: float
    processors: int
    load_average: float
    problems: list[str]

    @property
    def as_promised(self) -> bool:
        """Whether there is no problem, and both limits are kept."""
        in_time = self.consistent_seconds <= CONSISTENT_LIMIT_SECONDS and self.done_seconds <= DONE_LIMIT_SECONDS
        return in_time and not self.problems

    def text(self) -> str:
        """Return what people read."""
        calls, disturbed = sum(self.calls.values()), sum(self.disturbed.values())
        lines = [
            f"seed                 {self.seed}",
            f"orders               {sum(self.orders.values())}: {_list(self.orders)}; {self.placements} placements",
            f"customers            {_list(self.customers)}",
            f"first answers        {_list(self.answers)}",
            f"faults               {self.disturbed_seconds:.0f} s; {disturbed} of {calls} calls"
            f" ({disturbed / max(calls, 1):.0%}): {_list(self.disturbed)}",
            f"events and jobs      {_list(self.events)}",
            f"acts                 {_list(self.acts)}",
            f"machine              {self.processors} processors, load {self.load_average:.1f} at the faults' end",
            f"every order decided  {self.consistent_seconds:.1f} s after the faults, of {CONSISTENT_LIMIT_SECONDS:.0f}",
            f"everything done      {self.done_seconds:.1f} s after the faults, of {DONE_LIMIT_SECONDS:.0f}",
            f"problems             {len(self.problems)}",
            *(f"  {problem}" for problem in self.problems[:LISTED_PROBLEMS]),
        ]
        return "\n".join(lines)

    def write(self, folder: Path) -> Path:
        """Write them as JSON, all problems included; return the file."""
        folder.mkdir(parents=True, exist_ok=True)
        file = folder / f"seed-{self.seed}.json"
        file.write_text(json.dumps({**asdict(self), "as_promised": self.as_promised}, indent=1))
        return file


def machine() -> dict[str, float]:
    """Return how many processors there are, and how many programs wanted one during the last minute."""
    return {"processors": os.cpu_count() or 1, "load_average": os.getloadavg()[0]}


def _list(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(counts.items()))
