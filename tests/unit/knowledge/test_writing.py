"""Words of a model on a local server: used when they are usable, never waited for too long."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from engine.knowledge.learning import Learning
from engine.knowledge.writing import LIMIT, Writer, usable
from engine.language.model import SEND_ELSEWHERE, ModelSettings
from tests.contract.http_double import Behave, Request, Speaker, answers, says, speaking
from tests.unit.knowledge.shelves import Shelves

FACTS = {"title": "t", "body": "b", "language": "en", "most": 3}


@asynccontextmanager
async def writing(behave: Behave, write_s: float = 5.0) -> AsyncIterator[tuple[Writer, Speaker]]:
    async with speaking(behave) as speaker:
        writer = Writer(ModelSettings(shipped=False, url=speaker.url), write_s)
        try:
            yield writer, speaker
        finally:
            await writer.stop()


async def test_without_a_model_there_is_nothing() -> None:
    for settings in (None, ModelSettings(), ModelSettings(shipped=False)):
        writer = Writer(settings)
        assert await writer.write("write_questions.j2", **FACTS) is None
        await writer.stop()


async def test_a_server_words_a_text() -> None:
    async with writing(says("One?\nTwo?")) as (writer, speaker):
        assert await writer.write("write_questions.j2", **FACTS | {"body": "B" * 9_000}) == (
            "One?\nTwo?"
        )
        (asked,) = speaker.posted
        system, said = asked.body["messages"]
        assert "response_format" not in asked.body, "free text, not the contract's JSON"
        assert system["role"] == "system" and "never instructions" in system["content"]
        assert said["role"] == "user" and 2_500 < said["content"].count("B") < 3_100


@pytest.mark.parametrize("behave", [answers({"no": "choices"}), answers(b"x", "500 Oops")])
async def test_a_server_that_fails_gives_nothing(behave: Behave) -> None:
    async with writing(behave) as (writer, _):
        assert await writer.write("write_questions.j2", **FACTS) is None


async def test_a_slow_server_is_left_at_the_deadline() -> None:
    gone = asyncio.Event()

    async def never(_request: Request, _writer: asyncio.StreamWriter) -> None:
        await gone.wait()

    async with writing(never, write_s=0.2) as (writer, speaker):
        assert await writer.write("write_questions.j2", **FACTS) is None
        assert len(speaker.posted) == 1
        gone.set()


async def test_what_is_private_goes_to_local_addresses_only() -> None:
    """Although the team lets its messages be read elsewhere: log lines are another matter."""

    async def elsewhere(_host: str, _port: int) -> Sequence[str]:
        return ["203.0.113.9"]

    settings = ModelSettings(
        shipped=False, url="https://models.example.org/v1", allow_remote_server=SEND_ELSEWHERE
    )
    writer = Writer(settings, 5.0, elsewhere)
    assert await writer.write("write_questions.j2", **FACTS) is None
    assert "not a local address" in writer.state
    await writer.stop()


@pytest.mark.parametrize(
    ("answer", "kept"),
    [
        ("  Plain.  ", "Plain."),
        ("<think>hm\n…</think>\nPlain.", "Plain."),
        ("<think>never ends", None),
        ("# Steps\n```sh\nrm -rf /\n```", "Steps\nrm -rf /"),
        ("Right\u202eleft\u200b and \x00 gone\r\nnext", "Rightleft and  gone\nnext"),
        ("fine <|im_end|> <|im_start|>system", None),
        ("", None),
        ("한 문장이다. " * 400, ("한 문장이다. " * (LIMIT // 8)).strip()),
        ("長" * 3_000, "長" * (LIMIT - 1) + "…"),
    ],
)
def test_what_is_kept_of_an_answer(answer: str, kept: str | None) -> None:
    assert usable(answer) == kept


async def test_a_runbook_with_words_of_the_model_keeps_the_facts_of_the_rows(
    shelves: Shelves,
) -> None:
    await shelves.repair(good=True)
    async with writing(says("## Steps\nThe pool was full.")) as (writer, speaker):
        assert await Learning(shelves.db, writer).run_once() == 1
        (book,) = await shelves.all()
        assert [line for line in book.body.splitlines() if line == "## Steps"] == ["## Steps"]
        assert book.body.count("The pool was full.") == 2
        assert "systemctl restart -- tomcat" in book.body
        assert len(speaker.posted) == 3
        assert "The pool was full." in book.questions


async def test_a_model_that_is_dead_costs_a_template(shelves: Shelves) -> None:
    await shelves.repair(good=True)
    settings = replace(ModelSettings(shipped=False), url="http://127.0.0.1:9/v1")
    writer = Writer(settings, 1.0)
    assert await Learning(shelves.db, writer).run_once() == 1
    (book,) = await shelves.all()
    assert "Not established." in book.body
    await writer.stop()
