"""What every benchmark runs in: servers, the external systems' stand-in, and a folder for logs and results."""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.forms import FORMS, results_of
from bench.programs import ROOT
from bench.servers import Servers, production_servers, sqlite_servers
from bench.systems import Systems, running_systems


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Everything around the contestants.

    Args:
        servers: Database and broker.
        systems: The stand-in.
        folder: For logs and results.
    """

    servers: Servers
    systems: Systems
    folder: Path

    @property
    def logs(self) -> Path:
        """Where the programs' logs go."""
        return self.folder / "logs"

    def write(self, name: str, result: Any) -> None:
        """Write a result as JSON."""
        (self.folder / f"{name}.json").write_text(json.dumps(result, indent=1))

    def keep(self, name: str, result: Any, text: str) -> None:
        """Write a result as JSON and as Markdown, and say the latter and where they are."""
        self.write(name, result)
        (self.folder / f"{name}.md").write_text(f"{text}\n")
        say(f"\n{text}\n\nEverything that was measured is in {self.folder.relative_to(ROOT)}/.")


@contextmanager
def running_surroundings(form: str = FORMS[0]) -> Iterator[Surroundings]:
    """Run servers and systems inside the block.

    Args:
        form: One of FORMS.
    """
    folder = results_of(form)
    shutil.rmtree(folder / "logs", ignore_errors=True)
    (folder / "logs").mkdir(parents=True)
    say("Starting the servers and the external systems ...")
    with ExitStack() as stack:
        data = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="orderapp-bench-")))
        servers = stack.enter_context(production_servers() if form == FORMS[0] else sqlite_servers(data))
        systems = stack.enter_context(running_systems(folder / "logs"))
        yield Surroundings(servers, systems, folder)


def say(text: str) -> None:
    """Print progress for the person who waits."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()
