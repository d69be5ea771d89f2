"""What the team knows, as people meet it in Slack: from a draft to an answer that did not help."""

from __future__ import annotations

from pathlib import Path

from prompts.texts import say, text
from storage import answers, requests
from storage.lifecycle import RequestState
from storage.requests import Request
from tests.acceptance.transcript import _until
from tests.acceptance.world import SLACK_ROOM, World
from tests.doubles.slack_state import Shown

KEY = "KB-20261120-0001"
TITLE = "VPN 비밀번호를 초기화하는 방법"
BODY = (
    "사내 포털에서 VPN 메뉴를 열고 초기화를 누르세요. 새 비밀번호는 5분 안에 문자로 옵니다. "
    "세 번 틀리면 한 시간 동안 계정이 잠깁니다."
)
ASKED = "VPN 비밀번호는 어떻게 초기화하나요?"


class Room:
    """The Slack channel as people use it; cards are there in English."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._ids = {person[0]: person[3] for person in world.people}

    async def types(self, person: str, command: str) -> None:
        name, _, rest = command.partition(" ")
        user = self._world.slack.user(self._ids[person], person)
        await (await user.command(SLACK_ROOM, name, rest)).acknowledged()

    async def says(self, person: str, words: str) -> None:
        user = self._world.slack.user(self._ids[person], person)
        await (await user.mentions(SLACK_ROOM, words)).acknowledged()

    async def presses(self, person: str, title: str, verb: str) -> None:
        label = say(text(f"button_{verb}"), "en")
        card = await self._world.slack.until(lambda: self._card(title, label))
        user = self._world.slack.user(self._ids[person], person)
        await (await user.press(SLACK_ROOM, card.ts, label)).acknowledged()

    async def shows(self, title: str, *pieces: str, button: str | None = None) -> None:
        """A card whose title begins so holds each of the pieces."""
        label = say(text(f"button_{button}"), "en") if button else None

        async def check() -> str:
            card = self._card(title, label)
            if card is None:
                titles = [m.title for m in self._world.slack.screen(SLACK_ROOM)]
                return f"no card {title!r} (button {label}) among {titles}"
            return "; ".join(f"{p!r} is not in {card.text!r}" for p in pieces if p not in card.text)

        await _until(check)

    async def hears(self, person: str, key: str, /, **values: object) -> None:
        words = say(text(key, **values), self._world.languages[person])

        async def check() -> str:
            seen = self._world.slack.screen(SLACK_ROOM, self._ids[person])
            heard = [message.text for message in seen if message.by_bot]
            return "" if any(words in one for one in heard) else f"{heard[-3:]}, not {words!r}"

        await _until(check)

    def _card(self, title: str, label: str | None) -> Shown | None:
        cards = [
            message
            for message in self._world.slack.screen(SLACK_ROOM)
            if title in message.title and (label is None or label in message.buttons)
        ]
        return cards[-1] if cards else None


async def request_of(world: World) -> Request | None:
    async with world.app.db.read() as tx:
        found = await requests.listing(tx)
    return found[0] if found else None


async def stands(world: World, state: RequestState) -> Request:
    async def check() -> str:
        request = await request_of(world)
        return "" if request and request.state is state else f"{request}"

    await _until(check)
    request = await request_of(world)
    assert request is not None
    return request


async def test_from_a_draft_to_an_answer_that_did_not_help(tmp_path: Path) -> None:
    async with World(tmp_path) as world:
        room = Room(world)
        await room.types("jun", f"/kb new {TITLE} | {BODY}")
        await room.hears("jun", "kb_drafted", key=KEY)
        await room.types("jun", f"/kb edit {KEY} questions: {ASKED}")
        await room.hears("jun", "kb_edited", key=KEY, again=False)
        await room.shows(KEY, ASKED, button="kb_publish")
        await room.presses("jun", KEY, "kb_publish")
        await room.hears("jun", "kb_own", key=KEY)
        await room.presses("ana", KEY, "kb_publish")
        await room.hears("ana", "kb_published", key=KEY)

        await room.says("min", ASKED)
        request = await stands(world, RequestState.DONE)
        await room.shows(request.key, "초기화를 누르세요", KEY, button="kb_solved")
        await room.presses("min", request.key, "kb_unsolved")
        await stands(world, RequestState.OPEN)
        await room.hears("min", "kb_reopened", key=KEY)
        await world.app.cycle.run_once()
        async with world.app.db.read() as tx:
            given = await answers.of_request(tx, request.id)
            story = [(event.kind, event.who) for event in await requests.timeline(tx, request.id)]
        assert given is not None and given.solved is False
        assert [kind for kind, _ in story][:3] == ["create", "close", "reopen"]
        assert (world.slack.violations, world.telegram.violations) == ([], [])
