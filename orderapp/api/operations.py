"""Endpoints for operators: is the process alive, is it ready, what are its metrics."""

from __future__ import annotations

import hmac

import structlog
from flask import Blueprint, Response, jsonify, request
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from orderapp.api.metrics import registry
from orderapp.config import current_settings
from orderapp.domain.networks import address_in
from orderapp.services.operations.readiness import obstacles

log = structlog.get_logger()

operations = Blueprint("operations", __name__)

# What a proxy adds to a request that it hands on.
FORWARDING_HEADERS = ("X-Forwarded-For", "X-Real-Ip", "Forwarded", "Via")


@operations.get("/healthz")
def alive() -> Response:
    """Answer that the process is alive, whatever it depends on."""
    return jsonify({"status": "alive"})


@operations.get("/readyz")
def ready() -> tuple[Response, int]:
    """Answer whether requests can be served; the reasons name no host and no address."""
    reasons = obstacles()
    if reasons:
        log.error("readiness.obstacles", reasons=reasons)
        return jsonify({"status": "unavailable", "reasons": reasons}), 503
    return jsonify({"status": "ready"}), 200


@operations.get("/metrics")
def metrics() -> Response:
    """Answer with the metrics in Prometheus's format, to this machine or to a caller with the token."""
    if not (_from_here() or _has_token()):
        return Response("Metrics are for this machine, or for who has the token.\n", 403, mimetype="text/plain")
    return Response(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)


def _from_here() -> bool:
    """Return whether the request comes from this machine, not only from a local proxy that names no client."""
    proxies = current_settings().trusted_proxies
    if proxies and not _told_by(proxies):
        return False
    if not proxies and any(name in request.headers for name in FORWARDING_HEADERS):
        return False
    address = address_in(request.remote_addr)
    return address is not None and address.is_loopback


def _told_by(proxies: int) -> bool:
    """Return whether the proxies named the client; otherwise the address is the nearest proxy's own."""
    addresses = request.headers.get("X-Forwarded-For", "").split(",")
    return len(addresses) >= proxies and bool(addresses[-proxies].strip())


def _has_token() -> bool:
    token, sent = current_settings().metrics_token, request.authorization
    if not token or sent is None or sent.type != "bearer" or not sent.token:
        return False
    return hmac.compare_digest(sent.token.encode(errors="surrogatepass"), token.encode(errors="surrogatepass"))
