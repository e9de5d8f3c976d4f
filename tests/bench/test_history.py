"""What is kept of each benchmark, and how it is drawn."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from bench import history
from bench.history import Entry, chart_of, entry_of, write_history
from bench.plot import Chart, Line, Point, svg
from tests.bench.test_report import OURS, RUN

SVG = "{http://www.w3.org/2000/svg}"
KEPT = Path(__file__).parents[2] / "docs" / "performance"


def result() -> dict[str, Any]:
    """What `make bench` writes, of two rounds in one cell."""
    runs = [RUN, replace(OURS, done_per_second=50.0), replace(OURS, done_per_second=70.0), RUN]
    written: dict[str, Any] = json.loads(json.dumps({"form": "production", "measured": [asdict(one) for one in runs]}))
    return written


def entry() -> Entry:
    return entry_of(result(), dt.date(2026, 12, 1), "Faster & <better>")


def test_ratios_are_kept_with_their_ranges() -> None:
    kept = entry()
    assert (kept["date"], kept["product"], kept["form"]) == ("2026-12-01", "Faster & <better>", "production")
    figures = kept["cells"]["0 ms, 16 clients"]
    assert figures["all_done_x_baseline"] == {"median": 0.6, "least": 0.5, "most": 0.7}
    assert figures["processor_x_baseline"]["median"] == 2.0
    assert figures["processor_ms"]["median"] == 20.0


def test_the_picture_tells_what_it_shows() -> None:
    root = ET.fromstring(svg(chart_of([entry(), {**entry(), "form": "sqlite"}])))
    assert root.get("role") == "img"
    labels = str(root.get("aria-labelledby")).split()
    assert labels == [root.findall(f"{SVG}{tag}")[0].get("id") for tag in ("title", "desc")]
    assert "0.6 on 2026-12-01" in str(root.findtext(f"{SVG}desc"))
    assert len(root.findall(f"{SVG}circle")) == 1  # the other form isn't in it
    assert "prefers-color-scheme: dark" in str(root.findtext(f"{SVG}style"))


def test_higher_is_further_up_and_within_the_picture() -> None:
    points = [Point(place, value, value / 2, value * 2) for place, value in enumerate((0.1, 1.0))]
    root = ET.fromstring(svg(Chart("Title", "Words", ["a", "b"], [Line("line", points)], "one")))
    low, high = (float(str(circle.get("cy"))) for circle in root.findall(f"{SVG}circle"))
    assert high < low
    heights = [float(str(one.get(side))) for one in root.findall(f"{SVG}line") for side in ("y1", "y2")]
    assert 0 < min(heights) < max(heights) < 400


def test_names_of_lines_that_end_together_are_apart() -> None:
    lines = [Line(name, [Point(0, 0.5, 0.5, 0.5)]) for name in ("first", "second")]
    root = ET.fromstring(svg(Chart("Title", "Words", ["a"], lines, "one")))
    heights = [float(str(one.get("y"))) for one in root.findall(f"{SVG}text") if "0.50" in str(one.text)]
    assert abs(heights[0] - heights[1]) >= 13  # the height of the words


def test_words_are_escaped() -> None:
    root = ET.fromstring(svg(Chart("<&>", "<&>", ["<&>"], [], "<&>")))
    assert root.findtext(f"{SVG}title") == "<&>"


def test_more_lines_than_can_be_told_apart_are_refused() -> None:
    with pytest.raises(ValueError, match="4 lines"):
        svg(Chart("Title", "Words", [], [Line(str(number), []) for number in range(4)], "one"))


def test_the_kept_picture_is_that_of_the_kept_history(tmp_path: Path) -> None:
    write_history(json.loads((KEPT / "history.json").read_text()), tmp_path)
    for name in ("history.json", "history.svg"):
        assert (tmp_path / name).read_text() == (KEPT / name).read_text()


def test_the_same_result_is_added_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(history, "ROOT", tmp_path)
    monkeypatch.setattr(history, "FOLDER", tmp_path)
    monkeypatch.setattr(history, "results_of", lambda _form: tmp_path)
    monkeypatch.delenv("BENCH_FORM", raising=False)
    assert history.main() == 1
    assert "`make bench` makes it" in capsys.readouterr().err
    (tmp_path / "result.json").write_text(json.dumps(result()))
    assert [history.main(), history.main()] == [0, 1]
    assert "already" in capsys.readouterr().err
    assert len(json.loads((tmp_path / "history.json").read_text())) == 1
