"""Very long texts, SQL in every field, wildcards, and ids that are no ids."""

from __future__ import annotations

import pytest

from storage.all_tables import metadata
from storage.lifecycle import State
from tests.attacks.doors import NAMES, Doors, in_batches
from tests.attacks.stage import Stage

pytestmark = pytest.mark.asyncio(loop_scope="module")

SQL = (
    "'; DROP TABLE actions; --", "%' OR '1'='1", '"; DELETE FROM audit; --', "\\'; SELECT 1; --",
    "%", "_", "%%", "SR-%", "a%b_c\\d", "') OR 1=1 --", ":name ? ?1 $1 @x", "NULL",
    "0x00", "{0} %s %(x)s",
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
async def test_sql_in_a_request_is_text(plain_stage: Stage, plain_doors: Doors, way: str) -> None:
    lines = [f"/sr new {words}" for words in SQL]
    for words in SQL:
        for line in ("/sr show {}", "/sr assign {} ana", "/sr list {}", "/sr close {}",
                     "/why {}", "/autoq list {}", "/bulk close {}", "/approve {}",
                     "/sr assign SR-1 {}"):  # fmt: skip
            lines.append(line.format(words))
    await in_batches(plain_doors[way].types("min", line) for line in lines)
    await plain_stage.settled(30)
    async with plain_stage.app.db.read() as tx:
        titles = {row.title for row in await tx.all(metadata.tables["requests"].select())}
        people = {row.name for row in await tx.all(metadata.tables["people"].select())}
        open_ = {row.state for row in await tx.all(metadata.tables["requests"].select())}
    assert titles >= {words for words in SQL if "|" not in words}
    assert people == {p[0] for p in plain_stage.people}
    assert open_ == {"NEW"}, "no wildcard closed or assigned anything"


async def test_sql_in_rest_is_text(plain_stage: Stage, plain_doors: Doors) -> None:
    headers = await plain_stage.bearer("ana")
    for words in SQL:
        made = await plain_doors.rest("min", "/api/requests", {"title": words, "body": words})
        assert made.status_code == 201
        for path in ("/api/requests", "/api/auto/queue", "/api/auto/history"):
            answer = await plain_stage.http.get(path, params={"status": words}, headers=headers)
            assert answer.status_code == 422, (path, words)
        answer = await plain_stage.http.get(
            "/api/requests", params={"type": words}, headers=headers
        )
        assert answer.status_code == 422, words
        alert = {"source": words, "severity": words, "summary": words, "asset": words}
        assert (await plain_doors.rest("robot", "/api/anomalies", alert)).status_code == 422
        body = {"action_type": words, "targets": [words], "params": {words: words}}
        assert (await plain_doors.rest("min", "/api/auto/queue", body)).status_code == 422
        found = await plain_stage.http.get(f"/api/requests/{words[:5]}%25", headers=headers)
        assert found.status_code in (404, 422)


IDS = (
    "0", "-1", "+1", "1.0", "1e3", "0x1", "９", "١", "1;2", "1OR1=1", "1'--",
    "99999999999999999999",
    "9" * 400, "9223372036854775807", "9223372036854775808", "#", "##1", "true", "null", "%",
    "1%00", "../1",
)  # fmt: skip


@pytest.mark.parametrize("way", NAMES)
async def test_ids_that_are_none_decide_nothing(
    plain_stage: Stage, plain_doors: Doors, way: str
) -> None:
    action = await plain_stage.waiting("min")
    first = action.id
    lines = [
        line.format(odd)
        for odd in IDS
        for line in ("/approve {}", "/reject {}", "/why {}", "/autoq show {}")
    ]
    await in_batches(plain_doors[way].types("bob", line) for line in lines)
    await plain_stage.settled(30)
    assert (await plain_stage.action(first)).state is State.PENDING_APPROVAL


async def test_ids_that_are_none_in_rest(plain_stage: Stage, plain_doors: Doors) -> None:
    for odd in IDS:
        answer = await plain_doors.rest("bob", f"/api/auto/approve/{odd}", {})
        # A number written oddly ("+1") is that number; without the digest it decides nothing.
        assert answer.status_code in (404, 405, 409, 422), (odd, answer.status_code)
        assert "Traceback" not in answer.text
