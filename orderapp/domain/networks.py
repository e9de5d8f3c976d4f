"""Network addresses, as proxies write them, and the places they stand for."""

from __future__ import annotations

import ipaddress
import re

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

IPV6_SUBSCRIBER_PREFIX = 64  # what one household or one rented server is given; its addresses are one person's
# What logs and the audit keep: a provider and a region, enough to see where a flood comes from, and nobody's home.
KEPT_PREFIXES = {4: 24, 6: 48}
# `198.51.100.3:443`, `[2001:db8::1]`, `[2001:db8::1]:4000`: how proxies write an address with its port.
_BRACKETED = re.compile(r"\[([^\[\]]*)\](?::[0-9]{1,5})?", re.ASCII)
_WITH_PORT = re.compile(r"([0-9.]+):[0-9]{1,5}", re.ASCII)
UNKNOWN = "unknown"


def address_in(text: str | None) -> Address | None:
    """Return the address in a text, without port, brackets and zone; None where it holds none.

    An IPv4 address that is written as an IPv6 one is the IPv4 address.
    """
    bare = (text or "").strip()
    framed = _BRACKETED.fullmatch(bare) or _WITH_PORT.fullmatch(bare)
    if framed:
        bare = framed[1]
    try:
        # A zone names an interface of whoever wrote it: not a part of where somebody is.
        parsed = ipaddress.ip_address(bare.partition("%")[0])
    except ValueError:
        return None
    return getattr(parsed, "ipv4_mapped", None) or parsed


def forwarded_for(header: str, proxies: int) -> Address | None:
    """Return whose request the outermost of our proxies passed on.

    Args:
        header: All of `X-Forwarded-For`. Each proxy adds what it saw at its end; what stands before is the visitor's
            own, whatever it is, quotes and commas included.
        proxies: How many of the entries at the end are our proxies'.

    """
    entries = header.split(",")
    return address_in(entries[-proxies]) if len(entries) >= proxies else None


def household_of(address: str | None) -> str:
    """Return what counts as one place: an IPv4 address, or the /64 that one IPv6 subscriber has all to himself.

    A socket file has no address; all who come through it are at the place UNKNOWN.
    """
    parsed = address_in(address)
    if parsed is None:
        return UNKNOWN
    return str(parsed) if parsed.version == 4 else _network(parsed, IPV6_SUBSCRIBER_PREFIX)


def region_of(address: str | None) -> str:
    """Return what logs and the audit may keep of an address: its /24, or its /48 in IPv6; UNKNOWN without one."""
    parsed = address_in(address)
    return UNKNOWN if parsed is None else _network(parsed, KEPT_PREFIXES[parsed.version])


def _network(address: Address, prefix: int) -> str:
    return str(ipaddress.ip_network((address.packed, prefix), strict=False))
