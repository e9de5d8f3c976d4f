"""Run the sandbox: `python -m orderapp.sandbox --port 8001 --smtp-port 8025 --data instance/sandbox.sqlite`."""

from __future__ import annotations

import argparse
import os
import signal
import sqlite3
import sys
from pathlib import Path

from orderapp.errors import OrderappError
from orderapp.sandbox.serving import HOST, SandboxServer
from orderapp.sandbox.settings import SandboxSettings

STOP_SIGNALS = {signal.SIGTERM, signal.SIGINT}


def main() -> int:
    """Serve until told to stop; return the exit status. Tokens are read from the environment the order service has."""
    with_defaults = argparse.ArgumentDefaultsHelpFormatter
    parser = argparse.ArgumentParser("python -m orderapp.sandbox", description=__doc__, formatter_class=with_defaults)
    parser.add_argument("--port", type=int, default=8001, help="of the HTTP systems and the pages")
    parser.add_argument("--smtp-port", type=int, default=8025, help="of the mail server")
    parser.add_argument("--data", type=Path, default=Path("instance/sandbox.sqlite"), help="the file of its state")
    parser.add_argument("--seed", type=int, default=1, help="of the random choices of faults")
    arguments = parser.parse_args()
    signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)  # before any thread: only sigwait below gets them
    try:
        settings = SandboxSettings.from_environment(os.environ, arguments.data, arguments.seed)
        server = SandboxServer(settings, arguments.port, arguments.smtp_port)
    except (OSError, OverflowError, ValueError, sqlite3.Error, OrderappError) as error:
        sys.stderr.write(f"The sandbox can't start: {error}. Nothing was changed; see --port, --smtp-port, --data.\n")
        return 1
    server.start()
    sys.stdout.write(f"Sandbox on http://{HOST}:{server.port}/, mail on smtp://{HOST}:{server.smtp_port}\n")
    sys.stdout.flush()
    signal.sigwait(STOP_SIGNALS)
    server.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
