"""Where we reach into other libraries: what nothing promises, so that an upgrade may take it away or change it.

INTERFACES lists all of it. Of each entry the installed version is asked whether it still has the form we rely on, and
whether the library's own code still uses it where we hook in. An entry that fails after an upgrade names the file of
ours to look at. pyproject.toml keeps these libraries to their present minor version (`~=1.2.3`).
"""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import textwrap
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, reduce
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from orderapp.config import ROOT

OURS = [path.relative_to(ROOT) for room in ("orderapp", "tasks", "migrations") for path in (ROOT / room).rglob("*.py")]
OURS += [Path("wsgi.py"), Path("gunicorn.conf.py")]
# An attribute that instances get only when they are made: its class has nothing to show, its users have.
OF_INSTANCES = ""


@dataclass(frozen=True)
class Interface:
    """Something of another library that it doesn't promise.

    Args:
        name: `module:Class.attribute`.
        ours: The file that relies on it, by its name and as many of its folders as tell it apart.
        why: What for.
        form: The names of its parameters, or the type of its value; or OF_INSTANCES.
        used_in: The library's own code that has to mention it, so that what we put in its place has an effect, or what
            we read is kept up to date; none where its form is all that matters.
    """

    name: str
    ours: str
    why: str
    form: str
    used_in: tuple[str, ...] = ()

    @property
    def file(self) -> Path:
        (found,) = [path for path in OURS if f"/{path.as_posix()}".endswith(f"/{self.ours}")]
        return found

    @property
    def attribute(self) -> str:
        return re.split("[:.]", self.name)[-1]


def _of(holder: str, ours: str, *entries: tuple[str, str, str, tuple[str, ...]]) -> list[Interface]:
    """Return several interfaces of one class or module that one file of ours relies on."""
    separator = "." if ":" in holder else ":"
    return [Interface(f"{holder}{separator}{name}", ours, why, form, used) for name, why, form, used in entries]


VIEW, MODEL_VIEW = "flask_admin.base:BaseView", "flask_admin.model.base:BaseModelView"
PLAIN, TLS = "urllib3.connection:HTTPConnection", "urllib3.connection:HTTPSConnection"
ADAPTER, POOL = "requests.adapters:HTTPAdapter", "urllib3.connectionpool:HTTPConnectionPool"
ANSWER, GTHREAD = "http.client:HTTPResponse", "gunicorn.workers.gthread:ThreadWorker"
EXECUTOR, PROVIDER = "concurrent.futures.thread:ThreadPoolExecutor", "flask.json.provider:DefaultJSONProvider"
RABBITMQ, WORKER = "dramatiq.brokers.rabbitmq", "dramatiq.worker:Worker"

INTERFACES = [
    *_of(
        VIEW,
        "orderapp/admin/guard.py",
        (
            "_handle_view",
            "asks for login and role before each endpoint",
            "self, name, **kwargs",
            ("flask_admin.base:_wrap_view",),
        ),
        (
            "_run_view",
            "runs an endpoint once, whatever it raises",
            "self, fn, *args, **kwargs",
            ("flask_admin.base:_wrap_view",),
        ),
    ),
    *_of(
        MODEL_VIEW,
        "orderapp/admin/listing.py",
        ("_get_list_extra_args", "refuses an address that isn't understood", "self", (f"{MODEL_VIEW}.index_view",)),
        ("_get_list_url", "writes sorting by the columns' names", "self, view_args", (f"{MODEL_VIEW}.index_view",)),
        (
            "_get_filters",
            "writes filters by their names",
            "self, filters",
            (f"{MODEL_VIEW}.index_view",),
        ),
        (
            "_filters",
            "the filters of a list",
            OF_INSTANCES,
            (f"{MODEL_VIEW}._refresh_filters_cache", f"{MODEL_VIEW}.index_view"),
        ),
        ("_template_args", "what a page's template is given", "property", (f"{VIEW}.render",)),
    ),
    *_of(
        PLAIN,
        "orderapp/systems/connections.py",
        ("_new_conn", "opens sockets that keep to a deadline", "self", (f"{PLAIN}.connect", f"{TLS}.connect")),
        (
            "is_connected",
            "drops a connection with anything unread on it",
            "property",
            ("urllib3.util.connection:is_connection_dropped",),
        ),
        ("response_class", "reads past informational answers", "class", ()),
    ),
    *_of(
        POOL,
        "orderapp/systems/connections.py",
        ("ConnectionCls", "makes those connections", "class", (f"{POOL}._new_conn",)),
    ),
    *_of(
        "urllib3.poolmanager:PoolManager",
        "orderapp/systems/connections.py",
        ("pool_classes_by_scheme", "makes those pools", OF_INSTANCES, ("urllib3.poolmanager:PoolManager._new_pool",)),
    ),
    *_of(
        ADAPTER,
        "orderapp/systems/connections.py",
        (
            "init_poolmanager",
            "names those pools",
            "self, connections, maxsize, block, **pool_kwargs",
            (f"{ADAPTER}.__init__",),
        ),
        ("cert_verify", "reads no authorities for each call", "self, conn, url, verify, cert", (f"{ADAPTER}.send",)),
        (
            "get_connection_with_tls_context",
            "finds the pool once",
            "self, request, verify, proxies, cert",
            (f"{ADAPTER}.send",),
        ),
        ("request_url", "writes the path only", "self, request, proxies", (f"{ADAPTER}.send",)),
        ("build_response", "leaves out cookies and decoding", "self, req, resp", (f"{ADAPTER}.send",)),
    ),
    *_of(
        ANSWER,
        "orderapp/systems/connections.py",
        ("begin", "reads past informational answers", "self", ("http.client:HTTPConnection.getresponse",)),
        (
            "will_close",
            "closes a connection whose framing is doubtful",
            OF_INSTANCES,
            ("http.client:HTTPConnection.getresponse",),
        ),
    ),
    *_of(
        "ssl:SSLSocket",
        "orderapp/systems/bounded.py",
        (
            "_create",
            "sees a connection that was reset before its handshake",
            "sock, server_side, do_handshake_on_connect, suppress_ragged_eofs, server_hostname, context, session",
            ("ssl:SSLContext.wrap_socket",),
        ),
    ),
    *_of(
        "smtplib:SMTP",
        "orderapp/systems/email.py",
        (
            "_get_socket",
            "opens sockets that keep to a deadline",
            "self, host, port, timeout",
            ("smtplib:SMTP.connect",),
        ),
    ),
    *_of(
        EXECUTOR,
        "orderapp/load_shedding.py",
        (
            "_work_queue",
            "how many requests wait for a thread",
            OF_INSTANCES,
            (f"{EXECUTOR}.__init__", f"{EXECUTOR}.submit"),
        ),
    ),
    *_of(
        GTHREAD,
        "orderapp/web_worker.py",
        ("get_thread_pool", "has threads with a bounded queue", "self", (f"{GTHREAD}.init_process",)),
    ),
    *_of(
        PROVIDER,
        "orderapp/fast_json.py",
        ("_prepare_response_obj", "what `jsonify` was given", "self, args, kwargs", (f"{PROVIDER}.response",)),
        ("_app", "makes the application's kind of answer", OF_INSTANCES, (f"{PROVIDER}.response",)),
    ),
    *_of(
        WORKER,
        "tasks/heartbeat.py",
        ("consumers", "the threads that fetch", OF_INSTANCES, (f"{WORKER}.__init__", f"{WORKER}._add_consumer")),
        ("workers", "the threads that work", OF_INSTANCES, (f"{WORKER}.__init__", f"{WORKER}._add_worker")),
    ),
    *_of(
        RABBITMQ,
        "broker_check.py",
        ("DEAD_MESSAGE_TTL", "how the queues of dead messages are declared", "int", (f"{RABBITMQ}:RabbitmqBroker",)),
        ("dq_name", "what the queues of delayed messages are called", "queue_name", (f"{RABBITMQ}:RabbitmqBroker",)),
        ("xq_name", "what the queues of dead messages are called", "queue_name", (f"{RABBITMQ}:RabbitmqBroker",)),
    ),
]

# Names that only look private: their documentation says that they are there to be used.
DOCUMENTED = {
    "_mapping",  # SQLAlchemy's Row
    "_replace",  # a named tuple's
    "_get_current_object",  # of Flask's proxies
    "_deserialize",  # marshmallow's Field, to be overridden
    "_serialize",  # the same
    "_typeshed",  # only there for mypy
}


def found(name: str) -> Any:
    """Return what an interface's name stands for; AttributeError where it isn't there."""
    module, _, path = name.partition(":")
    return reduce(
        lambda holder, part: inspect.getattr_static(holder, part), path.split("."), importlib.import_module(module)
    )


def form_of(thing: Any) -> str:
    if isinstance(thing, classmethod):
        return ", ".join(list(parameters(thing.__func__))[1:])
    if inspect.isclass(thing):
        return "class"
    if inspect.isfunction(thing):
        return ", ".join(parameters(thing))
    return type(thing).__name__


def parameters(function: Any) -> Iterator[str]:
    stars = {inspect.Parameter.VAR_POSITIONAL: "*", inspect.Parameter.VAR_KEYWORD: "**"}
    for parameter in inspect.signature(function).parameters.values():
        yield f"{stars.get(parameter.kind, '')}{parameter.name}"


@pytest.mark.parametrize("interface", INTERFACES, ids=lambda interface: interface.name)
def test_it_is_still_as_we_rely_on(interface: Interface) -> None:
    if interface.form != OF_INSTANCES:
        assert form_of(found(interface.name)) == interface.form, f"look at {interface.ours}"
    for user in interface.used_in:
        source = textwrap.dedent(inspect.getsource(found(user)))
        mentioned = {name for node in ast.walk(ast.parse(source)) for name in names_in(node)}
        assert interface.attribute in mentioned, f"{user} doesn't use it any more; look at {interface.ours}"


def names_in(node: ast.AST) -> set[str]:
    return {name for field in ("id", "attr", "name") if isinstance(name := getattr(node, field, None), str)}


@pytest.mark.parametrize("interface", INTERFACES, ids=lambda interface: interface.name)
def test_the_file_that_relies_on_it_does(interface: Interface) -> None:
    tree = ast.parse((ROOT / interface.file).read_text())
    assert interface.attribute in {name for node in ast.walk(tree) for name in names_in(node)}


def test_the_libraries_are_kept_to_their_minor_version() -> None:
    table = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    asked_for = {canonicalize_name(one.name): one for one in map(Requirement, table["dependencies"])}
    distributions = packages_distributions()
    for module in {interface.name.partition(":")[0].partition(".")[0] for interface in INTERFACES}:
        for name in distributions.get(module, []):  # none: the standard library, which is as old as Python
            (limit,) = asked_for[canonicalize_name(name)].specifier
            assert (limit.operator, limit.version.count(".")) == ("~=", 2), name


# The list is complete


@cache
def parsed(path: Path) -> list[ast.AST]:
    return list(ast.walk(ast.parse((ROOT / path).read_text())))


def imported_in(nodes: list[ast.AST]) -> set[str]:
    modules = [node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.module]
    return {*modules, *(one.name for node in nodes if isinstance(node, ast.Import) for one in node.names)}


@cache
def made_in(path: Path) -> set[str]:
    """Return the names that a file gives to something: functions, variables, attributes."""
    nodes = parsed(path)
    functions = {node.name for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
    stored = [node for node in nodes if isinstance(getattr(node, "ctx", None), ast.Store)]
    return functions.union(*map(names_in, stored))


def hooks_in(nodes: list[ast.AST]) -> set[str]:
    """Return the methods that nothing in the file calls and no decorator hands on: a library has to call them."""
    used = set().union(*(names_in(node) for node in nodes if isinstance(node, ast.Name | ast.Attribute)))
    of_classes = [method for node in nodes if isinstance(node, ast.ClassDef) for method in node.body]
    methods = [method for method in of_classes if isinstance(method, ast.FunctionDef | ast.AsyncFunctionDef)]
    ours = {"property", "classmethod", "staticmethod"}
    return {one.name for one in methods if {ast.unparse(by) for by in one.decorator_list} <= ours} - used


def borrowed_in(path: Path) -> set[str]:
    """Return the private names in a file that can only be another library's.

    Those that are read, and made neither there nor in a file of ours that it imports; those that are imported; hooks.
    """
    nodes = parsed(path)
    imported = imported_in(nodes)
    files = [
        one for one in OURS if one.with_suffix("").as_posix().replace("/", ".").removesuffix(".__init__") in imported
    ]
    made = made_in(path).union(*map(made_in, files))
    read = {node.attr for node in nodes if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load)}
    parts = {part for name in imported for part in name.split(".")}
    parts |= {one.name for node in nodes if isinstance(node, ast.ImportFrom) for one in node.names}
    return {name for name in (read - made) | (parts - made) | hooks_in(nodes) if re.match("_[a-z]", name)}


def test_nothing_else_is_borrowed() -> None:
    listed = {(interface.file, interface.attribute) for interface in INTERFACES}
    borrowed = {(path, name) for path in OURS for name in borrowed_in(path) - DOCUMENTED}
    assert borrowed - listed == set()


def test_the_search_finds_what_is_borrowed() -> None:
    assert {"_handle_view", "_run_view"} <= borrowed_in(Path("orderapp/admin/guard.py"))
    assert "_work_queue" in borrowed_in(Path("orderapp/load_shedding.py"))
    assert "_app" in borrowed_in(Path("orderapp/fast_json.py"))
