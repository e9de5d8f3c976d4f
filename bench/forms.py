"""The two forms in which orderapp is measured, and where the results of each go."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from bench.programs import ROOT

# That of docs/production.md, and that of `make run`.
FORMS = ("production", "sqlite")
RESULTS = ROOT / "build" / "bench"


def form_wanted() -> str:
    """Return `BENCH_FORM`, or the form for production; ends the program in one line where it is neither."""
    form = os.environ.get("BENCH_FORM") or FORMS[0]
    if form not in FORMS:
        sys.exit(f"bench: BENCH_FORM: {form!r} is neither {' nor '.join(FORMS)}")
    return form


def results_of(form: str) -> Path:
    """Return the folder of a form's results and logs."""
    return RESULTS if form == FORMS[0] else RESULTS / form
