"""The log: one line for each event, on standard error, whatever is in it."""

from __future__ import annotations

import json
import logging
import threading
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import structlog

from orderapp.logs import set_up_logs

Lines = Callable[[], list[dict[str, Any]]]


@pytest.fixture(autouse=True)
def undone() -> Iterator[None]:
    """The tests' own logging is back afterwards."""
    root, configured = logging.getLogger(), structlog.get_config()
    handlers, level = root.handlers[:], root.level
    structlog.contextvars.clear_contextvars()  # whatever request was the last one in this process
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.configure(**configured)
    structlog.contextvars.clear_contextvars()


@pytest.fixture
def lines(capsys: pytest.CaptureFixture[str]) -> Lines:
    """Returns the lines written since the last time, all of them JSON, and nothing on standard output."""

    def read() -> list[dict[str, Any]]:
        output, errors = capsys.readouterr()
        assert output == ""
        assert not errors or errors.endswith("\n")
        return [json.loads(line) for line in errors.splitlines()]

    return read


def test_an_event_is_one_line_of_json(lines: Lines) -> None:
    set_up_logs(json_lines=True)
    structlog.contextvars.bind_contextvars(request_id="r1")
    structlog.get_logger().info("order.placed", order="0P7XT", said="two\nlines, é", took=0.5, id=uuid.UUID(int=7))
    [line] = lines()
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "event": "order.placed",
        "level": "info",
        "request_id": "r1",
        "order": "0P7XT",
        "said": "two\nlines, é",
        "took": 0.5,
        "id": str(uuid.UUID(int=7)),
    }


def test_what_libraries_log_has_the_same_form(lines: Lines) -> None:
    set_up_logs(json_lines=True)
    logging.getLogger("somebody").warning("the disk is %s", "full")
    [line] = lines()
    assert (line["event"], line["level"]) == ("the disk is full", "warning")


@pytest.mark.parametrize("json_lines", [True, False], ids=["for machines", "for people"])
@pytest.mark.parametrize(
    ("level", "written"), [(logging.INFO, ["info", "warning"]), (logging.WARNING, ["warning"])], ids=["info", "warning"]
)
def test_what_is_less_than_the_level_is_left_out(
    capsys: pytest.CaptureFixture[str], json_lines: bool, level: int, written: list[str]
) -> None:
    set_up_logs(json_lines=json_lines, level=level)
    for ours in (structlog.get_logger(), logging.getLogger("somebody")):
        for name in ("debug", "info", "warning"):
            getattr(ours, name)(f"said-{name}")
    errors = capsys.readouterr().err
    assert [errors.count(f"said-{name}") for name in ("debug", "info", "warning")] == [
        2 * (name in written) for name in ("debug", "info", "warning")
    ]


@pytest.mark.parametrize(
    "odd", ["half a character: \ud83d", 2**70, object(), {1: {2}}], ids=["half", "70 bits", "object", "keys"]
)
@pytest.mark.parametrize("json_lines", [True, False], ids=["for machines", "for people"])
def test_an_event_with_something_odd_is_written_all_the_same(
    capsys: pytest.CaptureFixture[str], json_lines: bool, odd: object
) -> None:
    set_up_logs(json_lines=json_lines)
    structlog.get_logger().info("order.odd", odd=odd)
    structlog.get_logger().info("order.next")
    errors = capsys.readouterr().err
    assert "order.odd" in errors
    assert "order.next" in errors
    assert errors.count("\n") == 2
    if json_lines:
        assert all(json.loads(line) for line in errors.splitlines())


def test_an_exception_is_told_within_its_line(lines: Lines) -> None:
    set_up_logs(json_lines=True)
    try:
        raise RuntimeError("nobody foresaw this")
    except RuntimeError:
        structlog.get_logger().exception("request.failed")
    [line] = lines()
    assert "nobody foresaw this" in line["exception"]
    assert "Traceback" in line["exception"]


def test_threads_do_not_mix_their_lines(lines: Lines) -> None:
    set_up_logs(json_lines=True)
    begin = threading.Barrier(4)

    def tell(number: int) -> None:
        begin.wait(5)
        for count in range(50):
            structlog.get_logger().info("told", by=number, count=count, more="x" * 500)

    threads = [threading.Thread(target=tell, args=(number,)) for number in range(4)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    told = lines()
    assert {(line["by"], line["count"]) for line in told} == {(by, count) for by in range(4) for count in range(50)}
    assert len(told) == 200
