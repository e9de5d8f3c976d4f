"""An order that was archived, as staff find it."""

from __future__ import annotations

import uuid
from collections.abc import Callable

from flask import Flask
from sqlalchemy import insert

from orderapp.models import Archive, ArchivedOrder, Role, db_now
from orderapp.services.db.transactions import writing
from tests.admin.conftest import Browser


def test_the_page_of_an_archived_order_says_where_it_is(app: Flask, logged_in: Callable[[Role], Browser]) -> None:
    with writing() as session:
        session.execute(insert(Archive).values(id=1, started_at=db_now(), file="/srv/<orders>.jsonl"))
        session.execute(insert(ArchivedOrder).values(order_id=uuid.uuid4(), number="7K3M9-QXZ2F", archive_id=1))
    browser = logged_in(Role.VIEWER)
    page = browser.get("/admin/orders/7K3M9-QXZ2F")
    assert page.status_code == 404
    assert "This order is archived" in page.text
    assert "Order 7K3M9-QXZ2F was archived on 20" in page.text
    assert "into /srv/&lt;orders&gt;.jsonl." in page.text
    other = browser.get("/admin/orders/7K3M9-QXZ2G")
    assert (other.status_code, "archived" in other.text) == (404, False)
