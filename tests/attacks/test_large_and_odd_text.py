"""Very long texts, SQL in every field, wildcards, and ids that are no ids."""

from __future__ import annotations

import pytest

from storage.lifecycle import State
from storage.tables import metadata
from tests.attacks.doors import NAMES, Doors
from tests.attacks.stage import Stage

pytestmark = pytest.mark.asyncio(loop_scope="module")

SQL = (
    "'; DROP TABLE actions; --", "%' OR '1'='1", '"; DELETE FROM audit; --', "\\'; SELECT 1; --",
    "%", "_", "%%", "SR-%", "a%b_c\\d", "') OR 1=1 --", ":name ? ?1 $1 @x", "NULL", "0x00", "{0} %s %(x)s",
)  # fmt: skip


@pytest.mark.parametrize("way", NAMES)
@pytest.mark.parametrize("start", ["", "/approve 1 ", "/sr new ", "/autoq run server_restart "])
async def test_a_hundred_kilobytes_get_one_polite_answer(
    stage: Stage, doors: Doors, way: str, start: str
) -> None:
    long = start + "재기동 " * 12_500 + "x" * 62_500
    await stage.settled()
    before, since = await stage.counts(), len(await stage.answers())
    if way == "messenger":
        assert await doors.messenger.send("min", text=long) == 422
    elif way == "web":
        answer = await (await doors.web.line("min")).ask(long)
        assert (answer["type"], answer["code"]) == ("error", "too_long")
        answer = await (await doors.web.line("min")).ask({"type": "say", "text": long[:50_000]})
        assert answer["type"] == "error"
    elif start:
        await doors[way].types("min", long)
    else:
        await doors[way].says("min", long)
    await stage.settled()
    assert await stage.counts() == before
    answers = (await stage.answers())[since:]
    if way in ("slack", "telegram"):
        [(kind, body)] = answers
        assert kind == "whisper"
        assert body["text"]["key"] == "too_long"
    else:
        assert answers == []


@pytest.mark.parametrize("way", NAMES)
async def test_sql_in_a_request_is_text(stage: Stage, doors: Doors, way: str) -> None:
    for words in SQL:
        await doors[way].types("min", f"/sr new {words}")
        for line in ("/sr show {}", "/sr assign {} ana", "/sr list {}", "/sr close {}", "/why {}",
                     "/autoq list {}", "/bulk close {}", "/approve {}", "/sr assign SR-1 {}"):  # fmt: skip
            await doors[way].types("min", line.format(words))
    await stage.settled(30)
    async with stage.app.db.read() as tx:
        titles = {row.title for row in await tx.all(metadata.tables["requests"].select())}
        people = {row.name for row in await tx.all(metadata.tables["people"].select())}
        open_ = {row.state for row in await tx.all(metadata.tables["requests"].select())}
    assert titles >= {words for words in SQL if "|" not in words}
    assert people == {p[0] for p in stage.people}
    assert open_ == {"NEW"}, "no wildcard closed or assigned anything"


async def test_sql_in_rest_is_text(stage: Stage, doors: Doors) -> None:
    headers = await stage.bearer("ana")
    for words in SQL:
        made = await doors.rest("min", "/api/requests", {"title": words, "body": words})
        assert made.status_code == 201
        for path in ("/api/requests", "/api/auto/queue", "/api/auto/history"):
            answer = await stage.http.get(path, params={"status": words}, headers=headers)
            assert answer.status_code == 422, (path, words)
        answer = await stage.http.get("/api/requests", params={"type": words}, headers=headers)
        assert answer.status_code == 422, words
        alert = {"source": words, "severity": words, "summary": words, "asset": words}
        assert (await doors.rest("robot", "/api/anomalies", alert)).status_code == 422
        body = {"action_type": words, "targets": [words], "params": {words: words}}
        assert (await doors.rest("min", "/api/auto/queue", body)).status_code == 422
        found = await stage.http.get(f"/api/requests/{words[:5]}%25", headers=headers)
        assert found.status_code in (404, 422)


IDS = (
    "0", "-1", "+1", "1.0", "1e3", "0x1", "９", "١", "1;2", "1 OR 1=1", "99999999999999999999", "9" * 400,
    "9223372036854775807", "9223372036854775808", "#", "##1", "true", "null", "%", "1%00", "../1",
)  # fmt: skip


@pytest.mark.parametrize("way", NAMES)
async def test_ids_that_are_none_decide_nothing(stage: Stage, doors: Doors, way: str) -> None:
    action = await stage.waiting("min")
    first = action.id
    for odd in IDS:
        for line in ("/approve {}", "/reject {}", "/why {}", "/autoq show {}"):
            if odd != "1;2":
                await doors[way].types("bob", line.format(odd))
    await stage.settled(30)
    assert (await stage.action(first)).state is State.PENDING_APPROVAL


async def test_ids_that_are_none_in_rest(stage: Stage, doors: Doors) -> None:
    for odd in IDS:
        answer = await doors.rest("bob", f"/api/auto/approve/{odd}", {})
        assert answer.status_code in (404, 405, 422), (odd, answer.status_code)
        assert "Traceback" not in answer.text
