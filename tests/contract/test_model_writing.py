"""The model's file words texts in a process of its own, which ends when there is no work."""

from __future__ import annotations

import asyncio
from pathlib import Path

from engine.knowledge.writing import Writer
from engine.language.model import ModelSettings
from tests.contract.test_model_child import parse_json
from tests.contract.tiny_guided import write_ticket_model
from tests.contract.tiny_model import EVERY_TURN, write_model
from tests.unit.bot.conftest import until

FACTS = {"title": "t", "body": "b", "language": "ko", "most": 3}


async def test_an_instruct_file_words_a_text_and_is_let_go(tmp_path: Path) -> None:
    path = write_model(tmp_path / "tiny.gguf", "풀이 가득 찼습니다.", template=EVERY_TURN)
    writer = Writer(ModelSettings(path=path), 30.0, idle_s=0.05)
    assert await writer.write("write_questions.j2", **FACTS) == "풀이 가득 찼습니다."
    first = writer.pid
    await until(lambda: writer.pid is None)
    assert await writer.write("write_questions.j2", **FACTS) == "풀이 가득 찼습니다."
    assert first is not None
    await writer.stop()
    assert writer.pid is None


async def test_the_model_that_fills_in_forms_writes_nothing(tmp_path: Path) -> None:
    path = write_ticket_model(tmp_path / "tiny.gguf", "LOG", "CRITICAL")
    writer = Writer(ModelSettings(path=path), 30.0)
    assert await writer.write("write_questions.j2", **FACTS) is None
    await writer.stop()


async def test_a_file_that_is_none_gives_nothing(tmp_path: Path) -> None:
    path = tmp_path / "none.gguf"
    path.write_text("no model")
    writer = Writer(ModelSettings(path=path), 5.0)
    assert await writer.write("write_questions.j2", **FACTS) is None
    assert "not a GGUF file" in writer.state
    await writer.stop()


async def test_texts_are_worded_one_after_the_other(tmp_path: Path) -> None:
    path = write_model(tmp_path / "tiny.gguf", parse_json(), template=EVERY_TURN)
    writer = Writer(ModelSettings(path=path), 30.0)
    asked = (writer.write("write_questions.j2", **FACTS) for _ in range(3))
    assert await asyncio.gather(*asked) == [parse_json()] * 3
    await writer.stop()
