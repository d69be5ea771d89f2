"""A real Chromium on the web room's page, driven as a person would.

    async with chromium() as browser:
        ops = await open_room(browser, f"{url}/sign-in/{token}")
        await ops.say("/status")
        await ops.wait_for("All quiet")
        await ops.press("Reject", reason="not during the sale")
        card = await ops.card("Restart")        # text and buttons as they stand now
        await ops.close()

Every wait ends by itself after ``PATIENCE_MS`` with a Playwright error that names the element.
Opening a page collects console errors; ``ops.errors`` must stay empty.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from playwright.async_api import Browser, Locator, Page, async_playwright, expect

EXECUTABLE = "/usr/bin/chromium"
PATIENCE_MS = 10_000
_ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]


@dataclass(frozen=True)
class Seen:
    """A card as it stands on the page."""

    title: str
    text: str
    tone: str
    buttons: tuple[str, ...]


@dataclass
class RoomPage:
    """One person's page."""

    page: Page
    errors: list[str] = field(default_factory=list)

    async def connected(self) -> None:
        """Wait until the room is open."""
        await expect(self.page.locator("#state.connected")).to_be_visible(timeout=PATIENCE_MS)

    async def enter(self, room: str) -> None:
        """Go to another room by its name in the list."""
        await self.page.locator("#rooms a", has_text=room).click()
        await expect(self.page.locator("#room-name")).to_have_text(room, timeout=PATIENCE_MS)
        await self.connected()

    async def say(self, text: str) -> None:
        """Write a line and send it with Enter; returns when it was acknowledged."""
        await self.page.locator("#words").fill(text)
        await self.page.locator("#words").press("Escape")
        await self.page.locator("#words").press("Enter")
        await expect(self.page.locator("#pending .pending:not(.failed)")).to_have_count(
            0, timeout=PATIENCE_MS
        )

    async def wait_for(self, text: str) -> Locator:
        """Wait for a message that holds a text, and give it."""
        found = self.page.locator("#log .message", has_text=text).last
        await expect(found).to_be_visible(timeout=PATIENCE_MS)
        return found

    async def press(self, label: str, *, title: str = "", reason: str | None = None) -> None:
        """Press a button on the newest card that has it (and whose title holds ``title``).

        ``reason`` is written into the dialog that the button opens.
        """
        cards = self.page.locator("#log .card", has_text=title)
        button = cards.get_by_role("button", name=label, exact=True).last
        await button.click(timeout=PATIENCE_MS)
        if reason is not None:
            await self.page.locator("#reason-text").fill(reason, timeout=PATIENCE_MS)
            await self.page.locator("#reason-send").click(timeout=PATIENCE_MS)

    async def card(self, title: str) -> Seen:
        """The newest card whose title holds a text, as it stands now."""
        card = self.page.locator("#log .card", has=self.page.locator("h3", has_text=title)).last
        await expect(card).to_be_visible(timeout=PATIENCE_MS)
        tone = (await card.get_attribute("class") or "").replace("card", "").strip()
        buttons = await card.locator(".choices .button").all_inner_texts()
        heading = await card.locator("h3").inner_text()
        return Seen(heading, await card.inner_text(), tone, tuple(buttons))

    async def wait_for_card(self, title: str, *, tone: str) -> Seen:
        """Wait until the newest card with a title has a tone (it was rewritten), and give it."""
        card = self.page.locator(
            f"#log .card.{tone}", has=self.page.locator("h3", has_text=title)
        ).last
        await expect(card).to_be_visible(timeout=PATIENCE_MS)
        return await self.card(title)

    async def messages(self) -> list[str]:
        """Every message's text, oldest first."""
        return await self.page.locator("#log .message .content").all_inner_texts()

    async def close(self) -> None:
        await self.page.context.close()


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """A headless Chromium that talks to nothing but the tests' own server."""
    if not Path(EXECUTABLE).exists():
        raise AssertionError(f"{EXECUTABLE} is missing; install it with: apt-get install chromium")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=EXECUTABLE, args=_ARGUMENTS, timeout=30_000
        )
        try:
            yield browser
        finally:
            await browser.close()


async def open_page(
    browser: Browser,
    url: str,
    *,
    width: int = 1280,
    height: int = 800,
    scheme: Literal["light", "dark"] = "light",
    zone: str = "Asia/Seoul",
    locale: str = "en-US",
) -> RoomPage:
    """A fresh browser profile on an address."""
    context = await browser.new_context(
        viewport={"width": width, "height": height},
        color_scheme=scheme,
        timezone_id=zone,
        locale=locale,
    )
    page = await context.new_page()
    room = RoomPage(page)
    page.on("pageerror", lambda error: room.errors.append(str(error)))
    page.on(
        "console",
        lambda line: room.errors.append(line.text) if line.type == "error" else None,
    )
    await page.goto(url)
    return room


async def open_room(
    browser: Browser,
    link: str,
    *,
    width: int = 1280,
    height: int = 800,
    scheme: Literal["light", "dark"] = "light",
    zone: str = "Asia/Seoul",
) -> RoomPage:
    """Follow a sign-in link in a fresh profile and wait until the first room is open."""
    room = await open_page(browser, link, width=width, height=height, scheme=scheme, zone=zone)
    await room.connected()
    return room
