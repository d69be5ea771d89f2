"""Several replicas on one PostgreSQL are one bot to people, whatever happens to one of them."""

from __future__ import annotations

import asyncio
import dataclasses
import signal
import time
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Iterator

import httpx
import psycopg
import pytest
import pytest_asyncio
import sqlalchemy as sa

from bot.app import App
from bot.serving import _tick_once
from bot.settings import load_settings
from storage import actions, audit_read, migrate
from storage.database import DatabaseSettings
from storage.lifecycle import FINAL, State
from storage.tables import actions as actions_table
from storage.tables import audit, outbox
from storage.tables import inbox as inbox_table
from tests.acceptance.clickers import CROWD, WEBBERS, Storm, in_the_web_room, until
from tests.acceptance.replicas import Replica, Replicas
from tests.acceptance.transcript import play
from tests.conftest import FakeClock
from tests.contract.conftest import postgres, postgres_url

__all__ = ("postgres", "postgres_url")

pytestmark = pytest.mark.asyncio(loop_scope="module")

ROUNDS = 2
CARDS_WITHIN_S = 5.0
LEASE_S = 1.5
LOOK = "/autoq run disk_status PAY-STG-01"


@pytest.fixture(scope="module")
def database(postgres: str) -> Iterator[str]:
    """The URL of an empty database for all tests here."""
    name = f"t{uuid.uuid4().hex[:12]}"
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
    url = sa.make_url(postgres).set(drivername="postgresql+psycopg", database=name)
    yield url.render_as_string(hide_password=False)
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(
    tmp_path_factory: pytest.TempPathFactory, database: str
) -> AsyncIterator[Replicas]:
    folder = tmp_path_factory.mktemp("replicas")
    async with Replicas(folder, database, crowd=CROWD, lease_s=LEASE_S) as stage:
        yield stage


@pytest_asyncio.fixture(loop_scope="module")
async def world(running: Replicas) -> AsyncIterator[Replicas]:
    """Three replicas that run, before a test and after it."""
    yield running
    running.hosts.delay_s = 0.0
    for replica in running.replicas:
        if not replica.alive:
            await replica.start()
            await replica.ready()
    await _sound(running)


async def _sound(world: Replicas) -> None:
    """What holds after every test: everything that came in was handled, and went out, once."""

    async def quiet() -> bool:
        async with world.db.read() as tx:
            coming = await tx.all(sa.select(inbox_table.c.id).where(inbox_table.c.state == "NEW"))
            going = await tx.all(sa.select(outbox.c.id).where(outbox.c.state == "WAITING"))
        return not coming and not going

    await until(quiet, "the inbox and the outbox do not become empty")
    async with world.db.read() as tx:
        assert all([row.sound async for row in audit_read.walk(tx)])
        claims = await tx.all(sa.select(audit.c.subject).where(audit.c.kind == "action.claim"))
        kept = await tx.all(sa.select(inbox_table.c.state, inbox_table.c.error))
        sent = await tx.all(sa.select(outbox.c.state, outbox.c.error))
    assert all(count == 1 for count in Counter(row.subject for row in claims).values())
    assert [row for row in kept if row.state != "DONE"] == []
    assert [row for row in sent if row.state != "SENT"] == []
    assert world.slack.violations == []
    assert world.telegram.violations == []


async def _last(world: Replicas) -> int:
    """The number of the newest action."""
    async with world.db.read() as tx:
        row = await tx.one(sa.select(sa.func.max(actions_table.c.id)))
    return int(row[0] or 0) if row else 0


async def _states(world: Replicas, above: int) -> dict[int, State]:
    async with world.db.read() as tx:
        return {one.id: one.state for one in await actions.listing(tx) if one.id > above}


def _looks(world: Replicas) -> int:
    return sum(" df " in f"{line} " for line in world.ledger())


async def test_the_parts_of_a_conversation_go_through_different_replicas(world: Replicas) -> None:
    a, b, c = world.replicas
    number = await _last(world) + 1
    world.slack_to(c)
    headers = {"Authorization": f"Bearer {await world.token('min')}"}
    wanted = {"action_type": "server_restart", "targets": ["PAY-STG-01"]}
    async with in_the_web_room(world, [b.address], ["p00", "p01"]) as (watcher, other):
        async with httpx.AsyncClient(base_url=a.address, headers=headers, trust_env=False) as rest:
            answer = await rest.post("/api/auto/queue", json=wanted)
            assert (answer.status_code, answer.json()["id"]) == (201, number)
        await play(
            world,
            "slack",
            f"""
            << card #{number} everywhere: state_PENDING_APPROVAL | [approve] [reject] [details]
            >> min presses approve on #{number}
            << min hears decide_own id={number}
            """,
        )
        for client in (watcher, other):
            await until(lambda one=client: len(one.buttons(number)) == 3, "no card on the web")  # type: ignore[misc]
        await watcher.press(number, "approve")
        await play(world, "telegram", f"<< card #{number} everywhere: state_SUCCEEDED | p00 | []")
        for client in (watcher, other):
            await until(lambda one=client: one.buttons(number) == {}, "the web shows buttons")  # type: ignore[misc]
            shown = [frame for frame in client.frames if frame.get("msg_type") == "CARD"]
            assert len({frame["message_id"] for frame in shown}) == len(shown)
    assert await _states(world, number - 1) == {number: State.SUCCEEDED}


async def test_fifty_clickers_on_three_replicas(world: Replicas) -> None:
    addresses = [replica.address for replica in world.replicas]
    names = [name for name, _ in WEBBERS]
    async with in_the_web_room(world, addresses, names) as webbers:
        storm = Storm(world, world.db, webbers)
        for _ in range(ROUNDS):
            await storm.round(await _last(world) + 1, CARDS_WITHIN_S)


async def test_telegram_is_polled_by_one(world: Replicas) -> None:
    updates = world.telegram.updates
    before, begun = len(updates.polls), time.monotonic()
    conflicts = updates.conflicts
    await world.telegram.until(lambda: len(updates.polls) >= before + 3)
    # Each poll is answered after poll_seconds = 1: three replicas would be done sooner.
    assert time.monotonic() - begun > 1.5
    assert updates.conflicts == conflicts


async def test_ticks_are_done_once_per_period_also_when_they_change_hands(
    running: Replicas,
    postgres_url: str,
) -> None:
    clock, ticked = FakeClock(), []
    settings = load_settings(running.replicas[0].config)
    settings = dataclasses.replace(settings, database=DatabaseSettings(postgres_url))
    both = []
    for name in ("one", "two"):
        named = dataclasses.replace(settings.replica, name=name, lease_s=60.0)
        both.append(App(dataclasses.replace(settings, replica=named), clock))

    async def tick() -> None:
        ticked.append(clock.now)

    async def tick_everywhere() -> None:
        await asyncio.gather(*(_tick_once(app, 300.0, "cycle", tick) for app in both))

    await migrate.upgrade(both[0].db)
    for app in both:
        await app.roles.beat()
    for period in range(1, 6):
        await tick_everywhere()
        assert len(ticked) == period
        if period == 3:
            await both[0].roles.release()
            await both[1].roles.beat()
            assert both[1].roles.holds("ticks")
        clock.forward(seconds=20)
        await tick_everywhere()
        assert len(ticked) == period
        clock.forward(seconds=280)
    for app in both:
        await app.db.close()


async def _traffic(world: Replicas, through: list[Replica], count: int) -> None:
    """Commands from every side, each answered by a run of its own."""
    headers = {"Authorization": f"Bearer {await world.token('jun')}"}
    world.slack_to(through[0])
    wanted = {"action_type": "disk_status", "targets": ["PAY-STG-01"]}
    async with httpx.AsyncClient(
        base_url=through[-1].address, headers=headers, trust_env=False, timeout=20
    ) as rest:
        for number in range(count):
            if number % 3 == 0:
                await world.seats["slack"].types("min", LOOK)
            elif number % 3 == 1:
                await world.seats["telegram"].types("jun", LOOK)
            else:
                answer = await rest.post("/api/auto/queue", json=wanted)
                assert answer.status_code == 201, answer.text
            await asyncio.sleep(0.1)


async def _ends(world: Replicas, above: int, count: int) -> dict[int, State]:
    """So many new actions, all over, each with a card in every room that says so."""

    async def over() -> bool:
        found = await _states(world, above)
        return len(found) >= count and set(found.values()) <= {*FINAL, State.UNKNOWN}

    await until(over, f"{count} actions above #{above} are not over", 30)
    return await _states(world, above)


async def test_when_the_working_replica_is_killed_another_goes_on(world: Replicas) -> None:
    busy = await world.holder("inbox")
    above, looks = await _last(world), _looks(world)
    traffic = asyncio.create_task(_traffic(world, world.others(busy), 18))
    await asyncio.sleep(0.7)
    works = {name for name, who in (await world.holders()).items() if who == busy.name}
    assert {"inbox", "delivery", "ticks"} <= works
    await busy.kill()
    killed = time.monotonic()

    async def taken_over() -> bool:
        held = await world.holders()
        return all(held.get(work) in {one.name for one in world.others()} for work in works)

    await until(taken_over, f"nobody took over {works}")
    assert time.monotonic() - killed < 2 * LEASE_S + 1
    await traffic
    found = await _ends(world, above, 18)
    # At most what the killed one ran is in doubt; nothing is lost, and nothing ran twice.
    assert len(found) == 18
    ran = _looks(world) - looks
    done = sum(state is State.SUCCEEDED for state in found.values())
    doubt = sum(state is State.UNKNOWN for state in found.values())
    assert done + doubt == 18
    assert done <= ran <= done + doubt


async def test_a_replica_that_was_paused_beyond_its_leases_does_no_harm(world: Replicas) -> None:
    busy = await world.holder("inbox")
    above, looks = await _last(world), _looks(world)
    traffic = asyncio.create_task(_traffic(world, world.others(busy), 18))
    await asyncio.sleep(0.7)
    busy.signal(signal.SIGSTOP)

    async def taken_over() -> bool:
        return (await world.holders()).get("inbox") not in (None, busy.name)

    await until(taken_over, "nobody took over the inbox")
    await asyncio.sleep(LEASE_S)
    busy.signal(signal.SIGCONT)
    await traffic
    found = await _ends(world, above, 18)
    assert len(found) == 18
    doubt = sum(state is State.UNKNOWN for state in found.values())
    assert 18 - doubt <= _looks(world) - looks <= 18
    await _cards_are_right(world, found)


async def _cards_are_right(world: Replicas, found: dict[int, State]) -> None:
    """In Slack, where a post in doubt is looked for, each has one card at most, and it is right."""
    seat = world.seats["slack"]
    shown = [number for number in found if await seat.card(number) is not None]
    assert len(shown) >= len(found) // 3
    for number in shown:
        await play(world, "slack", f"<< card #{number}: state_{found[number].value} | []")


async def test_replicas_are_restarted_one_after_another_with_approvals_pending(
    world: Replicas,
) -> None:
    first = await _last(world) + 1
    await play(
        world,
        "slack",
        f"""
        >> min types /autoq run server_restart PAY-STG-01
        << card #{first} everywhere: [approve] [reject] [details]
        >> min types /autoq run service_stop PAY-STG-01
        << card #{first + 1} everywhere: [approve] [reject] [details]
        """,
    )
    for replica in world.replicas:
        async with in_the_web_room(world, [replica.address], ["p00"]) as (client,):
            traffic = asyncio.create_task(_traffic(world, world.others(replica), 6))
            await replica.stop()
            await traffic
            assert client.socket.close_code == 1012
        await replica.start()
        await replica.ready()
    found = await _ends(world, first + 1, 18)
    assert Counter(found.values()) == {State.SUCCEEDED: 18}
    world.slack_to(world.replicas[0])
    await play(
        world,
        "slack",
        f"""
        >> ana presses approve on #{first}
        << card #{first} everywhere: state_SUCCEEDED | ana | []
        >> ana presses reject on #{first + 1}: not now
        << card #{first + 1} everywhere: state_REJECTED | ana | []
        """,
    )
