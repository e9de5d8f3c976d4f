"""What customers type in for an external system: the system declares it, and the order keeps the values."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

# Codes are parts of URLs and keys, so only characters that people print on vouchers are allowed.
_CODE = re.compile(r"[A-Za-z0-9._:\-]+")
# The name is a member of the API's body and a field of the form.
_NAME = re.compile(r"[a-z][a-z0-9_]{0,31}")
LONGEST_CODE = 64
ABOUT_YOU, DISCOUNTS, PAYMENT = "About you", "Discounts", "Payment"  # parts of the form; a system may add its own


class Inputs(dict[str, str]):
    """The values of an order's inputs, by name. One that was left empty isn't kept, and reads as an empty text.

    Example:
        >>> Inputs(coupon="SPRING")["coupon"], Inputs()["coupon"]
        ('SPRING', '')
    """

    def __missing__(self, name: str) -> str:
        return ""


@dataclass(frozen=True, slots=True)
class Code:
    """A code that customers may type in for a system.

    Args:
        name: Its name in `order.inputs`, the form and the API; unique among all systems.
        label: What stands above its field.
        hint: What stands below the label.
        noun: Its name within a sentence, such as `coupon`.
        customer: Whether the API has it in the object `customer`, not beside it.
        section: The part of the form.
        needs: The input without which it is useless.
        missing: What the customer reads where that input is missing.
        guessable: Whether a right one is worth something, so that wrong ones are counted and limited.
        private: Whether it is hidden in histories and logs.
        capitals: Whether it is usually written in capitals, so that telephones offer them.

    Example:
        >>> Code("giftcard", "Gift card code", section=PAYMENT, guessable=True).called
        'gift card code'
    """

    name: str
    label: str
    hint: str = ""
    noun: str = ""
    customer: bool = False
    section: str = DISCOUNTS
    needs: str = ""
    missing: str = ""
    guessable: bool = False
    private: bool = True
    capitals: bool = False

    @property
    def path(self) -> str:
        """Where the API's body has it, dotted."""
        return f"customer.{self.name}" if self.customer else self.name

    @property
    def called(self) -> str:
        """Its name within a sentence."""
        return self.noun or self.label.lower()

    def mistakes(self, value: str, others: Mapping[str, str]) -> Iterator[str]:
        """Yield what is wrong with a value that isn't empty.

        Args:
            value: The value, of at most 64 characters.
            others: The values of all inputs, by name; those that are malformed are missing here.
        """
        if not _CODE.fullmatch(value):
            yield "Only letters, digits and . _ : - are used here."
        if self.needs and others.get(self.needs) == "":
            yield self.missing

    def refuse_impossible_declaration(self) -> None:
        """Raise ValueError if it can't be declared like this."""
        if not _NAME.fullmatch(self.name) or self.name in TAKEN:
            raise ValueError(f"input {self.name!r}: its name has to be one lower-case word that orders don't have yet")
        if bool(self.needs) is not bool(self.missing):
            raise ValueError(
                f"input {self.name}: has to declare both what it needs (needs) and what customers read without it "
                f"(missing), or neither"
            )


# Members of an order's body and fields of the form that no input can have.
TAKEN = frozenset(
    {
        "customer",
        "lines",
        "duplicate",
        "language",
        "expected_total",
        "name",
        "email",
        "phone",
        "key",
        "csrf_token",
        "without",
    }
)
