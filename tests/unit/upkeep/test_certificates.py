"""A look at real TLS servers: what they present, and what hinders the look."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509 import SubjectAlternativeName

from engine.upkeep import certificates
from engine.upkeep.certificates import Seen, look
from engine.upkeep.listed import Certificate
from prompts.texts import LANGUAGES, say
from tests.unit.upkeep.servers import TlsServer, make_certificate, utc

END = "2027-01-31T12:00:00"
END_MS = 1_801_396_800_000


async def looked(port: int, host: str = "127.0.0.1", servername: str = "", s: float = 5.0) -> Seen:
    seen = await look(Certificate("shop", host, port, servername), s)
    if seen.problem is not None:
        assert all(say(seen.problem, language) for language in LANGUAGES)
    return seen


def problem(seen: Seen) -> str:
    assert seen.problem is not None
    return seen.problem.key


async def test_the_end_of_a_certificate_that_nobody_signed(tmp_path: Path) -> None:
    server = TlsServer(make_certificate(tmp_path, utc(END)))
    async with server.serving():
        assert await looked(server.port) == Seen(END_MS)


async def test_an_expired_one_is_read_all_the_same(tmp_path: Path) -> None:
    server = TlsServer(make_certificate(tmp_path, utc("2020-02-29T00:00:00")))
    async with server.serving():
        assert await looked(server.port) == Seen(1_582_934_400_000)


async def test_the_name_is_asked_for_and_must_be_in_the_certificate(tmp_path: Path) -> None:
    server = TlsServer(make_certificate(tmp_path, utc(END)))
    async with server.serving():
        assert await looked(server.port, servername="shop.example.org") == Seen(END_MS)
        assert server.asked_for[-1] == "shop.example.org"
        other = await looked(server.port, servername="pay.example.org")
        assert (other.ends_at, problem(other)) == (END_MS, "upkeep_wrong_name")
        assert other.problem is not None and "shop.example.org" in say(other.problem, "en")


@pytest.mark.parametrize(
    ("names", "wanted", "fits"),
    [
        (["*.example.org"], "pay.example.org", True),
        (["*.example.org"], "a.pay.example.org", False),
        (["*.example.org"], "example.org", False),
        (["Pay.Example.ORG"], "pay.example.org", True),
        (["pay.example.org.evil.test"], "pay.example.org", False),
        ([], "pay.example.org", False),
        (["127.0.0.1"], "127.0.0.1", True),
        (["127.0.0.2"], "127.0.0.1", False),
    ],
)
async def test_which_names_fit(tmp_path: Path, names: list[str], wanted: str, fits: bool) -> None:
    server = TlsServer(make_certificate(tmp_path, utc(END), names))
    async with server.serving():
        seen = await looked(server.port, servername=wanted)
        assert (seen.ends_at, seen.problem is None) == (END_MS, fits)


async def test_over_ipv6(tmp_path: Path) -> None:
    server = TlsServer(make_certificate(tmp_path, utc(END)))
    async with server.serving("::1"):
        assert await looked(server.port, host="::1") == Seen(END_MS)


async def test_nobody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    assert problem(await looked(port)) == "upkeep_refused"


async def test_no_tls_is_spoken() -> None:
    async def speak(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail.example.org ESMTP\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(speak, "127.0.0.1", 0)
    async with server:
        seen = await looked(server.sockets[0].getsockname()[1])
    assert problem(seen) == "upkeep_handshake"


async def test_the_line_is_cut_in_the_handshake() -> None:
    async def cut(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.transport.abort()

    server = await asyncio.start_server(cut, "127.0.0.1", 0)
    async with server:
        seen = await looked(server.sockets[0].getsockname()[1])
    assert problem(seen) == "upkeep_handshake"


async def test_a_server_that_says_nothing_takes_no_longer_than_the_deadline() -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        seen = await looked(deaf.getsockname()[1], s=0.2)
    assert (seen.ends_at, problem(seen)) == (None, "upkeep_slow")


async def test_a_name_that_nobody_knows() -> None:
    assert problem(await looked(443, host="no-such-host.invalid")) == "upkeep_no_such_host"


async def test_a_name_that_is_none() -> None:
    assert problem(await looked(443, host=f"{'a' * 70}.example.org")) in (
        "upkeep_unreachable",
        "upkeep_no_such_host",
    )


def with_names(der: str) -> bytes:
    """A certificate whose list of names is these bytes."""
    key = ec.generate_private_key(ec.SECP256R1())
    raw = x509.UnrecognizedExtension(SubjectAlternativeName.oid, bytes.fromhex(der))
    made = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([]))
        .issuer_name(x509.Name([]))
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(utc("2026-01-01"))
        .not_valid_after(utc(END))
        .add_extension(raw, False)
    )
    return made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)


@pytest.mark.parametrize(
    ("der", "key"),
    [
        ("3004a3023000", "upkeep_unreadable"),  # an X.400 address
        ("3004a5023000", "upkeep_unreadable"),
        ("30048202fffe", "upkeep_unreadable"),
        ("67617262616765", "upkeep_unreadable"),
        ("300a8208610a621b5b33316d", "upkeep_wrong_name"),  # "a\nb\x1b[31m"
    ],
)
def test_names_that_cannot_be_read_hide_no_end(der: str, key: str) -> None:
    seen = certificates._read(with_names(der), Certificate("shop", "127.0.0.1"))
    assert (seen.ends_at, problem(seen)) == (END_MS, key)
    assert seen.problem is not None and say(seen.problem, "en").isprintable()


def test_an_ipv6_address_is_written_in_brackets() -> None:
    assert certificates.place(Certificate("shop", "::1", 8443)) == "[::1]:8443"
