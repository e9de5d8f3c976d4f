import pytest
from werkzeug.datastructures import MultiDict

from orderapp.domain.customers import PhoneRules
from orderapp.domain.orders import LineRequest
from orderapp.errors import InvalidRequest
from orderapp.web import order_form
from tests.inputs import INPUTS

KEY = "k" * 32
GOOD = {"key": KEY, "name": "Ada", "email": "ada@example.com", "quantity:TEA": "2", "quantity:POT.1": "0"}


def read(**typed):
    return order_form.read(MultiDict({**GOOD, **typed}), INPUTS)


def errors_of(form, skus=("TEA", "POT.1")):
    with pytest.raises(InvalidRequest) as raised:
        order_form.to_request(form, INPUTS, PhoneRules())
    return order_form.messages_by_field(raised.value, form, skus, INPUTS)


def test_a_form_filled_in_rightly_becomes_the_request():
    request = order_form.to_request(read(phone="+49 30 901820", coupon=" SPRING "), INPUTS, PhoneRules())
    assert request.lines == (LineRequest("TEA", 2),)
    assert (request.customer.name, request.customer.phone, request.inputs["coupon"]) == ("Ada", "+4930901820", "SPRING")
    assert not request.allow_duplicate


@pytest.mark.parametrize("quantity", ["-1", "x", "1.5", "1e9", "٣", "1001", "1000000000", "9" * 5000, "1\x002", "0x10"])
def test_a_quantity_that_is_no_number_in_range_is_told_at_its_field(quantity):
    assert list(errors_of(read(**{"quantity:POT.1": quantity}))) == ["quantity-1"]


@pytest.mark.parametrize("nothing", ["0", "", "00", " "])
def test_an_order_of_nothing_is_told_of_the_choice_and_of_no_product(nothing):
    assert errors_of(read(**{"quantity:TEA": nothing})) == {"lines": "Choose at least one product."}


def test_everything_that_is_wrong_is_told_at_once_in_the_order_of_the_page():
    form = read(**{"quantity:TEA": "x", "name": "", "email": "", "coupon": "A\x00B"})
    assert list(errors_of(form)) == ["quantity-0", "name", "email", "coupon"]


def test_a_benefit_without_a_member_number_is_told_at_the_benefit():
    assert list(errors_of(read(benefit="VIP5"))) == ["benefit"]


def test_the_mistakes_of_a_line_are_told_at_its_product():
    form = read(**{"quantity:POT.1": "1"})
    error = InvalidRequest({"lines.1.sku": ["Not sold."], "lines.7.sku": ["Gone."], "elsewhere": ["Odd."]})
    assert order_form.messages_by_field(error, form, ("TEA", "POT.1"), INPUTS) == {
        "quantity-1": "Not sold.",
        "": "Gone. Odd.",
    }


@pytest.mark.parametrize("field", ["name", "email", "phone", "member_ref", "coupon", "benefit"])
@pytest.mark.parametrize("text", ["a\x00b", "a\udc80b", "x" * 5000, "a\r\nBcc: x@y.z"])
def test_text_that_can_t_be_used_is_told_at_its_field_and_kept(field, text):
    form = read(**{field: text})
    assert field in errors_of(form)
    assert dict(form.fields())[field] == text.strip()


def test_five_hundred_products_are_too_many():
    form = order_form.read(MultiDict({**GOOD, **{f"quantity:P{number}": "1" for number in range(500)}}), INPUTS)
    assert "lines" in errors_of(form)


@pytest.mark.parametrize("quantity", ["1001", "10000"])
def test_a_quantity_that_is_too_large_is_told_once(quantity):
    assert errors_of(read(**{"quantity:TEA": quantity})) == {"quantity-0": "Order at most 1000 of one product."}


@pytest.mark.parametrize(
    ("typed", "field", "told"),
    [
        ("x" * 201, "name", "Use 1 to 200 characters."),
        ("x" * 65, "coupon", "Use at most 64 characters."),
        ("ada", "email", "The @ is missing; write it like name@example.com."),
        ("a@b@example.com", "email", "There is more than one @; write it like name@example.com."),
        ("@example.com", "email", "What stands before the @ is missing; write it like name@example.com."),
        ("ada@example", "email", "What stands after the @ isn't complete; write it like name@example.com."),
        ("ada@", "email", "What stands after the @ isn't complete; write it like name@example.com."),
        ("a..b@example.com", "email", "Mail can't be sent to this; write it like name@example.com."),
        ("\xe4da@example.com", "email", "We can't send to addresses with letters such as \xe4 before the @"),
        ("+49 1", "phone", "This number has too few digits."),
        ("+49", "phone", "This number has too few digits."),
        ("+1 202 55501234567", "phone", "This number has too many digits."),
        ("+49 30 901820 1234567890", "phone", "This number has too many digits."),
        ("030 901820", "phone", "Write the number with its country code, such as +49 30 901820."),
        ("+1 2530000", "phone", "The area code is missing."),
        ("+49 30 901820 ext. 5", "phone", "Leave out the extension."),
        ("+44 7700 900123", "phone", "This number can't be dialled; check its digits."),
        ("+49 900 1234567", "phone", "We don't call numbers of this kind"),
        ("x" * 65 + "@example.com", "email", "There are more than 64 characters before the @"),
        ("Ada https://evil.example", "name", "Leave web addresses out of the name."),
        (
            "Ada\u200bLovelace",
            "name",
            "There is a character that can't be seen after \u201cAda\u201d: zero width space",
        ),
        ("+999 123456", "phone", "No country has this code; write the number such as +49 30 901820."),
        ("call me", "phone", "Write the number in digits, such as +49 30 901820."),
        ("+none", "phone", "Write the number in digits, such as +49 30 901820."),
    ],
)
def test_a_mistake_is_told_in_our_own_words(typed, field, told):
    (message,) = errors_of(read(**{field: typed})).values()
    assert message.startswith(told)


@pytest.mark.parametrize(
    "invisible", ["\u200b\u200b", "\ufeff", "\u202e", "\xa0", "\u2060", "\xad", "\u3164", "\x00", "\n"]
)
@pytest.mark.parametrize("field", ["name", "email", "phone", "member_ref", "coupon", "benefit", "quantity:TEA"])
def test_characters_that_nobody_can_see_are_left_out_at_the_ends(field, invisible):
    good = {"name": "Ada", "email": "a@b.example", "phone": "+4930901820", "quantity:TEA": "2"}.get(field, "A1")
    others = {"member_ref": "M1"} if field == "benefit" else {}
    plain = order_form.to_request(read(**{**others, field: good}), INPUTS, PhoneRules())
    framed = order_form.to_request(read(**{**others, field: f"{invisible} {good}{invisible}"}), INPUTS, PhoneRules())
    assert framed == plain


@pytest.mark.parametrize(
    "invisible", ["\u200b\u200b", "\ufeff", "\u202e", "\xa0", "\u2060", "\xad", "\u3164", "\x00", "\n"]
)
@pytest.mark.parametrize("field", ["name", "email", "phone", "member_ref", "coupon", "benefit"])
def test_characters_that_nobody_can_see_are_named_elsewhere(field, invisible):
    told = errors_of(read(**{field: f"+49{invisible}30 901820"}))
    assert "can't be seen after \u201c+49\u201d: " in told[field]
    assert f"U+{ord(invisible[0]):04X}" in told[field]


def test_a_name_of_nothing_but_such_characters_is_an_empty_one():
    assert errors_of(read(name="\u200b\u200b")) == {"name": "Enter your name."}
    assert errors_of(read(name="\ue000")) == {"name": "Use letters or digits that can be seen."}


def test_what_is_checked_by_meaning_is_told_together_with_what_is_malformed():
    form = read(name="x" * 201, email="ada@", phone="+49 1", member_ref="M 1", coupon="A B", benefit="C D")
    assert list(errors_of(form)) == ["name", "email", "phone", "member_ref", "coupon", "benefit"]
    assert list(errors_of(read(name="", benefit="VIP5"))) == ["name", "benefit"]
    assert errors_of(read(benefit="C D"))["benefit"].startswith("Only letters, digits and . _ : - are used here. A ")


def test_a_field_that_came_twice_is_not_guessed_at():
    form = order_form.read(MultiDict([*GOOD.items(), ("quantity:TEA", "5"), ("coupon", "A"), ("coupon", "B")]), INPUTS)
    assert list(errors_of(form)) == ["quantity-0", "coupon"]


@pytest.mark.parametrize("key", ["", "short", "k" * 65, "k" * 30 + "\n", "k" * 30 + "ü"])
def test_a_key_that_isn_t_ours_is_replaced(key):
    assert order_form.read(MultiDict({**GOOD, "key": key}), INPUTS).key != key


def test_a_key_of_ours_is_kept_and_never_comes_twice():
    assert read().key == KEY
    assert len({order_form.new_key() for _ in range(100)}) == 100


def test_the_hidden_fields_say_the_same_form_again():
    form = read(phone="x", **{"quantity:TEA": "y"})
    assert order_form.read(MultiDict(form.fields()), INPUTS) == form
