"""All settings, read once from the environment; a wrong one stops the process with one line that names the variable."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import pika
from flask import current_app
from phonenumbers import SUPPORTED_REGIONS
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from orderapp.domain.customers import PhoneRules
from orderapp.domain.retry import Backoff
from orderapp.errors import ConfigurationError
from orderapp.systems.base import Part, System, backoff_from
from orderapp.systems.registry import Systems
from orderapp.systems.settings import Environment, is_loopback

ROOT = Path(__file__).resolve().parent.parent
# What people put into a secret when they mean to change it later.
WEAK_SECRETS = frozenset({"dev", "development", "changeme", "change-me", "password"})


@dataclass(frozen=True, slots=True)
class Settings:
    """The product's settings; names carry their units. Those of a system are with the system."""

    production: bool
    secret_key: str
    database_url: str
    rabbitmq_urls: tuple[str, ...]
    submission_lease_seconds: float
    task_lease_seconds: float
    timer_interval_seconds: float
    duplicate_window_seconds: int
    reconcile_interval_seconds: float
    backoff: Backoff
    metrics_token: str
    trusted_proxies: int
    proxy_sets_request_id: bool
    web_processes: int
    phones: PhoneRules
    secure_cookies: bool
    public_url: str
    sandbox_url: str
    systems: Systems

    @classmethod
    def from_environment(cls, variables: Mapping[str, str]) -> Settings:
        """Read and check all settings.

        Raises:
            ConfigurationError: a value is missing, malformed, or can't go together with another.

        """
        # Only `make run` sets it: every other start is production.
        mode = variables.get("ORDERAPP_MODE", "").strip() or "production"
        if mode not in ("production", "development"):
            raise ConfigurationError(f"ORDERAPP_MODE: {mode!r} is neither production nor development")
        production = mode == "production"
        env = Environment(variables, production)
        if production and env.flag("FLASK_DEBUG"):
            raise ConfigurationError("FLASK_DEBUG: the debugger runs anybody's code; it can't be on in production")
        backoff = backoff_from(env, "", Backoff(base_seconds=2, max_seconds=3600, attempts=12))
        public_url = env.address("PUBLIC", {"https": True, "http": False})
        settings = cls(
            production=production,
            secret_key=_secret_key(env),
            database_url=_database_url(env),
            rabbitmq_urls=_rabbitmq_urls(env),
            submission_lease_seconds=env.number("SUBMISSION_LEASE_SECONDS", 30, 0.1, 3600),
            task_lease_seconds=env.number("TASK_LEASE_SECONDS", 60, 0.1, 1500),  # brokers end work after 30 minutes
            timer_interval_seconds=env.number("TIMER_INTERVAL_SECONDS", 1, 0.01, 3600),
            duplicate_window_seconds=env.integer("DUPLICATE_WINDOW_SECONDS", 60, 0, 86_400),
            reconcile_interval_seconds=_reconcile_interval(env),
            backoff=backoff,
            metrics_token=env.text("METRICS_TOKEN"),
            trusted_proxies=env.integer("TRUSTED_PROXIES", 0, 0, 10),
            proxy_sets_request_id=_proxy_sets_request_id(env),
            web_processes=env.integer("WEB_CONCURRENCY", 2, 1, 1000),  # gunicorn.conf.py starts them
            phones=PhoneRules(_country(env, "SHOP_COUNTRY"), _countries(env, "PHONE_COUNTRIES")),
            secure_cookies=public_url.startswith("https://"),
            public_url=public_url,
            sandbox_url="" if production else env.text("SANDBOX_URL"),
            systems=Systems.from_environment(env, backoff),
        )
        settings._refuse_short_leases()
        return settings

    def require_systems(self) -> None:
        """Raise ConfigurationError where a system without which nothing works has no settings."""
        for system in self.systems.values():
            if system.required and not system.configured:
                raise ConfigurationError(f"{system.name.upper()}_URL: not set, and no order can do without it")

    def _refuse_short_leases(self) -> None:
        blocking = self.systems.having(Part.BLOCKING)
        _refuse_short_lease("SUBMISSION_LEASE_SECONDS", self.submission_lease_seconds, blocking)
        for system in blocking:
            # A submission is repeated under the same keys for as long as somebody may hold it.
            if system.key_window_seconds is not None and system.key_window_seconds < 2 * self.submission_lease_seconds:
                raise ConfigurationError(
                    f"{system.name.upper()}_KEY_WINDOW_SECONDS: {system.key_window_seconds:g} is shorter than two "
                    f"leases of a submission (SUBMISSION_LEASE_SECONDS, {self.submission_lease_seconds:g})"
                )
        for system in self.systems.values():
            if system.configured:
                _refuse_short_lease("TASK_LEASE_SECONDS", self.task_lease_seconds, [system])


def _refuse_short_lease(variable: str, lease_seconds: float, systems: Sequence[System]) -> None:
    """Refuse a lease that ends before a call of each system can have ended, and its wait for a slot of its rate."""
    called_seconds = sum(system.call_seconds for system in systems)
    waited_seconds = sum(system.limits.longest_wait_seconds for system in systems)
    if lease_seconds >= called_seconds + waited_seconds:
        return
    causes = f"{called_seconds:g} s by the time-outs of {', '.join(system.name for system in systems)}"
    if waited_seconds:
        paced = (system for system in systems if system.limits.longest_wait_seconds)
        rates = ", ".join(f"{system.setting or system.name.upper()}_RATE_PER_SECOND" for system in paced)
        causes += f", {waited_seconds:g} s by the wait for the slots of {rates}"
    raise ConfigurationError(f"{variable}: {lease_seconds:g} is shorter than the calls it covers ({causes})")


def _reconcile_interval(env: Environment) -> float:
    seconds = env.number("RECONCILE_INTERVAL_SECONDS", 86_400, 0, 30 * 86_400)
    # Between two runs a shop has to come to its own work.
    if 0 < seconds < 60:
        raise ConfigurationError(f"RECONCILE_INTERVAL_SECONDS: {seconds:g} is less than a minute; 0 switches it off")
    return seconds


def _proxy_sets_request_id(env: Environment) -> bool:
    sets = env.flag("PROXY_SETS_REQUEST_ID")
    if sets and not env.integer("TRUSTED_PROXIES", 0, 0, 10):
        raise ConfigurationError("PROXY_SETS_REQUEST_ID: there is no proxy that could; see TRUSTED_PROXIES")
    return sets


def _country(env: Environment, variable: str) -> str:
    found = _countries(env, variable)
    if len(found) > 1:
        raise ConfigurationError(f"{variable}: {env.text(variable)!r} is more than one country")
    return "".join(found)


def _countries(env: Environment, variable: str) -> frozenset[str]:
    found = frozenset(word.strip().upper() for word in env.text(variable).split(",") if word.strip())
    if unknown := sorted(found - SUPPORTED_REGIONS):
        raise ConfigurationError(f"{variable}: {unknown[0]!r} is no country's code such as DE (ISO 3166)")
    return found


def current_settings() -> Settings:
    """Return the settings of the application at work. Needs an application context."""
    return cast(Settings, current_app.extensions["orderapp.settings"])


def instance_folder(variables: Mapping[str, str]) -> Path:
    """Return where this installation keeps its files: `INSTANCE_PATH`, or `instance/` beside the product."""
    return Path(variables.get("INSTANCE_PATH", "").strip() or ROOT / "instance").resolve()


def _secret_key(env: Environment) -> str:
    key = env.text("SECRET_KEY")
    if not env.production:
        return key or secrets.token_hex()
    if not key:
        raise ConfigurationError(
            "SECRET_KEY: not set; make one with: python3 -c 'import secrets; print(secrets.token_hex())'"
        )
    if key.lower() in WEAK_SECRETS:
        raise ConfigurationError("SECRET_KEY: this one is guessed at the first try; use a random one")
    return key


def _database_url(env: Environment) -> str:
    default = f"sqlite:///{instance_folder(env.variables) / 'orderapp.db'}"
    url = env.text("DATABASE_URL", default)
    # What hosting platforms hand out names no driver.
    for short in ("postgresql://", "postgres://"):
        if url.startswith(short):
            url = "postgresql+psycopg://" + url.removeprefix(short)
    if not url.startswith(("postgresql+psycopg://", "sqlite:///")):
        raise ConfigurationError("DATABASE_URL: begins neither with postgresql+psycopg:// nor with sqlite:///")
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError) as error:
        raise ConfigurationError("DATABASE_URL: not an address") from error
    if parsed.drivername == "sqlite" and parsed.database in (None, "", ":memory:"):
        raise ConfigurationError("DATABASE_URL: SQLite needs a file, which all processes share")
    remote = parsed.host
    open_wire = remote and not is_loopback(remote) and "sslmode=disable" in url
    if env.production and open_wire and not env.flag("DATABASE_ALLOW_UNENCRYPTED"):
        raise ConfigurationError(
            "DATABASE_URL: sslmode=disable to another host; set DATABASE_ALLOW_UNENCRYPTED=1 if that is meant"
        )
    return url


def _rabbitmq_urls(env: Environment) -> tuple[str, ...]:
    urls = tuple(url.strip() for url in env.text("RABBITMQ_URL").split(";") if url.strip())
    if env.text("RABBITMQ_URL") and not urls:
        raise ConfigurationError("RABBITMQ_URL: holds no address")
    for number, url in enumerate(urls):
        name = f"RABBITMQ_URL part {number + 1}" if len(urls) > 1 else "RABBITMQ_URL"
        checked = Environment({**env.variables, name: url}, env.production)
        checked.address("RABBITMQ", {"amqps": True, "amqp": False}, variable=name, permits=("login", "query"))
        try:
            pika.URLParameters(url)
        except (TypeError, ValueError) as error:
            raise ConfigurationError(
                f"{name}: has a user without a password, or an option that isn't understood"
            ) from error
    return urls
