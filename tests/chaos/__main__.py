"""`make chaos`: two thousand orders among faults, kills and restarts, then the audit.

`ORDERS` is how many, `SECONDS` how long it takes to submit them, and `SEED` draws the same orders and faults again.
"""

from __future__ import annotations

import os
import random
import shutil
import sys
from pathlib import Path

from orderapp.config import ROOT
from orderapp.no_arguments import refuse_arguments
from tests.chaos.run import Chaos, run
from tests.servers import postgres, rabbitmq
from tests.servers.process import ServerDiedError

RESULTS = ROOT / "build" / "chaos"
ORDERS = 2000
# Of one order: at eight a second the processes are busy and the customers overlap, on two processors.
SECONDS_PER_ORDER = 0.125


def main() -> int:
    """Run it, print the figures and write them as JSON; return 1 where anything isn't as promised."""
    refuse_arguments("tests.chaos", __doc__)
    orders = _number("ORDERS", ORDERS, 1, 1_000_000)
    chaos = Chaos(
        seed=_number("SEED", random.randrange(1_000_000), 0, 10**9),
        orders=orders,
        seconds=_number("SECONDS", round(orders * SECONDS_PER_ORDER), 1, 86_400),
    )
    database_programs, broker_programs = postgres.find(), rabbitmq.find()
    if database_programs is None or broker_programs is None:
        sys.exit("chaos: PostgreSQL and RabbitMQ are needed; `make services` installs them")
    logs = RESULTS / f"seed-{chaos.seed}-logs"
    shutil.rmtree(logs, ignore_errors=True)
    logs.mkdir(parents=True)
    _say(f"Seed {chaos.seed}; make chaos SEED={chaos.seed} draws the same again. Starting servers and processes ...")
    with postgres.PostgresServer(database_programs) as database, rabbitmq.RabbitmqServer(broker_programs) as broker:
        figures = run(chaos, logs, database, broker, _say)
    file = figures.write(RESULTS)
    _say(f"\n{figures.text()}\n\n{_place(file)} has all of it, {_place(logs)}/ the logs.")
    return 0 if figures.as_promised else 1


def _number(name: str, default: int, least: int, most: int) -> int:
    raw = os.environ.get(name) or str(default)
    if not raw.isdecimal() or not least <= int(raw) <= most:
        sys.exit(f"chaos: {name}: {raw!r} is not a number from {least} to {most}")
    return int(raw)


def _place(path: Path) -> Path:
    return path.relative_to(ROOT)


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    try:
        sys.exit(main())
    except ServerDiedError as error:
        sys.exit(f"chaos: {error}")
    except KeyboardInterrupt:
        sys.exit("chaos: stopped; nothing was audited")
