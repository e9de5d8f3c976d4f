"""Network addresses, as proxies write them, and the places they stand for."""

from __future__ import annotations

import ipaddress
import re
from functools import lru_cache

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

IPV6_SUBSCRIBER_PREFIX = 64  # what one household or one rented server is given; its addresses are one person's
# The prefixes that logs and the audit keep: they show a provider and a region, but no household.
KEPT_PREFIXES = {4: 24, 6: 48}
# `198.51.100.3:443`, `[2001:db8::1]`, `[2001:db8::1]:4000`: how proxies write an address with its port.
_BRACKETED = re.compile(r"\[([^\[\]]*)\](?::[0-9]{1,5})?", re.ASCII)
_WITH_PORT = re.compile(r"([0-9.]+):[0-9]{1,5}", re.ASCII)
UNKNOWN = "unknown"


@lru_cache(maxsize=1024)  # as for `region_of`
def address_in(text: str | None) -> Address | None:
    """Return the address in a text, without port, brackets and zone; None if there is none.

    An IPv4 address in IPv6 form is returned as the IPv4 address.
    """
    bare = (text or "").strip()
    framed = _BRACKETED.fullmatch(bare) or _WITH_PORT.fullmatch(bare)
    if framed:
        bare = framed[1]
    try:
        # A zone names an interface of the writing host, so it isn't part of the address.
        parsed = ipaddress.ip_address(bare.partition("%")[0])
    except ValueError:
        return None
    return getattr(parsed, "ipv4_mapped", None) or parsed


def forwarded_for(header: str, proxies: int) -> Address | None:
    """Return the address from which the outermost of our proxies received the request.

    Args:
        header: The whole `X-Forwarded-For`. Each proxy appends the address it saw; everything before is written by the
            visitor and can be anything, including quotes and commas.
        proxies: How many of the last entries our proxies wrote.
    """
    entries = header.split(",")
    return address_in(entries[-proxies]) if len(entries) >= proxies else None


def household_of(address: str | None) -> str:
    """Return what counts as one place: an IPv4 address, or the /64 of one IPv6 subscriber.

    A socket file has no address; everybody who uses it is at the place UNKNOWN.
    """
    parsed = address_in(address)
    if parsed is None:
        return UNKNOWN
    return str(parsed) if parsed.version == 4 else _network(parsed, IPV6_SUBSCRIBER_PREFIX)


@lru_cache(maxsize=1024)  # a visitor or an API client sends several requests, and each is logged
def region_of(address: str | None) -> str:
    """Return what logs and the audit may keep of an address: its /24, or its /48 in IPv6; UNKNOWN without one."""
    parsed = address_in(address)
    return UNKNOWN if parsed is None else _network(parsed, KEPT_PREFIXES[parsed.version])


def _network(address: Address, prefix: int) -> str:
    return str(ipaddress.ip_network((address.packed, prefix), strict=False))
