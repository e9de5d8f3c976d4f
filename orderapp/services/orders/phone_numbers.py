"""Reads phone numbers as people write them, and accepts only those with an ordinary price."""

from __future__ import annotations

from collections.abc import Iterator

import phonenumbers
from phonenumbers import NumberParseException, PhoneNumber, PhoneNumberType, ValidationResult

from orderapp.domain.customers import PhoneRules

LIKE = "such as +49 30 901820."
TOO_FEW_DIGITS = "This number has too few digits."
TOO_MANY_DIGITS = "This number has too many digits."
NOT_ASSIGNED = "This number can't be dialled; check its digits."
NOT_ORDINARY = "We don't call numbers of this kind (premium, shared cost, service or satellite); use an ordinary one."
IN_DIGITS = f"Write the number in digits, {LIKE}"
WITH_EXTENSION = "Leave out the extension."
LENGTHS = {
    ValidationResult.TOO_SHORT: TOO_FEW_DIGITS,
    ValidationResult.IS_POSSIBLE_LOCAL_ONLY: "The area code is missing.",
    ValidationResult.TOO_LONG: TOO_MANY_DIGITS,
}
PARSING = {
    NumberParseException.TOO_SHORT_AFTER_IDD: TOO_FEW_DIGITS,
    NumberParseException.TOO_SHORT_NSN: TOO_FEW_DIGITS,
    NumberParseException.TOO_LONG: TOO_MANY_DIGITS,
}
# An allow list: kinds that a later version of the library adds are refused until we decide about them.
ORDINARY = frozenset(
    {PhoneNumberType.FIXED_LINE, PhoneNumberType.MOBILE, PhoneNumberType.FIXED_LINE_OR_MOBILE, PhoneNumberType.VOIP}
)
NO_COUNTRY = "001"  # the library's name for satellite and international networks
EVERYWHERE_ABROAD = "00"  # the prefix for a country code in most of the world
DIGITS = frozenset("+0123456789 -/().")


class NotTaken(ValueError):
    """A phone number isn't accepted; the text tells the customer what to correct."""


def read_phone(typed: str, rules: PhoneRules) -> str:
    """Return a phone number in the form E.164, such as `+4930901820`.

    Args:
        typed: With a country code after + or 00, or as it is dialled within `rules.country`.
        rules: Which numbers are accepted.

    Raises:
        NotTaken: the text isn't a number, can't be dialled, or isn't accepted.
    """
    problem = ""
    for number in _readings(typed, rules.country):
        if isinstance(number, str):
            problem = problem or number
        elif refused := WITH_EXTENSION if number.extension else _problem_of(typed, number, rules):
            problem = problem or refused
        else:
            return str(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164))
    raise NotTaken(problem)


def _readings(typed: str, country: str) -> Iterator[PhoneNumber | str]:
    """Yield the possible meanings of a number, the most likely first, or what is wrong with it."""
    # Some countries dial another prefix abroad; their customers may know 00 from elsewhere.
    abroad = f"+{typed.removeprefix(EVERYWHERE_ABROAD)}" if typed.startswith(EVERYWHERE_ABROAD) else typed
    for text in dict.fromkeys((typed, abroad) if country else (abroad,)):
        try:
            yield phonenumbers.parse(text, country or None)
        except NumberParseException as error:
            yield _unreadable(text, error)


def _unreadable(number: str, error: NumberParseException) -> str:
    if error.error_type in PARSING:
        return PARSING[error.error_type]
    if not set(number) <= DIGITS:
        return IN_DIGITS
    if not number.startswith("+"):
        return f"Write the number with its country code, {LIKE}"
    if error.error_type == NumberParseException.INVALID_COUNTRY_CODE and number.strip("+0 ") != "":
        return f"No country has this code; write the number {LIKE}"
    return TOO_FEW_DIGITS


def _problem_of(typed: str, number: PhoneNumber, rules: PhoneRules) -> str | None:
    if not DIGITS.issuperset(typed) and any(character.isalpha() for character in typed):
        return IN_DIGITS  # the library drops a letter at the end, so a mistyped digit would be lost
    length = phonenumbers.is_possible_number_with_reason(number)
    if length is not ValidationResult.IS_POSSIBLE:
        return LENGTHS.get(length, "This number has too few or too many digits.")
    kind = phonenumbers.number_type(number)
    if kind == PhoneNumberType.UNKNOWN:
        return NOT_ASSIGNED
    country = phonenumbers.region_code_for_number(number)
    if country == NO_COUNTRY or kind not in ORDINARY:
        return NOT_ORDINARY
    if rules.countries and country not in rules.countries:
        return f"We take numbers of these countries only: {', '.join(sorted(rules.countries))}."
    return None
