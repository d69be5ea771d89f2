"""Where messages may go: addresses that are checked at every connection."""

from __future__ import annotations

import datetime
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from engine.language.local_address import LocalTransport, is_local
from engine.language.model import SEND_ELSEWHERE, ModelSettings
from engine.language.server import ModelServer
from tests.contract.http_double import says, speaking
from tests.contract.test_model_child import parse_json


@asynccontextmanager
async def asking(url: str, *addresses: str, **more: str) -> AsyncIterator[ModelServer]:
    """A server whose name has these addresses; one list after the other when there are ``|``."""
    turns = [turn.split() for turn in " ".join(addresses).split("|")]

    async def look_up(_host: str, _port: int) -> list[str]:
        return turns.pop(0) if len(turns) > 1 else turns[0]

    server = ModelServer(ModelSettings(shipped=False, url=url, deadline_s=2, **more), look_up)
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


PUBLIC = ("192.0.2.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "2001:db8::1", "fe80::1%lo")


@pytest.mark.parametrize("public", PUBLIC)
async def test_a_name_with_an_address_outside_is_refused(public: str) -> None:
    async with speaking(says(parse_json())) as speaker:
        url = speaker.url.replace("127.0.0.1", "models.example")
        for addresses in ((public,), ("127.0.0.1", public), (public, "127.0.0.1")):
            async with asking(url, *addresses) as server:
                assert not server.ok
                assert "is not a local address: no message is sent there" in server.detail
                assert await server.complete("restart pay-was-01") is None
        assert (speaker.posted, speaker.looks) == ([], 0)


async def test_a_name_that_changes_its_address_is_refused_then() -> None:
    async with speaking(says(parse_json())) as speaker:
        url = speaker.url.replace("127.0.0.1", "models.example")
        async with asking(url, "127.0.0.1", "|", "127.0.0.1", "|", "192.0.2.1") as server:
            assert server.ok
            assert await server.complete("restart pay-was-01") is not None
            assert await server.complete("restart pay-was-01") is None
            assert "192.0.2.1, which is not a local address" in server.detail
        assert len(speaker.posted) == 1
        assert speaker.posted[0].headers["host"].startswith("models.example:")


async def test_a_plain_http_server_outside_is_refused_even_where_a_remote_one_is_allowed() -> None:
    async with asking(
        "http://models.example/v1", "192.0.2.1", allow_remote_server=SEND_ELSEWHERE
    ) as server:
        assert not server.stays_local
        assert "no message is sent there" in server.detail


async def test_the_next_address_is_tried_and_no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    async with speaking(says(parse_json())) as proxy, speaking(says(parse_json())) as speaker:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, proxy.url.removesuffix("/v1"))
        url = speaker.url.replace("127.0.0.1", "models.example")
        async with asking(url, "127.9.9.9", "127.0.0.1") as server:
            assert server.stays_local
            assert await server.complete("restart pay-was-01") == parse_json()
        assert (proxy.posted, proxy.looks) == ([], 0)


async def test_ipv6_and_the_systems_own_names() -> None:
    for host, name in (("::1", "[::1]"), ("127.0.0.1", "localhost")):
        async with speaking(says(parse_json()), host) as speaker:
            port = speaker.url.rpartition(":")[2]
            server = ModelServer(ModelSettings(shipped=False, url=f"http://{name}:{port}"))
            await server.start()
            assert server.ok, server.detail
            await server.stop()
    server = ModelServer(ModelSettings(shipped=False, url="http://no-such-name.invalid/v1"))
    await server.start()
    assert "no address is known for no-such-name.invalid" in server.detail
    await server.stop()


LOCAL = {
    "127.0.0.1": True, "127.255.0.9": True, "10.0.0.1": True, "172.16.0.1": True,
    "172.31.255.255": True, "192.168.3.4": True, "::1": True, "fd12:3456::1": True,
    "::ffff:10.0.0.1": True, "172.32.0.1": False, "11.0.0.1": False, "169.254.169.254": False,
    "100.64.0.1": False, "0.0.0.0": False, "255.255.255.255": False, "224.0.0.1": False,
    "8.8.8.8": False, "::": False, "fe80::1": False, "fe80::1%eth0": False, "2001:db8::1": False,
    "::ffff:8.8.8.8": False, "64:ff9b::a00:1": False, "2002:a00:1::": False, "ff02::1": False,
    "": False, "localhost": False, "127.1": False, "2130706433": False, "0x7f.1": False,
}  # fmt: skip


@pytest.mark.parametrize("address", LOCAL)
def test_what_is_local(address: str) -> None:
    assert is_local(address) is LOCAL[address]


def certificate(folder: Path, name: str) -> Path:
    """A certificate for one name, with its key, signed by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = folder / f"{name}.pem"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + made.public_bytes(serialization.Encoding.PEM)
    )
    return path


async def test_the_certificate_is_checked_against_the_name(tmp_path: Path) -> None:
    """The connection goes to an address, yet the name is what the server must prove."""
    path = certificate(tmp_path, "models.example")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)

    async def look_up(_host: str, _port: int) -> list[str]:
        return ["127.0.0.1"]

    trusting = ssl.create_default_context(cafile=path)
    async with speaking(says(parse_json()), tls=context) as speaker:
        port = speaker.url.removesuffix("/v1").rpartition(":")[2]
        inner = httpx.AsyncHTTPTransport(verify=trusting, trust_env=False)
        transport = LocalTransport(inner, look_up, anywhere=False)
        async with httpx.AsyncClient(transport=transport, trust_env=False) as client:
            answer = await client.get(f"https://models.example:{port}/v1/models")
            assert answer.status_code == 200
            with pytest.raises(httpx.ConnectError, match="Hostname mismatch"):
                await client.get(f"https://another.example:{port}/v1/models")
        # A server whose certificate nobody signed is not spoken to.
        url = f"https://models.example:{port}/v1"
        async with asking(url, "127.0.0.1", allow_remote_server=SEND_ELSEWHERE) as server:
            assert not server.ok
            assert "CERTIFICATE_VERIFY_FAILED" in server.detail
