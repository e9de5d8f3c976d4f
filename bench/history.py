"""`make history`: adds the last result of `make bench` to docs/performance/history.json, and draws history.svg.

`BENCH_FORM=sqlite` adds the result on SQLite; the picture shows the form for production only.
"""

from __future__ import annotations

import datetime as dt
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

from bench.cells import Cell
from bench.forms import FORMS, form_wanted, results_of
from bench.measuring import Measured, read_measured
from bench.plot import Chart, Line, Point, svg
from bench.programs import ROOT
from bench.report import Figure, done_per_second, processor_ms, ratios, submit_ms
from orderapp.no_arguments import refuse_arguments

FOLDER = ROOT / "docs" / "performance"
FIGURES: dict[str, Figure] = {
    "all_done_x_baseline": done_per_second,
    "processor_x_baseline": processor_ms,
    "p99_x_baseline": submit_ms("p99"),
}
DRAWN, DRAWN_CELLS = "all_done_x_baseline", (Cell(0, 16), Cell(20, 16))
Entry = dict[str, Any]


def main() -> int:
    """Add the last result and draw the picture; return 1 if there is none, or if it was added already."""
    form = form_wanted()
    result_file = results_of(form) / "result.json"
    if not result_file.exists():
        return _complain(f"there is no {result_file.relative_to(ROOT)} yet; `make bench` makes it")
    history_file = FOLDER / "history.json"
    entries: list[Entry] = json.loads(history_file.read_text()) if history_file.exists() else []
    measured_on = dt.datetime.fromtimestamp(result_file.stat().st_mtime, dt.UTC).date()
    entry = entry_of(json.loads(result_file.read_text()), measured_on, _product())
    if any(one["cells"] == entry["cells"] for one in entries):
        return _complain("the last result is in the history already")
    entries.append(entry)
    write_history(entries, FOLDER)
    sys.stdout.write(f"Added to {history_file.relative_to(ROOT)} and drawn in history.svg beside it.\n")
    return 0


def entry_of(result: dict[str, Any], date: dt.date, product: str) -> Entry:
    """Return what is kept of a benchmark's result: per cell, median, least and most of each ratio.

    Args:
        result: As `make bench` writes it.
        date: Of the measurement.
        product: The measured version, as a text.
    """
    measured = read_measured(result["measured"])
    cells = dict.fromkeys(one.cell for one in measured)
    return {
        "date": date.isoformat(),
        "product": product,
        "form": result["form"],
        "cells": {str(cell): _figures(measured, cell) for cell in cells},
    }


def chart_of(entries: Sequence[Entry]) -> Chart:
    """Return the chart of the entries in the form for production."""
    shown = [one for one in entries if one["form"] == FORMS[0]]
    lines = [Line(str(cell), _points(shown, str(cell))) for cell in DRAWN_CELLS]
    said = "; ".join(
        f"{line.name}: " + ", ".join(f"{point.median:g} on {shown[point.place]['date']}" for point in line.points)
        for line in lines
    )
    return Chart(
        title="Orders placed and done, in terms of what the plain shop does",
        description=f"Medians of each measurement, the bars show least and most. {said}.",
        places=[one["date"] for one in shown],
        lines=lines,
        unity="the plain shop",
    )


def write_history(entries: Sequence[Entry], folder: Path) -> None:
    """Write `history.json` and `history.svg` into a folder; create the folder if it is missing."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "history.json").write_text(json.dumps(entries, indent=1) + "\n")
    (folder / "history.svg").write_text(svg(chart_of(entries)))


def _figures(measured: Sequence[Measured], cell: Cell) -> dict[str, Any]:
    ours = [processor_ms(one) for one in measured if one.cell == cell and one.contestant == "orderapp"]
    compared = {name: ratios(measured, cell, what) for name, what in FIGURES.items()}
    return {name: _range(found) for name, found in (*compared.items(), ("processor_ms", ours)) if found}


def _range(values: Sequence[float]) -> dict[str, float]:
    return {"median": round(median(values), 2), "least": round(min(values), 2), "most": round(max(values), 2)}


def _points(shown: Sequence[Entry], cell: str) -> list[Point]:
    found = ((place, one["cells"].get(cell, {}).get(DRAWN)) for place, one in enumerate(shown))
    return [Point(place, **figure) for place, figure in found if figure]


def _product() -> str:
    """Return the subject of the newest commit; without a repository, a text that says so."""
    command = ("git", "-C", str(ROOT), "log", "-1", "--format=%s")
    try:
        said = subprocess.run(command, check=True, capture_output=True, text=True).stdout  # noqa: S603 - fixed words
    except (OSError, subprocess.CalledProcessError):
        return "not known"
    return said.strip()


def _complain(text: str) -> int:
    sys.stderr.write(f"bench: {text}\n")
    return 1


if __name__ == "__main__":
    refuse_arguments("bench.history", __doc__)
    sys.exit(main())
