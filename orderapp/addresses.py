"""Addresses of database and broker, read as their drivers read them; in production, unencrypted ones are refused."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit, urlunsplit

import pika
import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from orderapp.errors import ConfigurationError
from orderapp.systems.settings import Environment, is_loopback

# libpq's other modes (disable, allow and prefer, its default) accept plain text if the server asks for it.
ENCRYPTING_SSL_MODES = frozenset({"require", "verify-ca", "verify-full"})
# libpq takes these from the environment if they are not in the address.
FROM_ENVIRONMENT = {"host": "PGHOST", "hostaddr": "PGHOSTADDR", "service": "PGSERVICE", "sslmode": "PGSSLMODE"}
# We stop waiting for a broker that blocks publishers (memory or disk alarm) after this time; the rows wait.
BROKER_TIMEOUT_SECONDS = 2
GUEST = "guest"  # every RabbitMQ starts with this account, and its password is public


def database_url(env: Environment, default_file: Path) -> str:
    """Return the database's address from `DATABASE_URL`; the default is an SQLite file.

    Raises:
        ConfigurationError: the value is no address, names another kind of database, or has an option that the driver
            doesn't know; in production, another host without guaranteed encryption is refused too, unless
            `DATABASE_ALLOW_UNENCRYPTED=1`.
    """
    raw = env.text("DATABASE_URL")
    if not raw:
        return sqlite_url(default_file)
    # Hosting platforms give out addresses without a driver's name.
    for short in ("postgresql://", "postgres://"):
        if raw.startswith(short):
            raw = "postgresql+psycopg://" + raw.removeprefix(short)
    if not raw.startswith(("postgresql+psycopg://", "sqlite:///")):
        raise ConfigurationError("DATABASE_URL: begins neither with postgresql+psycopg:// nor with sqlite:///")
    try:
        parsed = make_url(raw)
    except (ArgumentError, ValueError) as error:
        raise ConfigurationError("DATABASE_URL: not an address") from error
    if parsed.drivername == "sqlite":
        if sqlite_file(raw) is None:
            raise ConfigurationError("DATABASE_URL: SQLite needs a file, which all processes share")
        if "?" in raw:
            # The driver would ignore what follows the ? and open the file whose name ends there.
            raise ConfigurationError("DATABASE_URL: has a ? in it; in the name of a file, write %3F")
        return raw
    if env.production and not is_encrypted(raw, env.variables) and not env.flag("DATABASE_ALLOW_UNENCRYPTED"):
        raise ConfigurationError(
            "DATABASE_URL: names another host without sslmode=require, verify-ca or verify-full, so encryption isn't "
            "certain; set DATABASE_ALLOW_UNENCRYPTED=1 if that is meant"
        )
    return raw


def sqlite_url(file: Path) -> str:
    """Return the address of an SQLite file, whatever characters its path has."""
    return URL.create("sqlite", database=str(file)).render_as_string(hide_password=False)


def sqlite_file(url: str) -> Path | None:
    """Return the file of an SQLite address; None if it isn't an SQLite address or names no file."""
    parsed = make_url(url)
    if parsed.drivername != "sqlite" or parsed.database in (None, "", ":memory:"):
        return None
    return Path(parsed.database or "")


def _connection_options(parsed: URL) -> dict[str, str]:
    """Return the options the driver reads from an address. The ConfigurationError it raises quotes no part of it."""
    if "@" in f"{parsed.host or ''}{parsed.database or ''}":
        # The password ended at its first @ or /; the rest would be taken for a host and appear in error texts.
        raise ConfigurationError("DATABASE_URL: has an @ in its host or name; in a password, write %40 for it")
    if any(not isinstance(value, str) for name, value in parsed.query.items() if name != "host"):
        raise ConfigurationError("DATABASE_URL: names an option twice")
    _, arguments = PGDialect_psycopg().create_connect_args(parsed)  # type: ignore[no-untyped-call]
    arguments.pop("context", None)
    try:
        options = conninfo_to_dict(make_conninfo(**arguments))
    except (psycopg.ProgrammingError, TypeError, ValueError) as error:
        raise ConfigurationError("DATABASE_URL: has an option that PostgreSQL's client doesn't know") from error
    return {name: str(value) for name, value in options.items()}


def is_encrypted(url: str, variables: Mapping[str, str]) -> bool:
    """Return whether nobody can read the traffic to a database on the way.

    It is certainly encrypted, or never leaves this host. Raises ConfigurationError for an address that makes no sense.
    """
    parsed = make_url(url)
    if parsed.drivername == "sqlite":
        return True
    options = _connection_options(parsed)
    outside = {name: variables.get(variable, "") for name, variable in FROM_ENVIRONMENT.items()}
    service = options.get("service") or outside["service"]
    if service:
        # The service file may set whatever the address leaves out, and libpq prefers it to the environment.
        outside = {"host": f"whichever {service} names", "hostaddr": "", "sslmode": ""}
    if (options.get("sslmode") or outside["sslmode"]) in ENCRYPTING_SSL_MODES:
        return True
    hosts = ",".join(options.get(name) or outside[name] for name in ("host", "hostaddr")).split(",")
    return all(_is_here(host.strip()) for host in hosts)


def _is_here(host: str) -> bool:
    """Return whether libpq's host is this machine. No host, a folder or an @name means a Unix socket."""
    return host.startswith(("/", "@")) or not host or is_loopback(host)


def rabbitmq_urls(env: Environment) -> tuple[str, ...]:
    """Return the broker's addresses from `RABBITMQ_URL`; none if it isn't set.

    Raises:
        ConfigurationError: the value is no address or has an option that the client doesn't know; in production,
            another host without encryption (unless `RABBITMQ_ALLOW_UNENCRYPTED=1`) or with the account guest.
    """
    urls = tuple(url.strip() for url in env.text("RABBITMQ_URL").split(";") if url.strip())
    if env.text("RABBITMQ_URL") and not urls:
        raise ConfigurationError("RABBITMQ_URL: holds no address")
    for number, url in enumerate(urls):
        name = f"RABBITMQ_URL part {number + 1}" if len(urls) > 1 else "RABBITMQ_URL"
        checked = Environment({**env.variables, name: url}, env.production)
        checked.address("RABBITMQ", {"amqps": True, "amqp": False}, variable=name, permits=("login", "query"))
        try:
            pika.URLParameters(url)
        except Exception as error:  # it evaluates options as Python literals, which can raise anything
            raise ConfigurationError(
                f"{name}: has a user without a password, or an option that isn't understood"
            ) from error
        if env.production and _is_guest_elsewhere(url):
            raise ConfigurationError(
                f"{name}: the account guest, which every RabbitMQ begins with, on another host (it is also meant where "
                "none is named); give orderapp an account of its own"
            )
    return urls


def with_timeouts(url: str) -> str:
    """Return an address of the broker with bounded times, unless it has its own."""
    parts = urlsplit(url)
    query = {
        "blocked_connection_timeout": str(BROKER_TIMEOUT_SECONDS),
        "socket_timeout": str(BROKER_TIMEOUT_SECONDS),
        "stack_timeout": str(2 * BROKER_TIMEOUT_SECONDS),
        "heartbeat": "15",  # detects a silently lost connection within half a minute
        **dict(parse_qsl(parts.query)),
    }
    return urlunsplit(parts._replace(query=urlencode(query)))


def passwords_in(address: str) -> set[str]:
    """Return the passwords in an address, both as written and decoded; none if it is no address."""
    try:
        parts = urlsplit(address)
        found = {parts.password or "", *(value for name, value in parse_qsl(parts.query) if "password" in name)}
    except ValueError:
        return set()
    return {form for password in found if password for form in (password, unquote(password))}


def _is_guest_elsewhere(url: str) -> bool:
    """Return whether another host is used as guest, the account that is meant if an address names none."""
    parts = urlsplit(url)
    return unquote(parts.username or GUEST) == GUEST and not is_loopback(parts.hostname or "")
