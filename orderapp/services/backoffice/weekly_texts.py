"""The weekly report in words: parts with lines, as plain text and as HTML. The office's page shows the same parts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from orderapp.services.backoffice.weekly_figures import WeeklyFigures

ACTS = {
    "requeue": "tasks requeued",
    "cancel": "tasks given up",
    "happened": "tasks marked as happened",
    "not_happened": "tasks marked as not happened",
    "correct": "corrections ordered",
}

WHOLE = {"order.cancel": "Orders cancelled", "operation.start": "Operations on many tasks"}


@dataclass(frozen=True, slots=True)
class Part:
    """A part of the report: lines of a name and a figure."""

    title: str
    lines: tuple[tuple[str, str], ...]


def parts_of(figures: WeeklyFigures, titles: Mapping[str, str]) -> Sequence[Part]:
    """Return the parts of a report.

    Args:
        figures: The week's figures.
        titles: What staff call the systems, by name.
    """
    placed = sum(figures.orders.values())
    orders = [
        ("Placed", f"{placed:,}"),
        *((state.capitalize(), f"{n:,}") for state, n in sorted(figures.orders.items())),
    ]
    right = [
        ("Not right within a minute", _share(figures.not_at_once, figures.orders.get("confirmed", 0))),
        ("Not right even now", f"{figures.not_yet:,}"),
        ("Right after, half of them", _seconds(figures.p50_seconds)),
        ("Right after, 95 %", _seconds(figures.p95_seconds)),
        ("Right after, 99 %", _seconds(figures.p99_seconds)),
    ]
    acts = [(_act(name), f"{number:,}") for name, number in sorted(figures.acts.items())]
    systems = [
        (titles.get(name, name), _of_system(figures, name))
        for name in sorted({*figures.mismatches, *figures.marks, *figures.failing_minutes, *figures.paused_minutes})
    ]
    return [
        Part("Orders", tuple(orders)),
        Part("How long until confirmed orders were right", tuple(right)),
        Part("By hand", tuple(acts) or (("Nothing was put right by hand", ""),)),
        Part("By system", tuple(systems) or (("No system differed, failed or was paused", ""),)),
    ]


def as_text(heading: str, parts: Sequence[Part], url: str) -> str:
    """Return a report as plain text."""
    blocks = [heading]
    for part in parts:
        lines = (f"  {name}: {figure}" if figure else f"  {name}." for name, figure in part.lines)
        blocks.append("\n".join([part.title, *lines]))
    return "\n\n".join([*blocks, url] if url else blocks) + "\n"


def as_html(heading: str, parts: Sequence[Part], url: str) -> str:
    """Return a report as a page that mail programs show: without styles, and without anything from elsewhere."""
    page = Markup("<h1>{}</h1>").format(heading)
    for part in parts:
        page += Markup("<h2>{}</h2><table>").format(part.title)
        for name, figure in part.lines:
            page += Markup('<tr><th align="left" scope="row">{}</th><td align="right">{}</td></tr>').format(
                name, figure
            )
        page += Markup("</table>")
    if url:
        page += Markup('<p><a href="{}">{}</a></p>').format(url, url)
    return str(Markup('<!doctype html><html lang="en"><title>{}</title><body>{}</body></html>').format(heading, page))


def _share(number: int, of: int) -> str:
    return f"{number:,} of {of:,}" + (f" ({number / of:.2%})" if of else "")


def _seconds(seconds: float | None) -> str:
    if seconds is None:
        return "too few orders"
    return f"{seconds:.1f} s" if seconds < 60 else f"{seconds / 60:,.1f} min"


def _act(name: str) -> str:
    noun, _, verb = name.partition(".")
    if name in WHOLE:
        return WHOLE[name]
    # A selection is one act, however many rows it has.
    return f"Selections of {ACTS[verb]}" if noun in ("tasks", "mismatches") else ACTS[verb].capitalize()


def _of_system(figures: WeeklyFigures, name: str) -> str:
    mismatches = figures.mismatches.get(name, 0)
    told = (
        (mismatches, "mismatch found" if mismatches == 1 else "mismatches found"),
        (figures.marks.get(name, 0), "decided by hand"),
        (figures.failing_minutes.get(name, 0), "min failing"),
        (figures.paused_minutes.get(name, 0), "min paused"),
    )
    return ", ".join(f"{number:,} {what}" for number, what in told if number)
