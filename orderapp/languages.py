"""Languages: which there are, and texts, amounts, times and spans of time in each.

The source is written in English. Every other language is one file, `translations/<code>/LC_MESSAGES/messages.po`, which
is read at its first use: nothing has to be compiled. Texts with values name them: `%(amount)s`.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from io import BytesIO
from pathlib import Path

from babel import Locale
from babel.dates import format_date, format_datetime
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.numbers import format_decimal
from babel.support import NullTranslations, Translations
from babel.units import format_unit
from jinja2 import Environment

from orderapp.currencies import amount_text
from orderapp.domain.money import Money

SOURCE = "en"
FOLDER = Path(__file__).parent / "translations"
# How English writes dates: most readers of our English pages live in Europe.
_DATES = {SOURCE: "en_GB"}
_LONGEST_SECONDS = ((3600, "duration-hour"), (60, "duration-minute"))


@dataclass(frozen=True, slots=True)
class Language:
    """One of the languages of `codes()`."""

    code: str  # such as `de`

    @property
    def name(self) -> str:
        """What its speakers call it."""
        return str(Locale.parse(self.code).get_display_name()).capitalize()

    def gettext(self, text: str, **values: object) -> str:
        """Return a text of the source in this language, with its values; the text itself if it isn't translated."""
        told = _catalogue(self.code).gettext(text) if text else ""
        return told % values if values else told

    def ngettext(self, one: str, many: str, number: int, **values: object) -> str:
        """Return a text in the form that goes with a number, which the text names `%(number)s`."""
        told = _catalogue(self.code).ngettext(one, many, number)
        return told % {"number": self.number(number), **values}

    def number(self, number: int) -> str:
        """Return a whole number as text: "1,000"."""
        return format_decimal(number, locale=self.code)

    def amount(self, amount: Money) -> str:
        """Return an amount as text: "€12.50"."""
        return amount_text(amount, self.code)

    def moment(self, at: dt.datetime, zone: dt.tzinfo = dt.UTC) -> str:
        """Return a time as text, with the name of its zone: "22 Nov 2026, 21:03:05 UTC"."""
        locale = _DATES.get(self.code, self.code)
        parts = (format_datetime(at, pattern, tzinfo=zone, locale=locale) for pattern in ("medium", "z"))
        return " ".join(parts)

    def day(self, at: dt.datetime, zone: dt.tzinfo = dt.UTC) -> str:
        """Return the day of a time: "22 November 2026"."""
        return format_date(at.astimezone(zone).date(), "long", locale=_DATES.get(self.code, self.code))

    def duration(self, seconds: int) -> str:
        """Return how long to wait, rounded up: "1 second", "45 seconds", "10 minutes", "3 hours"."""
        for unit_seconds, unit in _LONGEST_SECONDS:
            if seconds >= 2 * unit_seconds:
                return format_unit(-(-seconds // unit_seconds), unit, locale=self.code)
        return format_unit(seconds, "duration-second", locale=self.code)


ENGLISH = Language(SOURCE)


@cache
def codes() -> tuple[str, ...]:
    """Return the codes of all languages, such as `de` or `pt_BR`; English comes first."""
    translated = (path.parent.parent.name for path in FOLDER.glob("*/LC_MESSAGES/messages.po"))
    return (SOURCE, *sorted(translated))


def language(code: str) -> Language:
    """Return a language.

    Args:
        code: Its code; one without a translation, as an order may have after one was removed, gives English.

    Example:
        >>> language("de").duration(300), language("de").amount(Money(1250, "EUR"))
        ('5 Minuten', '12,50\xa0€')
    """
    return Language(code) if code in codes() else ENGLISH


def teach(environment: Environment, current: Callable[[], Language]) -> None:
    """Let templates use `gettext`, `ngettext`, `{% trans %}`, and `language()` for the language of the page."""
    environment.add_extension("jinja2.ext.i18n")
    environment.install_gettext_callables(  # type: ignore[attr-defined]
        gettext=lambda text: current().gettext(text),
        ngettext=lambda one, many, number: _catalogue(current().code).ngettext(one, many, number),
        newstyle=True,
    )
    environment.globals["language"] = current


@cache
def _catalogue(code: str) -> NullTranslations:
    if code == SOURCE:
        return NullTranslations()
    compiled = BytesIO()
    with (FOLDER / code / "LC_MESSAGES" / "messages.po").open("rb") as file:
        write_mo(compiled, read_po(file, locale=code))
    compiled.seek(0)
    return Translations(compiled)
