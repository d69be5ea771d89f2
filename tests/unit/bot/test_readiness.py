"""What /readyz and /status say of the bot's own parts."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.app import App
from bot.demo_folder import write_folder
from bot.metrics import LINK_UP
from bot.readiness import HealthSettings, Readiness, folders
from bot.settings import load_settings
from handlers.services import Link
from prompts.texts import LANGUAGES, say
from storage import inbox, migrate, outbox, rooms
from storage.database import Database
from tests.conftest import FakeClock
from tests.ssh_keys import write_keys


class Ticks:
    """Monotonic seconds that the test moves."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


def readiness(
    db: Database, ticks: Ticks, *, ours: bool = True, free_mb: int = 0, at: Path | None = None
) -> Readiness:
    turned = {"inbox": lambda: 1_000.0, "delivery": lambda: 1_000.0}
    wanted = HealthSettings(least_free_mb=free_mb)
    return Readiness(db, wanted, [at] if at else [], turned, lambda _: ours, ticks)


def by_name(found: list[Link]) -> dict[str, Link]:
    return {say(link.name, "en"): link for link in found}


async def test_all_is_well(db: Database, tmp_path: Path) -> None:
    ready = readiness(db, Ticks(), at=tmp_path)
    assert not ready.states()[0].ok, "nobody has looked yet"
    await ready.look()
    assert list(by_name(ready.states())) == [
        "database", "handling of messages", "delivery to rooms", "unsent messages", "disk",
    ]  # fmt: skip
    assert all(link.ok for link in ready.states())
    assert list(by_name(ready.troubles())) == ["database"]


async def test_a_loop_that_stands_still_is_told_where_it_is_ours(db: Database) -> None:
    ticks = Ticks()
    ready = readiness(db, ticks)
    ticks.now += 31
    await ready.look()
    loop = by_name(ready.states())["handling of messages"]
    assert (loop.ok, loop.needed) == (False, True)
    assert "stuck for 31 s" in say(loop.detail, "en")
    other = readiness(db, ticks, ours=False)
    await other.look()
    assert by_name(other.states())["handling of messages"].ok


async def test_what_waits_too_long_is_told(db: Database, clock: FakeClock) -> None:
    ticks = Ticks()
    ready = readiness(db, ticks)
    async with db.write() as tx:
        await inbox.keep(tx, "slack", "one", {})
        room = (await rooms.seen(tx, "web", "", "ops", "", "en")).id
        late = await outbox.say(tx, room, {"text": "late"})
    clock.forward(minutes=3)
    await ready.look()
    found = by_name(ready.states())
    assert (found["handling of messages"].ok, found["unsent messages"].ok) == (False, False)
    assert (found["handling of messages"].needed, found["unsent messages"].needed) == (True, False)
    assert (ready.waits.inbox_ms, ready.waits.outbox_ms) == (180_000, 180_000)
    async with db.write() as tx:
        await outbox.postpone(tx, late, "the room is away", 60_000)
    ticks.now += 2
    await ready.look()
    assert ready.waits.outbox_ms == 0, "what was postponed is not behind"


async def test_little_space_is_told_and_needs_no_restart(db: Database, tmp_path: Path) -> None:
    ready = readiness(db, Ticks(), free_mb=10**9, at=tmp_path)
    await ready.look()
    disk = by_name(ready.states())["disk"]
    assert (disk.ok, disk.needed) == (False, False)
    assert all(str(tmp_path) in say(disk.detail, language) for language in LANGUAGES)
    assert len({say(disk.detail, language) for language in LANGUAGES}) == 3


async def test_it_writes_once_a_second_at_most_however_often_it_is_asked(db: Database) -> None:
    ticks = Ticks()
    ready = readiness(db, ticks)
    looks = set()
    for _ in range(50):
        await ready.look()
        looks.add(ready._looking)
    assert len(looks) == 1
    ticks.now += 1.1
    await ready.look()
    assert ready._looking not in looks


async def only_read(db: Database, on: str) -> None:
    """Makes the one connection that writes refuse to, or lets it."""
    raw = await db.writer.raw_connection()
    assert raw.driver_connection is not None
    await raw.driver_connection.execute(f"PRAGMA query_only={on}")
    raw.close()


async def test_a_database_that_only_reads_is_not_ready(db: Database) -> None:
    ticks = Ticks()
    ready = readiness(db, ticks)
    await only_read(db, "ON")
    await ready.look()
    database = ready.states()[0]
    assert not database.ok
    assert "readonly" in say(database.detail, "en")
    await only_read(db, "OFF")
    ticks.now += 2
    await ready.look()
    assert ready.states()[0].ok


@pytest.mark.parametrize("sqlite", [True, False])
def test_each_folder_is_looked_at_once(tmp_path: Path, sqlite: bool) -> None:
    file = tmp_path / "a" / "w.db" if sqlite else None
    assert folders(file, tmp_path / "a" / "audit.checkpoints") == [tmp_path / "a"]
    assert len(folders(file, tmp_path / "b" / "audit.checkpoints")) == 1 + sqlite


async def test_a_process_that_is_gone_is_no_link_in_the_metrics(tmp_path: Path) -> None:
    write_folder(tmp_path, 8484)
    write_keys(tmp_path / "hosts")
    app = App(load_settings(tmp_path / "config.toml"))
    await migrate.upgrade(app.db)
    LINK_UP.labels("process two").set(1)
    await app.measure()
    await app.db.close()
    names = {sample.labels["name"] for family in LINK_UP.collect() for sample in family.samples}
    assert "database" in names
    assert "process two" not in names
