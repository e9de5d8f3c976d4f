"""`flask products`: what is for sale."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import click

from orderapp.cli.command import Group, one_line
from orderapp.errors import InvalidRequest
from orderapp.services.products import MAX_ERRORS, import_products

# Below this the import is over before anybody wonders.
PROGRESS_FROM = 10_000

products = Group("products", help="What is for sale.")


@products.command("import")
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
    click.echo(f"Imported {count} product{'' if count == 1 else 's'}.")


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
        return json.loads(text, parse_constant=_refuse_constant, object_pairs_hook=_object)
    except RecursionError as error:
        raise click.ClickException(f"{file}: not a list of products: too deeply nested") from error
    except ValueError as error:
        raise click.ClickException(f"{file}: not JSON: {error}") from error


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no number there")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        twice = next(name for name, times in Counter(name for name, _ in pairs).items() if times > 1)
        raise ValueError(f"an object has {json.dumps(twice)[:60]} twice")
    return made


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
