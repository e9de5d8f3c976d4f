"""The private servers really run, keep their data over a restart, and leave nothing behind."""

import shutil
import smtplib
import socket
import subprocess
import sys
from email.message import EmailMessage
from pathlib import Path

import pika
import psycopg
import pytest
from playwright.sync_api import Page

from tests.servers.loopback import HOST, poll_until
from tests.servers.postgres import PostgresServer
from tests.servers.process import ServerDiedError, ServerDirectory
from tests.servers.rabbitmq import RabbitmqServer
from tests.servers.smtp import SmtpServer


def connect(url: str) -> psycopg.Connection:
    return psycopg.connect(url.replace("+psycopg", ""), autocommit=True)


@pytest.fixture
def database(postgres_server: PostgresServer) -> str:
    url = postgres_server.create_database()
    with connect(url) as connection:
        connection.execute("CREATE TABLE note AS SELECT 'kept' AS text")
    return url


def test_postgres_keeps_its_data_over_a_stop_and_a_start(postgres_server: PostgresServer, database: str) -> None:
    postgres_server.stop()
    with pytest.raises(psycopg.OperationalError):
        connect(database)
    postgres_server.start()
    with connect(database) as connection:
        assert connection.execute("SELECT text FROM note").fetchall() == [("kept",)]


def test_postgres_recovers_when_it_was_killed_with_connections_open(
    postgres_server: PostgresServer, database: str
) -> None:
    open_connection = connect(database)
    postgres_server.kill()
    with pytest.raises(psycopg.OperationalError):
        open_connection.execute("SELECT 1")
    postgres_server.start()
    with connect(database) as connection:
        assert connection.execute("SELECT text FROM note").fetchall() == [("kept",)]


def test_postgres_drops_a_database_that_is_in_use(postgres_server: PostgresServer, database: str) -> None:
    with connect(database):
        postgres_server.drop_database(database)
    with pytest.raises(psycopg.OperationalError, match="does not exist"):
        connect(database)


def publish(url: str, queue: str, body: bytes) -> None:
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()
        channel.queue_declare(queue, durable=True)
        channel.confirm_delivery()
        channel.basic_publish("", queue, body, pika.BasicProperties(delivery_mode=pika.DeliveryMode.Persistent))


def fetch(url: str, queue: str) -> object:
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        _method, _properties, body = connection.channel().basic_get(queue, auto_ack=True)
        return body


def test_rabbitmq_keeps_persistent_messages_over_a_stop_and_a_start(rabbitmq_server: RabbitmqServer) -> None:
    publish(rabbitmq_server.url, "kept", b"hello")
    rabbitmq_server.stop()
    with pytest.raises(pika.exceptions.AMQPConnectionError):
        fetch(rabbitmq_server.url, "kept")
    rabbitmq_server.start()
    assert fetch(rabbitmq_server.url, "kept") == b"hello"


def test_rabbitmq_starts_again_when_it_was_killed(rabbitmq_server: RabbitmqServer) -> None:
    rabbitmq_server.kill()
    rabbitmq_server.start()
    # Not what it was told just before: its log of queues is written with a delay, so a kill may lose a fresh queue.
    publish(rabbitmq_server.url, "killed", b"hello")
    assert fetch(rabbitmq_server.url, "killed") == b"hello"


def test_rabbitmq_has_no_queues_when_its_virtual_host_was_reset(rabbitmq_server: RabbitmqServer) -> None:
    publish(rabbitmq_server.url, "forgotten", b"hello")
    assert "forgotten" in rabbitmq_server.ctl("list_queues", "name")
    rabbitmq_server.reset_vhost()
    assert "forgotten" not in rabbitmq_server.ctl("list_queues", "name")


def mail(subject: str) -> EmailMessage:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "shop@example.com", "ann@example.com", subject
    message.set_content("Thank you.")
    return message


def test_the_mail_server_keeps_what_it_accepts_and_nothing_else(smtp_server: SmtpServer) -> None:
    smtp_server.clear()
    port = int(smtp_server.url.rpartition(":")[2])
    with smtplib.SMTP(HOST, port) as client:
        client.send_message(mail("Your order Ä1"))
        smtp_server.reply = "451 later"
        with pytest.raises(smtplib.SMTPDataError, match="later"):
            client.send_message(mail("Refused"))
    [received] = smtp_server.wait_for(1)
    assert (received.message["Subject"], received.recipients) == ("Your order Ä1", ("ann@example.com",))


def test_chromium_shows_a_page(page: Page, tmp_path: Path) -> None:
    shop = tmp_path / "shop.html"
    shop.write_text("<!doctype html><html lang=en><title>Shop</title><h1>Hello</h1>")
    page.goto(shop.as_uri())
    assert page.get_by_role("heading").inner_text() == "Hello"


def test_a_program_that_ends_too_early_is_reported_with_its_last_words() -> None:
    directory = ServerDirectory("test", account=None)
    process = directory.start(["/bin/sh", "-c", "echo no space left; exit 3"])
    with pytest.raises(ServerDiedError, match=r"ended \(3\)(?s:.*)no space left"):
        process.wait_until(lambda: False, within_seconds=10)
    directory.remove()


def test_a_program_is_killed_with_its_children(tmp_path: Path) -> None:
    directory = ServerDirectory("test", account=None)
    process = directory.start(["/bin/sh", "-c", "sleep 1000 & echo $! > child; wait"])
    child = directory.path / "child"
    process.wait_until(lambda: child.exists() and child.read_text().endswith("\n"), within_seconds=10)
    process.kill()
    gone = Path("/proc", child.read_text().strip(), "cwd")
    assert poll_until(lambda: not gone.exists(), within_seconds=10)
    directory.remove()


ROOT = Path(__file__).parents[2]
DIES_WITHOUT_STOPPING = """
import os, signal
from tests.servers.process import ServerDirectory
directory = ServerDirectory("test", account=None)
print(directory.start(["sleep", "1000"]).pid, directory.path, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_program_ends_when_the_tests_that_started_it_are_killed() -> None:
    command = [sys.executable, "-c", DIES_WITHOUT_STOPPING]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    pid, directory = result.stdout.split()
    assert poll_until(lambda: not Path("/proc", pid, "cwd").exists(), within_seconds=10)
    shutil.rmtree(directory)


def test_tests_cannot_reach_other_hosts() -> None:
    with pytest.raises(socket.gaierror, match="loopback only"):
        socket.create_connection(("example.com", 80))
    with socket.socket() as connection, pytest.raises(ConnectionRefusedError, match="loopback only"):
        connection.connect(("192.0.2.1", 80))
