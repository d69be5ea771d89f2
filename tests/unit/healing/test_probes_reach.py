"""Probes over TCP and HTTP: what is well, what is not, and what cannot be told."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from engine.healing.checks import Check
from engine.healing.probes import Finding, Prober
from engine.healing.reach import LARGEST_PAGE
from prompts.texts import say
from tests.contract.test_model_address import certificate
from tests.integration.demo_stage import Stage, staged
from tests.unit.healing.far_side import page, pages, silence


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    async with staged(tmp_path) as ready:
        yield ready


def words(finding: Finding) -> str:
    return say(finding.detail, "en")


async def looked(stage: Stage, **settings: Any) -> Finding:
    check = Check("it", **{"timeout_s": 5, **settings})
    return await Prober(stage.planner, stage.runner, [check]).check("it")


async def test_a_port_that_answers_and_one_that_does_not(stage: Stage) -> None:
    async with silence() as port:
        well = await looked(stage, kind="tcp", address="127.0.0.1", port=port)
    ill = await looked(stage, kind="tcp", address="127.0.0.1", port=port)
    assert (well.ok, words(well)) == (True, f"127.0.0.1:{port} takes connections.")
    assert ill.ok is False
    assert words(ill).startswith(f"127.0.0.1:{port} cannot be reached: ")


async def test_the_address_of_a_port_is_its_assets_when_none_is_given(stage: Stage) -> None:
    port = stage.inventory.assets["WAS-01"].port
    found = await looked(stage, kind="tcp", asset="WAS-01", port=port)
    assert (found.ok, found.probe) == (True, "it")


async def test_a_name_that_is_none_cannot_be_told(stage: Stage) -> None:
    found = await looked(stage, kind="tcp", address="no-such-host.invalid", port=80)
    assert found.ok is None
    assert "Could not resolve host no-such-host.invalid" in words(found)


@pytest.mark.parametrize(
    ("path", "wanted", "ok", "said"),
    [
        ("/ok", {}, True, "HTTP 200"),
        ("/ok", {"status": (204, 503)}, False, "HTTP 200"),
        ("/down", {}, False, "HTTP 503"),
        ("/down", {"status": (503,)}, True, "HTTP 503"),
        ("/missing", {}, False, "HTTP 404"),
        ("/ok", {"contains": "상태: 정상"}, True, "HTTP 200"),
        ("/big5", {"contains": "正常"}, True, "HTTP 200"),
        ("/odd", {"contains": "fine"}, True, "HTTP 200"),
        ("/ok", {"contains": "green"}, False, "HTTP 200, but the page does not hold “green”."),
        ("/here", {}, True, "HTTP 200"),
        ("/here", {"contains": "정상"}, True, "HTTP 200"),
        ("/here", {"status": (302,)}, True, "HTTP 302"),
        ("/away", {}, True, "HTTP 302"),
        ("/away", {"status": (200,)}, False, "HTTP 302"),
        ("/round", {}, False, "More than 3 redirects."),
        ("/file", {"status": (200,)}, False, "HTTP 302"),
    ],
)
async def test_pages(stage: Stage, path: str, wanted: dict[str, Any], ok: bool, said: str) -> None:
    answers = {
        "/ok": page("<p>상태: 정상".encode()),
        "/big5": page("正常".encode("big5"), "200 OK", "Content-Type: text/html; charset=big5"),
        "/odd": page(b"fine", "200 OK", "Content-Type: text/html; charset=no-such"),
        "/down": page(b"", "503 Service Unavailable"),
        "/here": page(b"", "302 Found", "Location: /ok"),
        "/away": page(b"", "302 Found", "Location: http://169.254.169.254/latest/meta-data"),
        "/round": page(b"", "302 Found", "Location: /round"),
        "/file": page(b"", "302 Found", "Location: file:///etc/passwd"),
    }
    async with pages(answers) as (port, asked):
        found = await looked(stage, kind="http", url=f"http://127.0.0.1:{port}{path}", **wanted)
    assert (found.ok, words(found)) == (ok, said)
    assert len(asked) <= 4


async def test_a_redirect_to_another_port_is_another_server(stage: Stage) -> None:
    async with pages({"/": page(b"secret")}) as (other, asked):
        away = page(b"", "302 Found", f"Location: http://127.0.0.1:{other}/")
        async with pages({"/": away}) as (port, _):
            found = await looked(stage, kind="http", url=f"http://127.0.0.1:{port}/", status=(200,))
    assert found.ok is False
    assert asked == []


async def test_no_more_of_a_page_is_read_than_the_cap(stage: Stage) -> None:
    huge = b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * (LARGEST_PAGE + 5) + b"needle"
    near = b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * (LARGEST_PAGE - 6) + b"needle"
    async with pages({"/huge": huge, "/near": near}) as (port, _):
        url = f"http://127.0.0.1:{port}"
        far = await looked(stage, kind="http", url=f"{url}/huge", contains="needle")
        at_the_end = await looked(stage, kind="http", url=f"{url}/near", contains="needle")
    assert (far.ok, at_the_end.ok) == (False, True)


@pytest.mark.parametrize("answer", [b"", b"SSH-2.0-OpenSSH_9.2\r\n", b"HTTP/1.1 200"])
async def test_what_is_no_page_is_not_well(stage: Stage, answer: bytes) -> None:
    async with pages({"/?token=hush": answer}) as (port, _):
        found = await looked(stage, kind="http", url=f"http://127.0.0.1:{port}/?token=hush")
    assert found.ok is False
    assert f"http://127.0.0.1:{port} cannot be reached" in words(found)
    assert "hush" not in words(found)


async def test_a_page_that_does_not_come_in_time_is_not_well(stage: Stage) -> None:
    async with silence() as port:
        found = await looked(
            stage, kind="http", url=f"http://127.0.0.1:{port}/", timeout_s=0.2, every_s=1
        )
    assert (found.ok, words(found)) == (False, "Timed out: no answer within 0.2 s.")


@asynccontextmanager
async def self_signed(folder: Path) -> AsyncIterator[int]:
    """A TLS server whose certificate nobody signed."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate(folder, "localhost"))
    async with pages({"/": page(b"")}, context) as (port, _):
        yield port


async def test_https_needs_a_certificate_that_is_trusted(stage: Stage, tmp_path: Path) -> None:
    async with self_signed(tmp_path) as port:
        found = await looked(stage, kind="http", url=f"https://localhost:{port}/")
    assert found.ok is False
    assert "CERTIFICATE_VERIFY_FAILED" in words(found)
