"""Who sells: the shop's name and how to reach it, for pages, mails, text messages, receipts and the API."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Self

from email_validator import EmailNotValidError, validate_email

from orderapp.errors import ConfigurationError
from orderapp.systems.settings import Environment

# What fits into the first line of a page on a phone, and onto an envelope.
MAX_NAME_CHARACTERS, MAX_LINE_CHARACTERS, MAX_ADDRESS_LINES = 40, 80, 6
_PHONE = re.compile(r"\+?[0-9][0-9 ()/.-]{2,30}")


@dataclass(frozen=True, slots=True)
class Seller:
    """The shop as customers know it."""

    name: str
    email: str = ""  # where customers write to; empty if they can't
    phone: str = ""  # where they call; empty if they can't
    address: tuple[str, ...] = ()  # the lines of the postal address, without the name
    tax_id: str = ""  # such as a VAT number, for receipts

    @classmethod
    def from_environment(cls, env: Environment) -> Self:
        """Read `SHOP_NAME`, `SHOP_EMAIL`, `SHOP_PHONE`, `SHOP_ADDRESS` and `SHOP_TAX_ID`.

        Raises:
            ConfigurationError: one of them can't be shown, or can't be what it says.
        """
        lines = [line.strip() for line in _line(env, "SHOP_ADDRESS", 1000).split(";") if line.strip()]
        if len(lines) > MAX_ADDRESS_LINES or any(len(line) > MAX_LINE_CHARACTERS for line in lines):
            raise ConfigurationError(
                f"SHOP_ADDRESS: more than {MAX_ADDRESS_LINES} lines, or one of more than {MAX_LINE_CHARACTERS} "
                "characters; ; separates them"
            )
        phone = _line(env, "SHOP_PHONE", MAX_LINE_CHARACTERS)
        if phone and not _PHONE.fullmatch(phone):
            raise ConfigurationError(f"SHOP_PHONE: {phone!r} is not a phone number such as +49 30 901820")
        return cls(
            name=_line(env, "SHOP_NAME", MAX_NAME_CHARACTERS, "Orderapp"),
            email=_email(env),
            phone=phone,
            address=tuple(lines),
            tax_id=_line(env, "SHOP_TAX_ID", MAX_LINE_CHARACTERS),
        )

    @property
    def phone_link(self) -> str:
        """The phone number as an address that telephones understand."""
        return "tel:" + "".join(character for character in self.phone if character in "+0123456789")

    @property
    def lines(self) -> tuple[str, ...]:
        """Name, address and contact, a line each, as they stand below a letter."""
        contact = " · ".join(one for one in (self.email, self.phone) if one)
        return tuple(line for line in (self.name, *self.address, contact) if line)


def _line(env: Environment, variable: str, most: int, default: str = "") -> str:
    text = env.text(variable, default)
    if not text.isprintable():
        raise ConfigurationError(f"{variable}: has a character in it that can't be shown, such as a line break")
    if len(text) > most:
        raise ConfigurationError(f"{variable}: has {len(text)} characters; {most} are the most")
    return text


def _email(env: Environment) -> str:
    address = env.text("SHOP_EMAIL")
    try:
        return validate_email(address, check_deliverability=False, strict=True).normalized if address else ""
    except EmailNotValidError as error:
        raise ConfigurationError(f"SHOP_EMAIL: {address!r} is not an e-mail address") from error
