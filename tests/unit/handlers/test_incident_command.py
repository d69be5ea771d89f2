"""/incident, typed and in words, for those who may and those who may not."""

from __future__ import annotations

import pytest

from handlers.router import as_command
from prompts.texts import say, text
from storage import blocks
from storage.lifecycle import IncidentState
from tests.unit.handlers.incident_scene import card, failed_attempt, now, reported
from tests.unit.handlers.stage import Stage


@pytest.mark.parametrize(
    ("said", "line"),
    [
        ("incident", "incident"),
        ("장애", "incident"),
        ("事件", "incident"),
        ("인시던트 목록", "incident 목록"),
        ("장애 목록 all", "incident 목록 all"),
        ("장애 조회 3", "incident 조회 3"),
        ("事件 查看 INC-20261120-0003", "incident 查看 INC-20261120-0003"),
        ("事件 解決 3 重啟後恢復", "incident 解決 3 重啟後恢復"),
        ("incident show 20261120-0003", "incident show 20261120-0003"),
        ("incident at the gate", None),
        ("incident list of yesterday please", None),
        ("incident show me the logs", None),
        ("장애 났어요 서버 좀 봐주세요", None),
        ("장애 해결 부탁드립니다", None),
        ("事件 處理好了嗎", None),
        ("事件 解決 了嗎", None),
    ],
)
def test_words_are_a_command_only_when_they_are_plainly_one(said: str, line: str | None) -> None:
    assert as_command(said) == line


async def test_the_list_is_what_is_open_newest_first(stage: Stage) -> None:
    first, second = await reported(stage), await reported(stage, "OOM killed", severity="P2")
    await stage.does("jun", "command", f"/incident resolve {first.key}")
    shown = await stage.whispered("ana", "command", "/incident")
    assert second.key in shown.text and first.key not in shown.text
    shown = await stage.whispered("ana", "command", "/incident list all")
    assert shown.text.index(second.key) < shown.text.index(first.key)


async def test_a_long_list_says_that_it_is_cut(stage: Stage) -> None:
    for number in range(16):
        await reported(stage, fingerprint=str(number))
    shown = await stage.whispered("ana", "command", "/incident list")
    assert shown.text.count("INC-") == 15
    assert shown.note == say(text("incident_list_more", shown=15), "en")


async def test_an_empty_list_says_so(stage: Stage) -> None:
    shown = await stage.whispered("min", "words", "장애 목록")
    assert shown.text == say(text("incident_none"), "ko")


@pytest.mark.parametrize("typed", ["INC-20261120-0001", "inc-20261120-0001", "20261120-0001", "1"])
async def test_show_tells_the_timeline_in_the_persons_language(stage: Stage, typed: str) -> None:
    incident = await reported(stage)
    await failed_attempt(stage, incident)
    await stage.does("ana", "command", f"/incident comment {typed} the partition is shared")
    shown = await stage.whispered("jun", "command", f"/incident show {typed}")
    lines = shown.text.splitlines()
    assert shown.title == f"事件 {incident.key} · P1"
    assert any(line.endswith("由 alertmanager 回報") for line in lines)
    assert any("開始自動修復（p）" in line for line in lines)
    assert any("重新啟動" in line and "PAY-STG-01" in line for line in lines)
    assert any(line.endswith("ana：the partition is shared") for line in lines)


async def test_taking_resolving_and_trying_again_by_command(stage: Stage) -> None:
    incident = await reported(stage)
    await failed_attempt(stage, incident)
    (answer,) = await stage.does("jun", "command", "/incident take 1")
    assert answer.text == say(text("incident_taken_by", key=incident.key, name="jun"), "zh-TW")
    (answer,) = await stage.does("jun", "words", "事件 重試 1")
    assert answer.text == say(text("incident_retried", key=incident.key, lifted=1), "zh-TW")
    async with stage.db.read() as tx:
        assert await blocks.standing(tx) == []
    (answer,) = await stage.does("ana", "command", "/incident resolve 1 grew the volume")
    assert answer.text == say(text("incident_resolved_by", key=incident.key, name="ana"), "en")
    assert (await now(stage, incident)).state is IncidentState.RESOLVED
    shown = await stage.whispered("ana", "command", "/incident show 1")
    assert "by ana – grew the volume" in shown.note


@pytest.mark.parametrize(
    ("line", "key", "values"),
    [
        ("/incident show", "incident_needs_more", {"usage": "/incident show KEY"}),
        ("/incident comment 1", "incident_needs_more", {"usage": "/incident comment KEY words"}),
        ("/incident show SR-20261120-0001", "incident_bad_key", {"typed": "SR-20261120-0001"}),
        ("/incident show ٣", "incident_bad_key", {"typed": "٣"}),
        ("/incident take 99", "incident_missing", {"key": "INC-20261120-0099"}),
        ("/incident list closed", "incident_bad_filter", {"given": "closed"}),
        ("/incident take 1 now", "argument_extra", {"given": "now", "usage": "/incident take KEY"}),
        ("/incident retry 1", "incident_not_escalated", None),
    ],
)
async def test_what_is_wrong_is_refused_with_the_mend(
    stage: Stage, line: str, key: str, values: dict[str, str] | None
) -> None:
    incident = await reported(stage)
    if values is None:
        values = {"key": incident.key, "state": text("incident_state_OPEN")}  # type: ignore[dict-item]
    before = await now(stage, incident)
    await stage.hears("jun", "command", line, key, **values)
    assert await now(stage, incident) == before


async def test_an_unknown_verb_is_told_the_usage(stage: Stage) -> None:
    shown = await stage.whispered("ana", "command", "/incident explode 1")
    assert "“explode”" in shown.text and "resolve KEY [comment]" in shown.text


@pytest.mark.parametrize("user", ["min", "robot"])
@pytest.mark.parametrize("verb", ["take", "resolve", "retry"])
async def test_only_engineers_decide(stage: Stage, user: str, verb: str) -> None:
    incident = await reported(stage)
    await failed_attempt(stage, incident)
    before = await now(stage, incident)
    await stage.hears(user, "command", f"/incident {verb} 1", "incident_forbidden", name=user)
    assert await now(stage, incident) == before


async def test_a_comment_with_a_character_that_cannot_be_kept(stage: Stage) -> None:
    await reported(stage)
    shown = await stage.whispered("ana", "command", "/incident comment 1 a\x07b")
    assert "U+0007" in shown.text


async def test_the_status_tells_how_many_are_open(stage: Stage) -> None:
    await reported(stage, fingerprint="a")
    await reported(stage, fingerprint="b")
    await reported(stage, fingerprint="c", severity="P3")
    shown = await stage.whispered("ana", "command", "/status")
    label = say(text("status_incidents"), "en")
    assert [f.value for f in shown.fields if f.label == label] == ["P1: 2 · P3: 1"]


async def test_why_by_button_command_and_words_tells_the_same(stage: Stage) -> None:
    other = await reported(stage, "no space left on device", severity="P2")
    incident = await reported(stage, "OOM killer: killed process 71")
    shown = await stage.whispered("jun", "command", f"/incident why {incident.key}")
    assert shown.title == say(text("cause_title", key=incident.key), "zh-TW")
    assert other.key in shown.text and "[" in shown.text
    assert shown.note == say(text("cause_note"), "zh-TW")
    assert await stage.whispered("jun", "words", "事件 原因 2") == shown
    button = stage.button(card(stage, incident), "why")
    assert await stage.presses("jun", button.token) == shown


async def test_why_says_plainly_that_nothing_points_anywhere(stage: Stage) -> None:
    incident = await reported(stage)
    shown = await stage.whispered("min", "command", "/incident why 1")
    assert shown.text == say(text("cause_none", key=incident.key), "ko")
    assert shown.note == ""
