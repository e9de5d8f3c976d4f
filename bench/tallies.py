"""The results of the requests of one kind that were due in one stretch of time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from bench.load import reason
from bench.open_loop import Seen
from bench.percentiles import percentiles
from bench.tables import table

DONE = frozenset({200, 201})  # a page, a confirmed order
REFUSED = 503  # with `overloaded`, or because a system can't be used at present
HEAD = (
    "",
    "due /s",
    "done /s",
    "p50 ms",
    "p99 ms",
    "refused",
    "refusal p50 ms",
    "p99 ms",
    "with Retry-After",
    "answers other than as wished",
)


@dataclass(frozen=True, slots=True)
class Tally:
    """Counts and times of one kind of requests.

    Args:
        title: What they are, for the report.
        due_per_second: How many should leave.
        done_per_second: How many of them were answered as wished.
        done_ms: The 50th, 95th and 99th of a hundred of these answers' times.
        refused_share: How many of all were answered with 503, from 0 to 1.
        refused_ms: The same times of these.
        retry_after_share: How many of the refusals said when to come again; 1 where there are none.
        others: Counts of all other answers, by status and code; 0 stands for no answer.
    """

    title: str
    due_per_second: float
    done_per_second: float
    done_ms: dict[str, float]
    refused_share: float
    refused_ms: dict[str, float]
    retry_after_share: float
    others: dict[str, int]


def tally(title: str, seen: Iterable[Seen], seconds: float) -> Tally:
    """Count what came of requests that were due within so many seconds."""
    everything = list(seen)
    done = [one for one in everything if one.status in DONE]
    refused = [one for one in everything if one.status == REFUSED]
    others = Counter(reason(one.status, one.body) for one in everything if one.status not in DONE)
    return Tally(
        title=title,
        due_per_second=len(everything) / seconds,
        done_per_second=len(done) / seconds,
        done_ms=percentiles(one.seconds * 1000 for one in done),
        refused_share=len(refused) / max(1, len(everything)),
        refused_ms=percentiles(one.seconds * 1000 for one in refused),
        retry_after_share=sum("retry-after" in one.headers for one in refused) / len(refused) if refused else 1.0,
        others=dict(others),
    )


def tallies_markdown(tallies: Iterable[Tally]) -> str:
    """Return a table with a row for each."""
    return table(HEAD, [_row(one) for one in tallies])


def _row(one: Tally) -> list[str]:
    refused = [f"{one.refused_ms['p50']:.0f}", f"{one.refused_ms['p99']:.0f}", f"{one.retry_after_share:.0%}"]
    return [
        one.title,
        f"{one.due_per_second:.0f}",
        f"{one.done_per_second:.0f}",
        *((f"{one.done_ms['p50']:.0f}", f"{one.done_ms['p99']:.0f}") if one.done_per_second else ("-", "-")),
        f"{one.refused_share:.0%}",
        *(refused if one.refused_share else ("-", "-", "-")),
        ", ".join(f"{count} ({why})" for why, count in one.others.items()) or "none",
    ]
