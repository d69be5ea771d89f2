"""Words that would be markup, links, pings or escape codes stand on every screen as they are."""

from __future__ import annotations

import re
from typing import Any

import pytest

from engine.execution.demo_machine import Answer
from storage.lifecycle import State
from tests.acceptance.browser import chromium, open_room
from tests.acceptance.world import SLACK_ROOM, TELEGRAM_ROOM
from tests.attacks.doors import Doors
from tests.attacks.stage import Stage

pytestmark = pytest.mark.asyncio(loop_scope="module")

MARKUP = (
    "<!channel> <!here> <!everyone|x> <@UANA> <#C1|ops>",
    "<https://evil.example|approve here> https://evil.example/a?b=c",
    "@here @channel @everyone @ana /approve 1 /approve@watchstander_bot",
    "<b>bold</b> <i>x</i> <a href='https://evil.example'>ok</a> <pre>",
    "<script>alert(1)</script><img src=https://evil.example/x onerror=alert(1)>",
    "[approve](https://evil.example) ![x](https://evil.example/x.png) ``` `code` ~~~",
    "*bold* _x_ ~x~ &lt;b&gt; &amp;#60; &#x3c;script&#x3e; {{7*7}} {% raw %} ${7*7}",
    "tg://user?id=333 #hash $CASH ana@evil.example javascript:alert(1) data:text/html,x",
)
HIDDEN = "a\u202eb\u2066c\u200bd\u2069\ufeffe"
ALL = "\n".join(MARKUP)


def slack_places(blocks: list[dict[str, Any]]) -> list[str]:
    """Every text object of a message that Slack would read as markup."""
    found = []
    waiting: list[Any] = [*blocks]
    while waiting:
        item = waiting.pop()
        if isinstance(item, dict):
            if item.get("type") == "mrkdwn":
                found.append(str(item["text"]))
            waiting += item.values()
        elif isinstance(item, list):
            waiting += item
    return found


async def test_a_description_is_literal_in_every_room(stage: Stage) -> None:
    action = await stage.propose("min", description=f"{ALL}\n{HIDDEN}")
    slack, telegram = await stage.slack_card(action.id), await stage.telegram_card(action.id)
    for line in MARKUP:
        assert line in slack.text, line
        assert line in telegram.text, line
    assert telegram.links == []
    assert "\u202e" not in slack.text + telegram.text
    message = next(m for m in stage.slack.channels[SLACK_ROOM].messages if m.ts == slack.ts)
    assert slack_places(message.blocks) == []
    assert not re.search(r"<[!@#h]", message.text), "the notification text is escaped"
    posted = await stage.until(
        lambda: [m for m in stage.messenger if f"#{action.id} " in m["text"]], "no messenger card"
    )
    assert MARKUP[0] in posted[-1]["text"]
    for bad in ("\u202e", "\u2066", "\u200b"):
        assert bad not in posted[-1]["text"]
    assert stage.slack.violations == []
    assert stage.telegram.violations == []


async def test_a_comment_is_literal_in_every_room(stage: Stage, doors: Doors) -> None:
    action = await stage.propose("min", "PAY-STG-01")
    await stage.tokens(action.id)
    comment = f"{MARKUP[0]} {MARKUP[1]} {HIDDEN}"
    answer = await doors.rest("ana", f"/api/auto/reject/{action.id}", {"comment": comment})
    assert answer.status_code == 200
    card = await stage.until(
        lambda: next((m for m in stage.slack.screen(SLACK_ROOM) if MARKUP[0] in m.text), None),
        "no comment in Slack",
    )
    assert "\u202e" not in card.text
    shown = await stage.until(
        lambda: next((m for m in stage.telegram.cards(TELEGRAM_ROOM) if MARKUP[0] in m.text), None),
        "no comment in Telegram",
    )
    assert shown.links == []
    assert "\u202e" not in shown.text


async def test_what_a_host_says_is_literal(stage: Stage, doors: Doors) -> None:
    """Escape codes, OSC 8, bidi, markup and a megabyte, from a host that was taken over."""
    output = f"\x1b[2J\x1b]8;;https://evil.example\x07ok\x1b]8;;\x07\rroot# {ALL} {HIDDEN}\x9b31m\n"
    # The host double is taken over for the length of this test; mypy knows its method only.
    answer = stage.hosts._answer
    stage.hosts._answer = lambda *_: Answer(0, output + "A" * 1_000_000 + "\nend\n")  # type: ignore[method-assign]
    try:
        await doors.slack.types("min", "/autoq run disk_status PAY-STG-01")
        await stage.settled(told=True)
    finally:
        stage.hosts._answer = answer  # type: ignore[method-assign]
    action = (await stage.all_actions())[-1]
    assert action.state is State.SUCCEEDED
    screens = [m.text for m in stage.slack.screen(SLACK_ROOM)]
    screens += [m.text for m in stage.telegram.cards(TELEGRAM_ROOM)]
    screens += [m["text"] for m in stage.messenger]
    mine = [words for words in screens if f"#{action.id} " in words]
    assert mine
    for words in mine:
        assert "\x1b" not in words
        assert "\x9b" not in words
        assert "\u202e" not in words
        assert "\r" not in words
        assert len(words) < 20_000
    assert any(r"\x1b]8;;https://evil.example" in words for words in mine)
    listed = await stage.http.get("/api/auto/history", headers=await stage.bearer("min"))
    assert len(listed.content) < 1_000_000
    assert "\\u001b" not in listed.text
    assert stage.slack.violations == []
    assert stage.telegram.violations == []


async def test_the_text_of_a_card_is_the_text_of_the_plan(stage: Stage) -> None:
    """What is seen, with any description, holds each argv of the plan as it will run."""
    import shlex

    action = await stage.propose("min", "PAY-DB-01", description="\u202e1-gts-yap :tnuoca\n" * 20)
    argv = shlex.join(action.plan["steps"][0]["argv"])
    assert argv.isascii()
    slack = await stage.slack_card(action.id)
    assert slack.code == f"pay-db-01: {argv}"
    assert argv in (await stage.telegram_card(action.id)).text


async def test_the_page_shows_it_and_runs_none_of_it(plain_stage: Stage) -> None:
    """In Chromium: no dialog, no element made, no request to anywhere else."""
    link = f"{plain_stage.address}/sign-in/{await plain_stage.token('ana', 'signin')}"
    action = await plain_stage.propose("min", description=f"{ALL}\n{HIDDEN}")
    async with chromium() as browser:
        room = await open_room(browser, link)
        asked: list[str] = []
        dialogs: list[str] = []
        room.page.on("request", lambda request: asked.append(request.url))
        room.page.on("dialog", lambda dialog: dialogs.append(dialog.message))
        card = await room.card(f"#{action.id} ")
        for line in MARKUP:
            assert " ".join(line.split()) in " ".join(card.text.split()), line
        assert "\u202e" not in card.text
        await room.say(ALL.replace("/approve 1 ", ""))
        await room.wait_for("<!everyone|x>")
        for sort in ("script", "img[src*=evil]", "a[href*=evil]", "iframe", "b", "i"):
            assert await room.page.locator(f"#log {sort}").count() == 0, sort
        await room.page.reload()
        await room.connected()
        assert dialogs == []
        assert [url for url in asked if not url.startswith((plain_stage.address, "ws"))] == []
        assert [e for e in room.errors if "alert" in e] == []
        await room.close()
