"""One web room through two processes on one PostgreSQL: each shows what the other wrote, once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager

import httpx
import psycopg
import pytest
import sqlalchemy as sa
from websockets.asyncio.client import connect

from bot.platforms.web.across import PRESENCE_S
from bot.platforms.web.door import COOKIE
from bot.serving import keep_going
from handlers.card import Button, Card
from prompts.texts import say, text
from storage import presences
from storage.all_tables import metadata
from storage.database import Database, DatabaseSettings
from tests.conftest import FakeClock
from tests.contract.web_server import OPS, Client, WebRoom, draft, web_room

CARD = Card(title="#17 Restart", text="Restart?", buttons=(Button("Approve", "tokA", "good"),))
ENDED = Card(title="#17 Restart", text="Done", buttons=())


@asynccontextmanager
async def replica(url: str, clock: FakeClock) -> AsyncIterator[WebRoom]:
    """A web room with a database connection of its own, as another process has it."""
    db = Database.open(DatabaseSettings(url), clock)
    async with web_room(db) as room:
        hears = asyncio.create_task(keep_going(db.serve_signals, "signals", pause_s=0.05))
        await _listeners(url, 1)
        yield room
        hears.cancel()
        await asyncio.gather(hears, return_exceptions=True)
    await db.close()


@pytest.fixture
async def rooms(postgres_url: str, clock: FakeClock) -> AsyncIterator[tuple[WebRoom, WebRoom]]:
    tables = Database.open(DatabaseSettings(postgres_url), clock)
    async with tables.writer.begin() as connection:
        await connection.run_sync(metadata.create_all)
    await tables.close()
    async with replica(postgres_url, clock) as one, replica(postgres_url, clock) as two:
        await _listeners(postgres_url, 2)
        yield one, two


async def _until(check: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(10):
        while not await check():
            await asyncio.sleep(0.01)


async def _listeners(url: str, least: int) -> None:
    async def heard() -> bool:
        return len(await _links(url)) >= least

    await _until(heard)


async def _links(url: str, *, drop: bool = False) -> set[int]:
    """The server's processes that hold a LISTEN; with ``drop`` they are ended."""
    plain = sa.make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    async with await psycopg.AsyncConnection.connect(plain, autocommit=True) as connection:
        found = await connection.execute(
            "SELECT pid FROM pg_stat_activity "
            "WHERE datname = current_database() AND state = 'idle' AND query LIKE 'LISTEN %'"
        )
        pids = {row[0] for row in await found.fetchall()}
        for pid in pids if drop else ():
            await connection.execute("SELECT pg_terminate_backend(%s)", (pid,))
    return pids


async def _shown(client: Client, count: int) -> list[tuple[str, str]]:
    """The next messages as (kind, text), and that nothing comes after them."""
    found = []
    for _ in range(count):
        frame = await client.next("message")
        found.append((frame["msg_type"], frame["content"]))
    # A pong comes behind everything that was pushed before it.
    await client.send({"type": "ping"})
    assert (await client.next())["type"] == "pong"
    return found


async def test_a_conversation_across(rooms: tuple[WebRoom, WebRoom]) -> None:
    one, two = rooms
    async with one.client("Min") as min_, two.client("Ada") as ada:
        await min_.ask({"type": "say", "text": "restart budget"})
        assert (await ada.next("message"))["content"] == "restart budget"
        key = await one.platform.post(OPS, draft(1, CARD))
        for client in (ada, min_):
            assert (await client.next("message"))["msg_type"] == "CARD"
        ack = await ada.ask({"type": "press", "message_id": key, "command_code": "tokA"})
        assert ack["type"] == "ack"
        await two.platform.edit(OPS, key, draft(1, ENDED))
        for client in (min_, ada):
            changed = await client.next("message")
            assert (changed["msg_type"], changed["message_id"]) == ("CARD_UPDATE", key)
            assert changed["interactive_actions"] == []
        assert [event.button for event in await two.events(2)][1] == "tokA"
        assert await _shown(min_, 0) == await _shown(ada, 0) == []


async def test_everything_is_shown_once_however_many_write_at_once(
    rooms: tuple[WebRoom, WebRoom],
) -> None:
    one, two = rooms
    async with AsyncExitStack() as stack:
        clients = [
            await stack.enter_async_context(room.client("Ada")) for room in (one, two, one, two)
        ]
        posts = [
            (one, two)[n % 2].platform.post(OPS, draft(n, Card(text=f"news {n}")))
            for n in range(40)
        ]
        await asyncio.gather(*posts)
        for client in clients:
            seen = sorted(words for _, words in await _shown(client, 40))
            assert seen == sorted(f"news {n} (en)" for n in range(40))


async def test_only_the_one_it_is_for_sees_a_whisper(rooms: tuple[WebRoom, WebRoom]) -> None:
    one, two = rooms
    async with two.client("Min") as min_, two.client("Ada") as ada:
        await one.platform.whisper(OPS, "Min", draft(1, Card(text="for you")))
        await one.platform.post(OPS, draft(2, Card(text="for all")))
        assert [words for _, words in await _shown(min_, 2)] == ["for you (ko)", "for all (ko)"]
        assert [words for _, words in await _shown(ada, 1)] == ["for all (en)"]


async def test_a_task_for_an_agent_on_the_other_replica_and_its_report_back(
    rooms: tuple[WebRoom, WebRoom],
) -> None:
    one, two = rooms
    async with one.client("Min") as min_:
        async with two.client("deployer") as agent:
            await _until(lambda: _present(one, "deployer"))
            assert (await min_.ask({"type": "say", "text": "@deployer ship it"}))["type"] == "ack"
            task = await agent.next("message")
            assert (task["content"], task["target"]) == ("ship it", "deployer")
            report = {"msg_type": "TASK_FINISHED", "content": "shipped"}
            assert (await agent.ask(report))["type"] == "ack"
            # Nobody was told that the agent is away.
            assert (await min_.next())["msg_type"] == "TASK_FINISHED"
        await _until(lambda: _absent(one, "deployer"))
        await min_.send({"type": "say", "text": "@deployer once more"})
        away = say(text("web_agent_away", agent="deployer"), "ko")
        assert (await min_.next("notice"))["text"] == away


async def _present(room: WebRoom, name: str) -> bool:
    async with room.db.read() as tx:
        place = (await tx.all(sa.text("SELECT id FROM rooms WHERE address = 'ops'")))[0].id
        return await presences.anywhere(tx, place, name)


async def _absent(room: WebRoom, name: str) -> bool:
    return not await _present(room, name)


async def test_the_presence_of_a_killed_replica_ends_by_itself(
    rooms: tuple[WebRoom, WebRoom], clock: FakeClock
) -> None:
    one, _ = rooms
    async with one.db.write() as tx:
        place = (await tx.all(sa.text("SELECT id FROM rooms WHERE address = 'ops'")))[0].id
        await presences.keep(tx, "killed", {(place, "deployer")}, round(PRESENCE_S * 1000))
    assert await _present(one, "deployer")
    clock.forward(seconds=PRESENCE_S + 1)
    assert await _absent(one, "deployer")


async def test_nothing_is_lost_or_doubled_when_the_link_between_replicas_breaks(
    rooms: tuple[WebRoom, WebRoom], postgres_url: str
) -> None:
    one, two = rooms
    async with one.client("Ada") as ada, two.client("Ada") as other:
        key = await one.platform.post(OPS, draft(1, CARD))
        assert [kind for kind, _ in await _shown(ada, 1) + await _shown(other, 1)] == ["CARD"] * 2
        for number in range(2, 22):
            if number % 5 == 0:
                await _listeners(postgres_url, 2)
                await _links(postgres_url, drop=True)
            await one.platform.post(OPS, draft(number, Card(text=f"news {number}")))
        await one.platform.edit(OPS, key, draft(1, ENDED))
        for client in (ada, other):
            seen = [await client.next("message") for _ in range(21)]
            assert sorted(m["seq"] for m in seen) == sorted({m["seq"] for m in seen})
            assert [m["message_id"] for m in seen if m["msg_type"] == "CARD_UPDATE"] == [key]
            assert await _shown(client, 0) == []


async def test_who_connects_while_others_write_sees_each_message_once(
    rooms: tuple[WebRoom, WebRoom],
) -> None:
    one, two = rooms
    writing = asyncio.create_task(_write(one, 60))
    seen: list[list[int]] = []
    while not writing.done():
        async with two.client("Min") as min_:
            seen.append([m["seq"] for m in min_.history["messages"]])
            seen[-1] += [(await min_.next("message"))["seq"] for _ in range(1 - writing.done())]
    await writing
    assert all(len(numbers) == len(set(numbers)) for numbers in seen)
    assert len(seen) > 1
    async with two.client("Min") as min_:
        assert len(min_.history["messages"]) == 61


async def _write(room: WebRoom, count: int) -> None:
    for number in range(count):
        await room.platform.post(OPS, draft(number, Card(text=f"line {number}")))
    # The last one, so that whoever waits for one more gets it.
    await asyncio.sleep(0.05)
    await room.platform.post(OPS, draft(count, Card(text="end")))


async def test_signing_out_closes_the_sockets_on_every_replica(
    rooms: tuple[WebRoom, WebRoom],
) -> None:
    one, two = rooms
    session = await one.token("Min", "session")
    cookie = {"Cookie": f"{COOKIE}={session}", "Origin": one.url}
    there = {"Cookie": f"{COOKIE}={session}", "Origin": two.url}
    async with (
        connect(one.address(), additional_headers=cookie, proxy=None) as here,
        connect(two.address(), additional_headers=there, proxy=None) as elsewhere,
        two.client("Ada") as ada,
        httpx.AsyncClient(base_url=one.url, trust_env=False) as http,
    ):
        clients = [Client(here), Client(elsewhere)]
        for client in clients:
            await client.next("history")
        assert (await http.post("/sign-out", headers=cookie)).status_code == 303
        for client in clients:
            assert await client.closed() == (4401, "signed out")
        assert await _shown(ada, 0) == []


async def test_a_session_that_ended_while_the_link_was_broken_is_closed_too(
    rooms: tuple[WebRoom, WebRoom], postgres_url: str
) -> None:
    one, two = rooms
    async with two.client("Min") as min_:
        await _links(postgres_url, drop=True)
        async with one.db.write() as tx:
            await tx.execute(sa.text("UPDATE tokens SET revoked_at = 1"))
        assert await min_.closed() == (4401, "this session or token is revoked")
