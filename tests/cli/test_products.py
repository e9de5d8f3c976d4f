"""`flask products`: an import takes everything in the file, or nothing; products go off sale and come back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from orderapp.services.orders.catalogue import list_products
from tests.cli.conftest import Run


def product(
    sku: Any = "CUP", name: Any = "Cup", value: Any = 500, currency: Any = "EUR", **more: Any
) -> dict[str, Any]:
    return {"sku": sku, "name": name, "price": {"value": value, "currency": currency}, **more}


def catalogue(app: Flask) -> list[tuple[str, str, int, str]]:
    with app.app_context():
        return [(one.sku, one.name, one.price.minor, one.price.currency) for one in list_products()]


BEFORE = [("TEA-GREEN", "Green tea", 790, "EUR")]

# What is in the file, and the one line that tells where it is wrong.
WRONG: list[tuple[Any, str]] = [
    ([], "a list of at least one product is expected"),
    ({}, "a list of at least one product is expected"),
    (None, "a list of at least one product is expected"),
    ([7], "product 1: an object with sku, name and price is expected"),
    ([product(), product("POT", value=-1)], "product 2: price.value: -1 is not between 0 and 1000000000000"),
    ([product(value=10**12 + 1)], "product 1: price.value: 1000000000001 is not between"),
    ([product(value=True)], "product 1: price.value: true is not a whole number of minor units"),
    ([product(value=5.0)], "product 1: price.value: 5.0 is not a whole number of minor units"),
    ([product(value="500")], 'product 1: price.value: "500" is not a whole number of minor units'),
    ([product(value=None)], "product 1: price.value: null is not a whole number"),
    ([product(value=[[]])], "product 1: price.value: a list is not a whole number"),
    ([product(), product(name="Other cup")], 'product 2: sku: "CUP" is the SKU of product 1 already'),
    ([product(), product("POT", currency="USD")], "product 2: price.currency: USD, where the products before have EUR"),
    ([product(currency="EURO")], 'product 1: price.currency: "EURO" is not an ISO 4217 code'),
    ([product(currency="eur")], 'product 1: price.currency: "eur" is not an ISO 4217 code'),
    ([product(currency="QQQ")], 'product 1: price.currency: "QQQ" is not an ISO 4217 code'),
    ([product(currency="DEM")], 'product 1: price.currency: "DEM" is not an ISO 4217 code'),
    ([product(currency="XXX")], 'product 1: price.currency: "XXX" is not an ISO 4217 code'),
    ([product(currency=["EUR"])], "product 1: price.currency: a list is not an ISO 4217 code"),
    ([product(weight=3)], 'product 1: "weight": unknown member'),
    ([{**product(), "price": {"value": 1, "currency": "EUR", "tax": 1}}], 'product 1: price."tax": unknown member'),
    ([{**product(), "price": 500}], "product 1: price: 500 is not an object with value and currency"),
    ([{**product(), "price": {"value": 500}}], "product 1: price.currency: missing"),
    ([{"sku": "CUP", "price": {"value": 1, "currency": "EUR"}}], "product 1: name: missing"),
    ([product(category="x" * 61)], "product 1: category: has 61 characters, 1 to 60 are allowed"),
    ([product(category=7)], "product 1: category: 7 is not a text"),
    ([product(picture="https://a.example/a.png")], 'product 1: picture: "https://a.example/a.png" is not a path on'),
    ([product(picture="//a.example/a.png")], 'product 1: picture: "//a.example/a.png" is not a path on'),
    ([product(picture="/a.png' onerror='x")], "product 1: picture: \"/a.png' onerror='x\" is not a path on"),
    ([product(sku="")], "product 1: sku: has 0 characters, 1 to 64 are allowed"),
    ([product(sku="x" * 65)], "product 1: sku: has 65 characters, 1 to 64 are allowed"),
    ([product(sku=7)], "product 1: sku: 7 is not a text"),
    ([product(sku="CUP\n")], 'product 1: sku: "CUP\\n" begins or ends with a blank'),
    ([product(sku="C\x00P")], 'product 1: sku: "C\\u0000P" has characters in it that can\'t be seen'),
    ([product(sku="\ud800")], 'product 1: sku: "\\ud800" has characters in it that can\'t be seen'),
    ([product(sku=" CUP")], 'product 1: sku: " CUP" begins or ends with a blank'),
    ([product(name="x" * 201)], "product 1: name: has 201 characters, 1 to 200 are allowed"),
    ([product(name="Cup\x1b[2J")], 'product 1: name: "Cup\\u001b[2J" has characters in it that can\'t be seen'),
]


@pytest.mark.parametrize(("content", "told"), WRONG, ids=lambda value: str(value)[:50])
def test_a_mistake_is_told_with_its_place_and_nothing_is_written(
    app: Flask, run: Run, tmp_path: Path, content: Any, told: str
) -> None:
    path = tmp_path / "products.json"
    path.write_text(json.dumps(content))
    result = run("products", "import", str(path))
    assert result.exit_code == 1
    assert result.stderr.startswith(f"Error: {path}: {told}")
    assert result.stderr.endswith("; nothing was imported\n")
    assert result.stderr.count("\n") == 1
    assert result.stdout == ""
    assert catalogue(app) == BEFORE


@pytest.mark.parametrize(
    ("raw", "told"),
    [
        (b"", "not JSON: Expecting value: line 1 column 1 (char 0)"),
        (b'[{"sku": "CUP"', "not JSON: Expecting ',' delimiter: line 1 column 15"),
        (b'[{"sku": NaN}]', "not JSON: NaN is no JSON value"),
        (b'[{"sku": "A", "sku": "B"}]', 'not JSON: an object has "sku" twice'),
        (b"[" * 100_000, "not JSON: it is nested too deeply"),
        (b'[{"sku": ' + b"9" * 5000 + b"}]", "not JSON: "),
        ("[\u00e4]".encode("latin-1"), "not UTF-8: byte 2 is 0xe4"),
        ("[]".encode("utf-16"), "not UTF-8: byte 1 is 0xff"),
    ],
)
def test_what_is_not_json_is_refused_with_one_line(app: Flask, run: Run, raw: bytes, told: str) -> None:
    result = run("products", "import", "-", stdin=raw)
    assert result.exit_code == 1
    assert result.stderr.startswith(f"Error: -: {told}")
    assert result.stderr.count("\n") == 1
    assert catalogue(app) == BEFORE


@pytest.mark.parametrize("name", ["missing.json", "", "../etc\n\x1b[2J"])
def test_a_file_that_cannot_be_read_is_refused_with_one_line(run: Run, tmp_path: Path, name: str) -> None:
    result = run("products", "import", str(tmp_path / name))
    assert result.exit_code == 1
    assert "can't be read" in result.stderr
    assert result.stderr.count("\n") == 1
    assert "\x1b" not in result.stderr


def test_new_products_are_added_known_ones_overwritten_and_others_left_alone(app: Flask, run: Run) -> None:
    first = run("products", "import", "-", stdin=json.dumps([product(), product("POT", "Pot", 0)]))
    assert (first.exit_code, first.stdout) == (0, "Imported 2 products.\n")
    second = run("products", "import", "-", stdin=json.dumps([product("CUP", "Cup, 200 ml", 550)]))
    assert (second.exit_code, second.stdout) == (0, "Imported 1 product.\n")
    assert catalogue(app) == [("CUP", "Cup, 200 ml", 550, "EUR"), *BEFORE, ("POT", "Pot", 0, "EUR")]


def test_a_file_that_begins_with_a_byte_order_mark_is_read(app: Flask, run: Run) -> None:
    content = json.dumps([product(name="T\u00e4\u00dfchen")], ensure_ascii=False)
    assert run("products", "import", "-", stdin=content.encode("utf-8-sig")).exit_code == 0
    assert ("CUP", "T\u00e4\u00dfchen", 500, "EUR") in catalogue(app)


def test_many_mistakes_are_told_one_a_line_up_to_a_number_that_can_be_read(app: Flask, run: Run) -> None:
    some = run(
        "products", "import", "-", stdin=json.dumps([product(value=-1), product("POT", currency="?"), product()])
    )
    assert [line.partition("; nothing")[0] for line in some.stderr.splitlines()] == [
        "Error: -: product 1: price.value: -1 is not between 0 and 1000000000000",
        'Error: -: product 2: price.currency: "?" is not an ISO 4217 code such as EUR',
    ]
    many = run("products", "import", "-", stdin=json.dumps([product(f"CUP-{i}", value=-1) for i in range(500)]))
    assert len(many.stderr.splitlines()) == 21
    assert many.stderr.endswith("there are more mistakes than these 20; nothing was imported\n")
    assert catalogue(app) == BEFORE


def test_a_large_file_is_imported_in_batches_with_its_progress_on_standard_error(app: Flask, run: Run) -> None:
    content = json.dumps([product(f"CUP-{number:05}", f"Cup {number}", number) for number in range(20_500)])
    result = run("products", "import", "-", stdin=content)
    assert (result.exit_code, result.stdout) == (0, "Imported 20500 products.\n")
    assert result.stderr.splitlines() == [f"{done} of 20500 products" for done in (10_000, 20_000, 20_500)]
    assert len(catalogue(app)) == 20_501


def test_the_catalogue_keeps_to_one_currency(run: Run, app: Flask) -> None:
    dollars = [product("POT", currency="USD")]
    ended = run("products", "import", "-", stdin=json.dumps(dollars))
    assert ended.exit_code == 1
    assert ended.stderr == (
        'Error: -: these are in USD, and products that they leave as they are, such as "TEA-GREEN", have EUR; '
        "a shop has one currency; nothing was imported\n"
    )
    assert catalogue(app) == BEFORE


def test_a_file_with_every_product_may_change_the_currency(run: Run, app: Flask) -> None:
    assert run("products", "import", "-", stdin=json.dumps([product("TEA-GREEN", currency="USD")])).exit_code == 0
    assert {currency for *_, currency in catalogue(app)} == {"USD"}


def test_products_have_categories_and_pictures_where_the_file_names_them(app: Flask, run: Run, tmp_path: Path) -> None:
    file = tmp_path / "products.json"
    file.write_text(json.dumps([product(category="Tea things", picture="/pictures/cup.webp"), product("POT", "Pot")]))
    assert run("products", "import", str(file)).exit_code == 0
    with app.app_context():
        found = {one.sku: (one.category, one.picture) for one in list_products()}
    assert found == {"CUP": ("Tea things", "/pictures/cup.webp"), "POT": ("", ""), "TEA-GREEN": ("", "")}


def test_products_go_off_sale_and_come_back(app: Flask, run: Run) -> None:
    assert run("products", "retire", "TEA-GREEN").output == "Off sale: 1 product.\n"
    assert catalogue(app) == []
    assert run("products", "retire", "TEA-GREEN").output == "Off sale: 0 products.\n"
    assert run("products", "restore", "TEA-GREEN").output == "On sale again: 1 product.\n"
    assert catalogue(app) == BEFORE


@pytest.mark.parametrize("act", ["retire", "restore"])
def test_where_one_product_isn_t_known_none_is_changed(app: Flask, run: Run, act: str) -> None:
    refused = run("products", act, "TEA-GREEN", "NO-SUCH")
    assert refused.exit_code == 1
    assert "there is no product NO-SUCH" in refused.stderr
    assert catalogue(app) == BEFORE
