"""Each platform connects on its own, and says the truth about it."""

from __future__ import annotations

import asyncio

import pytest

from bot.links import Links
from bot.platforms.port import SendRefused, SendRetry
from prompts.texts import say
from tests.doubles.room_double import RoomDouble
from tests.unit.bot.conftest import keep


class Stubborn(RoomDouble):
    """Cannot stop in order."""

    stopped = False

    async def stop(self) -> None:
        self.stopped = True
        raise OSError("broken pipe")


async def test_one_that_is_down_keeps_no_other_from_starting() -> None:
    good, down, refused = RoomDouble("web"), RoomDouble("slack"), RoomDouble("telegram")
    down.refuse_start = OSError("no route")
    refused.refuse_start = SendRefused("the token was revoked")
    links = Links([down, refused, good])
    starting = asyncio.create_task(links.start(keep))
    async with asyncio.timeout(2):
        while not links.states()[2].ok:
            await asyncio.sleep(0)
    states = {say(link.name, "en"): (link.ok, say(link.detail, "en")) for link in links.states()}
    assert states["web"] == (True, "connected")
    assert states["telegram"] == (False, "the token was revoked")
    assert states["slack"] == (False, "not connected: no route")
    assert links.sender("web") is good
    with pytest.raises(SendRetry):
        links.sender("slack")
    with pytest.raises(SendRefused):
        links.sender("irc")
    starting.cancel()
    await asyncio.gather(starting, return_exceptions=True)
    await links.stop()


async def test_before_it_starts_a_platform_is_connecting() -> None:
    links = Links([RoomDouble("web")])
    (link,) = links.states()
    assert not link.ok
    assert (say(link.name, "en"), say(link.detail, "en")) == ("web", "connecting")
    assert (say(link.name, "ko"), say(link.detail, "ko")) == ("웹 대화방", "연결 중")
    with pytest.raises(SendRetry):
        links.sender("web")
    with pytest.raises(KeyError):
        links.translate("irc", {})
    await links.stop()


async def test_one_that_cannot_stop_in_order_keeps_no_other_from_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    first, second = Stubborn("web"), Stubborn("slack")
    links = Links([first, second])
    await links.start(keep)
    await links.stop()
    assert first.stopped and second.stopped
    assert len([r for r in caplog.records if "did not stop in order" in r.message]) == 2
