"""Declarations of jobs: found in plugins, and refused at the start in one line if they can't work."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from orderapp.config import ROOT, Settings
from orderapp.errors import ConfigurationError

NUMBERS = itertools.count()
HEAD = "from __future__ import annotations\nfrom orderapp.ext import *\n"
REPORT = """
@job("sales-report", every=Daily("02:00", "Europe/Berlin"), attempts=5, concurrency=2)
def sales_report(run: Run) -> None: ...
"""
FUNCTION = "\ndef count(run): ...\n"
DECLARED = {
    "plugin {}: job 'sales' (sales_report): its name, 'sales', has to be two or more": REPORT.replace(
        "sales-report", "sales"
    ),
    "its name, 'Sales-Report', has to be": REPORT.replace("sales-report", "Sales-Report"),
    "its name, 'sales report', has to be": REPORT.replace("sales-report", "sales report"),
    "its name, 'a-very": REPORT.replace("sales-report", "a-very-long-name-of-a-job-as-nobody-needs"),
    "job 'sales-report' (sales_report): every: '25:00' is no time of day such as 02:00": REPORT.replace(
        "02:00", "25:00"
    ),
    "job 'sales-report' (sales_report): every: 'Mars/Base' is no time zone": REPORT.replace(
        "Europe/Berlin", "Mars/Base"
    ),
    "every: 'daily' is neither Daily": REPORT.replace('Daily("02:00", "Europe/Berlin")', '"daily"'),
    "every: 5 is no whole number of seconds": REPORT.replace('Daily("02:00", "Europe/Berlin")', "Every(5)"),
    "job 'sales-report' (sales_report): attempts: 0 is no whole number, 1 to 10000": REPORT.replace(
        "attempts=5", "attempts=0"
    ),
    "attempts: 10001 is no whole number": REPORT.replace("attempts=5", "attempts=10001"),
    "attempts: True is no whole number": REPORT.replace("attempts=5", "attempts=True"),
    "concurrency: -1 is no whole number": REPORT.replace("concurrency=2", "concurrency=-1"),
    "lease_seconds: 1501 is no number, 1 to 1500": REPORT.replace("attempts=5", "lease_seconds=1501"),
    "title: 7 is no line of text": REPORT.replace("attempts=5", "title=7"),
    "job 'sales-report' (Report): @job has to stand above a function": REPORT.replace(
        "def sales_report(run: Run) -> None", "class Report"
    ),
    "above a function with one parameter": REPORT.replace("(run: Run)", "()"),
    "with one parameter, neither async": REPORT.replace("def sales", "async def sales"),
    "neither async nor a generator": REPORT.replace(" ...", "\n    yield"),
    "job 'sales-report' (count): its name: there is a job sales-report already, sales_report in": REPORT
    + '\n@job("sales-report")'
    + FUNCTION,
    "can't be imported (TypeError: a job needs a name": "\n@job" + FUNCTION,
    "can't be imported (ValueError: the jobs 'sales-report' and 'stock-report' are both named sales_report": (
        REPORT + REPORT.replace("sales-report", "stock-report")
    ),
    "declares neither a system nor a job": FUNCTION,
}


@pytest.fixture
def written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], str]:
    """Writes a plugin and returns the name of its module."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def write(code: str) -> str:
        name = f"jobs{next(NUMBERS)}"
        (tmp_path / f"{name}.py").write_text(HEAD + code)
        return name

    return write


def settings_with(plugins: str, **variables: str) -> Settings:
    named: Mapping[str, str] = {"ORDERAPP_MODE": "development", "ORDERAPP_PLUGINS": plugins, **variables}
    return Settings.from_environment(named)


@pytest.mark.parametrize(("told", "code"), DECLARED.items())
def test_a_declaration_that_cannot_work_is_refused_in_one_line(
    written: Callable[[str], str], told: str, code: str
) -> None:
    name = written(code)
    with pytest.raises(ConfigurationError) as raised:
        settings_with(name)
    assert told.format(name) in str(raised.value)
    assert name in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_job_has_its_settings_from_the_environment(written: Callable[[str], str]) -> None:
    name = written(REPORT)
    job = settings_with(name).jobs["sales-report"]
    assert (job.title, job.backoff.attempts, job.backoff.base_seconds, job.limits.concurrency) == (
        "Sales report", 5, 2, 2
    )  # fmt: skip
    changed = {"SALES_REPORT_RETRY_ATTEMPTS": "7", "SALES_REPORT_RETRY_BASE_SECONDS": "9"}
    limits = {"SALES_REPORT_CONCURRENCY": "3", "SALES_REPORT_RATE_PER_SECOND": "4"}
    job = settings_with(name, **changed, **limits).jobs["sales-report"]
    assert (job.backoff.attempts, job.backoff.base_seconds) == (7, 9)
    assert (job.limits.concurrency, job.limits.rate_per_second) == (3, 4)
    with pytest.raises(ConfigurationError, match="^SALES_REPORT_CONCURRENCY"):
        settings_with(name, SALES_REPORT_CONCURRENCY="many")


def test_a_job_that_a_plugin_only_imports_counts_once(written: Callable[[str], str]) -> None:
    first = written(REPORT)
    second = written(f"from {first} import sales_report\n" + REPORT.replace("sales", "other"))
    assert {"sales-report", "other-report"} <= set(settings_with(f"{first},{second}").jobs)


@pytest.mark.slow
def test_the_worker_says_so_in_one_line_and_stops(tmp_path: Path) -> None:
    (tmp_path / "wrong.py").write_text(HEAD + REPORT.replace("02:00", "2 am"))
    environment = {
        **os.environ,
        "PYTHONPATH": str(tmp_path),
        "ORDERAPP_MODE": "development",
        "ORDERAPP_PLUGINS": "wrong",
        "INSTANCE_PATH": str(tmp_path),
    }
    command = [sys.executable, "-c", "import tasks"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False)
    told = "orderapp: plugin wrong: job 'sales-report' (sales_report): every: '2 am' is no time of day such as 02:00\n"
    assert (done.returncode, done.stderr) == (1, told)
