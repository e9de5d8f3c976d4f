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
# Have an IPv4 address in their last 32 bits: NAT64 (RFC 6052), and a form that is no longer used (RFC 4291, 2.5.5.1).
_TRANSLATED = tuple(ipaddress.ip_network(text) for text in ("64:ff9b::/96", "::/96"))


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


def is_public(address: str | None) -> bool:
    """Return whether an address is one host's on the public internet, also if it is written inside an IPv6 address."""
    parsed = address_in(address)
    if parsed is None or parsed.is_multicast or not parsed.is_global:
        return False
    inner = _inside(parsed)
    return inner is None or (inner.is_global and not inner.is_multicast)


def is_link_local(address: str | None) -> bool:
    """Return whether an address is link-local, where cloud providers keep the credentials of machines."""
    parsed = address_in(address)
    inner = None if parsed is None else _inside(parsed)
    return any(one is not None and one.is_link_local for one in (parsed, inner))


def _inside(address: Address) -> ipaddress.IPv4Address | None:
    """Return the IPv4 address that a translator or a tunnel makes of an IPv6 address; None if there is none."""
    if isinstance(address, ipaddress.IPv4Address):
        return None
    if any(address in network for network in _TRANSLATED):
        return ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
    return address.sixtofour or (address.teredo[1] if address.teredo else None)


def _network(address: Address, prefix: int) -> str:
    return str(ipaddress.ip_network((address.packed, prefix), strict=False))
