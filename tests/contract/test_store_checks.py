"""The last look of each health check, on both databases."""

from __future__ import annotations

from storage import checks
from storage.checks import CheckState
from storage.database import Database
from tests.conftest import FakeClock

WELL = {"key": "probe_status", "values": {"status": 200}}
ILL = {"key": "probe_lacks", "values": {"status": 200, "words": "정상 / 正常"}}


async def record(
    db: Database, name: str, ok: bool | None, failures: int = 0, *, firing: bool = False
) -> None:
    async with db.write() as tx:
        detail = WELL if ok else ILL
        await checks.record(tx, name, ok, detail, failures=failures, firing=firing)


async def state(db: Database, name: str) -> CheckState | None:
    async with db.read() as tx:
        return await checks.by_name(tx, name)


async def test_a_look_is_kept_whole_and_the_next_takes_its_place(
    any_db: Database, clock: FakeClock
) -> None:
    begun = clock.now
    assert await state(any_db, "shop") is None
    await record(any_db, "shop", ok=True)
    assert await state(any_db, "shop") == CheckState("shop", True, 0, False, WELL, begun, begun)
    clock.forward(minutes=1)
    await record(any_db, "shop", ok=False, failures=3, firing=True)
    assert await state(any_db, "shop") == CheckState(
        "shop", False, 3, True, ILL, clock.now, clock.now
    )


async def test_since_moves_only_when_the_answer_changes(any_db: Database, clock: FakeClock) -> None:
    seen = []
    for ok in (True, True, False, False, None, None, False, True):
        clock.forward(minutes=1)
        await record(any_db, "shop", ok)
        found = await state(any_db, "shop")
        assert found is not None
        assert found.looked_at == clock.now
        seen.append((clock.now - found.since) // 60_000)
    assert seen == [0, 1, 0, 1, 0, 1, 0, 0]


async def test_the_list_is_by_name_and_what_is_not_configured_is_forgotten(
    any_db: Database,
) -> None:
    for name in ("b", "c", "a"):
        await record(any_db, name, ok=True)
    async with any_db.write() as tx:
        assert [one.name for one in await checks.listing(tx)] == ["a", "b", "c"]
        assert await checks.forget_all_but(tx, ["b", "never-looked-at"]) == 2
        assert [one.name for one in await checks.listing(tx)] == ["b"]
        assert await checks.forget_all_but(tx, []) == 1
        assert await checks.listing(tx) == []
