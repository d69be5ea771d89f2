"""The web room's page in a real Chromium: by mouse, by keyboard, on a phone, in three languages."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Browser, expect

from handlers.card import Button, Card, Field, Tone
from handlers.inbound import EventKind
from storage import tokens
from storage.database import Database
from tests.acceptance.browser import chromium, open_page, open_room
from tests.contract.web_server import OPS, WebRoom, draft, serving, web_room

WAITING = Card(
    title="#17 Restart",
    text="Restart two servers?",
    tone=Tone.WAITING,
    fields=(Field("Targets", "BUDGET-WAS-01, BUDGET-WAS-02"),),
    code="systemctl restart -- tomcat",
    note="plan 3fa9",
    buttons=(Button("Approve", "tokA", "good"), Button("Reject", "tokR", "danger", True)),
)
REJECTED = Card(title="#17 Restart", text="Rejected by Lin", tone=Tone.BAD)
HOSTILE = (
    "<img src=x onerror=alert(1)><script>document.title='owned'</script>"
    "<b>bold</b> [x](javascript:alert(1)) &amp; https://evil.example/?leak"
)


@pytest.fixture
async def room(db: Database) -> AsyncIterator[WebRoom]:
    async with web_room(db) as running:
        yield running


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with chromium() as running:
        yield running


async def test_a_conversation_with_a_card_that_changes_under_the_readers_eyes(
    room: WebRoom, browser: Browser
) -> None:
    lin = await open_room(browser, await room.link("Lin"))
    ada = await open_room(browser, await room.link("Ada"))
    await lin.say("restart the budget servers")
    await ada.wait_for("restart the budget servers")
    key = await room.platform.post(OPS, draft(1, WAITING))
    card = await lin.card("#17")
    assert card.buttons == ("Approve", "Reject")
    assert "Restart two servers? (zh-TW)" in card.text
    assert "Restart two servers? (en)" in (await ada.card("#17")).text
    await lin.press("Reject", title="#17", reason="not during the sale")
    await expect(lin.page.get_by_text("已送出")).to_be_visible()
    events = await room.events(2)
    assert [(e.kind, e.text, e.message) for e in events][-1] == (
        EventKind.FORM,
        "not during the sale",
        key,
    )
    await room.platform.edit(OPS, key, draft(2, REJECTED))
    assert (await lin.wait_for_card("#17", tone="bad")).buttons == ()
    assert (await ada.wait_for_card("#17", tone="bad")).buttons == ()
    assert len(await ada.messages()) == 2
    assert lin.errors + ada.errors == []


async def test_everything_can_be_done_by_keyboard(room: WebRoom, browser: Browser) -> None:
    await room.platform.post(OPS, draft(1, WAITING))
    ada = await open_room(browser, await room.link("Ada"))
    keys = ada.page.keyboard
    await expect(ada.page.locator("#words")).to_be_focused()
    await keys.type("/ap")
    await expect(ada.page.get_by_role("option")).to_have_count(1)
    await keys.press("Tab")
    await keys.type("17 fine")
    await keys.press("Shift+Enter")
    await keys.type("by me")
    await keys.press("Enter")
    await ada.wait_for("/approve 17 fine")
    await keys.press("Shift+Tab")  # from the composer back to the card's last button
    await expect(ada.page.get_by_role("button", name="Reject")).to_be_focused()
    await keys.press("Enter")
    await expect(ada.page.locator("#reason-text")).to_be_focused()
    await keys.press("Escape")
    await expect(ada.page.locator("#reason")).to_be_hidden()
    await expect(ada.page.get_by_role("button", name="Reject")).to_be_focused()
    await keys.press("Enter")
    await keys.type("too late")
    await keys.press("Enter")
    await expect(ada.page.get_by_text("Waiting for the answer")).to_be_visible()
    events = await room.events(2)
    assert [(e.kind, e.text) for e in events] == [
        (EventKind.COMMAND, "/approve 17 fine\nby me"),
        (EventKind.FORM, "too late"),
    ]
    assert ada.errors == []


async def test_a_reason_is_asked_and_cancelling_presses_nothing(
    room: WebRoom, browser: Browser
) -> None:
    await room.platform.post(OPS, draft(1, WAITING))
    ada = await open_room(browser, await room.link("Ada"))
    await ada.press("Reject")
    await ada.page.locator("#reason-cancel").click()
    await ada.press("Approve")
    await expect(ada.page.get_by_text("Waiting for the answer")).to_be_visible()
    events = await room.events(1)
    assert [(e.kind, e.button) for e in events] == [(EventKind.BUTTON, "tokA")]


async def test_hostile_text_is_shown_as_it_was_written(room: WebRoom, browser: Browser) -> None:
    everywhere = Card(
        title=HOSTILE,
        text=HOSTILE,
        fields=(Field(HOSTILE, HOSTILE),),
        code=HOSTILE,
        note=HOSTILE,
        buttons=(Button(HOSTILE, "tok"),),
    )
    ada = await open_room(browser, await room.link("Ada"))
    await ada.say(HOSTILE)
    await room.platform.post(OPS, draft(1, everywhere))
    card = await ada.card("onerror")
    assert card.text.count(HOSTILE) == 7
    assert HOSTILE in (await ada.messages())[0]
    for tag in ("img[src='x']", "script:not([src])", "b", "a[href*='evil']", "a[href^='java']"):
        assert await ada.page.locator(f"#log {tag}").count() == 0
    assert await ada.page.title() == "ops · Watchstander"
    assert ada.errors == []


async def test_nothing_sticks_out_at_any_width_in_any_language(
    room: WebRoom, browser: Browser
) -> None:
    wide = Card(
        title="#18 " + "긴제목" * 30,
        text="x" * 300,
        fields=(Field("Targets", "BUDGET-WAS-01," * 20), Field("Environment", "PRD")),
        code="journalctl -u " + "y" * 200,
        buttons=(
            Button("핵심 서비스 재시작 승인", "t1", "good"),
            Button("Reject it now", "t2", "danger"),
        ),
    )
    await room.platform.post(OPS, draft(1, wide))
    for name in ("Min", "Lin", "Ada"):
        ops = await open_room(browser, await room.link(name))
        await ops.card("#18")
        for width in (320, 360, 768, 1280):
            await ops.page.set_viewport_size({"width": width, "height": 640})
            overflowing = await ops.page.evaluate(
                """() => Array.from(document.querySelectorAll('#app *, body'))
                    .filter((e) => !e.closest('.unseen, svg, .top:has(.connected), [hidden]')
                        && getComputedStyle(e).overflowX === 'visible'
                        && e.getBoundingClientRect().right > innerWidth + 0.5)
                    .map((e) => e.outerHTML.slice(0, 80))"""
            )
            assert (name, width, overflowing) == (name, width, [])
            assert await ops.page.evaluate("document.documentElement.scrollWidth") <= width
            for box in ("#words", ".send", ".choices .button >> nth=1", "#who"):
                await expect(ops.page.locator(box)).to_be_visible()
        await ops.close()


async def test_after_a_cut_the_page_comes_back_and_shows_what_it_missed(
    db: Database, browser: Browser
) -> None:
    async with web_room(db) as room:
        key = await room.platform.post(OPS, draft(1, WAITING))
        ada = await open_room(browser, await room.link("Ada"))
        await room.platform.stop()  # every socket is closed; the page is not told that we come back
        await expect(ada.page.locator("#state.offline")).to_be_visible()
        await ada.page.locator("#words").fill("said while away")
        await ada.page.locator("#words").press("Enter")
        await expect(ada.page.locator("#pending .message")).to_have_count(1)
        await room.platform.edit(OPS, key, draft(2, REJECTED))
        await room.platform.start(room.keep)
        await ada.connected()
        assert (await ada.wait_for_card("#17", tone="bad")).buttons == ()
        await ada.wait_for("said while away")
        assert len(await ada.messages()) == 2
        assert len(await room.inbox()) == 1


async def test_words_that_could_not_be_kept_can_be_sent_again(
    room: WebRoom, browser: Browser
) -> None:
    ada = await open_room(browser, await room.link("Ada"))
    room.broken = True
    await ada.say("restart budget")
    await expect(ada.page.get_by_role("alert").filter(has_text="Not sent")).to_be_visible()
    room.broken = False
    await ada.page.get_by_role("button", name="Send again").click()
    await ada.page.locator("#words").press("Enter")
    await ada.wait_for("restart budget")
    assert len(await room.inbox()) == 1


async def test_100_kb_of_text_is_refused_politely(room: WebRoom, browser: Browser) -> None:
    ada = await open_room(browser, await room.link("Ada"))
    await ada.say("x" * 100_000)
    await expect(ada.page.get_by_role("alert").filter(has_text="too long")).to_be_visible()
    await ada.connected()
    assert await room.inbox() == []


async def test_rooms_are_apart_and_one_click_away(room: WebRoom, browser: Browser) -> None:
    ada = await open_room(browser, await room.link("Ada"))
    await ada.say("in ops")
    await ada.enter("approvals")
    await ada.say("in approvals")
    texts = await ada.messages()
    assert len(texts) == 1
    assert "in approvals" in texts[0]
    assert ada.page.url.endswith("#approvals")
    assert [d.lane for d in await room.inbox()] == ["ops", "approvals"]


async def test_a_whisper_is_marked_and_times_are_in_the_viewers_zone(
    room: WebRoom, browser: Browser
) -> None:
    await room.platform.whisper(OPS, "Ada", draft(1, Card(text="only for you")))
    seoul = await open_room(browser, await room.link("Ada"), zone="Asia/Seoul")
    told = await seoul.wait_for("only for you")
    await expect(told).to_contain_text("Only you can see this")
    await expect(told).to_contain_text("6:00")  # 09:00 UTC
    lin = await open_room(browser, await room.link("Lin"))
    assert await lin.messages() == []
    await expect(lin.page.locator("#empty")).to_be_visible()


async def test_earlier_messages_come_on_request(room: WebRoom, browser: Browser) -> None:
    for number in range(1, 131):
        await room.platform.post(OPS, draft(number, Card(text=f"line {number}.")))
    ada = await open_room(browser, await room.link("Ada"))
    await ada.wait_for("line 130.")
    assert len(await ada.messages()) == 100
    await ada.page.locator("#earlier").click()
    await ada.wait_for("line 1. (en)")
    assert len(await ada.messages()) == 130
    await expect(ada.page.locator("#earlier")).to_be_hidden()


async def test_a_good_link_signs_in_and_a_bad_one_says_why(room: WebRoom, browser: Browser) -> None:
    page = await open_page(browser, f"{room.url}/sign-in/bad", locale="ko-KR")
    await expect(page.page.get_by_role("alert")).to_contain_text("알 수 없는 링크")
    await page.page.locator("#token").fill(await room.link("Min"))
    await page.page.get_by_role("button", name="로그인").click()
    await page.connected()
    await expect(page.page.locator("#who")).to_have_text("Min")
    await expect(page.page.locator("#role")).to_have_text("요청자")
    assert page.page.url.rstrip("/") == room.url
    await page.page.get_by_role("button", name="로그아웃").click()
    await expect(page.page.locator("#token")).to_be_visible()
    await page.page.goto(room.url)
    await expect(page.page.locator("#token")).to_be_visible()


async def test_a_revoked_session_leads_back_to_signing_in(
    room: WebRoom, browser: Browser, db: Database
) -> None:
    ada = await open_room(browser, await room.link("Ada"))
    async with db.write() as tx:
        await tokens.revoke_all(tx, (await room.person("Ada")).id)
    await room.platform.hub.recheck()
    await expect(ada.page.locator("#token")).to_be_visible()


async def test_a_foreign_page_cannot_open_the_socket(room: WebRoom, browser: Browser) -> None:
    from fastapi import APIRouter
    from fastapi.responses import HTMLResponse

    foreign = APIRouter()

    @foreign.get("/")
    async def page() -> HTMLResponse:
        return HTMLResponse("<title>win a prize</title>")

    ada = await open_room(browser, await room.link("Ada"))
    async with serving(foreign) as evil:
        # Another port is another origin, but the same cookie jar: only the origin check is left.
        await ada.page.goto(evil)
        outcome = await ada.page.evaluate(
            """(address) => new Promise((resolve) => {
                const socket = new WebSocket(address);
                socket.onmessage = () => resolve('let in');
                socket.onclose = () => resolve('refused');
            })""",
            room.address(),
        )
    assert outcome == "refused"
