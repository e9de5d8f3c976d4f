"""Reads settings from the environment, and refuses wrong ones with a message that names the variable."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit
from zoneinfo import ZoneInfo

from orderapp.domain.masking import WHOLE_WORD_CHARACTERS
from orderapp.errors import ConfigurationError

# A shorter secret is masked only as a whole word, so it could stay in a history unnoticed.
SHORTEST_SECRET = WHOLE_WORD_CHARACTERS

# Parts of an address that don't work as expected, because we append paths to it.
BESIDE_THE_PATH = {"login": "a user or password", "query": "a query (?)", "fragment": "a fragment (#)"}


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds to wait for a connection and for an answer; one call never takes longer than their sum."""

    connect_seconds: float
    read_seconds: float

    @property
    def total_seconds(self) -> float:
        """The longest one call can take."""
        return self.connect_seconds + self.read_seconds


@dataclass(frozen=True, slots=True)
class Environment:
    """Environment variables with their types checked. Each message of an error names the variable.

    Example:
        >>> Environment({"LOYALTY_POINTS": "10"}, production=True).integer("LOYALTY_POINTS", 1, 1, 100)
        10
    """

    variables: Mapping[str, str]  # the variables, usually `os.environ`
    production: bool  # whether unencrypted addresses of other hosts need an explicit switch

    def text(self, name: str, default: str = "") -> str:
        """Return a variable, stripped; an empty one counts as not set."""
        return self.variables.get(name, "").strip() or default

    def secret(self, name: str) -> str:
        """Return a token or password that is sent in a header; empty if it isn't set.

        Raises:
            ConfigurationError: it has characters that a header can't contain, such as a line break, or is too short
                for production.
        """
        value = self.header(name)
        self.refuse_short_secret(name, value)
        return value

    def header(self, name: str) -> str:
        """Return a value that is sent in a header and isn't secret; ConfigurationError as for `secret`."""
        value = self.text(name)
        if not (value.isascii() and value.isprintable()):
            raise ConfigurationError(f"{name}: holds characters other than printable ASCII ones")
        return value

    def refuse_short_secret(self, name: str, value: str) -> None:
        """Raise ConfigurationError for a secret that is easy to guess and can't be masked reliably in histories."""
        if self.production and 0 < len(value) < SHORTEST_SECRET:
            raise ConfigurationError(f"{name}: a token or password of under {SHORTEST_SECRET} characters is no secret")

    def flag(self, name: str) -> bool:
        """Return whether a switch is on (1, true, yes, on); ConfigurationError for an unknown value."""
        word = self.text(name, "0").lower()
        if word not in {"1", "true", "yes", "on", "0", "false", "no", "off"}:
            raise ConfigurationError(f"{name}: {word!r} is neither 1 nor 0")
        return word in {"1", "true", "yes", "on"}

    def number(self, name: str, default: float, least: float, most: float) -> float:
        """Return a number within `least` and `most`; ConfigurationError otherwise."""
        raw = self.text(name, str(default))
        try:
            value = _number(raw)
        except ValueError as error:
            raise ConfigurationError(f"{name}: {raw!r} is not a number") from error
        if not least <= value <= most:  # also refuses NaN
            raise ConfigurationError(f"{name}: {raw} is not between {least:g} and {most:g}")
        return value

    def integer(self, name: str, default: int, least: int, most: int) -> int:
        """Return a whole number within `least` and `most`; ConfigurationError otherwise."""
        value = self.number(name, default, least, most)
        if value != int(value):
            raise ConfigurationError(f"{name}: {value:g} is not a whole number")
        return int(value)

    def time_zone(self) -> ZoneInfo:
        """Return the zone in which the shop writes times, `SHOP_TIME_ZONE`; UTC by default.

        Raises:
            ConfigurationError: it isn't known on this machine.
        """
        name = self.text("SHOP_TIME_ZONE", "UTC")
        try:
            return ZoneInfo(name)
        except (ValueError, OSError, LookupError) as error:  # no name of a zone, or none of this machine's
            raise ConfigurationError(f"SHOP_TIME_ZONE: {name!r} is no time zone such as Europe/Berlin") from error

    def timeouts(self, name: str, default: str = "1,3") -> Timeouts:
        """Return `connect,read` time-outs in seconds; each from 0.01 to 60."""
        raw = self.text(name, default)
        try:
            connect_seconds, read_seconds = (_number(part) for part in raw.split(","))
        except ValueError as error:
            raise ConfigurationError(
                f"{name}: {raw!r} is not two numbers of seconds such as 1,3 (connect, read)"
            ) from error
        # A minute is much longer than customers wait, and still much shorter than a worker's lease.
        if not (0.01 <= connect_seconds <= 60 and 0.01 <= read_seconds <= 60):
            raise ConfigurationError(f"{name}: {raw} is not between 0.01 and 60 seconds")
        return Timeouts(connect_seconds, read_seconds)

    def address(
        self,
        prefix: str,
        schemes: Mapping[str, bool],
        *,
        default: str = "",
        variable: str = "",
        permits: Collection[str] = (),
    ) -> str:
        """Return the address in `<prefix>_URL` (or `variable`) without a trailing slash; empty if it isn't set.

        Args:
            prefix: The system's prefix; `<prefix>_ALLOW_UNENCRYPTED=1` permits unencrypted addresses of other hosts.
            schemes: The known schemes, each with whether it is encrypted.
            default: The address if the variable isn't set.
            variable: The variable's name, if it isn't `<prefix>_URL`.
            permits: The parts that it may have besides scheme, host, port and path: `login`, `query`, `fragment`.

        Raises:
            ConfigurationError: an unknown scheme, no host, a part that isn't permitted, or an unencrypted address of
                another host in production.
        """
        name = variable or f"{prefix}_URL"
        raw = self.text(name, default)
        if not raw:
            return ""
        try:
            parts = urlsplit(raw)
            host, _port = parts.hostname, parts.port
        except ValueError as error:
            raise ConfigurationError(f"{name}: not an address") from error
        if any(character.isspace() or not character.isprintable() for character in raw):
            # Python's parser ignores some of them, so we would check another address than we call.
            raise ConfigurationError(f"{name}: has a blank or a control character in it")
        if parts.scheme not in schemes or not host:
            raise ConfigurationError(
                f"{name}: not an address that begins with {' or '.join(f'{s}://' for s in schemes)}"
            )
        if "login" in permits and "@" in parts.path + parts.query + parts.fragment:
            # The host ended inside a password, which would then be parsed as a port or a path, and be shown.
            raise ConfigurationError(f"{name}: has an @ after the host; in a password, write %40 for @, %2F for /")
        for word, found in _beside_the_path(parts).items():
            if found and word not in permits:
                raise ConfigurationError(f"{name}: has {BESIDE_THE_PATH[word]} in it, which is used nowhere")
        if self.production and is_link_local(host):
            raise ConfigurationError(f"{name}: link-local addresses are not systems of ours")
        encrypted = schemes[parts.scheme] or is_loopback(host)
        if self.production and not encrypted and not self.flag(f"{prefix}_ALLOW_UNENCRYPTED"):
            raise ConfigurationError(
                f"{name}: {parts.scheme}:// to another host is not encrypted; "
                f"set {prefix}_ALLOW_UNENCRYPTED=1 if that is meant"
            )
        return raw.rstrip("/")


def _beside_the_path(parts: SplitResult) -> Mapping[str, bool]:
    login = parts.username is not None or parts.password is not None
    return {"login": login, "query": bool(parts.query), "fragment": bool(parts.fragment)}


def is_loopback(host: str) -> bool:
    """Return whether a host name or address is this machine's loopback."""
    address = _address(host)
    return host == "localhost" or (address is not None and address.is_loopback)


def is_link_local(host: str) -> bool:
    """Return whether a host is a link-local address, where cloud providers keep machine credentials."""
    address = _address(host)
    return address is not None and address.is_link_local


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """Return a host as an address, in any spelling that the system's resolver accepts; None for a name."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        try:
            # 2852039166, 0xa9fea9fe and 169.254.43518 are all 169.254.169.254.
            return ipaddress.IPv4Address(socket.inet_aton(host))
        except (OSError, ValueError):
            return None
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        return address.ipv4_mapped
    return address


def _number(raw: str) -> float:
    """Return a number written in plain digits; ValueError for anything else, such as forms that only Python accepts."""
    if not raw.isascii() or "_" in raw:
        raise ValueError(raw)
    return float(raw)
