"""Starts and stops a shop for tests, with its sandbox, on SQLite."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path

from orderapp import create_app
from orderapp.ext.testing.shop import TestedShop
from orderapp.extensions import db
from orderapp.models import Base
from orderapp.sandbox.environment import environment
from orderapp.sandbox.serving import HOST, SandboxServer
from orderapp.sandbox.settings import SandboxSettings
from orderapp.services.orders.product_import import import_products
from orderapp.systems.jobs import jobs_in
from orderapp.systems.registry import plugin_modules, system_classes

PRODUCTS = [{"sku": "TEA-GREEN", "name": "Green tea", "price": {"value": 790, "currency": "EUR"}}]
# Short pauses, so that a test needn't wait; circuits never open.
QUICK = {
    "RETRY_BASE_SECONDS": "0.01",
    "RETRY_MAX_SECONDS": "0.05",
    "RETRY_ATTEMPTS": "1000",
    "CIRCUIT_CALLS": "0",
    "DUPLICATE_WINDOW_SECONDS": "0",
}
LATE_WINDOW_SECONDS = 0.3  # of each system that is asked first
JOB_ATTEMPTS = 12  # of a job that doesn't say it; all of them take a second
TIMEOUT = "2,2"  # a stand-in answers in milliseconds, on a busy machine in tenths of a second


def _job_attempts(plugins: str) -> dict[str, str]:
    modules = map(import_module, plugin_modules({"ORDERAPP_PLUGINS": plugins}))
    jobs = [job for module in modules for job in jobs_in(module) if job.attempts is None]
    return {f"{job.setting}_RETRY_ATTEMPTS": str(JOB_ATTEMPTS) for job in jobs}


@contextmanager
def running_shop(folder: Path, plugins: str, **variables: str) -> Iterator[TestedShop]:
    """Run a shop inside the block, in its application context.

    Args:
        folder: For the databases.
        plugins: As in `ORDERAPP_PLUGINS`.
        variables: Further environment variables.

    Raises:
        ConfigurationError: a declaration or a setting is wrong.
    """
    kinds = system_classes(plugin_modules({"ORDERAPP_PLUGINS": plugins}))
    server = SandboxServer(SandboxSettings(data=folder / "sandbox.sqlite", kinds=kinds))
    server.start()
    try:
        sandbox_url, smtp_url = f"http://{HOST}:{server.port}", f"smtp://{HOST}:{server.smtp_port}"
        timeouts = {f"{kind.setting or kind.name.upper()}_TIMEOUT": TIMEOUT for kind in kinds}
        attempts = {} if "RETRY_ATTEMPTS" in variables else _job_attempts(plugins)
        app = create_app(
            {
                "ORDERAPP_MODE": "development",
                "DATABASE_URL": f"sqlite:///{folder / 'orders.db'}",
                "INSTANCE_PATH": str(folder),
                "ORDERAPP_PLUGINS": plugins,
                **QUICK,
                **attempts,
                **timeouts,
                **environment(sandbox_url, smtp_url, kinds),
                **variables,
            }
        )
        with app.app_context():
            Base.metadata.create_all(db.engine)
            import_products(PRODUCTS)
            shop = TestedShop(app, sandbox_url)
            for system in shop.settings.systems.values():
                system.late_window_seconds = min(system.late_window_seconds, LATE_WINDOW_SECONDS)
            yield shop
            db.engine.dispose()
    finally:
        server.stop()
