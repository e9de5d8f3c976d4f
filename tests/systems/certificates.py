"""Certificates for servers on loopback, made with openssl."""

from __future__ import annotations

import shutil
import ssl
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.servers.loopback import HOST


@dataclass(frozen=True)
class Certificate:
    """A self-signed certificate. Whoever has it as an authority trusts it, nobody else does."""

    path: Path
    key_path: Path

    def server_context(self) -> ssl.SSLContext:
        """Return what a server needs to show it."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.path, self.key_path)
        return context


def make_certificate(folder: Path, name: str = f"IP:{HOST}") -> Certificate:
    """Make a certificate for a name; skips the test where there is no openssl."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("openssl is not installed; `apt-get install openssl` installs it")
    made = Certificate(folder / "certificate.pem", folder / "key.pem")
    command = f"{openssl} req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=test"
    files = ["-addext", f"subjectAltName={name}", "-keyout", str(made.key_path), "-out", str(made.path)]
    subprocess.run([*command.split(), *files], check=True, capture_output=True)
    return made
