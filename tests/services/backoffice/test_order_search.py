"""Orders are found by whatever is at hand, in all orders where the database has an index of parts."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest
from sqlalchemy import select, text
from sqlalchemy.schema import CreateIndex

from orderapp.domain.states import TaskState
from orderapp.extensions import db
from orderapp.models import Base, Order
from orderapp.models.orders import SEARCH_INDEX
from orderapp.services.backoffice import order_search
from orderapp.services.db.transactions import reading
from tests.admin.rows import Rows
from tests.services.scripted import Scripted
from tests.services.shop import Shop

NUMBER = "7K3M9-QXZ2F"
ANN = {
    "number": NUMBER,
    "customer_name": "Ann-Sophie Müller",
    "customer_email": "Ann.Mueller@example.com",
    "customer_phone": "+491701234567",
    "inputs": '{"coupon":"WELCOME_10","member":"M-4711"}',
}


@pytest.fixture
def ann(empty_shop: Shop) -> uuid.UUID:
    """An order of Ann's, among others."""
    empty_shop.with_systems(Scripted("inventory"))
    rows = Rows()
    rows.order(customer_email="bob@example.org", customer_name="Bob 100%")
    order_id = rows.order(**ANN)
    rows.order(customer_email="carol@example.org", customer_name="Margaretha", inputs='{"coupon":"WELCOMEX10"}')
    return order_id


def found(words: str) -> list[uuid.UUID]:
    with reading() as session:
        return list(session.scalars(select(Order.id).where(order_search.matches(session, words, parts=True))))


WORDS = [
    NUMBER, "7k3m9qxz2f", "7K3M9 QXZ2F", "7K3M9", "7k3m9-q", f"{NUMBER}:1:settlement", "Ann.Mueller@example.com",
    "ann.mueller@EXAMPLE.com", "mueller@exam", "Ann-Sophie", "sophie ann", "+49 170 1234567", "0170 / 123-4567",
    "1234567", "WELCOME_10", "welcome_10", "M-4711", "sophie welcome_10",
]  # fmt: skip


@pytest.mark.parametrize("words", WORDS)
def test_an_order_is_found_by_anything_of_it(ann: uuid.UUID, words: str) -> None:
    assert found(words) == [ann]


@pytest.mark.parametrize(
    "words",
    ["nobody", "an", "a b c", "%%%", "___", "'; --", "\\", "7K3M9-QXZ2G", "x" * 300, "ann bob", "coupon"],
)
def test_what_is_nowhere_is_not_found(ann: uuid.UUID, words: str) -> None:
    assert found(words) == []


def test_a_name_may_look_like_an_order_number(ann: uuid.UUID) -> None:
    assert len(found("Margaretha")) == 1
    assert len(found("example.com")) == 1


GUESSES = ["WELCOME", "ELCOME_10", "4711", ':"welc', '"welcome_10', "m-471", "10", "member':"]


@pytest.mark.parametrize("words", GUESSES)
def test_a_code_is_found_only_as_a_whole(ann: uuid.UUID, words: str) -> None:
    assert found(words) == []


def test_signs_of_patterns_are_letters_like_any_other(ann: uuid.UUID) -> None:
    assert len(found("100%")) == 1
    assert found("ann%mueller") == []


def test_an_order_is_found_by_the_number_of_its_task(ann: uuid.UUID) -> None:
    task_id = Rows().task(TaskState.DONE, order_id=ann)
    for words in (str(task_id), f"task {task_id}", f"Task #{task_id}"):
        assert ann in found(words)
        with reading() as session:
            assert order_search.find_one(session, words) == task_id
    assert found(f"task {task_id + 1}") == []


def test_only_what_names_one_order_leads_to_its_page(ann: uuid.UUID) -> None:
    with reading() as session:
        assert order_search.find_one(session, "7k3m9qxz2f") == NUMBER
        assert order_search.find_one(session, f"{NUMBER}:1:settlement") == NUMBER
        assert order_search.find_one(session, "7K3M9-QXZ2G") is None
        assert order_search.find_one(session, "ann.mueller@example.com") is None


@pytest.fixture
def indexed(empty_shop: Shop) -> Iterator[None]:
    """The index of parts, on PostgreSQL."""
    if db.engine.dialect.name != "postgresql":
        pytest.skip("SQLite has no such index")
    index = next(index for index in Base.metadata.tables["orders"].indexes if index.name == SEARCH_INDEX)
    with db.engine.begin() as connection:
        connection.execute(text("CREATE EXTENSION IF NOT EXISTS pg_trgm"))
        connection.execute(CreateIndex(index))
    with reading() as session:
        assert order_search.has_index(session)
    yield
    with db.engine.begin() as connection:
        connection.execute(text("DROP EXTENSION pg_trgm CASCADE"))


def test_with_the_index_of_parts_the_same_is_found(ann: uuid.UUID, indexed: None) -> None:
    assert {words: found(words) for words in WORDS} == dict.fromkeys(WORDS, [ann])
    assert {words: found(words) for words in GUESSES} == dict.fromkeys(GUESSES, [])
