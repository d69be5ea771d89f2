"""F8: a database that comes and goes fails transactions, and is no fault of what was in them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from storage import failpoints, outbox
from storage.database import Away, Database
from tests.conftest import FakeClock
from tests.unit.bot.conftest import Post, post  # noqa: F401 - fixtures
from tests.unit.handlers.stage import Stage

TIMES = 20


@pytest.fixture
async def stage(db: Database, clock: FakeClock, tmp_path: Path) -> AsyncIterator[Stage]:
    found = Stage(db, clock, tmp_path)
    await found.start()
    yield found
    await found.stop()


@contextmanager
def every_other_commit_fails(table: str) -> Iterator[list[int]]:
    """For a while; gives the count of commits that were tried."""
    commits = [0]

    def reached(point: str, when: str) -> None:
        if (point, when) == (f"{table}.update", "before"):
            commits[0] += 1
            if commits[0] < TIMES and commits[0] % 2:
                raise Away("the database cannot be used: the server closed the connection")

    failpoints.arm(reached)
    try:
        yield commits
    finally:
        failpoints.arm(None)


@pytest.mark.parametrize("kind", ["say", "whisper"])
async def test_no_message_is_given_up(post: Post, kind: str) -> None:  # noqa: F811
    """I8: three failures to draw a message are a bug in it, but not when the database was away."""
    with every_other_commit_fails("outbox") as commits:
        await getattr(post, kind)("hello")
        async with asyncio.timeout(20):
            while commits[0] < TIMES and await _waiting(post):
                await post.later(60)
                await asyncio.sleep(0.02)
    await post.later(60)
    await post.quiet()
    assert {one.card.text for one in post.platform.sent} == {"hello"}
    assert await post.given_up() == 0


async def _waiting(post: Post) -> bool:  # noqa: F811
    async with post.db.read() as tx:
        return bool(await outbox.count_waiting(tx))


async def test_no_delivery_is_failed(stage: Stage) -> None:
    """I3: what was acknowledged is handled, however often its transaction was lost."""
    lost = [0]

    def reached(point: str, when: str) -> None:
        # Only the transaction of the handling: the one that would note a failure goes through.
        if (point, when) == ("outbox.insert", "before") and lost[0] < 8:
            lost[0] += 1
            raise Away("the database cannot be used: the server closed the connection")

    failpoints.arm(reached)
    try:
        async with asyncio.timeout(30):
            answer = asyncio.create_task(stage.whispered("min", "command", "/whoami"))
            while not answer.done():
                stage.clock.forward(seconds=30)
                stage.db.announce({"inbox", "outbox"})
                await asyncio.sleep(0.05)
    finally:
        failpoints.arm(None)
    assert answer.result().fields
    assert lost[0] == 8
