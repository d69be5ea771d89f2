"""What a new request is suggested to be: by a real model in its child process, asked in time."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest

from engine.language.model import ModelSettings
from handlers.card import Field
from prompts.texts import say, text
from storage import requests
from storage.database import Database
from storage.requests import Request
from tests.conftest import FakeClock
from tests.contract.tiny_guided import write_ticket_model
from tests.unit.bot.conftest import until
from tests.unit.handlers.stage import Stage

Speaking = Callable[..., AbstractAsyncContextManager[Stage]]
NEW = "sr new WAS 재기동 부탁 | 천천히 하셔도 됩니다"  # RESTART and LOW by keywords


@pytest.fixture
def speaking(db: Database, clock: FakeClock, tmp_path: Path) -> Speaking:
    """A stage whose reader has a model that calls every request by one intent, CRITICAL."""

    @asynccontextmanager
    async def on_stage(intent: str = "LOG", deadline_s: float = 30) -> AsyncIterator[Stage]:
        path = write_ticket_model(tmp_path / "tiny.gguf", intent, "CRITICAL")
        stage = Stage(db, clock, tmp_path, ModelSettings(path, deadline_s=deadline_s))
        await stage.start()
        await stage.services.reader.start()
        try:
            yield stage
        finally:
            await stage.stop()
            await stage.services.reader.stop()

    return on_stage


async def made(stage: Stage) -> list[Request]:
    async with stage.db.read() as tx:
        return await requests.listing(tx)


async def suggested(stage: Stage) -> tuple[str, str, str]:
    (request,) = await made(stage)
    assert request.suggestion is not None
    assert (request.type, request.priority) == (None, None)
    found = request.suggestion
    return found["type"], found["priority"], found["source"]


def asked(stage: Stage) -> int:
    """How often the model was asked."""
    return stage.services.reader.model._asked


def child(stage: Stage) -> int:
    pid = stage.services.reader.model.pid
    assert pid is not None
    return pid


@pytest.mark.parametrize(
    ("kind", "line"),
    [("command", f"/{NEW}"), ("command", f"/ws {NEW}"), ("words", NEW), ("words", f"/{NEW}")],
)
async def test_a_command_that_opens_a_request_shows_what_the_model_suggests(
    speaking: Speaking, kind: str, line: str
) -> None:
    async with speaking() as stage:
        (card,) = await stage.does("min", kind, line)
        assert await suggested(stage) == ("LOG", "CRITICAL", "model")
        assert asked(stage) == 1
        label = say(text("request_field_suggestion"), "ko")
        shown = say(text("request_suggestion", type="LOG", priority="CRITICAL"), "ko")
        assert Field(label, shown) in card.fields


async def test_a_question_in_words_opens_a_request_with_the_models_suggestion(
    speaking: Speaking,
) -> None:
    async with speaking("INQUIRY") as stage:
        said = "VPN 신청은 어떻게 하나요?\n천천히 알려 주세요"
        await stage.hears("min", "words", said, "inquiry_opened", key="SR-20261120-0001")
        assert await suggested(stage) == ("INQUIRY", "CRITICAL", "model")
        assert asked(stage) == 2  # what the words mean, and what the request is


async def test_only_for_a_request_that_somebody_listed_opens_is_the_model_asked(
    speaking: Speaking,
) -> None:
    async with speaking() as stage:
        for kind, line in (
            ("command", "/sr list"),
            ("command", "/sr new"),
            ("command", "/sr new | no title"),
            ("command", "/sr close 1 new"),
            ("command", "/nonsense new x"),
            ("command", "/whoami new x"),
            ("command", "/sr new " + "x" * 4_000),
            ("overheard", NEW),
            ("button", NEW),
        ):
            await stage.does("min", kind, line)
        await stage.does("mallory", "command", f"/{NEW}")
        await stage.does("mallory", "words", NEW)
        assert (asked(stage), await made(stage)) == (0, [])


async def test_no_transaction_is_open_while_the_model_thinks(speaking: Speaking) -> None:
    async with speaking() as stage:
        os.kill(child(stage), signal.SIGSTOP)
        await stage.keep({"kind": "command", "user": "min", "text": f"/{NEW}"})
        await until(lambda: asked(stage) == 1)
        async with asyncio.timeout(5), stage.db.write():
            pass  # SQLite has one writer: it is free
        # The pool counts only where it is a queue, as here; its base class does not.
        await until(lambda: stage.db._reader.pool.checkedout() == 0)  # type: ignore[attr-defined]
        await stage.keep({"kind": "command", "user": "jun", "text": "/unfreeze"})
        await until(lambda: [sent.user for sent in stage.platform.sent] == ["jun"])  # others go on
        assert await made(stage) == []
        os.kill(child(stage), signal.SIGCONT)
        await stage.settled()
        assert await suggested(stage) == ("LOG", "CRITICAL", "model")


async def test_a_model_that_is_too_slow_leaves_the_keywords(speaking: Speaking) -> None:
    async with speaking(deadline_s=0.5) as stage:
        os.kill(child(stage), signal.SIGSTOP)
        await stage.does("min", "command", f"/{NEW}")
        assert await suggested(stage) == ("RESTART", "LOW", "keywords")


async def test_a_model_that_died_leaves_the_keywords(speaking: Speaking) -> None:
    async with speaking() as stage:
        os.kill(child(stage), signal.SIGKILL)
        await stage.does("min", "command", f"/{NEW}")
        assert await suggested(stage) == ("RESTART", "LOW", "keywords")


async def test_without_a_model_the_keywords_suggest(stage: Stage) -> None:
    await stage.does("min", "command", f"/{NEW}")
    assert await suggested(stage) == ("RESTART", "LOW", "keywords")
