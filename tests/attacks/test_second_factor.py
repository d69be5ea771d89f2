"""Approving what is CRITICAL takes a one-time code at every door, and a guessed one opens none."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pyotp
import pytest
import pytest_asyncio
import sqlalchemy as sa

from engine.approvals.second_factor import SecondFactor
from prompts.texts import say, text
from storage import people
from storage.all_tables import metadata
from storage.lifecycle import State
from storage.tables import audit
from tests.acceptance.browser import chromium, open_room
from tests.attacks.doors import NAMES, Doors
from tests.attacks.stage import RUNNABLE, Stage

pytestmark = pytest.mark.asyncio(loop_scope="module")

STEP = 30_000


class Authenticators:
    """The telephones of the admins, by name."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.secrets: dict[str, str] = {}
        self.shown: list[str] = []

    async def enrol(self, name: str) -> None:
        factor = SecondFactor(self.stage.app.settings.approvals)
        async with self.stage.app.db.write() as tx:
            person = await people.by_name(tx, name)
            assert person is not None
            address = await factor.enrol(tx, person)
        self.secrets[name] = parse_qs(urlsplit(address).query)["secret"][0]

    def code(self, name: str) -> str:
        """The next code: time goes on until one is shown that was not used."""
        self.stage.clock.forward(seconds=60)
        self.shown.append(pyotp.TOTP(self.secrets[name]).generate_otp(self.stage.clock.now // STEP))
        return self.shown[-1]

    def wrong(self, name: str, count: int) -> list[str]:
        now = self.stage.clock.now // STEP
        good = {pyotp.TOTP(self.secrets[name]).generate_otp(now + off) for off in range(-5, 6)}
        return [code for code in map("{:06d}".format, range(count + 11)) if code not in good][
            :count
        ]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def coded(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    """The product as a team sets it up: with the second factor."""
    stage = Stage(tmp_path_factory.mktemp("coded"), "dialled")
    stage.second_factor = "totp"
    async with stage:
        yield stage


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def doors(coded: Stage) -> AsyncIterator[Doors]:
    async with Doors(coded) as found:
        yield found


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def phones(coded: Stage) -> Authenticators:
    found = Authenticators(coded)
    await found.enrol("ana")
    await found.enrol("bob")
    return found


async def state(stage: Stage, number: int) -> State:
    await stage.settled(told=True)
    return (await stage.action(number)).state


@pytest.mark.parametrize("way", NAMES)
async def test_no_door_approves_without_a_code(
    coded: Stage, doors: Doors, phones: Authenticators, way: str
) -> None:
    action = await coded.propose()
    token = (await coded.tokens(action.id))[way]
    await doors[way].press("ana", action.id, token)
    await doors[way].types("ana", f"/approve {action.id}")
    await doors[way].says("ana", f"approve {action.id} looks fine")
    assert await state(coded, action.id) is State.PENDING_APPROVAL
    # Somebody else's code is none of ana's.
    await doors[way].types("ana", f"/approve {action.id} {phones.code('bob')}")
    assert await state(coded, action.id) is State.PENDING_APPROVAL


@pytest.mark.parametrize("way", NAMES)
async def test_a_typed_code_approves_and_is_not_kept_as_a_comment(
    coded: Stage, doors: Doors, phones: Authenticators, way: str
) -> None:
    action = await coded.propose()
    await doors[way].types("ana", f"/approve {action.id} {phones.code('ana')} looks fine")
    assert await state(coded, action.id) in RUNNABLE
    assert (await coded.action(action.id)).comment == "looks fine"


async def test_slack_opens_a_form_for_the_code(
    coded: Stage, doors: Doors, phones: Authenticators
) -> None:
    action = await coded.propose()
    before = len(coded.slack.views)
    await doors.slack.press("ana", action.id, (await coded.tokens(action.id))["slack"])
    await coded.until(lambda: len(coded.slack.views) > before, "no form")
    ana, form = doors.slack.user("ana"), coded.slack.views[-1]
    shown = str(form.view)
    assert say(text("slack_code_title"), "en") in shown
    assert say(text("slack_code_label"), "en") in shown
    await (await ana.submits(form, f"{phones.code('ana')} as agreed")).acknowledged()
    assert await state(coded, action.id) in RUNNABLE
    assert (await coded.action(action.id)).comment == "as agreed"


async def test_the_web_page_is_told_to_ask_for_it(
    coded: Stage, doors: Doors, phones: Authenticators
) -> None:
    me = await coded.http.get("/api/web/me", headers=await coded.bearer("ana"))
    assert me.json()["codes"] == ["CRITICAL"]
    action = await coded.propose()
    token = (await coded.tokens(action.id))["web"]
    line = await doors.web.line("ana")

    def card() -> Any:
        return next((f for f in line.frames if f"#{action.id} " in str(f.get("card"))), None)

    shown = await coded.until(card, "no card")
    assert shown["itsm_metadata"]["severity"] == "CRITICAL"
    buttons = {button["token"]: button for button in shown["card"]["buttons"]}
    assert [one["may_want_code"] for one in buttons.values()].count(True) == 1
    assert buttons[token]["may_want_code"]
    press = {"type": "press", "message_id": shown["message_id"], "command_code": token}
    await line.ask(press | {"reason": phones.code("ana")})
    assert await state(coded, action.id) in RUNNABLE


async def test_the_web_page_asks_for_it(coded: Stage, doors: Doors, phones: Authenticators) -> None:
    action = await coded.propose()
    await coded.settled(told=True)
    link = f"{coded.address}/sign-in/{await coded.token('ana', 'signin')}"
    async with chromium() as browser:
        room = await open_room(browser, link)
        approve = say(text("button_approve"), "en")
        await room.press(approve, title=f"#{action.id} ", reason=f"{phones.code('ana')} seen")
        asked = await room.page.locator("#reason-label").text_content()
        assert asked == say(text("web_page_code_label"), "en")
        assert await state(coded, action.id) in RUNNABLE
    assert (await coded.action(action.id)).comment == "seen"


async def test_rest_takes_it_as_a_field_and_says_what_is_missing(
    coded: Stage, doors: Doors, phones: Authenticators
) -> None:
    action = await coded.propose()
    path, body = f"/api/auto/approve/{action.id}", {"digest": action.digest}
    answers = [
        await doors.rest("ana", path, body),
        await doors.rest("ana", path, body | {"code": phones.wrong("ana", 1)[0]}),
        await doors.rest("ana", path, body | {"code": 123456}),
        await doors.rest("ana", path, {"code": phones.code("ana")}),
    ]
    assert [answer.status_code for answer in answers] == [403, 403, 422, 422]
    messages = [answer.json()["message"] for answer in answers]
    assert messages[0] == say(text("security_code_needed", id=action.id), "en")
    assert messages[1] == say(text("security_code_wrong", id=action.id), "en")
    assert await state(coded, action.id) is State.PENDING_APPROVAL
    # The code of the try without a digest was not spent: nothing was decided.
    good = await doors.rest("ana", path, body | {"code": phones.shown[-1], "comment": "ok"})
    assert good.status_code == 200, good.text
    assert good.json()["comment"] == "ok"


async def test_rejecting_takes_none(coded: Stage, doors: Doors, phones: Authenticators) -> None:
    action = await coded.propose()
    answer = await doors.rest("ana", f"/api/auto/reject/{action.id}", {"comment": "no"})
    assert answer.status_code == 200
    assert await state(coded, action.id) is State.REJECTED


async def test_a_code_that_was_seen_is_of_no_use_to_whoever_saw_it(
    coded: Stage, doors: Doors, phones: Authenticators
) -> None:
    first, second = await coded.propose(), await coded.propose()
    code = phones.code("ana")
    await doors.telegram.types("ana", f"/approve {first.id} {code}")
    assert await state(coded, first.id) in RUNNABLE
    again = {"digest": second.digest, "code": code}
    answer = await doors.rest("ana", f"/api/auto/approve/{second.id}", again)
    assert (answer.status_code, answer.json()["message"]) == (
        403,
        say(text("security_code_used", id=second.id), "en"),
    )
    assert await state(coded, second.id) is State.PENDING_APPROVAL


async def test_a_thousand_codes_are_five_guesses(
    coded: Stage, doors: Doors, phones: Authenticators
) -> None:
    """A stolen session that tries many codes at once, at every door."""
    action = await coded.propose()
    path = f"/api/auto/approve/{action.id}"
    guesses = phones.wrong("bob", 60)

    async def guess(code: str) -> int:
        answer = await doors.rest("bob", path, {"digest": action.digest, "code": code})
        return int(answer.status_code)

    assert set(await asyncio.gather(*map(guess, guesses))) == {403}
    for way in NAMES:
        await doors[way].types("bob", f"/approve {action.id} {guesses[0]}")
    assert await state(coded, action.id) is State.PENDING_APPROVAL
    async with coded.app.db.read() as tx:
        wrong = sa.select(audit).where(
            audit.c.kind == "factor.wrong",
            audit.c.actor == "person:bob",
            audit.c.subject == f"action:{action.id}",
        )
        assert len(await tx.all(wrong)) == 5
    # Locked: now the right one does not help either, until ten minutes are over.
    locked = await doors.rest("bob", path, {"digest": action.digest, "code": phones.code("bob")})
    assert locked.status_code == 403
    coded.clock.forward(minutes=10)
    good = await doors.rest("bob", path, {"digest": action.digest, "code": phones.code("bob")})
    assert good.status_code == 200, good.text


async def test_no_code_and_no_secret_is_written_down(coded: Stage, phones: Authenticators) -> None:
    """Last: of everything above, only what people typed holds codes, and that they are spent."""
    await coded.settled(told=True)
    typed = {"inbox", "messages"}
    async with coded.app.db.read() as tx:
        for name, table in metadata.tables.items():
            values = [str(value) for row in await tx.all(table.select()) for value in row]
            assert not any(s in v for s in phones.secrets.values() for v in values), name
            if name not in typed:
                words = [value for value in values if not value.isdigit()]
                found = [v for v in words for code in phones.shown if code in v.split()]
                assert found == [], name
