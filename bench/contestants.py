"""What is measured: orderapp, the plain baseline, and the baseline with Celery for what comes after the answer."""

from __future__ import annotations

import json
import secrets
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import requests
from sqlalchemy import Connection, create_engine, text

from bench.database_work import OWN_MARK
from bench.programs import BIN, ROOT, Programs
from bench.servers import Servers
from bench.workload import PRODUCTS
from tests.servers.loopback import HOST, free_port

READY_SECONDS = 60.0  # a loaded machine takes ten
_TASKS_LEFT = text(
    f"{OWN_MARK} SELECT count(*) FROM tasks WHERE state IN ('waiting', 'running') AND scheduled_at IS NULL"  # noqa: S608
)
_ORDERS_LEFT = text(
    f"{OWN_MARK} SELECT count(*) FROM orders WHERE state = 'confirmed' AND (settled_at IS NULL OR told_at IS NULL)"  # noqa: S608
)
# Apart from the product's own packages: it is none of them.
CELERY_FOLDER = ROOT / "build" / "celery"


class Contestant(ABC):
    """One way to run a shop.

    Attributes:
        name: For files and columns.
        bin_folder: Where its programs are.
        token: What the shop's API takes as a bearer token.
        port: Where the shop answers.
        database_url: Of its own database.
        programs: Its processes; the one named `web` is the shop.
    """

    name: str
    bin_folder = BIN

    def __init__(self, servers: Servers, stand_in_url: str, folder: Path, web_options: Sequence[str] = ()) -> None:
        self.folder = folder / self.name
        self.folder.mkdir(parents=True, exist_ok=True)
        self.token = secrets.token_hex()
        self.port = free_port()
        self.database_url = servers.new_database(self.name)
        self._engine = create_engine(self.database_url)
        self._for_production = servers.for_production
        self._web_options = web_options if servers.for_production else ("--workers", "1", *web_options)
        urls = {f"{system}_URL": stand_in_url for system in ("INVENTORY", "COUPON", "MEMBERSHIP", "SETTLEMENT", "SMS")}
        variables = {
            "SECRET_KEY": secrets.token_hex(),
            "DATABASE_URL": self.database_url,
            "RABBITMQ_URL": servers.rabbitmq_url,
            "SMS_ACCOUNT_SID": "AC0",
            "SMS_AUTH_TOKEN": "bench-alone",
            "SMS_FROM": "+15005550006",
            "BENCH_TOKEN": self.token,
            # Outside of production it is as `make run` has it, the sandbox replaced.
            "ORDERAPP_MODE": "production" if servers.for_production else "development",
            **urls,
        }
        self.programs = Programs(self.folder, variables, self.bin_folder)

    @abstractmethod
    def prepare(self) -> None:
        """Fill the database with everything that the first order needs."""

    @abstractmethod
    def start(self) -> None:
        """Start every process; return once the shop answers."""

    @abstractmethod
    def has_work(self) -> bool:
        """Return whether any work for the orders is still open, by the contestant's own records."""

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Lend a connection to its database inside the block."""
        with self._engine.connect() as connection:
            yield connection

    def analyse(self) -> None:
        """Let the database look at how large its tables are."""
        with self._engine.connect() as connection:
            connection.execute(text("ANALYZE"))
            connection.commit()

    @contextmanager
    def running(self) -> Iterator[None]:
        """Run all processes inside the block."""
        try:
            self.start()
            yield
        finally:
            self.programs.stop()
            self._engine.dispose()

    def _start_web(self, module: str) -> None:
        where = ("--bind", f"{HOST}:{self.port}")
        web = self.programs.start("web", "gunicorn", f"{module}:app", *where, *self._web_options)
        web.wait_until(self._answers, within_seconds=READY_SECONDS)

    def _answers(self) -> bool:
        try:
            return requests.get(f"http://{HOST}:{self.port}/readyz", timeout=1).ok
        except requests.RequestException:
            return False


class Product(Contestant):
    """orderapp: web, worker and timer, as docs/production.md starts them, or `make run`."""

    name = "orderapp"

    def prepare(self) -> None:
        """Bring the schema up to date, import products, make a token."""
        self.programs.run("flask", "db", "upgrade")
        products = self.folder / "products.json"
        prices = [{"sku": one.sku, "name": one.name, "price": _euros(one.price_minor)} for one in PRODUCTS]
        products.write_text(json.dumps(prices))
        self.programs.run("flask", "products", "import", str(products))
        self.token = self.programs.run("flask", "tokens", "create", "bench").strip()

    def start(self) -> None:
        """Start the three processes."""
        one = () if self._for_production else ("--processes", "1")
        self.programs.start("worker", "dramatiq", "tasks", *one)
        self.programs.start("timer", "flask", "timer")
        self._start_web("wsgi")

    def has_work(self) -> bool:
        """Return whether a task is waiting or running."""
        with self.reading() as connection:
            return bool(connection.execute(_TASKS_LEFT).scalar_one())


class Baseline(Contestant):
    """The plain shop: one web process, no workers."""

    name = "baseline"

    def prepare(self) -> None:
        """Make the tables and the products."""
        self.programs.run("python", "-m", "bench.baseline")

    def start(self) -> None:
        """Start the web process."""
        self._start_web("bench.baseline")

    def has_work(self) -> bool:
        """Return False: it keeps no records; missing effects show only in the systems."""
        return False


class Celery(Contestant):
    """The plain shop with Celery on RabbitMQ: as many worker processes and threads as orderapp has by default."""

    name = "celery"
    bin_folder = CELERY_FOLDER / "bin"

    def prepare(self) -> None:
        """Make the tables and the products."""
        self.programs.run("python", "-m", "bench.baseline")

    def start(self) -> None:
        """Start the workers and the web process."""
        # Threads: of its default, processes, each task costs a third more. Quiet: workers needn't talk to each other.
        options = ("-P", "threads", "-c", "8", "-l", "warning")
        quiet = ("--without-gossip", "--without-mingle", "--without-heartbeat")
        for number in (1, 2):
            names = ("-A", "bench.celery_shop:tasks", "worker", "-n", f"{number}@localhost")
            self.programs.start(f"worker-{number}", "celery", *names, *options, *quiet)
        self._start_web("bench.celery_shop")

    def has_work(self) -> bool:
        """Return whether a confirmed order lacks its settlement or its text message."""
        with self.reading() as connection:
            return bool(connection.execute(_ORDERS_LEFT).scalar_one())


def _euros(minor: int) -> dict[str, object]:
    return {"value": minor, "currency": "EUR"}
