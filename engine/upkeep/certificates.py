"""When a server's certificate ends: one handshake, nothing sent, nothing trusted.

A certificate that is expired or signed by nobody known is read all the same: that is what the look
is for.  So the answer says when it ends, and never that the server is to be believed.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import ssl
from dataclasses import dataclass
from datetime import UTC

from cryptography import x509

from engine.upkeep.listed import Certificate
from prompts.texts import Text, text
from storage import failpoints

_LONGEST = 200


@dataclass(frozen=True)
class Seen:
    """What a look found."""

    ends_at: int | None
    """Milliseconds since 1970; None = it could not be read."""
    problem: Text | None = None


async def look(certificate: Certificate, deadline_s: float) -> Seen:
    """Look at one certificate. Never raises for what a server does."""
    try:
        async with asyncio.timeout(deadline_s):
            failpoints.before("probe.certificate")
            presented = await _presented(certificate)
            failpoints.after("probe.certificate")
    except TimeoutError:
        return Seen(None, text("upkeep_slow", where=place(certificate), seconds=deadline_s))
    except ConnectionRefusedError:
        return Seen(None, text("upkeep_refused", where=place(certificate)))
    except socket.gaierror:
        return Seen(None, text("upkeep_no_such_host", host=certificate.host))
    except (ssl.SSLError, ConnectionError, asyncio.IncompleteReadError) as error:
        why = getattr(error, "reason", "") or type(error).__name__
        return Seen(None, text("upkeep_handshake", where=place(certificate), why=str(why)))
    except (OSError, UnicodeError) as error:
        why = getattr(error, "strerror", None) or str(error)
        return Seen(None, text("upkeep_unreachable", where=place(certificate), why=why[:_LONGEST]))
    return _read(presented, certificate)


def _read(presented: bytes, certificate: Certificate) -> Seen:
    ends_at = None
    try:
        found = x509.load_der_x509_certificate(presented)
        ends_at = int(found.not_valid_after_utc.astimezone(UTC).timestamp() * 1000)
        names = [_shown(name) for name in _names(found)]
    except (ValueError, x509.DuplicateExtension, x509.UnsupportedGeneralNameType) as error:
        why = _shown(str(error))[:_LONGEST]
        return Seen(ends_at, text("upkeep_unreadable", where=place(certificate), why=why))
    if any(_fits(certificate.wanted, name) for name in names):
        return Seen(ends_at)
    shown = ", ".join(names[:3])[:_LONGEST] + ("…" if len(names) > 3 else "")
    return Seen(ends_at, text("upkeep_wrong_name", wanted=certificate.wanted, names=shown))


async def _presented(certificate: Certificate) -> bytes:
    """The server's own certificate, DER."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    # The end of an old server's certificate matters as much; no secret goes over this connection.
    context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    _, writer = await asyncio.open_connection(
        certificate.host, certificate.port, ssl=context, server_hostname=certificate.wanted
    )
    try:
        found: bytes | None = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    finally:
        writer.transport.abort()
    if found is None:
        raise ssl.SSLError(0, "no certificate")
    return found


def _names(found: x509.Certificate) -> list[str]:
    """The names that the certificate is for."""
    try:
        named = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    addresses = named.get_values_for_type(x509.IPAddress)
    return [*named.get_values_for_type(x509.DNSName), *map(str, addresses)]


def _fits(wanted: str, name: str) -> bool:
    """Whether a name of the certificate is the wanted one; ``*`` stands for one first part."""
    try:
        return ipaddress.ip_address(wanted) == ipaddress.ip_address(name)
    except ValueError:
        pass
    wanted, name = wanted.lower().rstrip("."), name.lower().rstrip(".")
    if name.startswith("*."):
        first, _, rest = wanted.partition(".")
        return bool(first) and rest == name[2:]
    return wanted == name


def _shown(said: str) -> str:
    """Words of a server, with characters that hide or break lines as visible escapes."""
    return "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in said)


def place(certificate: Certificate) -> str:
    """Where it is, as people write it: an IPv6 address in brackets."""
    host = f"[{certificate.host}]" if ":" in certificate.host else certificate.host
    return f"{host}:{certificate.port}"
