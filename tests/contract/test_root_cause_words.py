"""A model words a root cause: a real server's answer, beside the facts, or nothing at all."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from engine.insight.wording import worded
from engine.knowledge.writing import Writer
from engine.language.model import ModelSettings
from handlers.explaining import Explaining, Question
from handlers.inbound import Event, EventKind, RoomAddress, Speaker
from prompts.texts import text
from storage import outbox, rooms
from storage.database import Database
from tests.conftest import FakeClock
from tests.contract.http_double import Speaker as Server
from tests.contract.http_double import says, speaking
from tests.unit.insight.scene import Scene


@pytest.fixture
async def scene(db: Database, clock: FakeClock, tmp_path: Path) -> Scene:
    found = Scene(db, clock, tmp_path)
    await found.start()
    return found


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    async with speaking(says("")) as found:
        yield found


@pytest.fixture
async def writer(server: Server) -> AsyncIterator[Writer]:
    found = Writer(ModelSettings(url=server.url, shipped=False), write_s=5)
    yield found
    await found.stop()


async def test_the_model_sees_the_facts_and_its_words_come_back(
    scene: Scene, server: Server, writer: Writer
) -> None:
    made = await scene.action("PAY-WAS-01")
    scene.clock.forward(minutes=1)
    incident = await scene.incident("PAY-WAS-01")
    server.behave = says(
        f"Most likely action #{made.id} caused {incident.key}. Look at PAY-WAS-01."
    )
    words = await worded(writer, await scene.ask(incident), "en")
    assert words is not None and words.startswith("Most likely")
    asked = server.posted[-1].body["messages"][-1]["content"]
    assert incident.key in asked and f"#{made.id}" in asked and "PAY-WAS-01" in asked


@pytest.mark.parametrize(
    "invented",
    [
        "INC-20261120-0099 caused it.",
        "Action #99 caused it.",
        "Restart host pay-was-9 now.",
        "It has been down for 37 minutes.",
        "조치 99번이 원인입니다.",
    ],
)
async def test_words_with_a_key_number_or_host_that_is_no_fact_are_dropped(
    scene: Scene, server: Server, writer: Writer, invented: str
) -> None:
    await scene.action("PAY-WAS-01")
    incident = await scene.incident("PAY-WAS-01")
    server.behave = says(invented)
    assert await worded(writer, await scene.ask(incident), "en") is None
    assert server.posted


async def test_where_nothing_points_anywhere_no_model_is_asked(
    scene: Scene, server: Server, writer: Writer
) -> None:
    found = await scene.ask(await scene.incident("PAY-WAS-01"))
    assert await worded(writer, found, "en") is None
    assert server.posted == []


async def test_without_a_model_nothing_comes(scene: Scene) -> None:
    await scene.action("PAY-WAS-01")
    found = await scene.ask(await scene.incident("PAY-WAS-01"))
    assert await worded(Writer(ModelSettings(shipped=False)), found, "en") is None


async def test_who_asked_hears_it_marked_as_a_models_words(
    scene: Scene, server: Server, writer: Writer
) -> None:
    await scene.action("PAY-WAS-01")
    incident = await scene.incident("PAY-WAS-01")
    async with scene.db.write() as tx:
        room = await rooms.seen(tx, "web", "", "ops", "", "en")
    server.behave = says("A restart came shortly before.")
    event = Event(EventKind.COMMAND, RoomAddress("web", "", "ops"), Speaker("web", "", "jun"), "")
    explaining = Explaining(scene.db, scene.inventory, writer)
    question = Question(incident.id, room.id, scene.jun, event)
    for _ in range(25):  # more than are held: asking never waits and never fails
        explaining.ask(question)
    serving = asyncio.create_task(explaining.serve())
    try:
        async with asyncio.timeout(10):
            while not (found := await _whispers(scene)):
                await asyncio.sleep(0.01)
    finally:
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)  # before the database closes
    assert found[0]["text"] == "A restart came shortly before."
    assert found[0]["note"] == text("cause_worded").to_json()
    assert found[0]["user"] == "jun"


async def _whispers(scene: Scene) -> list[dict[str, object]]:
    async with scene.db.read() as tx:
        return [parcel.body for parcel in await outbox.waiting(tx, 10, personal=True)]
