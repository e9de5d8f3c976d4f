"""Says what is wrong with an e-mail address or a phone number, in words the customer can act on."""

from __future__ import annotations

from phonenumbers import NumberParseException, PhoneNumber, ValidationResult, is_possible_number_with_reason

EMAIL_LIKE = "write it like name@example.com."
PHONE_LIKE = "such as +49 30 901820."
TOO_FEW_DIGITS = "This number has too few digits."
TOO_MANY_DIGITS = "This number has too many digits."
LENGTHS = {ValidationResult.TOO_SHORT: TOO_FEW_DIGITS, ValidationResult.TOO_LONG: TOO_MANY_DIGITS}
PARSING = {
    NumberParseException.TOO_SHORT_AFTER_IDD: TOO_FEW_DIGITS,
    NumberParseException.TOO_SHORT_NSN: TOO_FEW_DIGITS,
    NumberParseException.TOO_LONG: TOO_MANY_DIGITS,
}


def of_email(address: str) -> str:
    """Say what is wrong with an address that was found to be none."""
    before, at, after = address.rpartition("@")
    if not at:
        return f"The @ is missing; {EMAIL_LIKE}"
    if "@" in before:
        return f"There is more than one @; {EMAIL_LIKE}"
    if not before:
        return f"What stands before the @ is missing; {EMAIL_LIKE}"
    if "." not in after.strip("."):
        return f"What stands after the @ isn't complete; {EMAIL_LIKE}"
    if not before.isascii():
        return "We can't send to addresses with letters such as ä before the @; use another one."
    return f"Mail can't be sent to this; {EMAIL_LIKE}"


def of_phone(number: str, error: NumberParseException) -> str:
    """Say what is wrong with a number that couldn't be read."""
    if error.error_type in PARSING:
        return PARSING[error.error_type]
    if not number.startswith("+"):
        return f"Write the number with its country code, {PHONE_LIKE}"
    if error.error_type == NumberParseException.INVALID_COUNTRY_CODE:
        return f"No country has this code; write the number {PHONE_LIKE}"
    return TOO_FEW_DIGITS if set(number) <= set("+0123456789 -/().") else f"Write the number in digits, {PHONE_LIKE}"


def of_length(number: PhoneNumber) -> str | None:
    """Say what is wrong with the length of a number that could be read; None where nothing is."""
    reason = is_possible_number_with_reason(number)
    if reason in (ValidationResult.IS_POSSIBLE, ValidationResult.IS_POSSIBLE_LOCAL_ONLY):
        return None
    return LENGTHS.get(reason, "This number has too few or too many digits.")
