"""A certificate of our own, made once: browsers give a camera only to pages that come over HTTPS or from this machine."""

from __future__ import annotations

import ipaddress
import socket
from contextlib import suppress
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING

from models import folders
from models.whole import replacing
from realtime.frame import RealtimeError

if TYPE_CHECKING:
    from cryptography.x509 import GeneralName

_DAYS = 390
_SPARE = timedelta(days=14)


def own_certificate(host: str) -> tuple[Path, Path]:
    """Certificate and key for this machine and the name `host`, made anew where they are missing, old or for another name.

    Both lie in swapcam's own folder, which only its owner may read.  Raises RealtimeError where that cannot be written.
    """
    folder = folders.own("studio")
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    try:
        if key.is_file() and _serves(certificate, host):
            return certificate, key
        folder.mkdir(parents=True, exist_ok=True)
        made, secret = _make(host)
        private(key, secret)
        private(certificate, made)
    except OSError as error:
        raise RealtimeError(f"No certificate can be written to {folder}: {error.strerror}; give one with --certificate.") from error
    return certificate, key


def private(path: Path, data: bytes) -> None:
    """Write a file that only its owner may read; raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as file:
        file.write(data)


def _serves(path: Path, host: str) -> bool:
    from cryptography import x509

    try:
        found = x509.load_pem_x509_certificate(path.read_bytes())
        names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (OSError, ValueError, x509.ExtensionNotFound):
        return False
    fresh = found.not_valid_after_utc > datetime.now(timezone.utc) + _SPARE
    known = {str(name.value) for name in names}
    return fresh and _names(host) <= known


def _names(host: str) -> set[str]:
    """What this machine may be called by a browser."""
    names = {"localhost", "127.0.0.1", "::1", socket.gethostname(), f"{socket.gethostname()}.local"}
    return (names | {host, own_address()}) - {"", "0.0.0.0", "::"}


def own_address() -> str:
    """The address by which others on the network reach this machine; "" where there is none."""
    with suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        # Asks nobody: a datagram socket only looks up by which address it would send.
        probe.connect(("192.0.2.1", 9))
        return str(probe.getsockname()[0])
    return ""


def _make(host: str) -> tuple[bytes, bytes]:
    """Certificate and key as PEM."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "swapcam studio")])
    now = datetime.now(timezone.utc)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=_DAYS))
        .add_extension(x509.SubjectAlternativeName([_general(entry) for entry in sorted(_names(host))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(key, hashes.SHA256())
    )
    secret = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return made.public_bytes(serialization.Encoding.PEM), secret


def _general(name: str) -> GeneralName:
    from cryptography import x509

    with suppress(ValueError):
        return x509.IPAddress(ipaddress.ip_address(name))
    return x509.DNSName(name.encode("idna").decode() if not name.isascii() else name)


__all__ = ["own_address", "own_certificate", "private"]
