"""The connections for HTTP calls: bounded, verified, and never used again after anything unusual."""

from __future__ import annotations

import http.client
import re
import ssl
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import NewConnectionError

from orderapp.systems.bounded import BoundedSocket, connect

# Eighteen digits are more than any body needs, and all parsers still read the same number.
LENGTH = re.compile(r"[0-9]{1,18}")


class FinalAnswer(http.client.HTTPResponse):
    """The final answer to a request; informational answers before it are skipped (RFC 9110, 15.2).

    Its connection isn't used again if its framing is ambiguous (RFC 9112, 6.3).
    """

    def begin(self) -> None:
        """Read status line and headers. HTTPException for a change of protocol, or a length that is none."""
        super().begin()
        while 100 <= self.status < 200:
            if self.status == http.client.SWITCHING_PROTOCOLS:
                raise http.client.HTTPException("changes to a protocol that nobody asked for")
            self.headers = self.msg = None  # type: ignore[assignment]
            super().begin()
        lengths = self.headers.get_all("Content-Length", [])
        codings = self.headers.get_all("Transfer-Encoding", [])
        if not codings and not all(LENGTH.fullmatch(length.strip()) for length in lengths):
            raise http.client.HTTPException("a Content-Length that is no length")
        if self.headers.defects or len(lengths) + len(codings) > 1:
            self.will_close = True


class _Bounded(HTTPConnection):
    response_class = FinalAnswer

    @property
    def is_connected(self) -> bool:
        """Whether it can be used again: open, and with nothing on it that an earlier answer left."""
        if not super().is_connected or getattr(self.sock, "unread", False):
            return False
        return not (isinstance(self.sock, ssl.SSLSocket) and self.sock.pending())

    def _new_conn(self) -> Any:
        return _connected(self)


class _BoundedHttp(_Bounded):
    """Over a plain socket."""


class _BoundedHttps(_Bounded, HTTPSConnection):
    """Over TLS."""


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


class BoundedAdapter(HTTPAdapter):
    """The connections of one thread to one system."""

    def __init__(self, tls: ssl.SSLContext | None) -> None:
        self._tls = tls
        self._pool: Any = None
        super().__init__(pool_connections=1, pool_maxsize=1, max_retries=0)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Make pools of bounded connections."""
        super().init_poolmanager(*args, ssl_context=self._tls, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"http": _HttpPool, "https": _HttpsPool}

    def cert_verify(self, *_: Any, **__: Any) -> None:
        """Do nothing: the context verifies, and reading all authorities again would take 50 ms."""

    def get_connection_with_tls_context(self, *args: Any, **kwargs: Any) -> Any:
        """Return the pool of the one address that this adapter is for, found out once."""
        if self._pool is None:
            self._pool = super().get_connection_with_tls_context(*args, **kwargs)
        return self._pool

    def request_url(self, request: requests.PreparedRequest, _proxies: Any) -> str:
        """Return path and query; there are no proxies."""
        return request.path_url

    def build_response(self, request: requests.PreparedRequest, raw: Any) -> requests.Response:
        """Return the answer with only the parts that we use: no cookies, and we read its text ourselves."""
        response = requests.Response()
        response.request, response.status_code, response.headers, response.raw = request, raw.status, raw.headers, raw
        return response

    def close(self) -> None:
        """Close its connections; the next request opens others."""
        super().close()
        self._pool = None
