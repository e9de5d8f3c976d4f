"""`make drain`: ten thousand tasks wait for a system that comes back; prints what was measured. `TASKS`, `RATE`."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

from tests.drain.run import drain
from tests.servers import postgres, rabbitmq


def main() -> int:
    """Run it and return the exit status: 1 where the promise wasn't kept."""
    tasks, rate = int(os.environ.get("TASKS") or 10_000), float(os.environ.get("RATE") or 50)
    postgres_programs, rabbitmq_programs = postgres.find(), rabbitmq.find()
    if postgres_programs is None or rabbitmq_programs is None:
        sys.exit("drain: PostgreSQL and RabbitMQ are needed; `make services` installs them")
    with (
        tempfile.TemporaryDirectory() as folder,
        postgres.PostgresServer(postgres_programs) as database,
        rabbitmq.RabbitmqServer(rabbitmq_programs) as broker,
    ):
        done = drain(tasks, rate, Path(folder), database.create_database(), broker.url)
    sys.stdout.write(json.dumps(asdict(done), indent=2) + "\n")
    return 0 if done.as_promised else 1


if __name__ == "__main__":
    sys.exit(main())
