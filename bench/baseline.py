"""The plain shop to compare with: the same orders, the same calls, and nothing that keeps them consistent.

Flask, SQLAlchemy and requests as one would write it in an afternoon: no intents, no leases, no history, no repeats, no
compensation; settlement and message are left to threads and forgotten if the process ends. It runs under the same web
server with the same settings, on the same database. `python -m bench.baseline` makes its tables.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import requests
from flask import Flask, request
from sqlalchemy import Engine, ForeignKey, create_engine, event, select
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship, sessionmaker

from bench.workload import PRODUCTS

TIMEOUT_SECONDS = (1, 3)


class Base(DeclarativeBase):
    """The baseline's tables."""


class Product(Base):
    """What is for sale."""

    __tablename__ = "products"
    sku: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    price_minor: Mapped[int]


class Line(Base):
    """One product of an order."""

    __tablename__ = "order_lines"
    id: Mapped[int] = mapped_column(primary_key=True)
    order_number: Mapped[str] = mapped_column(ForeignKey("orders.number"), index=True)
    sku: Mapped[str]
    name: Mapped[str]
    quantity: Mapped[int]
    price_minor: Mapped[int]


class Order(Base):
    """An order document."""

    __tablename__ = "orders"
    number: Mapped[str] = mapped_column(primary_key=True)
    state: Mapped[str]
    name: Mapped[str]
    email: Mapped[str]
    phone: Mapped[str]
    member_ref: Mapped[str]
    coupon: Mapped[str]
    benefit: Mapped[str]
    total_minor: Mapped[int]
    created_at: Mapped[datetime]
    # Only the shop with Celery sets these.
    settled_at: Mapped[datetime | None]
    told_at: Mapped[datetime | None]
    lines: Mapped[list[Line]] = relationship()


def _engine() -> Engine:
    url = os.environ["DATABASE_URL"]
    if not url.startswith("sqlite"):
        return create_engine(url, pool_size=20, max_overflow=20)
    engine = create_engine(url, pool_size=20, connect_args={"timeout": 5})
    event.listen(engine, "connect", lambda connection, _: connection.execute("PRAGMA journal_mode=WAL"))
    return engine


engine = _engine()
Session = sessionmaker(engine, expire_on_commit=False)
pool = ThreadPoolExecutor(8)
_local = threading.local()


def make_app(follow_up: Callable[[Order], None]) -> Flask:
    """Return the shop.

    Args:
        follow_up: Starts the settlement and the text message of a confirmed order.
    """
    app = Flask(__name__)
    app.add_url_rule("/api/v1/orders", "place", lambda: place(follow_up), methods=["POST"])
    app.add_url_rule("/readyz", view_func=ready)
    return app


def ready() -> dict[str, str]:
    """Answer that the process serves."""
    return {}


def place(follow_up: Callable[[Order], None]) -> tuple[dict[str, Any], int]:
    """Place the order of the present request."""
    if not hmac.compare_digest(request.headers.get("Authorization", ""), f"Bearer {os.environ['BENCH_TOKEN']}"):
        return {"code": "not_authenticated"}, 401
    wanted = request.get_json()
    with Session() as session:
        order = _priced(session, wanted)
        session.add(order)
        session.commit()
        ours = {"order_ref": order.number}
        lines = [{"sku": line.sku, "quantity": line.quantity} for line in order.lines]
        member = {"member_ref": order.member_ref, "benefit": order.benefit}
        redemption = {"code": order.coupon, "reference": order.number, "customer_ref": _customer_ref(order)}
        try:
            _post("INVENTORY", "reservations", f"{order.number}:inventory", {**ours, "lines": lines})
            _post("COUPON", "redemptions", "", {**ours, **redemption})
            _post("MEMBERSHIP", "consumptions", f"{order.number}:membership", {**ours, **member})
        except requests.RequestException:
            order.state = "failed"
            session.commit()
            return {"order": _as_json(order)}, 503
        order.state = "confirmed"
        session.commit()
    follow_up(order)
    return {"order": _as_json(order)}, 201


def _in_threads(order: Order) -> None:
    pool.submit(settle, order)
    pool.submit(send_text, order)


def _priced(session: Any, wanted: Any) -> Order:
    customer = wanted["customer"]
    skus: list[str] = [line["sku"] for line in wanted["lines"]]
    products = {one.sku: one for one in session.scalars(select(Product).where(Product.sku.in_(skus)))}
    lines = [
        Line(
            sku=line["sku"],
            name=products[line["sku"]].name,
            quantity=line["quantity"],
            price_minor=products[line["sku"]].price_minor,
        )
        for line in wanted["lines"]
    ]
    subtotal = sum(line.quantity * line.price_minor for line in lines)
    coupon = _get("COUPON", f"coupons/{wanted['coupon']}")["coupon"]["discount"]["value"]
    benefits = _get("MEMBERSHIP", f"members/{customer['member_ref']}")["member"]["benefits"]
    benefit = next(one for one in benefits if one["code"] == wanted["benefit"])["discount"]["value"]
    return Order(
        number=secrets.token_hex(6),
        state="placing",
        **customer,
        coupon=wanted["coupon"],
        benefit=wanted["benefit"],
        total_minor=subtotal - subtotal * (coupon + benefit) // 100,
        created_at=datetime.now(UTC).replace(tzinfo=None),
        lines=lines,
    )


def settle(order: Order) -> None:
    """Settle an order's money."""
    amount = {"value": order.total_minor, "currency": "EUR"}
    content = {"order_ref": order.number, "customer_ref": _customer_ref(order), "amount": amount}
    _post("SETTLEMENT", "settlements", f"{order.number}:settlement", content)


def send_text(order: Order) -> None:
    """Send the customer a text message."""
    account, secret = os.environ["SMS_ACCOUNT_SID"], os.environ["SMS_AUTH_TOKEN"]
    text = f"Thank you! Your order {order.number} is confirmed."
    _calls().post(
        f"{os.environ['SMS_URL']}/2010-04-01/Accounts/{account}/Messages.json",
        data={"To": order.phone, "From": os.environ["SMS_FROM"], "Body": text},
        auth=(account, secret),
        timeout=TIMEOUT_SECONDS,
    ).raise_for_status()


def _get(system: str, path: str) -> Any:
    answer = _calls().get(f"{os.environ[f'{system}_URL']}/v1/{path}", timeout=TIMEOUT_SECONDS)
    answer.raise_for_status()
    return answer.json()


def _post(system: str, collection: str, key: str, content: Any) -> None:
    url, headers = f"{os.environ[f'{system}_URL']}/v1/{collection}", {"Idempotency-Key": key}
    _calls().post(url, json=content, headers=headers, timeout=TIMEOUT_SECONDS).raise_for_status()


def _calls() -> requests.Session:
    """Return this thread's session, so that connections stay open."""
    if not hasattr(_local, "session"):
        _local.session = requests.Session()
        _local.session.trust_env = False
    session: requests.Session = _local.session
    return session


def _customer_ref(order: Order) -> str:
    return hashlib.sha256(order.email.encode()).hexdigest()[:24]


def _as_json(order: Order) -> dict[str, Any]:
    lines = [
        {
            "sku": line.sku,
            "name": line.name,
            "quantity": line.quantity,
            "price": {"value": line.price_minor, "currency": "EUR"},
        }
        for line in order.lines
    ]
    return {
        "number": order.number,
        "state": order.state,
        "lines": lines,
        "total": {"value": order.total_minor, "currency": "EUR"},
        "created_at": order.created_at.isoformat(),
    }


def make_tables() -> None:
    """Make the tables and the products."""
    Base.metadata.create_all(engine)
    with Session.begin() as session:
        session.add_all(Product(sku=one.sku, name=one.name, price_minor=one.price_minor) for one in PRODUCTS)


app = make_app(_in_threads)

if __name__ == "__main__":
    make_tables()
