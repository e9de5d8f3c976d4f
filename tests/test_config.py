"""Settings: a wrong one stops the process with one line that names the variable."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from orderapp.config import ROOT, Settings
from orderapp.errors import ConfigurationError

SECRET_KEY = "3f" * 32
ELSEWHERE = "https://inventory.example"

# Where what is sent to the database may be read on the way, however that is spelt.
OPEN_DATABASES: list[tuple[str, dict[str, str]]] = [
    ("db.example/orders", {}),
    ("db.example/orders?sslmode=disable", {}),
    ("db.example/orders?sslmode=allow", {}),
    ("db.example/orders?sslmode=prefer", {}),
    ("db.example/orders?sslmode=%64isable", {}),
    ("db.example/orders?sslmode=REQUIRE", {}),
    ("db.example/orders?%73slmode=disable", {}),
    ("me:p%40ss@db.example/orders", {}),
    ("[2001:db8::1]/orders", {}),
    ("127.0.0.1,db.example/orders", {}),
    ("/orders?host=db.example", {}),
    ("/orders?host=%64b.example&sslmode=disable", {}),
    ("127.0.0.1/orders?host=db.example", {}),
    ("/orders?host=127.0.0.1:5432&host=db.example:5432", {}),
    ("/orders?host=/run/postgresql,db.example", {}),
    ("127.0.0.1/orders?hostaddr=198.51.100.1", {}),
    ("/orders?service=shop", {}),
    ("/orders?service=shop", {"PGSSLMODE": "require"}),
    ("/orders?conninfo=host%3Ddb.example", {}),
    ("/orders", {"PGHOST": "db.example"}),
    ("/orders", {"PGHOSTADDR": "198.51.100.1"}),
    ("/orders", {"PGSERVICE": "shop"}),
    ("db.example/orders?sslmode=disable", {"PGSSLMODE": "require"}),
]

# What is set, and the line that it stops the process with.
WRONG: list[tuple[dict[str, str], str]] = [
    ({"SECRET_KEY": ""}, "SECRET_KEY: not set; make one with:"),
    ({"SECRET_KEY": "dev"}, "SECRET_KEY: this one is guessed at the first try"),
    ({"SECRET_KEY": " ChangeMe "}, "SECRET_KEY: this one is guessed at the first try"),
    ({"SECRET_KEY": "3f" * 15 + "3"}, "SECRET_KEY: has 31 characters, which can be guessed; it needs 32 random ones"),
    ({"SECRET_KEY_OLD": "3f" * 15}, "SECRET_KEY_OLD: has 30 characters, which can be guessed"),
    ({"SECRET_KEY_OLD": f"{SECRET_KEY}; short"}, "SECRET_KEY_OLD: has 5 characters, which can be guessed"),
    ({"FLASK_DEBUG": "1"}, "FLASK_DEBUG: the debugger runs anybody's code"),
    ({"FLASK_DEBUG": "maybe"}, "FLASK_DEBUG: 'maybe' is neither 1 nor 0"),
    ({"ORDERAPP_MODE": "prod"}, "ORDERAPP_MODE: 'prod' is neither production nor development"),
    ({"DATABASE_URL": "mysql://db.example/orders"}, "DATABASE_URL: begins neither with"),
    ({"DATABASE_URL": "postgresql://db.example:port/orders"}, "DATABASE_URL: not an address"),
    ({"DATABASE_URL": "sqlite:///:memory:"}, "DATABASE_URL: SQLite needs a file"),
    ({"DATABASE_URL": "sqlite:///"}, "DATABASE_URL: SQLite needs a file"),
    ({"DATABASE_URL": "sqlite:////tmp/what?is/orders.db"}, "DATABASE_URL: has a ? in it; in the name of a file, write"),
    ({"DATABASE_URL": "sqlite:////tmp/orders.db?uri=true"}, "DATABASE_URL: has a ? in it"),
    *(
        (
            {"DATABASE_URL": f"postgresql://{address}", **more},
            "DATABASE_URL: names another host without sslmode=require",
        )
        for address, more in OPEN_DATABASES
    ),
    ({"DATABASE_URL": "postgresql://me:pa@ss@127.0.0.1/orders"}, "DATABASE_URL: has an @ in its host or name"),
    (
        {"DATABASE_URL": "postgresql://127.0.0.1/o?sslmode=require&sslmode=disable"},
        "DATABASE_URL: names an option twice",
    ),
    ({"DATABASE_URL": "postgresql://127.0.0.1/o?ssl_mode=require"}, "DATABASE_URL: has an option that PostgreSQL's"),
    ({"RABBITMQ_URL": "rabbit.example"}, "RABBITMQ_URL: not an address that begins with amqps:// or amqp://"),
    ({"RABBITMQ_URL": "http://rabbit.example"}, "RABBITMQ_URL: not an address that begins with"),
    ({"RABBITMQ_URL": "amqp://"}, "RABBITMQ_URL: not an address that begins with"),
    ({"RABBITMQ_URL": "amqp://127.0.0.1:port"}, "RABBITMQ_URL: not an address"),
    ({"RABBITMQ_URL": "amqp://127.0.0.1;rabbit.example"}, "RABBITMQ_URL part 2: not an address"),
    ({"RABBITMQ_URL": ";"}, "RABBITMQ_URL: holds no address"),
    ({"RABBITMQ_URL": "amqp://127.0.0.1?heartbeat=often"}, "RABBITMQ_URL: has a user without a password, or an option"),
    ({"RABBITMQ_URL": "amqp://guest@127.0.0.1"}, "RABBITMQ_URL: has a user without a password"),
    *(
        (
            {"RABBITMQ_URL": f"{address}rabbit.example"},
            "RABBITMQ_URL: the account guest, which every RabbitMQ begins with",
        )
        for address in ("amqps://", "amqps://guest:guest@", "amqps://guest:other@", "amqps://%67uest:guest@")
    ),
    ({"RABBITMQ_URL": "amqps://h", "RABBITMQ_ALLOW_UNENCRYPTED": "1"}, "RABBITMQ_URL: the account guest"),
    ({"RABBITMQ_URL": "amqp://127.0.0.1;amqps://h"}, "RABBITMQ_URL part 2: the account guest"),
    ({"RABBITMQ_URL": "amqp://me:12/ss@127.0.0.1"}, "RABBITMQ_URL: has an @ after the host; in a password, write %40"),
    ({"RABBITMQ_URL": "amqp://me:12?ss@127.0.0.1"}, "RABBITMQ_URL: has an @ after the host"),
    ({"SMTP_URL": "smtps://me:12#ss@mail.example"}, "SMTP_URL: has an @ after the host"),
    ({"RABBITMQ_URL": "amqp://rabbit.example"}, "RABBITMQ_URL: amqp:// to another host is not encrypted"),
    ({"SUBMISSION_LEASE_SECONDS": "half a minute"}, "SUBMISSION_LEASE_SECONDS: 'half a minute' is not a number"),
    ({"SUBMISSION_LEASE_SECONDS": "nan"}, "SUBMISSION_LEASE_SECONDS: nan is not between"),
    ({"SUBMISSION_LEASE_SECONDS": "inf"}, "SUBMISSION_LEASE_SECONDS: inf is not between"),
    ({"SUBMISSION_LEASE_SECONDS": "1_0"}, "SUBMISSION_LEASE_SECONDS: '1_0' is not a number"),
    ({"TASK_LEASE_SECONDS": "0"}, "TASK_LEASE_SECONDS: 0 is not between"),
    ({"TASK_LEASE_SECONDS": "-1"}, "TASK_LEASE_SECONDS: -1 is not between"),
    ({"TASK_LEASE_SECONDS": "1e9"}, "TASK_LEASE_SECONDS: 1e9 is not between"),
    ({"TIMER_INTERVAL_SECONDS": "0"}, "TIMER_INTERVAL_SECONDS: 0 is not between"),
    ({"DUPLICATE_WINDOW_SECONDS": "1.5"}, "DUPLICATE_WINDOW_SECONDS: 1.5 is not a whole number"),
    ({"RECONCILE_INTERVAL_SECONDS": "59"}, "RECONCILE_INTERVAL_SECONDS: 59 is less than a minute"),
    ({"RECONCILE_INTERVAL_SECONDS": "-1"}, "RECONCILE_INTERVAL_SECONDS: -1 is not between"),
    ({"DUPLICATE_WINDOW_SECONDS": "-1"}, "DUPLICATE_WINDOW_SECONDS: -1 is not between"),
    ({"RETRY_BASE_SECONDS": "100", "RETRY_MAX_SECONDS": "10"}, "RETRY_BASE_SECONDS: 100 is more than RETRY_MAX"),
    ({"INVENTORY_RETRY_BASE_SECONDS": "3601"}, "INVENTORY_RETRY_BASE_SECONDS: 3601 is more than"),
    ({"RETRY_ATTEMPTS": "0"}, "RETRY_ATTEMPTS: 0 is not between"),
    ({"RETRY_ATTEMPTS": "2.5"}, "RETRY_ATTEMPTS: 2.5 is not a whole number"),
    ({"TRUSTED_PROXIES": "all"}, "TRUSTED_PROXIES: 'all' is not a number"),
    ({"SHOP_COUNTRY": "Germany"}, "SHOP_COUNTRY: 'GERMANY' is no country's code such as DE"),
    ({"SHOP_COUNTRY": "DE,AT"}, "SHOP_COUNTRY: 'DE,AT' is more than one country"),
    ({"PHONE_COUNTRIES": "DE,XX"}, "PHONE_COUNTRIES: 'XX' is no country's code"),
    ({"ORDERS_PER_EMAIL": "5"}, "ORDERS_PER_EMAIL: '5' is not three whole numbers"),
    ({"ORDERS_PER_EMAIL": "5,-1,3"}, "ORDERS_PER_EMAIL: '5,-1,3' is not three whole numbers"),
    ({"PROXY_SETS_REQUEST_ID": "1"}, "PROXY_SETS_REQUEST_ID: there is no proxy that could"),
    ({"WEB_CONCURRENCY": "abc"}, "WEB_CONCURRENCY: 'abc' is not a number"),
    ({"WEB_CONCURRENCY": "0"}, "WEB_CONCURRENCY: 0 is not between 1 and"),
    ({"INVENTORY_TIMEOUT": "3"}, "INVENTORY_TIMEOUT: '3' is not two numbers of seconds such as 1,3"),
    ({"INVENTORY_TIMEOUT": "1,2,3"}, "INVENTORY_TIMEOUT: '1,2,3' is not two numbers"),
    ({"INVENTORY_TIMEOUT": "1;3"}, "INVENTORY_TIMEOUT: '1;3' is not two numbers"),
    ({"INVENTORY_TIMEOUT": "0,3"}, "INVENTORY_TIMEOUT: 0,3 is not between"),
    ({"SMTP_TIMEOUT": "1,nan"}, "SMTP_TIMEOUT: 1,nan is not between"),
    ({"SMS_TIMEOUT": "1,inf"}, "SMS_TIMEOUT: 1,inf is not between"),
    ({"COUPON_LATE_SECONDS": "-1"}, "COUPON_LATE_SECONDS: -1 is not between"),
    ({"COUPON_LATE_SECONDS": "soon"}, "COUPON_LATE_SECONDS: 'soon' is not a number"),
    ({"INVENTORY_URL": "inventory.example"}, "INVENTORY_URL: not an address that begins with https:// or http://"),
    ({"INVENTORY_URL": "file:///etc/passwd"}, "INVENTORY_URL: not an address that begins with"),
    ({"INVENTORY_URL": "https://"}, "INVENTORY_URL: not an address that begins with"),
    ({"INVENTORY_URL": "https://[::1"}, "INVENTORY_URL: not an address"),
    ({"INVENTORY_URL": "https://inventory.example:99999"}, "INVENTORY_URL: not an address"),
    ({"INVENTORY_URL": "https://inventory\n.example"}, "INVENTORY_URL: has a blank or a control character"),
    ({"INVENTORY_URL": "http://inventory.example"}, "INVENTORY_URL: http:// to another host is not encrypted"),
    ({"INVENTORY_URL": "https://169.254.169.254"}, "INVENTORY_URL: link-local addresses are not systems of ours"),
    ({"INVENTORY_URL": "https://2852039166"}, "INVENTORY_URL: link-local addresses are not systems of ours"),
    ({"INVENTORY_URL": "https://0xa9fea9fe"}, "INVENTORY_URL: link-local addresses are not systems of ours"),
    ({"INVENTORY_URL": "https://[::ffff:169.254.169.254]"}, "INVENTORY_URL: link-local addresses"),
    ({"INVENTORY_URL": "https://[fe80::1]"}, "INVENTORY_URL: link-local addresses are not systems of ours"),
    (
        {"INVENTORY_URL": "http://inventory.example", "INVENTORY_ALLOW_UNENCRYPTED": "sure"},
        "INVENTORY_ALLOW_UNENCRYPTED: 'sure' is neither 1 nor 0",
    ),
    ({"INVENTORY_TOKEN": "two\nlines"}, "INVENTORY_TOKEN: holds characters other than"),
    ({"SMS_AUTH_TOKEN": "schlüssel"}, "SMS_AUTH_TOKEN: holds characters other than"),
    ({"SMS_URL": "ftp://sms.example"}, "SMS_URL: not an address that begins with"),
    ({"SMTP_URL": "http://mail.example"}, "SMTP_URL: not an address that begins with smtps:// or smtp://"),
    ({"SMTP_URL": "smtp://mail.example"}, "SMTP_URL: smtp:// to another host is not encrypted"),
    ({"SMTP_URL": "smtps://mail.example"}, "MAIL_FROM: not set, and SMTP_URL is"),
    ({"MAIL_FROM": "shop@shop.example\nBcc: x@y.example"}, "MAIL_FROM: 'shop@shop.example\\nBcc: x@y.example' is not"),
    ({"MAIL_FROM": "Our\nshop <shop@shop.example>"}, "MAIL_FROM: 'Our\\nshop <shop@shop.example>' is not an e-mail"),
    ({"MAIL_FROM": "shop@shop.example, x@y.example"}, "MAIL_FROM: 'shop@shop.example, x@y.example' is not an e-mail"),
    ({"MAIL_FROM": "geschäft@shop.example"}, "MAIL_FROM: 'geschäft@shop.example' is not an e-mail address"),
    ({"INVENTORY_URL": "https://me:pass@inventory.example"}, "INVENTORY_URL: has a user or password in it"),
    ({"INVENTORY_URL": "https://me@inventory.example"}, "INVENTORY_URL: has a user or password in it"),
    ({"INVENTORY_URL": "https://inventory.example/v1?key=1"}, "INVENTORY_URL: has a query (?) in it"),
    ({"INVENTORY_URL": "https://inventory.example/#top"}, "INVENTORY_URL: has a fragment (#) in it"),
    ({"SMS_URL": "https://me:pass@sms.example"}, "SMS_URL: has a user or password in it"),
    ({"SMTP_URL": "smtps://me:pass@mail.example?tls=1"}, "SMTP_URL: has a query (?) in it"),
    ({"PUBLIC_URL": "https://shop.example?from=mail"}, "PUBLIC_URL: has a query (?) in it"),
    ({"RABBITMQ_URL": "amqp://127.0.0.1/%2F#x"}, "RABBITMQ_URL: has a fragment (#) in it"),
    ({"PUBLIC_URL": "shop.example"}, "PUBLIC_URL: not an address that begins with https:// or http://"),
    (
        {"INVENTORY_URL": ELSEWHERE, "SUBMISSION_LEASE_SECONDS": "3.9"},
        "SUBMISSION_LEASE_SECONDS: 3.9 is shorter than the calls it covers (4 s by the time-outs of inventory)",
    ),
    (
        {"INVENTORY_URL": ELSEWHERE, "COUPON_URL": ELSEWHERE, "MEMBERSHIP_URL": ELSEWHERE, "COUPON_TIMEOUT": "10,20"},
        "SUBMISSION_LEASE_SECONDS: 30 is shorter than the calls it covers (38 s by the time-outs of inventory, coupon,",
    ),
    (
        {"INVENTORY_URL": ELSEWHERE, "INVENTORY_RATE_PER_SECOND": "5", "SUBMISSION_LEASE_SECONDS": "5"},
        "SUBMISSION_LEASE_SECONDS: 5 is shorter than the calls it covers (4 s by the time-outs of inventory, 2 s by "
        "the wait for the slots of INVENTORY_RATE_PER_SECOND)",
    ),
    (
        {"SETTLEMENT_URL": ELSEWHERE, "SETTLEMENT_TIMEOUT": "1,60"},
        "TASK_LEASE_SECONDS: 60 is shorter than the calls it covers (61 s by the time-outs of settlement)",
    ),
]

# What looks daring, and is meant.
RIGHT: list[dict[str, str]] = [
    {},
    {"ORDERAPP_MODE": ""},
    {"DATABASE_URL": "postgres://db.example/orders?sslmode=require"},
    {"DATABASE_URL": "postgres:///orders?host=db.example&sslmode=verify-full"},
    {"DATABASE_URL": "postgres:///orders?service=shop&sslmode=require"},
    {"DATABASE_URL": "postgres://db.example/orders", "PGSSLMODE": "verify-ca"},
    {"DATABASE_URL": "postgres:///orders"},
    {"DATABASE_URL": "postgres:///orders?host=/run/postgresql", "PGHOST": "db.example"},
    {"DATABASE_URL": "postgres://[::1]/orders"},
    {"DATABASE_URL": "postgres:///orders?host=127.0.0.1:5432&host=localhost:5433"},
    {"SECRET_KEY_OLD": f"{'4e' * 32};{'5d' * 32}"},
    {"DATABASE_URL": "postgresql://127.0.0.1/orders?sslmode=disable"},
    {"DATABASE_URL": "postgresql://db.example/orders?sslmode=disable", "DATABASE_ALLOW_UNENCRYPTED": "1"},
    {"RABBITMQ_URL": "amqp://localhost; amqps://user:pass@rabbit.example/%2F?heartbeat=15"},
    {"RABBITMQ_URL": "amqp://me:pass@rabbit.example", "RABBITMQ_ALLOW_UNENCRYPTED": "yes"},
    {"INVENTORY_URL": "http://127.0.0.1:9001/inventory/"},
    {"SMTP_URL": "smtps://me:pa%20ssword@mail.example", "MAIL_FROM": "Our shop <shop@shop.example>"},
    {"MAIL_FROM": "shop@localhost"},
    {"INVENTORY_URL": "http://[::1]:9001"},
    {"INVENTORY_URL": "http://inventory.example", "INVENTORY_ALLOW_UNENCRYPTED": "1"},
    {"ORDERAPP_MODE": "development", "SECRET_KEY": "", "INVENTORY_URL": "http://inventory.example", "FLASK_DEBUG": "1"},
    {"INVENTORY_URL": ELSEWHERE, "INVENTORY_TIMEOUT": "0.5,2.5", "SUBMISSION_LEASE_SECONDS": "3"},
    {"DUPLICATE_WINDOW_SECONDS": "0", "SUBMISSION_LEASE_SECONDS": " 45 ", "TASK_LEASE_SECONDS": ""},
]


@pytest.mark.parametrize(("variables", "line"), WRONG, ids=lambda value: str(value)[:60])
def test_a_wrong_setting_is_refused_with_one_line_that_names_the_variable(variables: dict[str, str], line: str) -> None:
    with pytest.raises(ConfigurationError) as refusal:
        Settings.from_environment({"SECRET_KEY": SECRET_KEY, **variables})
    assert str(refusal.value).startswith(line)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("variables", RIGHT, ids=lambda value: str(value)[:60])
def test_settings_that_only_look_daring_are_taken(variables: dict[str, str]) -> None:
    Settings.from_environment({"SECRET_KEY": SECRET_KEY, **variables})


def test_no_refusal_shows_a_password() -> None:
    for url in ("postgresql://me:canary@db.example:port/orders", "amqp://me:canary@h:port", "https://me:canary@[::1"):
        for name in ("DATABASE_URL", "RABBITMQ_URL", "INVENTORY_URL"):
            with pytest.raises(ConfigurationError) as refusal:
                Settings.from_environment({"SECRET_KEY": SECRET_KEY, name: url})
            assert "canary" not in str(refusal.value)


def test_systems_without_which_nothing_works_are_required_of_the_processes_that_serve() -> None:
    settings = Settings.from_environment({"SECRET_KEY": SECRET_KEY, "INVENTORY_URL": ELSEWHERE})
    with pytest.raises(ConfigurationError, match="SETTLEMENT_URL: not set"):
        settings.require_systems()


@pytest.mark.slow
@pytest.mark.parametrize(
    "command",
    [["-m", "gunicorn", "wsgi:app"], ["-m", "dramatiq", "tasks"], ["-m", "tasks.timer"], ["-m", "flask", "timer"]],
    ids=["web", "worker", "timer", "flask timer"],
)
def test_each_process_stops_at_its_start_with_that_line(command: list[str], tmp_path: Path) -> None:
    variables = {"PATH": "/usr/bin:/bin", "SECRET_KEY": SECRET_KEY, "DATABASE_URL": f"sqlite:///{tmp_path}/o.db"}
    ended = subprocess.run(
        [sys.executable, *command],
        env={**variables, "TASK_LEASE_SECONDS": "nan"},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ended.returncode != 0
    assert "TASK_LEASE_SECONDS: nan is not between" in ended.stderr
    assert "Traceback" not in ended.stdout + ended.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "count"),
    [
        *[("WEB_CONCURRENCY", count) for count in ("abc", "1e4", "²", "-1")],
        ("WORKER_NICENESS", "abc"),
        ("WORKER_SLOTS_PER_SYSTEM", "1e4"),
    ],
)
def test_a_number_of_processes_that_is_none_is_one_line(name: str, count: str, tmp_path: Path) -> None:
    command = ["-m", "flask", "web"] if name.startswith("WEB") else ["-m", "dramatiq", "tasks"]
    variables = {"PATH": "/usr/bin:/bin", "SECRET_KEY": SECRET_KEY, "DATABASE_URL": f"sqlite:///{tmp_path}/o.db"}
    ended = subprocess.run(
        [sys.executable, *command],
        env={**variables, "INVENTORY_URL": ELSEWHERE, "SETTLEMENT_URL": ELSEWHERE, name: count},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ended.returncode != 0
    # Once for each process that dramatiq began, which adds that it ended.
    assert len(set(re.findall(rf"^orderapp: {name}: .*$", ended.stderr, re.MULTILINE))) == 1
    assert "Traceback" not in ended.stderr


@pytest.mark.slow
def test_a_web_process_without_a_worker_does_not_start(tmp_path: Path) -> None:
    """Else gunicorn starts, listens and never answers."""
    variables = {"PATH": "/usr/bin:/bin", "SECRET_KEY": SECRET_KEY, "DATABASE_URL": f"sqlite:///{tmp_path}/o.db"}
    ended = subprocess.run(
        [sys.executable, "-m", "gunicorn", "wsgi:app", "--bind", "127.0.0.1:0"],
        env={**variables, "INVENTORY_URL": ELSEWHERE, "SETTLEMENT_URL": ELSEWHERE, "WEB_CONCURRENCY": "0"},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=20,
    )
    assert ended.returncode != 0
    assert ended.stderr.splitlines()[-1] == "orderapp: WEB_CONCURRENCY: 0 is not between 1 and 1000"
