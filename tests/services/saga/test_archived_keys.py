"""A key leads to one order for ever, also when that was archived long ago: nothing is placed under it again."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

import pytest

from orderapp.domain.outcome import Outcome
from orderapp.domain.states import OrderState
from orderapp.errors import ArchiveUnusable, KeyReused, OrderArchived
from orderapp.models import ArchivedKey, Submission
from orderapp.services.access import api_tokens
from orderapp.services.db.transactions import reading
from orderapp.services.orders.shop_views import find_shop_order
from orderapp.services.placing.place import Result
from orderapp.services.saga.archived_keys import hash_key
from tests.services.archives import archived, let_days_pass, rows_left
from tests.services.scripted import Scripted, answers
from tests.services.shop import Shop


@pytest.fixture
def stock() -> Scripted:
    return Scripted("stock")


@pytest.fixture
def shop(empty_shop: Shop, stock: Scripted) -> Shop:
    return empty_shop.with_systems(stock)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "orders.jsonl"


def archive_all(shop: Shop, file: Path) -> None:
    shop.work_until_quiet()
    let_days_pass()
    archived(shop, file)
    assert rows_left().keys() <= {"api_tokens", "archived_keys"}


@pytest.mark.parametrize("by_client", [False, True])
def test_the_same_key_and_content_is_told_so_and_places_nothing(
    shop: Shop, stock: Scripted, file: Path, by_client: bool
) -> None:
    client = api_tokens.authenticate(api_tokens.create("till")) if by_client else None
    content = shop.content()
    order = shop.submit("key", content, client_id=client).order
    archive_all(shop, file)
    for _ in range(2):
        with pytest.raises(OrderArchived) as caught:
            shop.submit("key", content, client_id=client)
        assert caught.value.number == order.number
    assert (shop.order_count(), stock.verbs()) == (0, ["act"])


@pytest.mark.parametrize("change", [{"coupon": "OTHER"}, {"lines": [{"sku": "TEA-GREEN", "quantity": 3}]}])
def test_other_content_is_told_apart_still(shop: Shop, file: Path, change: dict[str, Any]) -> None:
    content = shop.content()
    shop.submit("key", content)
    archive_all(shop, file)
    with pytest.raises(KeyReused):
        shop.submit("key", {**content, **change})
    assert shop.order_count() == 0


def test_another_scope_and_another_key_are_free(shop: Shop, file: Path) -> None:
    content = shop.content()
    shop.submit("key", content)
    archive_all(shop, file)
    client = api_tokens.authenticate(api_tokens.create("till"))
    assert shop.submit("key", content, client_id=client).result is Result.CONFIRMED
    assert shop.submit("Key", shop.content()).result is Result.CONFIRMED


def test_the_keys_of_each_retry_are_kept(shop: Shop, stock: Scripted, file: Path) -> None:
    stock.acts += [answers(Outcome.REFUSED, repeatable=False)] * 2
    content = shop.content()
    order = shop.submit("first", content).order
    for key in ("second", "third"):
        assert shop.view(order.id).state is OrderState.FAILED
        shop.retry(order.id, key)
    archive_all(shop, file)
    with pytest.raises(OrderArchived):
        shop.submit("first", content)
    for key in ("second", "third"):
        with pytest.raises(OrderArchived) as caught:
            shop.retry(order.id, key)
        assert caught.value.number == order.number
        with pytest.raises(KeyReused):
            shop.submit(key, content)
        with pytest.raises(KeyReused):
            shop.retry(uuid.uuid4(), key)
    assert (shop.order_count(), stock.verbs()) == (0, ["act"] * 3)


def test_what_is_kept_names_no_key(shop: Shop, file: Path) -> None:
    shop.submit("ada@example.com")
    with reading() as session:
        content_hash = session.query(Submission.content_hash).scalar()
    archive_all(shop, file)
    with reading() as session:
        kept = session.query(ArchivedKey).one()
    assert (kept.scope, kept.key_hash, kept.content_hash) == ("shop", hash_key("ada@example.com"), content_hash)


def test_where_the_order_could_not_leave_its_key_leads_to_it(shop: Shop, file: Path) -> None:
    content = shop.content()
    order = shop.submit("key", content).order
    let_days_pass()
    file.mkdir()
    with pytest.raises(ArchiveUnusable):
        archived(shop, file)
    again = shop.submit("key", content)
    assert (again.order.id, again.result) == (order.id, Result.REPLAYED)


def test_its_page_is_told_from_one_that_never_was(shop: Shop, file: Path) -> None:
    number = shop.submit().order.number
    archive_all(shop, file)
    with pytest.raises(OrderArchived):
        find_shop_order(number)
