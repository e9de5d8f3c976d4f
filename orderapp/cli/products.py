"""`flask products`: the products for sale."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any

import click

from orderapp import strict_json
from orderapp.cli.command import Group, one_line
from orderapp.errors import InvalidRequest
from orderapp.services.orders.catalogue import restore, retire
from orderapp.services.orders.product_import import MAX_ERRORS, import_products

# A smaller import ends before anybody needs a sign of progress.
PROGRESS_FROM = 10_000

products = Group("products", help="What is for sale.")


@products.command("import", act="products.import", on="products", named_by=("file", "file"))
@click.argument("file", metavar="FILE.json")
def import_file(file: str) -> None:
    """Import products from a JSON file, or from standard input for `-`: all of them, or none.

    The file holds [{"sku", "name", "price": {"value": MINOR UNITS, "currency"}}, ...]. Known SKUs are overwritten;
    products that the file doesn't name stay as they are.
    """
    data = _parse(_read(file), one_line(file))
    try:
        count = import_products(data, _show_progress)
    except InvalidRequest as error:
        *others, last = _places(one_line(file), error.errors)
        for line in others:
            click.echo(f"Error: {line}", err=True)
        raise click.ClickException(f"{last}; nothing was imported") from error
    click.echo(f"Imported {_number(count)}.")


@products.command("retire", act="products.retire", on="products", named_by=("products", "skus"))
@click.argument("skus", metavar="SKU...", nargs=-1, required=True)
def retire_products(skus: tuple[str, ...]) -> None:
    """Take products off sale. Orders that have them stay as they are."""
    click.echo(f"Off sale: {_number(retire(skus))}.")


@products.command("restore", act="products.restore", on="products", named_by=("products", "skus"))
@click.argument("skus", metavar="SKU...", nargs=-1, required=True)
def restore_products(skus: tuple[str, ...]) -> None:
    """Put products on sale again, at the price they had."""
    click.echo(f"On sale again: {_number(restore(skus))}.")


def _number(count: int) -> str:
    return f"{count} product{'' if count == 1 else 's'}"


def _read(file: str) -> str:
    try:
        if file == "-":
            raw = sys.stdin.buffer.read()
        else:
            with open(file, "rb") as stream:
                raw = stream.read()
        return raw.decode("utf-8-sig")
    except OSError as error:
        raise click.ClickException(f"{one_line(file)}: can't be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise click.ClickException(
            f"{one_line(file)}: not UTF-8: byte {error.start + 1} is {error.object[error.start]:#04x}"
        ) from error


def _parse(text: str, file: str) -> Any:
    try:
        return strict_json.parse(text)
    except ValueError as error:
        raise click.ClickException(f"{file}: not JSON: {error}") from error


def _places(file: str, errors: Mapping[str, Sequence[str]]) -> list[str]:
    """Return a line for each mistake, with its place as people count: product 1 is the first."""
    lines = []
    for place, messages in list(errors.items())[:MAX_ERRORS]:
        index, _, member = place.partition(".")
        product = f"product {int(index) + 1}: " if index else ""
        lines.append(f"{file}: {product}{member + ': ' if member else ''}{'; '.join(messages)}")
    if len(errors) > MAX_ERRORS:
        lines.append(f"{file}: there are more mistakes than these {MAX_ERRORS}")
    return lines


def _show_progress(done: int, total: int) -> None:
    if total >= PROGRESS_FROM and (done % PROGRESS_FROM == 0 or done == total):
        click.echo(f"{done} of {total} products", err=True)
