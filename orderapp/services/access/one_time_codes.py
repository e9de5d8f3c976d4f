"""One-time codes: of a device, by the time (TOTP, RFC 6238), and for recovery."""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import re
import secrets

import pyotp

STEP_SECONDS = 30  # RFC 6238's, which all apps use
# A code counts in its own step, and in the one before and after it: people type slowly, and their clocks differ.
STEPS_OFF = (-1, 0, 1)
RECOVERY_BYTES = 10  # 80 random bits can't be guessed, even from their hash: SHA-256 without salt is enough
_CODE = re.compile(r"[0-9]{6}")


def new_secret() -> str:
    """Return a secret of 160 random bits, in base 32, as the RFC recommends."""
    return pyotp.random_base32()


def address_of(secret: str, email: str, shop: str) -> str:
    """Return the `otpauth:` address by which an app takes a secret over, under the names of account and shop."""
    return pyotp.TOTP(secret).provisioning_uri(name=email, issuer_name=shop)


def is_code(typed: str) -> bool:
    """Return whether a text has the form of a device's code. No password is that short."""
    return _CODE.fullmatch(_compact(typed)) is not None


def step_of(secret: str, typed: str, now: dt.datetime) -> int | None:
    """Return the time step that a code belongs to; None if it is wrong at this time.

    Args:
        secret: The device's.
        typed: The code as typed; blanks don't count.
        now: The database's time.
    """
    present, device = int(now.timestamp()) // STEP_SECONDS, pyotp.TOTP(secret)
    code = _compact(typed).encode(errors="surrogatepass")
    steps = (present + off for off in STEPS_OFF)
    return next((step for step in steps if secrets.compare_digest(_at(device, step), code)), None)


def new_recovery_code() -> str:
    """Return a recovery code, in groups of four letters and digits."""
    text = base64.b32encode(secrets.token_bytes(RECOVERY_BYTES)).decode()
    return "-".join(text[at : at + 4] for at in range(0, len(text), 4))


def hash_of_recovery_code(typed: str) -> str:
    """Return the hash under which a recovery code is stored; blanks, hyphens and capitals don't count."""
    return hashlib.sha256(_compact(typed).upper().encode(errors="surrogatepass")).hexdigest()


def _at(device: pyotp.TOTP, step: int) -> bytes:
    return device.at(step * STEP_SECONDS).encode()


def _compact(typed: str) -> str:
    return "".join(typed.replace("-", " ").split())
