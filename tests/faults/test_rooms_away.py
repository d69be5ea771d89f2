"""F7, F14: a room that hangs, a platform gone for an hour, ten thousand messages behind it."""

from __future__ import annotations

import asyncio
import time
import tracemalloc
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

from bot.delivery import Delivery, DeliverySettings
from bot.links import Links
from bot.platforms.slack.platform import SlackPlatform
from storage import outbox, rooms, tables
from storage.database import Database
from tests.conftest import FakeClock
from tests.doubles.room_double import Gate, RoomDouble
from tests.doubles.slack import SlackDouble
from tests.doubles.slack_rig import settings
from tests.unit.bot.conftest import Post, keep, until

ROOMS = ("C1", "C2")


@dataclass
class Slack:
    """A real outbox, the real delivery and platform; Slack itself is the double."""

    db: Database
    clock: FakeClock
    double: SlackDouble
    delivery: Delivery

    async def say(self, room: str, *words: str) -> None:
        async with self.db.write() as tx:
            where = (await rooms.seen(tx, "slack", "T1", room, "", "en")).id
            for one in words:
                await outbox.say(tx, where, {"text": one})

    async def pass_time(self, seconds: float, *, step: float = 30.0) -> None:
        """Time passes step by step; after each, whatever is due has been tried."""
        for _ in range(int(seconds / step)):
            self.clock.forward(seconds=step)
            self.db.announce({"outbox"})
            await asyncio.sleep(0.01)
            await until(lambda: not self.delivery._busy)

    def shown(self, room: str) -> list[str]:
        return [message.text for message in self.double.screen(room)]


@pytest.fixture
async def slack(db: Database, clock: FakeClock) -> AsyncIterator[Slack]:
    async with SlackDouble() as double:
        for room in ROOMS:
            double.channel(room, members=["U1"])
        platform = SlackPlatform(settings(double, "http", call_timeout=2.0))
        links = Links([platform])
        await links.start(keep)
        delivery = Delivery(db, links, DeliverySettings())
        task = asyncio.create_task(delivery.serve())
        yield Slack(db, clock, double, delivery)
        task.cancel()
        await asyncio.gather(task, *delivery._busy.values(), return_exceptions=True)
        await links.stop()


async def test_an_hour_without_slack_then_all_of_it_once_and_in_order(slack: Slack) -> None:
    await slack.say("C1", "before")
    await until(lambda: slack.shown("C1") == ["before"])
    slack.double.faults.next("chat.postMessage", status=503, times=100_000)
    words = [f"word {number}" for number in range(30)]
    for room in ROOMS:
        await slack.say(room, *words)
    calls = len(slack.double.calls("chat.postMessage"))
    await slack.pass_time(600, step=5)
    # Nobody is asked every second for an hour: one message per room is tried, ever more slowly.
    tries = len(slack.double.calls("chat.postMessage")) - calls
    assert tries <= len(ROOMS) * (600 / 30 + 12)
    await slack.pass_time(3000, step=60)
    slack.double.faults.planned.clear()
    await slack.pass_time(60)
    await until(lambda: all(slack.shown(room)[-30:] == words for room in ROOMS), 20)
    assert slack.shown("C1") == ["before", *words]
    assert slack.shown("C2") == words
    assert slack.double.violations == []


async def test_a_storm_of_429_is_obeyed_and_loses_nothing(slack: Slack) -> None:
    slack.double.faults.next("chat.postMessage", retry_after=7, times=12)
    words = [f"word {number}" for number in range(5)]
    await slack.say("C1", *words)
    await until(lambda: slack.double.calls("chat.postMessage") and not slack.delivery._busy)
    for _ in range(3):
        # Before the time that Slack named nothing is tried.
        tries = len(slack.double.calls("chat.postMessage"))
        await slack.pass_time(6, step=3)
        assert len(slack.double.calls("chat.postMessage")) == tries
        await slack.pass_time(2, step=2)
        assert len(slack.double.calls("chat.postMessage")) == tries + 1
    await slack.pass_time(600)
    assert slack.shown("C1") == words


async def test_taken_but_the_reply_lost_is_shown_once(slack: Slack) -> None:
    slack.double.faults.next("chat.postMessage", lose_reply=True)
    slack.double.faults.next("conversations.history", status=503)
    await slack.say("C1", "once", "then")
    await until(lambda: slack.shown("C1") and not slack.delivery._busy)
    await slack.pass_time(10, step=2)
    await until(lambda: slack.shown("C1") == ["once", "then"])


async def test_one_room_that_hangs_holds_up_no_other_and_is_tried_again(slack: Slack) -> None:
    slack.double.faults.next("chat.postMessage", hang=True)
    await slack.say("C1", "hangs")
    await until(lambda: slack.double.calls("chat.postMessage"))
    begun = time.monotonic()
    await slack.say("C2", *(f"word {number}" for number in range(10)))
    await until(lambda: len(slack.shown("C2")) == 10)
    assert time.monotonic() - begun < 1.9, "it waited for the other room's deadline"
    await until(lambda: not slack.delivery._busy)
    await slack.pass_time(10, step=2)
    assert slack.shown("C1") == ["hangs"]


async def test_a_platform_without_a_deadline_of_its_own_is_given_one(
    db: Database, clock: FakeClock
) -> None:
    platform = RoomDouble()
    platform.next.append(Gate())  # never opened
    links = Links([platform])
    await links.start(keep)
    out = Post(db, clock, platform, links)
    out.delivery = Delivery(db, links, DeliverySettings(send_within_s=0.2))
    out._task = asyncio.create_task(out.delivery.serve())
    try:
        await out.say("hello")
        await until(lambda: platform.sent and not out.delivery._busy)
        await out.later(6)
        assert [one.draft.doubt for one in await out.calls(2)] == [False, True]
        await out.quiet()
    finally:
        await out.kill()


async def test_ten_thousand_waiting_messages_are_not_held_in_memory(slack: Slack) -> None:
    slack.double.faults.next("chat.postMessage", status=503, times=100_000)
    await slack.say("C1", "first")
    async with slack.db.write() as tx:
        where = (await rooms.seen(tx, "slack", "T1", "C2", "", "en")).id
        row = {
            "room_id": where,
            "kind": "say",
            "body": '{"text": "' + "x" * 2_000 + '"}',
            "state": "WAITING",
            "created_at": tx.now,
        }
        await tx.execute(tables.outbox.insert(), [row] * 10_000)
    tracemalloc.start()
    try:
        await slack.pass_time(300)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # All of them would be more than twenty million bytes of text alone.
    assert most < 12_000_000
    async with slack.db.read() as tx:
        assert await outbox.count_waiting(tx) == 10_001
