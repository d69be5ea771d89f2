"""How people use each room: what they type and press, and what is on their screen."""

from __future__ import annotations

from collections.abc import Mapping

from playwright.async_api import Browser

from prompts.texts import say, text
from tests.acceptance.browser import RoomPage, open_room
from tests.acceptance.transcript import Seen
from tests.doubles.slack import SlackDouble
from tests.doubles.telegram import TelegramDouble


def _label(verb: str, language: str) -> str:
    return say(text(f"button_{verb}"), language)


class SlackSeat:
    """A Slack channel."""

    name = "slack"
    language = "en"

    def __init__(self, slack: SlackDouble, channel: str, users: Mapping[str, str]) -> None:
        self._slack = slack
        self._channel = channel
        self._users = users

    async def says(self, person: str, words: str) -> None:
        await (await self._user(person).mentions(self._channel, words)).acknowledged()

    async def types(self, person: str, command: str) -> None:
        name, _, rest = command.partition(" ")
        await (await self._user(person).command(self._channel, name, rest)).acknowledged()

    async def presses(self, person: str, action: int, verb: str, reason: str | None) -> None:
        user = self._user(person)
        card = await self._slack.until(lambda: self._find(action))
        await (await user.press(self._channel, card.ts, _label(verb, self.language))).acknowledged()
        if reason is not None:
            await self._slack.until(
                lambda: any(v.user == user.id and v.open for v in self._slack.views)
            )
            await (await user.submits(None, reason)).acknowledged()

    async def card(self, action: int) -> Seen | None:
        found = self._find(action)
        return Seen(found.text, tuple(found.buttons)) if found else None

    async def heard(self, person: str) -> list[str]:
        return [m.text for m in self._slack.screen(self._channel, self._users[person]) if m.by_bot]

    def _find(self, action: int):  # type: ignore[no-untyped-def]
        cards = [m for m in self._slack.screen(self._channel) if f"#{action} " in m.title]
        assert len(cards) < 2, f"slack shows card #{action} {len(cards)} times"
        return cards[0] if cards else None

    def _user(self, person: str):  # type: ignore[no-untyped-def]
        return self._slack.user(self._users[person], person)


class TelegramSeat:
    """A Telegram group."""

    name = "telegram"
    language = "ko"

    def __init__(self, telegram: TelegramDouble, chat: int, users: Mapping[str, int]) -> None:
        self._tg = telegram
        self._chat = chat
        self._users = users

    async def says(self, person: str, words: str) -> None:
        self._user(person).says(self._chat, f"@{self._tg.state.username} {words}")

    async def types(self, person: str, command: str) -> None:
        self._user(person).command(self._chat, command)

    async def presses(self, person: str, action: int, verb: str, reason: str | None) -> None:
        if reason is not None:
            # Telegram has no forms: a reason is given by command.
            await self.types(person, f"/reject {action} {reason}")
            return
        await self._tg.until(lambda: self._find(action))
        self._user(person).press(self._chat, self._find(action).id, _label(verb, self.language))

    async def card(self, action: int) -> Seen | None:
        found = self._find(action)
        return Seen(found.text, tuple(found.buttons)) if found else None

    async def heard(self, person: str) -> list[str]:
        alerts = [alert.text for alert in self._tg.alerts(self._users[person])]
        return alerts + [shown.text for shown in self._tg.cards(self._chat)]

    def _find(self, action: int):  # type: ignore[no-untyped-def]
        shown = self._tg.cards(self._chat)
        cards = [
            m for m in shown if f"#{action} " in m.text.splitlines()[0] and len(m.entities) > 1
        ]
        return cards[0] if cards else None

    def _user(self, person: str):  # type: ignore[no-untyped-def]
        return self._tg.user(self._users[person], person)


class WebSeat:
    """The web room, one browser profile per person in a real Chromium."""

    name = "web"

    def __init__(
        self, browser: Browser, links: Mapping[str, str], languages: Mapping[str, str], viewer: str
    ) -> None:
        self._browser = browser
        self._links = links
        self._languages = languages
        self._viewer = viewer
        self.language = languages[viewer]  #: cards are read from this person's screen
        self._pages: dict[str, RoomPage] = {}

    async def says(self, person: str, words: str) -> None:
        await (await self._page(person)).say(words)

    async def types(self, person: str, command: str) -> None:
        await (await self._page(person)).say(command)

    async def presses(self, person: str, action: int, verb: str, reason: str | None) -> None:
        page = await self._page(person)
        label = _label(verb, self._languages[person])
        await page.press(label, title=f"#{action} ", reason=reason)

    async def card(self, action: int) -> Seen | None:
        page = await self._page(self._viewer)
        cards = page.page.locator("#log .card", has=page.page.locator("h3", has_text=f"#{action} "))
        if await cards.count() == 0:
            return None
        seen = await page.card(f"#{action} ")
        return Seen(seen.text, seen.buttons)

    async def heard(self, person: str) -> list[str]:
        page = await self._page(person)
        return await page.page.locator("#log .message").all_inner_texts()

    async def _page(self, person: str) -> RoomPage:
        if person not in self._pages:
            self._pages[person] = await open_room(self._browser, self._links[person])
        return self._pages[person]
