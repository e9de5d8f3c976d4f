"""Addresses as proxies write them, and the places they stand for."""

from __future__ import annotations

import pytest

from orderapp.domain.networks import UNKNOWN, address_in, forwarded_for, household_of, region_of

GARBAGE = ["", " ", None, "unknown", "_hidden", "198.51.100", "198.51.100.3:", "198.51.100.3:x", "198.51.100.3:443:1",
           "[2001:db8::1", "2001:db8::1]", "[]", "[198.51.100.3", "1.2.3.4.5", "999.1.1.1", "\x00", "::1\n::2", '"',
           "198.51.100.3 evil", "\u0661.1.1.1", "x" * 1000]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "household", "region"),
    [
        ("192.0.2.7", "192.0.2.7", "192.0.2.0/24"),
        (" 192.0.2.7 ", "192.0.2.7", "192.0.2.0/24"),
        ("192.0.2.7:443", "192.0.2.7", "192.0.2.0/24"),
        ("[192.0.2.7]:443", "192.0.2.7", "192.0.2.0/24"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64", "2001:db8:1::/48"),
        ("[2001:db8:1:2::1]", "2001:db8:1:2::/64", "2001:db8:1::/48"),
        ("[2001:DB8:1:2::1]:4000", "2001:db8:1:2::/64", "2001:db8:1::/48"),
        ("::1", "::/64", "::/48"),
        ("::ffff:192.0.2.7", "192.0.2.7", "192.0.2.0/24"),
        ("[::ffff:192.0.2.7]:4000", "192.0.2.7", "192.0.2.0/24"),
        ("::ffff:c000:207", "192.0.2.7", "192.0.2.0/24"),
        ("fe80::1%eth0", "fe80::/64", "fe80::/48"),
        ("[fe80::1%25eth0]:80", "fe80::/64", "fe80::/48"),
        ("::ffff:192.0.2.7%eth0", "192.0.2.7", "192.0.2.0/24"),
        *[(text, UNKNOWN, UNKNOWN) for text in GARBAGE],
    ],
)
def test_one_place_is_an_address_or_what_one_subscriber_has(text: str | None, household: str, region: str) -> None:
    assert (household_of(text), region_of(text)) == (household, region)
    assert (address_in(text) is None) == (household == UNKNOWN)


@pytest.mark.parametrize(
    ("header", "proxies", "address"),
    [
        ("198.51.100.3", 1, "198.51.100.3"),
        ("10.9.9.9, 198.51.100.3", 1, "198.51.100.3"),
        ("10.9.9.9, 198.51.100.3, 10.0.0.1", 2, "198.51.100.3"),
        ("10.9.9.9,198.51.100.3:50123", 1, "198.51.100.3"),
        ("10.9.9.9, [2001:db8::1]:4000", 1, "2001:db8::1"),
        # What a visitor sent along can't swallow what the proxy has added.
        ('", 198.51.100.3', 1, "198.51.100.3"),
        ('"10.9.9.9, 198.51.100.3', 1, "198.51.100.3"),
        (",,,, 198.51.100.3", 1, "198.51.100.3"),
        ("198.51.100.3", 2, None),
        ("198.51.100.3, ", 1, None),
        ("unknown", 1, None),
        ("", 1, None),
    ],
)
def test_the_proxys_own_entry_is_read_whatever_stands_before_it(header: str, proxies: int, address: str | None) -> None:
    found = forwarded_for(header, proxies)
    assert (None if found is None else str(found)) == address
