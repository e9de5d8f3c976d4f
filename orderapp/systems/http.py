"""The one place where HTTP calls leave: bounded in time and size, never repeated, each with an outcome.

Transport retries, redirects, proxies from the environment, cookies and compressed answers are all off: a repeat that
the engine doesn't know of could double an effect, and an answer that isn't the documented one is `unknown`.
"""

from __future__ import annotations

import json
import ssl
import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import cached_property
from typing import Any
from urllib.parse import urlencode

import requests
from requests.adapters import HTTPAdapter
from requests.structures import CaseInsensitiveDict
from requests.utils import check_header_validity
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import HTTPError, MaxRetryError, NewConnectionError

from orderapp.domain.masking import mask
from orderapp.domain.outcome import Answer, Exchange, Outcome
from orderapp.systems.answers import Received, answer_by_status, parse
from orderapp.systems.bounded import BoundedSocket, call_within, connect, tls_context
from orderapp.systems.settings import Timeouts

MAX_BODY_BYTES = 1_048_576  # documented answers are under 10 kB; a mebibyte can't hurt and nothing real is larger
# A connection idle for longer is dropped rather than reused: servers close idle ones after two seconds or more, and a
# request written into a closing connection ends `unknown` for no good reason.
MAX_IDLE_SECONDS = 1.0
MAX_MESSAGE_CHARACTERS = 300  # one sentence for staff; the whole answer is in the history
# A request that can't even be written: no address, or one that is none, or characters that no header can hold.
UNWRITABLE = (requests.exceptions.InvalidURL, requests.exceptions.MissingSchema, requests.exceptions.InvalidHeader)


class _BoundedHttp(HTTPConnection):
    def _new_conn(self) -> Any:
        return _connected(self)


class _BoundedHttps(HTTPSConnection):
    def _new_conn(self) -> Any:
        return _connected(self)


def _connected(connection: HTTPConnection) -> BoundedSocket:
    seconds = connection.timeout
    try:
        return connect(
            connection.host.strip("[]"), connection.port, seconds if isinstance(seconds, int | float) else None
        )
    except OSError as error:
        raise NewConnectionError(connection, str(error)) from error


class _HttpPool(HTTPConnectionPool):
    ConnectionCls = _BoundedHttp


class _HttpsPool(HTTPSConnectionPool):
    ConnectionCls = _BoundedHttps


class _BoundedAdapter(HTTPAdapter):
    def __init__(self, tls: ssl.SSLContext | None) -> None:
        self._tls = tls
        self._pool: Any = None
        super().__init__(pool_connections=1, pool_maxsize=1, max_retries=0)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, ssl_context=self._tls, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"http": _HttpPool, "https": _HttpsPool}

    def cert_verify(self, *_: Any, **__: Any) -> None:
        """Nothing to add for a connection: the context verifies, and reading all authorities again takes 50 ms."""

    def get_connection_with_tls_context(self, *args: Any, **kwargs: Any) -> Any:
        """Return the pool of the one address that this adapter is for, found out once."""
        if self._pool is None:
            self._pool = super().get_connection_with_tls_context(*args, **kwargs)
        return self._pool

    def request_url(self, request: requests.PreparedRequest, _proxies: Any) -> str:
        """Return path and query; there are no proxies."""
        return request.path_url

    def build_response(self, request: requests.PreparedRequest, raw: Any) -> requests.Response:
        """Return the answer with what is used of it: there are no cookies, and its text is ours to read."""
        response = requests.Response()
        response.request, response.status_code, response.headers, response.raw = request, raw.status, raw.headers, raw
        return response

    def close(self) -> None:
        """Close its connections; the next request opens others."""
        super().close()
        self._pool = None


class HttpClient:
    """Speaks to one system. Safe to share between threads: each has connections of its own.

    Args:
        base_url: Without a trailing slash.
        timeouts: Of each call; their sum bounds it whatever the other side does.
        token: For bearer authentication, or empty.
        credentials: User and password for basic authentication, or None.

    """

    def __init__(
        self,
        base_url: str,
        timeouts: Timeouts,
        token: str = "",
        credentials: tuple[str, str] | None = None,
    ) -> None:
        self._base_url = base_url
        self._timeouts = timeouts
        self._headers = {"Accept": "application/json", "Accept-Encoding": "identity"}
        if token:
            self._headers["Authorization"] = f"Bearer {token}"
        self._credentials = credentials
        self._secrets = (token, *(credentials or ())[1:])
        self._local = threading.local()

    def call(
        self,
        method: str,
        path: str,
        *,
        json_body: Mapping[str, Any] | None = None,
        form: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        private: Iterable[str] = (),
    ) -> Received:
        """Make one call and say how it ended. Raises nothing: every failure is an outcome.

        Args:
            method: HTTP method.
            path: Path and query, properly quoted, beginning with a slash.
            json_body: Sent as JSON.
            form: Sent form-encoded.
            headers: Beside those of the client.
            private: Values to keep out of the history.

        """
        hidden = [*private, *self._secrets]
        sent_text, started = f"{method} {path}", time.monotonic()
        with call_within(self._timeouts.total_seconds) as call:
            try:
                request = self._prepared(method, path, json_body, form, headers or {})
                # An answer may well show what it was asked with.
                hidden += request.headers.get("Authorization", "").split()[1:]
                sent_text += f"\n{_text(request.body)}"
                status, raw, reply_headers = self._exchange(request)
            except (requests.RequestException, HTTPError, OSError, ValueError) as error:
                answer, text = _failed(error, call.unreached, call.sent), f"{type(error).__name__}: {error}"
                status, parsed = 0, None
            else:
                parsed = parse(raw)
                answer, text = answer_by_status(status, parsed, reply_headers), f"{status}\n{_text(raw)}"
        exchange = Exchange(mask(sent_text, hidden), mask(text, hidden), round((time.monotonic() - started) * 1000))
        # Masked before it is cut, so that no half of a value stays at the end.
        message = mask(answer.message, hidden)[:MAX_MESSAGE_CHARACTERS]
        answer = replace(answer, message=message, exchanges=(exchange,))
        return Received(answer, status, parsed)

    def _prepared(
        self,
        method: str,
        path: str,
        json_body: Mapping[str, Any] | None,
        form: Mapping[str, str] | None,
        headers: Mapping[str, str],
    ) -> requests.PreparedRequest:
        """Return a request as `requests` would prepare it, from what it prepared once: that takes longer than a call.

        What differs is ours: paths are quoted by their makers, bodies are JSON or a form.
        """
        common = self._common
        request = requests.PreparedRequest()
        request.method, request.url = method, f"{str(common.url).removesuffix('/')}{path}"
        every = dict(common.headers)
        if json_body is not None:
            request.body, every["Content-Type"] = json.dumps(json_body).encode(), "application/json"
        elif form is not None:
            request.body, every["Content-Type"] = urlencode(form), "application/x-www-form-urlencoded"
        if method != "GET":
            every["Content-Length"] = str(len(request.body or b""))
        for header in headers.items():
            check_header_validity(header)
        request.headers = CaseInsensitiveDict(every | dict(headers))
        return request

    @cached_property
    def _common(self) -> requests.PreparedRequest:
        """What all requests have in common: the address in its normal form, the headers, the credentials."""
        return requests.Request("GET", f"{self._base_url}/", headers=self._headers, auth=self._credentials).prepare()

    def _exchange(self, request: requests.PreparedRequest) -> tuple[int, bytes, Mapping[str, str]]:
        timeouts = (self._timeouts.connect_seconds, self._timeouts.read_seconds)
        with self._adapter().send(request, stream=True, timeout=timeouts) as reply:
            if reply.headers.get("Content-Encoding", "identity") != "identity":
                raise ValueError("a compressed answer that nobody asked for")
            chunks, size = [], 0
            for chunk in reply.raw.stream(65_536, decode_content=False):
                size += len(chunk)
                if size > MAX_BODY_BYTES:
                    # Leaving the block unread closes the connection.
                    raise ValueError(f"an answer of more than {MAX_BODY_BYTES} bytes")
                chunks.append(chunk)
            return reply.status_code, b"".join(chunks), reply.headers

    @cached_property
    def _tls(self) -> ssl.SSLContext | None:
        """The TLS settings, made once: reading all authorities takes 50 ms."""
        if not self._base_url.lower().startswith("https://"):
            return None
        context = tls_context()
        # Beside the operating system's authorities, which a bare container may lack.
        context.load_verify_locations(requests.adapters.DEFAULT_CA_BUNDLE_PATH)
        return context

    def _adapter(self) -> _BoundedAdapter:
        """Return this thread's connections.

        Used without a `requests.Session`: that would keep cookies, and read the whole of a redirect's body, however
        large and compressed, even where it doesn't follow it.
        """
        local, now = self._local, time.monotonic()
        if not hasattr(local, "adapter"):
            local.adapter = _BoundedAdapter(self._tls)
        elif now - local.used_at > MAX_IDLE_SECONDS:
            local.adapter.close()
        local.used_at = now
        return local.adapter  # type: ignore[no-any-return]


def _failed(error: Exception, unreached: bool, sent: bool) -> Answer:
    """A call that brought no answer: not sent only with proof, by the kind of error or by the socket's own word."""
    reason = error.args[0] if error.args else None
    cause = reason.reason if isinstance(reason, MaxRetryError) else reason
    name = type(cause if isinstance(cause, Exception) else error).__name__
    if isinstance(error, UNWRITABLE) and not sent:
        text = f"its address or credentials can't be used ({name}); nothing was sent"
        return Answer(Outcome.NOT_SENT, "not_configured", text, repeatable=False)
    unreached = unreached or isinstance(error, requests.ConnectTimeout) or isinstance(cause, NewConnectionError)
    if unreached and not sent:
        return Answer(Outcome.NOT_SENT, "not_connected", f"could not be reached ({name}); nothing was sent")
    timed_out = (
        isinstance(error, requests.Timeout | TimeoutError) or "timed out" in str(error) or "total time" in str(error)
    )
    if timed_out:
        return Answer(Outcome.UNKNOWN, "timeout", "gave no answer in time")
    return Answer(Outcome.UNKNOWN, "cut_off", f"the answer broke off ({name})")


def _text(body: bytes | str | None) -> str:
    return body.decode("utf-8", "replace") if isinstance(body, bytes) else body or ""
