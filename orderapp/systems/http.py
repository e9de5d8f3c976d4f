"""The only place that sends HTTP calls: bounded in time and size, never repeated, each with an outcome.

Transport retries, redirects, proxies from the environment, cookies and compressed answers are all off: a repeat that
the engine doesn't know about could double an effect, and an answer that isn't documented is `unknown`.
"""

from __future__ import annotations

import json
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import cached_property
from typing import Any, NamedTuple
from urllib.parse import urlencode

import requests
from requests.structures import CaseInsensitiveDict
from requests.utils import check_header_validity
from urllib3.exceptions import MaxRetryError, NewConnectionError

from orderapp.domain.masking import mask
from orderapp.domain.outcome import Answer, Exchange, Outcome
from orderapp.systems import recent_exchanges
from orderapp.systems.answers import Received, judge
from orderapp.systems.bounded import call_within, tls_context
from orderapp.systems.connections import BoundedAdapter
from orderapp.systems.lockouts import lock_out, why_unreachable
from orderapp.systems.settings import Timeouts

MAX_BODY_BYTES = 1_048_576  # documented answers are under 10 kB; a mebibyte can't hurt and nothing real is larger
# Connections that are idle for longer aren't reused: servers close idle ones after two seconds or more, and a request
# on a closing connection would end `unknown` needlessly.
MAX_IDLE_SECONDS = 1.0
MAX_MESSAGE_CHARACTERS = 300  # one sentence for staff; the whole answer is in the history
# Encodings that we refuse. Other values of the header, such as a character set, don't matter: the bytes are JSON or
# they aren't.
COMPRESSED = frozenset({"gzip", "x-gzip", "deflate", "compress", "x-compress", "br", "zstd", "dcb", "dcz"})
# Errors for a request that can't be written: a missing or invalid address, or characters that no header can contain.
UNWRITABLE = (requests.exceptions.InvalidURL, requests.exceptions.MissingSchema, requests.exceptions.InvalidHeader)


class Content(NamedTuple):
    """A request's body, and its type for the header Content-Type."""

    body: bytes | str  # as it is sent
    type: str  # such as `text/xml`


class HttpClient:
    """Calls one system. Threads may share it: each has its own connections.

    Args:
        base_url: Without a trailing slash.
        timeouts: Of each call; their sum limits the call, whatever the other side does.
        token: For bearer authentication, or empty.
        credentials: User and password for basic authentication, or None.
        permits: Which network addresses may be connected to, as for `bounded.call_within`.
    """

    def __init__(
        self,
        base_url: str,
        timeouts: Timeouts,
        token: str = "",
        credentials: tuple[str, str] | None = None,
        permits: Callable[[str], bool] | None = None,
    ) -> None:
        self._base_url = base_url
        self._timeouts = timeouts
        self._headers = {"Accept": "application/json", "Accept-Encoding": "identity"}
        if token:
            self._headers["Authorization"] = f"Bearer {token}"
        self._credentials = credentials
        self._permits = permits
        self._secrets = (token, *(credentials or ())[1:])
        self._local = threading.local()

    def call(  # noqa: PLR0913 - all that one call can differ in
        self,
        method: str,
        path: str,
        *,
        json_body: Mapping[str, Any] | None = None,
        form: Mapping[str, str] | None = None,
        content: Content | None = None,
        headers: Mapping[str, str] | None = None,
        private: Iterable[str] = (),
        echoes: str = "",
        fresh: bool = False,
    ) -> Received:
        """Make one call and return its outcome. Raises nothing: every failure is an outcome.

        Args:
            method: HTTP method.
            path: Path and query, properly quoted, beginning with a slash.
            json_body: Sent as JSON.
            form: Sent form-encoded.
            content: Sent as it is.
            headers: In addition to those of the client.
            private: Values to keep out of the history.
            echoes: Values that a successful answer repeats in its body. Without them it may be the answer to another
                call, so the connection isn't used again.
            fresh: Whether the call uses a new connection: an answer that proves "nothing is there" must not be the
                answer to an earlier call.
        """
        hidden = [*private, *self._secrets]
        sent, started = path, time.monotonic()
        with call_within(self._timeouts.total_seconds, self._permits) as call:
            try:
                if fresh:
                    self._hang_up()
                request = self._prepared(method, path, _content_of(json_body, form, content), headers or {})
                # An answer may repeat the credentials of the request.
                hidden += request.headers.get("Authorization", "").split()[1:]
                sent += f"\n{_text(request.body)}"
                status, raw, reply_headers = self._exchange(request)
            except Exception as error:  # noqa: BLE001 - whatever a library makes of what came, the call has an outcome
                received = Received(_failed(error, call.unreached, call.sent))
                said = f"{type(error).__name__}: {mask(str(error), hidden)}"
            else:
                received = judge(status, raw, reply_headers, lambda text: mask(text, hidden))
                said = f"{status}\n{mask(_text(raw), hidden)}"
                if received.answer.outcome is Outcome.DONE and echoes.encode() not in raw:
                    self._hang_up()
            if received.answer.outcome is Outcome.UNKNOWN:
                self._hang_up()
        # Mask only the system's texts, because a customer's name may be a word in ours.
        took_ms = round((time.monotonic() - started) * 1000)
        exchange = Exchange(f"{method} {mask(sent, hidden)}", said, took_ms)
        # Mask before cutting, so that no half of a value stays at the end.
        message = received.answer.message[:MAX_MESSAGE_CHARACTERS]
        recent_exchanges.note(exchange)
        answer = replace(received.answer, message=message, exchanges=(exchange,))
        return Received(answer, received.status, received.body, received.raw)

    def _prepared(
        self,
        method: str,
        path: str,
        content: Content | None,
        headers: Mapping[str, str],
    ) -> requests.PreparedRequest:
        """Return a request as `requests` prepares it, copied from a prepared one: preparing takes longer than a call.

        Only our own parts differ, and the callers quote paths.
        """
        common = self._common
        request = requests.PreparedRequest()
        request.method, request.url = method, f"{str(common.url).removesuffix('/')}{path}"
        every = dict(common.headers)
        if content is not None:
            request.body, every["Content-Type"] = content
        if method != "GET":
            every["Content-Length"] = str(len(request.body or b""))
        for header in headers.items():
            check_header_validity(header)
        request.headers = CaseInsensitiveDict(every | dict(headers))
        return request

    @cached_property
    def _common(self) -> requests.PreparedRequest:
        """The common parts of all requests: the normalised address, the headers, the credentials."""
        return requests.Request("GET", f"{self._base_url}/", headers=self._headers, auth=self._credentials).prepare()

    def _exchange(self, request: requests.PreparedRequest) -> tuple[int, bytes, Mapping[str, str]]:
        timeouts = (self._timeouts.connect_seconds, self._timeouts.read_seconds)
        with self._adapter().send(request, stream=True, timeout=timeouts) as reply:
            encodings = {word.strip().lower() for word in reply.headers.get("Content-Encoding", "").split(",")}
            if encodings & COMPRESSED:
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
        """The TLS settings, made once, because reading all authorities takes 50 ms."""
        if not self._base_url.lower().startswith("https://"):
            return None
        context = tls_context()
        # In addition to the operating system's authorities, which a minimal container may lack.
        context.load_verify_locations(requests.adapters.DEFAULT_CA_BUNDLE_PATH)
        return context

    def _adapter(self) -> BoundedAdapter:
        """Return this thread's connections.

        There is no `requests.Session`: it would keep cookies, and read the whole body of a redirect, even a large
        compressed one, without following it.
        """
        local, now = self._local, time.monotonic()
        if not hasattr(local, "adapter"):
            local.adapter = BoundedAdapter(self._tls)
        elif now - local.used_at > MAX_IDLE_SECONDS:
            local.adapter.close()
        local.used_at = now
        return local.adapter  # type: ignore[no-any-return]

    def _hang_up(self) -> None:
        """Close this thread's connection, if it has one."""
        if hasattr(self._local, "adapter"):
            self._local.adapter.close()


def _content_of(
    json_body: Mapping[str, Any] | None, form: Mapping[str, str] | None, content: Content | None
) -> Content | None:
    if json_body is not None:
        return Content(json.dumps(json_body).encode(), "application/json")
    return Content(urlencode(form), "application/x-www-form-urlencoded") if form is not None else content


def _failed(error: Exception, unreached: bool, sent: bool) -> Answer:
    """Return the answer for a failed call: "not sent" only if the kind of error or the socket proves it."""
    reason = error.args[0] if error.args else None
    cause = reason.reason if isinstance(reason, MaxRetryError) else reason
    name = type(cause if isinstance(cause, Exception) else error).__name__
    if isinstance(error, UNWRITABLE) and not sent:
        text = f"has an address or credentials that can't be used ({name}); nothing was sent"
        return lock_out(Answer(Outcome.NOT_SENT, "not_configured"), text)
    unreached = unreached or isinstance(error, requests.ConnectTimeout) or isinstance(cause, NewConnectionError)
    if unreached and not sent and (why := why_unreachable(error)):
        return lock_out(Answer(Outcome.NOT_SENT, "not_connected"), why)
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
