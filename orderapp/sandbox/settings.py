"""The sandbox's settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from orderapp.systems.base import System
from orderapp.systems.keyed import KeyedSystem
from orderapp.systems.registry import plugin_modules, system_classes


@dataclass(frozen=True)
class KeyedDeclaration:
    """What must be known of a keyed system: `POST /v1/<collection>` answers `{<noun>: {"key", "state"}}`."""

    name: str
    collection: str
    noun: str
    done_state: str


def keyed_systems(kinds: Sequence[type[System]]) -> tuple[KeyedDeclaration, ...]:
    """Return the declarations of keyed systems; each gets its stand-in from them."""
    keyed = (kind for kind in kinds if issubclass(kind, KeyedSystem) and kind.sandbox is None)
    return tuple(KeyedDeclaration(one.name, one.collection, one.noun, one.done_state) for one in keyed)


@dataclass(frozen=True)
class SandboxSettings:
    """The state's file, the tokens, and durations. A system without a token accepts every caller."""

    data: Path
    kinds: tuple[type[System], ...] = field(default_factory=system_classes)  # the order service's systems
    tokens: Mapping[str, str] = field(default_factory=dict)  # bearer token by system name
    sms_account_sid: str = ""
    sms_auth_token: str = ""
    coupon_late_seconds: float = 10  # the contract's default: how late a cut-off redemption may still appear
    seed: int = 1  # of the random choices of faults, so that a run can be repeated
    demo_data: bool = True

    @classmethod
    def from_environment(cls, environ: Mapping[str, str], data: Path, seed: int = 1) -> SandboxSettings:
        """Read what the order service is configured with, so that both agree; ValueError for a bad number."""
        kinds = system_classes(plugin_modules(environ))
        names = [kind.name for kind in kinds]
        tokens = {name: environ.get(f"{name.upper()}_TOKEN", "").strip() for name in names}
        return cls(
            data=data,
            kinds=kinds,
            tokens={name: token for name, token in tokens.items() if token},
            sms_account_sid=environ.get("SMS_ACCOUNT_SID", ""),
            sms_auth_token=environ.get("SMS_AUTH_TOKEN", ""),
            coupon_late_seconds=float(environ.get("COUPON_LATE_SECONDS") or cls.coupon_late_seconds),
            seed=seed,
        )
