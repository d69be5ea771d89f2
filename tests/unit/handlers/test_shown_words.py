"""What people read: links in their language, articles without Markdown, why an action is risky."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bot.worker import InboxWorker, WorkerSettings
from engine.risk import Level, Policy
from handlers.action_card import ActionView, action_card, verbs
from handlers.article_card import shown_words
from handlers.router import Router
from handlers.services import Link
from prompts.texts import LANGUAGES, text
from storage import articles
from storage.actions import Action
from storage.database import Database
from tests.conftest import FakeClock
from tests.unit.handlers.stage import Stage

POLICY = Policy(
    {"server_restart": Level.HIGH, "log_collect": Level.MEDIUM, "deploy_prd": Level.CRITICAL}
)
RUNBOOK = """## Symptom
> ## Verification
> > disk full

### 조치 ###
# systemctl restart shop
1. app-01: df -hP > /tmp/df
##no heading
> \u0020
```
## a comment
> out
```
## After"""
SHOWN = """■ Symptom
│ ## Verification
│ > disk full

■ 조치
# systemctl restart shop
1. app-01: df -hP > /tmp/df
##no heading
│ \u0020
```
## a comment
> out
```
■ After"""


@pytest.mark.parametrize(
    ("person", "web", "rules"),
    [
        ("ana", "🟢 web: connected", "🔴 words: rules: ready, 2 names; messages read: 3"),
        (
            "min",
            "🟢 웹 대화방: connected",
            "🔴 문장 읽기 – 규칙: 준비됨, 이름 2개, 읽은 메시지 3건",
        ),
        (
            "jun",
            "🟢 網頁聊天室：connected",
            "🔴 語句判讀 – 規則：就緒，2 個名稱，已判讀 3 則訊息",
        ),
    ],
)
async def test_status_names_the_links_in_the_readers_language(
    db: Database, clock: FakeClock, tmp_path: Path, person: str, web: str, rules: str
) -> None:
    stage = Stage(db, clock, tmp_path)
    read = text("link_words_read", detail=text("link_rules_ready", count=2), count=3)
    step = Link(text("link_words", step=text("link_step_rules")), False, read, needed=False)
    services = replace(stage.services, links=lambda: [*stage.links.states(), step])
    stage.worker = InboxWorker(db, Router(services), stage.links, WorkerSettings())
    await stage.start()
    try:
        card = await stage.whispered(person, "command", "/status")
    finally:
        await stage.stop()
    assert card.text.splitlines()[:2] == [web, rules]


def test_headings_and_quotes_of_an_article_are_shown_without_markdown() -> None:
    assert shown_words(RUNBOOK) == SHOWN
    assert shown_words("") == ""


async def test_a_card_shows_the_words_and_the_store_keeps_the_markdown(stage: Stage) -> None:
    body = "## Verification\n> all green\nand done"
    await stage.does("min", "command", f"/kb new Disk | {body}")
    (review,) = [c for c in stage.platform.shown.values() if c.title.startswith("KB-")]
    book = await stage.whispered("min", "command", "/kb show 1")
    assert review.text == book.text == "■ Verification\n│ all green\nand done"
    async with stage.db.read() as tx:
        assert (await articles.must(tx, 1)).body == body


def risk_line(action: Action, level: Level, reasons: list[dict[str, Any]], language: str) -> str:
    drawn = replace(action, risk=level.name, reasons=reasons)
    card = action_card(
        ActionView(drawn, "min", ""), language, {verb: verb for verb in verbs(drawn)}
    )
    return card.fields[1].value


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (
            ("server_restart", ["A"], []),
            ("HIGH – restart", "HIGH – 재기동", "HIGH – 重新啟動"),
        ),
        (
            ("server_restart", ["A"], ["PRD"]),
            (
                "CRITICAL – restart is HIGH · raised by 1 target in PRD",
                "CRITICAL – 재기동은 HIGH · 상향 사유: PRD 환경의 대상 1개",
                "CRITICAL – 重新啟動屬於 HIGH · 提高原因：PRD 環境的 1 個目標",
            ),
        ),
        (
            ("server_restart", list("ABCDEFG"), ["PRD", "PRD", "STG"]),
            (
                "CRITICAL – restart is HIGH · "
                "raised by 2 targets in PRD and 7 targets (more than 5)",
                "CRITICAL – 재기동은 HIGH · 상향 사유: PRD 환경의 대상 2개, 대상 7개(5개 초과)",
                "CRITICAL – 重新啟動屬於 HIGH · "
                "提高原因：PRD 環境的 2 個目標、7 個目標（超過 5 個）",
            ),
        ),
        (
            ("log_collect", ["A"], ["PRD"], True),
            (
                "HIGH – log collection is MEDIUM · raised by words that ask for approval",
                "HIGH – 로그 수집은 MEDIUM · 상향 사유: 승인이 필요한 요청 내용",
                "HIGH – 日誌收集屬於 MEDIUM · 提高原因：訊息內容需要核准",
            ),
        ),
        (
            ("frobnicate", ["A"], ["PRD"]),
            (
                "CRITICAL – frobnicate is not in the risk table, so it is HIGH · "
                "raised by 1 target in PRD",
                "CRITICAL – frobnicate는 위험도 표에 없는 유형이므로 HIGH · "
                "상향 사유: PRD 환경의 대상 1개",
                "CRITICAL – 風險表中沒有 frobnicate，視為 HIGH · 提高原因：PRD 環境的 1 個目標",
            ),
        ),
    ],
)
async def test_the_risk_of_a_card_reads_well(
    stage: Stage, asked: tuple[object, ...], said: tuple[str, ...]
) -> None:
    await stage.does("min", "command", "/autoq run server_restart PAY-STG-01")
    risk = POLICY.assess(*asked)  # type: ignore[arg-type]
    reasons: list[dict[str, Any]] = [reason.to_json() for reason in risk.reasons]
    action = await stage.action()
    lines = [risk_line(action, risk.level, reasons, language) for language in LANGUAGES]
    assert lines == list(said)


async def test_a_row_that_was_kept_before_is_shown_like_a_new_one(stage: Stage) -> None:
    await stage.does("min", "command", "/autoq run server_restart PAY-STG-01")
    kept: list[dict[str, Any]] = [
        {"key": "plan_reason_listed", "values": {"level": "HIGH", "action": "server_restart"}},
        {
            "key": "plan_reason_environment",
            "values": {"level": "CRITICAL", "count": 3, "environment": "PRD"},
        },
        {"key": "plan_reason_policy", "values": {"version": "0a1b2c3d"}},
    ]
    line = risk_line(await stage.action(), Level.CRITICAL, kept, "en")
    assert line == "CRITICAL – restart is HIGH · raised by 3 targets in PRD"


async def test_a_risk_without_reasons_is_its_level_alone(stage: Stage) -> None:
    await stage.does("min", "command", "/autoq run server_restart PAY-STG-01")
    assert risk_line(await stage.action(), Level.HIGH, [], "ko") == "HIGH"
