"""Turns the input of a customer or client into an `OrderRequest`, or reports its mistakes by field."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, cast

from marshmallow import RAISE, Schema, ValidationError, fields, post_load, validate, validates_schema

from orderapp import languages
from orderapp.domain.customers import PhoneRules
from orderapp.domain.inputs import LONGEST_CODE, Code, Inputs
from orderapp.domain.money import MAX_MINOR, Money
from orderapp.domain.orders import MAX_LINES, MAX_QUANTITY, NOBODY, Customer, LineRequest, OrderRequest, RetryRequest
from orderapp.domain.typed_text import can_be_seen, has_link, hidden_in, trimmed
from orderapp.errors import InvalidRequest
from orderapp.services.orders.email_addresses import NoAddress, read_email
from orderapp.services.orders.phone_numbers import NotTaken, read_phone

QUANTITY_RANGE = f"Order 1 to {MAX_QUANTITY} of one product."
AMOUNT_RANGE = f"Give an amount in minor units, from 0 to {MAX_MINOR}."
CURRENCY = "Give the currency as three capital letters, such as EUR."
LINES_RANGE = f"Order 1 to {MAX_LINES} different products at once."
PHONE = (
    "With its country code after + or 00, or as it is dialled within the shop's own country. Premium, shared-cost, "
    "service and satellite numbers aren't taken, nor numbers of countries that the shop leaves out"
)
ANY_COUNTRY = PhoneRules()
ABOUT_THE_CUSTOMER = frozenset({"customer.name", "customer.email", "customer.phone"})


class Text(fields.String):
    """A string of bounded length without invisible characters; those at its ends are removed."""

    def __init__(self, longest: int, *, empty: bool = False, **kwargs: Any) -> None:
        told = f"Use at most {longest} characters." if empty else f"Use 1 to {longest} characters."
        super().__init__(validate=validate.Length(0 if empty else 1, longest, error=told), **kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        text = trimmed(super()._deserialize(value, attr, data, **kwargs))
        if problem := hidden_in(text):
            raise ValidationError(problem)
        if text and not can_be_seen(text):
            raise ValidationError("Use letters or digits that can be seen.")
        return text


class CustomerSchema(Schema):
    """Who orders."""

    class Meta:
        """Refuse unknown members."""

        unknown = RAISE

    name = Text(200, required=True, metadata={"description": "Without web addresses"})
    email = Text(254, required=True, metadata={"description": "At most 64 characters before the @"})
    phone = Text(30, empty=True, load_default="", metadata={"description": PHONE})


class LineSchema(Schema):
    """One product and how many of it."""

    class Meta:
        """Refuse unknown members, such as a price."""

        unknown = RAISE

    sku = Text(64, required=True)
    quantity = fields.Integer(
        required=True, strict=True, validate=validate.Range(1, MAX_QUANTITY, error=QUANTITY_RANGE)
    )

    @validates_schema(pass_original=True)
    def _no_booleans(self, _data: Any, original: Any, **_kwargs: Any) -> None:
        if isinstance(original, dict) and not isinstance(original.get("quantity", 1), int):
            raise ValidationError("Not a valid integer.", "quantity")


class MoneySchema(Schema):
    """An amount in minor units."""

    class Meta:
        """Unknown members are mistakes."""

        unknown = RAISE

    value = fields.Integer(required=True, strict=True, validate=validate.Range(0, MAX_MINOR, error=AMOUNT_RANGE))
    currency = fields.String(required=True, validate=validate.Regexp(r"[A-Z]{3}\Z", error=CURRENCY))

    @validates_schema(pass_original=True)
    def _no_booleans(self, _data: Any, original: Any, **_kwargs: Any) -> None:
        if isinstance(original, dict) and isinstance(original.get("value"), bool):
            raise ValidationError("Not a valid integer.", "value")

    @post_load
    def _money(self, data: Any, **_kwargs: Any) -> Money:
        return Money(data["value"], data["currency"])


class WishesSchema(Schema):
    """Options beside an order's content: whether it may be a duplicate, and the total that the customer was shown."""

    class Meta:
        """Unknown members are mistakes."""

        unknown = RAISE

    duplicate = fields.String(load_default="refuse", validate=validate.OneOf(["refuse", "allow"]))
    expected_total = fields.Nested(
        MoneySchema, metadata={"description": "What the customer was shown; where it is another, nothing is recorded"}
    )


class RetrySchema(WishesSchema):
    """The body of a retry, if there is one."""


class OrderSchema(WishesSchema):
    """A submission's content."""

    class Meta:
        """Unknown members are mistakes."""

        unknown = RAISE

    customer = fields.Nested(CustomerSchema, required=True)
    language = fields.String(
        load_default="",
        validate=validate.OneOf(languages.codes(), error="Give one of the languages of the shop: {choices}."),
        metadata={"description": "Of mails and text messages to the customer; by default the shop's"},
    )
    lines = fields.List(
        fields.Nested(LineSchema), required=True, validate=validate.Length(1, MAX_LINES, error=LINES_RANGE)
    )


_RETRY = RetrySchema()  # made once, because it keeps no state between uses


@lru_cache(maxsize=4)  # a process has one set of systems
def order_schema(inputs: tuple[Code, ...]) -> type[OrderSchema]:
    """Return the schema of a submission with these inputs."""
    typed: dict[bool, dict[str, Any]] = {True: {}, False: {}}
    for code in inputs:
        typed[code.customer][code.name] = Text(
            LONGEST_CODE, empty=True, load_default="", metadata={"description": code.label}
        )
    here = {"__module__": __name__}  # as of the classes that are written here: the API's description names them alike
    customer: Any = type("CustomerSchema", (CustomerSchema,), here | typed[True])
    nested = {"customer": fields.Nested(customer, required=True)}
    return type("OrderSchema", (OrderSchema,), here | nested | typed[False])


@lru_cache(maxsize=4)
def _reader(inputs: tuple[Code, ...]) -> Schema:
    return order_schema(inputs)()


def read_order(data: Any, inputs: Mapping[str, Code], phones: PhoneRules = ANY_COUNTRY) -> OrderRequest:
    """Validate a submission.

    Args:
        data: The input, in the form of the API's body.
        inputs: What systems ask customers for, by name.
        phones: Which phone numbers are accepted.

    Returns:
        The request; lines of the same product are added up.

    Raises:
        InvalidRequest: with all messages by field; nothing was recorded.
    """
    if not isinstance(data, dict):
        raise InvalidRequest({"": ["A JSON object is expected."]})
    lines = data.get("lines")
    if isinstance(lines, list) and len(lines) > MAX_LINES:
        # Checked before the lines themselves: too many lines are one mistake, not thousands.
        raise InvalidRequest({"lines": [f"At most {MAX_LINES} different products can be ordered at once."]})
    loaded, malformed = _load(data, _reader(tuple(inputs.values())))
    errors: dict[str, list[str]] = {}
    customer = _customer(loaded.get("customer", {}), phones, errors)
    typed = _inputs(loaded, inputs, errors)
    merged = _merge(loaded.get("lines", []), errors)
    if errors or malformed:
        raise InvalidRequest(errors | malformed)
    return OrderRequest(
        customer,
        merged,
        typed,
        loaded["duplicate"] == "allow",
        loaded.get("expected_total"),
        language=loaded["language"],
    )


def read_cart(data: Any, inputs: Mapping[str, Code]) -> OrderRequest:
    """Validate only what an order's price depends on: its lines, and what systems ask customers for.

    Args:
        data: The input, in the form of the API's body. What is wrong about the customer doesn't matter.
        inputs: What systems ask customers for, by name.

    Returns:
        The request, of a customer without name and addresses.

    Raises:
        InvalidRequest: with the messages about lines and inputs, by field.
    """
    lines = data.get("lines", [])
    if len(lines) > MAX_LINES:
        raise InvalidRequest({"lines": [f"At most {MAX_LINES} different products can be ordered at once."]})
    loaded, malformed = _load(data, _reader(tuple(inputs.values())))
    errors = {path: told for path, told in malformed.items() if path not in ABOUT_THE_CUSTOMER}
    typed = _inputs(loaded, inputs, errors)
    merged = _merge(loaded.get("lines", []), errors)
    if errors:
        raise InvalidRequest(errors)
    return OrderRequest(NOBODY, merged, typed)


def read_retry(data: Any) -> RetryRequest:
    """Validate the body of a retry. Raises InvalidRequest, as for `read_order`."""
    if not isinstance(data, dict):
        raise InvalidRequest({"": ["A JSON object is expected."]})
    loaded, malformed = _load(data, _RETRY)
    if malformed:
        raise InvalidRequest(malformed)
    return RetryRequest(loaded["duplicate"] == "allow", loaded.get("expected_total"))


def _load(data: dict[str, Any], schema: Schema) -> tuple[Mapping[str, Any], dict[str, list[str]]]:
    """Return the valid members and the mistakes of the others, so that all mistakes are reported together."""
    try:
        return schema.load(data), {}
    except ValidationError as error:
        return cast(dict[str, Any], error.valid_data), _flat(error.messages)


def _inputs(loaded: Mapping[str, Any], declared: Mapping[str, Code], errors: dict[str, list[str]]) -> Inputs:
    """Return the inputs that aren't empty. One that is malformed is missing, and has a message of its own."""
    customer = loaded.get("customer", {})
    found = {name: (customer if code.customer else loaded).get(name) for name, code in declared.items()}
    typed = {name: value for name, value in found.items() if value is not None}
    for name, value in typed.items():
        mistakes = list(declared[name].mistakes(value, typed)) if value else []
        if mistakes:
            errors[declared[name].path] = mistakes
    return Inputs({name: value for name, value in typed.items() if value})


def _customer(data: Mapping[str, str], phones: PhoneRules, errors: dict[str, list[str]]) -> Customer:
    name, email, phone = (data.get(field, "") for field in ("name", "email", "phone"))
    if has_link(name):
        errors["customer.name"] = ["Leave web addresses out of the name."]
    try:
        email = read_email(email) if email else ""
    except NoAddress as error:
        errors["customer.email"] = [str(error)]
    try:
        phone = read_phone(phone, phones) if phone else ""
    except NotTaken as error:
        errors["customer.phone"] = [str(error)]
    return Customer(name, email, phone)


def _merge(lines: list[Mapping[str, Any]], errors: dict[str, list[str]]) -> tuple[LineRequest, ...]:
    """Add up the lines of the same product; ignore invalid lines."""
    wanted: Counter[str] = Counter()
    for line in lines:
        if "sku" in line and "quantity" in line:
            wanted[line["sku"]] += line["quantity"]
    for sku, quantity in wanted.items():
        if quantity > MAX_QUANTITY:
            errors["lines"] = [f"At most {MAX_QUANTITY} pieces of one product can be ordered at once ({sku})."]
    return tuple(LineRequest(sku, quantity) for sku, quantity in wanted.items())


def _flat(messages: Any, path: str = "") -> dict[str, list[str]]:
    """Flatten marshmallow's nested messages to dotted fields."""
    if isinstance(messages, list):
        return {path: [str(message) for message in messages]}
    flat: dict[str, list[str]] = {}
    for name, inner in messages.items():
        part = "" if name == "_schema" else str(name)
        flat.update(_flat(inner, ".".join(filter(None, (path, part)))))
    return flat
