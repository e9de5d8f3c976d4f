"""All settings, read once from the environment; a wrong one ends the process with one line that names the variable."""

from __future__ import annotations

import secrets
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import cast
from zoneinfo import ZoneInfo

from flask import current_app

from orderapp import shop_rules
from orderapp.addresses import database_url, is_encrypted, passwords_in, rabbitmq_urls
from orderapp.appearance import Appearance
from orderapp.domain.cancelling import CancelLimit
from orderapp.domain.customers import PhoneRules
from orderapp.domain.order_limits import Most
from orderapp.domain.retry import Backoff
from orderapp.errors import ConfigurationError
from orderapp.seller import Seller
from orderapp.shop_texts import ShopTexts
from orderapp.systems.base import Part, System, backoff_from
from orderapp.systems.declarations import prefix_of
from orderapp.systems.job_registry import Jobs
from orderapp.systems.jobs import LONGEST_LEASE_SECONDS, Job
from orderapp.systems.registry import Systems, plugin_modules
from orderapp.systems.settings import Environment
from orderapp.systems.webhooks import Receivers

PACKAGE = Path(__file__).resolve().parent
# `orderapp`, `tasks` and `wsgi` are imported from here: a checkout, or the folder that a wheel was installed into.
ROOT = PACKAGE.parent
# A wheel has templates, static files, migrations and gunicorn's settings inside the package (pyproject.toml); in a
# checkout they stand beside it.
INSTALLED = (PACKAGE / "migrations").is_dir()
FILES = PACKAGE if INSTALLED else ROOT
# Flask's own rule for installed packages: nothing is ever written among them.
INSTANCE = Path(sys.prefix) / "var" / "orderapp-instance" if INSTALLED else ROOT / "instance"
# Values that people enter as a secret and mean to change later.
WEAK_SECRETS = frozenset({"dev", "development", "changeme", "change-me", "password"})
# The modules of ours that declare jobs; plugins have the others.
OWN_JOBS = (
    "orderapp.services.archive.nightly",
    "orderapp.services.backoffice.alerts",
    "orderapp.services.backoffice.invitations",
    "orderapp.services.backoffice.weekly_report",
    "orderapp.services.backoffice.operation_job",
    "orderapp.services.engine.job_retention",
    "orderapp.services.reconciliation.nightly",
    "orderapp.services.webhooks.deliver",
)
# 128 bits as hexadecimal digits; `secrets.token_hex()` returns 64 digits.
SAFE_SECRET_CHARACTERS = 32


@dataclass(frozen=True, slots=True)
class Settings:
    """The product's settings; names contain their units. Each system's settings are with the system."""

    production: bool
    secret_key: str
    old_secret_keys: tuple[str, ...]  # their signatures stay valid; they sign nothing new
    database_url: str
    database_encrypted: bool
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
    seller: Seller
    appearance: Appearance
    shop_texts: ShopTexts
    phones: PhoneRules
    language: str  # of customers whose own isn't known: a code of `languages.codes()`
    time_zone: ZoneInfo  # in which the shop writes times
    order_limits: Mapping[str, Most]
    cancel_limit: CancelLimit
    tax_percent: Decimal  # the tax that all prices include; 0: none is shown
    secure_cookies: bool
    public_url: str
    systems: Systems
    receivers: Receivers
    jobs: Jobs
    jobs_kept_days: int  # how long ended tasks of jobs are kept
    operation_tasks_per_second: int  # how many tasks operations of staff act on
    secrets: tuple[str, ...] = field(repr=False)  # all values among these that must not be shown

    @classmethod
    def from_environment(cls, variables: Mapping[str, str]) -> Settings:
        """Read and check all settings.

        Raises:
            ConfigurationError: a value is missing, malformed, or contradicts another.
        """
        env = _environment(variables)
        backoff = backoff_from(env, "", Backoff(base_seconds=2, max_seconds=3600, attempts=12))
        public_url = env.address("PUBLIC", {"https": True, "http": False})
        settings = cls(
            production=env.production,
            secret_key=_secret_key(env),
            old_secret_keys=_old_secret_keys(env),
            database_url=(address := database_url(env, instance_folder(variables) / "orderapp.db")),
            database_encrypted=is_encrypted(address, variables),
            rabbitmq_urls=rabbitmq_urls(env),
            submission_lease_seconds=env.number("SUBMISSION_LEASE_SECONDS", 30, 0.1, 3600),
            task_lease_seconds=task_lease(env),
            timer_interval_seconds=env.number("TIMER_INTERVAL_SECONDS", 1, 0.01, 3600),
            duplicate_window_seconds=env.integer("DUPLICATE_WINDOW_SECONDS", 60, 0, 86_400),
            reconcile_interval_seconds=reconcile_interval(env),
            backoff=backoff,
            metrics_token=env.text("METRICS_TOKEN"),
            trusted_proxies=env.integer("TRUSTED_PROXIES", 0, 0, 10),
            proxy_sets_request_id=_proxy_sets_request_id(env),
            web_processes=env.integer("WEB_CONCURRENCY", 2, 1, 1000),  # gunicorn.conf.py starts them
            seller=Seller.from_environment(env),
            appearance=Appearance.from_environment(env),
            shop_texts=ShopTexts.from_environment(env),
            phones=shop_rules.phones(env),
            language=shop_rules.language(env),
            time_zone=env.time_zone(),
            order_limits=shop_rules.order_limits(env),
            cancel_limit=shop_rules.cancel_limit(env),
            tax_percent=shop_rules.tax_percent(env),
            secure_cookies=public_url.startswith("https://"),
            public_url=public_url,
            systems=Systems.from_environment(env, backoff),
            receivers=Receivers.from_environment(env),
            jobs=Jobs.from_environment(env, backoff, (*OWN_JOBS, *plugin_modules(variables))),
            jobs_kept_days=env.integer("JOBS_KEPT_DAYS", 90, 1, 3650),
            # Ten thousand take eight minutes, and a system that has just come back doesn't get them all at once.
            operation_tasks_per_second=env.integer("OPERATION_TASKS_PER_SECOND", 20, 1, 1000),
            secrets=_secrets_in(variables),
        )
        settings._refuse_short_leases()
        return settings

    @property
    def runnable(self) -> Mapping[str, System | Job]:
        """All that this process can run tasks of, by name: external systems, then jobs."""
        return {**self.systems, **self.jobs}

    def require_systems(self) -> None:
        """Raise ConfigurationError if a system that every order needs has no settings."""
        for system in self.systems.values():
            if system.required and not system.configured:
                raise ConfigurationError(f"{prefix_of(system)}_URL: not set, and no order can do without it")

    def _refuse_short_leases(self) -> None:
        blocking = self.systems.having(Part.BLOCKING)
        _refuse_short_lease("SUBMISSION_LEASE_SECONDS", self.submission_lease_seconds, blocking)
        for system in blocking:
            # A submission is repeated under the same keys as long as a process may hold its lease.
            if system.key_window_seconds is not None and system.key_window_seconds < 2 * self.submission_lease_seconds:
                raise ConfigurationError(
                    f"{prefix_of(system)}_KEY_WINDOW_SECONDS: {system.key_window_seconds:g} is shorter than two "
                    f"leases of a submission (SUBMISSION_LEASE_SECONDS, {self.submission_lease_seconds:g})"
                )
        for system in self.systems.values():
            if system.configured:
                _refuse_short_lease("TASK_LEASE_SECONDS", self.task_lease_seconds, [system])


def _environment(variables: Mapping[str, str]) -> Environment:
    env = Environment(variables, _is_production(variables))
    if env.production and env.flag("FLASK_DEBUG"):
        raise ConfigurationError("FLASK_DEBUG: the debugger runs anybody's code; it can't be on in production")
    return env


def _is_production(variables: Mapping[str, str]) -> bool:
    # Only `make run` sets it: every other start is production.
    mode = variables.get("ORDERAPP_MODE", "").strip() or "production"
    if mode not in ("production", "development"):
        raise ConfigurationError(f"ORDERAPP_MODE: {mode!r} is neither production nor development")
    return mode == "production"


def _refuse_short_lease(variable: str, lease_seconds: float, systems: Sequence[System]) -> None:
    """Refuse a lease shorter than one call to each system, with its wait for the rate limiter, can take."""
    called_seconds = sum(system.call_seconds for system in systems)
    waited_seconds = sum(system.limits.longest_wait_seconds for system in systems)
    if lease_seconds >= called_seconds + waited_seconds:
        return
    causes = f"{called_seconds:g} s by the time-outs of {', '.join(system.name for system in systems)}"
    if waited_seconds:
        paced = (system for system in systems if system.limits.longest_wait_seconds)
        rates = ", ".join(f"{prefix_of(system)}_RATE_PER_SECOND" for system in paced)
        causes += f", {waited_seconds:g} s by the wait for the slots of {rates}"
    raise ConfigurationError(f"{variable}: {lease_seconds:g} is shorter than the calls it covers ({causes})")


def task_lease(env: Environment) -> float:
    """Return how many seconds a task is its worker's. The broker ends work after 30 minutes. ConfigurationError."""
    return env.number("TASK_LEASE_SECONDS", 60, 0.1, LONGEST_LEASE_SECONDS)


def reconcile_interval(env: Environment) -> float:
    """Return after how many seconds orders are compared with the systems again, 0 for never. ConfigurationError."""
    seconds = env.number("RECONCILE_INTERVAL_SECONDS", 86_400, 0, 30 * 86_400)
    # Between two runs the shop needs time for its own work.
    if 0 < seconds < 60:
        raise ConfigurationError(f"RECONCILE_INTERVAL_SECONDS: {seconds:g} is less than a minute; 0 switches it off")
    return seconds


def _proxy_sets_request_id(env: Environment) -> bool:
    sets = env.flag("PROXY_SETS_REQUEST_ID")
    if sets and not env.integer("TRUSTED_PROXIES", 0, 0, 10):
        raise ConfigurationError("PROXY_SETS_REQUEST_ID: there is no proxy that could; see TRUSTED_PROXIES")
    return sets


def current_settings() -> Settings:
    """Return the settings of the current application. Needs an application context."""
    return cast(Settings, current_app.extensions["orderapp.settings"])


def instance_folder(variables: Mapping[str, str]) -> Path:
    """Return the folder for this installation's files: `INSTANCE_PATH`, or `instance/` beside the product.

    Installed from a wheel, it is `var/orderapp-instance` in the virtual environment.
    """
    return Path(variables.get("INSTANCE_PATH", "").strip() or INSTANCE).resolve()


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
    _refuse_short_key("SECRET_KEY", key)
    return key


def _old_secret_keys(env: Environment) -> tuple[str, ...]:
    """Return the replaced keys from `SECRET_KEY_OLD`, which are separated by `;`."""
    keys = tuple(key.strip() for key in env.text("SECRET_KEY_OLD").split(";") if key.strip())
    if env.production:
        for key in keys:
            # An attacker who guesses it can sign with it as long as it is valid.
            _refuse_short_key("SECRET_KEY_OLD", key)
    return keys


def _secrets_in(variables: Mapping[str, str]) -> tuple[str, ...]:
    """Return every value that must not be shown: keys, tokens and passwords, also those inside addresses."""
    found = set()
    for name, value in variables.items():
        if name.startswith("SECRET_KEY") or name.endswith(("_TOKEN", "PASSWORD", "_SECRET")):
            found |= {value.strip(), *(part.strip() for part in value.split(";"))}
        elif name.endswith("_URL"):
            found |= {password for address in (value, *value.split(";")) for password in passwords_in(address.strip())}
    return tuple(sorted(found - {""}, key=len, reverse=True))


def _refuse_short_key(variable: str, key: str) -> None:
    if len(key) < SAFE_SECRET_CHARACTERS:
        raise ConfigurationError(
            f"{variable}: has {len(key)} characters, which can be guessed; it needs {SAFE_SECRET_CHARACTERS} "
            "random ones or more"
        )
