"""What is told, when, once: with real TLS servers and the clock of the test.

The clock starts at 2026-11-20 09:00 UTC, which is 18:00 in Seoul.
"""

from __future__ import annotations

import asyncio
import json
import socket
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa

from engine.upkeep import certificates
from engine.upkeep.expiry import Upkeep, report
from engine.upkeep.listed import Certificate, Domain, Licence, Listed
from engine.upkeep.settings import UpkeepSettings
from prompts.texts import Text, say
from storage import rooms
from storage.database import Database
from storage.rooms import RoomListing
from storage.tables import outbox
from storage.tables import rooms as rooms_table
from tests.conftest import FakeClock
from tests.unit.upkeep.servers import TlsServer, make_certificate, utc

SEOUL = "Asia/Seoul"
DOMAIN = Listed(domains=(Domain("example.org", date(2026, 12, 20)),))  # in 30 days


def at(clock: FakeClock, moment: str) -> None:
    """Set the clock to a moment in UTC."""
    clock.now = int(datetime.fromisoformat(moment).replace(tzinfo=UTC).timestamp() * 1000)


@pytest.fixture
async def told(db: Database) -> Told:
    async with db.write() as tx:
        listings = [
            RoomListing("web", "", "ops", language="en"),
            RoomListing("web", "", "duty", language="ko", cards=False, approvals=True),
        ]
        await rooms.sync(tx, listings)
    return Told(db)


class Told:
    """The notices so far, oldest first: (room, lines in its language)."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._after = 0

    async def news(self) -> list[tuple[str, list[str]]]:
        """Those since the last call."""
        query = (
            sa.select(outbox.c.id, outbox.c.body, rooms_table.c.address, rooms_table.c.language)
            .join(rooms_table, rooms_table.c.id == outbox.c.room_id)
            .where(outbox.c.id > self._after)
            .order_by(outbox.c.id)
        )
        found = []
        async with self._db.read() as tx:
            for row in await tx.all(query):
                self._after = row.id
                lines = json.loads(row.body)["lines"]
                said = [say(Text.from_json(line), row.language) for line in lines]
                found.append((row.address, said))
        return found


async def test_a_domain_is_told_at_each_threshold_once(
    db: Database, clock: FakeClock, told: Told
) -> None:
    upkeep = Upkeep(db, DOMAIN, UpkeepSettings(), SEOUL)
    days = []
    for _ in range(34):
        ran = await upkeep.run_once()
        assert ran
        assert not await upkeep.run_once(), "once a day"
        if news := await told.news():
            days.append(datetime.fromtimestamp(clock.now / 1000, UTC).date().isoformat())
            assert len(news) == 1
        clock.forward(minutes=24 * 60)
    ended = ["2026-12-21", "2026-12-22", "2026-12-23"]
    assert days == ["2026-11-20", "2026-12-06", "2026-12-13", "2026-12-19", *ended]


async def test_it_is_said_in_the_language_of_the_approvals_room(
    db: Database, clock: FakeClock, told: Told
) -> None:
    licence = Licence("edb", "Postgres", date(2026, 11, 21), owner="김서연")
    listed = Listed(licences=(licence,), domains=DOMAIN.domains)
    upkeep = Upkeep(db, listed, UpkeepSettings(), SEOUL)
    await upkeep.run_once()
    assert await told.news() == [
        (
            "duty",
            [
                "• 라이선스 edb (Postgres): 🔴 내일 만료 (2026-11-21). 담당: 김서연",
                "• 도메인 example.org: 🟠 30일 후 만료 (2026-12-20)",
            ],
        )
    ]


async def test_without_an_approvals_room_the_rooms_with_cards_hear_it(
    db: Database, told: Told
) -> None:
    async with db.write() as tx:
        await rooms.sync(tx, [RoomListing("web", "", "ops", language="en")])
    await Upkeep(db, DOMAIN, UpkeepSettings(), SEOUL).run_once()
    assert await told.news() == [
        ("ops", ["• Domain example.org: 🟠 ends in 30 days, on 2026-12-20"])
    ]


async def test_nothing_is_told_before_the_time_of_the_zone(
    db: Database, clock: FakeClock, told: Told
) -> None:
    upkeep = Upkeep(db, DOMAIN, UpkeepSettings(at="09:00"), SEOUL)
    at(clock, "2026-11-19T23:59:59")  # 08:59:59 in Seoul
    assert not await upkeep.run_once()
    async with db.read() as tx:
        assert [one.name for one in await upkeep.endings(tx)] == ["example.org"]
    assert await told.news() == []
    at(clock, "2026-11-20T00:00")
    assert await upkeep.run_once()
    assert len(await told.news()) == 1


async def test_who_was_down_at_the_time_tells_when_up_again_that_day(
    db: Database, clock: FakeClock, told: Told
) -> None:
    at(clock, "2026-11-20T14:58")  # 23:58 in Seoul
    assert await Upkeep(db, DOMAIN, UpkeepSettings(), SEOUL).run_once()
    clock.forward(minutes=1)
    restarted = Upkeep(db, DOMAIN, UpkeepSettings(), SEOUL)
    assert not await restarted.run_once()
    assert len(await told.news()) == 1


async def test_of_two_processes_one_tells(db: Database, told: Told) -> None:
    both = [Upkeep(db, DOMAIN, UpkeepSettings(), SEOUL) for _ in range(2)]
    ran = await asyncio.gather(*(one.run_once() for one in both))
    assert sorted(ran) == [False, True]
    assert len(await told.news()) == 1


async def test_the_day_of_the_zone_is_the_day_also_when_clocks_change(
    db: Database, clock: FakeClock, told: Told
) -> None:
    upkeep = Upkeep(db, DOMAIN, UpkeepSettings(at="02:30", time_zone="America/New_York"))
    at(clock, "2027-03-14T06:59")  # 01:59, and the next minute is 03:00
    assert not await upkeep.run_once()
    clock.forward(minutes=1)
    assert await upkeep.run_once()
    at(clock, "2027-11-07T06:30")  # 01:30 for the second time
    assert not await upkeep.run_once()
    clock.forward(minutes=60)
    assert await upkeep.run_once()
    assert not await upkeep.run_once()


async def test_a_renewed_certificate_starts_anew(
    db: Database, clock: FakeClock, told: Told, tmp_path: Path
) -> None:
    server = TlsServer(make_certificate(tmp_path, utc("2026-11-26T12:00:00")))
    async with server.serving():
        listed = Listed(certificates=(Certificate("shop", "127.0.0.1", server.port),))
        upkeep = Upkeep(db, listed, UpkeepSettings(), SEOUL)
        await upkeep.run_once()
        place = f"127.0.0.1:{server.port}"
        line = f"• 인증서 shop ({place}): 🟠 6일 후 만료 (2026-11-26)"
        assert await told.news() == [("duty", [line])]
        server.present(make_certificate(tmp_path, utc("2026-12-01T12:00:00")))
        clock.forward(minutes=24 * 60)
        await upkeep.run_once()
        ((_, (line,)),) = await told.news()
        assert "10일 후 만료 (2026-12-01)" in line, "another end is told from its own thresholds"
        server.present(make_certificate(tmp_path, utc("2027-11-21T12:00:00")))
        clock.forward(minutes=24 * 60)
        await upkeep.run_once()
        assert await told.news() == []
        async with db.read() as tx:
            assert await upkeep.soon(tx) == []


async def test_what_has_ended_is_told_every_day(
    db: Database, clock: FakeClock, told: Told, tmp_path: Path
) -> None:
    server = TlsServer(make_certificate(tmp_path, utc("2026-11-20T08:00:00")))
    async with server.serving():
        listed = Listed(certificates=(Certificate("shop", "127.0.0.1", server.port),))
        upkeep = Upkeep(db, listed, UpkeepSettings(), SEOUL)
        for words in ("오늘 만료됨", "어제 만료됨", "2일 전에 만료됨"):
            await upkeep.run_once()
            ((_, (line,)),) = await told.news()
            assert words in line
            clock.forward(minutes=24 * 60)


async def test_what_cannot_be_looked_at_is_told_after_three_days_once(
    db: Database, clock: FakeClock, told: Told, tmp_path: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    upkeep = Upkeep(
        db, Listed(certificates=(Certificate("shop", "127.0.0.1", port),)), UpkeepSettings(), SEOUL
    )
    heard = []
    for _ in range(6):
        await upkeep.run_once()
        heard.append(await told.news())
        clock.forward(minutes=24 * 60)
    assert heard == [[], [], [], [("duty", heard[3][0][1])], [], []]
    assert "연결이 거부되었습니다" in heard[3][0][1][0]
    async with db.read() as tx:
        (one,) = await upkeep.endings(tx)
    assert (one.ends_at, one.days_left, one.ended) == (None, None, False)
    assert one.problem is not None
    assert one.looked_at == clock.now - 86_400_000


async def test_a_known_end_stays_while_the_server_is_away(
    db: Database, clock: FakeClock, told: Told, tmp_path: Path
) -> None:
    server = TlsServer(make_certificate(tmp_path, utc("2026-12-04T20:00:00")))
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(server.serving())
        listed = Listed(certificates=(Certificate("shop", "127.0.0.1", server.port),))
        upkeep = Upkeep(db, listed, UpkeepSettings(), SEOUL)
        await upkeep.run_once()
        assert len(await told.news()) == 1
    clock.forward(minutes=24 * 60)
    await upkeep.run_once()
    ((_, (line,)),) = await told.news()
    assert "14일 후 만료" in line and "연결이 거부되었습니다" in line


async def test_a_wrong_name_is_told_at_once(db: Database, told: Told, tmp_path: Path) -> None:
    server = TlsServer(make_certificate(tmp_path, utc("2027-12-04T12:00:00")))
    async with server.serving():
        certificate = Certificate("shop", "127.0.0.1", server.port, "pay.example.org")
        upkeep = Upkeep(db, Listed(certificates=(certificate,)), UpkeepSettings(), SEOUL)
        await upkeep.run_once()
    ((_, (line,)),) = await told.news()
    assert "pay.example.org의 인증서가 아닙니다" in line


async def test_what_is_no_longer_listed_is_forgotten(db: Database, told: Told) -> None:
    await Upkeep(db, DOMAIN, UpkeepSettings(), SEOUL).look()
    empty = Upkeep(db, Listed(), UpkeepSettings(), SEOUL)
    await empty.run_once()
    async with db.read() as tx:
        assert await empty.endings(tx) == []
    assert await told.news() == []


async def test_a_date_that_was_mended_is_known_after_the_restart(
    db: Database, clock: FakeClock, told: Told
) -> None:
    await Upkeep(db, DOMAIN, UpkeepSettings(), SEOUL).run_once()
    mended = Listed(domains=(Domain("example.org", date(2028, 12, 20)),))
    upkeep = Upkeep(db, mended, UpkeepSettings(), SEOUL)
    await upkeep.run_once()
    async with db.read() as tx:
        (one,) = await upkeep.endings(tx)
    assert one.ends_on == "2028-12-20"


async def test_hundreds_are_one_notice_that_can_be_shown(db: Database, told: Told) -> None:
    many = tuple(Domain(f"d{n}.example.org", date(2026, 11, 25)) for n in range(400))
    await Upkeep(db, Listed(domains=many), UpkeepSettings(), SEOUL).run_once()
    ((_, lines),) = await told.news()
    assert len(lines) == 31 and "370" in lines[-1]
    assert sum(map(len, lines)) < 3000


async def test_programs_see_the_same(db: Database) -> None:
    upkeep = Upkeep(db, DOMAIN, UpkeepSettings(), SEOUL)
    await upkeep.look()
    async with db.read() as tx:
        (one,) = report(await upkeep.endings(tx), "en")
    assert (one["kind"], one["name"], one["days_left"]) == ("domain", "example.org", 30)
    assert (one["ends_on"], one["ended"], one["problem"]) == ("2026-12-20", False, "")


@pytest.mark.parametrize(
    "wrong",
    [
        {"at": "9:00"},
        {"at": "24:00"},
        {"at": "٠٩:٠٠"},
        {"time_zone": "Asia/Gotham"},
        {"days": ()},
        {"days": (30, 0)},
        {"probe_timeout_s": 0},
        {"probe_timeout_s": 1e9},
        {"unreachable_days": -1},
    ],
)
def test_settings_that_mean_nothing_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"write|give"):
        UpkeepSettings(**wrong)  # type: ignore[arg-type]


async def test_one_server_that_breaks_the_look_keeps_nothing_from_being_told(
    db: Database, told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def breaks(*_: object) -> certificates.Seen:
        raise KeyError("a bug met by this server alone")

    monkeypatch.setattr(certificates, "look", breaks)
    listed = replace(DOMAIN, certificates=(Certificate("odd", "::1"),))
    upkeep = Upkeep(db, listed, UpkeepSettings(), SEOUL)
    assert await upkeep.run_once()
    ((_, lines),) = await told.news()
    assert any("example.org" in line for line in lines)
    async with db.read() as tx:
        odd = next(one for one in await upkeep.endings(tx) if one.kind == "certificate")
    assert odd.problem is not None and odd.problem.key == "upkeep_unreadable"
    assert odd.what == "[::1]:443"


async def test_where_nobody_hears_it_nothing_counts_as_told(
    db: Database, clock: FakeClock, told: Told
) -> None:
    async with db.write() as tx:
        await rooms.sync(tx, [])
    upkeep = Upkeep(db, DOMAIN, UpkeepSettings(), SEOUL)
    await upkeep.run_once()
    assert await told.news() == []
    async with db.write() as tx:
        await rooms.sync(tx, [RoomListing("web", "", "ops", language="en")])
    clock.forward(minutes=24 * 60)
    await upkeep.run_once()
    assert len(await told.news()) == 1
