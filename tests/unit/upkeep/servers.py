"""TLS servers on loopback, with certificates that end when a test says."""

from __future__ import annotations

import asyncio
import ipaddress
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


def make_certificate(
    folder: Path, ends: datetime, names: Sequence[str] = ("shop.example.org", "127.0.0.1", "::1")
) -> Path:
    """A self-signed certificate and its key in one PEM file."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(ends - timedelta(days=90))
        .not_valid_after(ends)
    )
    if names:
        made = made.add_extension(x509.SubjectAlternativeName([_name(n) for n in names]), False)
    signed = made.sign(key, hashes.SHA256())
    secret = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    path = folder / f"{signed.serial_number}.pem"
    path.write_bytes(signed.public_bytes(serialization.Encoding.PEM) + secret)
    return path


def _name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def utc(day: str) -> datetime:
    return datetime.fromisoformat(day).replace(tzinfo=UTC)


class TlsServer:
    """One server; ``present`` gives it another certificate, as a renewal does."""

    def __init__(self, certificate: Path) -> None:
        self.port = 0
        self.asked_for: list[str | None] = []
        """The names (SNI) that were asked for."""
        self.present(certificate)

    def present(self, certificate: Path) -> None:
        self._file = certificate
        self._current = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._current.load_cert_chain(certificate)

    @asynccontextmanager
    async def serving(self, host: str = "127.0.0.1") -> AsyncIterator[TlsServer]:
        outer = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)

        def choose(one: ssl.SSLObject, name: str | None, _: ssl.SSLContext) -> None:
            self.asked_for.append(name)
            one.context = self._current

        outer.sni_callback = choose  # type: ignore[assignment]
        # Only here for the handshake to begin with; the callback chooses the real one.
        outer.load_cert_chain(self._file)
        server = await asyncio.start_server(_silent, host, 0, ssl=outer)
        self.port = server.sockets[0].getsockname()[1]
        async with server:
            yield self


async def _silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()
    writer.close()
