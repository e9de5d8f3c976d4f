"""The zygote: loads everything once, forks installations and hands them the cases that come in as lines of JSON.

`python -m tests.sweep.program FOLDER DATABASE_URL[,RABBITMQ_URL] ...` runs one installation for each argument. Each
line of its input is a list of jobs; each line of its output what came of one of them, in the order they end.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import traceback
from dataclasses import asdict
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import orderapp.admin
import orderapp.api
import orderapp.cli
import orderapp.web  # noqa: F401 - with the three before, what an application loads when it is made
from tests.servers.loopback import keep_share
from tests.sweep.case import Case, Job, Ran
from tests.sweep.installation import Installation
from tests.sweep.processes import forked


def main() -> None:
    """Serve until the input ends."""
    folder, *places = sys.argv[1:]
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever else is printed belongs into the log
    context = get_context("fork")
    jobs, results = context.SimpleQueue(), context.SimpleQueue()
    for number, place in enumerate(places):
        installation = partial(_install, Path(folder) / str(number), place, jobs, results, share=(number, len(places)))
        threading.Thread(target=_end_with, args=(forked(installation),), daemon=True).start()
    for line in sys.stdin:
        waiting = [Job(job["scenario"], tuple(job["plan"]), job["customer"]) for job in json.loads(line)]
        busy = 0
        while waiting or busy:
            # No more at a time than there are takers, so that neither pipe ever fills.
            while waiting and busy < len(places):
                jobs.put(waiting.pop(0))
                busy += 1
            ran = results.get()
            busy -= 1
            answers.write(json.dumps(ran) + "\n")
            answers.flush()


def _end_with(pid: int) -> None:
    """End the zygote when an installation has ended: none does by itself, and the sweep would wait for its results."""
    os.waitpid(pid, 0)
    os.write(2, f"installation {pid} has ended; its log says why\n".encode())
    os._exit(1)


def _install(folder: Path, place: str, jobs: Any, results: Any, *, share: tuple[int, int]) -> None:
    keep_share(*share)
    folder.mkdir(parents=True)
    log = os.open(folder / "log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(log, 1)
    os.dup2(log, 2)
    database_url, _, rabbitmq_url = place.partition(",")
    installation = Installation(folder, database_url or f"sqlite:///{folder / 'orders.db'}", rabbitmq_url)
    while True:
        job: Job = jobs.get()
        try:
            ran = Case(job, installation).run()
        except Exception as error:  # noqa: BLE001 - whatever it is, the sweep is told, and goes on
            traceback.print_exc()
            ran = Ran(job, installation.journal.crossed(), "broken off", [f"{type(error).__name__}: {error}"], 0.0)
        results.put({**asdict(ran), "deaths": ran.deaths, "log": str(folder / "log")})


if __name__ == "__main__":
    main()
