import pytest
from werkzeug.datastructures import MultiDict

from orderapp.domain.orders import LineRequest
from orderapp.errors import InvalidRequest
from orderapp.web import order_form

KEY = "k" * 32
GOOD = {"key": KEY, "name": "Ada", "email": "ada@example.com", "quantity:TEA": "2", "quantity:POT.1": "0"}


def read(**typed):
    return order_form.read(MultiDict({**GOOD, **typed}))


def errors_of(form, skus=("TEA", "POT.1")):
    with pytest.raises(InvalidRequest) as raised:
        order_form.to_request(form)
    return order_form.messages_by_field(raised.value, form, skus)


def test_a_form_filled_in_rightly_becomes_the_request():
    request = order_form.to_request(read(phone="+49 30 901820", coupon=" SPRING "))
    assert request.lines == (LineRequest("TEA", 2),)
    assert (request.customer.name, request.customer.phone, request.coupon) == ("Ada", "+4930901820", "SPRING")
    assert not request.allow_duplicate


@pytest.mark.parametrize("quantity", ["-1", "x", "1.5", "1e9", "٣", "1001", "1000000000", "9" * 5000, "\x00", "0x10"])
def test_a_quantity_that_is_no_number_in_range_is_told_at_its_field(quantity):
    assert list(errors_of(read(**{"quantity:POT.1": quantity}))) == ["quantity-1"]


@pytest.mark.parametrize("nothing", ["0", "", "00", " "])
def test_an_order_of_nothing_is_told_at_the_first_product(nothing):
    assert errors_of(read(**{"quantity:TEA": nothing})) == {"quantity-0": "Choose at least one product."}


def test_everything_that_is_wrong_is_told_at_once_in_the_order_of_the_page():
    form = read(**{"quantity:TEA": "x", "name": "", "email": "", "coupon": "A\x00"})
    assert list(errors_of(form)) == ["quantity-0", "name", "email", "coupon"]


def test_a_benefit_without_a_member_number_is_told_at_the_benefit():
    assert list(errors_of(read(benefit="VIP5"))) == ["benefit"]


def test_the_mistakes_of_a_line_are_told_at_its_product():
    form = read(**{"quantity:POT.1": "1"})
    error = InvalidRequest({"lines.1.sku": ["Not sold."], "lines.7.sku": ["Gone."], "elsewhere": ["Odd."]})
    assert order_form.messages_by_field(error, form, ("TEA", "POT.1")) == {"quantity-1": "Not sold.", "": "Gone. Odd."}


@pytest.mark.parametrize("field", ["name", "email", "phone", "member_ref", "coupon", "benefit"])
@pytest.mark.parametrize("text", ["a\x00b", "a\udc80b", "x" * 5000, "a\r\nBcc: x@y.z"])
def test_text_that_can_t_be_used_is_told_at_its_field_and_kept(field, text):
    form = read(**{field: text})
    assert field in errors_of(form)
    assert getattr(form, field) == text.strip()


def test_five_hundred_products_are_too_many():
    form = order_form.read(MultiDict({**GOOD, **{f"quantity:P{number}": "1" for number in range(500)}}))
    assert "quantity-0" in errors_of(form)


def test_a_field_that_came_twice_is_not_guessed_at():
    form = order_form.read(MultiDict([*GOOD.items(), ("quantity:TEA", "5"), ("coupon", "A"), ("coupon", "B")]))
    assert list(errors_of(form)) == ["quantity-0", "coupon"]


@pytest.mark.parametrize("key", ["", "short", "k" * 65, "k" * 30 + "\n", "k" * 30 + "ü"])
def test_a_key_that_isn_t_ours_is_replaced(key):
    assert order_form.read(MultiDict({**GOOD, "key": key})).key != key


def test_a_key_of_ours_is_kept_and_never_comes_twice():
    assert read().key == KEY
    assert len({order_form.new_key() for _ in range(100)}) == 100


def test_the_hidden_fields_say_the_same_form_again():
    form = read(phone="x", **{"quantity:TEA": "y"})
    assert order_form.read(MultiDict(form.fields())) == form
