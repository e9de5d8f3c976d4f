"""`flask doctor`: one line for each part of the installation, and no secret in any."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pika
import pytest
from click.testing import Result
from dramatiq.brokers.rabbitmq import RabbitmqBroker
from flask_migrate import upgrade

from tests.cli.conftest import MakeApp, Run
from tests.sandbox.running import SHIPPED, RunningSandbox
from tests.servers.rabbitmq import RabbitmqServer

Examine = Callable[[Mapping[str, str]], Result]
ROUTED = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": "orderapp.coupon.v1.XQ"}


@pytest.fixture
def examine(variables: dict[str, str], sandbox: RunningSandbox, make_app: MakeApp) -> Examine:
    """Runs the doctor with these settings beside the usual ones, on a database whose schema is up to date."""

    def run_doctor(more: Mapping[str, str]) -> Result:
        app = make_app({**variables, **sandbox.environ(), **more}, tables=False)
        with app.app_context():
            upgrade()
        return app.test_cli_runner().invoke(args=["doctor"])

    return run_doctor


def lines(result: Result) -> dict[str, tuple[str, str]]:
    """Return state and detail by name."""
    parts = [line.split(maxsplit=2) for line in result.stdout.splitlines()]
    return {name: (state, detail[0] if detail else "") for name, state, *detail in parts}


def test_a_sound_installation_is_ok_line_by_line(examine: Examine) -> None:
    result = examine({})
    assert result.exit_code == 0, result.output
    assert {part: found for part, found in lines(result).items() if found != ("off", "not configured")} == {
        "configuration": ("ok", "production"),
        "database": ("ok", lines(result)["database"][1]),
        "broker": ("ok", "in-process: RABBITMQ_URL is not set"),
        **dict.fromkeys(SHIPPED, ("ok", "")),
        "bulk-operation": ("ok", "job, when it is enqueued"),
        "event-delivery": ("ok", "job, when it is enqueued"),
        "archive-orders": ("ok", "job, when it is enqueued"),
        "forget-old-runs": ("ok", "job, daily at 03:40 UTC"),
        "reconcile-orders": ("ok", "job, every day"),
        "watch-alerts": ("ok", "job, every 2 minutes"),
        "alert-message": ("ok", "job, when it is enqueued"),
        "weekly-report": ("ok", "job, daily at 06:00 UTC"),
        "report-message": ("ok", "job, when it is enqueued"),
        "staff-invitation": ("ok", "job, when it is enqueued"),
    }
    assert lines(result)["database"][1].startswith("SQLite, schema ")
    assert result.stderr == ""


def test_what_is_not_configured_is_off_or_wrong_as_it_is_needed(variables: dict[str, str], make_app: MakeApp) -> None:
    result = make_app(variables).test_cli_runner().invoke(args=["doctor"])
    assert result.exit_code == 1
    found = lines(result)
    for name in ("inventory", "settlement"):
        assert found[name] == ("wrong", "not configured, and no order can do without it")
    for name in ("coupon", "membership", "email", "sms"):
        assert found[name] == ("off", "not configured")


def test_a_schema_that_is_not_up_to_date_is_wrong(run: Run) -> None:
    result = run("doctor")
    assert result.exit_code == 1
    state, detail = lines(result)["database"]
    assert state == "wrong"
    assert detail.startswith("SQLite, schema empty, but ")
    assert detail.endswith("run `flask db upgrade`")


@pytest.mark.parametrize("content", [None, b"this is no database, but long enough to look like one" * 100])
def test_a_database_that_cannot_be_used_is_wrong(content: bytes | None, tmp_path: Path, make_app: MakeApp) -> None:
    path = tmp_path / ("missing/o.db" if content is None else "o.db")
    if content:
        path.write_bytes(content)
    app = make_app({"SECRET_KEY": "3f" * 32, "DATABASE_URL": f"sqlite:///{path}"}, tables=False)
    result = app.test_cli_runner().invoke(args=["doctor"])
    assert result.exit_code == 1
    assert lines(result)["database"][0] == "wrong"
    assert "can't be used" in lines(result)["database"][1]
    assert result.stderr == ""


def test_each_system_is_asked_and_the_rest_goes_on(examine: Examine, sandbox: RunningSandbox) -> None:
    sandbox.fault("inventory", "unauthorized")
    sandbox.fault("coupon", "down")
    sandbox.fault("settlement", "garbage_before")
    sandbox.fault("email", "down")
    result = examine({})
    assert result.exit_code == 1
    found = lines(result)
    assert [name for name, (state, _) in found.items() if state == "wrong"] == [
        "inventory",
        "coupon",
        "email",
        "settlement",
    ]
    assert "401" in found["inventory"][1]
    assert found["membership"] == found["sms"] == ("ok", "")


def test_nothing_secret_is_shown(examine: Examine, sandbox: RunningSandbox, free_port: int) -> None:
    canary = "canary-7d1f"
    result = examine(
        {
            "SECRET_KEY": canary * 3,
            "SECRET_KEY_OLD": canary * 4,
            "METRICS_TOKEN": canary,
            "INVENTORY_TOKEN": canary,
            "SMS_AUTH_TOKEN": canary,
            "SETTLEMENT_TOKEN": canary,
            "SETTLEMENT_URL": f"http://127.0.0.1:{free_port}",
            "SMTP_URL": f"smtp://me:{canary}@127.0.0.1:{free_port}",
            "RABBITMQ_URL": f"amqp://me:{canary}@127.0.0.1:{free_port}/%2F",
        }
    )
    assert result.exit_code == 1
    assert canary not in result.output
    assert lines(result)["broker"] == ("wrong", f"127.0.0.1:{free_port}: can't be reached (AMQPConnectionError)")


def test_a_database_password_is_not_shown(free_port: int, make_app: MakeApp) -> None:
    url = f"postgresql://me:canary-7d1f@127.0.0.1:{free_port}/orders"
    app = make_app({"SECRET_KEY": "3f" * 32, "DATABASE_URL": url}, tables=False)
    result = app.test_cli_runner().invoke(args=["doctor"])
    assert lines(result)["database"][0] == "wrong"
    assert "PostgreSQL can't be used: " in lines(result)["database"][1]
    assert "canary" not in result.output


@pytest.mark.parametrize("password", ["qzx%40yqw%2F7d1f", "qzx/yqw7d1f", "qzxqzx%20yqw", "qzxqzx%C3%A4yqw"])
def test_no_part_of_a_password_that_needs_escapes_is_shown(
    password: str, free_port: int, examine: Examine, make_app: MakeApp
) -> None:
    url = f"postgresql://me:{password}@127.0.0.1:{free_port}/orders"
    app = make_app({"SECRET_KEY": "3f" * 32, "DATABASE_URL": url}, tables=False)
    shown = app.test_cli_runner().invoke(args=["doctor"]).output
    mail = f"smtp://me:{password.replace('/', '%2F')}@127.0.0.1:{free_port}"
    more = {"MAIL_FROM": "shop@shop.example", "SMTP_URL": mail}
    shown += examine(more).output
    for part in ("qzx", "yqw", "7d1f"):
        assert part not in shown


def test_a_password_that_somebody_repeats_is_masked(examine: Examine) -> None:
    """A host's name is shown where it can't be found: here it is the password of the mail's account as well."""
    result = examine({"SMTP_URL": "smtps://me:canary-7d1f@mail.canary-7d1f.example", "MAIL_FROM": "shop@shop.example"})
    assert "canary" not in result.output


def test_weak_settings_are_doubtful(examine: Examine) -> None:
    result = examine({"METRICS_TOKEN": "metrics", "PUBLIC_URL": "http://127.0.0.1:8000"})
    assert result.exit_code == 0
    state, detail = lines(result)["configuration"]
    assert state == "doubtful"
    for told in ("METRICS_TOKEN has 7 characters", "PUBLIC_URL is not an https://"):
        assert told in detail


def test_a_database_file_that_others_may_read_is_doubtful(
    variables: dict[str, str], sandbox: RunningSandbox, make_app: MakeApp, tmp_path: Path
) -> None:
    app = make_app({**variables, **sandbox.environ()}, tables=False)
    with app.app_context():
        upgrade()
    (tmp_path / "orders.db").chmod(0o640)  # as another user's, whom nobody but they can mend it for
    state, detail = lines(app.test_cli_runner().invoke(args=["doctor"]))["configuration"]
    assert (state, detail.startswith(f"others may read {tmp_path / 'orders.db'}")) == ("doubtful", True)


def test_a_broker_whose_queues_are_not_there_yet_is_ok_and_none_is_made(
    examine: Examine, rabbitmq_server: RabbitmqServer
) -> None:
    rabbitmq_server.reset_vhost()
    result = examine({"RABBITMQ_URL": rabbitmq_server.url})
    assert result.exit_code == 0, result.output
    assert lines(result)["broker"] == ("ok", "RabbitMQ")
    assert rabbitmq_server.ctl("list_queues", "name").strip() in ("", "name")


def test_queues_as_the_workers_declare_them_are_ok(examine: Examine, rabbitmq_server: RabbitmqServer) -> None:
    rabbitmq_server.reset_vhost()
    broker = RabbitmqBroker(url=rabbitmq_server.url, confirm_delivery=True, middleware=[])
    broker.declare_queue("orderapp.coupon.v1", ensure=True)
    broker.close()
    result = examine({"RABBITMQ_URL": rabbitmq_server.url})
    assert lines(result)["broker"] == ("ok", "RabbitMQ")


def test_queues_with_other_arguments_and_dead_messages_are_wrong(
    examine: Examine, rabbitmq_server: RabbitmqServer
) -> None:
    rabbitmq_server.reset_vhost()
    with pika.BlockingConnection(pika.URLParameters(rabbitmq_server.url)) as connection:
        channel = connection.channel()
        channel.queue_declare("orderapp.coupon.v1", durable=True, arguments={**ROUTED, "x-max-priority": 5})
        channel.queue_declare("orderapp.coupon.v1.XQ", durable=True, arguments={"x-message-ttl": 604_800_000})
        channel.confirm_delivery()
        channel.basic_publish("", "orderapp.coupon.v1.XQ", b"{}")
    result = examine({"RABBITMQ_URL": rabbitmq_server.url})
    assert result.exit_code == 1
    state, detail = lines(result)["broker"]
    assert state == "wrong"
    assert "orderapp.coupon.v1 exists with other arguments than ours" in detail
    assert "orderapp.coupon.v1.XQ holds 1 dead message;" in detail


def test_one_node_of_two_that_is_down_is_doubtful(
    examine: Examine, rabbitmq_server: RabbitmqServer, free_port: int
) -> None:
    rabbitmq_server.reset_vhost()
    result = examine({"RABBITMQ_URL": f"amqp://127.0.0.1:{free_port};{rabbitmq_server.url}"})
    assert result.exit_code == 0
    assert lines(result)["broker"] == ("doubtful", f"127.0.0.1:{free_port}: can't be reached (AMQPConnectionError)")


def test_a_login_that_the_broker_refuses_is_told_as_such(examine: Examine, rabbitmq_server: RabbitmqServer) -> None:
    result = examine({"RABBITMQ_URL": rabbitmq_server.url.replace("guest:guest", "guest:canary-7d1f")})
    assert result.exit_code == 1
    assert lines(result)["broker"][1].endswith("the login was refused")
    assert "canary" not in result.output
