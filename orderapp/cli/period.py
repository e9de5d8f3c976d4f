"""Periods as people type them: 90m, 24h, 7d."""

from __future__ import annotations

import re
from typing import Any

import click

from orderapp.cli.command import one_line

UNIT_SECONDS = {"m": 60, "h": 3600, "d": 86_400}
MAX_SECONDS = 3660 * 86_400  # ten years: as far back as any bookkeeping has to reach


class Period(click.ParamType[Any, Any]):
    """A period such as 90m, 24h or 7d, as seconds."""

    name = "period"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return the seconds; refuses anything else."""
        found = re.fullmatch(r"([0-9]{1,9})([mhd])", str(value))
        seconds = int(found[1]) * UNIT_SECONDS[found[2]] if found else 0
        if not 0 < seconds <= MAX_SECONDS:
            told = f"{one_line(str(value))!r} is no period such as 90m, 24h or 7d, of ten years at most"
            raise click.ClickException(f"{param.opts[0]}: {told}" if param else told)
        return float(seconds)
