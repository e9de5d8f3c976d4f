"""The settings by which the shop sells: phone numbers, languages, order limits, cancelling, tax."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal

from phonenumbers import SUPPORTED_REGIONS

from orderapp import languages
from orderapp.domain.cancelling import CancelLimit
from orderapp.domain.customers import PhoneRules
from orderapp.domain.order_limits import DEFAULTS, Most
from orderapp.errors import ConfigurationError
from orderapp.systems.settings import Environment

LONGEST_CANCEL_MINUTES = 525_600  # a year; customers who may always cancel have `fulfilled`


def phones(env: Environment) -> PhoneRules:
    """Return which phone numbers customers may type: `SHOP_COUNTRY`, `PHONE_COUNTRIES`. ConfigurationError."""
    home = _countries(env, "SHOP_COUNTRY")
    if len(home) > 1:
        raise ConfigurationError(f"SHOP_COUNTRY: {env.text('SHOP_COUNTRY')!r} is more than one country")
    return PhoneRules("".join(home), _countries(env, "PHONE_COUNTRIES"))


def language(env: Environment) -> str:
    """Return the code of the language of customers whose own isn't known: `SHOP_LANGUAGE`. ConfigurationError."""
    code = env.text("SHOP_LANGUAGE", languages.SOURCE)
    if code not in languages.codes():
        raise ConfigurationError(f"SHOP_LANGUAGE: {code!r} is none of {', '.join(languages.codes())}")
    return code


def order_limits(env: Environment) -> Mapping[str, Most]:
    """Return how many orders may come from where: `ORDERS_PER_…`. ConfigurationError."""
    return {kind: _most(env, f"ORDERS_PER_{kind.upper()}", most) for kind, most in DEFAULTS.items()}


def cancel_limit(env: Environment) -> CancelLimit:
    """Return until when customers may cancel on an order's page: `SHOP_CANCEL_MINUTES`. ConfigurationError."""
    if env.text("SHOP_CANCEL_MINUTES") == "fulfilled":
        return CancelLimit(until_fulfilled=True)
    return CancelLimit(env.integer("SHOP_CANCEL_MINUTES", 0, 0, LONGEST_CANCEL_MINUTES))


def tax_percent(env: Environment) -> Decimal:
    """Return the rate of the tax that prices include, in percent: `TAX_PERCENT`. ConfigurationError."""
    raw = env.text("TAX_PERCENT", "0")
    if not re.fullmatch(r"[0-9]{1,2}(\.[0-9]{1,3})?", raw):
        raise ConfigurationError(f"TAX_PERCENT: {raw!r} is not a rate in percent such as 19 or 8.1")
    return Decimal(raw)


def _countries(env: Environment, variable: str) -> frozenset[str]:
    found = frozenset(word.strip().upper() for word in env.text(variable).split(",") if word.strip())
    if unknown := sorted(found - SUPPORTED_REGIONS):
        raise ConfigurationError(f"{variable}: {unknown[0]!r} is no country's code such as DE (ISO 3166)")
    return found


def _most(env: Environment, variable: str, default: Most) -> Most:
    raw = env.text(variable, ",".join(map(str, default)))
    words = [word.strip() for word in ("0,0,0" if raw == "0" else raw).split(",")]
    if len(words) != len(default) or not all(re.fullmatch("[0-9]{1,9}", word) for word in words):
        raise ConfigurationError(f"{variable}: {raw!r} is not three whole numbers (a minute, an hour, a day), nor 0")
    minute, hour, day = map(int, words)
    return minute, hour, day
