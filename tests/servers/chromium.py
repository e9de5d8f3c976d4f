"""Chromium: where it is, and how tests start it."""

import os
import shutil
from pathlib import Path

_NAMES = ("chromium", "google-chrome", "google-chrome-stable")

_ARGUMENTS = (
    "--disable-gpu",
    "--no-first-run",
    # A test must depend on nothing but the pages it opens: no calls home, and no other host even if a page names one.
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-quic",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
)


def find() -> Path | None:
    """Return Chromium's program (`CHROMIUM`, from PATH, or what `playwright install` fetched); None where absent."""
    if "CHROMIUM" in os.environ:
        candidates = [os.environ["CHROMIUM"]]
    else:
        fetched = Path.home().glob(".cache/ms-playwright/chromium-*/chrome-linux*/chrome")
        candidates = [*filter(None, map(shutil.which, _NAMES)), *sorted(map(str, fetched), reverse=True)]
    return next((Path(path) for path in candidates if os.access(path, os.X_OK)), None)


def arguments() -> list[str]:
    """Return the command line options for tests."""
    # Chromium refuses to run as root with its sandbox on.
    return [*_ARGUMENTS, *(["--no-sandbox"] if os.geteuid() == 0 else [])]
