"""The HTTP side: health, readiness, metrics."""

from __future__ import annotations

from collections.abc import Sequence

import httpx
import pytest
from fastapi import FastAPI

from bot import web
from bot.metrics import WAITING
from handlers.services import Link
from prompts.texts import text


def served(*links: Link) -> FastAPI:
    async def ready() -> Sequence[Link]:
        return links

    async def measure() -> None:
        WAITING.labels("inbox").set(7)

    return web.build([], ready, measure, None, None, "1.2.3")


async def get(app: FastAPI, path: str) -> httpx.Response:
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://bot") as client:
        return await client.get(path)


@pytest.mark.parametrize(
    ("links", "status"),
    [
        ((Link("database", True, "answers"), Link("slack", True, "connected")), 200),
        ((Link("database", True, "answers"), Link("slack", False, "no route")), 503),
        ((Link("database", True, "answers"), Link("model", False, "off", needed=False)), 200),
    ],
)
async def test_readiness_names_every_part(links: tuple[Link, ...], status: int) -> None:
    answer = await get(served(*links), "/readyz")
    assert answer.status_code == status
    assert {name: check["ok"] for name, check in answer.json()["checks"].items()} == {
        link.name: link.ok for link in links
    }


async def test_readiness_is_told_in_english() -> None:
    link = Link(text("link_web"), True, text("link_web_open", count=3))
    assert (await get(served(link), "/readyz")).json() == {
        "status": "ready",
        "checks": {"web": {"ok": True, "detail": "3 open connections"}},
    }


async def test_alive_is_not_ready() -> None:
    app = served(Link("database", False, "away"))
    assert (await get(app, "/healthz")).status_code == 200
    assert (await get(app, "/readyz")).status_code == 503


async def test_metrics_are_measured_when_they_are_asked_for() -> None:
    answer = await get(served(), "/metrics")
    assert 'watchstander_waiting{box="inbox"} 7.0' in answer.text
    assert "watchstander_sends_total" in answer.text


@pytest.mark.parametrize("path", ["/slack/events", "/telegram/webhook", "/docs"])
async def test_what_is_not_configured_is_not_there(path: str) -> None:
    assert (await get(served(), path)).status_code == 404
