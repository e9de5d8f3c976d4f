"""Sweeps: numbers the boundaries of each scenario, then has an order die at each, alone and in pairs."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from orderapp.config import ROOT
from tests.servers.process import ServerProcess
from tests.sweep.boundaries import DIED
from tests.sweep.case import LATE, SOON, Job
from tests.sweep.scenarios import SCENARIOS

SEED = 1
# What a timer does when it starts, and then seldom: no part of an order's way.
HOUSEKEEPING = tuple(
    f"timer: {what}" for what in ("tidy", "plan_next_runs", "take_sample", "_delete_slice", "_drop_slice")
)


class Program:
    """Installations that run cases side by side, one for each place (`DATABASE_URL,RABBITMQ_URL`)."""

    def __init__(self, folder: Path, places: Sequence[str]) -> None:
        self.log = folder / "log"
        command = [sys.executable, "-m", "tests.sweep.program", str(folder), *places]
        with self.log.open("ab") as log:
            child = subprocess.Popen(
                command,
                cwd=ROOT,
                env={"PATH": os.environ["PATH"]},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                start_new_session=True,
            )
        self._process = ServerProcess(child, self.log)
        assert child.stdin
        assert child.stdout
        self._in, self._out = child.stdin, child.stdout

    def run(self, jobs: Sequence[Job]) -> list[dict[str, Any]]:
        """Run these cases, and return what came of each, in the order they ended."""
        self._in.write(json.dumps([asdict(job) for job in jobs]).encode() + b"\n")
        self._in.flush()
        results = []
        for _ in jobs:
            line = self._out.readline()
            assert line, self.log.read_text()[-2000:]
            results.append(json.loads(line))
        return results

    def close(self) -> None:
        """End everything."""
        self._process.kill()
        self._in.close()
        self._out.close()


@dataclass
class Swept:
    """The count of a sweep, and its violations."""

    where: str
    boundaries: int  # of the scenarios swept, each counted once
    possible: int  # cases of one death that there are: each boundary, and each way the customer may repeat
    singles: int = 0
    pairs: int = 0
    deaths: int = 0
    missed: list[str] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)

    def add(self, results: Iterable[dict[str, Any]]) -> None:
        """Count these cases."""
        for ran in results:
            job = ran["job"]
            self.singles += len(job["plan"]) == 1
            self.pairs += len(job["plan"]) == 2
            self.deaths += ran["deaths"]
            about = f"{job['scenario']}, customer {job['customer']}: {' then '.join(job['plan'])}"
            if ran["deaths"] < len(job["plan"]):
                self.missed.append(about)
            if ran["wrong"]:
                story = "\n      ".join(ran["crossed"])
                self.violations.append(
                    f"{about}\n  ended {ran['ended']}: {ran['wrong']}\n  {ran['log']}\n      {story}"
                )

    def __str__(self) -> str:
        drawn = "all" if self.singles == self.possible else f"drawn with seed {SEED} from {self.possible}"
        return (
            f"Crash sweep, {self.where}: {self.boundaries} boundaries; {self.singles} cases of one death ({drawn}), "
            f"{self.pairs} of two (drawn); {self.deaths} deaths, {len(self.missed)} not come to; "
            f"{len(self.violations)} violations"
        )


class Sweeper:
    """Finds all boundaries of all scenarios first, by runs without a death; then sweeps some of them."""

    def __init__(self, program: Program, where: str) -> None:
        self._program = program
        self._where = where
        self._lived = {
            ran["job"]["scenario"]: ran for ran in program.run([Job(scenario.name) for scenario in SCENARIOS])
        }
        for ran in self._lived.values():
            ran["crossed"] = [name for name in ran["crossed"] if not name.startswith(HOUSEKEEPING)]
        for scenario in SCENARIOS:
            ran = self._lived[scenario.name]
            assert (ran["ended"], ran["wrong"]) == (scenario.ends, []), (scenario.name, ran)

    def sweep(self, names: Sequence[str], singles: int | None, pairs: int) -> Swept:
        """Let orders of these scenarios die.

        Args:
            names: Of the scenarios.
            singles: How many cases of one death to draw; None for all there are.
            pairs: How many cases of two deaths to draw: the second one somewhere in the recover of the first.
        """
        chance = random.Random(SEED)
        all_singles = [job for name in names for job in _single_deaths(name, self._lived[name]["crossed"])]
        boundaries = sum(len(self._lived[name]["crossed"]) for name in names)
        swept = Swept(f"{self._where}, {', '.join(names)}", boundaries, len(all_singles))
        single = self._program.run(all_singles if singles is None else chance.sample(all_singles, singles))
        swept.add(single)
        second = [job for ran in sorted(single, key=lambda ran: str(ran["job"])) for job in _second_deaths(ran)]
        swept.add(self._program.run(chance.sample(second, min(pairs, len(second)))))
        return swept


def _single_deaths(name: str, crossed: Sequence[str]) -> list[Job]:
    patient = [Job(name, (boundary,)) for boundary in crossed]
    asking = [boundary for boundary in crossed if boundary.startswith("web")]
    return patient + [Job(name, (boundary,), customer) for customer in (SOON, LATE) for boundary in asking]


def _second_deaths(ran: dict[str, Any]) -> list[Job]:
    """Return a pair for each boundary that was crossed after the death."""
    job, crossed = ran["job"], ran["crossed"]
    died = next((number for number, line in enumerate(crossed) if line.startswith(DIED)), len(crossed))
    return [
        Job(job["scenario"], (*job["plan"], boundary), job["customer"])
        for boundary in crossed[died + 1 :]
        if not boundary.startswith(HOUSEKEEPING)
    ]
